/* The state of one rendering (or of the parser, which needs the memory and error part): an arena with a budget, a
 * budget of steps, a bound on nesting, and where in the template we are, for messages.
 *
 * Every function that can fail returns false (or NULL) after having set the error; the first error stays. */
#ifndef TOKENIZER_TEMPLATE_EVALUATOR_H
#define TOKENIZER_TEMPLATE_EVALUATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tokenizer/template/ast.h"
#include "tokenizer/template/chat_template.h"
#include "tokenizer/template/value.h"

enum {
    MAX_PARSER_NESTING = 100,     /* brackets, blocks, unary operators in one another */
    MAX_EVALUATOR_NESTING = 3000, /* C recursion while evaluating; a chain a + b + c … nests without brackets */
};

/* Output under construction, in the arena. */
struct writer {
    char *data;
    size_t size, capacity;
    size_t limit; /* 0: only the memory budget */
};

/* Variables of one block: a short list, searched from its end. The outermost scope is `globals`, by name's id. */
struct binding {
    const struct name *name;
    struct value value;
};
struct scope {
    struct scope *parent; /* NULL: globals come next */
    struct binding *items;
    size_t n, capacity;
};

/* Names that loops and macros define by themselves. */
struct special_names {
    const struct name *loop, *caller, *kwargs, *varargs;
};

struct generation_span {
    size_t begin_byte, n_chars; /* where it began in the prompt; how many code points it gave */
};

struct evaluator {
    struct arena arena;
    size_t max_memory;
    uint64_t steps_left;
    size_t depth, max_depth; /* C recursion */
    size_t calls, max_calls; /* macros and recursive loops in one another */
    size_t max_output;

    const char *source; /* with \n line ends */
    size_t source_size;
    size_t at; /* offset of what is being parsed or evaluated */
    bn_status status;
    bn_error *err;
    bn_status failure_status; /* what an ordinary failure is called: bad file while parsing, bad argument later */

    /* rendering only */
    const struct special_names *names;
    struct value *globals; /* by name id */
    int64_t now;
    struct writer *out;    /* where output goes now */
    struct writer *prompt; /* where the whole goes */
    struct generation_span *spans;
    size_t n_spans, spans_capacity;
};

/* Sets the error "line L, column C: …" unless one is set; always false. */
bool ev_fail(struct evaluator *ev, const char *format, ...) PRINTF_LIKE(2, 3);
/* Zeroed memory of the arena; NULL with the error set when the budget or the machine has no more. */
void *ev_alloc(struct evaluator *ev, size_t size_bytes);
void *ev_alloc_array(struct evaluator *ev, size_t n, size_t item_bytes);
bool ev_out_of_memory(struct evaluator *ev);

bool ev_spend_slow(struct evaluator *ev);
/* Uses up steps; work on n bytes counts n / 16. */
static inline bool ev_spend(struct evaluator *ev, uint64_t n) {
    if (ev->steps_left < n) return ev_spend_slow(ev);
    ev->steps_left -= n;
    return true;
}
static inline bool ev_spend_bytes(struct evaluator *ev, size_t n) {
    return ev_spend(ev, 1 + n / 16);
}
bool ev_enter(struct evaluator *ev); /* one level of C recursion deeper */
static inline void ev_leave(struct evaluator *ev) {
    ev->depth--;
}

bool write_bytes(struct evaluator *ev, struct writer *w, const char *data, size_t n);
bool write_text(struct evaluator *ev, struct writer *w, const char *literal);
bool write_char(struct evaluator *ev, struct writer *w, char c);
bool write_repeated(struct evaluator *ev, struct writer *w, const char *unit, size_t unit_bytes, size_t count);
bool write_code_point(struct evaluator *ev, struct writer *w, uint32_t code_point);
/* The text of what was written (shares the bytes). */
bool writer_value(struct evaluator *ev, const struct writer *w, struct value *out);

/* Python's str(v) and repr(v) (python_text.c). value_to_text gives texts back as they are. */
bool write_str(struct evaluator *ev, struct writer *w, struct value v);
bool write_repr(struct evaluator *ev, struct writer *w, struct value v);
const struct text *value_to_text(struct evaluator *ev, struct value v);
bool write_float(struct evaluator *ev, struct writer *w, double f);

/* Expressions and statements (evaluator.c, statements.c). */
bool evaluate(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out);
enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE, FLOW_FAIL };
enum flow execute(struct evaluator *ev, struct scope *scope, const struct node_list *body);
struct scope *scope_create(struct evaluator *ev, struct scope *parent);
bool scope_set(struct evaluator *ev, struct scope *scope, const struct name *name, struct value v);
bool assign(struct evaluator *ev, struct scope *scope, const struct node *target, struct value v);
bool recurse_loop(struct evaluator *ev, struct loop *loop, struct value iterable, struct value *out);

/* Attributes, items, slices (attributes.c). */
bool get_attribute(struct evaluator *ev, struct value object, const struct text *name, struct value *out);
/* An attribute proper (method, loop.index, ns.x), never an item; *found says whether there is one. */
bool own_attribute(struct evaluator *ev, struct value object, const struct text *name, struct value *out, bool *found);
bool get_item(struct evaluator *ev, struct value object, struct value key, struct value *out);
bool get_slice(struct evaluator *ev, struct value object, struct value start, struct value stop, struct value step,
               struct value *out);

/* Operators (operators.c, percent_format.c). */
bool apply_binary(struct evaluator *ev, enum binary_operator op, struct value a, struct value b, struct value *out);
bool apply_compare(struct evaluator *ev, enum compare_operator op, struct value a, struct value b, bool *out);
bool negate(struct evaluator *ev, struct value v, struct value *out);
bool percent_format(struct evaluator *ev, struct value format, struct value arguments, struct value *out);

/* Iteration (iterator.c). Fails where Python says "is not iterable". */
bool iterate(struct evaluator *ev, struct value v, struct iterator **out);
bool iterator_next(struct evaluator *ev, struct iterator *iterator, struct value *out, bool *more);
bool to_list(struct evaluator *ev, struct value v, const struct list **out);
/* Lazily the items of `source` for which `keep` holds or what it maps them to. */
typedef bool (*item_function)(struct evaluator *ev, void *context, struct value item, bool *keep, struct value *mapped);
bool lazy_iterator(struct evaluator *ev, struct value source, item_function function, void *context, struct value *out);
bool list_iterator(struct evaluator *ev, const struct value *items, size_t n, struct value *out);

#endif
