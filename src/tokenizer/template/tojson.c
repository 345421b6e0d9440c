/* tojson as transformers defines it: Python's json.dumps(x, ensure_ascii=False) with indent, separators, sort_keys. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"
#include "tokenizer/template/integer.h"

struct json_writer {
    struct evaluator *ev;
    struct writer *w;
    bool ensure_ascii, sort_keys, indented;
    const struct text *indent; /* once per level */
    const struct text *item_separator, *key_separator;
};

static bool write_json_text(struct json_writer *j, const struct text *t) {
    struct evaluator *ev = j->ev;
    if (!write_char(ev, j->w, '"')) return false;
    for (const char *p = t->data, *end = p + t->n_bytes; p < end;) {
        const char *at = p;
        uint32_t c = next_code_point(&p);
        char escape[16] = "";
        switch (c) {
        case '"':
            strcpy(escape, "\\\"");
            break;
        case '\\':
            strcpy(escape, "\\\\");
            break;
        case '\n':
            strcpy(escape, "\\n");
            break;
        case '\r':
            strcpy(escape, "\\r");
            break;
        case '\t':
            strcpy(escape, "\\t");
            break;
        case '\b':
            strcpy(escape, "\\b");
            break;
        case '\f':
            strcpy(escape, "\\f");
            break;
        default:
            if (c < 0x20 || (j->ensure_ascii && c > 0x7e && c < 0x10000)) {
                snprintf(escape, sizeof escape, "\\u%04x", c);
            } else if (j->ensure_ascii && c >= 0x10000) {
                snprintf(escape, sizeof escape, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                         0xdc00 + ((c - 0x10000) & 0x3ff));
            }
        }
        if (escape[0] ? !write_text(ev, j->w, escape) : !write_bytes(ev, j->w, at, (size_t)(p - at))) return false;
    }
    return write_char(ev, j->w, '"');
}

static bool write_json_float(struct json_writer *j, double f) {
    if (isnan(f)) return write_text(j->ev, j->w, "NaN");
    if (isinf(f)) return write_text(j->ev, j->w, f < 0 ? "-Infinity" : "Infinity");
    return write_float(j->ev, j->w, f);
}

static bool new_line(struct json_writer *j, size_t level) {
    if (!j->indented) return true;
    return write_char(j->ev, j->w, '\n') &&
           write_repeated(j->ev, j->w, j->indent->data, j->indent->n_bytes, j->indent->n_bytes ? level : 0);
}

static bool separate(struct json_writer *j, bool first, size_t level) {
    if (!first && !write_bytes(j->ev, j->w, j->item_separator->data, j->item_separator->n_bytes)) return false;
    return new_line(j, level);
}

static bool write_json(struct json_writer *j, struct value v, size_t level);

static bool write_json_list(struct json_writer *j, const struct list *list, size_t level) {
    if (list->n == 0) return write_text(j->ev, j->w, "[]");
    if (!write_char(j->ev, j->w, '[')) return false;
    for (size_t i = 0; i < list->n; i++)
        if (!separate(j, i == 0, level + 1) || !write_json(j, list->items[i], level + 1)) return false;
    return new_line(j, level) && write_char(j->ev, j->w, ']');
}

/* Keys become texts: True is "true", None is "null", numbers as they print. */
static bool write_json_key(struct json_writer *j, struct value key) {
    if (key.type == V_TEXT) return write_json_text(j, key.as.text);
    if (key.type != V_NONE && !is_number(key))
        return ev_fail(j->ev, "keys must be str, int, float, bool or None, not %s", value_type_name(key));
    return write_char(j->ev, j->w, '"') && write_json(j, key, 0) && write_char(j->ev, j->w, '"');
}

static bool key_order(struct json_writer *j, const struct dict *dict, size_t **order) {
    struct value *keys = ev_alloc_array(j->ev, dict->n, sizeof *keys);
    if (!keys) return false;
    for (size_t i = 0; i < dict->n; i++) keys[i] = dict->entries[i].key;
    return sort_order(j->ev, keys, dict->n, false, order);
}

static bool write_json_dict(struct json_writer *j, const struct dict *dict, size_t level) {
    size_t *order = NULL;
    if (dict->n == 0) return write_text(j->ev, j->w, "{}");
    if (j->sort_keys && !key_order(j, dict, &order)) return false;
    if (!write_char(j->ev, j->w, '{')) return false;
    for (size_t i = 0; i < dict->n; i++) {
        const struct dict_entry *entry = &dict->entries[order ? order[i] : i];
        if (!separate(j, i == 0, level + 1) || !write_json_key(j, entry->key) ||
            !write_bytes(j->ev, j->w, j->key_separator->data, j->key_separator->n_bytes) ||
            !write_json(j, entry->value, level + 1))
            return false;
    }
    return new_line(j, level) && write_char(j->ev, j->w, '}');
}

static bool write_json(struct json_writer *j, struct value v, size_t level) {
    struct evaluator *ev = j->ev;
    if (!ev_spend(ev, 1) || !ev_enter(ev)) return false;
    bool ok;
    switch (v.type) {
    case V_NONE:
        ok = write_text(ev, j->w, "null");
        break;
    case V_BOOL:
        ok = write_text(ev, j->w, v.as.boolean ? "true" : "false");
        break;
    case V_INT:
    case V_BIG:
        ok = integer_write(ev, j->w, v);
        break;
    case V_FLOAT:
        ok = write_json_float(j, v.as.number);
        break;
    case V_TEXT:
        ok = write_json_text(j, v.as.text);
        break;
    case V_LIST:
    case V_TUPLE:
        ok = write_json_list(j, v.as.list, level);
        break;
    case V_DICT:
        ok = write_json_dict(j, v.as.dict, level);
        break;
    default:
        ok = ev_fail(ev, "Object of type %s is not JSON serializable", value_type_name(v));
    }
    ev_leave(ev);
    return ok;
}

static bool set_indent(struct json_writer *j, struct value v) {
    if (!is_given(v) || v.type == V_NONE) return true;
    j->indented = true;
    if (v.type == V_TEXT) {
        j->indent = v.as.text;
        return true;
    }
    int64_t width;
    struct writer blanks = {0};
    struct value text;
    if (!argument_size(j->ev, v, "indent", &width)) return false;
    if (!write_repeated(j->ev, &blanks, " ", 1, width > 0 ? (size_t)width : 0) || !writer_value(j->ev, &blanks, &text))
        return false;
    j->indent = text.as.text;
    return true;
}

bool filter_tojson(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                   struct value *out) {
    struct writer w = {0};
    struct json_writer j = {.ev = ev, .w = &w};
    (void)call;
    j.ensure_ascii = is_given(a[0]) && value_truth(a[0]);
    j.sort_keys = is_given(a[3]) && value_truth(a[3]);
    if (!set_indent(&j, a[1])) return false;
    if (is_given(a[2]) && a[2].type != V_NONE) {
        const struct list *pair;
        if (!to_list(ev, a[2], &pair)) return false;
        if (pair->n != 2 || !argument_text(ev, pair->items[0], "a separator", &j.item_separator) ||
            !argument_text(ev, pair->items[1], "a separator", &j.key_separator))
            return ev_fail(ev, "separators must be two strings");
    } else {
        j.item_separator = text_wrap(ev, ", ", j.indented ? 1 : 2);
        j.key_separator = text_wrap(ev, ": ", 2);
        if (!j.item_separator || !j.key_separator) return false;
    }
    return write_json(&j, self, 0) && writer_value(ev, &w, out);
}
