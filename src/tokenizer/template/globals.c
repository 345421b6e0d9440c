/* Functions every template has: range, dict, namespace, cycler, joiner of Jinja; raise_exception and strftime_now of
 * transformers. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/integer.h"

enum { MAX_RANGE = 100000 }; /* the sandbox's bound */

#define FUNCTION(name)                                                                                                 \
    static bool name(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,          \
                     struct value *out)

FUNCTION(function_range) {
    int64_t start = 0, stop, step = 1;
    (void)self, (void)call;
    if (!argument_size(ev, a[0], "range's argument", &stop)) return false;
    if (is_given(a[1])) {
        start = stop;
        if (!argument_size(ev, a[1], "range's argument", &stop)) return false;
    }
    if (is_given(a[2]) && !argument_size(ev, a[2], "range's argument", &step)) return false;
    if (step == 0) return ev_fail(ev, "range() arg 3 must not be zero");
    uint64_t distance = step > 0 ? (stop > start ? (uint64_t)stop - (uint64_t)start : 0)
                                 : (start > stop ? (uint64_t)start - (uint64_t)stop : 0);
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    uint64_t n = distance ? (distance - 1) / stride + 1 : 0;
    if (n > MAX_RANGE) return ev_fail(ev, "range too big: the sandbox blocks ranges larger than %d", MAX_RANGE);
    struct range *range = ev_alloc(ev, sizeof *range);
    if (!range) return false;
    *range = (struct range){.start = start, .stop = stop, .step = step, .n = (size_t)n};
    *out = (struct value){.type = V_RANGE, .as.range = range};
    return true;
}

/* dict(mapping or pairs, key=value, …), for dict() and namespace(). */
static bool fill_dict(struct evaluator *ev, const struct call *call, struct dict *dict) {
    if (call->n > 1) return ev_fail(ev, "dict expected at most 1 argument, got %zu", call->n);
    if (call->n == 1 && call->positional[0].type == V_DICT) {
        const struct dict *source = call->positional[0].as.dict;
        for (size_t i = 0; i < source->n; i++)
            if (!dict_set(ev, dict, source->entries[i].key, source->entries[i].value)) return false;
    } else if (call->n == 1) {
        const struct list *pairs, *pair;
        if (!to_list(ev, call->positional[0], &pairs)) return false;
        for (size_t i = 0; i < pairs->n; i++) {
            if (!to_list(ev, pairs->items[i], &pair)) return false;
            if (pair->n != 2)
                return ev_fail(ev, "dict update sequence element #%zu has length %zu; 2 is required", i, pair->n);
            if (!dict_set(ev, dict, pair->items[0], pair->items[1])) return false;
        }
    }
    for (size_t i = 0; i < call->n_named; i++)
        if (!dict_set(ev, dict, value_text(call->named[i].name), call->named[i].value)) return false;
    return true;
}

FUNCTION(function_dict) {
    struct dict *dict = dict_create(ev, 4);
    (void)self, (void)a;
    if (!dict || !fill_dict(ev, call, dict)) return false;
    *out = (struct value){.type = V_DICT, .as.dict = dict};
    return true;
}

bool namespace_accepts(struct evaluator *ev, struct value name) {
    bool hidden = name.type == V_TEXT && name.as.text->n_bytes > 0 && name.as.text->data[0] == '_';
    return !hidden || ev_fail(ev, "a namespace can't have '%.*s': names with an underscore in front are Python's own",
                              (int)(name.as.text->n_bytes < 60 ? name.as.text->n_bytes : 60), name.as.text->data);
}

FUNCTION(function_namespace) {
    struct namespace_object *space = ev_alloc(ev, sizeof *space);
    struct dict *dict = dict_create(ev, 4);
    (void)self, (void)a;
    if (!space || !dict || !fill_dict(ev, call, dict)) return false;
    for (size_t i = 0; i < dict->n; i++)
        if (!namespace_accepts(ev, dict->entries[i].key)) return false;
    *space = (struct namespace_object){.attributes = *dict};
    *out = (struct value){.type = V_NAMESPACE, .as.space = space};
    return true;
}

FUNCTION(function_cycler) {
    struct cycler *cycler = ev_alloc(ev, sizeof *cycler);
    struct value items;
    (void)self, (void)a;
    if (!call->n || call->n_named) return ev_fail(ev, "cycler: at least one item has to be provided");
    if (!cycler || !list_value(ev, V_TUPLE, call->positional, call->n, &items)) return false;
    cycler->items = items.as.list;
    *out = (struct value){.type = V_CYCLER, .as.cycler = cycler};
    return true;
}

FUNCTION(function_joiner) {
    struct joiner *joiner = ev_alloc(ev, sizeof *joiner);
    struct text *comma = text_wrap(ev, ", ", 2);
    (void)self, (void)call;
    if (!joiner || !comma) return false;
    joiner->separator = is_given(a[0]) ? a[0] : value_text(comma);
    *out = (struct value){.type = V_JOINER, .as.joiner = joiner};
    return true;
}

FUNCTION(function_raise_exception) {
    (void)self, (void)call, (void)out;
    const struct text *message = value_to_text(ev, a[0]);
    if (!message) return false;
    return ev_fail(ev, "%.*s", message->n_bytes > 390 ? 390 : (int)message->n_bytes, message->data);
}

/* One directive, with glibc's flags and a bounded width: "%-d", "%3j". */
static size_t directive_length(const char *p, const char *end) {
    const char *q = p + 1;
    while (q < end && *q && strchr("_-0^#", *q)) q++;
    size_t digits = 0;
    for (; q < end && *q >= '0' && *q <= '9'; q++) digits++;
    if (q < end && (*q == 'E' || *q == 'O')) q++;
    return digits > 2 || q >= end ? 0 : (size_t)(q - p) + 1;
}

FUNCTION(function_strftime_now) {
    const struct text *format;
    struct writer w = {0};
    struct tm tm;
    time_t now = (time_t)ev->now;
    (void)self, (void)call;
    if (!argument_text(ev, a[0], "strftime_now's format", &format)) return false;
    if (!gmtime_r(&now, &tm)) return ev_fail(ev, "strftime_now: the clock is out of range");
    for (const char *p = format->data, *end = p + format->n_bytes; p < end;) {
        char directive[16], text[256];
        size_t n = *p == '%' ? directive_length(p, end) : 0;
        if (*p != '%' || n == 0 || n >= sizeof directive) {
            if (!write_char(ev, &w, *p++)) return false;
            continue;
        }
        memcpy(directive, p, n);
        directive[n] = 0;
        p += n;
        if (directive[1] == 'f') { /* Python's own: microseconds, which this clock hasn't */
            if (!write_text(ev, &w, "000000")) return false;
        } else if (directive[1] != 'z' && directive[1] != 'Z') { /* empty for a time without zone */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            size_t written = strftime(text, sizeof text, directive, &tm);
#pragma GCC diagnostic pop
            if (!write_bytes(ev, &w, text, written)) return false;
        }
    }
    return writer_value(ev, &w, out);
}

static const struct builtin functions[] = {
    {"range", "start stop? step?", function_range},
    {"dict", "*", function_dict},
    {"namespace", "*", function_namespace},
    {"cycler", "*", function_cycler},
    {"joiner", "sep?", function_joiner},
    {"raise_exception", "message", function_raise_exception},
    {"strftime_now", "format", function_strftime_now},
};

const struct builtin *find_global(const char *name, size_t n) {
    return find_in(functions, sizeof functions / sizeof functions[0], name, n);
}
