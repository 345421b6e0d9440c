#include "server/batches.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/string_map.h"
#include "server/files.h"
#include "server/openai.h"
#include "server/page.h"
#include "server/responses.h"

#define MAX_BATCH_BYTES ((size_t)1 << 30)
#define MAX_REQUESTS    50000
#define MAX_STATE_BYTES ((size_t)1 << 20)
#define MAX_BATCHES     100000
#define WINDOW          32 /* requests with the engines at a time */
#define PRIORITY        6  /* as if they had come a minute later than what people wait for */
#define EXPIRES_S       86400

static const struct schema_field batch_fields[] = {
    {"input_file_id", {.types = SCHEMA_STRING, .required = true}},
    {"endpoint",
     {.types = SCHEMA_STRING,
      .required = true,
      .values = "/v1/chat/completions|/v1/completions|/v1/embeddings|/v1/responses"}},
    {"completion_window", {.types = SCHEMA_STRING, .required = true}},
    {"metadata", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .max_size = 16}},
    {0},
};
const struct schema batch_request_schema = {.name = "BatchRequest", .types = SCHEMA_OBJECT, .fields = batch_fields};

struct batches {
    struct api *api;
    char *folder; /* FOLDER/batches */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by lock. */
    bool stopping;
    bool news;            /* a batch was created or cancelled */
    size_t n_running;     /* requests with the engines */
    struct job *answered; /* and done, for the thread to write down */
};

/* ---- states on disk ---- */

static char *state_path(const struct batches *batches, const char *id) {
    char name[80];
    if (!files_is_id(id)) return NULL;
    snprintf(name, sizeof name, "%.60s.json", id);
    return path_join(batches->folder, name);
}

static json_t *read_state(const struct batches *batches, const char *id) {
    char *path = state_path(batches, id);
    json_t *state = NULL;
    if (!path || json_parse_file(path, MAX_STATE_BYTES, &state, NULL)) state = NULL;
    mem_free(path);
    return state;
}

static bn_status write_state(const struct batches *batches, const json_t *state, bn_error *err) {
    char *path = state_path(batches, json_text_or(state, "id", "")), *text = json_dumps(state, JSON_COMPACT);
    bn_status status =
        path && text ? file_write_all(path, text, strlen(text), err) : fail_no_memory(err, MAX_STATE_BYTES);
    free(text); /* jansson's own memory */
    mem_free(path);
    return status;
}

static bool status_is(const json_t *state, const char *status) {
    return strcmp(json_text_or(state, "status", ""), status) == 0;
}

static bool is_open(const json_t *state) {
    return status_is(state, "validating") || status_is(state, "in_progress") || status_is(state, "cancelling") ||
           status_is(state, "finalizing");
}

static void set_status(json_t *state, const char *status, const char *when) {
    json_object_set_new(state, "status", json_string(status));
    if (when) json_object_set_new(state, when, json_integer((json_int_t)time(NULL)));
}

static void set_counts(json_t *state, size_t total, size_t completed, size_t failed) {
    json_object_set_new(state, "request_counts",
                        json_pack("{s:I, s:I, s:I}", "total", (json_int_t)total, "completed", (json_int_t)completed,
                                  "failed", (json_int_t)failed));
}

/* ---- one request ---- */

struct job {
    struct job *next;
    struct batches *batches;
    json_t *line; /* of the input */
    int status;   /* of the answer */
    json_t *body;
};

static void destroy_job(struct job *job) {
    if (!job) return;
    json_decref(job->line);
    json_decref(job->body);
    mem_free(job);
}

static void job_is_answered(struct job *job) {
    struct batches *batches = job->batches;
    pthread_mutex_lock(&batches->lock);
    job->next = batches->answered;
    batches->answered = job;
    pthread_cond_signal(&batches->changed);
    pthread_mutex_unlock(&batches->lock);
}

static void take_answer(void *context, int status, json_t *body) {
    struct job *job = context;
    job->status = status;
    job->body = body;
    job_is_answered(job);
}

static void answer_embeddings(struct api *api, const json_t *body, const struct asker *asker) {
    struct failure failure = {0};
    json_t *answer = embeddings_json(api, body, &failure);
    if (!answer && !failure.status) succeeded(&failure, BN_STATUS_NO_MEMORY, NULL);
    if (answer)
        asker->take(asker->context, 200, answer);
    else
        asker->take(asker->context, failure.status, json_pack("{s:o}", "error", failure_object(&failure)));
}

/* What lines may ask for. */
static const struct endpoint {
    const char *url;
    const struct schema *schema;
    void (*answer)(struct api *api, const json_t *body, const struct asker *asker);
} endpoints[] = {
    {"/v1/chat/completions", &chat_request_schema, answer_chat},
    {"/v1/completions", &completion_request_schema, answer_completion},
    {"/v1/embeddings", &embedding_request_schema, answer_embeddings},
    {"/v1/responses", &response_request_schema, answer_response},
};

static const struct endpoint *find_endpoint(const char *url) {
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        if (strcmp(endpoints[i].url, url) == 0) return &endpoints[i];
    }
    return NULL;
}

/* A line's body as it is asked: after those that people wait for, whole, and without room in the store of responses,
 * which a batch would fill alone. */
static json_t *body_of(const json_t *line) {
    json_t *body = json_copy(json_object_get(line, "body"));
    json_object_set_new(body, "priority", json_integer(PRIORITY));
    json_object_del(body, "stream");
    json_object_del(body, "stream_options");
    if (strcmp(json_text_or(line, "url", ""), "/v1/responses") == 0) json_object_set_new(body, "store", json_false());
    return body;
}

static void ask(struct job *job, const char *batch) {
    const struct endpoint *endpoint = find_endpoint(json_text_or(job->line, "url", ""));
    json_t *body = body_of(job->line);
    struct failure failure = {0};
    char path[SCHEMA_PATH_BYTES] = "", client[80];
    bn_error error = {0};
    snprintf(client, sizeof client, "batch:%.60s", batch);
    const struct asker asker = {.take = take_answer, .context = job, .client = client};
    bool ok = endpoint || refuse(&failure, "url", "'url' is no endpoint of batches"); /* a newer server's */
    if (ok && !succeeded(&failure, schema_validate(endpoint->schema, body, path, &error), &error)) {
        snprintf(failure.param, sizeof failure.param, "%s", path);
        ok = false;
    }
    if (ok)
        endpoint->answer(job->batches->api, body, &asker);
    else
        take_answer(job, failure.status, json_pack("{s:o}", "error", failure_object(&failure)));
    json_decref(body);
}

static bool start_job(struct batches *batches, const json_t *state, json_t *line) {
    struct job *job = mem_calloc(1, sizeof *job);
    if (!job) return false;
    job->batches = batches;
    job->line = json_incref(line);
    batches->n_running++; /* the thread's own */
    ask(job, json_text_or(state, "id", ""));
    return true;
}

/* ---- one batch ---- */

struct work {
    struct batches *batches;
    json_t *state, *lines; /* lines: of the input, checked */
    struct string_map answered;
    json_t *answered_ids; /* the keys live here */
    size_t n_completed, n_failed;
    int output, errors; /* files that lines are appended to */
};

/* Parses the lines of the input. On a bad one the batch's errors say which. */
static bool read_lines(struct work *work, char *text, size_t size) {
    json_t *problems = json_array();
    struct string_map names;
    bool ok = string_map_init(&names, 1024);
    size_t number = 0;
    work->lines = json_array();
    for (char *at = text, *end = text + size; ok && at < end && json_array_size(problems) < 100;) {
        char *next = memchr(at, '\n', (size_t)(end - at));
        size_t n = next ? (size_t)(next - at) : (size_t)(end - at);
        const char *problem = NULL;
        json_t *line = NULL;
        bn_error error = {0};
        number++;
        if (strspn(at, " \t\r") >= n) {
            at += n + 1;
            continue;
        }
        if (json_parse_exactly(at, n, "line", &line, &error))
            problem = error.message;
        else if (!json_is_string(json_object_get(line, "custom_id")))
            problem = "'custom_id' must be a string";
        else if (!json_is_object(json_object_get(line, "body")))
            problem = "'body' must be an object";
        else if (strcmp(json_text_or(line, "url", ""), json_text_or(work->state, "endpoint", "")) != 0)
            problem = "'url' must be the batch's endpoint";
        else if (json_array_size(work->lines) == MAX_REQUESTS)
            problem = "the file has too many requests";
        if (!problem) {
            json_array_append(work->lines, line);
            const json_t *id = json_object_get(line, "custom_id"); /* lives as long as the lines */
            int inserted = string_map_insert(&names, json_string_value(id), json_string_length(id), 0);
            if (inserted == 0) problem = "'custom_id' was there before";
            ok = inserted >= 0;
        }
        if (problem)
            json_array_append_new(problems, json_pack("{s:s, s:I, s:s, s:n}", "code", "invalid_line", "line",
                                                      (json_int_t)number, "message", problem, "param"));
        json_decref(line);
        at += n + 1;
    }
    if (ok && json_array_size(work->lines) == 0 && json_array_size(problems) == 0)
        json_array_append_new(problems, json_pack("{s:s, s:n, s:s, s:n}", "code", "empty_file", "line", "message",
                                                  "the file has no requests", "param"));
    string_map_release(&names);
    ok = ok && json_array_size(problems) == 0;
    if (json_array_size(problems))
        json_object_set_new(work->state, "errors", json_pack("{s:s, s:O}", "object", "list", "data", problems));
    json_decref(problems);
    return ok;
}

/* Notes what a file of answers has, cuts off a torn last line, and opens it for more. */
static int take_up(struct work *work, const char *path, size_t *n) {
    char *text = NULL;
    size_t size = 0, whole = 0;
    if (file_exists(path) && file_read_all(path, MAX_BATCH_BYTES, &text, &size, NULL)) return -1;
    while (whole < size) {
        char *next = memchr(text + whole, '\n', size - whole);
        json_t *line = NULL;
        if (!next || json_parse(text + whole, (size_t)(next - text) - whole, "line", &line, NULL)) break;
        json_t *id = json_object_get(line, "custom_id");
        if (json_is_string(id)) {
            json_array_append(work->answered_ids, id);
            string_map_insert(&work->answered, json_string_value(id), json_string_length(id), 0);
            (*n)++;
        }
        json_decref(line);
        whole = (size_t)(next - text) + 1;
    }
    mem_free(text);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file >= 0 && ftruncate(file, (off_t)whole)) {
        close(file);
        file = -1;
    }
    return file;
}

static bool write_line(int file, json_t *line) {
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    bool ok = text != NULL;
    size_t n = ok ? strlen(text) : 0;
    char *with_end = ok ? mem_strndup(text, n + 1) : NULL;
    if (with_end) {
        with_end[n] = '\n';
        ok = write(file, with_end, n + 1) == (ssize_t)(n + 1);
    }
    mem_free(with_end);
    free(text); /* jansson's own memory */
    json_decref(line);
    return ok;
}

static bool write_answer(struct work *work, const struct job *job) {
    char id[48];
    bool well = job->status == 200 && job->body;
    make_id(id, sizeof id, "batch_req_");
    work->n_completed += well;
    work->n_failed += !well;
    return write_line(well ? work->output : work->errors,
                      json_pack("{s:s, s:O, s:{s:i, s:s, s:O?}, s:n}", "id", id, "custom_id",
                                json_object_get(job->line, "custom_id"), "response", "status_code", job->status,
                                "request_id", id, "body", job->body, "error"));
}

/* Waits for an answer and writes down those there are. False: one can't be written. A request for which an engine had no
 * place is asked again. */
static bool write_answers(struct work *work) {
    struct batches *batches = work->batches;
    pthread_mutex_lock(&batches->lock);
    while (!batches->answered) pthread_cond_wait(&batches->changed, &batches->lock);
    struct job *job = batches->answered;
    batches->answered = NULL;
    pthread_mutex_unlock(&batches->lock);
    bool ok = true;
    while (job) {
        struct job *next = job->next;
        batches->n_running--;
        if (job->status == 429) {
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
            ok = ok && start_job(batches, work->state, job->line);
        } else if (job->status != STATUS_CANCELLED) {
            ok = ok && write_answer(work, job);
        }
        destroy_job(job);
        job = next;
    }
    return ok;
}

static bool is_stopping(struct batches *batches, struct work *work, bool *cancelled) {
    pthread_mutex_lock(&batches->lock);
    bool stopping = batches->stopping, news = batches->news;
    batches->news = false;
    pthread_mutex_unlock(&batches->lock);
    if (news) {
        json_t *state = read_state(batches, json_text_or(work->state, "id", ""));
        *cancelled = state && status_is(state, "cancelling");
        json_decref(state);
        pthread_mutex_lock(&batches->lock);
        batches->news = true; /* others may be meant, too */
        pthread_mutex_unlock(&batches->lock);
    }
    return stopping || *cancelled;
}

/* True: all requests are answered. */
static bool answer_lines(struct work *work, bool *cancelled) {
    struct batches *batches = work->batches;
    size_t i = 0, n = json_array_size(work->lines), shown = 0;
    bool ok = true;
    while (ok && (i < n || batches->n_running)) {
        bool stopping = is_stopping(batches, work, cancelled);
        if (stopping) break;
        while (ok && i < n && batches->n_running < WINDOW) {
            json_t *line = json_array_get(work->lines, i++);
            const json_t *id = json_object_get(line, "custom_id");
            uint32_t unused;
            if (string_map_find(&work->answered, json_string_value(id), json_string_length(id), &unused)) continue;
            ok = start_job(batches, work->state, line);
        }
        if (ok && batches->n_running) ok = write_answers(work);
        if (work->n_completed + work->n_failed < shown + 50 && i < n) continue;
        shown = work->n_completed + work->n_failed;
        set_counts(work->state, n, work->n_completed, work->n_failed);
        if (!*cancelled) write_state(batches, work->state, NULL);
    }
    while (batches->n_running) write_answers(work); /* those that run are finished first */
    set_counts(work->state, n, work->n_completed, work->n_failed);
    return ok && i == n && !*cancelled;
}

static char *file_of(const struct work *work, const char *member) {
    return files_path(work->batches->api->files, json_text_or(work->state, member, ""));
}

/* The files of answers, named before anything is written to them. */
static bool open_outputs(struct work *work) {
    static const char *const members[] = {"output_file_id", "error_file_id"};
    int *const files[] = {&work->output, &work->errors};
    size_t *const counts[] = {&work->n_completed, &work->n_failed};
    char id[48];
    for (size_t i = 0; i < 2; i++) {
        if (json_member(work->state, members[i])) continue;
        files_make_id(id, sizeof id);
        json_object_set_new(work->state, members[i], json_string(id));
    }
    if (write_state(work->batches, work->state, NULL)) return false;
    bool ok = true;
    for (size_t i = 0; i < 2 && ok; i++) {
        char *path = file_of(work, members[i]);
        *files[i] = path ? take_up(work, path, counts[i]) : -1;
        mem_free(path);
        ok = *files[i] >= 0;
    }
    return ok;
}

static void publish(struct work *work, const char *member, const char *suffix, size_t n) {
    char name[100];
    const char *id = json_text_or(work->state, member, "");
    snprintf(name, sizeof name, "%s_%s.jsonl", json_text_or(work->state, "id", ""), suffix);
    if (n) {
        files_register(work->batches->api->files, id, name, "batch_output", NULL);
        return;
    }
    char *path = files_path(work->batches->api->files, id);
    if (path) unlink(path);
    mem_free(path);
    json_object_set_new(work->state, member, json_null());
}

static void run_batch(struct batches *batches, json_t *state) {
    struct work work = {.batches = batches, .state = state, .answered_ids = json_array(), .output = -1, .errors = -1};
    char *path = file_of(&work, "input_file_id"), *text = NULL;
    size_t size = 0;
    bool cancelled = status_is(state, "cancelling"), readable, whole = false;
    bool map = string_map_init(&work.answered, 1024);
    readable = path && !file_read_all(path, MAX_BATCH_BYTES, &text, &size, NULL);
    if (!readable)
        json_object_set_new(state, "errors",
                            json_pack("{s:s, s:[{s:s, s:n, s:s, s:n}]}", "object", "list", "data", "code", "no_input",
                                      "line", "message", "the input file is gone", "param"));
    if (!readable || !map || !read_lines(&work, text, size)) {
        set_status(state, "failed", "failed_at");
    } else if (open_outputs(&work)) {
        if (status_is(state, "validating")) set_status(state, "in_progress", "in_progress_at");
        if (!cancelled) whole = answer_lines(&work, &cancelled);
        if (whole || cancelled) {
            fsync(work.output);
            fsync(work.errors);
            publish(&work, "output_file_id", "output", work.n_completed);
            publish(&work, "error_file_id", "error", work.n_failed);
        }
        if (whole) set_status(state, "completed", "completed_at");
        if (cancelled) set_status(state, "cancelled", "cancelled_at");
    }
    write_state(batches, state, NULL);
    if (work.output >= 0) close(work.output);
    if (work.errors >= 0) close(work.errors);
    string_map_release(&work.answered);
    json_decref(work.answered_ids);
    json_decref(work.lines);
    mem_free(text);
    mem_free(path);
}

/* ---- the thread ---- */

/* The open batch that was created first; NULL: there is none. */
static json_t *oldest_open(const struct batches *batches) {
    DIR *folder = opendir(batches->folder);
    struct dirent *entry;
    json_t *oldest = NULL;
    for (size_t n = 0; folder && n < MAX_BATCHES && (entry = readdir(folder)); n++) {
        size_t length = strlen(entry->d_name);
        char id[80];
        if (length < 6 || length >= sizeof id || strcmp(entry->d_name + length - 5, ".json") != 0) continue;
        snprintf(id, sizeof id, "%.*s", (int)(length - 5), entry->d_name);
        json_t *state = read_state(batches, id);
        bool better = state && is_open(state) &&
                      (!oldest || json_integer_or(state, "created_at", 0) < json_integer_or(oldest, "created_at", 0));
        if (better) {
            json_decref(oldest);
            oldest = json_incref(state);
        }
        json_decref(state);
    }
    if (folder) closedir(folder);
    return oldest;
}

static void *run(void *context) {
    struct batches *batches = context;
    for (;;) {
        pthread_mutex_lock(&batches->lock);
        while (!batches->news && !batches->stopping) pthread_cond_wait(&batches->changed, &batches->lock);
        bool stopping = batches->stopping;
        batches->news = false;
        pthread_mutex_unlock(&batches->lock);
        if (stopping) return NULL;
        json_t *state = oldest_open(batches);
        if (!state) continue;
        run_batch(batches, state);
        json_decref(state);
        pthread_mutex_lock(&batches->lock);
        batches->news = true; /* there may be more */
        pthread_mutex_unlock(&batches->lock);
    }
}

bn_status batches_create(const char *folder, struct api *api, struct batches **out, bn_error *err) {
    struct batches *batches = mem_calloc(1, sizeof *batches);
    if (batches) batches->folder = path_join(folder, "batches");
    if (!batches || !batches->folder) {
        mem_free(batches);
        return fail_no_memory(err, sizeof *batches);
    }
    batches->api = api;
    batches->news = true;
    pthread_mutex_init(&batches->lock, NULL);
    pthread_cond_init(&batches->changed, NULL);
    bn_status status = BN_OK;
    if (mkdir(batches->folder, 0700) && errno != EEXIST)
        status = fail(err, BN_STATUS_IO, "%s: can't make the folder: %s", batches->folder, strerror(errno));
    else if (pthread_create(&batches->thread, NULL, run, batches))
        status = fail(err, BN_STATUS_NO_MEMORY, "the system refuses another thread");
    if (!status) {
        *out = batches;
        return BN_OK;
    }
    mem_free(batches->folder);
    mem_free(batches);
    return status;
}

void batches_destroy(struct batches *batches) {
    if (!batches) return;
    pthread_mutex_lock(&batches->lock);
    batches->stopping = true;
    pthread_cond_broadcast(&batches->changed);
    pthread_mutex_unlock(&batches->lock);
    pthread_join(batches->thread, NULL);
    pthread_cond_destroy(&batches->changed);
    pthread_mutex_destroy(&batches->lock);
    mem_free(batches->folder);
    mem_free(batches);
}

/* ---- the routes ---- */

static void tell_thread(struct batches *batches) {
    pthread_mutex_lock(&batches->lock);
    batches->news = true;
    pthread_cond_broadcast(&batches->changed);
    pthread_mutex_unlock(&batches->lock);
}

void handle_batch_create(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const json_t *body = exchange_request(exchange)->json;
    const char *input = json_text_or(body, "input_file_id", "");
    struct failure failure = {0};
    bn_error error = {0};
    char id[48];
    json_t *file = files_describe(api->files, input), *state = NULL;
    bool ok = file || refuse(&failure, "input_file_id", "There is no file '%.80s'", input);
    if (ok) {
        json_int_t now = (json_int_t)time(NULL);
        make_id(id, sizeof id, "batch_");
        state = json_pack("{s:s, s:s, s:O, s:n, s:s, s:O, s:s, s:n, s:n, s:I, s:n, s:I, s:n, s:n, s:n, s:n, s:n, s:n}",
                          "id", id, "object", "batch", "endpoint", json_object_get(body, "endpoint"), "errors",
                          "input_file_id", input, "completion_window", json_object_get(body, "completion_window"),
                          "status", "validating", "output_file_id", "error_file_id", "created_at", now,
                          "in_progress_at", "expires_at", now + EXPIRES_S, "finalizing_at", "completed_at", "failed_at",
                          "expired_at", "cancelling_at", "cancelled_at");
        set_counts(state, 0, 0, 0);
        json_t *metadata = json_member(body, "metadata");
        json_object_set_new(state, "metadata", metadata ? json_incref(metadata) : json_null());
        ok = succeeded(&failure, write_state(api->batches, state, &error), &error);
    }
    json_decref(file);
    if (!ok) {
        json_decref(state);
        failure_send(exchange, &failure);
        return;
    }
    tell_thread(api->batches);
    exchange_respond_json(exchange, 200, state);
}

static void no_such_batch(struct exchange *exchange, const char *id) {
    const struct api_error error = {.status = 404, .code = "batch_not_found", .param = "batch_id"};
    exchange_fail(exchange, &error, "There is no batch '%.80s'", id);
}

void handle_batch_get(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *id = exchange_parameter(exchange, "id");
    json_t *state = read_state(api->batches, id);
    if (state)
        exchange_respond_json(exchange, 200, state);
    else
        no_such_batch(exchange, id);
}

void handle_batch_list(struct exchange *exchange, void *service) {
    const struct api *api = service;
    DIR *folder = opendir(api->batches->folder);
    struct dirent *entry;
    json_t *data = json_array();
    for (size_t n = 0; folder && n < MAX_BATCHES && (entry = readdir(folder)); n++) {
        char id[80];
        size_t length = strlen(entry->d_name);
        if (length < 6 || length >= sizeof id) continue;
        snprintf(id, sizeof id, "%.*s", (int)(length - 5), entry->d_name);
        json_t *state = read_state(api->batches, id);
        if (state) json_array_append_new(data, state);
    }
    if (folder) closedir(folder);
    page_sort(data);
    exchange_respond_page(exchange, data, 20, 100);
}

void handle_batch_cancel(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *id = exchange_parameter(exchange, "id");
    json_t *state = read_state(api->batches, id);
    bn_error error = {0};
    if (!state) {
        no_such_batch(exchange, id);
        return;
    }
    if (is_open(state)) {
        set_status(state, "cancelling", "cancelling_at");
        if (write_state(api->batches, state, &error)) {
            json_decref(state);
            exchange_fail_status(exchange, &error);
            return;
        }
        tell_thread(api->batches);
    }
    exchange_respond_json(exchange, 200, state);
}
