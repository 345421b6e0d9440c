/* The models that a server has: which names it knows, which of them are in memory, and who uses them.
 *
 * A name stands for a source: a path, or what the resolver makes one of (a model of the registry). A request acquires the
 * name's model, which loads it if need be, and releases it when it is answered; a model in memory lives until nobody
 * holds it. So replacing what a name stands for never fails a request: who
 * comes later gets the new model, who holds the old one finishes with it.
 *
 * Thread-safe. models_acquire may block for as long as loading takes: call it on worker threads. */
#ifndef SERVER_MODELS_H
#define SERVER_MODELS_H

#include "base/json.h"
#include "bitnet/bitnet.h"
#include "server/engine_loop.h"
#include "server/grammar_cache.h"
#include "server/model_metrics.h"
#include "tokenizer/template/chat.h"

struct models;

struct models_options {
    bn_model_options model;
    bn_engine_options engine;
    size_t max_queued;    /* requests per model that run or wait; more are answered 429; 0 = 1024 */
    size_t max_loaded;    /* at once; those that nobody uses make room; 0 = as many as fit */
    uint64_t max_bytes;   /* of weights and KV caches together; 0 = no bound of its own */
    size_t grammar_bytes; /* of compiled grammars that a model keeps; 0: none */
    unsigned idle_ms;     /* in memory after the last use; 0 = for ever */
    bool known_only;      /* names that weren't set are errors; else they are sources themselves */
    /* The path of a source; *path is mem_free'd. Asked each time a model is loaded. *lease: -1, or a descriptor that keeps
     * it there, closed when the model has left memory. NULL: sources are paths. */
    bn_status (*resolve)(void *context, const char *name, char **path, int *lease, bn_error *err);
    /* Calls visit for the names that could be sources, and their paths. NULL: nobody knows. */
    void (*visit)(void (*visit)(void *context, const char *name, const char *path), void *context);
    void *resolve_context;
    struct metrics *metrics; /* where models count; must outlive them; NULL: nowhere */
};

/* A model in memory; read only. */
struct model {
    const char *name;
    bn_model *model;
    bn_engine *engine;
    struct engine_loop *loop;
    struct model_metrics *metrics; /* NULL: nothing is counted */
    const bn_tokenizer *tokenizer; /* NULL: it has none */
    const char *chat_template;     /* that is in use; NULL: none */
    struct chat *chat;             /* of the template; NULL: none */
    struct literal_text *literal;  /* what its special tokens look like; NULL without a tokenizer */
    struct grammar_cache *grammars;
    const json_t *preset;        /* preset.h; NULL: none */
    bn_token_bytes *token_bytes; /* NULL without a tokenizer */
    bn_model_info info;
    bn_generation_defaults defaults;
    size_t context_length; /* of the engine */
    size_t max_sequences;  /* that are computed together */
    int64_t loaded_at;     /* seconds since 1970 */
};

bn_status models_create(const struct models_options *options, struct models **out, bn_error *err);
/* Nobody may hold a model. */
void models_destroy(struct models *models);

/* Makes a name known; chat_template NULL: the model's own. A name that is known stands for the new source from now on: if
 * the old model is in memory, the new one is loaded before anything changes. */
bn_status models_set(struct models *models, const char *name, const char *source, const char *chat_template,
                     bn_error *err);
/* The same with what the name stands for already: its source may have another version now, or its file other content.
 * BN_STATUS_NOT_FOUND for an unknown name. */
bn_status models_reload(struct models *models, const char *name, bn_error *err);
/* The model of a name, loaded if need be. With a single known model any unknown name is that one's, since clients send
 * names of other people's models. BN_STATUS_NOT_FOUND, BN_STATUS_BUSY when memory is full of models in use, or what
 * loading says. */
bn_status models_acquire(struct models *models, const char *name, const struct model **out, bn_error *err);
void model_release(const struct model *model);
/* Takes it out of memory once nobody uses it; BN_STATUS_NOT_FOUND for an unknown name. */
bn_status models_unload(struct models *models, const char *name, bn_error *err);
/* The same, and the name is forgotten. */
bn_status models_remove(struct models *models, const char *name, bn_error *err);

/* How long a model stays in memory after its last use, instead of the options' idle_ms, until it is loaded anew.
 * 0: it goes once nobody uses it. model: held by the caller. */
#define MODELS_FOREVER UINT64_MAX
void models_keep(struct models *models, const struct model *model, uint64_t idle_ms);
/* The options' idle_ms. */
uint64_t models_default_idle_ms(const struct models *models);
/* Are only the names known that were set? */
bool models_known_only(const struct models *models);

enum model_state { MODEL_UNLOADED, MODEL_LOADING, MODEL_LOADED, MODEL_FAILED };
const char *model_state_name(enum model_state state); /* "unloaded", "loading", "loaded", "failed" */

/* How a name's model changes. Called under a lock of the models, by any thread: it must not call them. */
typedef void (*model_state_watch)(void *context, const char *name, enum model_state state);
/* NULL: nobody watches any more. One at a time. */
void models_watch(struct models *models, model_state_watch watch, void *context);
/* Tells how all names stand now, before anything else changes. */
void models_tell_states(struct models *models, model_state_watch tell, void *context);

struct model_status {
    char name[256];
    char path[512];
    enum model_state state;
    int64_t created; /* of the file, seconds since 1970 */
    uint64_t file_bytes;
    uint64_t memory_bytes;    /* 0 unless loaded */
    size_t context_length;    /* likewise: of the engine */
    uint64_t idle_expires_ms; /* until it is unloaded; UINT64_MAX: never */
    size_t n_users;
};
/* One row per name, in the order they became known; then those that the options' visit tells of, unless only known names
 * count. *out is mem_free'd. */
bn_status models_list(struct models *models, struct model_status **out, size_t *n, bn_error *err);
bool models_find(struct models *models, const char *name, struct model_status *out);
/* The row of that name in models_list, if it says where the model lies. */
bool models_find_listed(struct models *models, const char *name, struct model_status *out);

#endif
