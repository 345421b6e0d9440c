/* The YAML of model cards and job files ↔ JSON (libyaml beneath). One document; no aliases, no tags; at most 32 levels and 10000
 * nodes. */
#ifndef HUB_YAML_H
#define HUB_YAML_H

#include "base/buffer.h"
#include "base/json.h"

/* An empty text gives null. BN_STATUS_BAD_FILE names the line. */
bn_status yaml_parse(const char *text, size_t size, json_t **out, bn_error *err);
/* Appends value in block style. Texts that would be read back as something else get quotes. */
bn_status yaml_write(const json_t *value, struct buffer *out, bn_error *err);

#endif
