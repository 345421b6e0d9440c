#include "cli/conversation.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/input.h"
#include "cli/json_output.h"

enum { SAVED_MAX_BYTES = 64 << 20 };

static bn_status no_memory(bn_error *err) {
    return fail(err, BN_STATUS_NO_MEMORY, "out of memory for the conversation");
}

bn_status conversation_init(struct conversation *conversation, const bn_model *model, const char *system,
                            bn_error *err) {
    *conversation =
        (struct conversation){.tokenizer = model ? bn_model_tokenizer(model) : NULL, .messages = json_array()};
    if (!conversation->messages) return no_memory(err);
    bn_status status = model ? chat_open(conversation->tokenizer, &conversation->chat, err) : BN_OK;
    if (!status && system) status = conversation_add(conversation, "system", system, strlen(system), err);
    return status;
}

void conversation_release(struct conversation *conversation) {
    chat_close(conversation->chat);
    json_decref(conversation->messages);
    *conversation = (struct conversation){0};
}

static json_t *message(const char *role, const char *text, size_t n) {
    return json_pack("{s:s, s:o}", "role", role, "content", json_text(text, n));
}

bn_status conversation_add(struct conversation *conversation, const char *role, const char *text, size_t n,
                           bn_error *err) {
    return json_array_append_new(conversation->messages, message(role, text, n)) ? no_memory(err) : BN_OK;
}

void conversation_drop_last(struct conversation *conversation) {
    size_t n = json_array_size(conversation->messages);
    if (n) json_array_remove(conversation->messages, n - 1);
}

static bool has_system(const struct conversation *conversation) {
    const char *role = json_string_value(json_object_get(json_array_get(conversation->messages, 0), "role"));
    return role && strcmp(role, "system") == 0;
}

bn_status conversation_reset(struct conversation *conversation, bn_error *err) {
    size_t kept = has_system(conversation);
    while (json_array_size(conversation->messages) > kept)
        if (json_array_remove(conversation->messages, kept)) return no_memory(err);
    return BN_OK;
}

bn_status conversation_set_system(struct conversation *conversation, const char *text, bn_error *err) {
    if (has_system(conversation)) json_array_remove(conversation->messages, 0);
    if (!*text) return BN_OK;
    return json_array_insert_new(conversation->messages, 0, message("system", text, strlen(text))) ? no_memory(err)
                                                                                                   : BN_OK;
}

/* Without a template: everything said so far, one after the other. */
static bn_status encode_plainly(const struct conversation *conversation, int32_t **ids, size_t *n_ids, bn_error *err) {
    struct buffer text;
    buffer_init(&text);
    for (size_t i = 0; i < json_array_size(conversation->messages); i++) {
        const json_t *content = json_object_get(json_array_get(conversation->messages, i), "content");
        buffer_append(&text, json_string_value(content), json_string_length(content));
    }
    bn_status status = text.failed
                           ? no_memory(err)
                           : encode_prompt(conversation->tokenizer, text.data, text.size, true, ids, n_ids, err);
    buffer_release(&text);
    return status;
}

bn_status conversation_encode(const struct conversation *conversation, int32_t **ids, size_t *n_ids, bn_error *err) {
    if (!conversation->chat) return encode_plainly(conversation, ids, n_ids, err);
    return chat_encode(conversation->chat, conversation->messages, ids, n_ids, err);
}

bn_status conversation_save(const struct conversation *conversation, const char *path, bn_error *err) {
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    status = json_write_line(file.stream, json_pack("{s:O}", "messages", conversation->messages), err);
    if (!status) return atomic_file_commit(&file, err);
    atomic_file_abort(&file);
    return status;
}

bn_status conversation_load(struct conversation *conversation, const char *path, bn_error *err) {
    json_t *saved;
    bn_status status = json_parse_file(path, SAVED_MAX_BYTES, &saved, err);
    if (status) return status;
    json_t *messages = json_object_get(saved, "messages");
    if (!json_is_array(messages)) status = fail(err, BN_STATUS_BAD_FILE, "%s: 'messages' must be an array", path);
    for (size_t i = 0; !status && i < json_array_size(messages); i++) {
        const json_t *item = json_array_get(messages, i);
        if (!json_is_string(json_object_get(item, "role")) || !json_is_string(json_object_get(item, "content")))
            status =
                fail(err, BN_STATUS_BAD_FILE, "%s: 'messages[%zu]' needs 'role' and 'content', both strings", path, i);
    }
    if (!status) {
        json_decref(conversation->messages);
        conversation->messages = json_incref(messages);
    }
    json_decref(saved);
    return status;
}
