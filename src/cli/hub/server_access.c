#include "cli/hub/server_access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/input.h"
#include "cli/signals.h"

enum { DEFAULT_TIMEOUT_S = 600, CONNECT_TIMEOUT_S = 10, DEFAULT_RETRIES = 10 };

#define FIELD(name) offsetof(struct server_options, name)
const struct option server_option_table[] = {
    {"server", 0, OPTION_TEXT, FIELD(url), "URL", 0, 0,
     "ask a server with OpenAI's routes: http://…, https://… or unix:/path; MODEL is its name there (the server's "
     "first)",
     "base-url"},
    {"api-key", 0, OPTION_TEXT, FIELD(api_key), "KEY", 0, 0,
     "the server's key; else $OPENAI_API_KEY, to https and this machine only", NULL},
    {"timeout", 0, OPTION_SIZE, FIELD(timeout_s), "SECONDS", 1, 86400, "how long the server may stay silent (600)",
     NULL},
    {"retries", 0, OPTION_SIZE, FIELD(retries), "N", 1, 1000,
     "attempts in a row, where a request may be repeated, before it has failed (10)", NULL},
    {0},
};

static bool is_interrupted(void *context) {
    (void)context;
    return interrupted();
}

bn_status server_access_open(const struct server_options *options, const char *model, size_t max_connections,
                             struct server_access *out, bn_error *err) {
    const char *key = options->api_key, *usual = getenv("OPENAI_API_KEY");
    *out = (struct server_access){0};
    bn_status status = endpoint_init(&out->endpoint, options->url, key, model, err);
    if (!status && !key && usual && *usual && endpoint_is_private(&out->endpoint)) {
        out->endpoint.key = mem_strdup(usual);
        if (!out->endpoint.key) status = fail_no_memory(err, strlen(usual));
    }
    const struct http_options http = {
        .user_agent = "bitnet",
        .max_connections = max_connections,
        .connect_timeout_s = CONNECT_TIMEOUT_S,
        .stall_timeout_s = options->timeout_s ? (unsigned)options->timeout_s : DEFAULT_TIMEOUT_S,
        .max_retries = options->retries ? (unsigned)options->retries : DEFAULT_RETRIES,
        .cancelled = is_interrupted,
    };
    if (!status) status = http_client_create(&http, &out->http, err);
    if (!status) status = endpoint_find_model(&out->endpoint, out->http, err);
    return status;
}

void server_access_release(struct server_access *access) {
    if (access->http) {
        http_stop(access->http); /* whoever waits for an answer hears of its end */
        http_run(access->http, NULL);
    }
    http_client_destroy(access->http);
    endpoint_release(&access->endpoint);
    *access = (struct server_access){0};
}

/* ---- options as members ---- */

/* Options and the members that servers know them by. Without a member: none knows it. */
static const struct named_option {
    const char *option, *member;
} sampling_names[] =
    {
        {"temp", "temperature"},
        {"top-k", "top_k"},
        {"top-p", "top_p"},
        {"min-p", "min_p"},
        {"top-nsigma", "top_n_sigma"},
        {"typical", "typical_p"},
        {"xtc-probability", "xtc_probability"},
        {"xtc-threshold", "xtc_threshold"},
        {"mirostat", "mirostat"},
        {"mirostat-ent", "mirostat_tau"},
        {"mirostat-lr", "mirostat_eta"},
        {"repeat-penalty", "repetition_penalty"},
        {"repeat-last-n", "repeat_last_n"},
        {"presence-penalty", "presence_penalty"},
        {"frequency-penalty", "frequency_penalty"},
        {"dry-multiplier", "dry_multiplier"},
        {"dry-base", "dry_base"},
        {"dry-allowed-length", "dry_allowed_length"},
        {"dry-penalty-last-n", "dry_penalty_last_n"},
        {"seed", "seed"},
        {"dry-sequence-breaker", NULL},
        {"samplers", NULL},
},
  length_names[] = {
      {"n-predict", "max_tokens"},
      {"min-tokens", "min_tokens"},
      {"ignore-eos", "ignore_eos"},
      {"n", NULL},
      {"best-of", NULL},
      {"beams", NULL},
      {"length-penalty", NULL},
      {"logprobs", NULL},
};
enum {
    N_SAMPLING_NAMES = sizeof sampling_names / sizeof sampling_names[0],
    N_LENGTH_NAMES = sizeof length_names / sizeof length_names[0],
};

static size_t field_bytes(enum option_kind kind) {
    switch (kind) {
    case OPTION_FLAG:
        return sizeof(bool);
    case OPTION_SIZE:
        return sizeof(size_t);
    case OPTION_INTEGER:
        return sizeof(int64_t);
    case OPTION_NUMBER:
        return sizeof(double);
    case OPTION_LIST:
        return sizeof(struct text_list);
    default:
        return sizeof(const char *);
    }
}

static json_t *field_json(enum option_kind kind, const void *field) {
    switch (kind) {
    case OPTION_FLAG:
        return json_boolean(*(const bool *)field);
    case OPTION_SIZE:
        return json_integer((json_int_t) * (const size_t *)field);
    case OPTION_INTEGER:
        return json_integer((json_int_t) * (const int64_t *)field);
    default:
        return json_real(*(const double *)field);
    }
}

static bn_status add_members(json_t *body, const struct option *table, const struct named_option *names, size_t n,
                             const struct sampling_options *options, bn_error *err) {
    struct sampling_options defaults;
    sampling_options_defaults(&defaults);
    for (size_t i = 0; i < n; i++) {
        const struct option *option = option_find(table, names[i].option);
        const char *field = (const char *)options + option->offset, *usual = (const char *)&defaults + option->offset;
        if (memcmp(field, usual, field_bytes(option->kind)) == 0) continue;
        if (!names[i].member) return fail(err, BN_STATUS_BAD_ARGUMENT, "--%s can't be asked of a server", option->name);
        json_object_set_new(body, names[i].member, field_json(option->kind, field));
    }
    return BN_OK;
}

static void add_lists(json_t *body, const struct sampling_options *options, const bn_logit_bias *biases) {
    json_t *stops = json_array(), *object = json_object();
    char id[16];
    for (size_t i = 0; i < options->stop.n; i++)
        json_array_append_new(stops, json_text(options->stop.items[i], strlen(options->stop.items[i])));
    for (size_t i = 0; i < options->logit_bias.n; i++) {
        snprintf(id, sizeof id, "%d", biases[i].id);
        json_object_set_new(object, id, json_real((double)biases[i].bias));
    }
    if (options->stop.n) json_object_set(body, "stop", stops);
    if (options->logit_bias.n) json_object_set(body, "logit_bias", object);
    if (options->special) json_object_set_new(body, "skip_special_tokens", json_false());
    json_decref(stops);
    json_decref(object);
}

/* ---- structured output ---- */

static bn_status add_schema(json_t *body, const struct buffer *text, const char *path, bn_error *err) {
    json_t *schema;
    bn_status status = json_parse(text->data ? text->data : "", text->size, path, &schema, err);
    if (status) return status;
    json_object_set_new(body, "response_format",
                        json_pack("{s:s, s:{s:s, s:b, s:o}}", "type", "json_schema", "json_schema", "name", "answer",
                                  "strict", 1, "schema", schema));
    return BN_OK;
}

static bn_status add_choices(json_t *held, const char *list, bn_error *err) {
    struct choices choices;
    bn_status status = choices_split(list, &choices, err);
    if (status) return status;
    json_t *texts = json_array();
    for (size_t i = 0; i < choices.n; i++)
        json_array_append_new(texts, json_text(choices.items[i], strlen(choices.items[i])));
    json_object_set_new(held, "choice", texts);
    choices_release(&choices);
    return BN_OK;
}

static bn_status add_constraint(json_t *body, const struct grammar_options *grammar, bn_error *err) {
    const char *path = grammar->schema ? grammar->schema : grammar->grammar;
    int n = !!grammar->schema + !!grammar->regex + !!grammar->grammar + !!grammar->choice;
    struct buffer text;
    if (n > 1) return fail(err, BN_STATUS_BAD_ARGUMENT, "give only one of --schema, --regex, --grammar and --choice");
    if (!n) return BN_OK;
    buffer_init(&text);
    json_t *held = json_object();
    bn_status status = path ? read_file_or_stdin(path, &text, err) : BN_OK;
    if (!status && grammar->schema) status = add_schema(body, &text, path, err);
    if (!status && grammar->grammar)
        json_object_set_new(held, "grammar", json_text(text.data ? text.data : "", text.size));
    if (!status && grammar->regex)
        json_object_set_new(held, "regex", json_text(grammar->regex, strlen(grammar->regex)));
    if (!status && grammar->choice) status = add_choices(held, grammar->choice, err);
    if (json_object_size(held)) json_object_set(body, "structured_outputs", held);
    json_decref(held);
    buffer_release(&text);
    return status;
}

bn_status server_request_body(const struct server_access *access, const struct sampling_options *options, json_t **out,
                              bn_error *err) {
    bn_logit_bias *biases = NULL;
    json_t *body = json_pack("{s:s, s:b, s:{s:b}}", "model", access->endpoint.model, "stream", 1, "stream_options",
                             "include_usage", 1);
    *out = NULL;
    if (!body) return fail(err, BN_STATUS_BAD_ARGUMENT, "the model's name isn't UTF-8");
    bn_status status = add_members(body, sampling_option_table, sampling_names, N_SAMPLING_NAMES, options, err);
    if (!status) status = add_members(body, length_option_table, length_names, N_LENGTH_NAMES, options, err);
    if (!status) status = logit_biases_parse(&options->logit_bias, &biases, err);
    if (!status) add_lists(body, options, biases);
    if (!status) status = add_constraint(body, &options->grammar, err);
    if (options->max_tokens <= 0) json_object_del(body, "max_tokens");
    mem_free(biases);
    if (status)
        json_decref(body);
    else
        *out = body;
    return status;
}

/* ---- answers ---- */

json_t *completion_json(const struct completion *completion) {
    const char *text = completion->text.data ? completion->text.data : "";
    json_t *object = json_pack("{s:o, s:s}", "text", json_text(text, completion->text.size), "finish_reason",
                               *completion->finish_reason ? completion->finish_reason : "cancelled");
    if (!object || !completion->has_usage) return object;
    json_object_set_new(object, "prompt_tokens", json_integer((json_int_t)completion->prompt_tokens));
    json_object_set_new(object, "output_tokens", json_integer((json_int_t)completion->output_tokens));
    return object;
}
