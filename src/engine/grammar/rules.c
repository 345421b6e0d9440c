/* See rules.h. */
#include "engine/grammar/rules.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/schema.h"
#include "engine/grammar/token_trie.h"

#define MOST_RULES   20000
#define DEEPEST_BODY 400
#define LEXEME_BYTES ((size_t)8 << 20) /* what making a lexeme of a part may take, before the part is read piecewise */
#define LEXEME_STEPS ((size_t)400000)

/* A part of a body, ready to run. */
enum step_kind { STEP_LEXEME, STEP_SPECIAL, STEP_SCHEMA, STEP_CONCAT, STEP_CHOICE, STEP_REPEAT, STEP_RULE };
struct rule_step {
    enum step_kind kind;
    const struct dfa *dfa;
    const char *bytes;
    uint32_t n_bytes;
    uint32_t *items; /* CONCAT, CHOICE; REPEAT has one */
    uint32_t n_items, min, max;
    uint32_t rule; /* RULE: its step, found when all are there; SCHEMA: the node */
    uint32_t distance;
};

struct rules *rules_create(struct work *work) {
    struct rules *rules = work_alloc(work, 1, sizeof *rules);
    if (rules) rules->work = work;
    return rules;
}

uint32_t rules_find(struct rules *rules, const char *name, size_t n) {
    for (uint32_t i = 0; i < rules->n; i++)
        if (rules->items[i].n_name == n && memcmp(rules->items[i].name, name, n) == 0) return i;
    char *copy = work_alloc(rules->work, n + 1, 1);
    if (!copy || !work_reserve(rules->work, &rules->items, rules->n + 1, &rules->capacity, sizeof *rules->items) ||
        !work_spend(rules->work, 1 + rules->n))
        return 0;
    if (rules->n >= MOST_RULES) {
        work_fail(rules->work, BN_STATUS_UNSUPPORTED, "more than %d rules", MOST_RULES);
        return 0;
    }
    memcpy(copy, name, n);
    rules->items[rules->n] = (struct rule){.name = copy, .n_name = n};
    return (uint32_t)rules->n++;
}

/* ---- bodies ---- */

struct pattern_node *body_new(struct rules *rules, enum pattern_kind kind) {
    struct pattern_node *node = work_alloc(rules->work, 1, sizeof *node);
    if (node) node->kind = kind;
    return node;
}

void body_add(struct rules *rules, struct pattern_node *to, struct pattern_node *item) {
    if (!to || !item || !work_spend(rules->work, 1)) return;
    to->items = work_grow(rules->work, to->items, to->n_items + 1, &to->items_capacity, sizeof(struct pattern_node *));
    if (to->items) to->items[to->n_items++] = item;
}

struct pattern_node *body_text(struct rules *rules, const char *text, size_t n) {
    struct pattern_node *concat = body_new(rules, PATTERN_CONCAT);
    uint32_t code_point;
    for (size_t i = 0; concat && i < n && work_ok(rules->work);) {
        int length = utf8_decode(text + i, n - i, &code_point);
        if (length <= 0) {
            work_fail(rules->work, BN_STATUS_BAD_ARGUMENT, "invalid UTF-8 in a text of the grammar");
            return NULL;
        }
        struct pattern_node *one = body_new(rules, PATTERN_CHARS);
        if (one) code_set_add(rules->work, &one->set, code_point, code_point);
        body_add(rules, concat, one);
        i += (size_t)length;
    }
    return concat;
}

struct pattern_node *body_rule(struct rules *rules, uint32_t rule) {
    struct pattern_node *node = body_new(rules, PATTERN_RULE);
    if (node) node->rule = rule;
    return node;
}

struct pattern_node *body_repeat(struct rules *rules, struct pattern_node *item, uint32_t min, uint32_t max) {
    struct pattern_node *node = body_new(rules, PATTERN_REPEAT);
    if (!node || !item) return NULL;
    node->min = min;
    node->max = max;
    body_add(rules, node, item);
    return node;
}

struct pattern_node *body_schema(struct rules *rules, uint32_t node) {
    struct pattern_node *body = body_new(rules, PATTERN_SCHEMA);
    if (body) body->rule = node;
    return body;
}

struct pattern_node *body_special(struct rules *rules, const char *name, size_t n) {
    struct pattern_node *node = body_new(rules, PATTERN_SPECIAL);
    char *bytes = work_alloc(rules->work, n + 2, 1);
    if (!node || !bytes) return NULL;
    bytes[0] = bytes[n + 1] = (char)SPECIAL_MARK;
    memcpy(bytes + 1, name, n);
    node->bytes = bytes;
    node->n_bytes = (uint32_t)n + 2;
    return node;
}

/* ---- what rules are like ---- */

struct traits {
    bool *recursive; /* [n] may meet itself */
    bool *nullable;
    bool *structured; /* has something that is no text: a special token or a schema, itself or further down */
    uint8_t *state;   /* of the search: 0 new, 1 on the path, 2 done */
};

static bool is_structure(const struct pattern_node *node) {
    return node->kind == PATTERN_SPECIAL || node->kind == PATTERN_SCHEMA || node->kind == PATTERN_DFA;
}

static void walk_rule(struct rules *rules, struct traits *t, uint32_t rule, unsigned depth);

static void walk_body(struct rules *rules, struct traits *t, const struct pattern_node *node, uint32_t in,
                      unsigned depth) {
    if (depth > DEEPEST_BODY)
        work_fail(rules->work, BN_STATUS_UNSUPPORTED, "rules are nested deeper than %d", DEEPEST_BODY);
    if (!node || !work_spend(rules->work, 1)) return;
    if (is_structure(node)) t->structured[in] = true;
    if (node->kind == PATTERN_RULE) {
        if (t->state[node->rule] == 1) t->recursive[node->rule] = true;
        if (t->state[node->rule] == 0) walk_rule(rules, t, node->rule, depth + 1);
        t->structured[in] |= t->structured[node->rule];
        t->recursive[in] |= t->recursive[node->rule]; /* what contains it can't be one lexeme either */
    }
    for (size_t i = 0; i < node->n_items; i++) walk_body(rules, t, node->items[i], in, depth + 1);
}

static void walk_rule(struct rules *rules, struct traits *t, uint32_t rule, unsigned depth) {
    const struct rule *r = &rules->items[rule];
    if (!r->body) {
        char line[40] = "";
        if (r->line) snprintf(line, sizeof line, "line %zu: ", r->line);
        work_fail(rules->work, BN_STATUS_BAD_ARGUMENT, "%sthe rule '%.*s' isn't defined", line, (int)r->n_name,
                  r->name);
        return;
    }
    t->state[rule] = 1;
    walk_body(rules, t, r->body, rule, depth);
    t->state[rule] = 2;
}

static bool is_nullable(const struct traits *t, const struct pattern_node *node) {
    bool any = false;
    switch (node->kind) {
    case PATTERN_RULE:
        return t->nullable[node->rule];
    case PATTERN_REPEAT:
        return node->min == 0 || is_nullable(t, node->items[0]);
    case PATTERN_CONCAT:
        for (size_t i = 0; i < node->n_items; i++)
            if (!is_nullable(t, node->items[i])) return false;
        return true;
    case PATTERN_ALTERNATIVES:
        for (size_t i = 0; i < node->n_items; i++) any |= is_nullable(t, node->items[i]);
        return any;
    case PATTERN_DFA:
        return node->dfa->n_states && node->dfa->states[0].label;
    default:
        return node->kind == PATTERN_START || node->kind == PATTERN_END;
    }
}

static void find_nullable(struct rules *rules, struct traits *t) {
    for (bool changed = true; changed && work_ok(rules->work);) {
        changed = false;
        for (uint32_t i = 0; i < rules->n && work_spend(rules->work, 20); i++) {
            if (t->nullable[i] || !rules->items[i].body || !is_nullable(t, rules->items[i].body)) continue;
            t->nullable[i] = changed = true;
        }
    }
}

/* ---- left recursion ---- */

/* "a: a x | y" → "a: y x*", at the top of the rule's body. */
static void turn_around(struct rules *rules, uint32_t rule) {
    struct pattern_node *body = rules->items[rule].body;
    if (body->kind != PATTERN_ALTERNATIVES) return;
    struct pattern_node *bases = body_new(rules, PATTERN_ALTERNATIVES), *tails = body_new(rules, PATTERN_ALTERNATIVES);
    for (size_t i = 0; i < body->n_items && bases && tails; i++) {
        struct pattern_node *way = body->items[i], *first = way;
        if (way->kind == PATTERN_CONCAT) first = way->n_items ? way->items[0] : NULL;
        bool itself = first && first->kind == PATTERN_RULE && first->rule == rule;
        if (!itself) {
            body_add(rules, bases, way);
        } else if (way->kind == PATTERN_CONCAT && way->n_items > 1) {
            struct pattern_node *rest = body_new(rules, PATTERN_CONCAT);
            for (size_t k = 1; k < way->n_items; k++) body_add(rules, rest, way->items[k]);
            body_add(rules, tails, rest);
        }
    }
    if (!work_ok(rules->work) || tails->n_items == 0 || bases->n_items == 0) return;
    struct pattern_node *concat = body_new(rules, PATTERN_CONCAT);
    body_add(rules, concat, bases);
    body_add(rules, concat, body_repeat(rules, tails, 0, PATTERN_UNLIMITED));
    if (concat) rules->items[rule].body = concat;
}

static void check_left(struct rules *rules, const struct traits *t, uint8_t *state, const struct pattern_node *node,
                       unsigned depth);

/* Does a rule come back to itself before anything is read? */
static void check_left_rule(struct rules *rules, const struct traits *t, uint8_t *state, uint32_t rule,
                            unsigned depth) {
    if (state[rule] == 2 || !work_ok(rules->work)) return;
    if (state[rule] == 1) {
        work_fail(rules->work, BN_STATUS_UNSUPPORTED,
                  "the rule '%.*s' begins with itself by way of others: write it as a repetition",
                  (int)rules->items[rule].n_name, rules->items[rule].name);
        return;
    }
    state[rule] = 1;
    check_left(rules, t, state, rules->items[rule].body, depth + 1);
    state[rule] = 2;
}

static void check_left(struct rules *rules, const struct traits *t, uint8_t *state, const struct pattern_node *node,
                       unsigned depth) {
    if (depth > 4 * DEEPEST_BODY) work_fail(rules->work, BN_STATUS_UNSUPPORTED, "rules are nested too deeply");
    if (!work_spend(rules->work, 1)) return;
    if (node->kind == PATTERN_RULE) check_left_rule(rules, t, state, node->rule, depth);
    for (size_t i = 0; i < node->n_items; i++) {
        check_left(rules, t, state, node->items[i], depth + 1);
        if (node->kind == PATTERN_CONCAT && !is_nullable(t, node->items[i])) return;
    }
}

/* ---- steps ---- */

static const struct pattern_node *body_of(const void *context, uint32_t rule) {
    const struct rules *rules = context;
    return rules->items[rule].body;
}

static bool is_regular(const struct traits *t, const struct pattern_node *node) {
    if (is_structure(node)) return false;
    if (node->kind == PATTERN_RULE) return !t->recursive[node->rule] && !t->structured[node->rule];
    for (size_t i = 0; i < node->n_items; i++)
        if (!is_regular(t, node->items[i])) return false;
    return true;
}

/* A lexeme, if it can be had at a reasonable price: otherwise NULL, and nothing has failed. */
static const struct dfa *try_lexeme(struct rules *rules, const struct pattern_node *node) {
    struct work trial;
    work_init(&trial, LEXEME_BYTES, min_size(LEXEME_STEPS, rules->work->steps_left));
    const struct dfa *found = pattern_tree_compile(&trial, node, body_of, rules);
    bool fits = found != NULL;
    size_t spent = LEXEME_STEPS - min_size(trial.steps_left, LEXEME_STEPS);
    if (trial.status == BN_STATUS_NO_MEMORY) work_fail(rules->work, trial.status, "%s", trial.error.message);
    work_release(&trial);
    if (!work_spend(rules->work, min_size(spent, rules->work->steps_left)) || !fits) return NULL;
    return pattern_tree_compile(rules->work, node, body_of, rules);
}

static uint32_t new_step(struct rules *rules, enum step_kind kind) {
    rules->steps =
        work_grow(rules->work, rules->steps, rules->n_steps + 1, &rules->steps_capacity, sizeof *rules->steps);
    if (!rules->steps) return 0;
    rules->steps[rules->n_steps] = (struct rule_step){.kind = kind, .distance = DISTANCE_FAR};
    return (uint32_t)rules->n_steps++;
}

/* inside: of a lexeme, where nothing is ignored. */
static uint32_t make_step(struct rules *rules, const struct traits *t, const struct pattern_node *node, bool inside);

static uint32_t ignoring(struct rules *rules, uint32_t step) {
    uint32_t concat = new_step(rules, STEP_CONCAT), ignored = new_step(rules, STEP_LEXEME);
    uint32_t *items = work_alloc(rules->work, 2, sizeof *items);
    const struct dfa *dfa = pattern_tree_compile(rules->work, rules->ignored, body_of, rules);
    if (!items || !dfa || !work_ok(rules->work)) return 0;
    rules->steps[ignored].dfa = dfa;
    items[0] = ignored;
    items[1] = step;
    rules->steps[concat].items = items;
    rules->steps[concat].n_items = 2;
    return concat;
}

static uint32_t make_lexeme(struct rules *rules, const struct dfa *dfa, bool inside) {
    uint32_t step = new_step(rules, STEP_LEXEME);
    if (!work_ok(rules->work)) return 0;
    rules->steps[step].dfa = dfa;
    return rules->ignored && !inside ? ignoring(rules, step) : step;
}

static uint32_t make_step(struct rules *rules, const struct traits *t, const struct pattern_node *node, bool inside) {
    static const enum step_kind kinds[] = {
        [PATTERN_CONCAT] = STEP_CONCAT, [PATTERN_ALTERNATIVES] = STEP_CHOICE, [PATTERN_REPEAT] = STEP_REPEAT};
    if (!work_spend(rules->work, 1)) return 0;
    bool token = node->kind == PATTERN_RULE && rules->items[node->rule].lexeme;
    /* with something to ignore, only what is one token may be taken together */
    bool whole = !rules->ignored || inside || token || node->kind == PATTERN_CHARS || node->lexeme;
    if (whole && is_regular(t, node)) {
        const struct dfa *dfa = try_lexeme(rules, node);
        if (dfa) return make_lexeme(rules, dfa, inside);
    }
    if (node->kind == PATTERN_RULE) {
        uint32_t step = new_step(rules, STEP_RULE);
        if (work_ok(rules->work)) rules->steps[step].rule = node->rule;
        return rules->ignored && token && !inside ? ignoring(rules, step) : step;
    }
    if (node->kind == PATTERN_DFA) return make_lexeme(rules, node->dfa, inside);
    if (is_structure(node)) {
        uint32_t step = new_step(rules, node->kind == PATTERN_SPECIAL ? STEP_SPECIAL : STEP_SCHEMA);
        if (!work_ok(rules->work)) return 0;
        rules->steps[step].bytes = node->bytes;
        rules->steps[step].n_bytes = node->n_bytes;
        rules->steps[step].rule = node->rule;
        return step;
    }
    if (node->kind != PATTERN_CONCAT && node->kind != PATTERN_ALTERNATIVES && node->kind != PATTERN_REPEAT) {
        work_fail(rules->work, BN_STATUS_UNSUPPORTED,
                  "an anchor or look-ahead in a part that isn't one regular expression");
        return 0;
    }
    uint32_t step = new_step(rules, kinds[node->kind]);
    uint32_t *items = work_alloc(rules->work, node->n_items, sizeof *items);
    if (!items || !work_ok(rules->work)) return 0;
    for (size_t i = 0; i < node->n_items; i++)
        items[i] = make_step(rules, t, node->items[i], inside || (node->lexeme && rules->ignored));
    if (!work_ok(rules->work)) return 0;
    struct rule_step *s = &rules->steps[step];
    s->items = items;
    s->n_items = (uint32_t)node->n_items;
    s->min = node->min;
    s->max = node->max;
    return step;
}

static uint32_t sum(uint32_t a, uint32_t b) {
    return a >= DISTANCE_FAR - b || b >= DISTANCE_FAR ? DISTANCE_FAR : a + b;
}

static uint32_t distance_of(const struct rules *rules, const struct rule_step *step, uint32_t from) {
    uint32_t total = 0, best = DISTANCE_FAR;
    switch (step->kind) {
    case STEP_LEXEME:
        return step->dfa->n_states ? step->dfa->states[0].distance : DISTANCE_FAR;
    case STEP_SPECIAL:
        return 1;
    case STEP_SCHEMA:
        return rules->schema->nodes[step->rule].distance;
    case STEP_RULE:
        return rules->steps[step->rule].distance;
    case STEP_CHOICE:
        for (uint32_t i = 0; i < step->n_items; i++)
            if (rules->steps[step->items[i]].distance < best) best = rules->steps[step->items[i]].distance;
        return best;
    case STEP_CONCAT:
        for (uint32_t i = from; i < step->n_items; i++) total = sum(total, rules->steps[step->items[i]].distance);
        return total;
    case STEP_REPEAT:
        for (uint32_t i = from; i < step->min && total < DISTANCE_FAR; i++)
            total = sum(total, rules->steps[step->items[0]].distance);
        return total;
    }
    return DISTANCE_FAR;
}

static void measure(struct rules *rules) {
    for (bool changed = true; changed && work_ok(rules->work);) {
        changed = false;
        for (size_t i = rules->n_steps; i-- > 0 && work_spend(rules->work, 1);) {
            uint32_t distance = distance_of(rules, &rules->steps[i], 0);
            if (distance >= rules->steps[i].distance) continue;
            rules->steps[i].distance = distance;
            changed = true;
        }
    }
}

void rules_prepare(struct rules *rules, uint32_t start) {
    struct work *work = rules->work;
    struct traits t;
    size_t n = rules->n;
    t.recursive = work_alloc(work, n, sizeof *t.recursive);
    t.nullable = work_alloc(work, n, sizeof *t.nullable);
    t.structured = work_alloc(work, n, sizeof *t.structured);
    t.state = work_alloc(work, n, 1);
    uint8_t *left = work_alloc(work, n, 1);
    uint32_t *steps = work_alloc(work, n, sizeof *steps);
    if (!work_ok(work)) return;
    for (uint32_t i = 0; i < n && work_ok(work); i++) {
        if (rules->items[i].body) turn_around(rules, i);
        if (t.state[i] == 0) walk_rule(rules, &t, i, 0);
    }
    /* whoever contains a rule that contains itself: until nothing changes, as the first walk may have met it too early */
    for (int again = 0; again < 2 && work_ok(work); again++) {
        memset(t.state, 0, n);
        for (uint32_t i = 0; i < n && work_ok(work); i++)
            if (t.state[i] == 0) walk_rule(rules, &t, i, 0);
    }
    find_nullable(rules, &t);
    for (uint32_t i = 0; i < n && work_ok(work); i++) check_left_rule(rules, &t, left, i, 0);
    for (uint32_t i = 0; i < n && work_ok(work); i++)
        steps[i] = make_step(rules, &t, rules->items[i].body, rules->items[i].lexeme);
    rules->start = start;
    if (!work_ok(work)) return;
    for (size_t i = 0; i < rules->n_steps; i++)
        if (rules->steps[i].kind == STEP_RULE) rules->steps[i].rule = steps[rules->steps[i].rule];
    rules->first_step = steps[start];
    if (rules->ignored) { /* at the end, too */
        uint32_t *items = work_alloc(work, 2, sizeof *items), concat = new_step(rules, STEP_CONCAT);
        const struct dfa *dfa = pattern_tree_compile(work, rules->ignored, body_of, rules);
        uint32_t last = new_step(rules, STEP_LEXEME);
        if (!items || !dfa || !work_ok(work)) return;
        rules->steps[last].dfa = dfa;
        items[0] = rules->first_step;
        items[1] = last;
        rules->steps[concat].items = items;
        rules->steps[concat].n_items = 2;
        rules->first_step = concat;
    }
    measure(rules);
    if (work_ok(work) && rules->steps[rules->first_step].distance >= DISTANCE_FAR)
        work_fail(work, BN_STATUS_UNSUPPORTED, "no text satisfies the grammar");
}

/* ---- running ---- */

static uint32_t step_symbol(struct automaton *a, uint32_t step, uint32_t from) {
    return automaton_symbol(a, (uint32_t[]){SYMBOL_STEP, step, from}, 3);
}

uint32_t rules_start(struct automaton *a, const struct rules *rules) {
    return step_symbol(a, rules->first_step, 0);
}

/* from: the item of a sequence that comes next, or how often a repetition was read. */
void rules_expand(struct automaton *a, const struct rules *rules, const uint32_t *words, uint32_t frame) {
    const struct rule_step *step = &rules->steps[words[1]];
    uint32_t from = words[2], next;
    struct lexeme special = {.kind = LEXEME_BYTES, .bytes = step->bytes, .n_bytes = step->n_bytes, .max = UINT32_MAX};
    switch (step->kind) {
    case STEP_LEXEME:
        automaton_scan(a, automaton_text(a, step->dfa), frame);
        break;
    case STEP_SPECIAL:
        automaton_scan(a, automaton_lexeme(a, &special), frame);
        break;
    case STEP_SCHEMA:
        automaton_expand(a, grammar_schema_value(a, step->rule), 1, frame);
        break;
    case STEP_RULE:
        automaton_expand(a, step_symbol(a, step->rule, 0), 1, frame);
        break;
    case STEP_CHOICE:
        for (uint32_t i = 0; i < step->n_items; i++)
            if (rules->steps[step->items[i]].distance < DISTANCE_FAR)
                automaton_expand(a, step_symbol(a, step->items[i], 0), 1, frame);
        break;
    case STEP_CONCAT:
        if (from == step->n_items) {
            automaton_return(a, frame, 1);
            break;
        }
        next = from + 1 == step->n_items ? frame : automaton_push(a, step_symbol(a, words[1], from + 1), frame);
        automaton_expand(a, step_symbol(a, step->items[from], 0), 1, next);
        break;
    case STEP_REPEAT:
        if (from >= step->min) automaton_return(a, frame, 1);
        if (from == step->max || rules->steps[step->items[0]].distance >= DISTANCE_FAR) break;
        next = step->max == PATTERN_UNLIMITED && from >= step->min ? from : from + 1;
        automaton_expand(a, step_symbol(a, step->items[0], 0), 1,
                         automaton_push(a, step_symbol(a, words[1], next), frame));
        break;
    }
}

uint32_t rules_distance(const struct rules *rules, const uint32_t *words) {
    return words[2] == 0 ? rules->steps[words[1]].distance : distance_of(rules, &rules->steps[words[1]], words[2]);
}
