#include "analysis/verification.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/weight_checks.h"
#include "base/memory.h"
#include "model/open.h"
#include "tokenizer/describe.h"
#include "tokenizer/template/chat.h"

enum { FORWARD_TOKENS = 8, FORWARD_CONTEXT = 64 };

struct verification {
    const struct verification_options *options;
    bn_model *model;
    bool ended; /* memory is out, or it was cancelled */
};

static void report(const struct verification *v, const char *check, enum check_verdict verdict, const char *format, ...)
    PRINTF_LIKE(4, 5);
static void report(const struct verification *v, const char *check, enum check_verdict verdict, const char *format,
                   ...) {
    char detail[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    v->options->report(v->options->context, check, verdict, detail);
}

/* Is the check over because nothing can be checked any more? */
static bool ends(struct verification *v, bn_status status) {
    return v->ended |= status == BN_STATUS_NO_MEMORY || status == BN_STATUS_CANCELLED;
}

/* ---- the file ---- */

static void check_file(struct verification *v, bn_error *err) {
    struct tensor_listing listing;
    struct weight_findings found = {0};
    bn_status status = tensor_listing_open(v->options->path, &listing, err);
    if (ends(v, status)) return;
    if (status) {
        report(v, "format", CHECK_FAILED, "%s", err->message);
        report(v, "values", CHECK_SKIPPED, "the file can't be read");
        return;
    }
    report(v, "format", CHECK_OK, "%s of %zu tensors in %zu file%s", listing.is_gguf ? "GGUF" : "a checkpoint",
           listing.set->n_tensors, listing.set->n_files, listing.set->n_files == 1 ? "" : "s");
    status = values_check(listing.set, v->options->progress, v->options->context, &found, err);
    if (!ends(v, status))
        report(v, "values", found.n_damaged ? CHECK_FAILED : CHECK_OK, "%s",
               found.sentence.data ? found.sentence.data : "");
    weight_findings_release(&found);
    tensor_listing_close(&listing);
}

/* ---- the network ---- */

static bool check_configuration(struct verification *v, bn_error *err) {
    bn_model *description = NULL;
    bn_status status = model_open_description(v->options->path, &v->options->model, &description, err);
    if (ends(v, status)) return false;
    if (status) {
        report(v, "configuration", CHECK_FAILED, "%s", err->message);
        return false;
    }
    const struct model_config *c = &description->config;
    report(v, "configuration", CHECK_OK, "%s, %zu layers of %zu, activation %s", c->arch->name, c->n_layers,
           c->hidden_size, activation_name(c->activation));
    bn_model_close(description);
    return true;
}

static bool check_shapes(struct verification *v, bn_error *err) {
    bn_status status = bn_model_open(v->options->path, &v->options->model, &v->model, err);
    if (ends(v, status)) return false;
    if (status) {
        report(v, "shapes", CHECK_FAILED, "%s", err->message);
        return false;
    }
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(v->model, &info);
    report(v, "shapes", CHECK_OK, "every tensor is there: %llu parameters", (unsigned long long)info.n_parameters);
    return true;
}

static void check_rows(struct verification *v, bn_error *err) {
    struct weights_view view;
    struct weight_findings found = {0};
    const bn_model_options *options = &v->options->model;
    bn_status status = weights_view_open(v->options->path, options->i2s_layout, options->n_threads, &view, err);
    if (!status) status = rows_check(&view, v->options->progress, v->options->context, &found, err);
    if (!ends(v, status)) {
        if (status) /* what only the forward pass understands isn't broken */
            report(v, "rows", status == BN_STATUS_UNSUPPORTED ? CHECK_SKIPPED : CHECK_FAILED, "%s", err->message);
        else
            report(v, "rows",
                   found.n_damaged     ? CHECK_FAILED
                   : found.n_zero_rows ? CHECK_WARNING
                                       : CHECK_OK,
                   "%s", found.sentence.data ? found.sentence.data : "");
    }
    weight_findings_release(&found);
    weights_view_close(&view);
}

/* ---- the vocabulary ---- */

static const char sample[] = "The quick brown fox, 123 words: don't \"panic\" (yet).\n\tnaïve café — 你好 🙂";

/* A text comes back, or at least the same ids do: vocabularies may normalize. */
static void check_round_trip(struct verification *v, const bn_tokenizer *tokenizer, bn_error *err) {
    const bn_encode_options options = {.size = sizeof options, .parse_special = false};
    int32_t *ids = NULL, *again = NULL;
    char *text = NULL;
    size_t n = 0, n_again = 0, bytes = 0;
    bn_status status = bn_tokenizer_encode(tokenizer, sample, sizeof sample - 1, &options, &ids, &n, err);
    if (!status) status = bn_tokenizer_decode(tokenizer, ids, n, false, &text, &bytes, err);
    if (!status) status = bn_tokenizer_encode(tokenizer, text, bytes, &options, &again, &n_again, err);
    bool same_text = !status && bytes == sizeof sample - 1 && memcmp(text, sample, bytes) == 0;
    bool same_ids = !status && n == n_again && (n == 0 || memcmp(ids, again, n * sizeof *ids) == 0);
    if (!ends(v, status)) {
        if (status)
            report(v, "tokenizer", CHECK_FAILED, "%s", err->message);
        else if (!same_text && !same_ids)
            report(v, "tokenizer", CHECK_FAILED, "a text of %zu tokens comes back from decoding as %zu other tokens", n,
                   n_again);
        else
            report(v, "tokenizer", CHECK_OK, "a sample of %zu tokens comes back %s", n,
                   same_text ? "byte for byte" : "as the same ids");
    }
    bn_free(ids);
    bn_free(again);
    bn_free(text);
}

/* The first special id that the embedding has no row for; NULL: all have one. (Those of the sampling defaults were checked when the model
 * was opened.) */
static const char *bad_special(const struct verification *v, const bn_tokenizer *tokenizer, int32_t *id) {
    struct token_roles roles = tokenizer_roles(tokenizer);
    const struct {
        const char *role;
        int32_t id;
    } ids[] = {{"BOS", roles.bos}, {"EOS", roles.eos}, {"padding", roles.pad}, {"unknown", roles.unknown}};
    int32_t n_rows = (int32_t)v->model->config.vocab_size;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i].id >= n_rows) {
            *id = ids[i].id;
            return ids[i].role;
        }
    return NULL;
}

static void check_vocabulary(const struct verification *v, const bn_tokenizer *tokenizer) {
    size_t n_tokens = bn_tokenizer_vocab_size(tokenizer), n_rows = v->model->config.vocab_size;
    int32_t id;
    const char *role = bad_special(v, tokenizer, &id);
    if (role)
        report(v, "vocabulary", CHECK_FAILED, "the %s token is %d, and the embedding has %zu rows", role, (int)id,
               n_rows);
    else if (n_tokens > n_rows)
        report(v, "vocabulary", CHECK_WARNING,
               "%zu tokens, but %zu rows of the embedding: the tokens beyond can't be used", n_tokens, n_rows);
    else if (bn_tokenizer_eos(tokenizer) < 0 && v->model->generation.n_eos == 0)
        report(v, "vocabulary", CHECK_WARNING, "%zu tokens, none of which ends a text", n_tokens);
    else
        report(v, "vocabulary", CHECK_OK, "%zu tokens, %zu rows of the embedding", n_tokens, n_rows);
}

static const char question_text[] = "Is the river high", answer_text[] = "It is low";

/* Renders a question and its answer, up to where the next answer would begin, and encodes that. */
static bn_status render_chat(const struct chat *chat, struct prompt_text *prompt, int32_t **ids, size_t *n,
                             bn_error *err) {
    json_t *input = json_pack("{s:[{s:s, s:s}, {s:s, s:s}], s:b}", "messages", "role", "user", "content", question_text,
                              "role", "assistant", "content", answer_text, "add_generation_prompt", 1);
    if (!input) return fail_no_memory(err, 0);
    bn_status status = chat_render(chat, input, false, prompt, err);
    json_decref(input);
    return status ? status : chat_encode_prompt(chat, prompt, ids, n, err);
}

static bool ids_in_range(const int32_t *ids, size_t n, size_t n_rows) {
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= n_rows) return false;
    return true;
}

static void check_template(struct verification *v, const bn_tokenizer *tokenizer, bn_error *err) {
    struct chat *chat = NULL;
    struct prompt_text prompt;
    int32_t *ids = NULL;
    size_t n = 0;
    prompt_text_init(&prompt);
    bn_status status = chat_open(tokenizer, &chat, err);
    if (!status && chat) status = render_chat(chat, &prompt, &ids, &n, err);
    if (!ends(v, status)) {
        if (status)
            report(v, "template", CHECK_FAILED, "%s", err->message);
        else if (!chat)
            report(v, "template", CHECK_SKIPPED, "the model has no chat template");
        else if (!prompt.text.data || !strstr(prompt.text.data, question_text) ||
                 !strstr(prompt.text.data, answer_text))
            report(v, "template", CHECK_FAILED, "the prompt of two messages doesn't contain what was said");
        else if (!ids_in_range(ids, n, v->model->config.vocab_size))
            report(v, "template", CHECK_FAILED,
                   "the prompt of two messages has tokens that the embedding has no rows for");
        else
            report(v, "template", CHECK_OK, "two messages become %zu tokens", n);
    }
    bn_free(ids);
    prompt_text_release(&prompt);
    chat_close(chat);
}

static void check_tokenizer(struct verification *v, bn_error *err) {
    const bn_tokenizer *tokenizer = bn_model_tokenizer(v->model);
    if (!tokenizer) {
        report(v, "tokenizer", CHECK_WARNING, "none: prompts have to be token ids");
        report(v, "vocabulary", CHECK_SKIPPED, "there is no tokenizer");
        report(v, "template", CHECK_SKIPPED, "there is no tokenizer");
        return;
    }
    check_round_trip(v, tokenizer, err);
    check_vocabulary(v, tokenizer);
    if (!v->ended) check_template(v, tokenizer, err);
}

/* ---- a forward pass ---- */

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

static void check_forward(struct verification *v, bn_error *err) {
    const struct model_config *c = &v->model->config;
    int32_t ids[FORWARD_TOKENS];
    size_t n = min_size(FORWARD_TOKENS, c->context_length);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(i * c->vocab_size / FORWARD_TOKENS);
    float *logits = mem_alloc_array(c->vocab_size, sizeof *logits);
    bn_engine_options options = v->options->engine;
    options.max_sequences = 1;
    if (!options.context_length) options.context_length = min_size(c->context_length, FORWARD_CONTEXT);
    bn_engine *engine = NULL;
    bn_status status = logits ? bn_engine_create(v->model, &options, &engine, err)
                              : fail_no_memory(err, c->vocab_size * sizeof *logits);
    if (!status) status = bn_engine_logits(engine, ids, n, true, logits, err);
    if (!status) status = check_logits(logits, c->vocab_size, err);
    bn_engine_destroy(engine);
    mem_free(logits);
    if (ends(v, status)) return;
    if (status)
        report(v, "forward", CHECK_FAILED, "%s", err->message);
    else
        report(v, "forward", CHECK_OK, "%zu tokens through %zu layers: finite logits", n, c->n_layers);
}

/* ---- all together ---- */

static void skip(const struct verification *v, const char *const *checks, const char *why) {
    for (; *checks; checks++) report(v, *checks, CHECK_SKIPPED, "%s", why);
}

static void check_model(struct verification *v, bn_error *err) {
    static const char *const after_configuration[] = {"shapes",   "rows",    "tokenizer", "vocabulary",
                                                      "template", "forward", NULL};
    if (!v->ended && !check_configuration(v, err)) {
        if (!v->ended) skip(v, after_configuration, "the configuration can't be used");
        return;
    }
    if (!v->ended && !check_shapes(v, err)) {
        if (!v->ended) skip(v, after_configuration + 1, "the model can't be opened");
        return;
    }
    if (!v->ended) check_rows(v, err);
    if (!v->ended) check_tokenizer(v, err);
    if (!v->ended) check_forward(v, err);
}

bn_status model_verify(const struct verification_options *options, bn_error *err) {
    struct verification v = {.options = options};
    bn_error problem = {0};
    check_file(&v, &problem);
    if (!v.ended) check_model(&v, &problem);
    bn_model_close(v.model);
    return v.ended ? fail(err, problem.status, "%s", problem.message) : BN_OK;
}
