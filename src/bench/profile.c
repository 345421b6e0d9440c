#include "bench/profile.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/weights.h"

const char *step_name(enum forward_step step) {
    static const char *const names[N_STEPS] = {
        [STEP_PLAN] = "plan",           [STEP_EMBED] = "embedding",     [STEP_QKV] = "qkv",
        [STEP_HEADS] = "rope",          [STEP_ATTENTION] = "attention", [STEP_O] = "attn_output",
        [STEP_GATE_UP] = "ffn_gate_up", [STEP_DOWN] = "ffn_down",       [STEP_HEAD] = "head",
        [STEP_DRAW] = "draw",
    };
    return names[step];
}

/* ---- what a step needs ---- */

/* The recorder of one run. */
struct recorder {
    struct profile *profile;
    const bn_model *model;
    struct model_cost cost;
    uint64_t last_ns;
    size_t position, n_tokens; /* of the pass that runs: tokens before it, tokens in it */
    size_t capacity;
    bool out_of_memory;
};

static struct model_work attention_work(const struct recorder *r, const struct layer *layer, size_t n_rows) {
    struct model_cost cost = {
        .kv_bytes = r->cost.kv_bytes,
        .attention_operations = r->cost.attention_operations,
        .n_layers = 1,
        .n_windowed = layer->window != 0,
        .window = r->cost.window,
    };
    struct model_work all = {0};
    model_cost_step(&cost, 1, r->position, r->n_tokens, false, &all);
    all.bytes -= cost.kv_bytes * (double)r->n_tokens; /* written by the step before */
    /* The last layer attends for the rows alone whose logits are wanted: a share, which is exact for all or one. */
    if (n_rows < r->n_tokens)
        all.float_operations = (double)n_rows * cost.attention_operations * (double)(r->position + r->n_tokens);
    return all;
}

static struct model_work step_work(const struct recorder *r, enum forward_step step, int layer_index, size_t n_rows) {
    const struct layer *layer = layer_index >= 0 ? &r->model->weights.layers[layer_index] : NULL;
    struct model_work work = {0};
    switch (step) {
    case STEP_EMBED:
        work.bytes = r->cost.embedding_row_bytes * (double)n_rows;
        break;
    case STEP_QKV:
        linear_work(&layer->q, n_rows, &work);
        linear_work(&layer->k, n_rows, &work);
        linear_work(&layer->v, n_rows, &work);
        break;
    case STEP_HEADS:
        work.bytes = r->cost.kv_bytes * (double)n_rows;
        break;
    case STEP_ATTENTION:
        work = attention_work(r, layer, n_rows);
        break;
    case STEP_O:
        linear_work(&layer->o, n_rows, &work);
        break;
    case STEP_GATE_UP:
        linear_work(&layer->gate, n_rows, &work);
        linear_work(&layer->up, n_rows, &work);
        break;
    case STEP_DOWN:
        linear_work(&layer->down, n_rows, &work);
        break;
    case STEP_HEAD:
        head_work(r->model, n_rows, &work);
        break;
    default:
        break;
    }
    return work;
}

static void add_to(struct step_total *total, double seconds, const struct model_work *work) {
    total->calls++;
    total->seconds += seconds;
    total->work.bytes += work->bytes;
    total->work.int8_operations += work->int8_operations;
    total->work.float_operations += work->float_operations;
}

static void keep_event(struct recorder *r, const struct profile_event *event) {
    struct profile *profile = r->profile;
    if (profile->n_events == r->capacity && r->capacity < PROFILE_MAX_EVENTS && !r->out_of_memory) {
        size_t capacity = r->capacity ? 2 * r->capacity : 4096;
        struct profile_event *events = mem_realloc_array(profile->events, capacity, sizeof *events);
        r->out_of_memory = !events;
        if (events) {
            profile->events = events;
            r->capacity = capacity;
        }
    }
    if (profile->n_events < r->capacity)
        profile->events[profile->n_events++] = *event;
    else
        profile->n_lost++;
}

static void on_step(void *context, enum forward_step step, int layer, size_t n_tokens) {
    struct recorder *r = context;
    uint64_t now = clock_now_ns();
    struct profile_event event = {r->last_ns, now, step, layer, (uint32_t)n_tokens};
    double seconds = (double)(now - r->last_ns) * 1e-9;
    if (step == STEP_PLAN) {
        r->position += r->n_tokens;
        r->n_tokens = n_tokens;
    }
    struct model_work work = step_work(r, step, layer, n_tokens);
    add_to(&r->profile->steps[step], seconds, &work);
    if (layer >= 0) add_to(&r->profile->layers[(size_t)layer * N_STEPS + step], seconds, &work);
    r->profile->seconds += seconds;
    keep_event(r, &event);
    r->last_ns = clock_now_ns(); /* what recording takes belongs to no step */
}

/* The clock of the measurement starts: what the recorder has seen until then is no part of it. */
static void on_start(void *context, const struct speed_sample *sample, size_t position) {
    struct recorder *r = context;
    struct profile *profile = r->profile;
    for (size_t i = 0; i < N_STEPS; i++) profile->steps[i] = (struct step_total){0};
    model_cost(r->model, sample->kv_type, &r->cost);
    for (size_t i = 0; i < profile->n_layers * N_STEPS; i++) profile->layers[i] = (struct step_total){0};
    profile->seconds = 0;
    profile->n_events = profile->n_lost = 0;
    r->position = position;
    r->n_tokens = 0;
    r->last_ns = clock_now_ns();
}

bn_status profile_run(bn_model *model, const struct speed_test *test, bool (*cancelled)(void), struct profile *out,
                      bn_error *err) {
    *out = (struct profile){.n_layers = model->config.n_layers};
    out->layers = mem_calloc(out->n_layers * N_STEPS, sizeof *out->layers);
    if (!out->layers) return fail_no_memory(err, out->n_layers * N_STEPS * sizeof *out->layers);
    struct recorder recorder = {.profile = out, .model = model};
    struct speed_test observed = *test;
    const struct speed_observer observer = {on_start, on_step, &recorder};
    observed.observer = &observer;
    bn_status status = speed_measure(model, &observed, cancelled, &out->sample, err);
    out->n_tokens = out->sample.tokens;
    return status;
}

void profile_release(struct profile *profile) {
    mem_free(profile->layers);
    mem_free(profile->events);
    *profile = (struct profile){0};
}

/* ---- files ---- */

void profile_write_trace(FILE *out, const struct profile *const *profiles, const char *const *names, size_t n) {
    const char *separator = "";
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", out);
    for (size_t i = 0; i < n; i++) {
        uint64_t origin = profiles[0]->n_events ? profiles[0]->events[0].start_ns : 0;
        for (size_t j = 0; j < profiles[i]->n_events; j++) {
            const struct profile_event *e = &profiles[i]->events[j];
            fprintf(out,
                    "%s\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"ts\":%.3f,\"dur\":%.3f,\"pid\":1,\"tid\":1,"
                    "\"args\":{\"layer\":%d,\"tokens\":%u}}",
                    separator, step_name(e->step), names[i], (double)(e->start_ns - origin) * 1e-3,
                    (double)(e->end_ns - e->start_ns) * 1e-3, e->layer, e->n_tokens);
            separator = ",";
        }
    }
    fputs("\n]}\n", out);
}

static void write_stack(FILE *out, const char *name, int layer, const struct step_total *steps) {
    for (enum forward_step step = 0; step < N_STEPS; step++) {
        if (!steps[step].calls) continue;
        fprintf(out, layer < 0 ? "%s;" : "%s;layer %d;", name, layer);
        fprintf(out, "%s %.0f\n", step_name(step), steps[step].seconds * 1e9);
    }
}

void profile_write_folded(FILE *out, const struct profile *const *profiles, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct step_total outside[N_STEPS];
        for (enum forward_step step = 0; step < N_STEPS; step++) {
            outside[step] = profiles[i]->steps[step];
            if (profiles[i]->layers[step].calls) outside[step].calls = 0; /* layer 0 has it, so the layers do */
        }
        write_stack(out, names[i], -1, outside);
        for (size_t layer = 0; layer < profiles[i]->n_layers; layer++)
            write_stack(out, names[i], (int)layer, &profiles[i]->layers[layer * N_STEPS]);
    }
}
