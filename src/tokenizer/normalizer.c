/* Applying normalizers. Each step reads *text and writes the other text of the scratch, then the two change places. */
#include "tokenizer/normalizer.h"

#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/normal_form.h"
#include "tokenizer/sentencepiece_normalizer.h"
#include "tokenizer/unicode.h"

void normalizer_release(struct normalizer *normalizer) {
    for (size_t i = 0; i < normalizer->n; i++) {
        regex_free(normalizer->steps[i].regex);
        precompiled_release(&normalizer->steps[i].precompiled);
    }
    mem_free(normalizer->steps);
    *normalizer = (struct normalizer){0};
}

void normalizer_scratch_release(struct normalizer_scratch *scratch) {
    text_release(&scratch->other);
    changes_release(&scratch->changes);
}

static void swap(struct text *text, struct normalizer_scratch *scratch) {
    struct text old = *text;
    *text = scratch->other;
    scratch->other = old;
}

static void transform(struct text *text, struct normalizer_scratch *scratch, size_t skip) {
    text_transform(text, &scratch->other, &scratch->changes, skip);
    swap(text, scratch);
}

/* ---- steps that take characters away or exchange them one for one ---- */

static bool in_nmt_spaces(uint32_t c) {
    return c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200b && c <= 0x200f) || c == 0x2028 ||
           c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
}

static bool nmt_drops(uint32_t c) {
    return (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
}

static bool keeps(const struct normalizer_step *step, uint32_t *c) {
    switch (step->kind) {
    case NORMALIZE_STRIP_ACCENTS:
        return !(step->nonspacing_only ? unicode_is_nonspacing_mark(*c) : unicode_is_mark(*c));
    case NORMALIZE_NMT:
        if (nmt_drops(*c)) return false;
        if (in_nmt_spaces(*c)) *c = ' ';
        return true;
    default: /* NORMALIZE_BERT_CLEAN */
        if (*c == '\t' || *c == '\n' || *c == '\r') *c = ' ';
        if (*c == 0 || *c == 0xfffd || unicode_is_control(*c)) return false; /* U+0085 too, though it is white space */
        if (unicode_is_space(*c)) *c = ' ';
        return true;
    }
}

/* Is this ASCII character left as it is? */
static bool keeps_ascii(enum normalizer_kind kind, unsigned char c) {
    switch (kind) {
    case NORMALIZE_STRIP_ACCENTS:
        return true;
    case NORMALIZE_NMT:
        return (c >= ' ' && c != 0x7f) || c == 0;
    default:
        return c >= ' ' && c != 0x7f;
    }
}

/* Where the first character from `at` on is that the step may change. */
static size_t skip_kept(enum normalizer_kind kind, const struct text *text, size_t at) {
    while (at < text->size && (unsigned char)text->bytes[at] < 128 && keeps_ascii(kind, (unsigned char)text->bytes[at]))
        at++;
    return at;
}

/* Runs of kept characters are copied together, and nothing at all if every character is kept. */
static void filter(const struct normalizer_step *step, struct text *text, struct normalizer_scratch *scratch) {
    struct text *out = &scratch->other;
    size_t done = 0; /* copied up to here */
    bool changed = false;
    for (size_t at = 0, length; (at = skip_kept(step->kind, text, at)) < text->size; at += length) {
        uint32_t c;
        length = unicode_next(text->bytes + at, text->size - at, &c);
        uint32_t kept = c;
        bool keep = keeps(step, &kept);
        if (keep && kept == c) continue;
        if (!changed) text_clear(out, text->base);
        changed = true;
        text_append_text(out, text, done, at);
        done = at + length;
        char bytes[4];
        if (keep) text_append(out, bytes, unicode_put(kept, bytes), text_span(text, at, at + length));
    }
    if (!changed) return;
    text_append_text(out, text, done, text->size);
    swap(text, scratch);
}

static void strip(const struct normalizer_step *step, struct text *text, struct normalizer_scratch *scratch) {
    size_t begin = 0, end = text->size;
    uint32_t c;
    while (step->left && begin < end) {
        size_t length = unicode_next(text->bytes + begin, end - begin, &c);
        if (!unicode_is_space(c)) break;
        begin += length;
    }
    while (step->right && end > begin) {
        size_t previous = unicode_previous(text->bytes, end, &c);
        if (!unicode_is_space(c)) break;
        end = previous;
    }
    if (begin == 0 && end == text->size) return;
    text_clear(&scratch->other, text->base);
    text_append_text(&scratch->other, text, begin, end);
    swap(text, scratch);
}

/* ---- steps that insert ---- */

/* Lower case where nobody asks for alignment: ASCII in runs. */
static void lowercase_unaligned(struct text *text, struct normalizer_scratch *scratch) {
    struct text *out = &scratch->other;
    text_clear(out, text->base);
    for (size_t at = 0; at < text->size;) {
        size_t run = unicode_ascii_run(text->bytes + at, text->size - at);
        text_append_text(out, text, at, at + run);
        if (out->failed) break;
        for (size_t i = out->size - run; i < out->size; i++) {
            char *c = &out->own_bytes[i];
            *c = (char)(*c + (*c >= 'A' && *c <= 'Z' ? 'a' - 'A' : 0));
        }
        if ((at += run) == text->size) break;
        uint32_t c;
        at += unicode_next(text->bytes + at, text->size - at, &c);
        char bytes[4];
        text_append(out, bytes, unicode_put(c == 0x130 ? 'i' : unicode_lowercase(c), bytes), (struct span){0, 0});
        if (c == 0x130) text_append(out, "\xcc\x87", 2, (struct span){0, 0});
    }
    swap(text, scratch);
}

/* Full lower-case mapping without context: one character for one, but U+0130 (dotted capital I) gives two. */
static void lowercase(struct text *text, struct normalizer_scratch *scratch) {
    if (text->unaligned) {
        lowercase_unaligned(text, scratch);
        return;
    }
    scratch->changes.n = 0;
    for (size_t at = 0; at < text->size;) {
        uint32_t c;
        at += unicode_next(text->bytes + at, text->size - at, &c);
        if (c == 0x130) {
            changes_push(&scratch->changes, 'i', 0);
            changes_push(&scratch->changes, 0x307, 1);
        } else {
            changes_push(&scratch->changes, unicode_lowercase(c), 0);
        }
    }
    transform(text, scratch, 0);
}

static bool is_chinese(uint32_t c) {
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static bool may_have_chinese(const struct text *text) {
    unsigned char most = 0; /* they begin with bytes from 0xe3 on */
    for (size_t i = 0; i < text->size; i++) most |= (unsigned char)text->bytes[i] >= 0xe3;
    return most != 0;
}

static void space_chinese(struct text *text, struct normalizer_scratch *scratch) {
    if (!may_have_chinese(text)) return;
    scratch->changes.n = 0;
    for (size_t at = 0; at < text->size;) {
        uint32_t c;
        at += unicode_next(text->bytes + at, text->size - at, &c);
        bool chinese = is_chinese(c);
        if (chinese) changes_push(&scratch->changes, ' ', 0);
        changes_push(&scratch->changes, c, chinese);
        if (chinese) changes_push(&scratch->changes, ' ', 1);
    }
    transform(text, scratch, 0);
}

static void prepend(const struct normalizer_step *step, struct text *text, struct normalizer_scratch *scratch) {
    if (text->size == 0) return;
    uint32_t c;
    size_t length = unicode_next(text->bytes, text->size, &c);
    text_clear(&scratch->other, text->base);
    text_append(&scratch->other, step->content, step->content_size, text_span(text, 0, length));
    text_append_text(&scratch->other, text, 0, text->size);
    swap(text, scratch);
}

/* What is put in for a match takes the place of the match's last character. */
static void put_replacement(const struct normalizer_step *step, const struct text *text, size_t begin, size_t end,
                            struct text *out) {
    struct span place = {text->base, text->base};
    uint32_t c;
    (void)begin;
    if (end > 0 && !text->unaligned) place = text_span(text, unicode_previous(text->bytes, end, &c), end);
    text_append(out, step->content, step->content_size, place);
}

/* Where the literal occurs in text[from, …). */
static bool find_literal(const struct normalizer_step *step, const struct text *text, size_t from, size_t *begin,
                         size_t *end) {
    const char *at = NULL;
    if (step->pattern_size == 1 && from < text->size)
        at = memchr(text->bytes + from, *step->pattern, text->size - from);
    else if (step->pattern_size > 1)
        at = memmem(text->bytes + from, text->size - from, step->pattern, step->pattern_size);
    if (!at) return false;
    *begin = (size_t)(at - text->bytes);
    *end = *begin + step->pattern_size;
    return true;
}

static bn_status replace(const struct normalizer_step *step, struct text *text, struct normalizer_scratch *scratch,
                         bn_error *err) {
    struct regex_search search;
    bn_status status = step->regex ? regex_search_begin(step->regex, &search, err) : BN_OK;
    if (status) return status;
    size_t done = 0, from = 0, begin = 0, end = 0;
    text_clear(&scratch->other, text->base);
    while (from <= text->size) {
        bool found;
        if (step->regex) {
            status = regex_search_next(&search, text->bytes, text->size, from, &found, &begin, &end, err);
            if (status) break;
        } else {
            found = find_literal(step, text, from, &begin, &end);
        }
        if (!found) break;
        text_append_text(&scratch->other, text, done, begin);
        put_replacement(step, text, begin, end, &scratch->other);
        done = from = end;
    }
    if (step->regex) regex_search_end(&search);
    if (status) return status;
    if (done == 0 && scratch->other.size == 0) return BN_OK; /* nothing matched */
    text_append_text(&scratch->other, text, done, text->size);
    swap(text, scratch);
    return BN_OK;
}

static void byte_level(struct text *text, struct normalizer_scratch *scratch) {
    text_clear(&scratch->other, text->base);
    for (size_t at = 0, length; at < text->size; at += length) {
        uint32_t c;
        length = unicode_next(text->bytes + at, text->size - at, &c);
        struct span span = text_span(text, at, at + length);
        for (size_t i = 0; i < length; i++) {
            char bytes[4];
            text_append(&scratch->other, bytes, byte_alphabet_put((uint8_t)text->bytes[at + i], bytes), span);
        }
    }
    swap(text, scratch);
}

/* ---- precompiled maps, as tokenizer.json's normalizer applies them ---- */

static void push_replacement(struct changes *changes, size_t old_count, const char *replacement) {
    size_t count = 0, n = strlen(replacement);
    for (size_t at = 0; at < n;) {
        uint32_t c;
        at += unicode_next(replacement + at, n - at, &c);
        changes_push(changes, c, count >= old_count);
        count++;
    }
    if (count < old_count && changes->n > 0) changes->items[changes->n - 1].change -= (int32_t)(old_count - count);
}

static size_t count_characters(const char *text, size_t n) {
    size_t count = 0;
    uint32_t c;
    for (size_t at = 0; at < n; count++) at += unicode_next(text + at, n - at, &c);
    return count;
}

/* End of the grapheme cluster at `at` (UAX #29, extended). */
static size_t grapheme_end(const struct text *text, size_t at) {
    uint32_t previous, next;
    size_t end = at + unicode_next(text->bytes + at, text->size - at, &previous);
    utf8proc_int32_t state = 0;
    while (end < text->size) {
        size_t length = unicode_next(text->bytes + end, text->size - end, &next);
        if (previous >= INVALID_BYTE || next >= INVALID_BYTE) break;
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)previous, (utf8proc_int32_t)next, &state)) break;
        end += length;
        previous = next;
    }
    return end;
}

/* A grapheme shorter than six bytes is looked up whole, by its first known prefix; otherwise each of its characters
 * is. */
static void precompiled_by_grapheme(const struct normalizer_step *step, struct text *text,
                                    struct normalizer_scratch *scratch) {
    struct changes *changes = &scratch->changes;
    changes->n = 0;
    bool modified = false;
    for (size_t at = 0, end; at < text->size; at = end) {
        unsigned char first = (unsigned char)text->bytes[at];
        bool alone = at + 1 == text->size || (unsigned char)text->bytes[at + 1] < 128; /* nothing combines with it */
        if (alone && first != '\r' && precompiled_is_plain(&step->precompiled, (char)first)) {
            changes_push(changes, first, 0);
            end = at + 1;
            continue;
        }
        end = grapheme_end(text, at);
        size_t prefix;
        const char *replacement =
            end - at < 6 ? precompiled_find(&step->precompiled, text->bytes + at, end - at, false, &prefix) : NULL;
        if (replacement) {
            push_replacement(changes, count_characters(text->bytes + at, end - at), replacement);
            modified = true;
            continue;
        }
        for (size_t i = at, length; i < end; i += length) {
            uint32_t c;
            length = unicode_next(text->bytes + i, end - i, &c);
            replacement = precompiled_find(&step->precompiled, text->bytes + i, length, false, &prefix);
            if (replacement)
                push_replacement(changes, 1, replacement);
            else
                changes_push(changes, c, 0);
            modified |= replacement != NULL;
        }
    }
    if (modified) transform(text, scratch, 0);
}

/* Only the parts of a text that may change are taken through the form; what is between them is copied. */
static bn_status normal_form_in_parts(const struct normalizer_step *step, struct text *text,
                                      struct normalizer_scratch *scratch, bn_error *err) {
    struct text *out = &scratch->other;
    size_t done = 0, begin, end;
    bool changed = false;
    while (normal_form_next_part(text, done, step->compatibility, step->compose, &begin, &end)) {
        if (!changed) text_clear(out, text->base);
        changed = true;
        text_append_text(out, text, done, begin);
        struct text part = {.bytes = text->bytes + begin, .size = end - begin};
        if (!normal_form_changes(&part, step->compatibility, step->compose, &scratch->changes))
            return fail_no_memory(err, text->size);
        text_append_changes(out, &scratch->changes);
        done = end;
    }
    if (!changed) return BN_OK;
    text_append_text(out, text, done, text->size);
    swap(text, scratch);
    return BN_OK;
}

static bn_status apply_step(const struct normalizer_step *step, struct text *text, struct normalizer_scratch *scratch,
                            bn_error *err) {
    switch (step->kind) {
    case NORMALIZE_FORM:
        if (normal_form_is_trivial(text, step->compatibility, step->compose)) return BN_OK;
        if (text->unaligned) return normal_form_in_parts(step, text, scratch, err);
        if (!normal_form_changes(text, step->compatibility, step->compose, &scratch->changes))
            return fail_no_memory(err, text->size);
        transform(text, scratch, 0);
        return BN_OK;
    case NORMALIZE_LOWERCASE:
        lowercase(text, scratch);
        return BN_OK;
    case NORMALIZE_STRIP:
        strip(step, text, scratch);
        return BN_OK;
    case NORMALIZE_STRIP_ACCENTS:
    case NORMALIZE_NMT:
    case NORMALIZE_BERT_CLEAN:
        filter(step, text, scratch);
        return BN_OK;
    case NORMALIZE_BERT_CHINESE:
        space_chinese(text, scratch);
        return BN_OK;
    case NORMALIZE_PREPEND:
        prepend(step, text, scratch);
        return BN_OK;
    case NORMALIZE_REPLACE:
        return replace(step, text, scratch, err);
    case NORMALIZE_PRECOMPILED:
        precompiled_by_grapheme(step, text, scratch);
        return BN_OK;
    case NORMALIZE_BYTE_LEVEL:
        byte_level(text, scratch);
        return BN_OK;
    case NORMALIZE_SENTENCEPIECE:
        sentencepiece_normalize(step, text, &scratch->other);
        swap(text, scratch);
        return BN_OK;
    }
    return BN_OK;
}

bn_status normalizer_apply(const struct normalizer *normalizer, struct text *text, struct normalizer_scratch *scratch,
                           bn_error *err) {
    for (size_t i = 0; i < normalizer->n; i++) {
        bn_status status = apply_step(&normalizer->steps[i], text, scratch, err);
        if (status) return status;
        if (text->failed || scratch->other.failed) return fail_no_memory(err, text->size);
        if (text->size > UINT32_MAX / 2)
            return fail(err, BN_STATUS_BAD_ARGUMENT,
                        "the text grows to %zu bytes when it is normalized, at most 2 GiB are read", text->size);
    }
    return BN_OK;
}
