#include "server/models.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#define DEFAULT_MAX_QUEUED 1024
#define MAX_NAMES          1024 /* that a resolver may add */

/* A model in memory with its count of users: the entry that shows it is one. */
struct loaded {
    struct model public; /* first: public pointers are pointers to it */
    struct models *owner;
    char *name, *path;
    size_t n_users; /* guarded by the owner's lock */
    uint64_t memory_bytes;
};

struct entry {
    char *name, *source, *chat_template;
    char *path; /* of the source when it was last loaded; NULL: it wasn't yet */
    enum model_state state;
    struct loaded *loaded; /* NULL unless LOADED */
    uint64_t last_used_ns;
    bn_error error; /* of FAILED */
};

struct models {
    struct models_options options;
    pthread_t janitor; /* unloads idle models, if they are to be */
    bool stopping;     /* guarded by lock */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* an entry stopped loading */
    struct entry **entries;
    size_t n_entries, n_loaded; /* n_loaded: models in memory or about to be */
    uint64_t bytes;             /* of models in memory */
};

/* ---- one model ---- */

static void destroy_loaded(struct loaded *loaded) {
    if (!loaded) return;
    engine_loop_destroy(loaded->public.loop);
    bn_engine_destroy(loaded->public.engine);
    chat_close(loaded->public.chat);
    bn_token_bytes_destroy(loaded->public.token_bytes);
    bn_model_close(loaded->public.model);
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
    loaded->memory_bytes = m->info.weight_bytes + m->info.resident_bytes + stats.kv_bytes;
    size_t max_jobs = options->max_queued ? options->max_queued : DEFAULT_MAX_QUEUED;
    return engine_loop_create(m->engine, max_jobs, &m->loop, err);
}

static bn_status resolve(const struct models *models, const char *source, char **path, bn_error *err) {
    if (models->options.resolve) return models->options.resolve(models->options.resolve_context, source, path, err);
    *path = mem_strdup(source);
    return *path ? BN_OK : fail_no_memory(err, strlen(source));
}

static bn_status open_loaded(struct models *models, const struct entry *entry, struct loaded **out, bn_error *err) {
    struct loaded *loaded = mem_calloc(1, sizeof *loaded);
    if (!loaded) return fail_no_memory(err, sizeof *loaded);
    struct model *m = &loaded->public;
    loaded->owner = models;
    loaded->n_users = 1; /* the entry */
    m->info.size = sizeof m->info;
    m->defaults.size = sizeof m->defaults;
    m->loaded_at = (int64_t)time(NULL);
    m->name = loaded->name = mem_strdup(entry->name);
    bn_status status =
        loaded->name ? resolve(models, entry->source, &loaded->path, err) : fail_no_memory(err, strlen(entry->name));
    if (!status) status = bn_model_open(loaded->path, &models->options.model, &m->model, err);
    if (!status) {
        bn_model_get_info(m->model, &m->info);
        bn_model_get_generation_defaults(m->model, &m->defaults);
        m->tokenizer = bn_model_tokenizer(m->model);
        if (m->tokenizer) status = bn_token_bytes_create(m->tokenizer, &m->token_bytes, err);
    }
    if (!status && m->tokenizer)
        status = entry->chat_template ? chat_open_source(m->tokenizer, entry->chat_template, &m->chat, err)
                                      : chat_open(m->tokenizer, &m->chat, err);
    if (!status) status = open_engine(loaded, &models->options, err);
    if (status)
        destroy_loaded(loaded);
    else
        *out = loaded;
    return status;
}

/* One user less; under the lock. What nobody uses any more is given back, to be retired without the lock. */
static struct loaded *drop_user(struct loaded *loaded) {
    return loaded && --loaded->n_users == 0 ? loaded : NULL;
}

/* The entry stops showing its model; under the lock. */
static struct loaded *detach(struct entry *entry) {
    struct loaded *loaded = entry->loaded;
    entry->loaded = NULL;
    if (entry->state == MODEL_LOADED) entry->state = MODEL_UNLOADED;
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

/* The last user may be the engine's own thread, which can't wait for its end: another one does. */
void model_release(const struct model *model) {
    if (!model) return;
    struct loaded *loaded = (struct loaded *)(void *)model;
    struct models *models = loaded->owner;
    pthread_t thread;
    pthread_mutex_lock(&models->lock);
    for (size_t i = 0; i < models->n_entries; i++) {
        if (models->entries[i]->loaded == loaded) models->entries[i]->last_used_ns = clock_now_ns();
    }
    loaded = drop_user(loaded);
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

static struct entry *create_entry(const char *name, const char *source, const char *chat_template, bn_error *err) {
    struct entry *entry = mem_calloc(1, sizeof *entry);
    if (entry) {
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

static bn_status add_entry(struct models *models, struct entry *entry, bn_error *err) {
    if (models->n_entries == MAX_NAMES) return fail(err, BN_STATUS_BUSY, "%d names of models are known", MAX_NAMES);
    struct entry **entries = mem_realloc_array(models->entries, models->n_entries + 1, sizeof(struct entry *));
    if (!entries) return fail_no_memory(err, sizeof(struct entry *));
    models->entries = entries;
    entries[models->n_entries++] = entry;
    return BN_OK;
}

static void expire(struct models *models);

static void *run_janitor(void *context) {
    struct models *models = context;
    pthread_mutex_lock(&models->lock);
    while (!models->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&models->changed, &models->lock, &until);
        pthread_mutex_unlock(&models->lock);
        expire(models);
        pthread_mutex_lock(&models->lock);
    }
    pthread_mutex_unlock(&models->lock);
    return NULL;
}

bn_status models_create(const struct models_options *options, struct models **out, bn_error *err) {
    struct models *models = mem_calloc(1, sizeof *models);
    if (!models) return fail_no_memory(err, sizeof *models);
    models->options = *options;
    pthread_mutex_init(&models->lock, NULL);
    pthread_cond_init(&models->changed, NULL);
    *out = models;
    if (!options->idle_ms || pthread_create(&models->janitor, NULL, run_janitor, models) == 0) return BN_OK;
    models->options.idle_ms = 0;
    models_destroy(models);
    *out = NULL;
    return fail(err, BN_STATUS_NO_MEMORY, "the system refuses another thread");
}

void models_destroy(struct models *models) {
    if (!models) return;
    if (models->options.idle_ms) {
        pthread_mutex_lock(&models->lock);
        models->stopping = true;
        pthread_cond_broadcast(&models->changed);
        pthread_mutex_unlock(&models->lock);
        pthread_join(models->janitor, NULL);
    }
    for (size_t i = 0; i < models->n_entries; i++) {
        retire(detach(models->entries[i]));
        destroy_entry(models->entries[i]);
    }
    pthread_mutex_lock(&models->lock); /* for those that are being retired */
    while (models->n_loaded) pthread_cond_wait(&models->changed, &models->lock);
    pthread_mutex_unlock(&models->lock);
    mem_free(models->entries);
    pthread_cond_destroy(&models->changed);
    pthread_mutex_destroy(&models->lock);
    mem_free(models);
}

/* ---- loading ---- */

/* The model in memory that nobody but its entry uses and that was used longest ago; under the lock. */
static struct entry *least_recent(struct models *models) {
    struct entry *least = NULL;
    for (size_t i = 0; i < models->n_entries; i++) {
        struct entry *entry = models->entries[i];
        if (!entry->loaded || entry->loaded->n_users > 1) continue;
        if (!least || entry->last_used_ns < least->last_used_ns) least = entry;
    }
    return least;
}

static uint64_t file_bytes(const char *path) {
    struct stat st;
    return !path || stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

/* The entry shows the model; under the lock. */
static void attach(struct models *models, struct entry *entry, struct loaded *loaded) {
    char *path = mem_strdup(loaded->path);
    if (path) {
        mem_free(entry->path);
        entry->path = path;
    }
    entry->loaded = loaded;
    entry->state = MODEL_LOADED;
    entry->last_used_ns = clock_now_ns();
    models->bytes += loaded->memory_bytes;
}

static bool has_room(const struct models *models, uint64_t bytes) {
    const struct models_options *o = &models->options;
    return (!o->max_loaded || models->n_loaded < o->max_loaded) &&
           (!o->max_bytes || models->n_loaded == 0 || models->bytes + bytes <= o->max_bytes);
}

/* Unloads what isn't used until a model of so many bytes finds room. Under the lock, which it gives up meanwhile. */
static bn_status make_room(struct models *models, uint64_t bytes, bn_error *err) {
    while (!has_room(models, bytes)) {
        struct entry *victim = least_recent(models);
        if (!victim)
            return fail(err, BN_STATUS_BUSY, "%zu models are in use and there is no room for another",
                        models->n_loaded);
        struct loaded *loaded = detach(victim);
        pthread_mutex_unlock(&models->lock);
        retire(loaded);
        pthread_mutex_lock(&models->lock);
    }
    return BN_OK;
}

/* Loads what the entry stands for and shows it. Under the lock, which it gives up while it works. */
static bn_status load(struct models *models, struct entry *entry, bn_error *err) {
    struct loaded *loaded = NULL;
    entry->state = MODEL_LOADING;
    bn_status status = make_room(models, file_bytes(entry->path), err);
    bool refused = status == BN_STATUS_BUSY;
    if (!status) {
        models->n_loaded++;
        pthread_mutex_unlock(&models->lock);
        status = open_loaded(models, entry, &loaded, &entry->error);
        pthread_mutex_lock(&models->lock);
        if (status) models->n_loaded--;
        if (status && err) *err = entry->error;
    }
    entry->state = refused ? MODEL_UNLOADED : MODEL_FAILED;
    if (loaded) attach(models, entry, loaded);
    pthread_cond_broadcast(&models->changed);
    return status;
}

/* The entry of a name that a client gave; under the lock. */
static struct entry *entry_of(struct models *models, const char *name, bn_error *err) {
    struct entry *entry = find_entry(models, name);
    if (entry) return entry;
    bool anonymous = models->options.known_only || !*name;
    if (anonymous && models->n_entries == 1) return models->entries[0];
    if (anonymous) {
        fail(err, BN_STATUS_NOT_FOUND, "The model '%s' does not exist: GET /v1/models lists those there are", name);
        return NULL;
    }
    entry = create_entry(name, name, NULL, err);
    if (!entry || !add_entry(models, entry, err)) return entry;
    destroy_entry(entry);
    return NULL;
}

/* A name that turned out to stand for nothing is forgotten; under the lock. */
static void forget(struct models *models, struct entry *entry) {
    size_t i = 0;
    while (i < models->n_entries && models->entries[i] != entry) i++;
    if (i == models->n_entries || entry->path || models->options.known_only) return;
    memmove(models->entries + i, models->entries + i + 1, (models->n_entries - i - 1) * sizeof(struct entry *));
    models->n_entries--;
    destroy_entry(entry);
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
    char *source = a->source, *chat_template = a->chat_template;
    a->source = b->source;
    a->chat_template = b->chat_template;
    b->source = source;
    b->chat_template = chat_template;
}

/* Loads the new model beside the old one, then exchanges them. */
static bn_status replace(struct models *models, struct entry *entry, struct entry *with, bn_error *err) {
    struct loaded *loaded, *old;
    bn_status status = open_loaded(models, with, &loaded, err);
    if (status) return status;
    pthread_mutex_lock(&models->lock);
    while (entry->state == MODEL_LOADING) pthread_cond_wait(&models->changed, &models->lock);
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
    struct entry *fresh = create_entry(name, source, chat_template, err);
    if (!fresh) return BN_STATUS_NO_MEMORY;
    pthread_mutex_lock(&models->lock);
    struct entry *known = find_entry(models, name);
    while (known && known->state == MODEL_LOADING) {
        pthread_cond_wait(&models->changed, &models->lock);
        known = find_entry(models, name);
    }
    bn_status status = known ? BN_OK : add_entry(models, fresh, err);
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

/* Takes models out of memory that were idle for too long. */
static void expire(struct models *models) {
    uint64_t idle_ns = (uint64_t)models->options.idle_ms * 1000000, now_ns = clock_now_ns();
    for (bool any = true; any;) {
        pthread_mutex_lock(&models->lock);
        struct entry *entry = least_recent(models);
        any = entry && entry->last_used_ns + idle_ns < now_ns;
        struct loaded *loaded = any ? detach(entry) : NULL;
        pthread_mutex_unlock(&models->lock);
        retire(loaded);
    }
}

/* ---- showing ---- */

static void describe(const struct models *models, const struct entry *entry, struct model_status *out) {
    struct stat st;
    *out = (struct model_status){.state = entry->state, .idle_expires_ms = UINT64_MAX};
    strncpy(out->name, entry->name, sizeof out->name - 1);
    if (!entry->path) return;
    strncpy(out->path, entry->path, sizeof out->path - 1);
    if (stat(entry->path, &st) == 0) {
        out->created = (int64_t)st.st_mtime;
        out->file_bytes = (uint64_t)st.st_size;
    }
    if (!entry->loaded) return;
    out->memory_bytes = entry->loaded->memory_bytes;
    out->n_users = entry->loaded->n_users - 1;
    if (!models->options.idle_ms) return;
    uint64_t idle_ms = (clock_now_ns() - entry->last_used_ns) / 1000000;
    out->idle_expires_ms = idle_ms < models->options.idle_ms ? models->options.idle_ms - idle_ms : 0;
}

bn_status models_list(struct models *models, struct model_status **out, size_t *n, bn_error *err) {
    pthread_mutex_lock(&models->lock);
    *n = models->n_entries;
    *out = mem_alloc_array(*n, sizeof **out);
    for (size_t i = 0; *out && i < *n; i++) describe(models, models->entries[i], &(*out)[i]);
    pthread_mutex_unlock(&models->lock);
    return *out ? BN_OK : fail_no_memory(err, *n * sizeof **out);
}

bool models_find(struct models *models, const char *name, struct model_status *out) {
    pthread_mutex_lock(&models->lock);
    struct entry *entry = find_entry(models, name);
    if (entry) describe(models, entry, out);
    pthread_mutex_unlock(&models->lock);
    return entry != NULL;
}
