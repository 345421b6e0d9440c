#include "hub/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

enum { MAX_DEPTH = 32, MAX_NODES = 10000 };

/* ---- plain scalars: what YAML 1.2's core schema says ---- */

static bool is_word(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

static json_t *plain_number(const char *text) {
    const char *digits = text + (*text == '-' || *text == '+');
    if (*digits < '0' || *digits > '9') return NULL;
    char *end;
    errno = 0;
    if (digits[strspn(digits, "0123456789")] == 0) {
        long long integer = strtoll(text, &end, 10);
        return errno || (digits[0] == '0' && digits[1]) ? NULL : json_integer(integer);
    }
    if (digits[strspn(digits, "0123456789.eE+-")]) return NULL;
    double number = strtod(text, &end);
    return *end || !isfinite(number) ? NULL : json_real(number);
}

static json_t *plain_scalar(const char *text) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"true", "True", "TRUE", NULL}, *const no[] = {"false", "False", "FALSE", NULL};
    if (is_word(text, nulls)) return json_null();
    if (is_word(text, yes)) return json_true();
    if (is_word(text, no)) return json_false();
    return plain_number(text);
}

/* ---- reading ---- */

struct reading {
    yaml_parser_t parser;
    size_t n_nodes;
    bn_error *err;
};

static bn_status bad(struct reading *reading, const char *what) {
    const yaml_parser_t *parser = &reading->parser;
    size_t line = parser->problem ? parser->problem_mark.line : parser->mark.line;
    return fail(reading->err, BN_STATUS_BAD_FILE, "metadata, line %zu: %s", line + 1, what);
}

static bn_status next_event(struct reading *reading, yaml_event_t *event) {
    if (!yaml_parser_parse(&reading->parser, event))
        return bad(reading, reading->parser.problem ? reading->parser.problem : "isn't YAML");
    bool tagged = (event->type == YAML_SCALAR_EVENT && event->data.scalar.tag) ||
                  (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.tag) ||
                  (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.tag);
    const char *refused = event->type == YAML_ALIAS_EVENT ? "aliases (*name) aren't accepted"
                          : tagged                        ? "tags (!name) aren't accepted"
                                                          : NULL;
    if (!refused && ++reading->n_nodes > MAX_NODES) refused = "too many entries";
    if (!refused) return BN_OK;
    yaml_event_delete(event);
    return bad(reading, refused);
}

static bn_status read_node(struct reading *reading, yaml_event_t *event, unsigned depth, json_t **out);

static bn_status read_sequence(struct reading *reading, unsigned depth, json_t **out) {
    bn_status status = (*out = json_array()) ? BN_OK : fail_no_memory(reading->err, 0);
    while (!status) {
        yaml_event_t event;
        json_t *entry = NULL;
        status = next_event(reading, &event);
        if (status) break;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        status = read_node(reading, &event, depth, &entry);
        if (!status && json_array_append_new(*out, entry)) status = fail_no_memory(reading->err, 0);
    }
    return status;
}

static bn_status read_member(struct reading *reading, yaml_event_t *key, unsigned depth, json_t *object) {
    if (key->type != YAML_SCALAR_EVENT) {
        yaml_event_delete(key);
        return bad(reading, "a key has to be a text");
    }
    const char *name = (const char *)key->data.scalar.value;
    yaml_event_t event;
    json_t *value = NULL;
    bn_status status = BN_OK;
    if (json_object_get(object, name)) status = bad(reading, "a key comes twice");
    if (!status) status = next_event(reading, &event);
    if (!status) status = read_node(reading, &event, depth, &value);
    if (!status && json_object_set_new(object, name, value)) status = fail_no_memory(reading->err, 0);
    yaml_event_delete(key);
    return status;
}

static bn_status read_mapping(struct reading *reading, unsigned depth, json_t **out) {
    bn_status status = (*out = json_object()) ? BN_OK : fail_no_memory(reading->err, 0);
    while (!status) {
        yaml_event_t event;
        status = next_event(reading, &event);
        if (status) break;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        status = read_member(reading, &event, depth, *out);
    }
    return status;
}

static bn_status read_scalar(struct reading *reading, const yaml_event_t *event, json_t **out) {
    const char *text = (const char *)event->data.scalar.value;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    *out = plain ? plain_scalar(text) : NULL;
    if (!*out) *out = json_stringn(text, event->data.scalar.length);
    return *out ? BN_OK : bad(reading, "isn't UTF-8");
}

/* Consumes the event and all that belongs to it. *out is released again when it fails. */
static bn_status read_node(struct reading *reading, yaml_event_t *event, unsigned depth, json_t **out) {
    yaml_event_type_t type = event->type;
    bn_status status = BN_OK;
    if (depth == 0) status = bad(reading, "too many levels");
    if (!status && type == YAML_SCALAR_EVENT) status = read_scalar(reading, event, out);
    yaml_event_delete(event);
    if (!status && type == YAML_SEQUENCE_START_EVENT) status = read_sequence(reading, depth - 1, out);
    if (!status && type == YAML_MAPPING_START_EVENT) status = read_mapping(reading, depth - 1, out);
    if (status) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

static bn_status read_document(struct reading *reading, json_t **out) {
    bn_status status = BN_OK;
    for (size_t n_documents = 0; !status;) {
        yaml_event_t event;
        status = next_event(reading, &event);
        if (status) break;
        switch (event.type) {
        case YAML_STREAM_END_EVENT:
            yaml_event_delete(&event);
            return BN_OK;
        case YAML_DOCUMENT_START_EVENT:
            if (n_documents++) status = bad(reading, "more than one document");
            yaml_event_delete(&event);
            break;
        case YAML_SCALAR_EVENT:
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT:
            status = read_node(reading, &event, MAX_DEPTH, out);
            break;
        default:
            yaml_event_delete(&event);
        }
    }
    return status;
}

bn_status yaml_parse(const char *text, size_t size, json_t **out, bn_error *err) {
    struct reading reading = {.err = err};
    *out = NULL;
    if (!yaml_parser_initialize(&reading.parser)) return fail_no_memory(err, sizeof reading);
    yaml_parser_set_input_string(&reading.parser, (const unsigned char *)text, size);
    bn_status status = read_document(&reading, out);
    yaml_parser_delete(&reading.parser);
    if (status) {
        json_decref(*out);
        *out = NULL;
    } else if (!*out) {
        *out = json_null();
    }
    return status;
}

/* ---- writing ---- */

static int append_bytes(void *context, unsigned char *bytes, size_t n) {
    struct buffer *out = context;
    buffer_append(out, bytes, n);
    return !out->failed;
}

static bool emit(yaml_emitter_t *emitter, yaml_event_t *event, int made) {
    return made && yaml_emitter_emit(emitter, event);
}

static bool emit_text(yaml_emitter_t *emitter, const char *text, bool quoted) {
    yaml_event_t event;
    yaml_scalar_style_t style = quoted               ? YAML_SINGLE_QUOTED_SCALAR_STYLE
                                : strchr(text, '\n') ? YAML_LITERAL_SCALAR_STYLE
                                                     : YAML_ANY_SCALAR_STYLE;
    return emit(
        emitter, &event,
        yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1, style));
}

/* YAML 1.1 readers (Python's) take more words for booleans, and dates and sexagesimals for what they are. */
static bool needs_quotes(const char *text) {
    static const char *const words[] = {"yes", "no", "on", "off", "y", "n", ".inf", "-.inf", "+.inf", ".nan", NULL};
    for (const char *const *word = words; *word; word++)
        if (strcasecmp(text, *word) == 0) return true;
    json_t *plain = plain_scalar(text);
    bool dated = *text && strchr("0123456789+-.", *text) && text[strspn(text, "0123456789+-.:_xob TZ")] == 0;
    bool changes = plain != NULL || dated;
    json_decref(plain);
    return changes;
}

static bool emit_value(yaml_emitter_t *emitter, const json_t *value);

static bool emit_list(yaml_emitter_t *emitter, const json_t *list) {
    yaml_event_t event;
    yaml_sequence_style_t style = json_array_size(list) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
    bool well = emit(emitter, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style));
    for (size_t i = 0; well && i < json_array_size(list); i++) well = emit_value(emitter, json_array_get(list, i));
    return well && emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static bool emit_object(yaml_emitter_t *emitter, const json_t *object) {
    yaml_event_t event;
    const char *key;
    json_t *value;
    yaml_mapping_style_t style = json_object_size(object) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
    bool well = emit(emitter, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style));
    json_object_foreach((json_t *)(uintptr_t)object, key, value) well =
        well && emit_text(emitter, key, needs_quotes(key)) && emit_value(emitter, value);
    return well && emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static bool emit_value(yaml_emitter_t *emitter, const json_t *value) {
    char number[64];
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return emit_object(emitter, value);
    case JSON_ARRAY:
        return emit_list(emitter, value);
    case JSON_STRING:
        return emit_text(emitter, json_string_value(value), needs_quotes(json_string_value(value)));
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return emit_text(emitter, number, false);
    case JSON_REAL:
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
        if (!strpbrk(number, ".e")) snprintf(number, sizeof number, "%.1f", json_real_value(value));
        return emit_text(emitter, number, false);
    default:
        return emit_text(emitter, json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false", false);
    }
}

bn_status yaml_write(const json_t *value, struct buffer *out, bn_error *err) {
    yaml_emitter_t emitter;
    yaml_event_t event;
    if (!yaml_emitter_initialize(&emitter)) return fail_no_memory(err, sizeof emitter);
    yaml_emitter_set_output(&emitter, append_bytes, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    bool well = emit(&emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
                emit(&emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
                emit_value(&emitter, value) && emit(&emitter, &event, yaml_document_end_event_initialize(&event, 1)) &&
                emit(&emitter, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&emitter);
    return well ? BN_OK : fail(err, BN_STATUS_NO_MEMORY, "the metadata can't be written as YAML");
}
