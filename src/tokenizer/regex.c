/* PCRE2 behind regex.h; regex_syntax.c rewrites the patterns. */
#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "tokenizer/regex_syntax.h"

enum { MATCH_LIMIT = 4000000, HEAP_LIMIT_KIB = 65536, PATTERN_MAX = 65536 };

struct regex {
    pcre2_general_context *memory;
    pcre2_code *code;
    pcre2_match_context *context;
    char *source; /* as it was given */
    size_t source_size;
    enum regex_syntax syntax;
};

static void *allocate(PCRE2_SIZE size, void *unused) {
    (void)unused;
    return mem_alloc(size);
}
static void release(void *pointer, void *unused) {
    (void)unused;
    mem_free(pointer);
}

static bn_status compile(struct regex *regex, const char *pattern, size_t size, enum regex_syntax syntax,
                         bn_error *err) {
    struct buffer translated;
    buffer_init(&translated);
    regex_translate(pattern, size, syntax, &translated);
    if (translated.failed) {
        buffer_release(&translated);
        return fail_no_memory(err, size);
    }
    if (translated.size > REGEX_TRANSLATED_MAX) {
        buffer_release(&translated);
        return fail(err, BN_STATUS_UNSUPPORTED, "regular expression '%.*s' is too large", (int)min_size(size, 80),
                    pattern);
    }
    int code;
    PCRE2_SIZE offset;
    pcre2_compile_context *options = pcre2_compile_context_create(regex->memory);
    uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    flags |= syntax == REGEX_RUBY ? PCRE2_MULTILINE : PCRE2_DOLLAR_ENDONLY;
    if (options) {
        pcre2_set_newline(options, PCRE2_NEWLINE_LF);
        regex->code = pcre2_compile((PCRE2_SPTR)(translated.data ? translated.data : ""), translated.size, flags, &code,
                                    &offset, options);
    }
    buffer_release(&translated);
    if (!options) return fail_no_memory(err, size);
    pcre2_compile_context_free(options);
    if (regex->code) return BN_OK;
    char reason[160] = "";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, sizeof reason);
    return fail(err, BN_STATUS_BAD_FILE, "regular expression '%.*s': %s (at %zu)", (int)min_size(size, 80), pattern,
                reason, (size_t)offset);
}

bn_status regex_compile(const char *pattern, size_t size, enum regex_syntax syntax, struct regex **out, bn_error *err) {
    if (size > PATTERN_MAX)
        return fail(err, BN_STATUS_BAD_FILE, "regular expression of %zu bytes, at most %d are read", size, PATTERN_MAX);
    struct regex *regex = mem_calloc(1, sizeof *regex);
    if (!regex) return fail_no_memory(err, sizeof *regex);
    regex->memory = pcre2_general_context_create(allocate, release, NULL);
    regex->source = mem_strndup(pattern, size);
    regex->source_size = size;
    regex->syntax = syntax;
    bn_status status =
        regex->memory && regex->source ? compile(regex, pattern, size, syntax, err) : fail_no_memory(err, size);
    if (!status) {
        regex->context = pcre2_match_context_create(regex->memory);
        if (!regex->context) status = fail_no_memory(err, 0);
    }
    if (status) {
        regex_free(regex);
        return status;
    }
    pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    pcre2_set_heap_limit(regex->context, HEAP_LIMIT_KIB);
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* without it matching is only slower */
    *out = regex;
    return BN_OK;
}

void regex_free(struct regex *regex) {
    if (!regex) return;
    pcre2_match_context_free(regex->context);
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->memory);
    mem_free(regex->source);
    mem_free(regex);
}

const char *regex_source(const struct regex *regex, size_t *size) {
    *size = regex->source_size;
    return regex->source;
}

enum regex_syntax regex_syntax(const struct regex *regex) {
    return regex->syntax;
}

bn_status regex_search_begin(const struct regex *regex, struct regex_search *search, bn_error *err) {
    search->regex = regex;
    search->last_end = SIZE_MAX;
    search->match_data = pcre2_match_data_create(1, regex->memory);
    return search->match_data ? BN_OK : fail_no_memory(err, 0);
}

void regex_search_end(struct regex_search *search) {
    pcre2_match_data_free(search->match_data);
}

bn_status regex_search_next(struct regex_search *search, const char *text, size_t n, size_t from, bool *found,
                            size_t *begin, size_t *end, bn_error *err) {
    const struct regex *regex = search->regex;
    *found = false;
    while (from <= n) {
        int count = pcre2_match(regex->code, (PCRE2_SPTR)text, n, from, 0, search->match_data, regex->context);
        if (count == PCRE2_ERROR_JIT_STACKLIMIT)
            count =
                pcre2_match(regex->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_JIT, search->match_data, regex->context);
        if (count == PCRE2_ERROR_NOMATCH) return BN_OK;
        if (count < 0)
            return fail(err, BN_STATUS_UNSUPPORTED,
                        "the tokenizer's split pattern needs too many steps on this text (PCRE2 error %d)", count);
        const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(search->match_data);
        *begin = ovector[0] < from ? from : ovector[0]; /* \K in a lookahead may point back */
        *end = ovector[1];
        if (*end < *begin) *end = *begin;
        if (*begin < *end || *begin != search->last_end) {
            search->last_end = *end;
            *found = true;
            return BN_OK;
        }
        do from++;
        while (from < n && ((unsigned char)text[from] & 0xc0) == 0x80);
    }
    return BN_OK;
}
