/* `bitnet model verify`: opens everything a model has and looks whether it holds together. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/signals.h"
#include "cli/tensor_listing.h"
#include "cli/terminal.h"

struct verify_settings {
    struct model_options model;
};
static const struct option_group groups[] = {{"Model", model_option_table, offsetof(struct verify_settings, model)},
                                             {0}};

enum { FORWARD_TOKENS = 8 };

struct verification {
    struct invocation *invocation;
    const char *path;
    bn_model *model;
    json_t *checks; /* NULL: print lines */
    size_t n_failed;
};

/* Reports one check: what was found, or the error. */
static void report(struct verification *verification, const char *name, bn_status status, const bn_error *error,
                   const char *found) {
    const char *detail = status ? error->message : found;
    verification->n_failed += status != BN_OK;
    if (verification->checks)
        json_array_append_new(verification->checks, json_pack("{s:s, s:b, s:o}", "name", name, "ok", status == BN_OK,
                                                              "detail", json_text(detail, strlen(detail))));
    else
        printf("%s%-6s%s %-10s %s\n", style_out(status ? STYLE_RED : STYLE_GREEN), status ? "failed" : "ok",
               style_out(STYLE_PLAIN), name, detail);
}

/* ---- tensors: every value decodes, and is finite ---- */

static bn_status all_finite(void *context, const float *values, size_t n, bn_error *err) {
    const struct tensor *tensor = context;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return fail(err, BN_STATUS_BAD_FILE, "tensor '%s' has a value that is %s", tensor->name,
                        isnan(values[i]) ? "not a number" : "infinite");
    return BN_OK;
}

static bn_status check_tensors(const struct verification *verification, char *found, size_t size, bn_error *err) {
    struct tensor_listing listing;
    struct progress progress;
    bn_status status = tensor_listing_open(verification->path, &listing, err);
    if (status) return status;
    progress_begin(&progress, verification->invocation);
    for (size_t i = 0; !status && i < listing.set->n_tensors; i++) {
        struct tensor *tensor = &listing.set->tensors[i];
        status = tensor_visit_values(tensor, all_finite, tensor, err);
        progress_update(&progress, "tensors", i + 1, listing.set->n_tensors);
    }
    progress_end(&progress);
    snprintf(found, size, "%zu decode, all values finite", listing.set->n_tensors);
    tensor_listing_close(&listing);
    return status;
}

/* ---- tokenizer: text comes back, or at least the same ids do (vocabularies may normalize) ---- */

static const char sample[] = "The quick brown fox, 123 words: don't \"panic\" (yet).\n\tnaïve café — 你好 🙂";

static bn_status check_tokenizer(const bn_tokenizer *tokenizer, char *found, size_t size, bn_error *err) {
    const bn_encode_options options = {.size = sizeof options, .parse_special = false};
    int32_t *ids = NULL, *again = NULL;
    char *text = NULL;
    size_t n = 0, n_again = 0, bytes = 0;
    bn_status status = bn_tokenizer_encode(tokenizer, sample, sizeof sample - 1, &options, &ids, &n, err);
    if (!status) status = bn_tokenizer_decode(tokenizer, ids, n, false, &text, &bytes, err);
    if (!status) status = bn_tokenizer_encode(tokenizer, text, bytes, &options, &again, &n_again, err);
    bool same_text = !status && bytes == sizeof sample - 1 && memcmp(text, sample, bytes) == 0;
    bool same_ids = !status && n == n_again && (n == 0 || memcmp(ids, again, n * sizeof *ids) == 0);
    if (!status && !same_text && !same_ids)
        status = fail(err, BN_STATUS_BAD_FILE, "a text of %zu tokens comes back from decoding as %zu other tokens", n,
                      n_again);
    snprintf(found, size, "%zu tokens; a sample of %zu comes back %s", bn_tokenizer_vocab_size(tokenizer), n,
             same_text ? "byte for byte" : "as the same ids");
    bn_free(ids);
    bn_free(again);
    bn_free(text);
    return status;
}

/* ---- forward: one pass gives finite logits that aren't all the same ---- */

static bn_status check_logits(const float *logits, size_t n, bn_error *err) {
    float least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(logits[i])) return fail(err, BN_STATUS_BAD_FILE, "logit %zu isn't finite", i);
        least = fminf(least, logits[i]);
        most = fmaxf(most, logits[i]);
    }
    return least < most ? BN_OK
                        : fail(err, BN_STATUS_BAD_FILE, "all logits are %g: the weights can't be right", (double)most);
}

static bn_status check_forward(const struct verification *verification, char *found, size_t size, bn_error *err) {
    const struct verify_settings *settings = verification->invocation->settings;
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(verification->model, &info);
    int32_t ids[FORWARD_TOKENS];
    size_t n = min_size(FORWARD_TOKENS, info.context_length);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(i * info.vocab_size / FORWARD_TOKENS);
    float *logits = mem_alloc_array(info.vocab_size, sizeof *logits);
    if (!logits) return fail_no_memory(err, info.vocab_size * sizeof *logits);
    bn_engine_options options = model_options_engine(&settings->model);
    options.max_sequences = 1;
    if (!options.context_length) options.context_length = min_size(info.context_length, 64);
    bn_engine *engine = NULL;
    bn_status status = bn_engine_create(verification->model, &options, &engine, err);
    if (!status) status = bn_engine_logits(engine, ids, n, true, logits, err);
    if (!status) status = check_logits(logits, info.vocab_size, err);
    if (engine) bn_engine_destroy(engine);
    mem_free(logits);
    snprintf(found, size, "%zu tokens through %zu layers: finite", n, info.n_layers);
    return status;
}

/* ---- the command ---- */

static void verify(struct verification *verification) {
    const struct verify_settings *settings = verification->invocation->settings;
    char found[200] = "";
    bn_error error = {0};
    bn_status status = check_tensors(verification, found, sizeof found, &error);
    report(verification, "tensors", status, &error, found);
    const bn_model_options options = {.size = sizeof options,
                                      .n_threads = settings->model.threads,
                                      .i2s_layout = settings->model.i2s_layout,
                                      .hidden_act = settings->model.hidden_act};
    status = bn_model_open(verification->path, &options, &verification->model, &error);
    if (!status) {
        bn_model_info info = {.size = sizeof info};
        bn_model_get_info(verification->model, &info);
        snprintf(found, sizeof found, "%s, %zu layers, activation %s", info.architecture, info.n_layers,
                 info.hidden_act);
    }
    report(verification, "model", status, &error, found);
    if (status) return;
    const bn_tokenizer *tokenizer = bn_model_tokenizer(verification->model);
    snprintf(found, sizeof found, "none: prompts have to be token ids");
    status = tokenizer ? check_tokenizer(tokenizer, found, sizeof found, &error) : BN_OK;
    report(verification, "tokenizer", status, &error, found);
    status = check_forward(verification, found, sizeof found, &error);
    report(verification, "forward", status, &error, found);
}

static enum exit_code run(struct invocation *invocation) {
    bn_error error = {0};
    char *path;
    bn_status status = model_path_resolve(invocation->arguments[0], &path, &error);
    if (status) return say_failure(&error);
    signals_name_mapped_file(path);
    struct verification verification = {.invocation = invocation, .path = path};
    if (invocation->common.json) verification.checks = json_array();
    verify(&verification);
    if (verification.checks)
        json_write_line(stdout,
                        json_pack("{s:o, s:b, s:o}", "path", json_text(path, strlen(path)), "ok",
                                  verification.n_failed == 0, "checks", verification.checks),
                        NULL);
    if (verification.model) bn_model_close(verification.model);
    if (verification.n_failed)
        say_error("%s: %zu check%s failed", path, verification.n_failed, verification.n_failed == 1 ? "" : "s");
    mem_free(path);
    return verification.n_failed ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_model_verify = {
    .name = "model verify",
    .arguments = "MODEL",
    .summary = "check that a model is whole",
    .description =
        "Decodes every tensor (corrupt codes and values that aren't finite are found), opens the model, encodes and "
        "decodes a text, and runs a forward pass. A line per check; the exit status is 1 if one failed.",
    .examples = "bitnet model verify demo\nbitnet model verify demo --json",
    .groups = groups,
    .settings_bytes = sizeof(struct verify_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
