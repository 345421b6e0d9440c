#include "cli/model_options.h"

#include <string.h>

#include "base/memory.h"
#include "cli/model_path.h"
#include "cli/signals.h"
#include "cli/terminal.h"

#define FIELD(name) offsetof(struct model_options, name)

const struct option model_option_table[] = {
    {"model", 'm', OPTION_TEXT, FIELD(model), "MODEL", 0, 0, "the model, where the MODEL argument is left out", NULL},
    HUB_MODEL_OPTIONS(0){"threads", 't', OPTION_SIZE, FIELD(threads), "N", 0, 256,
                         "threads; 0: one per physical core this process may use", NULL},
    {"ctx-size", 'c', OPTION_SIZE, FIELD(context), "N", 0, 0x1p31,
     "longest sequence in tokens, prompt and output together; 0: the model's own", "context ctx"},
    {"batch-size", 'b', OPTION_SIZE, FIELD(batch_tokens), "N", 0, 65536, "tokens per step of the engine; 0: 256",
     "batch"},
    {"model-draft", 0, OPTION_TEXT, FIELD(draft_model), "MODEL", 0, 0,
     "a smaller model with the same vocabulary that guesses tokens ahead; without it repetitions are guessed. Guesses "
     "change the speed only",
     "draft-model"},
    {"draft-max", 0, OPTION_SIZE, FIELD(max_drafts), "N", 0, 15, "most tokens to guess in a step; 0: 8",
     "draft draft-n"},
    {"no-speculation", 0, OPTION_FLAG, FIELD(no_speculation), NULL, 0, 0, "one token a step, no guessing", NULL},
    {"kv-type", 0, OPTION_CHOICE, FIELD(kv_type), "auto|f16|f32|q8_0", 0, 0,
     "numbers in the key-value cache; auto: f32 where a full context takes at most 64 MiB, else f16",
     "ctk cache-type-k"},
    {"attention-window", 0, OPTION_SIZE, FIELD(attention_window), "N", 0, 0x1p31,
     "a token sees only the last N positions (and the sinks), so that memory stays bounded; 0: all", NULL},
    {"attention-sinks", 0, OPTION_SIZE, FIELD(attention_sinks), "N", 0, 0x1p31,
     "with --attention-window: and the first N positions", NULL},
    {"i2s-layout", 0, OPTION_CHOICE, FIELD(i2s_layout), "x86-128|arm-64|rows-4|l16", 0, 0,
     "how I2_S tensors are packed, where the file doesn't say and the probe is wrong", NULL},
    {"hidden-act", 0, OPTION_TEXT, FIELD(hidden_act), "NAME", 0, 0,
     "activation function (relu2, silu, …) instead of the one the file or architecture names", NULL},
    {"head", 0, OPTION_CHOICE, FIELD(head), "auto|exact|screen", 0, 0,
     "how the output head is computed: all logits, or a six-bit copy finds those that can matter; tokens are the same",
     NULL},
    {"isa", 0, OPTION_TEXT, FIELD(isa), "NAME", 0, 0,
     "kernels to use: scalar, avx2, avx512, neon, … (see 'bitnet doctor')", NULL},
    {"no-tune", 0, OPTION_FLAG, FIELD(no_tune), NULL, 0, 0, "don't use what 'bitnet tune' found for this model", NULL},
    {0},
};

static void show_notice(void *context, const char *line) {
    say_verbose(context, "%s", line);
}

bn_head head_by_name(const char *name) {
    if (name && strcmp(name, "exact") == 0) return BN_HEAD_EXACT;
    return name && strcmp(name, "screen") == 0 ? BN_HEAD_SCREEN : BN_HEAD_AUTO;
}

static bn_status open_model(const struct invocation *invocation, const char *name, const struct model_options *options,
                            bn_model **out, bn_error *err) {
    char *path;
    bn_status status = model_path_resolve(name, &path, err);
    if (status) return status;
    signals_name_mapped_file(path);
    const bn_model_options model_options = {
        .size = sizeof model_options,
        .n_threads = options->threads,
        .i2s_layout = options->i2s_layout,
        .hidden_act = options->hidden_act,
        .head = head_by_name(options->head),
        .notice = show_notice,
        .notice_context = (void *)invocation,
    };
    status = bn_model_open(path, &model_options, out, err);
    mem_free(path);
    return status;
}

bn_status model_options_open(const struct invocation *invocation, const struct model_options *options, bn_model **out,
                             bn_error *err) {
    return open_model(invocation, invocation->arguments[0], options, out, err);
}

bn_engine_options model_options_engine(const struct model_options *options) {
    return (bn_engine_options){
        .size = sizeof(bn_engine_options),
        .n_threads = options->threads,
        .context_length = options->context,
        .batch_tokens = options->batch_tokens,
        .kv_type = kv_type_by_name(options->kv_type),
        .attention_sinks = options->attention_sinks,
        .attention_window = options->attention_window,
        .isa = options->isa,
        .no_speculation = options->no_speculation,
        .max_drafts = options->max_drafts,
    };
}

void model_options_tune(const struct invocation *invocation, const struct model_options *options, const bn_model *model,
                        struct tuning *tuning, bn_engine_options *engine_options) {
    if (options->no_tune || !tuning_find(model, tuning)) return;
    tuning_apply(tuning, engine_options);
    say_verbose(invocation,
                "tuned: %zu threads, %zu tokens a step, kernels %s, keys and values %s (0 and auto: the default)",
                engine_options->n_threads, engine_options->batch_tokens,
                engine_options->isa ? engine_options->isa : "auto", kv_type_name(engine_options->kv_type));
}

bn_status model_options_load(const struct invocation *invocation, const struct model_options *options,
                             size_t max_sequences, struct loaded_model *out, bn_error *err) {
    *out = (struct loaded_model){0};
    bn_status status = model_options_open(invocation, options, &out->model, err);
    if (status) return status;
    bn_engine_options engine_options = model_options_engine(options);
    struct tuning tuning;
    model_options_tune(invocation, options, out->model, &tuning, &engine_options);
    engine_options.max_sequences = max_sequences;
    if (options->draft_model) {
        /* what the file leaves open is guessed for it alone: the hints are about the other model */
        const struct model_options own = {.threads = options->threads};
        status = open_model(invocation, options->draft_model, &own, &out->draft_model, err);
        engine_options.draft_model = out->draft_model;
    }
    if (!status) status = bn_engine_create(out->model, &engine_options, &out->engine, err);
    if (status) loaded_model_release(out);
    return status;
}

void loaded_model_release(struct loaded_model *loaded) {
    if (loaded->engine) bn_engine_destroy(loaded->engine);
    if (loaded->draft_model) bn_model_close(loaded->draft_model);
    if (loaded->model) bn_model_close(loaded->model);
    *loaded = (struct loaded_model){0};
}

bn_status tokenizer_argument_open(const char *name, bn_tokenizer **out, bn_error *err) {
    char *path;
    bn_status status = model_path_resolve(name, &path, err);
    if (status) return status;
    signals_name_mapped_file(path);
    status = bn_tokenizer_open(path, out, err);
    mem_free(path);
    return status;
}
