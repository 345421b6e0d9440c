/* From any model to the file that opens at once (model/optimize.h), proven by what it predicts. */
#ifndef ANALYSIS_OPTIMIZATION_H
#define ANALYSIS_OPTIMIZATION_H

#include "analysis/perplexity.h"
#include "analysis/predictions.h"
#include "convert/convert.h"
#include "model/optimize.h"

struct optimization_options {
    const char *source, *output; /* paths */
    const char *name;            /* as in struct convert_options */
    bn_model_options model;      /* how the source is opened; `head`: whether a copy of the head is stored */
    enum ternary_layout layout;
    /* Not given: as in the source, which loses nothing. */
    struct convert_type layers, head, embeddings;
    const json_t *card; /* of a source that is converted, as in struct convert_options; may be NULL */
    bool no_compare;    /* take the result's predictions on trust */
    /* What is done now; false stops with BN_STATUS_CANCELLED. May be NULL. */
    bool (*progress)(void *context, const char *what, size_t done, size_t total);
    void (*notice)(void *context, const char *line); /* may be NULL */
    void *context;
};

/* Begin with zeros; release in any case. */
struct optimization_report {
    struct optimize_report written;
    bool converted;               /* through another form first: the source is no GGUF file, or types change */
    struct convert_report losses; /* of a conversion */
    struct prediction_difference difference; /* n_tokens 0: not compared */
    struct perplexity before, after;         /* of the sample text; where types change and there is a vocabulary */
};
void optimization_report_release(struct optimization_report *report);

/* Writes `output`, whole or not at all. Without types the result must predict as the source does: a GGUF file's bit for bit, a
 * Hugging Face model's within the rounding of sums (rows of q and k come in another order); BN_STATUS_INTERNAL, and no output,
 * where it doesn't. A conversion takes its place on the disk beside the output for a while. */
bn_status optimize_model(const struct optimization_options *options, struct optimization_report *report, bn_error *err);

#endif
