#include "client/load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"

struct load {
    struct http_client *http;
    const struct endpoint *endpoint;
    const struct prompts *prompts;
    const struct load_options *options;
    struct load_results *results;
    size_t n_started, n_done;
    uint64_t start_ns, last_ns; /* when the first was sent, when the last ended */
    bn_status status;           /* of the test itself */
    bn_error error;
};

/* One request on its way. */
struct client {
    struct load *load;
    size_t number;    /* of its prompt */
    uint64_t due_ns;  /* what its latencies count from */
    uint64_t last_ns; /* when the last piece came; 0: none did */
    size_t n_pieces, leave_after;
};

/* ---- measurements ---- */

bn_status samples_add(struct samples *samples, double value, bn_error *err) {
    if (samples->n == samples->capacity) {
        size_t capacity = samples->capacity ? 2 * samples->capacity : 256;
        double *values = mem_realloc_array(samples->values, capacity, sizeof *values);
        if (!values) return fail_no_memory(err, capacity * sizeof *values);
        samples->values = values;
        samples->capacity = capacity;
    }
    samples->values[samples->n++] = value;
    return BN_OK;
}

static double seconds_between(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? (double)(to_ns - from_ns) * 1e-9 : 0;
}

static void give_up(struct load *load, bn_status status) {
    if (!load->status) load->status = status;
    http_stop(load->http);
}

static void count_failure(struct load_results *results, const struct completion *completion, const bn_error *error) {
    size_t i = 0;
    results->n_failed++;
    while (i < results->n_failures && strcmp(results->failures[i].name, completion->failure) != 0) i++;
    if (i == LOAD_MAX_FAILURES) i--;
    struct load_failure *failure = &results->failures[i];
    if (i == results->n_failures) {
        results->n_failures++;
        snprintf(failure->name, sizeof failure->name, "%s", i + 1 < LOAD_MAX_FAILURES ? completion->failure : "other");
        snprintf(failure->message, sizeof failure->message, "%.199s", error->message);
    }
    failure->n++;
}

static void free_texts(struct load_results *results) {
    for (size_t i = 0; i < results->n_texts; i++) mem_free(results->texts[i]);
    mem_free((void *)results->texts);
    results->texts = NULL;
    results->n_texts = 0;
}

void load_results_release(struct load_results *results) {
    free_texts(results);
    mem_free(results->first_token.values);
    mem_free(results->gaps.values);
    mem_free(results->per_token.values);
    mem_free(results->whole.values);
    *results = (struct load_results){0};
}

/* ---- one request ---- */

static json_t *request_body(const struct load *load, const struct prompt *prompt) {
    const struct load_options *options = load->options;
    json_t *body = json_pack("{s:I, s:f, s:b, s:{s:b}}", "max_tokens", (json_int_t)prompt->max_tokens, "temperature",
                             options->temperature, "stream", 1, "stream_options", "include_usage", 1);
    if (load->endpoint->model) json_object_set_new(body, "model", json_string(load->endpoint->model));
    if (options->ignore_eos) json_object_set_new(body, "ignore_eos", json_true());
    if (prompt->messages)
        json_object_set(body, "messages", prompt->messages);
    else if (options->chat)
        json_object_set_new(body, "messages", json_pack("[{s:s, s:s}]", "role", "user", "content", prompt->text));
    else
        json_object_set_new(body, "prompt", json_string(prompt->text));
    return body;
}

static bool on_text(void *context, const char *text, size_t n) {
    struct client *client = context;
    struct load *load = client->load;
    uint64_t now_ns = clock_now_ns();
    (void)text, (void)n;
    struct samples *samples = client->last_ns ? &load->results->gaps : &load->results->first_token;
    uint64_t from_ns = client->last_ns ? client->last_ns : client->due_ns;
    bn_status status = samples_add(samples, seconds_between(from_ns, now_ns), &load->error);
    if (status) give_up(load, status);
    client->last_ns = now_ns;
    return !client->leave_after || ++client->n_pieces < client->leave_after;
}

static bn_status note_answer(struct client *client, const struct completion *completion, uint64_t now_ns) {
    struct load *load = client->load;
    struct load_results *results = load->results;
    size_t n = completion->has_usage ? completion->output_tokens : completion->n_pieces;
    results->prompt_tokens += completion->prompt_tokens;
    results->cached_tokens += completion->cached_tokens;
    results->output_tokens += n;
    if (completion->stopped) {
        results->n_left++;
        return BN_OK;
    }
    results->n_answered++;
    double generating = seconds_between(completion->first_ns, completion->last_ns);
    bn_status status = samples_add(&results->whole, seconds_between(client->due_ns, now_ns), &load->error);
    if (!status && n > 1) status = samples_add(&results->per_token, generating / (double)(n - 1), &load->error);
    if (status || !load->options->keep_texts) return status;
    size_t at = client->number - load->options->first;
    results->texts[at] = mem_strdup(completion->text.data ? completion->text.data : "");
    return results->texts[at] ? BN_OK : fail_no_memory(&load->error, completion->text.size);
}

static void start_next(struct load *load);

static void on_end(void *context, const struct completion *completion, bn_status status, const bn_error *error) {
    struct client *client = context;
    struct load *load = client->load;
    uint64_t now_ns = clock_now_ns();
    bool cancelled = status == BN_STATUS_CANCELLED;
    load->last_ns = now_ns;
    load->n_done++;
    if (!status && (status = note_answer(client, completion, now_ns))) {
        give_up(load, status);
    } else if (status && !cancelled) {
        count_failure(load->results, completion, error);
    }
    mem_free(client);
    if (load->options->progress) load->options->progress(load->options->context, load->n_done);
    if (load->options->concurrency && !load->status && !cancelled) start_next(load);
}

static bn_status start_request(struct load *load, size_t number, uint64_t due_ns, bn_error *err) {
    struct client *client = mem_calloc(1, sizeof *client);
    struct prompt prompt = {0};
    if (!client) return fail_no_memory(err, sizeof *client);
    bn_status status = prompts_at(load->prompts, number, &prompt, err);
    *client = (struct client){.load = load, .number = number, .due_ns = due_ns, .leave_after = prompt.leave_after};
    json_t *body = status ? NULL : request_body(load, &prompt);
    const struct completion_request request = {
        .endpoint = load->endpoint,
        .chat = load->options->chat || prompt.messages,
        .body = body,
        .on_text = on_text,
        .on_end = on_end,
        .context = client,
    };
    if (!status && !body) status = fail_no_memory(err, 0);
    if (!status) status = completion_start(load->http, &request, err);
    if (status) mem_free(client);
    json_decref(body);
    prompt_release(&prompt);
    return status;
}

/* ---- closed and open loop ---- */

static bool has_more(const struct load *load) {
    const struct load_options *options = load->options;
    if (load->n_started >= options->n_requests) return false;
    return options->duration_s <= 0 || seconds_between(load->start_ns, clock_now_ns()) < options->duration_s;
}

static void start_next(struct load *load) {
    if (!has_more(load)) return;
    bn_status status = start_request(load, load->options->first + load->n_started++, clock_now_ns(), &load->error);
    if (status) give_up(load, status);
}

static bn_status run_closed(struct load *load, bn_error *err) {
    for (size_t i = 0; i < load->options->concurrency && !load->status; i++) start_next(load);
    return http_run(load->http, err);
}

/* Poisson's arrivals: exponentially distributed times between them. */
static double next_arrival(const struct load_options *options, size_t number) {
    return -log1p(-random_uniform(options->seed, UINT32_MAX, number, 0)) / options->rate;
}

static bn_status run_open(struct load *load, bn_error *err) {
    const struct load_options *options = load->options;
    double at_s = 0;
    bn_status status = BN_OK;
    while (!status && load->n_started < options->n_requests && !load->status) {
        at_s += next_arrival(options, load->n_started);
        if (options->duration_s > 0 && at_s >= options->duration_s) break;
        uint64_t due_ns = load->start_ns + (uint64_t)(at_s * 1e9);
        if (due_ns > clock_now_ns()) status = http_run_until(load->http, due_ns, err);
        if (!status) status = start_request(load, options->first + load->n_started++, due_ns, err);
    }
    return status ? status : http_run(load->http, err);
}

bn_status load_run(struct http_client *http, const struct endpoint *endpoint, const struct prompts *prompts,
                   const struct load_options *options, struct load_results *results, bn_error *err) {
    struct load load = {.http = http, .endpoint = endpoint, .prompts = prompts, .options = options, .results = results};
    free_texts(results);
    if (options->keep_texts) {
        results->texts = mem_calloc(options->n_requests, sizeof(char *));
        if (!results->texts) return fail_no_memory(err, options->n_requests * sizeof(char *));
        results->n_texts = options->n_requests;
    }
    load.start_ns = load.last_ns = clock_now_ns();
    bn_status status = options->concurrency ? run_closed(&load, err) : run_open(&load, err);
    results->seconds += seconds_between(load.start_ns, load.last_ns);
    if (!load.status) return status;
    return fail(err, load.status, "%s", load.error.message);
}

/* ---- alone ---- */

struct alone {
    const char *expected;
    bool equal;
    bn_status status;
    bn_error error;
};

static void compare(void *context, const struct completion *completion, bn_status status, const bn_error *error) {
    struct alone *alone = context;
    const char *text = completion->text.data ? completion->text.data : "";
    alone->equal = !status && strcmp(text, alone->expected) == 0;
    alone->status = status;
    alone->error = *error;
}

static bn_status ask_alone(const struct load *load, size_t number, struct alone *alone, bn_error *err) {
    struct prompt prompt;
    bn_status status = prompts_at(load->prompts, number, &prompt, err);
    json_t *body = status ? NULL : request_body(load, &prompt);
    const struct completion_request request = {.endpoint = load->endpoint,
                                               .chat = load->options->chat || prompt.messages,
                                               .body = body,
                                               .on_end = compare,
                                               .context = alone};
    if (!status && !body) status = fail_no_memory(err, 0);
    if (!status) status = completion_start(load->http, &request, err);
    if (!status) status = http_run(load->http, err);
    if (!status && alone->status) status = fail(err, alone->status, "alone: %s", alone->error.message);
    json_decref(body);
    prompt_release(&prompt);
    return status;
}

bn_status load_verify(struct http_client *http, const struct endpoint *endpoint, const struct prompts *prompts,
                      const struct load_options *options, const struct load_results *results,
                      struct load_verdict *verdict, bn_error *err) {
    const struct load load = {.http = http, .endpoint = endpoint, .prompts = prompts, .options = options};
    for (size_t i = 0; i < results->n_texts; i++) {
        if (!results->texts[i]) continue;
        struct alone alone = {.expected = results->texts[i]};
        bn_status status = ask_alone(&load, options->first + i, &alone, err);
        if (status) return status;
        verdict->n_compared++;
        if (!alone.equal && !verdict->n_changed++) verdict->changed = options->first + i;
    }
    return BN_OK;
}

/* ---- how long a word is ---- */

/* The prompt tokens of n words, as the server counts them. */
static bn_status count_tokens(struct http_client *http, const struct endpoint *endpoint, bool chat, size_t n_words,
                              double *out, bn_error *err) {
    size_t n = 0;
    char *words = words_by_seed(1, UINT32_MAX, n_words), *text = NULL;
    json_t *body = words ? json_pack("{s:i, s:f}", "max_tokens", 1, "temperature", 0.0) : NULL, *answer = NULL;
    if (endpoint->model && body) json_object_set_new(body, "model", json_string(endpoint->model));
    if (chat)
        json_object_set_new(body, "messages", json_pack("[{s:s, s:s}]", "role", "user", "content", words));
    else
        json_object_set_new(body, "prompt", json_string(words));
    if (body) text = json_dumps(body, JSON_COMPACT);
    bn_status status =
        text ? endpoint_ask(endpoint, http, chat ? "/v1/chat/completions" : "/v1/completions", text, &answer, err)
             : fail_no_memory(err, n_words);
    if (!status) status = json_get_size(json_object_get(answer, "usage"), "prompt_tokens", 1, INT32_MAX, &n, err);
    *out = (double)n;
    json_decref(answer);
    json_decref(body);
    free(text);
    mem_free(words);
    return status;
}

bn_status load_measure_words(struct http_client *http, const struct endpoint *endpoint, bool chat,
                             struct prompts_options *options, bn_error *err) {
    enum { FEW = 10, MANY = 110 };
    double few, many;
    bn_status status = count_tokens(http, endpoint, chat, FEW, &few, err);
    if (!status) status = count_tokens(http, endpoint, chat, MANY, &many, err);
    if (status || many <= few) return status; /* a server that doesn't count: a word is a token */
    double tokens_per_word = (many - few) / (MANY - FEW);
    options->words_per_token = 1 / tokens_per_word;
    options->overhead_tokens = few - FEW * tokens_per_word > 0 ? few - FEW * tokens_per_word : 0;
    return BN_OK;
}
