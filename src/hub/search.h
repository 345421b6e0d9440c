/* Searching the models of a hub. */
#ifndef HUB_SEARCH_H
#define HUB_SEARCH_H

#include "hub/hub.h"

struct hub_query { /* NULL: not asked for */
    const char *text, *author, *task, *library, *license;
    const char *const *tags;
    size_t n_tags;
    const char *sort; /* one of HUB_SORTS */
    size_t limit;     /* models in all; a page has at most 100 */
};
#define HUB_SORTS "trending|downloads|likes|modified|created"

/* A page of models: *rows is an array of {"id", "downloads", "likes", "task", "library", "license", "gated", "modified",
 * "tags"}. `page`: NULL for the first, else what *next was; *next is newly allocated, NULL when there are no more. */
bn_status hub_search(struct hub *hub, const struct hub_query *query, const char *page, json_t **rows, char **next,
                     bn_error *err);

#endif
