/* POST /api/pull and /api/push: a model of a hub into the registry, and back. A hub is that of Hugging Face's protocol
 * (huggingface.co, or what HF_ENDPOINT names): models are called OWNER/NAME, and a tag is a file's variant. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "hub/download.h"
#include "hub/push.h"
#include "server/hub/ollama_library.h"

#define INTERVAL_NS  UINT64_C(100000000) /* between two lines of progress */
#define CONNECTIONS  4
#define DIGEST_LABEL 12

static const struct schema_field transfer_fields[] = {
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 255, .help = "OWNER/NAME[:VARIANT]"}},
    {"name", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 255, .help = "older spelling of model"}},
    {"stream", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "lines of JSON (true)"}},
    {"insecure",
     {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "allows what is never needed: HF_ENDPOINT names the hub"}},
    {0},
};
const struct schema ollama_transfer_schema = {
    .name = "OllamaTransferRequest", .types = SCHEMA_OBJECT, .fields = transfer_fields};

/* The repository of a name: "hf.co/" in front is what Ollama's users write for models of the hub. */
static bn_status parse_repo(const json_t *body, struct hub_repo *out, bn_error *err) {
    static const char *const hosts[] = {"hf.co/", "huggingface.co/"};
    char text[256];
    const char *name = ollama_name(body, text, sizeof text);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (strncmp(name, hosts[i], strlen(hosts[i])) == 0) name += strlen(hosts[i]);
    if (!*name) return fail(err, BN_STATUS_BAD_ARGUMENT, "'model' is required");
    if (!strchr(name, '/'))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s': models of a hub are called OWNER/NAME", name);
    return hub_repo_parse(name, out, err);
}

static bn_status open_hub(struct ollama_task *task, struct hub *out, bn_error *err) {
    const struct http_options options = {
        .max_connections = CONNECTIONS, .cancelled = ollama_task_stopped, .context = task};
    return hub_open(&options, out, err);
}

/* ---- pulling ---- */

struct pull {
    struct ollama_task *task;
    uint64_t next_ns;
};

static void on_download(void *context, const struct hub_event *event) {
    struct pull *pull = context;
    const struct hub_file *file = event->file;
    uint64_t now = clock_now_ns();
    char status[64];
    if (!file || event->kind == HUB_EVENT_WAIT || event->kind == HUB_EVENT_RESTART) return;
    if (event->kind == HUB_EVENT_PROGRESS && now < pull->next_ns) return;
    pull->next_ns = now + INTERVAL_NS;
    bool here = event->kind == HUB_EVENT_DONE || event->kind == HUB_EVENT_CACHED;
    snprintf(status, sizeof status, "pulling %.*s", DIGEST_LABEL, file->digest);
    ollama_task_tell(pull->task,
                     json_pack("{s:s, s:s+, s:I, s:I}", "status", status, "digest",
                               file->large ? "sha256:" : "sha1:", file->digest, "total", (json_int_t)file->size_bytes,
                               "completed", (json_int_t)(here ? file->size_bytes : event->file_bytes)));
}

static bn_status record(struct ollama_task *task, const struct hub_repo *repo, const char *snapshot, bn_error *err) {
    struct registry *registry;
    struct model_version version;
    json_t *origin = json_pack("{s:s, s:s}", "kind", "download", "source", repo->id);
    bn_status status = origin ? registry_open(NULL, &registry, err) : fail_no_memory(err, sizeof(json_t));
    if (!status) {
        const struct hub_snapshot facts = {repo->id, repo->file, repo->revision, snapshot};
        status = registry_add_snapshot(registry, &facts, origin, &version, err);
        if (!status) status = ollama_serve_version(task->api, &version, err);
        model_version_release(&version);
        registry_close(registry);
    }
    json_decref(origin);
    return status;
}

static bn_status run_pull(struct ollama_task *task, bn_error *err) {
    struct pull pull = {.task = task};
    const struct hub_download_options options = {.connections = CONNECTIONS, .on_event = on_download, .context = &pull};
    struct hub hub = {0};
    struct hub_repo repo;
    char *snapshot = NULL;
    bn_status status = parse_repo(task->body, &repo, err);
    if (!status) status = open_hub(task, &hub, err);
    if (!status) ollama_task_tell_status(task, "pulling manifest");
    if (!status) status = hub_download(&hub, &repo, &options, &snapshot, err);
    if (!status) ollama_task_tell_status(task, "verifying sha256 digest");
    if (!status) ollama_task_tell_status(task, "writing manifest");
    if (!status) status = record(task, &repo, snapshot, err);
    mem_free(snapshot);
    hub_close(&hub);
    return status;
}

void handle_ollama_pull(struct exchange *exchange, void *service) {
    ollama_task_start(exchange, service, run_pull);
}

/* ---- pushing ---- */

static void on_upload(void *context, const char *name, uint64_t done, uint64_t total) {
    char status[200];
    snprintf(status, sizeof status, "pushing %.180s", name);
    json_t *line = json_pack("{s:I, s:I}", "total", (json_int_t)total, "completed", (json_int_t)done);
    json_object_set_new(line, "status", json_text(status, strlen(status)));
    ollama_task_tell(context, line);
}

static bn_status run_push(struct ollama_task *task, bn_error *err) {
    const struct hub_push_options options = {.on_file = on_upload, .context = task, .create = true};
    struct hub hub = {0};
    struct hub_repo repo;
    struct hub_push_list list = {0};
    struct hub_push_result result;
    char *path = NULL;
    int lease = -1;
    bn_status status = parse_repo(task->body, &repo, err);
    if (!status) status = ollama_take_path(task->api, ollama_asked_name(task->body), &path, &lease, err);
    if (!status) ollama_task_tell_status(task, "retrieving manifest");
    if (!status) status = hub_push_list(path, &list, err);
    if (!status) status = open_hub(task, &hub, err);
    if (!status) status = hub_push(&hub, &repo, list.files, list.n, &options, &result, err);
    if (!status) ollama_task_tell_status(task, "pushing manifest");
    hub_push_list_release(&list);
    hub_close(&hub);
    if (lease >= 0) close(lease);
    mem_free(path);
    return status;
}

void handle_ollama_push(struct exchange *exchange, void *service) {
    ollama_task_start(exchange, service, run_push);
}
