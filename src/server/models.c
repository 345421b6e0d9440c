#include "server/models.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "server/preset.h"
#include "server/settings.h"

#define DEFAULT_MAX_QUEUED 1024
#define MAX_NAMES          1024 /* that a resolver may add */
#define MAX_MODEL_FILES    4096

/* A model in memory with its count of users: the entry that shows it is one. */
struct loaded {
    struct model public; /* first: public pointers are pointers to it */
    struct models *owner;
    char *name, *path;
    char *chat_template;
    json_t *preset;
    int lease;      /* of the path; -1: none */
    size_t n_users; /* guarded by the owner's lock */
    uint64_t memory_bytes;
};

struct entry {
    char *name, *source, *chat_template;
    char *path; /* of the source when it was last loaded; NULL: it wasn't yet */
    enum model_state state;
    struct loaded *loaded; /* NULL unless LOADED */
    uint64_t last_used_ns;
    uint64_t idle_ms; /* in memory after that; MODELS_FOREVER */
    bn_error error;   /* of FAILED */
};

struct models {
    struct models_options options;
    pthread_t janitor; /* unloads idle models */
    bool stopping;     /* guarded by lock */
    uint64_t wake_ns;  /* guarded by lock: when the janitor looks next */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* an entry stopped loading */
    pthread_cond_t idle;    /* for the janitor, by the monotonic clock: it has to look earlier, or to stop */
    struct entry **entries;
    size_t n_entries, n_loaded; /* n_loaded: models in memory or about to be */
    uint64_t bytes;             /* of models in memory */
    model_state_watch watch;    /* NULL: nobody; guarded by lock */
    void *watch_context;
};

/* ---- one model ---- */

static void destroy_loaded(struct loaded *loaded) {
    if (!loaded) return;
    engine_loop_destroy(loaded->public.loop);
    model_metrics_destroy(loaded->public.metrics);
    bn_engine_destroy(loaded->public.engine);
    grammar_cache_destroy(loaded->public.grammars);
    literal_text_destroy(loaded->public.literal);
    chat_close(loaded->public.chat);
    bn_token_bytes_destroy(loaded->public.token_bytes);
    bn_model_close(loaded->public.model);
    if (loaded->lease >= 0) close(loaded->lease);
    json_decref(loaded->preset);
    mem_free(loaded->chat_template);
    mem_free(loaded->name);
    mem_free(loaded->path);
    mem_free(loaded);
}

static bn_status open_engine(struct loaded *loaded, const struct models_options *options, bn_error *err) {
    struct model *m = &loaded->public;
    bn_status status = bn_engine_create(m->model, &options->engine, &m->engine, err);
    if (status) return status;
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(m->engine, &stats);
    m->context_length = stats.context_length;
    m->max_sequences = stats.max_sequences;
    m->metrics = model_metrics_create(options->metrics, loaded->name);
    loaded->memory_bytes = m->info.weight_bytes + m->info.resident_bytes + stats.kv_bytes;
    size_t max_jobs = options->max_queued ? options->max_queued : DEFAULT_MAX_QUEUED;
    return engine_loop_create(m->engine, max_jobs, &m->loop, err);
}

static bn_status resolve(const struct models *models, const char *source, char **path, int *lease, bn_error *err) {
    if (models->options.resolve)
        return models->options.resolve(models->options.resolve_context, source, path, lease, err);
    *path = mem_strdup(source);
    return *path ? BN_OK : fail_no_memory(err, strlen(source));
}

/* A model that is to be opened: where it lies is known. */
static bn_status create_loaded(struct models *models, const struct entry *entry, struct loaded **out, bn_error *err) {
    struct loaded *loaded = mem_calloc(1, sizeof *loaded);
    if (!loaded) return fail_no_memory(err, sizeof *loaded);
    loaded->owner = models;
    loaded->n_users = 1; /* the entry */
    loaded->lease = -1;
    loaded->public.name = loaded->name = mem_strdup(entry->name);
    bn_status status = loaded->name ? resolve(models, entry->source, &loaded->path, &loaded->lease, err)
                                    : fail_no_memory(err, strlen(entry->name));
    if (status)
        destroy_loaded(loaded);
    else
        *out = loaded;
    return status;
}

/* The server's template, the preset's, or the tokenizer's. */
static bn_status open_chat(struct loaded *loaded, const char *chat_template, bn_error *err) {
    struct model *m = &loaded->public;
    if (!m->tokenizer) return BN_OK;
    if (!chat_template) chat_template = json_text_or(m->preset, "template", bn_tokenizer_chat_template(m->tokenizer));
    if (!chat_template) return BN_OK;
    m->chat_template = loaded->chat_template = mem_strdup(chat_template);
    if (!loaded->chat_template) return fail_no_memory(err, strlen(chat_template));
    return chat_open_source(m->tokenizer, chat_template, &m->chat, err);
}

static bn_status open_loaded(struct loaded *loaded, const char *chat_template, bn_error *err) {
    const struct models_options *options = &loaded->owner->options;
    struct model *m = &loaded->public;
    m->info.size = sizeof m->info;
    m->defaults.size = sizeof m->defaults;
    m->loaded_at = (int64_t)time(NULL);
    bn_status status = bn_model_open(loaded->path, &options->model, &m->model, err);
    if (!status) {
        bn_model_get_info(m->model, &m->info);
        bn_model_get_generation_defaults(m->model, &m->defaults);
        m->tokenizer = bn_model_tokenizer(m->model);
        if (m->tokenizer) status = bn_token_bytes_create(m->tokenizer, &m->token_bytes, err);
        if (m->tokenizer && !status) status = literal_text_create(m->tokenizer, &m->literal, err);
    }
    if (!status) status = grammar_cache_create(options->grammar_bytes, &m->grammars, err);
    if (!status) status = preset_read(loaded->path, &loaded->preset, err);
    m->preset = loaded->preset;
    if (!status) status = open_chat(loaded, chat_template, err);
    return status ? status : open_engine(loaded, options, err);
}

/* One user less; under the lock. What nobody uses any more is given back, to be retired without the lock. */
static struct loaded *drop_user(struct loaded *loaded) {
    return loaded && --loaded->n_users == 0 ? loaded : NULL;
}

/* Under the lock. */
static void set_state(struct models *models, struct entry *entry, enum model_state state) {
    entry->state = state;
    if (models->watch) models->watch(models->watch_context, entry->name, state);
}

/* The entry stops showing its model; under the lock. */
static struct loaded *detach(struct entry *entry) {
    struct loaded *loaded = entry->loaded;
    entry->loaded = NULL;
    if (entry->state == MODEL_LOADED) set_state(loaded->owner, entry, MODEL_UNLOADED);
    if (loaded) entry->idle_ms = models_default_idle_ms(loaded->owner);
    return drop_user(loaded);
}

/* Destroys a model that nobody uses, and counts its memory as free. */
static void *retire(void *context) {
    struct loaded *loaded = context;
    if (!loaded) return NULL;
    struct models *models = loaded->owner;
    uint64_t bytes = loaded->memory_bytes;
    destroy_loaded(loaded);
    pthread_mutex_lock(&models->lock);
    models->bytes -= bytes;
    models->n_loaded--;
    pthread_cond_broadcast(&models->changed);
    pthread_mutex_unlock(&models->lock);
    return NULL;
}

/* The entry that shows a model, or NULL; under the lock. */
static struct entry *entry_of_loaded(const struct models *models, const struct loaded *loaded) {
    for (size_t i = 0; i < models->n_entries; i++)
        if (models->entries[i]->loaded == loaded) return models->entries[i];
    return NULL;
}

/* When the entry's model is to leave memory; UINT64_MAX: it isn't there, in use, or to stay. */
static uint64_t expiry_ns(const struct entry *entry) {
    if (!entry->loaded || entry->loaded->n_users > 1 || entry->idle_ms == MODELS_FOREVER) return UINT64_MAX;
    return entry->last_used_ns + entry->idle_ms * 1000000;
}

/* The janitor looks in time; under the lock. */
static void watch_idle(struct models *models, const struct entry *entry) {
    if (expiry_ns(entry) < models->wake_ns) pthread_cond_signal(&models->idle);
}

/* The last user may be the engine's own thread, which can't wait for its end: another one does. */
void model_release(const struct model *model) {
    if (!model) return;
    struct loaded *loaded = (struct loaded *)(void *)model;
    struct models *models = loaded->owner;
    pthread_t thread;
    pthread_mutex_lock(&models->lock);
    struct entry *entry = entry_of_loaded(models, loaded);
    if (entry) entry->last_used_ns = clock_now_ns();
    loaded = drop_user(loaded);
    if (entry) watch_idle(models, entry);
    pthread_mutex_unlock(&models->lock);
    if (!loaded) return;
    if (pthread_create(&thread, NULL, retire, loaded) == 0) pthread_detach(thread);
    /* without a thread it stays in memory, counted as such: nothing better is possible */
}

/* ---- names ---- */

static void destroy_entry(struct entry *entry) {
    if (!entry) return;
    mem_free(entry->name);
    mem_free(entry->source);
    mem_free(entry->path);
    mem_free(entry->chat_template);
    mem_free(entry);
}

static struct entry *create_entry(const struct models *models, const char *name, const char *source,
                                  const char *chat_template, bn_error *err) {
    struct entry *entry = mem_calloc(1, sizeof *entry);
    if (entry) {
        entry->idle_ms = models_default_idle_ms(models);
        entry->name = mem_strdup(name);
        entry->source = mem_strdup(source);
        entry->chat_template = chat_template ? mem_strdup(chat_template) : NULL;
    }
    if (entry && entry->name && entry->source && (entry->chat_template || !chat_template)) return entry;
    destroy_entry(entry);
    fail_no_memory(err, sizeof *entry);
    return NULL;
}

static struct entry *find_entry(struct models *models, const char *name) {
    for (size_t i = 0; i < models->n_entries; i++) {
        if (strcmp(models->entries[i]->name, name) == 0) return models->entries[i];
    }
    return NULL;
}

/* Likewise, where a client may know the name from Ollama's routes, which write NAME:latest; *name: without it. */
static struct entry *find_named(struct models *models, const char **name, char plain[256]) {
    static const char latest[] = ":latest";
    struct entry *entry = find_entry(models, *name);
    size_t n = strlen(*name);
    if (entry || n < sizeof latest || n >= 256 || strcmp(*name + n - (sizeof latest - 1), latest) != 0) return entry;
    snprintf(plain, 256, "%.*s", (int)(n - (sizeof latest - 1)), *name);
    *name = plain;
    return find_entry(models, plain);
}

static bn_status add_entry(struct models *models, struct entry *entry, bn_error *err) {
    if (models->n_entries == MAX_NAMES) return fail(err, BN_STATUS_BUSY, "%d names of models are known", MAX_NAMES);
    struct entry **entries = mem_realloc_array(models->entries, models->n_entries + 1, sizeof(struct entry *));
    if (!entries) return fail_no_memory(err, sizeof(struct entry *));
    models->entries = entries;
    entries[models->n_entries++] = entry;
    return BN_OK;
}

static void free_models(struct models *models) {
    mem_free(models->entries);
    pthread_cond_destroy(&models->changed);
    pthread_cond_destroy(&models->idle);
    pthread_mutex_destroy(&models->lock);
    mem_free(models);
}

/* The entry whose model leaves memory next, or NULL; under the lock. */
static struct entry *next_to_expire(const struct models *models) {
    struct entry *next = NULL;
    for (size_t i = 0; i < models->n_entries; i++)
        if (expiry_ns(models->entries[i]) < (next ? expiry_ns(next) : UINT64_MAX)) next = models->entries[i];
    return next;
}

static void wait_until(struct models *models, uint64_t ns) {
    models->wake_ns = ns;
    const struct timespec until = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    if (ns == UINT64_MAX)
        pthread_cond_wait(&models->idle, &models->lock);
    else
        pthread_cond_timedwait(&models->idle, &models->lock, &until);
}

static void *run_janitor(void *context) {
    struct models *models = context;
    pthread_mutex_lock(&models->lock);
    while (!models->stopping) {
        struct entry *entry = next_to_expire(models);
        uint64_t ns = entry ? expiry_ns(entry) : UINT64_MAX;
        if (ns > clock_now_ns()) {
            wait_until(models, ns);
            continue;
        }
        struct loaded *loaded = detach(entry);
        pthread_mutex_unlock(&models->lock);
        retire(loaded);
        pthread_mutex_lock(&models->lock);
    }
    pthread_mutex_unlock(&models->lock);
    return NULL;
}

/* Before metrics are shown. */
static void set_gauges(void *context) {
    struct models *models = context;
    pthread_mutex_lock(&models->lock);
    for (size_t i = 0; i < models->n_entries; i++) {
        const struct loaded *loaded = models->entries[i]->loaded;
        if (loaded) model_metrics_set_gauges(loaded->public.metrics, loaded->public.engine);
    }
    pthread_mutex_unlock(&models->lock);
}

bn_status models_create(const struct models_options *options, struct models **out, bn_error *err) {
    struct models *models = mem_calloc(1, sizeof *models);
    pthread_condattr_t monotonic;
    if (!models) return fail_no_memory(err, sizeof *models);
    models->options = *options;
    models->wake_ns = UINT64_MAX;
    pthread_mutex_init(&models->lock, NULL);
    pthread_cond_init(&models->changed, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&models->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&models->janitor, NULL, run_janitor, models) == 0) {
        if (options->metrics) metrics_on_collect(options->metrics, set_gauges, models);
        *out = models;
        return BN_OK;
    }
    free_models(models);
    return fail(err, BN_STATUS_NO_MEMORY, "the system refuses another thread");
}

void models_destroy(struct models *models) {
    if (!models) return;
    pthread_mutex_lock(&models->lock);
    models->stopping = true;
    pthread_cond_signal(&models->idle);
    pthread_mutex_unlock(&models->lock);
    pthread_join(models->janitor, NULL);
    for (size_t i = 0; i < models->n_entries; i++) {
        retire(detach(models->entries[i]));
        destroy_entry(models->entries[i]);
    }
    pthread_mutex_lock(&models->lock); /* for those that are being retired */
    while (models->n_loaded) pthread_cond_wait(&models->changed, &models->lock);
    pthread_mutex_unlock(&models->lock);
    free_models(models);
}

uint64_t models_default_idle_ms(const struct models *models) {
    return models->options.idle_ms ? models->options.idle_ms : MODELS_FOREVER;
}

bool models_known_only(const struct models *models) {
    return models->options.known_only;
}

void models_watch(struct models *models, model_state_watch watch, void *context) {
    pthread_mutex_lock(&models->lock);
    models->watch = watch;
    models->watch_context = context;
    pthread_mutex_unlock(&models->lock);
}

void models_tell_states(struct models *models, model_state_watch tell, void *context) {
    pthread_mutex_lock(&models->lock);
    for (size_t i = 0; i < models->n_entries; i++) tell(context, models->entries[i]->name, models->entries[i]->state);
    pthread_mutex_unlock(&models->lock);
}

const char *model_state_name(enum model_state state) {
    static const char *const names[] = {"unloaded", "loading", "loaded", "failed"};
    return names[state];
}

void models_keep(struct models *models, const struct model *model, uint64_t idle_ms) {
    pthread_mutex_lock(&models->lock);
    struct entry *entry = entry_of_loaded(models, (const struct loaded *)(const void *)model);
    if (entry) entry->idle_ms = idle_ms;
    pthread_mutex_unlock(&models->lock);
}

/* ---- loading ---- */

struct folder_size {
    const char *folder;
    uint64_t *bytes;
};

/* The model in memory that nobody but its entry uses and that was used longest ago; under the lock. */
static struct entry *least_recent(const struct models *models) {
    struct entry *least = NULL;
    for (size_t i = 0; i < models->n_entries; i++) {
        struct entry *entry = models->entries[i];
        if (!entry->loaded || entry->loaded->n_users > 1) continue;
        if (!least || entry->last_used_ns < least->last_used_ns) least = entry;
    }
    return least;
}

static bn_status add_file_bytes(void *context, const char *relative_path, bn_error *err) {
    const struct folder_size *size = context;
    char *path = path_join(size->folder, relative_path);
    if (!path) return fail_no_memory(err, strlen(relative_path));
    *size->bytes += file_identify(path).size;
    mem_free(path);
    return BN_OK;
}

/* Of a file, or of all files of a folder: a first guess at the memory that a model takes. */
static uint64_t bytes_of(const char *path) {
    uint64_t bytes = 0;
    struct folder_size size = {path, &bytes};
    if (!file_is_directory(path)) return file_identify(path).size;
    (void)folder_visit(path, MAX_MODEL_FILES, add_file_bytes, &size, NULL); /* opening it says what is wrong */
    return bytes;
}

/* The entry shows the model; under the lock. */
static void attach(struct models *models, struct entry *entry, struct loaded *loaded) {
    char *path = mem_strdup(loaded->path);
    if (path) {
        mem_free(entry->path);
        entry->path = path;
    }
    entry->loaded = loaded;
    set_state(models, entry, MODEL_LOADED);
    entry->last_used_ns = clock_now_ns();
    models->bytes += loaded->memory_bytes;
}

static bool has_room(const struct models *models, size_t n_others, uint64_t bytes) {
    const struct models_options *o = &models->options;
    return (!o->max_loaded || n_others < o->max_loaded) &&
           (!o->max_bytes || n_others == 0 || models->bytes + bytes <= o->max_bytes);
}

/* Unloads what isn't used until a model of so many bytes finds room; counted: n_loaded has it. Under the lock, which it
 * gives up meanwhile. */
static bn_status make_room(struct models *models, bool counted, uint64_t bytes, bn_error *err) {
    while (!has_room(models, models->n_loaded - counted, bytes)) {
        struct entry *victim = least_recent(models);
        if (!victim)
            return fail(err, BN_STATUS_BUSY, "%zu models are in use and there is no room for another",
                        models->n_loaded - counted);
        struct loaded *loaded = detach(victim);
        pthread_mutex_unlock(&models->lock);
        retire(loaded);
        pthread_mutex_lock(&models->lock);
    }
    return BN_OK;
}

/* Loads what the entry stands for and shows it, if there is room: first by its file's size, then by what it takes with its
 * caches. Under the lock, which it gives up while it works. */
static bn_status load(struct models *models, struct entry *entry, bn_error *err) {
    struct loaded *loaded = NULL;
    set_state(models, entry, MODEL_LOADING);
    pthread_mutex_unlock(&models->lock);
    bn_status status = create_loaded(models, entry, &loaded, &entry->error);
    uint64_t bytes = status ? 0 : bytes_of(loaded->path);
    pthread_mutex_lock(&models->lock);
    if (!status) status = make_room(models, false, bytes, &entry->error);
    if (!status) {
        models->n_loaded++;
        pthread_mutex_unlock(&models->lock);
        status = open_loaded(loaded, entry->chat_template, &entry->error);
        pthread_mutex_lock(&models->lock);
        if (!status) status = make_room(models, true, loaded->memory_bytes, &entry->error);
        if (status) models->n_loaded--;
    }
    if (status && err) *err = entry->error;
    if (status) destroy_loaded(loaded);
    if (status)
        set_state(models, entry, status == BN_STATUS_BUSY ? MODEL_UNLOADED : MODEL_FAILED);
    else
        attach(models, entry, loaded);
    pthread_cond_broadcast(&models->changed);
    return status;
}

/* The entry of a name that a client gave; under the lock. */
static struct entry *entry_of(struct models *models, const char *name, bn_error *err) {
    char plain[256];
    struct entry *entry = find_named(models, &name, plain);
    if (entry) return entry;
    bool anonymous = models->options.known_only || !*name;
    if (anonymous && models->n_entries == 1) return models->entries[0];
    if (anonymous && !*name) fail(err, BN_STATUS_NOT_FOUND, "'model' is needed: GET /v1/models lists those there are");
    if (anonymous && *name)
        fail(err, BN_STATUS_NOT_FOUND, "The model '%s' does not exist: GET /v1/models lists those there are", name);
    if (anonymous) return NULL;
    entry = create_entry(models, name, name, NULL, err);
    if (!entry || !add_entry(models, entry, err)) return entry;
    destroy_entry(entry);
    return NULL;
}

/* Under the lock. */
static void remove_entry(struct models *models, struct entry *entry) {
    size_t i = 0;
    while (i < models->n_entries && models->entries[i] != entry) i++;
    if (i == models->n_entries) return;
    memmove(models->entries + i, models->entries + i + 1, (models->n_entries - i - 1) * sizeof(struct entry *));
    models->n_entries--;
    destroy_entry(entry);
}

/* A name that turned out to stand for nothing is forgotten; under the lock. */
static void forget(struct models *models, struct entry *entry) {
    if (!entry->path && !models->options.known_only) remove_entry(models, entry);
}

bn_status models_acquire(struct models *models, const char *name, const struct model **out, bn_error *err) {
    bn_status status = BN_OK;
    pthread_mutex_lock(&models->lock);
    struct entry *entry = entry_of(models, name, err);
    while (entry && entry->state == MODEL_LOADING) {
        pthread_cond_wait(&models->changed, &models->lock);
        entry = entry_of(models, name, err); /* it may have been forgotten */
    }
    if (!entry)
        status = err ? err->status : BN_STATUS_NOT_FOUND;
    else if (!entry->loaded)
        status = load(models, entry, err);
    if (status == BN_STATUS_NOT_FOUND && entry) {
        forget(models, entry);
    } else if (entry && entry->loaded) {
        status = BN_OK;
        entry->loaded->n_users++;
        entry->last_used_ns = clock_now_ns();
        *out = &entry->loaded->public;
    }
    pthread_mutex_unlock(&models->lock);
    return status;
}

static void exchange_sources(struct entry *a, struct entry *b) {
    const struct entry before = *a;
    a->source = b->source;
    a->chat_template = b->chat_template;
    a->path = b->path;
    b->source = before.source;
    b->chat_template = before.chat_template;
    b->path = before.path;
}

/* Where it lies now. */
static bn_status find_path(const struct models *models, struct entry *entry, bn_error *err) {
    int lease = -1;
    bn_status status = resolve(models, entry->source, &entry->path, &lease, err);
    if (lease >= 0) close(lease);
    return status;
}

/* Loads the new model beside the old one, then exchanges them. */
static bn_status replace(struct models *models, struct entry *entry, struct entry *with, bn_error *err) {
    struct loaded *loaded, *old;
    bn_status status = create_loaded(models, with, &loaded, err);
    if (status) return status;
    status = open_loaded(loaded, with->chat_template, err);
    if (status) {
        destroy_loaded(loaded);
        return status;
    }
    pthread_mutex_lock(&models->lock);
    while (entry->state == MODEL_LOADING) pthread_cond_wait(&models->changed, &models->lock);
    set_state(models, entry, MODEL_LOADING); /* it never was unloaded */
    old = detach(entry);
    models->n_loaded++;
    attach(models, entry, loaded);
    exchange_sources(entry, with);
    pthread_mutex_unlock(&models->lock);
    retire(old);
    return BN_OK;
}

bn_status models_set(struct models *models, const char *name, const char *source, const char *chat_template,
                     bn_error *err) {
    struct entry *fresh = create_entry(models, name, source, chat_template, err);
    if (!fresh) return BN_STATUS_NO_MEMORY;
    bn_status status = find_path(models, fresh, err);
    if (status) {
        destroy_entry(fresh);
        return status;
    }
    pthread_mutex_lock(&models->lock);
    struct entry *known = find_entry(models, name);
    while (known && known->state == MODEL_LOADING) {
        pthread_cond_wait(&models->changed, &models->lock);
        known = find_entry(models, name);
    }
    status = known ? BN_OK : add_entry(models, fresh, err);
    bool used = !known && !status;
    bool swap = known && known->loaded;
    if (known && !swap) exchange_sources(known, fresh);
    pthread_mutex_unlock(&models->lock);
    if (swap) status = replace(models, known, fresh, err);
    if (!used) destroy_entry(fresh);
    return status;
}

bn_status models_reload(struct models *models, const char *name, bn_error *err) {
    pthread_mutex_lock(&models->lock);
    const struct entry *entry = find_entry(models, name);
    char *source = entry ? mem_strdup(entry->source) : NULL;
    char *chat_template = entry && entry->chat_template ? mem_strdup(entry->chat_template) : NULL;
    bool known = entry != NULL, whole = source && (!entry->chat_template || chat_template);
    pthread_mutex_unlock(&models->lock);
    bn_status status = !known  ? fail(err, BN_STATUS_NOT_FOUND, "The model '%s' does not exist", name)
                       : whole ? models_set(models, name, source, chat_template, err)
                               : fail_no_memory(err, 256);
    mem_free(source);
    mem_free(chat_template);
    return status;
}

bn_status models_unload(struct models *models, const char *name, bn_error *err) {
    pthread_mutex_lock(&models->lock);
    struct entry *entry = find_entry(models, name);
    struct loaded *loaded = entry ? detach(entry) : NULL;
    pthread_mutex_unlock(&models->lock);
    retire(loaded);
    return entry ? BN_OK : fail(err, BN_STATUS_NOT_FOUND, "The model '%s' does not exist", name);
}

bn_status models_remove(struct models *models, const char *name, bn_error *err) {
    struct loaded *loaded = NULL;
    pthread_mutex_lock(&models->lock);
    struct entry *entry = find_entry(models, name);
    while (entry && entry->state == MODEL_LOADING) {
        pthread_cond_wait(&models->changed, &models->lock);
        entry = find_entry(models, name);
    }
    bool known = entry != NULL;
    if (known) {
        loaded = detach(entry);
        remove_entry(models, entry);
    }
    pthread_mutex_unlock(&models->lock);
    retire(loaded);
    return known ? BN_OK : fail(err, BN_STATUS_NOT_FOUND, "The model '%s' does not exist", name);
}

/* ---- showing ---- */

static void describe_file(const char *name, const char *path, struct model_status *out) {
    *out = (struct model_status){.state = MODEL_UNLOADED, .idle_expires_ms = UINT64_MAX};
    snprintf(out->name, sizeof out->name, "%s", name);
    if (!path) return;
    snprintf(out->path, sizeof out->path, "%s", path);
    out->created = file_identify(path).modified_ns / 1000000000;
    out->file_bytes = bytes_of(path);
}

static void describe(const struct entry *entry, struct model_status *out) {
    describe_file(entry->name, entry->path, out);
    out->state = entry->state;
    if (!entry->loaded) return;
    out->memory_bytes = entry->loaded->memory_bytes;
    out->context_length = entry->loaded->public.context_length;
    out->n_users = entry->loaded->n_users - 1;
    if (entry->idle_ms == MODELS_FOREVER) return;
    uint64_t idle_ms = out->n_users ? 0 : (clock_now_ns() - entry->last_used_ns) / 1000000;
    out->idle_expires_ms = idle_ms < entry->idle_ms ? entry->idle_ms - idle_ms : 0;
}

struct status_list {
    struct model_status *rows;
    size_t n;
    bool failed;
};

static void add_visited(void *context, const char *name, const char *path) {
    struct status_list *list = context;
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->rows[i].name, name) == 0) return;
    struct model_status *rows = mem_realloc_array(list->rows, list->n + 1, sizeof *rows);
    if (rows) {
        list->rows = rows;
        describe_file(name, path, &rows[list->n++]);
    } else {
        list->failed = true;
    }
}

bn_status models_list(struct models *models, struct model_status **out, size_t *n, bn_error *err) {
    pthread_mutex_lock(&models->lock);
    struct status_list list = {.n = models->n_entries};
    list.rows = mem_alloc_array(list.n + 1, sizeof *list.rows);
    for (size_t i = 0; list.rows && i < list.n; i++) describe(models->entries[i], &list.rows[i]);
    pthread_mutex_unlock(&models->lock);
    if (list.rows && models->options.visit && !models->options.known_only) models->options.visit(add_visited, &list);
    *out = list.rows;
    *n = list.n;
    if (list.rows && !list.failed) return BN_OK;
    mem_free(list.rows);
    return fail_no_memory(err, (list.n + 1) * sizeof *list.rows);
}

bool models_find(struct models *models, const char *name, struct model_status *out) {
    char plain[256];
    pthread_mutex_lock(&models->lock);
    const struct entry *entry = find_named(models, &name, plain);
    if (entry) describe(entry, out);
    pthread_mutex_unlock(&models->lock);
    return entry != NULL;
}

bool models_find_listed(struct models *models, const char *name, struct model_status *out) {
    struct model_status *list;
    size_t n;
    bool found = false;
    if (models_list(models, &list, &n, NULL)) return false;
    for (size_t i = 0; i < n && !found; i++) {
        found = strcmp(list[i].name, name) == 0 && *list[i].path;
        if (found) *out = list[i];
    }
    mem_free(list);
    return found;
}
