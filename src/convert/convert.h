/* A checkpoint in another container, in other types: Hugging Face folders and files (safetensors, PyTorch pickles, ONNX)
 * and GGUF, each into GGUF, safetensors or a Hugging Face folder.
 *
 * Tensors are streamed: a few megabytes of a tensor are decoded, reordered, encoded and written at a time by all threads, so memory
 * doesn't grow with the model. Without --type nothing is lost: every value of the source is in the result (docs/conversion.md). */
#ifndef CONVERT_CONVERT_H
#define CONVERT_CONVERT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/json.h"
#include "kernels/tensor_type.h"

enum convert_target { CONVERT_TO_GGUF, CONVERT_TO_SAFETENSORS /* one file of weights */, CONVERT_TO_HF /* a folder */ };

/* Which type a kind of matrix gets. */
struct convert_type {
    bool given; /* else the source's, or the nearest type of the target that loses nothing */
    enum tensor_type type;
};

/* Rounding float weights to −1, 0, 1 times a scale: what the scale is … */
enum ternary_method { TERNARY_ABSMEAN, TERNARY_ABSMEDIAN };
/* … and which weights share one; GROUP: a block of the type. */
enum ternary_granularity { TERNARY_PER_TENSOR, TERNARY_PER_ROW, TERNARY_PER_GROUP };

struct convert_options {
    const char *source, *output; /* paths */
    const char *name;            /* of the model, where its files don't say; NULL: as the source's path ends */
    enum convert_target target;
    struct convert_type type;           /* of the layers' matrices; ternary types round float weights */
    struct convert_type head_type;      /* of embedding and head */
    struct convert_type embedding_type; /* of the embedding, also where it is the head, instead of head_type */
    enum ternary_method method;
    enum ternary_granularity granularity;
    size_t n_threads;       /* 0: all CPUs */
    size_t max_shard_bytes; /* CONVERT_TO_HF: weights are split into files of about this size; 0: 5 GB */
    const char *i2s_layout; /* of the source, where its file doesn't say; NULL: x86-128 */
    bool no_tokenizer;      /* weights and configuration only */
    const json_t *card;     /* what the model's card says (convert/card_keys.h), for GGUF files; NULL: nothing */
    /* Bytes written of all; false stops with BN_STATUS_CANCELLED. May be NULL. */
    bool (*progress)(void *context, size_t done, size_t total);
    /* Lines that a person should see. May be NULL. */
    void (*notice)(void *context, const char *line);
    void *context;
};

/* How much of a tensor's values was lost. */
struct tensor_quality {
    const char *name; /* in the result */
    enum tensor_type type;
    bool ternarized;      /* float weights were rounded to −1, 0, 1 */
    double signal, error; /* Σx², Σ(x − x')² */
    double zeros;         /* of ternarized ones: the share of zeros */
};
/* 10·log10(signal/error); infinite where nothing was lost. */
double quality_sqnr(const struct tensor_quality *quality);

/* Begin with zeros; release in any case. */
struct convert_report {
    const char *architecture; /* the family's name, static */
    size_t n_tensors, n_ternary, n_parameters, bytes;
    size_t n_files;                   /* with weights */
    struct tensor_quality *qualities; /* those with losses, in the result's order */
    size_t n_qualities;
    void *memory; /* what the names lie in */
};
void convert_report_release(struct convert_report *report);

/* Reads source, writes output (whole or not at all; a folder is filled file by file and appears complete). Errors name the tensor, key
 * or file, and BN_STATUS_UNSUPPORTED what the target can't hold. Runs on the process's thread pool. */
bn_status convert_model(const struct convert_options *options, struct convert_report *report, bn_error *err);

#endif
