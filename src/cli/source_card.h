/* The card beside a model that is converted. */
#ifndef CLI_SOURCE_CARD_H
#define CLI_SOURCE_CARD_H

#include "base/json.h"
#include "cli/options.h"

/* The metadata of the README.md in the folder at `path`, or beside the file, for json_decref; NULL where there is none. One that can't be
 * read is said and doesn't count. Always NULL in programs without the component that reads cards. */
json_t *source_card(const struct invocation *invocation, const char *path);

#endif
