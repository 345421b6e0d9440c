/* Do two tokenizers give the same ids for the same texts, and the same texts for the same ids? Asked with many texts:
 * a conversion that is wrong anywhere is wrong for some short text of some script. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/convert_parts.h"

static const char *const texts[] = {
    "",
    " ",
    "  ",
    "a",
    " a",
    "a ",
    "  a  b   c    d",
    "Hello, world! How's it going? We'll see; they've said I'd DON'T 'S",
    "The quick brown fox jumps over the lazy dog. THE QUICK BROWN FOX\nJumpedOverTheLazyDog camelCase snake_case",
    "0 1 12 123 1234 12345 1234567890 3.14159 1,000,000 007 0xdeadbeef 2\xc2\xb2 \xc2\xbd \xe2\x85\xa7 1st v2.0",
    "tabs\tand\t\tmore\ttabs",
    "line\nbreaks\n\nand\r\nmore\n\n\n  indented\n\t\tdeep\n",
    "\n",
    "x\n  ",
    "for (int i = 0; i < n; i++) { printf(\"%d\\n\", a[i] != b->c ? *p : ~q); } // comment /* done */",
    "def f(x, *args, **kw):\n    return {k: v for k, v in kw.items() if v is not None}  # ok\n",
    "<html><body class=\"x\">&amp; a/b/c http://example.com/?q=1&r=%20#top user@example.com</body></html>",
    "caf\xc3\xa9 na\xc3\xafve \xc3\x9c"
    "ber stra\xc3\x9f"
    "e \xc5\x92uvre \xc4\xb0stanbul \xc5\xbf",
    "cafe\xcc\x81 A\xcc\x8a o\xcc\x88\xcc\xb1 \xef\xac\x81nd \xe2\x84\xab \xef\xbc\xa1\xef\xbc\xa2\xef\xbc\x93",
    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xd0\xbc\xd0\xb8\xd1\x80! \xd0\x81\xd0\xb6\xd0\xb8\xd0\xba",
    "\xce\x93\xce\xb5\xce\xb9\xce\xac \xcf\x83\xce\xbf\xcf\x85 \xce\x9a\xcf\x8c\xcf\x83\xce\xbc\xce\xb5 "
    "\xce\xa3\xcf\x82",
    "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c\xe3\x80\x82\xe4\xb8\xad\xe6\x96\x87"
    "abc\xe6\xb7\xb7",
    "\xe3\x81\x93\xe3\x82\x93\xe3\x81\xab\xe3\x81\xa1\xe3\x81\xaf\xe3\x80\x81\xe3\x82\xab\xe3\x82\xbf\xe3\x82\xab\xe3"
    "\x83\x8a",
    "\xec\x95\x88\xeb\x85\x95\xed\x95\x98\xec\x84\xb8\xec\x9a\x94 \xec\x84\xb8\xea\xb3\x84",
    "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7 \xd8\xa8\xd8\xa7\xd9\x84\xd8\xb9\xd8\xa7\xd9\x84\xd9\x85 "
    "\xd9\xa1\xd9\xa2\xd9\xa3",
    "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xd7\xa2\xd7\x95\xd7\x9c\xd7\x9d",
    "\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4\xe0\xa5\x87 "
    "\xe0\xa4\xa6\xe0\xa5\x81\xe0\xa4\xa8\xe0\xa4\xbf\xe0\xa4\xaf\xe0\xa4\xbe",
    "\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94\xe0\xb8\xb5\xe0\xb8\x8a\xe0\xb8\xb2\xe0\xb8\xa7\xe0"
    "\xb9\x82\xe0\xb8\xa5\xe0\xb8\x81",
    "\xf0\x9f\x99\x82 \xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd "
    "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 \xf0\x9f\x87\xa9\xf0\x9f\x87\xaa "
    "\xe2\x9c\x94\xef\xb8\x8f",
    "\xe2\x88\x91 \xe2\x88\xab \xe2\x89\xa0 \xe2\x86\x92 \xe2\x82\xac \xc2\xa3 \xe2\x80\x9cquoted\xe2\x80\x9d "
    "\xe2\x80\x94 \xe2\x80\xa6",
    "zero\xe2\x80\x8bwidth no\xc2\xa0"
    "break ideographic\xe3\x80\x80space thin\xe2\x80\x89space bom\xef\xbb\xbf",
    "$100 + 50% = 150#@! ^_^ ~~ `code` |pipe| [x] {y} \\back\\slash\\",
    "\xe2\x96\x81 \xe2\x96\x81\xe2\x96\x81under \xc4\xa0"
    "G",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa                                x",
    "\xf0\x90\x8c\xb0\xf0\x90\x8c\xb1 \xf0\x9d\x94\xb8 \xe1\x83\x92\xe1\x83\x90 \xd5\xa1\xd5\xb5 \xe1\x9a\xa0 rare",
    "\x01\x02\x7f control\x1b[0m",
};

static const struct sample broken[] = {
    {"\xff", 1}, {"a\xc3", 2}, {"\xe2\x82", 2}, {"ok \x80\x81 then\xf0\x9f\x99 end", 17}, {"\xc0\xaf \xed\xa0\x80", 6},
};

void difference_release(struct difference *difference) {
    mem_free(difference->text);
    *difference = (struct difference){0};
}

/* ---- one text ---- */

struct comparison {
    const bn_tokenizer *from, *to;
    bool off_too;    /* parse_special off is comparable as well */
    bool keep_too;   /* and texts with special tokens in them */
    int32_t *anchor; /* ids of a word, without special tokens: what one token decodes to is asked behind it, since */
    size_t n_anchor; /* at the begin of a text decoders differ */
    struct difference *out;
};

/* The first difference is kept, all are counted. */
static bn_status note(struct comparison *c, const char *text, size_t size, const char *what, const char *a,
                      const char *b, bn_error *err) {
    if (c->out->n_different++) return BN_OK;
    c->out->text = mem_strndup(text, size);
    if (!c->out->text) return fail_no_memory(err, size);
    c->out->text_size = size;
    snprintf(c->out->what, sizeof c->out->what, "%s %.100s there, %.100s here", what, a, b);
    return BN_OK;
}

static void list_ids(const int32_t *ids, size_t n, char *out, size_t size) {
    size_t used = 0;
    *out = '\0';
    for (size_t i = 0; i < n && used + 16 < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%d", i ? "," : "", ids[i]);
    if (used + 16 >= size) snprintf(out + used, size - used, ",\xe2\x80\xa6");
}

static bn_status compare_decoding(struct comparison *c, const char *text, size_t size, const int32_t *ids, size_t n,
                                  bool skip_special, bool *equal, bn_error *err) {
    char *a = NULL, *b = NULL;
    size_t a_size, b_size;
    bn_status status = bn_tokenizer_decode(c->from, ids, n, skip_special, &a, &a_size, err);
    if (!status) status = bn_tokenizer_decode(c->to, ids, n, skip_special, &b, &b_size, err);
    *equal = !status && a_size == b_size && memcmp(a, b, a_size) == 0;
    if (!status && !*equal)
        status = note(c, text, size, skip_special ? "decoded without special tokens:" : "decoded:", a, b, err);
    mem_free(a);
    mem_free(b);
    return status;
}

static bn_status compare_mode(struct comparison *c, const char *text, size_t size, bool parse_special, bool *equal,
                              bn_error *err) {
    const bn_encode_options options = {.size = sizeof options, .add_special = true, .parse_special = parse_special};
    int32_t *a = NULL, *b = NULL;
    size_t a_n = 0, b_n = 0;
    bn_status status = bn_tokenizer_encode(c->from, text, size, &options, &a, &a_n, err);
    if (!status) status = bn_tokenizer_encode(c->to, text, size, &options, &b, &b_n, err);
    *equal = !status && a_n == b_n && memcmp(a, b, a_n * sizeof *a) == 0;
    if (!status && !*equal) {
        char was[100], is[100];
        list_ids(a, a_n, was, sizeof was);
        list_ids(b, b_n, is, sizeof is);
        status = note(c, text, size, "ids", was, is, err);
    } else if (!status) {
        status = compare_decoding(c, text, size, a, a_n, true, equal, err);
        if (!status && *equal && c->keep_too) status = compare_decoding(c, text, size, a, a_n, false, equal, err);
    }
    mem_free(a);
    mem_free(b);
    return status;
}

static bn_status compare_text(struct comparison *c, const char *text, size_t size, bn_error *err) {
    bool equal;
    c->out->n_compared++;
    bn_status status = compare_mode(c, text, size, true, &equal, err);
    return status || !equal || !c->off_too ? status : compare_mode(c, text, size, false, &equal, err);
}

/* ---- all texts ---- */

/* A special token at the begin, inside, and at the end of text, with and without space. */
static bn_status compare_special(struct comparison *c, struct vocabulary_token token, bn_error *err) {
    static const char *const around[][2] = {{"", ""}, {"a", "b"}, {"a ", " b"}, {"", " b "}, {"\n", "\n"}};
    bn_status status = BN_OK;
    struct buffer text;
    buffer_init(&text);
    for (size_t i = 0; i < sizeof around / sizeof *around && !status; i++) {
        buffer_clear(&text);
        buffer_append_text(&text, around[i][0]);
        buffer_append(&text, token.text, token.size);
        buffer_append_text(&text, around[i][1]);
        status = text.failed ? fail_no_memory(err, text.size) : compare_text(c, text.data, text.size, err);
    }
    buffer_release(&text);
    return status;
}

/* Each token: what it decodes to, and what its spelling and that text encode to. */
static bn_status compare_token(struct comparison *c, int32_t id, bn_error *err) {
    const struct vocabulary_token token = vocabulary_token(&c->from->vocabulary, (size_t)id);
    if (!token.text || token.size == 0) return BN_OK;
    if (token.flags & (TOKEN_ADDED | TOKEN_CONTROL | TOKEN_USER)) return compare_special(c, token, err);
    char *text;
    size_t size;
    bool equal = true;
    c->anchor[c->n_anchor] = id;
    bn_status status = BN_OK;
    if (c->from->model != MODEL_BYTES) /* ByT5 passes over bytes that aren't UTF-8, others show them as U+FFFD */
        status = compare_decoding(c, token.text, token.size, c->anchor, c->n_anchor + 1, true, &equal, err);
    if (!status && equal) status = compare_text(c, token.text, token.size, err);
    if (!status) status = bn_tokenizer_decode(c->from, &id, 1, true, &text, &size, err);
    if (status) return status;
    status = compare_text(c, text, size, err);
    mem_free(text);
    return status;
}

static bn_status find_anchor(struct comparison *c, bn_error *err) {
    const bn_encode_options options = {.size = sizeof options};
    int32_t *ids;
    bn_status status = bn_tokenizer_encode(c->from, "a", 1, &options, &ids, &c->n_anchor, err);
    if (status) return status;
    c->anchor = mem_realloc_array(ids, c->n_anchor + 1, sizeof *ids);
    if (c->anchor) return BN_OK;
    mem_free(ids);
    return fail_no_memory(err, c->n_anchor * sizeof *ids);
}

static bn_status compare_vocabulary(struct comparison *c, bn_error *err) {
    size_t a = bn_tokenizer_vocab_size(c->from), b = bn_tokenizer_vocab_size(c->to);
    if (a != b) {
        char was[32], is[32];
        snprintf(was, sizeof was, "%zu", a);
        snprintf(is, sizeof is, "%zu", b);
        return note(c, "", 0, "vocabulary of", was, is, err);
    }
    bn_status status = BN_OK;
    for (size_t id = 0; id < a && !status; id++) {
        bool was = bn_tokenizer_is_special(c->from, (int32_t)id), is = bn_tokenizer_is_special(c->to, (int32_t)id);
        const char *text = bn_tokenizer_token(c->from, (int32_t)id);
        if (was != is && *text)
            status = note(c, text, strlen(text), "the token is", was ? "special" : "not special",
                          is ? "special" : "not special", err);
    }
    if (!status) status = find_anchor(c, err);
    for (size_t id = 0; id < a && !status; id++) status = compare_token(c, (int32_t)id, err);
    return status;
}

static bool has_sentencepiece_decoder(const bn_tokenizer *tokenizer) {
    return tokenizer->decoder.steps[0].kind == DECODE_SENTENCEPIECE;
}

static bool is_byte_level(const bn_tokenizer *tokenizer) {
    return tokenizer->model == MODEL_BPE && tokenizer->bpe.byte_level;
}

bn_status tokenizer_compare(const bn_tokenizer *from, const bn_tokenizer *to, const struct sample *samples,
                            size_t n_samples, struct difference *out, bn_error *err) {
    *out = (struct difference){0};
    struct comparison c = {.from = from, .to = to, .out = out};
    bool both_plain = tokenizer_parses_special(from) == tokenizer_parses_special(to);
    /* SentencePiece never finds <pad> in text, and Unigram's reference finds it as a piece where it isn't parsed. */
    c.off_too = both_plain || from->model != MODEL_UNIGRAM;
    /* Unknown and control tokens have a text in one and none in the other. */
    c.keep_too = has_sentencepiece_decoder(from) == has_sentencepiece_decoder(to);
    bn_status status = BN_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !status; i++)
        status = compare_text(&c, texts[i], strlen(texts[i]), err);
    bool bytes = is_byte_level(from) && is_byte_level(to);
    for (size_t i = 0; bytes && i < sizeof broken / sizeof *broken && !status; i++)
        status = compare_text(&c, broken[i].text, broken[i].size, err);
    for (size_t i = 0; i < n_samples && !status; i++) status = compare_text(&c, samples[i].text, samples[i].size, err);
    if (!status) status = compare_vocabulary(&c, err);
    mem_free(c.anchor);
    if (status) difference_release(out);
    return status;
}
