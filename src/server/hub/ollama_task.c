#include "server/hub/ollama_task.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { MAX_TASKS = 16 };

struct ollama_tasks {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    size_t n; /* guarded by lock */
};

bn_status ollama_tasks_create(struct ollama_tasks **out, bn_error *err) {
    struct ollama_tasks *tasks = mem_calloc(1, sizeof *tasks);
    if (!tasks) return fail_no_memory(err, sizeof *tasks);
    pthread_mutex_init(&tasks->lock, NULL);
    pthread_cond_init(&tasks->ended, NULL);
    *out = tasks;
    return BN_OK;
}

void ollama_tasks_destroy(struct ollama_tasks *tasks) {
    if (!tasks) return;
    pthread_mutex_lock(&tasks->lock);
    while (tasks->n) pthread_cond_wait(&tasks->ended, &tasks->lock);
    pthread_mutex_unlock(&tasks->lock);
    pthread_cond_destroy(&tasks->ended);
    pthread_mutex_destroy(&tasks->lock);
    mem_free(tasks);
}

bool ollama_tasks_enter(struct ollama_tasks *tasks) {
    pthread_mutex_lock(&tasks->lock);
    bool room = tasks->n < MAX_TASKS;
    tasks->n += room;
    pthread_mutex_unlock(&tasks->lock);
    return room;
}

void ollama_tasks_leave(struct ollama_tasks *tasks) {
    pthread_mutex_lock(&tasks->lock);
    tasks->n--;
    pthread_cond_signal(&tasks->ended);
    pthread_mutex_unlock(&tasks->lock);
}

/* ---- telling ---- */

void ollama_task_tell(struct ollama_task *task, json_t *line) {
    static const struct header header = {"content-type", "application/x-ndjson"};
    char *text = line && task->stream ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text) return;
    if (!task->started) exchange_start(task->exchange, 200, &header, 1);
    task->started = true;
    exchange_write(task->exchange, text, strlen(text));
    exchange_write(task->exchange, "\n", 1);
    free(text); /* jansson's own memory */
}

void ollama_task_tell_status(struct ollama_task *task, const char *status) {
    ollama_task_tell(task, json_pack("{s:s}", "status", status));
}

bool ollama_task_stopped(void *context) {
    struct ollama_task *task = context;
    return atomic_load(&task->stopped);
}

static bool advance(void *context, uint64_t n_bytes) {
    (void)n_bytes;
    return !ollama_task_stopped(context);
}

/* ---- running ---- */

/* The last that happens to the exchange: it is given up. */
static void answer(struct ollama_task *task, bn_status status, const bn_error *error) {
    struct failure failure = {0};
    if (status == BN_STATUS_CANCELLED && !atomic_load(&task->cut)) { /* the client has gone */
        exchange_abort(task->exchange);
    } else if (!succeeded(&failure, status, error)) {
        if (status == BN_STATUS_CANCELLED) failure.status = 503;
        if (task->started) {
            ollama_task_tell(task, failure_json(task->exchange, &failure));
            exchange_end(task->exchange);
        } else {
            failure_send(task->exchange, &failure);
        }
    } else if (task->stream) {
        ollama_task_tell_status(task, "success");
        exchange_end(task->exchange);
    } else {
        exchange_respond_json(task->exchange, 200, json_pack("{s:s}", "status", "success"));
    }
}

static void *run(void *context) {
    struct ollama_task *task = context;
    struct ollama_tasks *tasks = task->api->tasks;
    bn_error error = {0};
    bn_status status = task->run(task, &error);
    answer(task, status, &error);
    ollama_tasks_leave(tasks);
    return NULL;
}

static void on_closed(void *context) {
    struct ollama_task *task = context;
    atomic_store(&task->stopped, true);
}

static void on_cut(void *context, enum cut_reason reason) {
    struct ollama_task *task = context;
    atomic_store(&task->cut, (int)reason + 1);
    atomic_store(&task->stopped, true);
}

static void on_release(void *context) {
    mem_free(context);
}

void ollama_task_start(struct exchange *exchange, struct api *api,
                       bn_status (*work)(struct ollama_task *task, bn_error *err)) {
    const struct exchange_watch watch = {.on_closed = on_closed, .on_cut = on_cut, .on_release = on_release};
    const struct api_error busy = {.status = 503, .retry_after_s = 5};
    struct ollama_task *task = mem_calloc(1, sizeof *task);
    pthread_t thread;
    if (!task || !ollama_tasks_enter(api->tasks)) {
        mem_free(task);
        exchange_fail(exchange, &busy, "too many models are being pulled, pushed or made");
        return;
    }
    task->exchange = exchange;
    task->api = api;
    task->body = exchange_request(exchange)->json;
    task->stream = json_bool_or(task->body, "stream", true);
    task->run = work;
    task->progress = (struct byte_progress){advance, task};
    exchange_watch(exchange, &watch, task);
    if (pthread_create(&thread, NULL, run, task) == 0) {
        pthread_detach(thread);
    } else {
        ollama_tasks_leave(api->tasks);
        exchange_fail(exchange, &busy, "the system refuses another thread");
    }
}
