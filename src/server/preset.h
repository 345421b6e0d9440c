/* What whoever made a model wants of it by default, in a file beside the model's: how it speaks (system prompt, template,
 * messages before the first), how it samples. POST /api/create writes it; every API heeds it.
 *
 *     {"system": "…", "template": "…", "messages": [{"role", "content"}, …], "parameters": {"temperature": 0.2, …},
 *      "license": "…", "parent": "the model it was made from"}
 *
 * A client's own system message, template, messages and parameters come before these. */
#ifndef SERVER_PRESET_H
#define SERVER_PRESET_H

#include "base/json.h"
#include "server/schema.h"

#define PRESET_FILE "bitnet-preset.json"

extern const struct schema preset_schema;
/* The parameters of a preset, and the options of Ollama's requests. */
extern const struct schema_field parameter_fields[];

/* Reads a preset; `what` names it in messages. Release *out with json_decref; NULL after a failure. */
bn_status preset_parse(const char *text, size_t size, const char *what, json_t **out, bn_error *err);
/* Reads the preset of the model that is opened by `path`; *out is NULL where there is none. */
bn_status preset_read(const char *path, json_t **out, bn_error *err);
/* What a conversation begins with: the preset's system message (unless it has its own) and messages, then `messages`. A
 * new reference; NULL without memory. preset may be NULL. */
json_t *preset_messages(const json_t *preset, const json_t *messages);

#endif
