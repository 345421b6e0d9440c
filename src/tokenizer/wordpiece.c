/* Greedy longest match over two tries; see wordpiece.h. */
#include "tokenizer/wordpiece.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

enum { LONGEST_PIECE = 2048 };

static bool take_prefix(struct trie_key *key, const char *prefix) {
    size_t n = strlen(prefix);
    if (key->size <= n || memcmp(key->bytes, prefix, n) != 0) return false;
    key->bytes += n;
    key->size -= n;
    return true;
}

bn_status wordpiece_finish(struct wordpiece *wordpiece, const struct vocabulary *vocabulary, const char *prefix,
                           const char *word_start, bn_error *err) {
    struct trie_key *first = mem_alloc_array(vocabulary->size + 1, sizeof *first);
    struct trie_key *rest = mem_alloc_array(vocabulary->size + 1, sizeof *rest);
    bn_status status = first && rest ? BN_OK : fail_no_memory(err, vocabulary->size * sizeof *first);
    size_t n_first = 0, n_rest = 0;
    for (size_t id = 0; id < vocabulary->size && !status; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        if (!token.text || token.size == 0 || !(token.flags & TOKEN_MODEL)) continue;
        if (token.size > LONGEST_PIECE) {
            status = fail(err, BN_STATUS_UNSUPPORTED, "token %zu has %u bytes, word pieces may have %d", id, token.size,
                          LONGEST_PIECE);
            break;
        }
        struct trie_key key = {.bytes = token.text, .size = token.size, .value = (int32_t)id};
        if (word_start) {
            if (take_prefix(&key, word_start))
                first[n_first++] = key;
            else if (!(token.flags & TOKEN_CONTROL))
                rest[n_rest++] = key;
            continue;
        }
        first[n_first++] = key;
        if (take_prefix(&key, prefix)) rest[n_rest++] = key;
    }
    if (!status) status = trie_build(&wordpiece->first, first, n_first, err);
    if (!status) status = trie_build(&wordpiece->rest, rest, n_rest, err);
    mem_free(first);
    mem_free(rest);
    return status;
}

void wordpiece_release(struct wordpiece *wordpiece) {
    trie_release(&wordpiece->first);
    trie_release(&wordpiece->rest);
}

static bool is_too_long(const struct wordpiece *wordpiece, const char *word, size_t size) {
    uint32_t c;
    size_t count = 0;
    for (size_t at = 0; at < size; at += unicode_next(word + at, size - at, &c))
        if (++count > wordpiece->max_characters) return true;
    return false;
}

void wordpiece_encode(const struct wordpiece *wordpiece, const char *word, size_t size, struct token_list *out) {
    size_t n = out->n, at = 0;
    if (!is_too_long(wordpiece, word, size)) {
        for (size_t length; at < size; at += length) {
            int32_t id;
            length = trie_longest_prefix(at ? &wordpiece->rest : &wordpiece->first, word + at, size - at, &id);
            if (length == 0) break;
            token_list_push(out, id, at, at + length);
        }
        if (at == size) return;
    }
    out->n = n;
    if (wordpiece->unknown_id >= 0) token_list_push(out, wordpiece->unknown_id, 0, size);
}
