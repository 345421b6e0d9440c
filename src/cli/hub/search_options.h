/* What models are searched for: the options of `model search` and `model browse`. */
#ifndef CLI_HUB_SEARCH_OPTIONS_H
#define CLI_HUB_SEARCH_OPTIONS_H

#include "cli/options.h"
#include "hub/search.h"

struct search_options {
    const char *author, *task, *library, *license, *sort;
    struct text_list tags;
    size_t limit;
};
extern const struct option search_option_table[];

/* The query these options mean; text may be NULL. It points into the options. */
struct hub_query search_options_query(const struct search_options *options, const char *text);

#endif
