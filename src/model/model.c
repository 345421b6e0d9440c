/* Opening and closing models: which reader a path needs, then configuration, weights, tokenizer, sampling defaults. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "formats/detect.h"
#include "model/open.h"
#include "model/pooling.h"
#include "tokenizer/tokenizer.h"

#define MAX_CONFIG_BYTES ((size_t)16 << 20)

/* The caller's options, however old its idea of the struct is. */
static bn_status read_options(const bn_model_options *given, bn_model_options *options, bn_error *err) {
    *options = (bn_model_options){.size = sizeof *options};
    if (!given) return BN_OK;
    if (given->size < sizeof given->size || given->size > 4096)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "bn_model_options.size is %zu, expected sizeof(bn_model_options)",
                    given->size);
    memcpy(options, given, min_size(given->size, sizeof *options));
    return BN_OK;
}

static void notice(const bn_model_options *options, const char *line) {
    if (options->notice) options->notice(options->notice_context, line);
}

static bn_status create(const bn_model_options *options, bn_model **out, bn_error *err) {
    enum i2s_layout layout = I2S_UNKNOWN;
    if (options->i2s_layout && *options->i2s_layout) {
        layout = i2s_layout_by_name(options->i2s_layout, strlen(options->i2s_layout));
        if (layout == I2S_UNKNOWN)
            return fail(err, BN_STATUS_BAD_ARGUMENT,
                        "I2_S layout '%s' isn't known; x86-128, arm-64, rows-4, l16 and l12 are", options->i2s_layout);
    }
    if (options->head != BN_HEAD_AUTO && options->head != BN_HEAD_EXACT && options->head != BN_HEAD_SCREEN)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "head %d isn't one of bn_head", (int)options->head);
    bn_model *model = mem_calloc(1, sizeof *model);
    if (!model) return fail_no_memory(err, sizeof *model);
    arena_init(&model->arena);
    generation_init(&model->generation);
    model->i2s_layout = layout;
    model->head = options->head;
    *out = model;
    return BN_OK;
}

void bn_model_close(bn_model *model) {
    if (!model) return;
    bn_tokenizer_close(model->tokenizer);
    weights_release(&model->weights);
    gguf_close(&model->gguf);
    tensor_set_release(&model->safetensors);
    arena_release(&model->arena);
    mem_free(model);
}

/* True when some I2_S tensor's packing isn't named by the file, nor by the caller. */
static bool has_unnamed_layout(const bn_model *model) {
    const struct tensor_set *set = model_tensors(model);
    if (model->i2s_layout != I2S_UNKNOWN) return false;
    for (size_t i = 0; i < set->n_tensors; i++)
        if (set->tensors[i].type == TYPE_I2_S && set->tensors[i].i2s_layout == I2S_UNKNOWN) return true;
    return false;
}

/* Frequencies and weights; the tensors are open and the configuration is read. */
static bn_status load(bn_model *model, const bn_model_options *options, bn_error *err) {
    struct model_config *c = &model->config;
    bn_status status;
    if (c->arch->position == POSITION_ROPE) {
        status = rope_init(&model->rope, &c->rope, &model->arena, err);
        if (status == BN_OK && c->local_rope.n_dims)
            status = rope_init(&model->local_rope, &c->local_rope, &model->arena, err);
        if (status != BN_OK) return status;
    }
    struct thread_pool *pool;
    status = thread_pool_acquire(options->n_threads ? options->n_threads : cpu_count(), &pool, err);
    if (status != BN_OK) return status;
    char reason[200];
    if (has_unnamed_layout(model)) {
        status = probe_i2s_layout(model, pool, reason, sizeof reason, err);
        if (status == BN_OK) notice(options, reason);
    } else {
        status = weights_load(model, I2S_UNKNOWN, pool, err);
    }
    if (status == BN_OK) {
        status = weights_screen_head(model, pool, reason, sizeof reason, err);
        if (*reason) notice(options, reason);
    }
    thread_pool_release(pool);
    return status;
}

/* A model without a vocabulary runs on token ids; one whose vocabulary isn't supported says so and does the same. */
static bn_status accept_tokenizer(bn_model *model, bn_status status, const bn_model_options *options, bn_error *problem,
                                  bn_error *err) {
    char line[600];
    if (status == BN_STATUS_NOT_FOUND || status == BN_STATUS_UNSUPPORTED) {
        model->tokenizer = NULL;
        snprintf(line, sizeof line, "no tokenizer: %s", problem->message);
        notice(options, line);
        return BN_OK;
    }
    if (status != BN_OK) return fail(err, status, "%s", problem->message);
    size_t n = bn_tokenizer_vocab_size(model->tokenizer);
    if (n <= model->config.vocab_size) return BN_OK;
    if (model->config.is_gguf)
        return fail(err, BN_STATUS_BAD_FILE, "the vocabulary has %zu tokens, but the embedding has %zu rows", n,
                    model->config.vocab_size);
    snprintf(line, sizeof line, "the tokenizer has %zu tokens, the embedding %zu rows: ids beyond can't be used", n,
             model->config.vocab_size);
    notice(options, line);
    return BN_OK;
}

/* ---- GGUF ---- */

/* model->gguf is open. */
static bn_status open_gguf(bn_model *model, const bn_model_options *options, bn_error *err) {
    struct model_config *c = &model->config;
    c->is_gguf = true;
    bn_status status = config_from_gguf(&model->gguf, options->hidden_act, &model->arena, c, err);
    if (status != BN_OK) return status;
    if (c->arch->ternary) {
        char line[200];
        snprintf(line, sizeof line, "activation %s: %s", activation_name(c->activation), c->activation_reason);
        notice(options, line);
    }
    if (!options->no_tokenizer) {
        bn_error problem;
        status =
            tokenizer_from_gguf(&model->gguf, options->notice, options->notice_context, &model->tokenizer, &problem);
        status = accept_tokenizer(model, status, options, &problem, err);
    }
    if (status == BN_OK) status = pooling_from_gguf(&model->gguf, &model->pooling, err);
    return status == BN_OK ? generation_from_gguf(&model->gguf, c->vocab_size, &model->generation, err) : status;
}

bn_status model_open_gguf_bytes(const uint8_t *bytes, size_t size, const bn_model_options *given, bn_model **out,
                                bn_error *err) {
    bn_model_options options;
    bn_model *model = NULL;
    bn_status status = read_options(given, &options, err);
    if (status == BN_OK) status = create(&options, &model, err);
    if (status != BN_OK) return status;
    status = gguf_parse(bytes, size, "model", &model->gguf, err);
    if (status == BN_OK) status = open_gguf(model, &options, err);
    if (status == BN_OK) status = load(model, &options, err);
    if (status == BN_OK)
        *out = model;
    else
        bn_model_close(model);
    return status;
}

/* ---- Hugging Face ---- */

/* Models of conversations from before there were templates (DialoGPT) say so in config.json, and end every turn with the
 * end-of-text token. */
#define DIALOGUE_TEMPLATE "{% for message in messages %}{{ message['content'] }}{{ eos_token }}{% endfor %}"

static bool is_dialogue_model(const json_t *config) {
    return json_is_object(json_object_get(json_object_get(config, "task_specific_params"), "conversational"));
}

/* file NULL: the folder's own weights. */
static bn_status open_folder(bn_model *model, const char *folder, const char *file, const bn_model_options *options,
                             bn_error *err) {
    struct model_config *c = &model->config;
    json_t *json = NULL;
    char *config_path = path_join(folder, "config.json");
    if (!config_path) return fail_no_memory(err, strlen(folder));
    bn_status status = json_parse_file(config_path, MAX_CONFIG_BYTES, &json, err);
    if (status == BN_OK) {
        status = config_from_hf(json, options->hidden_act, &model->arena, c, err);
        if (status != BN_OK) error_prefix(err, "config.json");
    }
    if (status == BN_OK) status = generation_from_folder(folder, json, c->vocab_size, &model->generation, err);
    if (status == BN_OK) status = pooling_from_folder(folder, &model->pooling, err);
    bool dialogue = is_dialogue_model(json);
    json_decref(json);
    mem_free(config_path);
    if (status == BN_OK) status = checkpoint_open(file ? file : folder, &model->safetensors, err);
    if (status != BN_OK || options->no_tokenizer) return status;
    bn_error problem;
    status = tokenizer_from_folder(folder, &model->tokenizer, &problem);
    status = accept_tokenizer(model, status, options, &problem, err);
    if (status == BN_OK && dialogue && model->tokenizer)
        status = tokenizer_set_chat_template(model->tokenizer, DIALOGUE_TEMPLATE, err);
    return status;
}

static bn_status open_beside(bn_model *model, const char *file, const bn_model_options *options, bn_error *err) {
    const char *slash = strrchr(file, '/');
    char *folder = slash ? mem_strndup(file, (size_t)(slash - file) + (slash == file)) : mem_strdup(".");
    if (!folder) return fail_no_memory(err, strlen(file));
    bn_status status = open_folder(model, folder, file, options, err);
    mem_free(folder);
    return status;
}

/* Vocabularies are megabytes that were looked through once. What is used of them again comes back. */
static void drop_metadata_pages(const struct gguf *gguf) {
    const struct mapped_file *file = &gguf->set.files[0];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = file->size;
    for (size_t i = 0; i < gguf->set.n_tensors; i++)
        if (gguf->set.tensors[i].data >= file->data)
            bytes = min_size(bytes, (size_t)(gguf->set.tensors[i].data - file->data));
    madvise((void *)(uintptr_t)file->data, bytes / page * page, MADV_DONTNEED);
}

static bn_status open_description(bn_model *model, const char *path, enum file_kind kind,
                                  const bn_model_options *options, bn_error *err) {
    bn_status status = BN_OK;
    switch (kind) {
    case FILE_GGUF:
        status = gguf_open(path, &model->gguf, err);
        if (status != BN_OK) return status; /* it names the path */
        status = open_gguf(model, options, err);
        break;
    case FILE_HF_FOLDER:
        status = open_folder(model, path, NULL, options, err);
        break;
    case FILE_WEIGHTS:
        status = open_beside(model, path, options, err);
        break;
    }
    if (status != BN_OK) error_prefix(err, "%s", path);
    return status;
}

bn_status model_open_description(const char *path, const bn_model_options *given, bn_model **out, bn_error *err) {
    bn_model_options options;
    enum file_kind kind = FILE_GGUF;
    bn_model *model = NULL;
    bn_status status = read_options(given, &options, err);
    if (status == BN_OK) status = file_kind_detect(path, &kind, err);
    if (status == BN_OK) status = create(&options, &model, err);
    if (status != BN_OK) return status;
    status = open_description(model, path, kind, &options, err);
    if (status == BN_OK)
        *out = model;
    else
        bn_model_close(model);
    return status;
}

bn_status bn_model_open(const char *path, const bn_model_options *given, bn_model **out, bn_error *err) {
    if (!path || !out) return fail(err, BN_STATUS_BAD_ARGUMENT, "bn_model_open needs a path and a place for the model");
    bn_model_options options;
    bn_model *model = NULL;
    bn_status status = read_options(given, &options, err);
    if (status == BN_OK) status = model_open_description(path, given, &model, err);
    if (status != BN_OK) return status;
    status = tensor_set_materialize(&model->safetensors, err);
    if (status == BN_OK) status = load(model, &options, err);
    if (status != BN_OK) {
        error_prefix(err, "%s", path);
        bn_model_close(model);
        return status;
    }
    if (model->config.is_gguf) drop_metadata_pages(&model->gguf);
    *out = model;
    return BN_OK;
}

/* ---- small questions ---- */

const bn_tokenizer *bn_model_tokenizer(const bn_model *model) {
    return model->tokenizer;
}
size_t model_hidden_size(const struct bn_model *model) {
    return model->config.hidden_size;
}

size_t model_vocab_size(const struct bn_model *model) {
    return model->config.vocab_size;
}
size_t model_context_length(const struct bn_model *model) {
    return model->config.context_length;
}

size_t model_rope_class(const struct bn_model *model, size_t reserved_length) {
    return rope_class(&model->rope, reserved_length); /* the rotation of windowed layers is never scaled */
}

void bn_model_get_generation_defaults(const bn_model *model, bn_generation_defaults *defaults) {
    size_t size = min_size(defaults->size, sizeof model->generation);
    memcpy(defaults, &model->generation, size);
    if (size >= sizeof defaults->size) defaults->size = size;
}
