/* Text to tokens: the pipeline of pipeline.h, segment by segment. A caller who wants ids alone (encode_batch.c) gets
 * them without alignment and through the word cache; offsets (tokenizer_encode) cost more. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/encode_work.h"
#include "tokenizer/unicode.h"

void encode_work_release(struct encode_work *work) {
    text_release(&work->text);
    pieces_release(&work->segments);
    pieces_release(&work->pieces);
    normalizer_scratch_release(&work->normalizer);
    pretokenizer_scratch_release(&work->pretokenizer);
    bpe_scratch_release(&work->bpe);
    unigram_scratch_release(&work->unigram);
    token_list_release(&work->word);
    id_list_release(&work->ahead);
    id_list_release(&work->pending);
}

static bn_status encode_word(struct encode_work *work, const char *word, size_t size, struct token_list *out,
                             bn_error *err) {
    const bn_tokenizer *tokenizer = work->tokenizer;
    int32_t id;
    switch (tokenizer->model) {
    case MODEL_BPE:
        bpe_encode(&tokenizer->bpe, word, size, &work->bpe, out);
        break;
    case MODEL_UNIGRAM:
        return unigram_encode(&tokenizer->unigram, word, size, &work->unigram, out, err);
    case MODEL_WORDPIECE:
        wordpiece_encode(&tokenizer->wordpiece, word, size, out);
        break;
    case MODEL_WORDLEVEL:
        id = vocabulary_find_model(&tokenizer->vocabulary, word, size);
        if (id < 0) id = tokenizer->wordpiece.unknown_id;
        if (id >= 0) token_list_push(out, id, 0, size);
        break;
    case MODEL_BYTES:
        for (size_t i = 0; i < size; i++) token_list_push(out, tokenizer->first_byte_id + (uint8_t)word[i], i, i + 1);
        break;
    }
    return BN_OK;
}

/* ---- ids alone ---- */

int32_t *id_list_reserve(struct id_list *list, size_t n) {
    if (n > list->capacity - list->n) {
        size_t capacity = max_size(list->n + n, list->capacity + list->capacity / 2);
        int32_t *items = list->failed ? NULL : mem_realloc_array(list->items, capacity, sizeof *items);
        if (!items) {
            list->failed = true;
            return NULL;
        }
        list->items = items;
        list->capacity = capacity;
    }
    return list->items + list->n;
}

void id_list_release(struct id_list *list) {
    mem_free(list->items);
    *list = (struct id_list){0};
}

static bn_status push_id(struct id_list *list, int32_t id, bn_error *err) {
    int32_t *place = id_list_reserve(list, 1);
    if (!place) return fail_no_memory(err, sizeof id);
    *place = id;
    list->n++;
    return BN_OK;
}

/* A word is a piece of text that the model is asked about, and what is read beyond it may be. */
struct word {
    const char *text;
    size_t size, readable;
};

static bn_status encode_new_word(struct encode_work *work, const struct word *word, const struct word_key *key,
                                 struct id_list *out, bn_error *err) {
    struct token_list *tokens = &work->word;
    tokens->n = 0;
    bn_status status = encode_word(work, word->text, word->size, tokens, err);
    if (status) return status;
    int32_t *ids = id_list_reserve(out, max_size(tokens->n, 1)); /* there may be none, which isn't lack of memory */
    if (tokens->failed || !ids) return fail_no_memory(err, word->size);
    for (size_t i = 0; i < tokens->n; i++) ids[i] = tokens->items[i].id;
    out->n += tokens->n;
    if (key && tokens->n <= WORD_CACHE_MAX_IDS) word_cache_keep(&work->tokenizer->words, key, ids, tokens->n);
    return BN_OK;
}

static struct word_key key_of(const struct word *word) {
    return word_key_of(word->text, word->size, word->readable);
}

/* A word whose key is known; none: it is too long to have one. */
static bn_status ids_of_key(struct encode_work *work, const struct word *word, const struct word_key *key,
                            struct id_list *out, bn_error *err) {
    if (word->size > WORD_CACHE_MAX_BYTES) return encode_new_word(work, word, NULL, out, err);
    int32_t *ids = id_list_reserve(out, WORD_CACHE_MAX_IDS);
    if (!ids) return fail_no_memory(err, word->size);
    int n = word_cache_find(&work->tokenizer->words, key, ids);
    if (n < 0) return encode_new_word(work, word, key, out, err);
    out->n += (size_t)n;
    return BN_OK;
}

static bn_status ids_of_word(struct encode_work *work, struct word word, bn_error *err) {
    if (word.size > WORD_CACHE_MAX_BYTES) return encode_new_word(work, &word, NULL, work->ids, err);
    const struct word_key key = key_of(&word);
    return ids_of_key(work, &word, &key, work->ids, err);
}

/* ---- merges that cross words ---- */

/* What two tokens in a row become, appended to `pending`, the last first; *apart: they stay as they are, nothing is
 * appended. */
static bn_status join_pair(struct encode_work *work, int32_t left, int32_t right, bool *apart, bn_error *err) {
    const struct pair_cache *pairs = &work->tokenizer->bpe.pairs;
    struct token_list *tokens = &work->word;
    int32_t known[2];
    const int n_known = pair_cache_find(pairs, left, right, known);
    if (n_known < 0) {
        tokens->n = 0;
        bpe_join(&work->tokenizer->bpe, left, right, &work->bpe, tokens);
        if (tokens->failed || tokens->n == 0) return fail_no_memory(err, sizeof *tokens->items);
        for (size_t i = 0; i < tokens->n && i < 2; i++) known[i] = tokens->items[i].id;
        pair_cache_keep(pairs, left, right, known, tokens->n);
    }
    const size_t n = n_known < 0 ? tokens->n : (size_t)n_known;
    *apart = n == 2 && known[0] == left && known[1] == right;
    bn_status status = BN_OK;
    for (size_t i = n; i-- > 0 && !*apart && !status;)
        status = push_id(&work->pending, i == 0 ? known[0] : ~(i == 1 ? known[1] : tokens->items[i].id), err);
    return status;
}

/* Words looked up together, so that what they need comes from memory side by side. */
enum { WORDS_AHEAD = 16 };

/* A piece whose merges cross words, on its way to ids. */
struct word_row {
    struct encode_work *work;
    const char *bytes;
    size_t at, end, readable_end; /* what is left of the piece; the end of the text */
    size_t first;                 /* the piece's first id in work->ids */
    size_t joins_left;            /* beyond, the merges must be made for it: all is merged at once */
    struct word words[WORDS_AHEAD];
    size_t tokens[WORDS_AHEAD + 1]; /* where each word's begin in work->ahead */
    size_t n;
};

static void next_words(struct word_row *row, struct word_key keys[WORDS_AHEAD]) {
    const struct encode_work *work = row->work;
    for (row->n = 0; row->n < WORDS_AHEAD && row->at < row->end; row->n++) {
        const size_t end = bpe_next_word(&work->tokenizer->bpe, row->bytes, row->end, row->at);
        struct word *word = &row->words[row->n];
        *word = (struct word){row->bytes + row->at, end - row->at, row->readable_end - row->at};
        row->at = end;
        if (word->size > WORD_CACHE_MAX_BYTES) continue;
        keys[row->n] = key_of(word);
        word_cache_prefetch(&work->tokenizer->words, &keys[row->n]);
    }
}

static bn_status look_up_words(struct word_row *row, const struct word_key keys[WORDS_AHEAD], bn_error *err) {
    struct encode_work *work = row->work;
    struct id_list *ahead = &work->ahead;
    ahead->n = 0;
    for (size_t i = 0; i < row->n; i++) {
        const size_t n = row->tokens[i] = ahead->n;
        bn_status status = ids_of_key(work, &row->words[i], &keys[i], ahead, err);
        if (status) return status;
        if (n == 0 || ahead->n == n) continue;
        pair_cache_prefetch(&work->tokenizer->bpe.pairs, ahead->items[n - 1], ahead->items[n]);
        bpe_prefetch_join(&work->tokenizer->bpe, ahead->items[n - 1], ahead->items[n]);
    }
    row->tokens[row->n] = ahead->n;
    return BN_OK;
}

/* Appends a token. If it and the one before don't stay apart, both give way to what they become, which is then held
 * against its own neighbours. In `pending` are the tokens still to be held against those before, the last first; ~id: it
 * is known to stay apart. *joined: something was. */
static bn_status append_token(struct word_row *row, int32_t id, bool *joined, bn_error *err) {
    struct id_list *ids = row->work->ids, *pending = &row->work->pending;
    pending->n = 0;
    bn_status status = push_id(pending, id, err);
    while (!status && pending->n > 0 && row->joins_left > 0) {
        id = pending->items[--pending->n];
        bool apart = id < 0 || ids->n == row->first;
        const size_t next = pending->n;
        if (!apart) status = join_pair(row->work, ids->items[ids->n - 1], id, &apart, err);
        if (status) return status;
        if (apart) {
            status = push_id(ids, id < 0 ? ~id : id, err);
            continue;
        }
        if (next > 0 && pending->items[next - 1] < 0) pending->items[next - 1] = ~pending->items[next - 1];
        ids->n--;
        row->joins_left--;
        *joined = true;
    }
    return status;
}

static bn_status append_words(struct word_row *row, bn_error *err) {
    const int32_t *ahead = row->work->ahead.items;
    bn_status status = BN_OK;
    for (size_t i = 0; i < row->n; i++) {
        bool joined = true; /* the token before isn't the one this stays apart from */
        for (size_t k = row->tokens[i]; k < row->tokens[i + 1] && !status; k++) {
            const bool apart = !joined;
            joined = false;
            status = apart ? push_id(row->work->ids, ahead[k], err) : append_token(row, ahead[k], &joined, err);
        }
    }
    return status;
}

static bn_status ids_of_words(struct encode_work *work, const struct text *text, struct piece piece, bn_error *err) {
    struct word_row row = {.work = work, .bytes = text->bytes, .at = piece.begin, .end = piece.end};
    struct word_key keys[WORDS_AHEAD];
    row.readable_end = text->size;
    row.first = work->ids->n;
    row.joins_left = 1024 + 16 * (row.end - row.at);
    while (row.at < row.end && row.joins_left > 0) {
        next_words(&row, keys);
        bn_status status = look_up_words(&row, keys, err);
        if (!status) status = append_words(&row, err);
        if (status) return status;
    }
    if (row.joins_left > 0) return BN_OK;
    work->ids->n = row.first;
    const struct word all = {text->bytes + piece.begin, piece.end - piece.begin, text->size - piece.begin};
    return ids_of_word(work, all, err);
}

static bn_status ids_of_piece(struct encode_work *work, const struct text *text, struct piece piece, bn_error *err) {
    if (piece.id >= 0) return push_id(work->ids, piece.id, err);
    if (work->tokenizer->bpe.origins) return ids_of_words(work, text, piece, err);
    bn_status status = BN_OK;
    for (size_t begin = piece.begin, end; begin < piece.end && !status; begin = end) {
        end = work->cuts ? bpe_next_cut(&work->tokenizer->bpe, text->bytes, piece.end, begin) : piece.end;
        status = ids_of_word(work, (struct word){text->bytes + begin, end - begin, text->size - begin}, err);
    }
    return status;
}

/* ---- tokens with their places ---- */

static uint16_t count_edge_spaces(const char *text, size_t n, bool leading) {
    size_t count = 0, at = leading ? 0 : n;
    for (uint32_t c; leading ? at < n : at > 0; count++) {
        if (leading)
            at += unicode_next(text + at, n - at, &c);
        else
            at = unicode_previous(text, at, &c);
        if (!unicode_is_space(c) && c != 0x120) break; /* U+0120: a space in GPT-2's alphabet */
    }
    return (uint16_t)min_size(count, UINT16_MAX);
}

static void measure(struct token *token, const char *text, size_t n) {
    token->measured = true;
    token->leading = count_edge_spaces(text, n, true);
    token->trailing = count_edge_spaces(text, n, false);
}

static void push_added(struct token_list *out, int32_t id, struct span place, const char *text, size_t n) {
    token_list_push(out, id, place.begin, place.end);
    if (!out->failed) measure(&out->items[out->n - 1], text, n);
}

/* The tokens of one piece; their offsets become bytes of the original. */
static bn_status tokens_of_piece(struct encode_work *work, const struct text *text, struct piece piece, bn_error *err) {
    struct token_list *out = work->tokens;
    const char *word = text->bytes + piece.begin;
    size_t size = piece.end - piece.begin, n = out->n;
    if (piece.id >= 0) {
        struct span place = {text->base, text->base};
        if (size > 0) place = text_span(text, piece.begin, piece.end);
        push_added(out, piece.id, place, word, size);
        return BN_OK;
    }
    bn_status status = encode_word(work, word, size, out, err);
    if (status) return status;
    const bool by_surface = work->tokenizer->model == MODEL_UNIGRAM && work->tokenizer->postprocessor.trim_offsets;
    for (; n < out->n; n++) {
        struct token *token = &out->items[n];
        if (token->begin == token->end) continue;
        if (by_surface && token->id == work->tokenizer->unigram.unknown_id)
            measure(token, word + token->begin, token->end - token->begin);
        struct span place = text_span(text, piece.begin + token->begin, piece.begin + token->end);
        token->begin = place.begin;
        token->end = place.end;
    }
    return BN_OK;
}

/* ---- the pipeline ---- */

static bn_status take_piece(void *context, const struct text *text, struct piece piece, bn_error *err) {
    struct encode_work *work = context;
    return work->ids ? ids_of_piece(work, text, piece, err) : tokens_of_piece(work, text, piece, err);
}

/* Bytes that aren't UTF-8 become U+FFFD, one for each maximal broken part. */
static void replace_invalid(struct text *text, struct normalizer_scratch *scratch) {
    struct text *out = &scratch->other;
    text_clear(out, text->base);
    for (size_t at = 0; at < text->size;) {
        uint32_t c;
        int length = utf8_decode(text->bytes + at, text->size - at, &c);
        size_t end = at + (size_t)(length > 0 ? length : -length);
        if (length > 0)
            text_append_text(out, text, at, end);
        else
            text_append(out, "\xef\xbf\xbd", 3, text_span(text, at, end));
        at = end;
    }
    struct text old = *text;
    *text = *out;
    *out = old;
}

static bn_status encode_segment(struct encode_work *work, const char *input, const struct piece *segment,
                                bool parse_special, bn_error *err) {
    const bn_tokenizer *tokenizer = work->tokenizer;
    struct text *text = &work->text;
    text_borrow(text, input, segment->begin, segment->end - segment->begin);
    if (!tokenizer->keeps_invalid_bytes && !utf8_valid(text->bytes, text->size))
        replace_invalid(text, &work->normalizer);
    bn_status status = normalizer_apply(&tokenizer->normalizer, text, &work->normalizer, err);
    if (status) return status;
    struct pieces *pieces = &work->pieces;
    pieces->n = 0;
    added_tokens_split(&tokenizer->added, &tokenizer->added.normalized, parse_special, NULL, text->bytes, text->size,
                       pieces);
    if (text->failed || pieces->failed) return fail_no_memory(err, text->size);
    const struct piece_sink sink = {take_piece, work};
    return pretokenizer_apply(&tokenizer->pretokenizer, text, pieces, &work->pretokenizer, &sink, err);
}

/* Places in normalized text aren't those of the text. So where special tokens are looked for in it, a text is cut behind the
 * first character of what only looks like one. */
static bn_status encode_literal_segment(struct encode_work *work, const char *input, const struct piece *segment,
                                        bool parse_special, bn_error *err) {
    const struct literal_places *literal = work->literal;
    struct piece part = *segment;
    bn_status status = BN_OK;
    for (size_t i = 0; i < literal->n && !status; i++) {
        if (literal->places[i] < part.begin || literal->places[i] >= segment->end) continue;
        uint32_t c;
        size_t at = literal->places[i];
        part.end = (uint32_t)(at + unicode_next(input + at, segment->end - at, &c));
        status = encode_segment(work, input, &part, parse_special, err);
        part.begin = part.end;
    }
    part.end = segment->end;
    return status || part.begin == part.end ? status : encode_segment(work, input, &part, parse_special, err);
}

static bool has_normalized_special(const struct added_tokens *tokens) {
    size_t i = 0;
    while (i < tokens->n && !(tokens->items[i].special && tokens->items[i].normalized)) i++;
    return i < tokens->n;
}

static bn_status encode_text(struct encode_work *work, const char *input, size_t size, bool parse_special,
                             bn_error *err) {
    const bn_tokenizer *tokenizer = work->tokenizer;
    if (size > UINT32_MAX / 2)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "text of %zu bytes, at most %u can be encoded at once", size,
                    UINT32_MAX / 2);
    bn_status status = BN_OK;
    work->segments.n = 0;
    added_tokens_split(&tokenizer->added, &tokenizer->added.raw, parse_special, work->literal, input, size,
                       &work->segments);
    const bool cut = work->literal && work->literal->n && has_normalized_special(&tokenizer->added);
    if (work->segments.failed) status = fail_no_memory(err, size);
    for (size_t i = 0; i < work->segments.n && !status; i++) {
        struct piece segment = work->segments.items[i];
        if (segment.id < 0) {
            status = cut ? encode_literal_segment(work, input, &segment, parse_special, err)
                         : encode_segment(work, input, &segment, parse_special, err);
            continue;
        }
        text_borrow(&work->text, input, 0, size);
        status = take_piece(work, &work->text, segment, err);
    }
    return status;
}

bn_status encode_tokens(const bn_tokenizer *tokenizer, struct encode_work *work, const char *text, size_t size,
                        bool parse_special, struct token_list *out, bn_error *err) {
    work->tokenizer = tokenizer;
    work->tokens = out;
    work->ids = NULL;
    bn_status status = encode_text(work, text, size, parse_special, err);
    return !status && (out->failed || work->text.failed) ? fail_no_memory(err, size) : status;
}

/* Is there a Metaspace that asks whether a piece begins the original text, when the text may have been changed? */
static bool needs_places(const bn_tokenizer *tokenizer) {
    bool changed = tokenizer->normalizer.n > 0;
    for (size_t i = 0; i < tokenizer->pretokenizer.n; i++) {
        const struct pretokenizer_step *step = &tokenizer->pretokenizer.steps[i];
        if (changed && step->kind == PRETOKENIZE_METASPACE && step->prepend == METASPACE_FIRST) return true;
        changed |= step->kind == PRETOKENIZE_METASPACE || step->kind == PRETOKENIZE_BYTE_LEVEL;
    }
    return false;
}

bn_status encode_ids(const bn_tokenizer *tokenizer, struct encode_work *work, const char *text, size_t size,
                     bool parse_special, struct id_list *out, bn_error *err) {
    work->tokenizer = tokenizer;
    work->tokens = NULL;
    work->ids = out;
    work->cuts = tokenizer->model == MODEL_BPE && bpe_cuts_at_spaces(&tokenizer->bpe);
    bool unaligned = !needs_places(tokenizer);
    work->text.unaligned = work->normalizer.other.unaligned = work->pretokenizer.text.unaligned = unaligned;
    bn_status status = encode_text(work, text, size, parse_special, err);
    return !status && (out->failed || work->text.failed) ? fail_no_memory(err, size) : status;
}
