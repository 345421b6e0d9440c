/* `bitnet model search`: models of a hub, as rows. */
#include <stdio.h>

#include "base/memory.h"
#include "cli/hub/hub_options.h"
#include "cli/hub/search_options.h"
#include "cli/rows.h"
#include "cli/terminal.h"

struct search_settings {
    struct search_options search;
    struct hub_options hub;
    const char *format;
};
#define FIELD(name) offsetof(struct search_settings, name)

static const struct option output_options[] = {
    {"output", 'o', OPTION_CHOICE, FIELD(format), ROW_FORMATS, 0, 0, "how to print; --json: json", NULL},
    {0},
};
static const struct option_group groups[] = {{"Search", search_option_table, FIELD(search)},
                                             {"Output", output_options, 0},
                                             {"Network", hub_option_table, FIELD(hub)},
                                             {0}};

static void set_defaults(void *settings) {
    struct search_settings *own = settings;
    hub_options_set_defaults(&own->hub);
    own->search.limit = 20;
    own->format = "table";
}

static const struct column columns[] = {
    {"id", "model", 1, 0},          {"downloads", "downloads", 1, 0},
    {"likes", "likes", 1, 0},       {"task", "task", 1, 0},
    {"library", "library", 1, 0},   {"license", "licence", 1, 0},
    {"modified", "modified", 1, 0}, {0},
};

/* Pages until the limit. */
static bn_status collect(struct hub *hub, const struct hub_query *query, json_t *rows, bn_error *err) {
    char *page = NULL, *next = NULL;
    bn_status status = BN_OK;
    do {
        json_t *more = NULL, *row;
        size_t i;
        status = hub_search(hub, query, page, &more, &next, err);
        mem_free(page);
        page = next;
        json_array_foreach(more, i, row) if (json_array_size(rows) < query->limit) json_array_append(rows, row);
        json_decref(more);
    } while (!status && page && json_array_size(rows) < query->limit);
    mem_free(page);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct search_settings *settings = invocation->settings;
    const struct hub_query query =
        search_options_query(&settings->search, invocation->n_arguments ? invocation->arguments[0] : NULL);
    struct hub hub = {0};
    bn_error error = {0};
    json_t *rows = json_array();
    bn_status status = hub_options_open(&settings->hub, &hub, &error);
    if (!status) status = collect(&hub, &query, rows, &error);
    enum exit_code code = EXIT_DONE;
    if (status)
        code = say_hub_failure(invocation, &hub, &error);
    else if (rows_write(stdout, invocation->common.json ? "json" : settings->format, rows, columns, &error))
        code = say_failure(&error);
    else if (json_array_size(rows) == 0)
        say(invocation, "no model fits");
    json_decref(rows);
    hub_close(&hub);
    return code;
}

const struct command command_model_search = {
    .name = "model search",
    .arguments = "[TEXT]",
    .summary = "find models on a hub",
    .description = "Lists the models of the hub (huggingface.co, or HF_ENDPOINT) whose name has TEXT in it and that "
                   "fit the options.",
    .examples = "bitnet model search bitnet --task text-generation --sort downloads\n"
                "bitnet model search --author microsoft --license mit -n 5 --json",
    .groups = groups,
    .settings_bytes = sizeof(struct search_settings),
    .set_defaults = set_defaults,
    .max_arguments = 1,
    .run = run,
};
