#include "cli/chat.h"

#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "tokenizer/template/chat_template.h"

struct chat {
    struct chat_template *chat_template;
    const bn_tokenizer *tokenizer;
};

bn_status chat_open(const bn_model *model, struct chat **out, bn_error *err) {
    *out = NULL;
    const bn_tokenizer *tokenizer = bn_model_tokenizer(model);
    const char *source = tokenizer ? bn_tokenizer_chat_template(tokenizer) : NULL;
    if (!source) return BN_OK;
    struct chat *chat = mem_calloc(1, sizeof *chat);
    if (!chat) return fail_no_memory(err, sizeof *chat);
    chat->tokenizer = tokenizer;
    bn_status status = chat_template_parse(source, strlen(source), "chat template", &chat->chat_template, err);
    if (status) {
        mem_free(chat);
        return status;
    }
    *out = chat;
    return BN_OK;
}

void chat_close(struct chat *chat) {
    if (!chat) return;
    chat_template_destroy(chat->chat_template);
    mem_free(chat);
}

int64_t local_clock(void) {
    time_t now = time(NULL);
    struct tm local;
    return localtime_r(&now, &local) ? (int64_t)timegm(&local) : (int64_t)now;
}

static bool add_token_name(json_t *input, const bn_tokenizer *tokenizer, const char *name, int32_t id) {
    const char *text = id >= 0 ? bn_tokenizer_token(tokenizer, id) : NULL;
    if (!text || json_object_get(input, name)) return true;
    return json_object_set_new(input, name, json_string(text)) == 0;
}

bool add_token_names(json_t *input, const bn_tokenizer *tokenizer) {
    return add_token_name(input, tokenizer, "bos_token", bn_tokenizer_bos(tokenizer)) &&
           add_token_name(input, tokenizer, "eos_token", bn_tokenizer_eos(tokenizer));
}

/* The template writes the special tokens itself, so none are added in encoding. */
bn_status chat_encode(const struct chat *chat, const json_t *messages, int32_t **ids, size_t *n_ids, bn_error *err) {
    json_t *input = json_pack("{s:O, s:b}", "messages", messages, "add_generation_prompt", 1);
    if (!input || !add_token_names(input, chat->tokenizer)) {
        json_decref(input);
        return fail(err, BN_STATUS_NO_MEMORY, "out of memory for the conversation");
    }
    const struct chat_template_request request = {.input = input, .now = local_clock()};
    struct buffer prompt;
    buffer_init(&prompt);
    bn_status status = chat_template_render(chat->chat_template, &request, &prompt, NULL, NULL, err);
    if (!status && prompt.failed) status = fail_no_memory(err, prompt.size);
    const bn_encode_options options = {.size = sizeof options, .add_special = false, .parse_special = true};
    if (!status)
        status = bn_tokenizer_encode(chat->tokenizer, prompt.data ? prompt.data : "", prompt.size, &options, ids, n_ids,
                                     err);
    buffer_release(&prompt);
    json_decref(input);
    return status;
}
