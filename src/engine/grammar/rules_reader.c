#include "engine/grammar/rules_reader.h"

#include <string.h>

#define DEEPEST_GROUP    100
#define MOST_REPETITIONS 100000

void rules_complain(struct rules_reader *r, const char *what) {
    work_fail(r->work, BN_STATUS_BAD_ARGUMENT, "line %zu: %s", r->line, what);
}

void rules_refuse(struct rules_reader *r, const char *what) {
    work_fail(r->work, BN_STATUS_UNSUPPORTED, "line %zu: %s isn't supported", r->line, what);
}

char rules_here(const struct rules_reader *r) {
    return r->at < r->n && work_ok(r->work) ? r->text[r->at] : '\0';
}

bool rules_take(struct rules_reader *r, const char *what) {
    size_t n = strlen(what);
    if (!work_ok(r->work) || r->at > r->n || r->n - r->at < n || memcmp(r->text + r->at, what, n) != 0) return false;
    r->at += n;
    return true;
}

void rules_skip_space(struct rules_reader *r, bool lines) {
    for (;; r->at++) {
        char c = rules_here(r);
        if (c == '#' || (r->slashes && c == '/' && r->at + 1 < r->n && r->text[r->at + 1] == '/')) {
            while (r->at < r->n && r->text[r->at] != '\n') r->at++;
            c = rules_here(r);
        }
        if (c == '\n' && lines)
            r->line++;
        else if (c != ' ' && c != '\t' && c != '\r')
            return;
    }
}

bool rules_is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

struct pattern_node *rules_reference(struct rules_reader *r, size_t begin) {
    uint32_t rule = rules_find(r->rules, r->text + begin, r->at - begin);
    if (work_ok(r->work) && !r->rules->items[rule].line) r->rules->items[rule].line = r->line;
    return body_rule(r->rules, rule);
}

uint32_t rules_count(struct rules_reader *r) {
    uint32_t n = 0;
    size_t begin = r->at;
    for (; rules_here(r) >= '0' && rules_here(r) <= '9'; r->at++)
        n = n > MOST_REPETITIONS ? n : n * 10 + (uint32_t)(rules_here(r) - '0');
    if (r->at == begin) rules_complain(r, "expected a number");
    if (n > MOST_REPETITIONS)
        work_fail(r->work, BN_STATUS_UNSUPPORTED, "line %zu: more than %d repetitions", r->line, MOST_REPETITIONS);
    return n;
}

void rules_enter_group(struct rules_reader *r) {
    if (++r->depth > DEEPEST_GROUP)
        work_fail(r->work, BN_STATUS_UNSUPPORTED, "groups are nested deeper than %d", DEEPEST_GROUP);
}

struct rules *rules_read(struct rules_reader *r, void (*read_statement)(struct rules_reader *r), const char *start) {
    if (!r->rules || !work_spend(r->work, r->n)) return NULL;
    if (memchr(r->text, '\0', r->n)) rules_complain(r, "a NUL character");
    for (rules_skip_space(r, true); rules_here(r); rules_skip_space(r, true)) read_statement(r);
    uint32_t rule = rules_find(r->rules, start, strlen(start));
    if (work_ok(r->work) && !r->rules->items[rule].body)
        work_fail(r->work, BN_STATUS_BAD_ARGUMENT, "there is no rule '%s'", start);
    if (work_ok(r->work)) rules_prepare(r->rules, rule);
    return work_ok(r->work) ? r->rules : NULL;
}
