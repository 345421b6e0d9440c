/* Values that name several cases: "1,2,4". */
#ifndef CLI_NUMBER_LIST_H
#define CLI_NUMBER_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { LIST_MAX_ITEMS = 32 };

struct number_list {
    size_t n;
    size_t values[LIST_MAX_ITEMS];
};

/* Whole numbers in [min, max] with commas between; at least one. `origin` names the option in messages
 * (BN_STATUS_BAD_ARGUMENT). */
bn_status number_list_parse(const char *text, size_t min, size_t max, const char *origin, struct number_list *out,
                            bn_error *err);

/* The words of "a,b,c": word `index` into out, false past the last one. A word that doesn't fit is cut. */
bool word_list_at(const char *text, size_t index, char *out, size_t size);

#endif
