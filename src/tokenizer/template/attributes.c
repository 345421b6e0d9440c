/* x.name, x[key], x[a:b:c] under the sandbox's rules: `.` tries the attribute first and then the item, `[ ]` the item
 * first; what isn't there is undefined; names that begin with an underscore and methods that change their object
 * (append, update, …) are there but unusable, so they are undefined too. Undefined itself has nothing. */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/integer.h"

static bool fail_undefined(struct evaluator *ev, struct value v) {
    const struct text *why = v.as.text;
    return ev_fail(ev, "%.*s", why ? (int)why->n_bytes : 9, why ? why->data : "undefined");
}

bool own_attribute(struct evaluator *ev, struct value object, const struct text *name, struct value *out, bool *found) {
    *found = true;
    if (object.type == V_NAMESPACE) {
        const struct value *v = dict_get_text(&object.as.space->attributes, name->data, name->n_bytes);
        if (v && name->data[0] == '_')
            return ev_fail(ev, "access to attribute '%.*s' is unsafe", (int)name->n_bytes, name->data);
        if (v) *out = *v;
        *found = v != NULL;
        return true;
    }
    if (name->n_bytes && name->data[0] == '_') { /* never anything but Python's inside */
        *found = object.type != V_DICT || (name->n_bytes > 1 && name->data[1] == '_' &&
                                           (text_is(name, "__class__") || text_is(name, "__init__")));
        return value_undefined(ev, out, "access to attribute '%.*s' is unsafe", (int)name->n_bytes, name->data);
    }
    if (object.type == V_LOOP) {
        if (!loop_attribute(ev, object.as.loop, name, out)) return false;
        *found = is_given(*out);
        return true;
    }
    if (object.type == V_MACRO) {
        if (!macro_attribute(ev, object.as.macro, name, out)) return false;
        *found = is_given(*out);
        return true;
    }
    if (object.type == V_CYCLER && text_is(name, "current")) {
        *out = object.as.cycler->items->items[object.as.cycler->position];
        return true;
    }
    if (object.type == V_RANGE && (text_is(name, "start") || text_is(name, "stop") || text_is(name, "step"))) {
        const struct range *range = object.as.range;
        *out = value_int(text_is(name, "start") ? range->start : text_is(name, "stop") ? range->stop : range->step);
        return true;
    }
    if (object.type == V_TUPLE && object.grouped && (text_is(name, "grouper") || text_is(name, "list"))) {
        *out = object.as.list->items[text_is(name, "list")];
        return true;
    }
    bool mutates = false;
    const struct builtin *function = find_method(object, name, &mutates);
    if (mutates) return value_undefined(ev, out, "'%.*s' would change its object", (int)name->n_bytes, name->data);
    *found = function != NULL;
    if (!function) return true;
    struct method *method = ev_alloc(ev, sizeof *method);
    if (!method) return false;
    *method = (struct method){.function = function, .self = object};
    *out = (struct value){.type = V_METHOD, .as.method = method};
    return true;
}

/* The item at an integer index, counted from the end when negative. */
static bool item_at(struct evaluator *ev, struct value object, struct value key, struct value *out, bool *found) {
    size_t n;
    *found = false;
    if (key.type == V_BIG || !value_length(object, &n)) return true;
    int64_t index = key.type == V_BOOL ? key.as.boolean : key.as.integer;
    if (index < 0) index += (int64_t)n;
    if (index < 0 || (uint64_t)index >= n) return true;
    *found = true;
    if (object.type == V_TEXT) {
        struct text *one = text_slice(ev, object.as.text, (size_t)index, (size_t)index + 1);
        *out = object;
        out->as.text = one;
        return one != NULL;
    }
    if (object.type == V_RANGE)
        *out = value_int(range_at(object.as.range, index));
    else
        *out = object.as.list->items[index];
    return true;
}

static bool own_item(struct evaluator *ev, struct value object, struct value key, struct value *out, bool *found) {
    *found = false;
    if (object.type == V_DICT) {
        if (!value_is_hashable(key)) return true;
        const struct value *v;
        if (!dict_get(ev, object.as.dict, key, &v)) return false;
        if (v) *out = *v;
        *found = v != NULL;
        return true;
    }
    bool is_sequence =
        object.type == V_LIST || object.type == V_TUPLE || object.type == V_TEXT || object.type == V_RANGE;
    return !is_sequence || !is_integer(key) || item_at(ev, object, key, out, found);
}

bool get_attribute(struct evaluator *ev, struct value object, const struct text *name, struct value *out) {
    bool found;
    if (object.type == V_UNDEFINED) return fail_undefined(ev, object);
    if (!own_attribute(ev, object, name, out, &found)) return false;
    if (found) return true;
    if (object.type == V_DICT) {
        const struct value *v = dict_get_text(object.as.dict, name->data, name->n_bytes);
        if (v) {
            *out = *v;
            return true;
        }
    }
    return value_undefined(ev, out, "'%s' object has no attribute '%.*s'", value_type_name(object),
                           (int)(name->n_bytes < 60 ? name->n_bytes : 60), name->data);
}

bool get_item(struct evaluator *ev, struct value object, struct value key, struct value *out) {
    bool found;
    if (object.type == V_UNDEFINED) return fail_undefined(ev, object);
    if (!own_item(ev, object, key, out, &found)) return false;
    if (found) return true;
    if (key.type == V_TEXT) {
        if (!own_attribute(ev, object, key.as.text, out, &found)) return false;
        if (found) return true;
        return value_undefined(ev, out, "'%s' object has no attribute '%.*s'", value_type_name(object),
                               (int)(key.as.text->n_bytes < 60 ? key.as.text->n_bytes : 60), key.as.text->data);
    }
    return value_undefined(ev, out, "'%s' object has no such element", value_type_name(object));
}

/* A slice bound as an index: big integers saturate. */
static bool slice_bound(struct evaluator *ev, struct value v, int64_t if_none, int64_t *out) {
    if (v.type == V_NONE || v.type == V_MISSING)
        *out = if_none;
    else if (v.type == V_BIG)
        *out = integer_sign(v) < 0 ? INT64_MIN / 2 : INT64_MAX / 2;
    else if (v.type == V_INT || v.type == V_BOOL)
        *out = v.type == V_INT ? v.as.integer : v.as.boolean;
    else
        return ev_fail(ev, "slice indices must be integers or none, not %s", value_type_name(v));
    if (*out < INT64_MIN / 2) *out = INT64_MIN / 2;
    if (*out > INT64_MAX / 2) *out = INT64_MAX / 2;
    return true;
}

static int64_t clamped(int64_t index, int64_t n, int64_t low, int64_t high) {
    if (index < 0) index += n;
    return index < low ? low : index > high ? high : index;
}

static bool slice_text(struct evaluator *ev, struct value object, int64_t start, int64_t step, size_t count,
                       struct value *out) {
    const struct text *t = object.as.text;
    *out = object;
    if (step == 1) return (out->as.text = text_slice(ev, t, (size_t)start, (size_t)start + count)) != NULL;
    if (!ev_spend(ev, 1 + t->n_bytes / 4)) return false;
    uint32_t *offsets = ev_alloc_array(ev, t->n_chars + 1, sizeof *offsets);
    struct writer w = {0};
    if (!offsets) return false;
    size_t seen = 0;
    for (size_t i = 0; i < t->n_bytes; i++)
        if (((unsigned char)t->data[i] & 0xc0) != 0x80) offsets[seen++] = (uint32_t)i;
    offsets[seen] = (uint32_t)t->n_bytes;
    for (size_t i = 0; i < count; i++, start += step)
        if (!write_bytes(ev, &w, t->data + offsets[start], offsets[start + 1] - offsets[start])) return false;
    return (out->as.text = text_wrap(ev, w.data ? w.data : "", w.size)) != NULL;
}

bool get_slice(struct evaluator *ev, struct value object, struct value start_value, struct value stop_value,
               struct value step_value, struct value *out) {
    if (object.type == V_UNDEFINED) return fail_undefined(ev, object);
    if (object.type != V_TEXT && object.type != V_LIST && object.type != V_TUPLE && object.type != V_RANGE)
        return ev_fail(ev, "'%s' object can't be sliced", value_type_name(object));
    size_t length = 0;
    int64_t start = 0, stop = 0, step = 1;
    value_length(object, &length);
    if (length > INT64_MAX / 4) return ev_fail(ev, "too long to be sliced");
    int64_t n = (int64_t)length;
    if (!slice_bound(ev, step_value, 1, &step)) return false;
    if (step == 0) return ev_fail(ev, "slice step cannot be zero");
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    bool has_start = start_value.type != V_NONE && is_given(start_value);
    bool has_stop = stop_value.type != V_NONE && is_given(stop_value);
    if (!slice_bound(ev, start_value, 0, &start) || !slice_bound(ev, stop_value, 0, &stop)) return false;
    start = has_start ? clamped(start, n, low, high) : step > 0 ? 0 : n - 1;
    stop = has_stop ? clamped(stop, n, low, high) : step > 0 ? n : -1;
    int64_t distance = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
    size_t count = distance > 0 ? (size_t)((distance - 1) / stride + 1) : 0;
    if (object.type == V_TEXT) return slice_text(ev, object, count ? start : 0, count ? step : 1, count, out);
    if (object.type == V_RANGE) {
        struct range *range = ev_alloc(ev, sizeof *range);
        const struct range *r = object.as.range;
        if (!range) return false;
        *range =
            (struct range){range_at(r, start), range_at(r, stop), (int64_t)((uint64_t)r->step * (uint64_t)step), count};
        *out = (struct value){.type = V_RANGE, .as.range = range};
        return true;
    }
    if (count == 0) return list_value(ev, object.type, NULL, 0, out);
    if (step == 1) return list_value(ev, object.type, object.as.list->items + start, count, out);
    struct value *items = ev_alloc_array(ev, count, sizeof *items);
    if (!items || !ev_spend(ev, count)) return false;
    for (size_t i = 0; i < count; i++, start += step) items[i] = object.as.list->items[start];
    return list_value(ev, object.type, items, count, out);
}
