/* Sampling defaults that a model's author published: generation_config.json beside Hugging Face weights,
 * general.sampling.* keys in GGUF files. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/open.h"

#define MAX_EOS (sizeof((bn_generation_defaults *)0)->eos / sizeof(int32_t))

void generation_init(bn_generation_defaults *defaults) {
    *defaults = (bn_generation_defaults){.size = sizeof *defaults,
                                         .temperature = NAN,
                                         .top_p = NAN,
                                         .min_p = NAN,
                                         .repetition_penalty = NAN,
                                         .top_k = -1,
                                         .do_sample = -1};
}

static bn_status add_eos(bn_generation_defaults *defaults, int64_t id, size_t vocab_size, const char *key,
                         bn_error *err) {
    if (id < 0 || (uint64_t)id >= vocab_size)
        return fail(err, BN_STATUS_BAD_FILE, "'%s' is %lld, expected an id below the vocabulary size %zu", key,
                    (long long)id, vocab_size);
    for (size_t i = 0; i < defaults->n_eos; i++)
        if (defaults->eos[i] == (int32_t)id) return BN_OK;
    if (defaults->n_eos < MAX_EOS) defaults->eos[defaults->n_eos++] = (int32_t)id;
    return BN_OK;
}

/* eos_token_id: a number or a list of them. */
static bn_status read_eos(const json_t *json, size_t vocab_size, bn_generation_defaults *defaults, bn_error *err) {
    const json_t *value = json_object_get(json, "eos_token_id");
    if (!value || json_is_null(value)) return BN_OK;
    if (json_is_integer(value)) return add_eos(defaults, json_integer_value(value), vocab_size, "eos_token_id", err);
    if (!json_is_array(value))
        return fail(err, BN_STATUS_BAD_FILE, "'eos_token_id' must be an integer or a list of integers");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        bn_status status = json_is_integer(item)
                               ? add_eos(defaults, json_integer_value(item), vocab_size, "eos_token_id", err)
                               : fail(err, BN_STATUS_BAD_FILE, "'eos_token_id[%zu]' must be an integer", i);
        if (status != BN_OK) return status;
    }
    return BN_OK;
}

static bn_status read_number(const json_t *json, const char *key, double low, double high, float *out, bn_error *err) {
    double value = NAN;
    bn_status status = json_get_number(json, key, &value, err);
    if (status != BN_OK || isnan(value)) return status;
    if (!(value >= low && value <= high))
        return fail(err, BN_STATUS_BAD_FILE, "'%s' is %g, expected %g to %g", key, value, low, high);
    *out = (float)value;
    return BN_OK;
}

static bn_status read_generation(const json_t *json, size_t vocab_size, bn_generation_defaults *defaults,
                                 bn_error *err) {
    size_t top_k = SIZE_MAX;
    bool sample = false;
    bn_status status = read_number(json, "temperature", 0, 1e6, &defaults->temperature, err);
    if (status == BN_OK) status = read_number(json, "top_p", 0, 1, &defaults->top_p, err);
    if (status == BN_OK) status = read_number(json, "min_p", 0, 1, &defaults->min_p, err);
    if (status == BN_OK)
        status = read_number(json, "repetition_penalty", 1e-6, 1e6, &defaults->repetition_penalty, err);
    if (status == BN_OK) status = json_get_size(json, "top_k", 0, INT32_MAX, &top_k, err);
    if (status == BN_OK) status = json_get_bool(json, "do_sample", &sample, err);
    if (status != BN_OK) return status;
    if (top_k != SIZE_MAX) defaults->top_k = (int32_t)top_k;
    if (json_is_boolean(json_object_get(json, "do_sample"))) defaults->do_sample = sample;
    return read_eos(json, vocab_size, defaults, err);
}

bn_status generation_from_folder(const char *folder, const json_t *config, size_t vocab_size,
                                 bn_generation_defaults *defaults, bn_error *err) {
    char *path = path_join(folder, "generation_config.json");
    if (!path) return fail_no_memory(err, strlen(folder));
    json_t *json = NULL;
    bn_status status = BN_OK;
    if (file_exists(path)) {
        status = json_parse_file(path, (size_t)1 << 20, &json, err);
        if (status == BN_OK && (status = read_generation(json, vocab_size, defaults, err)) != BN_OK)
            error_prefix(err, "generation_config.json");
    }
    json_decref(json);
    mem_free(path);
    if (status == BN_OK && defaults->n_eos == 0 && (status = read_eos(config, vocab_size, defaults, err)) != BN_OK)
        error_prefix(err, "config.json");
    return status;
}

bn_status generation_from_gguf(const struct gguf *gguf, size_t vocab_size, bn_generation_defaults *defaults,
                               bn_error *err) {
    static const struct {
        const char *key;
        double low, high;
        size_t offset;
    } numbers[] = {
        {"general.sampling.temp", 0, 1e6, offsetof(bn_generation_defaults, temperature)},
        {"general.sampling.top_p", 0, 1, offsetof(bn_generation_defaults, top_p)},
        {"general.sampling.min_p", 0, 1, offsetof(bn_generation_defaults, min_p)},
        {"general.sampling.penalty_repeat", 1e-6, 1e6, offsetof(bn_generation_defaults, repetition_penalty)},
    };
    bn_status status;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        double value = NAN;
        status = gguf_get_number(gguf, numbers[i].key, &value, err);
        if (status != BN_OK) return status;
        if (isnan(value)) continue;
        if (!(value >= numbers[i].low && value <= numbers[i].high))
            return fail(err, BN_STATUS_BAD_FILE, "'%s' is %g, expected %g to %g", numbers[i].key, value, numbers[i].low,
                        numbers[i].high);
        *(float *)(void *)((char *)defaults + numbers[i].offset) = (float)value;
    }
    size_t top_k = SIZE_MAX, eos = SIZE_MAX;
    status = gguf_get_size(gguf, "general.sampling.top_k", 0, INT32_MAX, &top_k, err);
    if (status == BN_OK) status = gguf_get_size(gguf, "tokenizer.ggml.eos_token_id", 0, UINT32_MAX, &eos, err);
    if (status != BN_OK) return status;
    if (top_k != SIZE_MAX) defaults->top_k = (int32_t)top_k;
    return eos == SIZE_MAX ? BN_OK : add_eos(defaults, (int64_t)eos, vocab_size, "tokenizer.ggml.eos_token_id", err);
}
