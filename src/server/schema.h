/* What JSON a route takes: rows that validate a body (naming the place of what is wrong), and become JSON Schema in
 * GET /openapi.json. Members that no row names are let through: clients send many. */
#ifndef SERVER_SCHEMA_H
#define SERVER_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/json.h"

enum schema_types { /* to be combined with | */
                    SCHEMA_NULL = 1,
                    SCHEMA_BOOL = 2,
                    SCHEMA_INTEGER = 4,
                    SCHEMA_NUMBER = 8, /* integers too */
                    SCHEMA_STRING = 16,
                    SCHEMA_ARRAY = 32,
                    SCHEMA_OBJECT = 64,
                    SCHEMA_ANY = 127
};

struct schema {
    const char *name; /* of a shared schema: becomes a component in OpenAPI; NULL: written in place */
    unsigned types;
    bool required;   /* as a field */
    double min, max; /* of a number's value; both 0: any finite one */
    size_t max_size; /* bytes of a string, items of an array, members of an object; 0: what fits the body */
    size_t min_size;
    const char *values;                /* of a string: "auto|none|required"; NULL: any */
    const struct schema *items;        /* of an array; NULL: any */
    const struct schema *members;      /* of an object's values, whatever their names; NULL: any */
    const struct schema_field *fields; /* of an object, ended by a NULL name; NULL: none are known */
    const char *help;
};

struct schema_field {
    const char *name;
    struct schema schema;
};

#define SCHEMA_PATH_BYTES 160
#define SCHEMA_MAX_DEPTH  64

/* Checks value. BN_STATUS_BAD_ARGUMENT with a message that names the place ("'messages[2].role' must be a string"), and
 * the place alone in path ("" for the whole body), as error objects have it in `param`. */
bn_status schema_validate(const struct schema *schema, const json_t *value, char path[SCHEMA_PATH_BYTES],
                          bn_error *err);
/* Parses a client's text, at most SCHEMA_MAX_DEPTH levels deep, and checks the value; schema NULL: any value will do. `what`
 * names the text in messages. BN_STATUS_BAD_FILE for what isn't JSON, BN_STATUS_NO_MEMORY, else as schema_validate. */
bn_status schema_parse(const struct schema *schema, const char *text, size_t size, const char *what, json_t **out,
                       char path[SCHEMA_PATH_BYTES], bn_error *err);
/* As JSON Schema. Named schemas below it become {"$ref": "#/components/schemas/NAME"} and are added to `components`.
 * New reference; NULL without memory. */
json_t *schema_to_json(const struct schema *schema, json_t *components);

#endif
