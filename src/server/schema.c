#include "server/schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static const struct {
    unsigned type;
    const char *name;
} TYPES[] = {{SCHEMA_NULL, "null"},     {SCHEMA_BOOL, "boolean"},  {SCHEMA_INTEGER, "integer"},
             {SCHEMA_NUMBER, "number"}, {SCHEMA_STRING, "string"}, {SCHEMA_ARRAY, "array"},
             {SCHEMA_OBJECT, "object"}};
enum { N_TYPES = sizeof TYPES / sizeof TYPES[0] };

/* ---- validating ---- */

/* Where in the body: grows while descending, and is cut back. */
struct place {
    char *path;
    size_t n;
    bn_error *err;
};

static size_t push_name(struct place *place, const char *name) {
    size_t before = place->n;
    int n = snprintf(place->path + before, SCHEMA_PATH_BYTES - before, "%s%s", before ? "." : "", name);
    place->n = min_size(before + (size_t)(n > 0 ? n : 0), SCHEMA_PATH_BYTES - 1);
    return before;
}

static size_t push_index(struct place *place, size_t index) {
    size_t before = place->n;
    int n = snprintf(place->path + before, SCHEMA_PATH_BYTES - before, "[%zu]", index);
    place->n = min_size(before + (size_t)(n > 0 ? n : 0), SCHEMA_PATH_BYTES - 1);
    return before;
}

static void pop(struct place *place, size_t before) {
    place->n = before;
    place->path[before] = 0;
}

static bn_status wrong(struct place *place, const char *format, ...) PRINTF_LIKE(2, 3);
static bn_status wrong(struct place *place, const char *format, ...) {
    char text[240];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (*place->path) return fail(place->err, BN_STATUS_BAD_ARGUMENT, "'%s' %s", place->path, text);
    return fail(place->err, BN_STATUS_BAD_ARGUMENT, "the body %s", text);
}

static unsigned type_of(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_NULL:
        return SCHEMA_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return SCHEMA_BOOL;
    case JSON_INTEGER:
        return SCHEMA_INTEGER | SCHEMA_NUMBER;
    case JSON_REAL: /* clients of some languages write 5 as 5.0 */
        return json_real_value(value) == floor(json_real_value(value)) && fabs(json_real_value(value)) < 0x1p53
                   ? SCHEMA_INTEGER | SCHEMA_NUMBER
                   : SCHEMA_NUMBER;
    case JSON_STRING:
        return SCHEMA_STRING;
    case JSON_ARRAY:
        return SCHEMA_ARRAY;
    default:
        return SCHEMA_OBJECT;
    }
}

static bn_status wrong_type(struct place *place, unsigned types) {
    char names[120] = "";
    size_t n = 0;
    for (size_t i = 0; i < N_TYPES; i++)
        if (types & TYPES[i].type)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? " or " : "", TYPES[i].name);
    return wrong(place, "must be of type %s", names);
}

static bn_status check_size(const struct schema *schema, const char *unit, size_t n, struct place *place) {
    if (n < schema->min_size) return wrong(place, "has too few %s: at least %zu", unit, schema->min_size);
    if (schema->max_size && n > schema->max_size)
        return wrong(place, "has too many %s: at most %zu", unit, schema->max_size);
    return BN_OK;
}

static bool is_one_of(const char *values, const char *text, size_t n) {
    for (const char *at = values; at;) {
        size_t length = strcspn(at, "|");
        if (length == n && memcmp(at, text, n) == 0) return true;
        at = at[length] ? at + length + 1 : NULL;
    }
    return false;
}

static bn_status check_string(const struct schema *schema, const json_t *value, struct place *place) {
    bn_status status = check_size(schema, "bytes", json_string_length(value), place);
    if (status || !schema->values) return status;
    if (is_one_of(schema->values, json_string_value(value), json_string_length(value))) return BN_OK;
    return wrong(place, "must be one of %s", schema->values);
}

static bn_status check_number(const struct schema *schema, const json_t *value, struct place *place) {
    if (schema->min == 0 && schema->max == 0) return BN_OK;
    double number = json_number_value(value);
    if (number < schema->min) return wrong(place, "must be at least %g", schema->min);
    if (number > schema->max) return wrong(place, "must be at most %g", schema->max);
    return BN_OK;
}

static bn_status check(const struct schema *schema, const json_t *value, struct place *place);

static bn_status check_array(const struct schema *schema, const json_t *value, struct place *place) {
    bn_status status = check_size(schema, "items", json_array_size(value), place);
    for (size_t i = 0; schema->items && i < json_array_size(value) && !status; i++) {
        size_t before = push_index(place, i);
        status = check(schema->items, json_array_get(value, i), place);
        if (!status) pop(place, before);
    }
    return status;
}

static const struct schema *field_of(const struct schema *schema, const char *name) {
    for (const struct schema_field *field = schema->fields; field && field->name; field++)
        if (strcmp(field->name, name) == 0) return &field->schema;
    return schema->members;
}

static bn_status check_object(const struct schema *schema, json_t *value, struct place *place) {
    bn_status status = check_size(schema, "members", json_object_size(value), place);
    if (status) return status;
    for (const struct schema_field *field = schema->fields; field && field->name; field++)
        if (field->schema.required && !json_object_get(value, field->name)) {
            push_name(place, field->name);
            return wrong(place, "is required");
        }
    const char *name;
    json_t *member;
    json_object_foreach(value, name, member) {
        const struct schema *expected = field_of(schema, name);
        if (!expected) continue;
        size_t before = push_name(place, name);
        status = check(expected, member, place);
        if (status) return status;
        pop(place, before);
    }
    return BN_OK;
}

static bn_status check(const struct schema *schema, const json_t *value, struct place *place) {
    unsigned type = type_of(value);
    if (!(schema->types & type)) return wrong_type(place, schema->types);
    if (type & SCHEMA_STRING) return check_string(schema, value, place);
    if (type & SCHEMA_NUMBER) return check_number(schema, value, place);
    if (type & SCHEMA_ARRAY) return check_array(schema, value, place);
    if (type & SCHEMA_OBJECT) return check_object(schema, (json_t *)value, place);
    return BN_OK;
}

bn_status schema_validate(const struct schema *schema, const json_t *value, char path[SCHEMA_PATH_BYTES],
                          bn_error *err) {
    struct place place = {.path = path, .err = err};
    path[0] = 0;
    return check(schema, value, &place);
}

/* ---- parsing ---- */

static bool nests_too_deep(const char *text, size_t n) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > SCHEMA_MAX_DEPTH) return true;
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        }
    }
    return false;
}

bn_status schema_parse(const struct schema *schema, const char *text, size_t size, const char *what, json_t **out,
                       char path[SCHEMA_PATH_BYTES], bn_error *err) {
    path[0] = 0;
    *out = NULL;
    if (nests_too_deep(text, size))
        return fail(err, BN_STATUS_BAD_FILE, "%s nests deeper than %d levels", what, SCHEMA_MAX_DEPTH);
    json_t *value;
    bn_status status = json_parse_exactly(text, size, what, &value, err);
    if (status) return status;
    if (schema) status = schema_validate(schema, value, path, err);
    if (status)
        json_decref(value);
    else
        *out = value;
    return status;
}

/* ---- describing ---- */

static json_t *types_json(unsigned types) {
    json_t *names = json_array();
    for (size_t i = 0; i < N_TYPES; i++) {
        bool within_number = TYPES[i].type == SCHEMA_INTEGER && (types & SCHEMA_NUMBER);
        if ((types & TYPES[i].type) && !within_number) json_array_append_new(names, json_string(TYPES[i].name));
    }
    if (json_array_size(names) != 1) return names;
    json_t *only = json_incref(json_array_get(names, 0));
    json_decref(names);
    return only;
}

static json_t *values_json(const struct schema *schema) {
    json_t *values = json_array();
    for (const char *at = schema->values; at;) {
        size_t length = strcspn(at, "|");
        json_array_append_new(values, json_stringn(at, length));
        at = at[length] ? at + length + 1 : NULL;
    }
    if (schema->types & SCHEMA_NULL) json_array_append_new(values, json_null());
    return values;
}

static void describe_sizes(const struct schema *schema, json_t *out) {
    static const struct {
        unsigned type;
        const char *min, *max;
    } keys[] = {{SCHEMA_STRING, "minLength", "maxLength"},
                {SCHEMA_ARRAY, "minItems", "maxItems"},
                {SCHEMA_OBJECT, "minProperties", "maxProperties"}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!(schema->types & keys[i].type)) continue;
        if (schema->min_size) json_object_set_new(out, keys[i].min, json_integer((json_int_t)schema->min_size));
        if (schema->max_size) json_object_set_new(out, keys[i].max, json_integer((json_int_t)schema->max_size));
    }
}

static void describe_fields(const struct schema *schema, json_t *out, json_t *components) {
    json_t *properties = json_object(), *required = json_array();
    for (const struct schema_field *field = schema->fields; field->name; field++) {
        json_object_set_new(properties, field->name, schema_to_json(&field->schema, components));
        if (field->schema.required) json_array_append_new(required, json_string(field->name));
    }
    json_object_set_new(out, "properties", properties);
    if (json_array_size(required)) json_object_set(out, "required", required);
    json_decref(required);
}

static json_t *describe(const struct schema *schema, json_t *components) {
    json_t *out = json_object();
    if (schema->types != SCHEMA_ANY) json_object_set_new(out, "type", types_json(schema->types));
    if (schema->help) json_object_set_new(out, "description", json_string(schema->help));
    if (schema->values) json_object_set_new(out, "enum", values_json(schema));
    if (schema->min != 0 || schema->max != 0) {
        json_object_set_new(out, "minimum", json_real(schema->min));
        json_object_set_new(out, "maximum", json_real(schema->max));
    }
    describe_sizes(schema, out);
    if (schema->items) json_object_set_new(out, "items", schema_to_json(schema->items, components));
    if (schema->members) json_object_set_new(out, "additionalProperties", schema_to_json(schema->members, components));
    if (schema->fields) describe_fields(schema, out, components);
    return out;
}

json_t *schema_to_json(const struct schema *schema, json_t *components) {
    if (!schema->name) return describe(schema, components);
    if (!json_object_get(components, schema->name)) {
        json_object_set_new(components, schema->name, json_null()); /* so that recursion ends */
        json_object_set_new(components, schema->name, describe(schema, components));
    }
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", schema->name));
}
