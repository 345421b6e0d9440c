/* The sampler: a table of stages, the order they run in, and the draw.
 *
 * Forbidden ids and biases come first, then the stages as `order` has them, then one candidate is drawn. What a stage
 * does is in penalties.c, dry.c and sampler_filters.c; what they work on in candidates.h. All memory is allocated when
 * the sampler is created. To add a stage: a function there and a row here. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/sampler_chain.h"

/* The names are llama.cpp's. '-' may stand for '_'. */
static const struct stage all_stages[] = {
    {{"penalties"}, STAGE_PENALTY, stage_penalties, NULL},
    {{"dry"}, STAGE_PENALTY, stage_dry, NULL},
    {{"temperature", "temp"}, STAGE_SCALE, stage_temperature, screen_temperature},
    {{"top_n_sigma"}, STAGE_FILTER, stage_top_n_sigma, screen_top_n_sigma},
    {{"top_k"}, STAGE_FILTER, stage_top_k, screen_top_k},
    {{"typ_p", "typical", "typical_p"}, STAGE_FILTER, stage_typical, screen_typical},
    {{"top_p", "nucleus"}, STAGE_FILTER, stage_top_p, screen_top_p},
    {{"min_p"}, STAGE_FILTER, stage_min_p, screen_min_p},
    {{"xtc"}, STAGE_FILTER, stage_xtc, screen_xtc},
};
#define N_STAGES (sizeof all_stages / sizeof all_stages[0])
_Static_assert(N_STAGES <= MAX_STAGES, "a list holds every stage once");

static const char default_order[] = "penalties;dry;temperature;top_n_sigma;top_k;typ_p;top_p;min_p;xtc";
static const struct {
    const char *name, *order;
} presets[] = {
    {"hf", "penalties;temperature;top_k;top_p;min_p;typ_p"},
    {"llama.cpp", "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature"},
};

static bool same_name(const char *name, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (name[i] == '\0' || name[i] != (text[i] == '-' ? '_' : text[i])) return false;
    return name[n] == '\0';
}

static const struct stage *find_stage(const char *text, size_t n) {
    for (size_t s = 0; s < N_STAGES; s++)
        for (const char *const *name = all_stages[s].names; *name; name++)
            if (same_name(*name, text, n)) return &all_stages[s];
    return NULL;
}

bn_status stage_list_parse(const char *order, struct stage_list *out, bn_error *err) {
    if (!order) order = default_order;
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (strcmp(order, presets[i].name) == 0) order = presets[i].order;
    out->n = 0;
    const char separators[] = "; ,";
    for (order += strspn(order, separators); *order; order += strspn(order, separators)) {
        size_t n = strcspn(order, separators);
        const struct stage *stage = find_stage(order, n);
        int shown = (int)min_size(n, 40);
        if (!stage)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "order: unknown stage '%.*s'; known are %s", shown, order,
                        default_order);
        for (size_t i = 0; i < out->n; i++)
            if (out->items[i] == stage)
                return fail(err, BN_STATUS_BAD_ARGUMENT, "order: '%.*s' is named twice", shown, order);
        out->items[out->n++] = stage;
        order += n;
    }
    return BN_OK;
}

double sampler_random(const struct sampler *sampler, const struct sampler_input *input, enum draw draw) {
    return random_uniform(sampler->options.seed, sampler->stream, input->position, (uint32_t)draw);
}

static bool is_greedy(const bn_sampling *options) {
    return options->temperature <= 0;
}

static bn_status copy_logit_bias(struct sampler *sampler, const bn_sampling *options, bn_error *err) {
    size_t n = options->n_logit_bias;
    if (n == 0) return BN_OK;
    for (size_t i = 0; i < n; i++)
        if ((size_t)options->logit_bias[i].id >= sampler->vocab_size)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "logit_bias: id %d is outside the vocabulary of %zu tokens",
                        (int)options->logit_bias[i].id, sampler->vocab_size);
    bn_logit_bias *copy = mem_alloc_array(n, sizeof *copy);
    sampler->options.logit_bias = copy;
    sampler->forced = mem_alloc_array(n, sizeof *sampler->forced);
    if (!copy || !sampler->forced) return fail_no_memory(err, n * sizeof *copy);
    memcpy(copy, options->logit_bias, n * sizeof *copy);
    sampler->options.n_logit_bias = n;
    return BN_OK;
}

/* Fills a zeroed sampler; on failure the caller destroys it. */
static bn_status sampler_init(struct sampler *sampler, const bn_sampling *options, const bn_tokenizer *tokenizer,
                              bn_error *err) {
    sampler->options = *options;
    sampler->options.logit_bias = NULL;
    sampler->options.n_logit_bias = 0;
    sampler->options.dry_breakers = NULL;
    sampler->options.order = NULL;
    sampler->mirostat_mu = 2 * (double)options->mirostat_tau;
    bn_status status = stage_list_parse(options->order, &sampler->stages, err);
    if (status == BN_OK) status = copy_logit_bias(sampler, options, err);
    if (status == BN_OK) status = dry_init(&sampler->dry, options, sampler->vocab_size, tokenizer, err);
    if (status != BN_OK) return status;

    sampler->counts = mem_calloc(sampler->vocab_size, sizeof *sampler->counts);
    sampler->candidates.capacity = sampler->vocab_size;
    bool lists = !is_greedy(options) || options->custom;
    if (!sampler->counts || (lists && !candidates_init(&sampler->candidates, sampler->vocab_size)))
        return fail(err, BN_STATUS_NO_MEMORY, "no memory for sampling from %zu tokens", sampler->vocab_size);
    return BN_OK;
}

bn_status sampler_create(const bn_sampling *options, size_t vocab_size, const bn_tokenizer *tokenizer, uint32_t stream,
                         struct sampler **out, bn_error *err) {
    bn_status status = bn_sampling_check(options, err);
    if (status != BN_OK) return status;
    if (vocab_size == 0 || vocab_size > INT32_MAX)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "vocab_size is %zu; expected 1 to %d", vocab_size, INT32_MAX);
    struct sampler *sampler = mem_calloc(1, sizeof *sampler);
    if (!sampler) return fail_no_memory(err, sizeof *sampler);
    sampler->vocab_size = vocab_size;
    sampler->stream = stream;
    status = sampler_init(sampler, options, tokenizer, err);
    if (status != BN_OK) {
        sampler_destroy(sampler);
        return status;
    }
    *out = sampler;
    return BN_OK;
}

void sampler_destroy(struct sampler *sampler) {
    if (!sampler) return;
    mem_free((void *)sampler->options.logit_bias);
    mem_free(sampler->forced);
    mem_free(sampler->counts);
    dry_release(&sampler->dry);
    candidates_release(&sampler->candidates);
    mem_free(sampler);
}

/* NaN or +infinity would make every probability meaningless. */
static bn_status check_logits(const float *logits, size_t n, bn_error *err) {
    int bad = 0;
    for (size_t id = 0; id < n; id++) bad |= !(logits[id] <= FLT_MAX);
    if (!bad) return BN_OK;
    size_t id = 0;
    while (logits[id] <= FLT_MAX) id++;
    return fail(err, BN_STATUS_BAD_FILE, "the model gives token %zu the logit %s: its weights are damaged", id,
                isnan(logits[id]) ? "NaN" : "infinity");
}

static bn_status fail_nothing_left(bn_error *err) {
    return fail(err, BN_STATUS_BAD_ARGUMENT,
                "no token is possible: logit_bias, min_tokens or a grammar forbid all that the model allows");
}

static void begin(struct sampler *sampler, const struct sampler_input *input) {
    if (input->partial)
        candidates_begin_partial(&sampler->candidates, input->partial);
    else
        candidates_begin(&sampler->candidates, input->logits);
}

void sampler_apply_penalties(struct sampler *sampler, const struct sampler_input *input) {
    begin(sampler, input);
    forbid_and_bias(sampler, input);
    for (size_t i = 0; i < sampler->stages.n; i++)
        if (sampler->stages.items[i]->kind == STAGE_PENALTY) sampler->stages.items[i]->run(sampler, input);
}

/* Everything but the draw, when not greedy. */
static void run_chain(struct sampler *sampler, const struct sampler_input *input) {
    begin(sampler, input);
    forbid_and_bias(sampler, input);
    bool mirostat = sampler->options.mirostat != 0;
    for (size_t i = 0; i < sampler->stages.n; i++) {
        const struct stage *stage = sampler->stages.items[i];
        if (!(mirostat && stage->kind == STAGE_FILTER)) stage->run(sampler, input);
    }
    if (mirostat && candidates_weigh(&sampler->candidates)) mirostat_filter(sampler);
}

/* Inverse transform: the first item whose cumulated weight exceeds u · total. */
static size_t draw_index(const struct candidates *c, double u) {
    double target = u * c->total, cumulated = 0;
    size_t last_possible = 0;
    for (size_t i = 0; i < c->n; i++) {
        cumulated += c->weights[i];
        if (cumulated > target) return i;
        if (c->weights[i] > 0) last_possible = i;
    }
    return last_possible; /* u · total rounded up to total */
}

static bn_status choose(struct sampler *sampler, const struct sampler_input *input, size_t *index, bn_error *err) {
    const struct candidates *c = &sampler->candidates;
    if (!sampler->options.custom) {
        *index = draw_index(c, sampler_random(sampler, input, DRAW_TOKEN));
        return BN_OK;
    }
    ptrdiff_t chosen =
        sampler->options.custom(sampler->options.custom_context, c->items, c->n, input->history, input->n_history);
    if (chosen < 0 || (size_t)chosen >= c->n)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the custom sampler returned %td; expected an index below %zu", chosen,
                    c->n);
    *index = (size_t)chosen;
    return BN_OK;
}

/* The chain on partial logits. No NaN or infinity is among logits that have bounds. */
static void sample_partial(struct sampler *sampler, const struct sampler_input *input, int32_t *id) {
    struct candidates *c = &sampler->candidates;
    size_t index = 0;
    if (is_greedy(&sampler->options)) {
        sampler_apply_penalties(sampler, input);
        if (c->n > 0) index = candidates_largest(c);
        c->undecided |= c->n == 0 || (c->partial && !(c->items[index].logit > c->floor));
    } else {
        run_chain(sampler, input);
        c->undecided |= !candidates_are_whole(c) || !candidates_weigh(c);
        if (!c->undecided) index = draw_index(c, sampler_random(sampler, input, DRAW_TOKEN));
    }
    *id = c->undecided ? SAMPLER_UNDECIDED : c->items[index].id;
}

bool sampler_screens(const struct sampler *sampler, struct screen_need *need) {
    *need = (struct screen_need){.k = 1, .temperature = 1};
    if (sampler->options.custom) return false;
    if (is_greedy(&sampler->options)) return true;
    if (sampler->options.mirostat) return false;
    for (size_t i = 0; i < sampler->stages.n; i++) {
        const struct stage *stage = sampler->stages.items[i];
        enum screening screening = stage->screen ? stage->screen(sampler, need) : SCREENING_GOES_ON;
        if (screening != SCREENING_GOES_ON) return screening == SCREENING_ENDS;
    }
    return false;
}

bn_status sampler_sample(struct sampler *sampler, const struct sampler_input *input, int32_t *id, bn_error *err) {
    if (input->partial) {
        sample_partial(sampler, input, id);
        return BN_OK;
    }
    bn_status status = check_logits(input->logits, sampler->vocab_size, err);
    if (status != BN_OK) return status;
    struct candidates *c = &sampler->candidates;
    bool greedy = is_greedy(&sampler->options);
    if (greedy) {
        sampler_apply_penalties(sampler, input);
        int32_t largest = argmax_lowest(input->logits, sampler->vocab_size);
        if (input->logits[largest] == -INFINITY) return fail_nothing_left(err);
        *id = largest;
        if (!sampler->options.custom) return BN_OK;
        candidates_keep_largest(c, 1);
    } else {
        run_chain(sampler, input);
    }
    if (!candidates_weigh(c)) return fail_nothing_left(err);
    size_t index = 0;
    status = choose(sampler, input, &index, err);
    if (status != BN_OK) return status;
    if (sampler->options.mirostat && !greedy) mirostat_update(sampler, index);
    *id = c->items[index].id;
    return BN_OK;
}
