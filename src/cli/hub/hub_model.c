#include "cli/hub/hub_model.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/hub/download_view.h"
#include "cli/hub/hub_options.h"
#include "cli/hub/registry_download.h"
#include "cli/model_path.h"
#include "hub/place.h"

/* A download that is watched for the file that is going to be opened. */
struct fetching {
    struct download_view view;
    char gguf[1025]; /* the first .gguf file of those fetched, "" for none: a folder with other weights */
};

static void on_event(void *context, const struct hub_event *event) {
    struct fetching *fetching = context;
    const char *path = event->file ? event->file->path : "";
    size_t n = strlen(path);
    bool gguf = n > 5 && strcmp(path + n - 5, ".gguf") == 0;
    if (gguf && (!*fetching->gguf || strcmp(path, fetching->gguf) < 0))
        snprintf(fetching->gguf, sizeof fetching->gguf, "%s", path);
    download_view_event(&fetching->view, event);
}

static bn_status download(const struct invocation *invocation, const struct hub_repo *repo, char **path,
                          bn_error *err) {
    struct hub hub = {0};
    struct hub_options options;
    struct fetching fetching = {.gguf = ""};
    char *snapshot = NULL;
    hub_options_set_defaults(&options);
    const struct hub_download_options what = {
        .connections = options.connections, .on_event = on_event, .context = &fetching};
    bn_status status = hub_options_open(&options, &hub, err);
    if (!status) {
        download_view_begin(&fetching.view, invocation);
        fetching.view.events = false; /* standard output is the command's */
        status = hub_download(&hub, repo, &what, &snapshot, err);
        download_view_end(&fetching.view);
    }
    if (!status) status = registry_record_download(invocation, repo, snapshot, err);
    if (!status) *path = *fetching.gguf ? path_join(snapshot, fetching.gguf) : mem_strdup(snapshot);
    if (!status && !*path) status = fail_no_memory(err, 1);
    mem_free(snapshot);
    hub_close(&hub);
    return status;
}

/* The name stays, for messages and results, where it means this path. */
static bn_status set_argument(struct invocation *invocation, const char *path, bn_error *err) {
    char *meant = NULL;
    bool means_it = !model_path_resolve(invocation->arguments[0], &meant, NULL) && strcmp(meant, path) == 0;
    mem_free(meant);
    if (means_it) return BN_OK;
    invocation->arguments[0] = arena_strndup(&invocation->strings, path, strlen(path));
    return invocation->arguments[0] ? BN_OK : fail_no_memory(err, strlen(path));
}

bn_status hub_model_fetch(struct invocation *invocation, bn_error *err) {
    struct hub_repo repo;
    char *path = NULL;
    bn_status status = hub_repo_parse(invocation->arguments[0], &repo, err);
    if (status) return status;
    bn_error absent = {0};
    if (hub_cache_find(invocation->arguments[0], &path, &absent)) {
        if (hub_is_offline()) return fail(err, absent.status, "%.400s (HF_HUB_OFFLINE is set)", absent.message);
        status = download(invocation, &repo, &path, err);
    }
    if (!status) status = set_argument(invocation, path, err);
    mem_free(path);
    return status;
}
