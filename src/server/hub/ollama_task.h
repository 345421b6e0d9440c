/* What takes minutes and tells of it in lines of JSON (pulling, pushing, making a model): work on a thread of its own,
 * that ends early when the client goes away or the server shuts down. */
#ifndef SERVER_HUB_OLLAMA_TASK_H
#define SERVER_HUB_OLLAMA_TASK_H

#include "registry/registry.h"
#include "server/ollama.h"

struct ollama_task {
    struct exchange *exchange;
    struct api *api;
    const json_t *body;
    struct byte_progress progress; /* stops work that asks it when the task is to stop; tells nothing */
    /* BN_OK: "success" is told. */
    bn_status (*run)(struct ollama_task *task, bn_error *err);
    bool stream, started;
    atomic_int cut;      /* enum cut_reason + 1; 0: not cut */
    atomic_bool stopped; /* cut, or the client has gone */
};

/* For a handler: runs it, and answers. */
void ollama_task_start(struct exchange *exchange, struct api *api,
                       bn_status (*run)(struct ollama_task *task, bn_error *err));
/* Tells a line, stolen; nothing unless the client wants a stream. */
void ollama_task_tell(struct ollama_task *task, json_t *line);
void ollama_task_tell_status(struct ollama_task *task, const char *status);
bool ollama_task_stopped(void *task);

/* How many of them run. */
struct ollama_tasks;
bn_status ollama_tasks_create(struct ollama_tasks **out, bn_error *err);
void ollama_tasks_destroy(struct ollama_tasks *tasks); /* waits for all */
/* A thread begins (false: there are too many), and is over. */
bool ollama_tasks_enter(struct ollama_tasks *tasks);
void ollama_tasks_leave(struct ollama_tasks *tasks);

#endif
