#include "tokenizer/template/literal_text.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/pipeline.h"

/* Plane 16 is for private use: 64 blocks, of which a conversation takes one that it doesn't have already. */
enum { FIRST_PRIVATE = 0x100000, BLOCK_SIZE = 1024, N_BLOCKS = 64, DEEPEST = 2100 };

struct literal_text {
    struct trie specials;
    uint32_t *beginnings; /* [n] the characters that special tokens begin with */
    size_t n;
};

/* ---- what special tokens look like ---- */

static bool is_shown(const struct added_token *token) {
    return token->special && token->size > 0;
}

/* The number of a beginning, added if it is new; SIZE_MAX: there is no room. */
static size_t number_of(struct literal_text *literal, uint32_t c) {
    size_t i = 0;
    while (i < literal->n && literal->beginnings[i] != c) i++;
    if (i == literal->n && i < BLOCK_SIZE) literal->beginnings[literal->n++] = c;
    return i < BLOCK_SIZE ? i : SIZE_MAX;
}

static bn_status add_tokens(struct literal_text *literal, const struct added_tokens *added, bn_error *err) {
    struct trie_key *keys = mem_alloc_array(added->n + 1, sizeof *keys);
    if (!keys) return fail_no_memory(err, added->n * sizeof *keys);
    bn_status status = BN_OK;
    size_t n = 0;
    for (size_t i = 0; i < added->n && !status; i++) {
        const struct added_token *token = &added->items[i];
        uint32_t c;
        if (!is_shown(token) || utf8_decode(token->content, token->size, &c) <= 0) continue;
        if (number_of(literal, c) == SIZE_MAX)
            status = fail(err, BN_STATUS_UNSUPPORTED, "special tokens begin with more than %d characters", BLOCK_SIZE);
        keys[n++] = (struct trie_key){.bytes = token->content, .size = token->size, .value = (int32_t)i};
    }
    if (!status) status = trie_build(&literal->specials, keys, n, err);
    mem_free(keys);
    return status;
}

bn_status literal_text_create(const bn_tokenizer *tokenizer, struct literal_text **out, bn_error *err) {
    struct literal_text *literal = mem_calloc(1, sizeof *literal);
    if (literal) literal->beginnings = mem_alloc_array(BLOCK_SIZE, sizeof *literal->beginnings);
    if (!literal || !literal->beginnings) {
        mem_free(literal);
        return fail_no_memory(err, BLOCK_SIZE * sizeof *literal->beginnings);
    }
    bn_status status = add_tokens(literal, &tokenizer->added, err);
    if (status)
        literal_text_destroy(literal);
    else
        *out = literal;
    return status;
}

void literal_text_destroy(struct literal_text *literal) {
    if (!literal) return;
    trie_release(&literal->specials);
    mem_free(literal->beginnings);
    mem_free(literal);
}

/* Does a special token begin at text[at], or could one that goes on behind the text? */
static bool looks_special(const struct literal_text *literal, const char *text, size_t n, size_t at) {
    uint32_t node = 0;
    if (literal->specials.n_nodes == 0) return false;
    for (; at < n; at++) {
        node = trie_child(&literal->specials, node, (uint8_t)text[at]);
        if (node == 0) return false;
        if (trie_value(&literal->specials, node) >= 0) return true;
    }
    return true;
}

static bool has_special(const struct literal_text *literal, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (literal->specials.root[(uint8_t)text[i]] && looks_special(literal, text, n, i)) return true;
    return false;
}

/* ---- looking at all texts of a value ---- */

struct look {
    const struct literal_text *literal;
    bool any;              /* something has to be hidden */
    bool blocks[N_BLOCKS]; /* that are in use */
    uint32_t first;        /* of the block that is taken */
    bool failed;
};

static void look_at_text(struct look *look, const char *text, size_t n) {
    look->any |= has_special(look->literal, text, n);
    for (size_t i = 0; i + 3 < n; i++) {
        uint32_t c;
        if ((uint8_t)text[i] != 0xf4 || utf8_decode(text + i, n - i, &c) != 4 || c < FIRST_PRIVATE) continue;
        look->blocks[(c - FIRST_PRIVATE) / BLOCK_SIZE] = true;
    }
}

static bool is_role(const char *name) {
    return strcmp(name, "role") == 0;
}

/* in_message: `role` is the template's business. */
static void look_at(struct look *look, const json_t *value, bool in_message, unsigned depth) {
    const char *name;
    json_t *member;
    size_t i;
    if (depth > DEEPEST) {
        look->failed = true;
        return;
    }
    if (json_is_string(value)) look_at_text(look, json_string_value(value), json_string_length(value));
    json_array_foreach(value, i, member) look_at(look, member, false, depth + 1);
    json_object_foreach((json_t *)(uintptr_t)value, name, member) {
        look_at_text(look, name, strlen(name));
        if (!in_message || !is_role(name)) look_at(look, member, false, depth + 1);
    }
}

/* ---- hiding ---- */

static void hide_text(const struct look *look, const char *text, size_t n, struct buffer *out) {
    const struct literal_text *literal = look->literal;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        char utf8[4];
        int length = utf8_decode(text + i, n - i, &c);
        size_t size = length > 0 ? (size_t)length : 1, number = 0;
        bool hidden = length > 0 && looks_special(literal, text, n, i);
        if (hidden)
            while (number < literal->n && literal->beginnings[number] != c) number++;
        if (hidden && number < literal->n)
            buffer_append(out, utf8, utf8_encode(look->first + (uint32_t)number, utf8));
        else
            buffer_append(out, text + i, size);
        i += size;
    }
}

static json_t *hide(struct look *look, json_t *value, bool in_message);

static json_t *hide_string(struct look *look, json_t *value) {
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    if (!has_special(look->literal, text, n)) return json_incref(value);
    struct buffer out;
    buffer_init(&out);
    hide_text(look, text, n, &out);
    json_t *hidden = out.failed ? NULL : json_stringn(out.data, out.size);
    buffer_release(&out);
    return hidden;
}

static json_t *hide_object(struct look *look, json_t *value, bool in_message) {
    json_t *out = json_object(), *member;
    const char *name;
    struct buffer key;
    buffer_init(&key);
    json_object_foreach(value, name, member) {
        json_t *hidden = in_message && is_role(name) ? json_incref(member) : hide(look, member, false);
        buffer_clear(&key);
        hide_text(look, name, strlen(name), &key);
        if (key.failed || !hidden || json_object_set_new(out, key.data ? key.data : "", hidden)) look->failed = true;
    }
    buffer_release(&key);
    return out;
}

/* A copy in which nothing looks special. Failing is noted. */
static json_t *hide(struct look *look, json_t *value, bool in_message) {
    json_t *out, *member;
    size_t i;
    if (json_is_string(value)) {
        out = hide_string(look, value);
    } else if (json_is_object(value)) {
        out = hide_object(look, value, in_message);
    } else if (json_is_array(value)) {
        out = json_array();
        json_array_foreach(value, i, member) {
            if (json_array_append_new(out, hide(look, member, false))) look->failed = true;
        }
    } else {
        out = json_incref(value);
    }
    if (!out) look->failed = true;
    return out;
}

static json_t *hide_messages(struct look *look, json_t *messages) {
    json_t *out = json_array(), *message;
    size_t i;
    json_array_foreach(messages, i, message) {
        if (json_array_append_new(out, hide(look, message, true))) look->failed = true;
    }
    return out;
}

static void look_at_messages(struct look *look, const json_t *messages) {
    size_t i;
    json_t *message;
    json_array_foreach(messages, i, message) look_at(look, message, true, 0);
}

static bn_status replace_members(struct look *look, json_t *input, bn_error *err) {
    static const char *const others[] = {"tools", "documents"};
    json_t *messages = json_object_get(input, "messages");
    if (json_is_array(messages) && json_object_set_new(input, "messages", hide_messages(look, messages)))
        look->failed = true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        json_t *value = json_object_get(input, others[i]);
        if (value && json_object_set_new(input, others[i], hide(look, value, false))) look->failed = true;
    }
    return look->failed ? fail(err, BN_STATUS_NO_MEMORY, "out of memory for the conversation") : BN_OK;
}

bn_status literal_text_hide(const struct literal_text *literal, json_t *input, uint32_t *first, bn_error *err) {
    struct look look = {.literal = literal};
    size_t block = 0;
    *first = 0;
    look_at_messages(&look, json_object_get(input, "messages"));
    look_at(&look, json_object_get(input, "tools"), false, 0);
    look_at(&look, json_object_get(input, "documents"), false, 0);
    if (look.failed) return fail(err, BN_STATUS_BAD_ARGUMENT, "the conversation is nested deeper than %d", DEEPEST);
    if (!look.any) return BN_OK;
    while (block < N_BLOCKS && look.blocks[block]) block++;
    if (block == N_BLOCKS)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the conversation has private characters of all blocks of plane 16");
    *first = look.first = FIRST_PRIVATE + (uint32_t)block * BLOCK_SIZE;
    return replace_members(&look, input, err);
}

/* ---- putting back ---- */

void prompt_text_init(struct prompt_text *prompt) {
    *prompt = (struct prompt_text){0};
    buffer_init(&prompt->text);
}

void prompt_text_release(struct prompt_text *prompt) {
    mem_free((void *)(uintptr_t)prompt->literal.places);
    buffer_release(&prompt->text);
    *prompt = (struct prompt_text){0};
}

bn_status literal_text_restore(const struct literal_text *literal, uint32_t first, struct prompt_text *prompt,
                               bn_error *err) {
    struct buffer *text = &prompt->text;
    size_t n = 0, to = 0, most = 0;
    if (first == 0) return BN_OK;
    for (size_t i = 0; i < text->size; i++) most += (uint8_t)text->data[i] == 0xf4;
    size_t *places = mem_alloc_array(most, sizeof *places);
    if (!places) return fail_no_memory(err, most * sizeof *places);
    for (size_t i = 0; i < text->size;) { /* what is put back is never longer */
        uint32_t c = 0;
        char utf8[4];
        int length = utf8_decode(text->data + i, text->size - i, &c);
        size_t size = length > 0 ? (size_t)length : 1;
        if (length == 4 && c >= first && c - first < literal->n) {
            places[n++] = to;
            size_t n_utf8 = utf8_encode(literal->beginnings[c - first], utf8);
            memcpy(text->data + to, utf8, n_utf8);
            to += n_utf8;
        } else {
            memmove(text->data + to, text->data + i, size);
            to += size;
        }
        i += size;
    }
    text->size = to;
    if (text->data) text->data[to] = '\0';
    prompt->literal = (struct literal_places){places, n};
    return BN_OK;
}
