#include "tokenizer/template/chat.h"

#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "tokenizer/template/chat_template.h"
#include "tokenizer/tokenizer.h"

struct chat {
    struct chat_template *chat_template;
    struct literal_text *literal;
    const bn_tokenizer *tokenizer;
};

bn_status chat_open(const bn_tokenizer *tokenizer, struct chat **out, bn_error *err) {
    const char *source = tokenizer ? bn_tokenizer_chat_template(tokenizer) : NULL;
    *out = NULL;
    return source ? chat_open_source(tokenizer, source, out, err) : BN_OK;
}

bn_status chat_open_source(const bn_tokenizer *tokenizer, const char *source, struct chat **out, bn_error *err) {
    struct chat *chat = mem_calloc(1, sizeof *chat);
    if (!chat) return fail_no_memory(err, sizeof *chat);
    chat->tokenizer = tokenizer;
    bn_status status = chat_template_parse(source, strlen(source), "chat template", &chat->chat_template, err);
    if (!status) status = literal_text_create(tokenizer, &chat->literal, err);
    if (status) {
        chat_close(chat);
        return status;
    }
    *out = chat;
    return BN_OK;
}

void chat_close(struct chat *chat) {
    if (!chat) return;
    chat_template_destroy(chat->chat_template);
    literal_text_destroy(chat->literal);
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

bn_status chat_render(const struct chat *chat, json_t *input, bool parse_special, struct prompt_text *out,
                      bn_error *err) {
    uint32_t first = 0;
    bn_status status = parse_special ? BN_OK : literal_text_hide(chat->literal, input, &first, err);
    if (!status && !add_token_names(input, chat->tokenizer))
        status = fail(err, BN_STATUS_NO_MEMORY, "out of memory for the conversation");
    if (status) return status;
    const struct chat_template_request request = {.input = input, .now = local_clock()};
    status = chat_template_render(chat->chat_template, &request, &out->text, NULL, NULL, err);
    if (!status && out->text.failed) status = fail_no_memory(err, out->text.size);
    return status ? status : literal_text_restore(chat->literal, first, out, err);
}

bn_status chat_encode_prompt(const struct chat *chat, const struct prompt_text *prompt, int32_t **ids, size_t *n_ids,
                             bn_error *err) {
    const bn_encode_options options = {.size = sizeof options, .add_special = false, .parse_special = true};
    return tokenizer_encode_literal(chat->tokenizer, prompt->text.data ? prompt->text.data : "", prompt->text.size,
                                    &prompt->literal, &options, ids, n_ids, err);
}

bn_status chat_encode(const struct chat *chat, const json_t *messages, int32_t **ids, size_t *n_ids, bn_error *err) {
    json_t *input = json_pack("{s:O, s:b}", "messages", messages, "add_generation_prompt", 1);
    if (!input) return fail(err, BN_STATUS_NO_MEMORY, "out of memory for the conversation");
    struct prompt_text prompt;
    prompt_text_init(&prompt);
    bn_status status = chat_render(chat, input, false, &prompt, err);
    if (!status) status = chat_encode_prompt(chat, &prompt, ids, n_ids, err);
    prompt_text_release(&prompt);
    json_decref(input);
    return status;
}

static bn_status encode(const bn_tokenizer *tokenizer, const char *text, size_t text_bytes,
                        const struct literal_places *literal, bool add_special, int32_t **ids, size_t *n,
                        bn_error *err) {
    if (!tokenizer) return fail(err, BN_STATUS_UNSUPPORTED, "the model has no tokenizer: give the prompt as token ids");
    const bn_encode_options options = {.size = sizeof options, .add_special = add_special, .parse_special = true};
    bn_status status =
        tokenizer_encode_literal(tokenizer, text ? text : "", text_bytes, literal, &options, ids, n, err);
    int32_t bos = bn_tokenizer_bos(tokenizer);
    if (status || *n || !add_special || bos < 0) return status;
    /* an empty prompt means "begin anywhere", which a model knows as its BOS */
    bn_free(*ids);
    *ids = mem_alloc(sizeof **ids);
    if (!*ids) return fail_no_memory(err, sizeof **ids);
    (*ids)[0] = bos;
    *n = 1;
    return BN_OK;
}

bn_status encode_prompt(const bn_tokenizer *tokenizer, const char *text, size_t text_bytes, bool add_special,
                        int32_t **ids, size_t *n, bn_error *err) {
    return encode(tokenizer, text, text_bytes, NULL, add_special, ids, n, err);
}

bn_status encode_prompt_text(const bn_tokenizer *tokenizer, const struct prompt_text *prompt, bool add_special,
                             int32_t **ids, size_t *n, bn_error *err) {
    return encode(tokenizer, prompt->text.data, prompt->text.size, &prompt->literal, add_special, ids, n, err);
}
