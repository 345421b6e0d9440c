/* `bitnet model push`: a model of this machine onto a hub. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/hub/hub_options.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "hub/push.h"

struct push_settings {
    struct hub_options hub;
    const char *message, *description, *revision;
    bool create, private, pull_request;
};
#define FIELD(name) offsetof(struct push_settings, name)

static const struct option options[] = {
    {"message", 'm', OPTION_TEXT, FIELD(message), "TEXT", 0, 0, "the commit's first line", "commit-message"},
    {"description", 0, OPTION_TEXT, FIELD(description), "TEXT", 0, 0, "more about the commit", "commit-description"},
    {"revision", 0, OPTION_TEXT, FIELD(revision), "BRANCH", 0, 0, "the branch, as @BRANCH; else main", NULL},
    {"create", 0, OPTION_FLAG, FIELD(create), NULL, 0, 0, "make the repository if there is none", NULL},
    {"private", 0, OPTION_FLAG, FIELD(private), NULL, 0, 0, "with --create: only its owner may see it", NULL},
    {"pull-request", 0, OPTION_FLAG, FIELD(pull_request), NULL, 0, 0, "propose the change instead of making it",
     "create-pr"},
    {0},
};
static const struct option_group groups[] = {{"Push", options, 0}, {"Network", hub_option_table, FIELD(hub)}, {0}};

static void set_defaults(void *settings) {
    hub_options_set_defaults(&((struct push_settings *)settings)->hub);
}

/* The files of what a name stands for. */
static bn_status list_files(const char *argument, struct hub_push_list *list, bn_error *err) {
    char *path = NULL;
    bn_status status = model_path_resolve(argument, &path, err);
    if (!status) status = hub_push_list(path, list, err);
    mem_free(path);
    return status;
}

/* ---- the push ---- */

static void show_file(void *context, const char *name, uint64_t done, uint64_t total) {
    const struct invocation *invocation = context;
    char shown[256];
    if (invocation->common.json)
        json_write_line(stdout,
                        json_pack("{s:s, s:o, s:I, s:I}", "event", "upload", "file", json_text(name, strlen(name)),
                                  "total_bytes", (json_int_t)done, "total_size_bytes", (json_int_t)total),
                        NULL);
    else
        say(invocation, "sending %s (%.1f of %.1f MB are there)", printable(name, shown, sizeof shown),
            (double)done * 1e-6, (double)total * 1e-6);
}

static void print_result(const struct invocation *invocation, const struct hub_push_result *result, size_t n_files) {
    if (invocation->common.json) {
        json_write_line(stdout,
                        json_pack("{s:s, s:s, s:s, s:I, s:I}", "event", "done", "commit", result->commit, "url",
                                  result->url, "files", (json_int_t)n_files, "uploaded",
                                  (json_int_t)result->n_uploaded),
                        NULL);
        return;
    }
    printf("%s\n", result->url[0] ? result->url : result->commit);
    say(invocation, "%zu files are in commit %.12s; %zu large ones were sent", n_files, result->commit,
        result->n_uploaded);
}

static enum exit_code run(struct invocation *invocation) {
    const struct push_settings *settings = invocation->settings;
    const struct hub_push_options push = {.message = settings->message,
                                          .description = settings->description,
                                          .pull_request = settings->pull_request,
                                          .create = settings->create,
                                          .private = settings->private,
                                          .on_file = show_file,
                                          .context = invocation};
    struct hub hub = {0};
    struct hub_repo repo;
    struct hub_push_list list = {0};
    struct hub_push_result result;
    bn_error error = {0};
    bn_status status = hub_repo_parse(invocation->arguments[1], &repo, &error);
    if (!status && settings->revision) snprintf(repo.revision, sizeof repo.revision, "%s", settings->revision);
    if (!status) status = list_files(invocation->arguments[0], &list, &error);
    if (!status) status = hub_options_open(&settings->hub, &hub, &error);
    if (!status) status = hub_push(&hub, &repo, list.files, list.n, &push, &result, &error);
    enum exit_code code = status ? say_hub_failure(invocation, &hub, &error) : EXIT_DONE;
    if (!status) print_result(invocation, &result, list.n);
    hub_push_list_release(&list);
    hub_close(&hub);
    return code;
}

const struct command command_model_push = {
    .name = "model push",
    .arguments = "MODEL OWNER/NAME",
    .summary = "publish a model on a hub",
    .description = "Sends the files of MODEL (a folder, a file, or a name) to the repository OWNER/NAME as one commit. "
                   "Large files that the hub has "
                   "already aren't sent again; nothing can be seen before the commit. Needs a token that may write "
                   "('bitnet auth login').",
    .examples = "bitnet model push ./my-model ada/my-model --create --private -m 'First version'\n"
                "bitnet model push my-model.gguf ada/my-model@next --pull-request",
    .groups = groups,
    .settings_bytes = sizeof(struct push_settings),
    .set_defaults = set_defaults,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
