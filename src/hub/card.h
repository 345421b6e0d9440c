/* Model cards: README.md with metadata in YAML between two lines "---", and prose below.
 *
 * The metadata is handled as JSON. YAML that a card has no use for is refused (aliases, which can blow up; tags; several
 * documents; more than 32 levels, 10000 nodes or 1 MiB). Texts without quotes that look like numbers, booleans or null become those, as
 * YAML says. */
#ifndef HUB_CARD_H
#define HUB_CARD_H

#include <stdbool.h>

#include "base/json.h"
#include "hub/hub.h"

struct card {
    json_t *metadata; /* an object; empty when the card has none */
    char *prose;
};

bn_status card_parse(const char *text, size_t size, struct card *out, bn_error *err);
/* No file is an empty card. */
bn_status card_read(const char *path, struct card *out, bn_error *err);
/* The text of a repository's README.md at its revision, newly allocated. */
bn_status hub_card_fetch(struct hub *hub, const struct hub_repo *repo, char **text, bn_error *err);
void card_release(struct card *card);
/* The text of the whole card, newly allocated. */
bn_status card_text(const struct card *card, char **text, bn_error *err);

/* What is wrong with the metadata or missing, for whoever publishes the model: calls visit for each. Returns how many
 * are errors (a hub would refuse or misread them); the others are advice. */
size_t card_check(const json_t *metadata, void (*visit)(void *context, bool is_error, const char *message),
                  void *context);

/* "key=value" into the metadata: lists (tags, datasets, base_model, language, metrics) get one entry more, others are replaced, an empty
 * value removes the key. BN_STATUS_BAD_ARGUMENT if it isn't of that form. */
bn_status card_set(json_t *metadata, const char *assignment, bn_error *err);

#endif
