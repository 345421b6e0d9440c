/* The settings that were found fastest for a model on this machine, remembered in the cache folder (tuned.json) by the
 * identities of both. Threads, tokens per step, kernels and the layout of ternary weights never change a result; the type
 * of the cached keys and values does in its last bits, so it is searched only when asked for. The layout is for
 * `model optimize`, since a file has one; all else is for engines. */
#ifndef BENCH_TUNING_H
#define BENCH_TUNING_H

#include "base/json.h"
#include "bench/speed.h"
#include "kernels/layout.h"

struct tuning {
    size_t threads, batch_tokens; /* 0: the default */
    bn_kv_type kv_type;           /* AUTO: the default */
    char isa[16];                 /* "": the default */
    enum ternary_layout layout;
};

/* Hexadecimal, equal for equal shapes, types and sizes of all weights. */
void model_identity(const bn_model *model, char out[17]);

/* What is remembered for the model; false when nothing is. */
bool tuning_find(const bn_model *model, struct tuning *out);
/* Sets what `options` leaves open; isa points into *tuning. */
void tuning_apply(const struct tuning *tuning, bn_engine_options *options);

/* Remembers it. `about`: further members of the entry (NULL: none), such as what was measured. */
bn_status tuning_store(const bn_model *model, const struct tuning *tuning, json_t *about, bn_error *err);
/* The layout that was found fastest for the model at `path`; LAYOUT_L16 when nothing is remembered of it. */
enum ternary_layout tuning_layout(const char *path);
/* All entries for this machine: {model identity: {…}}; never NULL unless memory is out. */
json_t *tuning_entries(void);
/* Forgets the model's entry, or with NULL all of this machine; *n_forgotten is how many there were. */
bn_status tuning_forget(const bn_model *model, size_t *n_forgotten, bn_error *err);

/* ---- the search ---- */

struct tuning_candidate {
    struct tuning tuning;
    double seconds;         /* median for the whole of prompt and output */
    double prefill, decode; /* median tokens per second */
    bool chosen;            /* of its stage */
};

enum { TUNING_MAX_CANDIDATES = 64 };

struct tuning_search {
    size_t prompt, output; /* what is timed: so many tokens of each */
    size_t repeats;
    bool kv_types; /* also try those */
    /* The model again, its ternary matrices in the other layout; NULL: the layout isn't searched. */
    bn_model *other_layout;
    bool (*cancelled)(void);
    void (*progress)(void *context, size_t done); /* measurements so far; may be NULL */
    void *progress_context;

    /* results: the defaults are candidate 0 */
    struct tuning_candidate candidates[TUNING_MAX_CANDIDATES];
    size_t n_candidates;
    struct tuning best;
};

/* The layout of the model's ternary matrices, which is that of the first; LAYOUT_L16 when there are none. */
enum ternary_layout model_layout(const bn_model *model);

/* One setting after the other (threads, tokens per step, kernels, …): all its values measured in turns, the fastest kept for the
 * next; a default stays unless something is more than 3 % faster and the measurements don't overlap. */
bn_status tuning_search(bn_model *model, struct tuning_search *search, bn_error *err);

#endif
