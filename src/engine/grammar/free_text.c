/* See free_text.h. */
#include "engine/grammar/free_text.h"

#include <stdio.h>
#include <string.h>

struct pattern_node *body_dfa(struct rules *rules, const struct dfa *dfa) {
    struct pattern_node *node = body_new(rules, PATTERN_DFA);
    if (node) node->dfa = dfa;
    return dfa ? node : NULL;
}

struct pattern_node *body_pattern(struct rules *rules, const char *pattern) {
    return body_dfa(rules, pattern_compile(rules->work, pattern, strlen(pattern), PATTERN_WHOLE));
}

static struct pattern_node *body_of_two(struct rules *rules, enum pattern_kind kind, struct pattern_node *a,
                                        struct pattern_node *b) {
    struct pattern_node *node = body_new(rules, kind);
    body_add(rules, node, a);
    body_add(rules, node, b);
    return a && b ? node : NULL;
}

struct pattern_node *body_either(struct rules *rules, struct pattern_node *a, struct pattern_node *b) {
    return body_of_two(rules, PATTERN_ALTERNATIVES, a, b);
}

struct pattern_node *body_both(struct rules *rules, struct pattern_node *a, struct pattern_node *b) {
    return body_of_two(rules, PATTERN_CONCAT, a, b);
}

struct pattern_node *body_mark(struct rules *rules, const char *text) {
    size_t n = strlen(text);
    return body_either(rules, body_text(rules, text, n), body_special(rules, text, n));
}

const char *pattern_of_text(struct work *work, const char *text) {
    char *out = work_alloc(work, 2 * strlen(text) + 1, 1), *to = out;
    for (; out && *text; text++) {
        if (strchr("\\^$.|?*+()[]{}/", *text)) *to++ = '\\';
        *to++ = *text;
    }
    return out ? out : "";
}

const struct dfa *pattern_of_parts(struct work *work, const char *before, const char *pattern, const char *after,
                                   enum pattern_use use) {
    size_t n = strlen(before) + strlen(pattern) + strlen(after);
    char *whole = work_alloc(work, n + 1, 1);
    if (!whole) return NULL;
    snprintf(whole, n + 1, "%s%s%s", before, pattern, after);
    return pattern_compile(work, whole, n, use);
}

static const struct dfa *leave_out(const struct marks *marks, struct work *work, const struct dfa *texts) {
    return marks->except && texts ? dfa_combine(work, texts, marks->except, DFA_WITHOUT) : texts;
}

bool marks_init(struct marks *marks, struct work *work, const char *const *texts, size_t n, const char *except) {
    size_t size = sizeof "(?:)";
    for (size_t i = 0; i < n; i++) size += 2 * strlen(texts[i]) + 1;
    char *any = work_alloc(work, size, 1), *to = any;
    if (!any) return false;
    to += sprintf(to, "(?:");
    for (size_t i = 0; i < n && work_ok(work); i++)
        to += sprintf(to, "%s%s", i ? "|" : "", pattern_of_text(work, texts[i]));
    sprintf(to, ")");
    marks->any = any;
    marks->except = except ? pattern_compile(work, except, strlen(except), PATTERN_WHOLE) : NULL;
    marks->without =
        dfa_combine(work, dfa_everything(work), pattern_of_parts(work, "", any, "", PATTERN_SEARCH), DFA_WITHOUT);
    marks->without = leave_out(marks, work, marks->without);
    return work_ok(work);
}

const struct dfa *marks_until(struct work *work, const struct marks *marks, const char *text) {
    const struct dfa *until =
        dfa_combine(work, pattern_of_parts(work, "[\\s\\S]*", pattern_of_text(work, text), "", PATTERN_WHOLE),
                    pattern_of_parts(work, "", marks->any, "[\\s\\S]", PATTERN_SEARCH), DFA_WITHOUT);
    return leave_out(marks, work, until);
}

struct pattern_node *body_until(struct rules *rules, const struct marks *marks, const char *text) {
    const struct dfa *until = marks_until(rules->work, marks, text);
    if (!until || until->n_states == 0) return NULL;
    struct pattern_node *token = body_special(rules, text, strlen(text));
    return body_either(rules, body_dfa(rules, until), body_both(rules, body_dfa(rules, marks->without), token));
}
