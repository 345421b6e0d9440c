/* `bitnet model show`: what a model is, what it needs, and what was decided about it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/estimate.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "bench/machine.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/sampling_options.h"
#include "cli/signals.h"
#include "cli/tensor_table.h"
#include "cli/terminal.h"
#include "model/weights.h"

enum {
    AUTO_F32_LIMIT_BYTES = 64 << 20, /* bn_engine_options.kv_type */
    PROMPT_TOKENS = 256,             /* of a step */
};

struct show_settings {
    struct model_options model;
    size_t sequences;
    bool tensors;
};
#define FIELD(name) offsetof(struct show_settings, name)

static const struct option show_options[] = {
    {"sequences", 0, OPTION_SIZE, FIELD(sequences), "N", 0, 65536, "count the memory of N sequences at once (1)", "np"},
    {0},
};
static const struct option tensor_options[] = {
    {"tensors", 0, OPTION_FLAG, FIELD(tensors), NULL, 0, 0, "list every tensor: name, type, shape, bytes", NULL},
    {0},
};
static const struct option_group groups[] = {
    {"Memory", show_options, 0},
    {"Tensors", tensor_options, 0},
    {"Model", model_option_table, FIELD(model)},
    {0},
};

static void set_defaults(void *settings) {
    struct show_settings *show = settings;
    show->sequences = 1;
}

struct summary {
    bn_model_info info;
    bn_generation_defaults defaults;
    const bn_tokenizer *tokenizer;
    char *path;
    json_t *facts;         /* of the registry, or NULL */
    struct buffer notices; /* lines */
    size_t context, sequences;
    bn_kv_type kv_type;
    uint64_t kv_bytes;
    const bn_model *model;
    const struct tensor_set *tensors; /* to list; NULL: not asked for */
    size_t contexts[ESTIMATE_CONTEXTS], n_contexts;
    struct machine_limits limits;
    const char *isa;
    bool limits_known;
};

static void collect_notice(void *context, const char *line) {
    struct buffer *notices = context;
    buffer_append_text(notices, line);
    buffer_append_char(notices, '\n');
}

static double bits_per_weight(const bn_model_info *info) {
    return info->n_parameters ? 8.0 * (double)info->weight_bytes / (double)info->n_parameters : 0;
}

static void summarize(struct summary *summary, const bn_model *model, const struct show_settings *settings) {
    summary->info.size = sizeof summary->info;
    summary->defaults.size = sizeof summary->defaults;
    bn_model_get_info(model, &summary->info);
    bn_model_get_generation_defaults(model, &summary->defaults);
    summary->tokenizer = bn_model_tokenizer(model);
    summary->context = settings->model.context ? settings->model.context : summary->info.context_length;
    summary->sequences = max_size(settings->sequences, 1);
    summary->model = model;
    summary->kv_type = kv_type_by_name(settings->model.kv_type);
    if (summary->kv_type == BN_KV_AUTO)
        summary->kv_type =
            kv_bytes(model, BN_KV_F32, summary->context, 1) <= AUTO_F32_LIMIT_BYTES ? BN_KV_F32 : BN_KV_F16;
    summary->kv_bytes = kv_bytes(model, summary->kv_type, summary->context, summary->sequences);
    summary->n_contexts = usual_contexts(model, summary->contexts);
    if (settings->model.context) {
        summary->contexts[0] = settings->model.context;
        summary->n_contexts = 1;
    }
    if (settings->tensors) summary->tensors = model_tensors(model);
}

/* What `bitnet bench machine` found here, for as many threads as an engine takes by itself. */
static void find_limits(struct summary *summary, const struct show_settings *settings) {
    struct machine machine;
    machine_describe(&machine);
    size_t threads = settings->model.threads ? settings->model.threads : machine.n_cores;
    summary->isa = settings->model.isa ? settings->model.isa : machine.isa;
    summary->limits_known = machine_limits_stored(&machine, threads, summary->isa, &summary->limits);
}

/* Total memory of a row of the table. */
static uint64_t total_bytes(const struct summary *summary, bn_kv_type type, size_t context, size_t sequences) {
    return summary->info.weight_bytes + summary->info.resident_bytes +
           kv_bytes(summary->model, type, context, sequences);
}

static const bn_kv_type kv_types[] = {BN_KV_F32, BN_KV_F16, BN_KV_Q8_0};
enum { N_KV_TYPES = 3 };

/* Numbers of sequences in the table: those asked for, or some usual ones. */
static size_t table_sequences(const struct summary *summary, size_t out[3]) {
    static const size_t usual[] = {1, 4, 16};
    if (summary->sequences > 1) {
        out[0] = summary->sequences;
        return 1;
    }
    memcpy(out, usual, sizeof usual);
    return 3;
}

/* ---- as text ---- */

static void row(const char *name, const char *format, ...) PRINTF_LIKE(2, 3);
static void row(const char *name, const char *format, ...) {
    char text[512], shown[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    printf("%s%-18s%s %s\n", style_out(STYLE_BOLD), name, style_out(STYLE_PLAIN), printable(text, shown, sizeof shown));
}

static const char *count_text(uint64_t n, char out[32]) {
    if (n >= 1000000000)
        snprintf(out, 32, "%.2f G", (double)n * 1e-9);
    else if (n >= 1000000)
        snprintf(out, 32, "%.2f M", (double)n * 1e-6);
    else
        snprintf(out, 32, "%llu", (unsigned long long)n);
    return out;
}

static const char *bytes_text(uint64_t n, char out[32]) {
    if (n >= 1 << 30)
        snprintf(out, 32, "%.2f GiB", (double)n / (1 << 30));
    else if (n >= 1 << 20)
        snprintf(out, 32, "%.1f MiB", (double)n / (1 << 20));
    else
        snprintf(out, 32, "%.1f KiB", (double)n / (1 << 10));
    return out;
}

static void print_shape(const bn_model_info *info) {
    char a[32], b[32], c[32], d[32], e[32], f[32];
    row("layers", "%zu", info->n_layers);
    row("hidden size", "%zu, feed-forward %zu", info->hidden_size, info->intermediate_size);
    row("attention", "%zu heads, %zu key-value heads, %zu wide", info->n_heads, info->n_kv_heads, info->head_dim);
    row("position", "%s", info->position_encoding);
    row("context", "%zu tokens", info->context_length);
    if (info->sliding_window) row("sliding window", "%zu tokens", info->sliding_window);
    row("parameters", "%s: embedding %s, attention %s, feed-forward %s, norms %s%s%s",
        count_text(info->n_parameters, a), count_text(info->n_parameters_embedding, b),
        count_text(info->n_parameters_attention, c), count_text(info->n_parameters_ffn, d),
        count_text(info->n_parameters_norm, e), info->tied_head ? ", head tied to the embedding" : ", head ",
        info->tied_head ? "" : count_text(info->n_parameters_head, f));
    row("ternary", "%s of them", count_text(info->n_parameters_ternary, a));
}

static void print_tokenizer(const bn_tokenizer *tokenizer) {
    if (!tokenizer) {
        row("tokenizer", "none");
        return;
    }
    int32_t bos = bn_tokenizer_bos(tokenizer), eos = bn_tokenizer_eos(tokenizer);
    row("tokenizer", "%zu tokens, BOS %s, EOS %s, %s", bn_tokenizer_vocab_size(tokenizer),
        bos < 0 ? "none" : bn_tokenizer_token(tokenizer, bos), eos < 0 ? "none" : bn_tokenizer_token(tokenizer, eos),
        bn_tokenizer_chat_template(tokenizer) ? "with a chat template" : "no chat template");
}

static const char *fact(const json_t *facts, const char *key) {
    const char *text = json_string_value(json_object_get(facts, key));
    return text ? text : "";
}

static void print_facts(const json_t *facts) {
    const json_t *origin = json_object_get(facts, "origin"), *tags = json_object_get(facts, "tags");
    row("version", "%" JSON_INTEGER_FORMAT " of %s:%s, made %s%s",
        json_integer_value(json_object_get(facts, "version")), fact(facts, "name"), fact(facts, "variant"),
        fact(facts, "created"), json_is_true(json_object_get(facts, "pinned")) ? ", pinned" : "");
    for (size_t i = 0; i < json_array_size(tags); i++) row("tag", "%s", json_string_value(json_array_get(tags, i)));
    if (*fact(facts, "license")) row("license", "%s", fact(facts, "license"));
    if (*fact(facts, "note")) row("note", "%s", fact(facts, "note"));
    if (*fact(origin, "source")) row("from", "%s", fact(origin, "source"));
    if (*fact(origin, "command")) row("made by", "%s", fact(origin, "command"));
}

static void print_memory(const struct summary *summary) {
    size_t sequences[3], n = table_sequences(summary, sequences);
    row("memory in all", "by context and sequences, with keys and values as");
    row("", "%9s %9s %12s %12s %12s", "context", "sequences", "f32", "f16", "q8_0");
    for (size_t i = 0; i < summary->n_contexts; i++)
        for (size_t k = 0; k < n; k++) {
            char text[N_KV_TYPES][32];
            for (size_t t = 0; t < N_KV_TYPES; t++)
                bytes_text(total_bytes(summary, kv_types[t], summary->contexts[i], sequences[k]), text[t]);
            row("", "%9zu %9zu %12s %12s %12s", summary->contexts[i], sequences[k], text[0], text[1], text[2]);
        }
}

static void print_speed(const struct summary *summary) {
    if (!summary->limits_known) {
        row("speed at best", "not known: 'bitnet bench machine' measures what this machine can do");
        return;
    }
    const struct machine_limits *limits = &summary->limits;
    size_t last = summary->context ? summary->context - 1 : 0;
    bn_kv_type type = summary->kv_type;
    row("speed at best", "%.1f tokens/s, %.1f at the end of %zu; %zu sequences %.1f; prompts %.0f",
        output_speed_limit(summary->model, type, limits, 1, 0),
        output_speed_limit(summary->model, type, limits, 1, last), summary->context, (size_t)8,
        output_speed_limit(summary->model, type, limits, 8, 0),
        prompt_speed_limit(summary->model, type, limits, PROMPT_TOKENS));
    row("", "by %.1f GB/s read and %.0f GOP/s of int8 on %zu threads (%s), as 'bitnet bench machine' measured",
        limits->read_bytes_per_s * 1e-9, limits->int8_operations_per_s * 1e-9, limits->threads, summary->isa);
}

static void print_summary(const struct summary *summary) {
    const bn_model_info *info = &summary->info;
    char a[32], b[32], c[32];
    row("model", "%s%s%s", summary->path, *info->name ? ": " : "", info->name);
    if (summary->facts) print_facts(summary->facts);
    row("architecture", "%s, %s", info->architecture, info->quantization);
    print_shape(info);
    row("activation", "%s (%s)", info->hidden_act, info->hidden_act_reason);
    row("weights", "%s in the file, %.2f bits per weight; %s more in memory", bytes_text(info->weight_bytes, a),
        bits_per_weight(info), bytes_text(info->resident_bytes, b));
    row("key-value cache", "%s for %zu sequence%s of %zu tokens, %s", bytes_text(summary->kv_bytes, c),
        summary->sequences, summary->sequences == 1 ? "" : "s", summary->context, kv_type_name(summary->kv_type));
    print_memory(summary);
    print_speed(summary);
    print_tokenizer(summary->tokenizer);
    for (const char *line = summary->notices.data; line && *line;) {
        size_t n = strcspn(line, "\n");
        row("note", "%.*s", (int)n, line);
        line += n + 1;
    }
    if (!summary->tensors) return;
    putchar('\n');
    tensor_table_print(summary->tensors);
}

/* ---- as JSON ---- */

static json_t *parameters_json(const bn_model_info *info) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)info->n_parameters, "embedding",
                     (json_int_t)info->n_parameters_embedding, "attention", (json_int_t)info->n_parameters_attention,
                     "ffn", (json_int_t)info->n_parameters_ffn, "head", (json_int_t)info->n_parameters_head, "norm",
                     (json_int_t)info->n_parameters_norm, "ternary", (json_int_t)info->n_parameters_ternary);
}

static json_t *memory_json(const struct summary *summary) {
    uint64_t total = summary->info.weight_bytes + summary->info.resident_bytes + summary->kv_bytes;
    return json_pack("{s:I, s:I, s:I, s:s, s:I, s:I, s:I}", "weight_bytes", (json_int_t)summary->info.weight_bytes,
                     "resident_bytes", (json_int_t)summary->info.resident_bytes, "kv_bytes",
                     (json_int_t)summary->kv_bytes, "kv_type", kv_type_name(summary->kv_type), "context",
                     (json_int_t)summary->context, "sequences", (json_int_t)summary->sequences, "total_bytes",
                     (json_int_t)total);
}

static json_t *memory_table_json(const struct summary *summary) {
    size_t sequences[3], n = table_sequences(summary, sequences);
    json_t *rows = json_array();
    for (size_t i = 0; i < summary->n_contexts; i++)
        for (size_t k = 0; k < n; k++) {
            json_t *line = json_pack("{s:I, s:I}", "context", (json_int_t)summary->contexts[i], "sequences",
                                     (json_int_t)sequences[k]);
            for (size_t t = 0; t < N_KV_TYPES; t++)
                json_object_set_new(
                    line, kv_type_name(kv_types[t]),
                    json_integer((json_int_t)total_bytes(summary, kv_types[t], summary->contexts[i], sequences[k])));
            json_array_append_new(rows, line);
        }
    return rows;
}

static json_t *speed_json(const struct summary *summary) {
    if (!summary->limits_known) return json_null();
    const struct machine_limits *limits = &summary->limits;
    size_t last = summary->context ? summary->context - 1 : 0;
    bn_kv_type type = summary->kv_type;
    return json_pack("{s:f, s:f, s:f, s:f, s:I, s:s}", "output_tokens_per_s",
                     output_speed_limit(summary->model, type, limits, 1, 0), "output_tokens_per_s_at_full_context",
                     output_speed_limit(summary->model, type, limits, 1, last), "prompt_tokens_per_s",
                     prompt_speed_limit(summary->model, type, limits, PROMPT_TOKENS), "read_bytes_per_s",
                     limits->read_bytes_per_s, "threads", (json_int_t)limits->threads, "isa", summary->isa);
}

static json_t *token_json(const bn_tokenizer *tokenizer, int32_t id) {
    const char *text = id >= 0 ? bn_tokenizer_token(tokenizer, id) : NULL;
    return text ? json_pack("{s:i, s:o}", "id", (int)id, "text", json_text(text, strlen(text))) : json_null();
}

static json_t *tokenizer_json(const bn_tokenizer *tokenizer) {
    if (!tokenizer) return json_null();
    return json_pack("{s:I, s:o, s:o, s:b}", "vocab_size", (json_int_t)bn_tokenizer_vocab_size(tokenizer), "bos",
                     token_json(tokenizer, bn_tokenizer_bos(tokenizer)), "eos",
                     token_json(tokenizer, bn_tokenizer_eos(tokenizer)), "chat_template",
                     bn_tokenizer_chat_template(tokenizer) != NULL);
}

static json_t *defaults_json(const bn_generation_defaults *defaults) {
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:o}", "temperature", json_number((double)defaults->temperature), "top_p",
                  json_number((double)defaults->top_p), "min_p", json_number((double)defaults->min_p),
                  "repetition_penalty", json_number((double)defaults->repetition_penalty));
    json_object_set_new(object, "top_k", defaults->top_k < 0 ? json_null() : json_integer(defaults->top_k));
    json_object_set_new(object, "do_sample", defaults->do_sample < 0 ? json_null() : json_boolean(defaults->do_sample));
    json_object_set_new(object, "eos", json_ids(defaults->eos, defaults->n_eos));
    return object;
}

static json_t *notices_json(const struct buffer *notices) {
    json_t *array = json_array();
    for (const char *line = notices->data; line && *line;) {
        size_t n = strcspn(line, "\n");
        json_array_append_new(array, json_text(line, n));
        line += n + 1;
    }
    return array;
}

static json_t *summary_json(const struct summary *summary) {
    const bn_model_info *info = &summary->info;
    json_t *object = json_pack(
        "{s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "path",
        json_text(summary->path, strlen(summary->path)), "name", json_text(info->name, strlen(info->name)),
        "architecture", info->architecture, "quantization", info->quantization, "hidden_act", info->hidden_act,
        "hidden_act_reason", info->hidden_act_reason, "position_encoding", info->position_encoding, "vocab_size",
        (json_int_t)info->vocab_size, "hidden_size", (json_int_t)info->hidden_size, "intermediate_size",
        (json_int_t)info->intermediate_size, "n_layers", (json_int_t)info->n_layers, "n_heads",
        (json_int_t)info->n_heads, "n_kv_heads", (json_int_t)info->n_kv_heads, "head_dim", (json_int_t)info->head_dim,
        "context_length", (json_int_t)info->context_length, "sliding_window", (json_int_t)info->sliding_window,
        "tied_head", (int)info->tied_head, "bits_per_weight", json_real(bits_per_weight(info)));
    if (!object) return NULL;
    json_object_set_new(object, "parameters", parameters_json(info));
    json_object_set_new(object, "memory", memory_json(summary));
    json_object_set_new(object, "memory_table", memory_table_json(summary));
    json_object_set_new(object, "speed_at_best", speed_json(summary));
    if (summary->tensors) json_object_set_new(object, "tensors", tensor_table_json(summary->tensors));
    json_object_set_new(object, "tokenizer", tokenizer_json(summary->tokenizer));
    json_object_set_new(object, "generation_defaults", defaults_json(&summary->defaults));
    json_object_set_new(object, "notices", notices_json(&summary->notices));
    json_object_set(object, "registry", summary->facts ? summary->facts : json_null());
    return object;
}

static enum exit_code run(struct invocation *invocation) {
    const struct show_settings *settings = invocation->settings;
    struct summary summary = {0};
    bn_model *model = NULL;
    bn_error error = {0};
    buffer_init(&summary.notices);
    bn_status status = model_path_resolve(invocation->arguments[0], &summary.path, &error);
    if (!status) {
        signals_name_mapped_file(summary.path);
        const bn_model_options options = {
            .size = sizeof options,
            .n_threads = settings->model.threads,
            .i2s_layout = settings->model.i2s_layout,
            .hidden_act = settings->model.hidden_act,
            .notice = collect_notice,
            .notice_context = &summary.notices,
        };
        status = bn_model_open(summary.path, &options, &model, &error);
    }
    if (!status) {
        summarize(&summary, model, settings);
        find_limits(&summary, settings);
        summary.facts = model_facts(invocation->arguments[0]);
        if (invocation->common.json)
            status = json_write_line(stdout, summary_json(&summary), &error);
        else
            print_summary(&summary);
    }
    if (model) bn_model_close(model);
    buffer_release(&summary.notices);
    json_decref(summary.facts);
    mem_free(summary.path);
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_model_show = {
    .name = "model show",
    .arguments = "MODEL",
    .summary = "what a model is and what it needs",
    .description =
        "Shows architecture, parameters by part, bits per weight, the memory of contexts, sequences and types of keys "
        "and values (-c and --sequences choose one), how many tokens per second this machine allows at best (from what "
        "'bitnet bench machine' measured), the tokenizer, and what was decided while opening: which activation and "
        "why, how I2_S tensors are packed.",
    .examples = "bitnet model show demo\n"
                "# memory of eight sequences of 256 tokens\n"
                "bitnet model show demo -c 256 --sequences 8 --json",
    .groups = groups,
    .settings_bytes = sizeof(struct show_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
