/* Filters, tests, methods and functions: tables of names, parameters and C functions. */
#ifndef TOKENIZER_TEMPLATE_BUILTINS_H
#define TOKENIZER_TEMPLATE_BUILTINS_H

#include "tokenizer/template/evaluator.h"

struct keyword {
    const struct text *name;
    struct value value;
};
struct call {
    const struct value *positional;
    size_t n;
    const struct keyword *named;
    size_t n_named;
};

enum { MAX_PARAMETERS = 6 };

/* self: the object of a method, the value a filter or test is applied to. a: the parameters bound by position or
 * name, V_MISSING where not given; all missing for variadic functions, which read `call` themselves. */
typedef bool (*builtin_function)(struct evaluator *ev, struct value self, const struct value *a,
                                 const struct call *call, struct value *out);
struct builtin {
    const char *name;
    const char *parameters; /* separated by blanks, '?' after optional ones; "*": variadic; '/' first: no keywords */
    builtin_function function;
};

const struct builtin *find_filter(const char *name, size_t n);
const struct builtin *find_test(const char *name, size_t n);
/* A method of v's type. *mutates: a name that exists but that the sandbox refuses. */
const struct builtin *find_method(struct value v, const struct text *name, bool *mutates);
const struct builtin *find_global(const char *name, size_t n);
/* May a namespace have an attribute of this name? Fails if not. */
bool namespace_accepts(struct evaluator *ev, struct value name);
const struct builtin *find_in(const struct builtin *table, size_t table_size, const char *name, size_t n);

/* Tables of filters by subject; find_filter searches them all. */
struct builtin_table {
    const struct builtin *items;
    size_t n;
};
extern const struct builtin_table text_filters, list_filters, selection_filters, number_filters;

bool call_builtin(struct evaluator *ev, const struct builtin *function, struct value self, const struct call *call,
                  struct value *out);
bool call_value(struct evaluator *ev, struct value callee, const struct call *call, struct value *out);
bool macro_value(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out);
bool call_macro(struct evaluator *ev, const struct macro *macro, const struct call *call, struct value *out);

/* Arguments with Python's conversions; `what` names the parameter in messages. */
bool argument_size(struct evaluator *ev, struct value v, const char *what, int64_t *out);
bool argument_text(struct evaluator *ev, struct value v, const char *what, const struct text **out);

/* json.dumps (tojson.c), str.format (brace_format.c), one value by a format specification. */
bool filter_tojson(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                   struct value *out);
bool method_format(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                   struct value *out);
bool method_format_map(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                       struct value *out);
bool filter_wordwrap(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                     struct value *out);

/* One value by a format specification such as ">8.2f" (format_spec.c). */
struct format_spec {
    const struct text *fill; /* NULL: a blank */
    char align, sign, type;  /* 0: not given */
    char grouping;           /* ',' or '_' */
    bool alternate, zero;
    int64_t width, precision; /* -1: not given */
};
bool format_number(struct evaluator *ev, struct value v, const struct format_spec *spec, struct writer *w);
bool format_text(struct evaluator *ev, const struct text *t, const struct format_spec *spec, struct writer *w);
/* Python's int(text, base), float(text): *ok false when the text isn't a number. */
bool parse_integer(struct evaluator *ev, const struct text *t, int64_t base, struct value *out, bool *ok);
bool parse_float(struct evaluator *ev, const struct text *t, double *out, bool *ok);

/* MarkupSafe's escape of <, >, &, ', ". */
bool write_escaped(struct evaluator *ev, struct writer *w, const struct text *t);
/* Stable order of the keys: (*order)[i] is the index of what comes i-th. */
bool sort_order(struct evaluator *ev, const struct value *keys, size_t n, bool reverse, size_t **order);
/* Looks up "a.b.0" step by step as filters do with attribute=. */
bool get_path(struct evaluator *ev, struct value object, struct value path, struct value if_undefined,
              struct value *out); /* if_undefined may be missing */
const char *find_bytes(const char *data, size_t n, const char *needle, size_t m);
/* The first or last occurrence in [data, data + n), or NULL. */
bool find_text(struct evaluator *ev, const char *data, size_t n, const struct text *needle, bool last, const char **at);
/* str.split on a separator or (NULL) white space; max < 0: no bound. */
bool split_text(struct evaluator *ev, const struct text *t, const struct text *separator, int64_t max, bool from_right,
                struct value *out);
bool split_lines(struct evaluator *ev, const struct text *t, bool keep_ends, struct value *out);
bool strip_text(struct evaluator *ev, struct value self, struct value characters, bool left, bool right,
                struct value *out);
bool replace_text(struct evaluator *ev, const struct text *t, const struct text *old, const struct text *replacement,
                  int64_t max, struct value *out);
bool pad_text(struct evaluator *ev, struct value self, int64_t width, const struct text *fill, int side,
              struct value *out); /* side < 0: text left, > 0: right, 0: centred */

enum case_mapping { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITALIZE, CASE_SWAP, CASE_FOLD };
bool map_case(struct evaluator *ev, struct value self, enum case_mapping mapping, struct value *out);

struct loop {
    const struct node *node;
    struct scope *scope; /* where the loop stands */
    struct iterator *iterator;
    size_t index0, length, depth0;
    bool has_length;
    bool has_next, exhausted; /* `next` has been taken ahead; nothing comes any more */
    struct value previous, current, next, last_changed;
};
bool loop_attribute(struct evaluator *ev, struct loop *loop, const struct text *name, struct value *out);
bool loop_peek(struct evaluator *ev, struct loop *loop, bool *more);

struct macro {
    const struct node *node;
    struct scope *scope; /* where it was defined: its free names are looked up there when it is called */
};
bool macro_attribute(struct evaluator *ev, const struct macro *macro, const struct text *name, struct value *out);

#endif
