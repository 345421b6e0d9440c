/* Compiling, owning and asking grammars; what they are made of is in the other files. */
#include "engine/grammar/grammar.h"

#include <string.h>

#include "base/memory.h"
#include "engine/grammar/free_text.h"
#include "engine/grammar/pattern.h"
#include "engine/grammar/rules.h"
#include "engine/grammar/running.h"
#include "engine/grammar/schema.h"
#include "engine/grammar/tags.h"
#include "engine/grammar/tools.h"
#include "engine/grammar/values.h"
#include "engine/grammar/xml.h"

/* What one grammar may use while it is compiled. */
#define COMPILE_BYTES ((size_t)256 << 20)
#define COMPILE_STEPS ((size_t)40000000)
#define LONGEST_TEXT  ((size_t)16 << 20)
/* What the values of a text may use, where they are compared. */
#define READ_BYTES ((size_t)128 << 20)
#define READ_STEPS ((size_t)400000000)

struct running_automaton {
    struct running_automaton *next;
    uint64_t serial; /* of its trie; 0: bytes */
    struct automaton *automaton;
};

/* ---- life ---- */

static bn_grammar *create(void) {
    bn_grammar *grammar = mem_calloc(1, sizeof *grammar);
    if (!grammar) return NULL;
    atomic_init(&grammar->references, 1);
    pthread_mutex_init(&grammar->lock, NULL);
    work_init(&grammar->work, COMPILE_BYTES, COMPILE_STEPS);
    return grammar;
}

bn_grammar *bn_grammar_retain(bn_grammar *grammar) {
    atomic_fetch_add_explicit(&grammar->references, 1, memory_order_relaxed);
    return grammar;
}

void bn_grammar_release(bn_grammar *grammar) {
    if (!grammar || atomic_fetch_sub_explicit(&grammar->references, 1, memory_order_acq_rel) > 1) return;
    for (struct running_automaton *r = grammar->automata, *next; r; r = next) {
        next = r->next;
        automaton_destroy(r->automaton);
        mem_free(r);
    }
    pthread_mutex_destroy(&grammar->lock);
    work_release(&grammar->work);
    bn_grammar_release(grammar->inner);
    mem_free(grammar);
}

/* Hands over what was compiled, or its failure. A grammar that no text satisfies is one. */
static bn_status conclude(bn_grammar *grammar, bn_grammar **out, bn_error *err) {
    bn_status status = BN_OK;
    if (!work_ok(&grammar->work)) status = fail(err, grammar->work.status, "%s", grammar->work.error.message);
    if (!status && ((grammar->text && grammar->text->n_states == 0) ||
                    (grammar->schema && grammar->schema->nodes[grammar->schema->root].forms.n == 0)))
        status = fail(err, BN_STATUS_UNSUPPORTED, "no text satisfies the grammar");
    if (status)
        bn_grammar_release(grammar);
    else
        *out = grammar;
    return status;
}

/* ---- compiling ---- */

/* Kinds that a part of another grammar can be made of (tools.c). */
static void keep_source(bn_grammar *grammar, bn_grammar_kind kind, const char *text, size_t n, bool any_form) {
    if (any_form || (kind != BN_GRAMMAR_JSON_SCHEMA && kind != BN_GRAMMAR_XML && kind != BN_GRAMMAR_REGEX)) return;
    char *source = work_alloc(&grammar->work, n + 1, 1);
    if (!source) return;
    memcpy(source, text, n);
    grammar->kind = kind;
    grammar->source = source;
    grammar->n_source = n;
}

bn_status bn_grammar_compile(bn_grammar_kind kind, const char *text, size_t text_bytes,
                             const bn_grammar_options *options, bn_grammar **out, bn_error *err) {
    bn_grammar_options own = {0};
    if (options) memcpy(&own, options, options->size ? min_size(options->size, sizeof own) : sizeof own);
    if (text_bytes > LONGEST_TEXT)
        return fail(err, BN_STATUS_UNSUPPORTED, "the grammar has %zu bytes; the limit is %zu", text_bytes,
                    LONGEST_TEXT);
    bn_grammar *grammar = create();
    if (!grammar) return fail_no_memory(err, sizeof *grammar);
    switch (kind) {
    case BN_GRAMMAR_JSON_SCHEMA:
        grammar->schema = schema_compile(&grammar->work, text, text_bytes, own.any_form);
        break;
    case BN_GRAMMAR_REGEX:
        grammar->text = pattern_compile(&grammar->work, text, text_bytes, PATTERN_WHOLE);
        break;
    case BN_GRAMMAR_GBNF:
        grammar->rules = gbnf_compile(&grammar->work, text, text_bytes);
        break;
    case BN_GRAMMAR_LARK:
        grammar->rules = lark_compile(&grammar->work, text, text_bytes);
        break;
    case BN_GRAMMAR_STRUCTURAL_TAG:
        tags_compile(&grammar->work, text, text_bytes, &grammar->rules, &grammar->schema);
        break;
    case BN_GRAMMAR_XML:
        xml_compile(&grammar->work, text, text_bytes, own.any_form, &grammar->rules, &grammar->schema);
        break;
    default:
        work_fail(&grammar->work, BN_STATUS_BAD_ARGUMENT, "unknown kind of grammar: %d", (int)kind);
    }
    keep_source(grammar, kind, text, text_bytes, own.any_form);
    return conclude(grammar, out, err);
}

bn_status bn_grammar_compile_choices(const char *const *texts, const size_t *text_bytes, size_t n_texts,
                                     bn_grammar **out, bn_error *err) {
    bn_grammar *grammar = create();
    if (!grammar) return fail_no_memory(err, sizeof *grammar);
    struct dfa_word *words = work_alloc(&grammar->work, n_texts, sizeof *words);
    for (size_t i = 0; words && i < n_texts; i++)
        words[i] = (struct dfa_word){texts[i], text_bytes ? text_bytes[i] : strlen(texts[i]), 1};
    if (words) grammar->text = dfa_words(&grammar->work, words, n_texts);
    return conclude(grammar, out, err);
}

bn_status bn_grammar_compile_tools(const bn_tools *tools, bn_grammar **out, bn_error *err) {
    bn_tools own = {0};
    if (tools) memcpy(&own, tools, min_size(tools->size, sizeof own));
    if (!own.json || !own.syntax) return fail(err, BN_STATUS_BAD_ARGUMENT, "tools: json and syntax must be given");
    if (own.text && (own.required || !own.syntax->begin || !own.text->source))
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "tools: an answer that may be a call can't be held to this kind of grammar otherwise");
    bn_grammar *grammar = create();
    if (!grammar) return fail_no_memory(err, sizeof *grammar);
    if (own.text) grammar->inner = bn_grammar_retain(own.text);
    tools_compile(&grammar->work, &own, &grammar->rules, &grammar->schema);
    return conclude(grammar, out, err);
}

bn_status bn_grammar_after(const char *text, bn_grammar *inner, bn_grammar **out, bn_error *err) {
    bn_grammar *grammar = create();
    if (!grammar) return fail_no_memory(err, sizeof *grammar);
    struct marks marks;
    if (inner->before)
        work_fail(&grammar->work, BN_STATUS_BAD_ARGUMENT, "the grammar has free text before it already");
    else if (marks_init(&marks, &grammar->work, &text, 1, NULL))
        grammar->before = marks_until(&grammar->work, &marks, text);
    grammar->inner = bn_grammar_retain(inner);
    grammar->rules = inner->rules;
    grammar->text = inner->text;
    grammar->schema = inner->schema;
    return conclude(grammar, out, err);
}

bn_grammar_kind bn_grammar_language(const char *text, size_t n) {
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '#' || (text[i] == '/' && i + 1 < n && text[i + 1] == '/')))
            while (i + 1 < n && text[i + 1] != '\n') i++;
        else if (!quoted && text[i] == ':')
            return i + 2 < n && text[i + 1] == ':' && text[i + 2] == '=' ? BN_GRAMMAR_GBNF : BN_GRAMMAR_LARK;
    }
    return BN_GRAMMAR_GBNF;
}

size_t bn_grammar_memory(bn_grammar *grammar) {
    size_t bytes = sizeof *grammar + grammar->work.arena.total_bytes;
    pthread_mutex_lock(&grammar->lock);
    for (const struct running_automaton *r = grammar->automata; r; r = r->next)
        bytes += sizeof *r->automaton + r->automaton->work.arena.total_bytes;
    pthread_mutex_unlock(&grammar->lock);
    return bytes;
}

/* ---- running ---- */

bn_status running_automaton(bn_grammar *grammar, const struct token_trie *trie, struct automaton **out, bn_error *err) {
    uint64_t serial = trie ? trie->serial : 0;
    bn_status status = BN_OK;
    pthread_mutex_lock(&grammar->lock);
    struct running_automaton *r = grammar->automata;
    while (r && r->serial != serial) r = r->next;
    if (!r) {
        r = mem_calloc(1, sizeof *r);
        status = r ? automaton_create(grammar, trie, &r->automaton, err) : fail_no_memory(err, sizeof *r);
        if (status) {
            mem_free(r);
        } else {
            r->serial = serial;
            r->next = grammar->automata;
            grammar->automata = r;
        }
    }
    if (!status) *out = r->automaton;
    pthread_mutex_unlock(&grammar->lock);
    return status;
}

uint32_t grammar_schema_value(struct automaton *a, uint32_t node) {
    return automaton_symbol(a, (uint32_t[]){SYMBOL_VALUE, node}, 2);
}

/* The symbol behind free text. */
static uint32_t inner_start(struct automaton *a) {
    if (a->grammar->rules) return rules_start(a, a->grammar->rules);
    if (a->grammar->schema) return schema_start(a, a->grammar->schema);
    return automaton_symbol(a, (uint32_t[]){SYMBOL_WHOLE_TEXT}, 1);
}

uint32_t grammar_start(struct automaton *a) {
    return a->grammar->before ? automaton_symbol(a, (uint32_t[]){SYMBOL_BEFORE}, 1) : inner_start(a);
}

void grammar_expand(struct automaton *a, const uint32_t *words, size_t n, uint32_t label, uint32_t frame) {
    if (words[0] == SYMBOL_STEP)
        rules_expand(a, a->grammar->rules, words, frame);
    else if (words[0] == SYMBOL_WHOLE_TEXT)
        automaton_scan(a, automaton_text(a, a->grammar->text), frame);
    else if (words[0] == SYMBOL_BEFORE)
        automaton_scan(a, automaton_text(a, a->grammar->before), automaton_push(a, inner_start(a), frame));
    else
        schema_expand(a, a->grammar->schema, words, n, label, frame);
}

uint32_t grammar_distance(const struct automaton *a, const uint32_t *words, size_t n) {
    if (words[0] == SYMBOL_STEP) return rules_distance(a->grammar->rules, words);
    if (words[0] == SYMBOL_WHOLE_TEXT) return a->grammar->text->states[0].distance;
    return schema_distance(a->grammar->schema, words, n);
}

uint32_t grammar_longest_part(const struct bn_grammar *grammar) {
    return grammar->schema ? grammar->schema->farthest : 0;
}

bool grammar_compares(const struct bn_grammar *grammar) {
    return grammar->schema && grammar->schema->compares;
}

bool grammar_writes_unique(const struct bn_grammar *grammar) {
    return grammar->schema && grammar->schema->writes_unique;
}

/* Reads on; false when the automaton is full, or values is. */
static bool read_bytes(struct automaton *a, struct values *values, const char *text, size_t n, uint32_t *state,
                       size_t *at) {
    bool unique = grammar_writes_unique(a->grammar);
    *state = a->start;
    for (*at = 0; *at < n; ++*at) {
        a->repeats = values && values_add(values, (uint8_t)text[*at]);
        if (unique) automaton_note_item(a, text, *at + 1);
        uint32_t next = automaton_next(a, *state, (uint8_t)text[*at]);
        a->repeats = false;
        a->item.text = NULL;
        if (!work_ok(&a->work)) return false;
        if (next == STATE_DEAD) break;
        *state = next;
    }
    return true;
}

bn_status bn_grammar_accepts(bn_grammar *grammar, const char *text, size_t text_bytes, bool *accepted, size_t *at,
                             bn_error *err) {
    struct automaton *a;
    bn_status status = running_automaton(grammar, NULL, &a, err);
    if (status) return status;
    pthread_mutex_lock(&grammar->lock);
    uint32_t state = STATE_DEAD;
    size_t n = 0;
    bool done = false;
    struct work reading; /* the values */
    work_init(&reading, READ_BYTES, READ_STEPS);
    for (int tries = 0; tries < 2 && !done && work_ok(&reading); tries++) {
        struct values *values = grammar_compares(grammar) ? values_create(&reading) : NULL;
        done = automaton_refresh(a) && read_bytes(a, values, text, text_bytes, &state, &n) && work_ok(&reading);
    }
    if (done) {
        *accepted = n == text_bytes && a->states[state].ends;
        if (at) *at = n;
    } else {
        const struct work *failed = work_ok(&reading) ? &a->work : &reading;
        status = fail(err, failed->status, "%s", failed->error.message);
    }
    work_release(&reading);
    pthread_mutex_unlock(&grammar->lock);
    return status;
}
