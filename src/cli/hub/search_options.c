#include "cli/hub/search_options.h"

#define FIELD(name) offsetof(struct search_options, name)
const struct option search_option_table[] = {
    {"author", 0, OPTION_TEXT, FIELD(author), "NAME", 0, 0, "only models of this user or organization", NULL},
    {"task", 0, OPTION_TEXT, FIELD(task), "TASK", 0, 0, "only for this task: text-generation, fill-mask, …",
     "pipeline-tag"},
    {"library", 0, OPTION_TEXT, FIELD(library), "NAME", 0, 0, "only for this library: transformers, gguf, …", NULL},
    {"license", 0, OPTION_TEXT, FIELD(license), "ID", 0, 0, "only under this licence: mit, apache-2.0, …", NULL},
    {"tag", 0, OPTION_LIST, FIELD(tags), "TAG", 0, 0, "only with this tag; may be given several times", "filter"},
    {"sort", 0, OPTION_CHOICE, FIELD(sort), HUB_SORTS, 0, 0, "what comes first", NULL},
    {"limit", 'n', OPTION_SIZE, FIELD(limit), "N", 1, 10000, "how many models at most", NULL},
    {0},
};

struct hub_query search_options_query(const struct search_options *options, const char *text) {
    return (struct hub_query){.text = text,
                              .author = options->author,
                              .task = options->task,
                              .library = options->library,
                              .license = options->license,
                              .tags = options->tags.items,
                              .n_tags = options->tags.n,
                              .sort = options->sort,
                              .limit = options->limit};
}
