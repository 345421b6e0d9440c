/* The options that say which model runs and how, shared by all commands that run one. */
#ifndef CLI_MODEL_OPTIONS_H
#define CLI_MODEL_OPTIONS_H

#include "bench/tuning.h"
#include "bitnet/bitnet.h"
#include "cli/options.h"
#include "engine/kv_type.h"

struct model_options {
    const char *model;
    const char *hf_repo, *hf_file;
    size_t threads;
    size_t context;
    size_t batch_tokens;
    size_t attention_sinks, attention_window;
    const char *kv_type;
    const char *head;
    const char *i2s_layout;
    const char *hidden_act;
    const char *isa;
    bool no_tune;
    const char *draft_model;
    size_t max_drafts;
    bool no_speculation;
};

extern const struct option model_option_table[];

/* Rows of a table: the model as one of a hub, downloaded when it isn't here. base: where the table's struct model_options is. */
#ifdef BITNET_HUB
#define HUB_MODEL_OPTIONS(base)                                                                                        \
    {"hf-repo",                                                                                                        \
     0,                                                                                                                \
     OPTION_TEXT,                                                                                                      \
     (base) + offsetof(struct model_options, hf_repo),                                                                 \
     "OWNER/NAME[:QUANT]",                                                                                             \
     0,                                                                                                                \
     0,                                                                                                                \
     "a hub's model instead of MODEL, downloaded when it isn't here",                                                  \
     "hf hfr"},                                                                                                        \
        {"hf-file", 0, OPTION_TEXT, (base) + offsetof(struct model_options, hf_file),                                  \
         "FILE",    0, 0,           "which file of --hf-repo",                                                         \
         "hff"},
#else
#define HUB_MODEL_OPTIONS(base)
#endif

/* Opens invocation->arguments[0] (resolved) as the options say; with --verbose, notices go to
 * standard error. */
bn_status model_options_open(const struct invocation *invocation, const struct model_options *options, bn_model **out,
                             bn_error *err);
/* The engine options these options mean; the caller may add to them. */
bn_engine_options model_options_engine(const struct model_options *options);
/* Sets what the options leave open to what 'bitnet tune' found for this model; *tuning is where it lives. */
void model_options_tune(const struct invocation *invocation, const struct model_options *options, const bn_model *model,
                        struct tuning *tuning, bn_engine_options *engine_options);
bn_kv_type kv_type_by_name(const char *name);
bn_head head_by_name(const char *name); /* NULL: auto */
const char *kv_type_name(bn_kv_type type);

/* Both, and their release. */
struct loaded_model {
    bn_model *model;
    bn_model *draft_model; /* NULL: none */
    bn_engine *engine;
};
bn_status model_options_load(const struct invocation *invocation, const struct model_options *options,
                             size_t max_sequences, struct loaded_model *out, bn_error *err);
void loaded_model_release(struct loaded_model *loaded);

/* Opens just the tokenizer of TOK: a tokenizer file or folder, or a model. */
bn_status tokenizer_argument_open(const char *name, bn_tokenizer **out, bn_error *err);

#endif
