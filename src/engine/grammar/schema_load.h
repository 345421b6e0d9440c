/* Loading an object of keywords: see schema_load.c. */
#ifndef ENGINE_GRAMMAR_SCHEMA_LOAD_H
#define ENGINE_GRAMMAR_SCHEMA_LOAD_H

#include "engine/grammar/schema.h"

/* What is being loaded. */
struct loading {
    struct schema *s;
    const json_t *object;
    const char *place, *base;
    bool types[N_TYPES], whole; /* `type`; whole: numbers are integers only */
};

/* Fails: what the keyword says isn't supported; or it's wrong. */
void load_refuse(struct loading *loading, const char *what);
void load_complain(struct loading *loading, const char *what);
/* A keyword's value, NULL if there is none; messages are about it from here on. */
const json_t *load_keyword(struct loading *loading, const char *name);
/* The node of a schema inside of the object. */
uint32_t load_subschema(struct loading *loading, const json_t *json, const char *place);
/* The value of a keyword that counts something; false: there is none. */
bool load_count(struct loading *loading, const char *name, uint32_t *out);

/* ---- schema_types.c: what the keywords say of values of one type. NULL: there are none ---- */

struct shape *load_number(struct loading *loading);
struct shape *load_string(struct loading *loading);
struct shape *load_array(struct loading *loading);
struct shape *load_object(struct loading *loading);

#endif
