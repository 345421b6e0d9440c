/* What Ollama's requests on a model have in common: the model, options, keep_alive, format, think. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/ollama.h"

enum { DEFAULT_NUM_KEEP = 4 };
#define MAX_KEEP_S (100 * 365.25 * 86400) /* longer is for ever */

/* ---- names ---- */

const char *ollama_asked_name(const json_t *body) {
    const char *name = json_text_or(body, "model", "");
    return *name ? name : json_text_or(body, "name", "");
}

const char *ollama_name(const json_t *body, char *out, size_t size) {
    static const char latest[] = ":latest";
    snprintf(out, size, "%s", ollama_asked_name(body));
    size_t n = strlen(out);
    if (n >= sizeof latest && strcmp(out + n - (sizeof latest - 1), latest) == 0) out[n - (sizeof latest - 1)] = 0;
    return out;
}

bool ollama_check_name(const json_t *body, struct failure *failure) {
    return *ollama_asked_name(body) ? true : refuse(failure, "model", "'model' is required");
}

const char *ollama_show_name(const char *name, char *out, size_t size) {
    snprintf(out, size, strpbrk(name, ":@") ? "%s" : "%s:latest", name);
    return out;
}

bool ollama_not_found(struct failure *failure, const char *name) {
    *failure = (struct failure){.status = 404, .code = "model_not_found"};
    snprintf(failure->message, sizeof failure->message, "model '%s' not found", name);
    return false;
}

/* NAME, else NAME:TAG as NAME@TAG. */
bool ollama_acquire(const struct api *api, const json_t *body, const struct model **model, uint64_t *load_ns,
                    struct failure *failure) {
    struct models *models = api->models;
    char name[256];
    bn_error error = {0};
    if (!ollama_check_name(body, failure)) return false;
    ollama_name(body, name, sizeof name);
    uint64_t begin_ns = clock_now_ns();
    bn_status status = models_acquire(models, name, model, &error);
    char *colon = strrchr(name, ':');
    if (status == BN_STATUS_NOT_FOUND && colon && !strchr(name, '@') && !strchr(colon, '/')) {
        *colon = '@';
        status = models_acquire(models, name, model, NULL) ? status : BN_OK;
        *colon = ':';
    }
    *load_ns = clock_now_ns() - begin_ns;
    if (status == BN_STATUS_NOT_FOUND) return ollama_not_found(failure, name);
    return succeeded(failure, status, &error);
}

/* ---- keep_alive ---- */

/* Go's durations ("1h30m", "-1s"), or a number of seconds. False: neither. */
static bool parse_duration(const char *text, double *seconds) {
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"µs", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"", 1}};
    double sign = *text == '-' ? -1 : 1;
    *seconds = 0;
    if (*text == '-' || *text == '+') text++;
    if (!*text) return false;
    for (size_t n_terms = 0; *text; n_terms++) {
        char *end;
        if (*text != '.' && (*text < '0' || *text > '9')) return false;
        double number = strtod(text, &end);
        size_t n = strcspn(end, "0123456789."), i = 0;
        while (i < sizeof units / sizeof *units && (strlen(units[i].name) != n || memcmp(units[i].name, end, n) != 0))
            i++;
        if (i == sizeof units / sizeof *units || !isfinite(number) || (n == 0 && n_terms)) return false;
        *seconds += sign * number * units[i].seconds;
        text = end + n;
    }
    return true;
}

static bool read_keep_alive(struct ollama_call *call, struct failure *failure) {
    const json_t *value = json_member(call->body, "keep_alive");
    double seconds = json_number_value(value);
    call->keep_ms = models_default_idle_ms(call->api->models);
    if (!value) return true;
    if (json_is_string(value) && !parse_duration(json_string_value(value), &seconds))
        return refuse(failure, "keep_alive", "'keep_alive' is '%.40s': it must be seconds, or a duration such as 5m",
                      json_string_value(value));
    call->keep_ms = seconds < 0 || seconds > MAX_KEEP_S ? MODELS_FOREVER : (uint64_t)ceil(seconds * 1000);
    return true;
}

/* ---- options ---- */

static bool is_option(const char *name) {
    const struct schema_field *field = parameter_fields;
    while (field->name && strcmp(field->name, name) != 0) field++;
    return field->name != NULL;
}

/* The preset's, and over them the request's; unknown ones are left out. */
static bool read_options(struct ollama_call *call, struct failure *failure) {
    const json_t *preset = json_member(call->model->preset, "parameters");
    const char *name;
    json_t *value;
    call->options = preset ? json_deep_copy(preset) : json_object();
    if (!call->options) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    json_object_foreach(json_member(call->body, "options"), name, value) {
        if (!is_option(name))
            exchange_note(call->delivery.exchange, "unknown option '%s' is ignored", name);
        else if (!json_is_null(value))
            json_object_set(call->options, name, value);
    }
    size_t trained = call->model->info.context_length;
    json_int_t wanted = json_integer_or(call->options, "num_ctx", 0);
    call->context_length = call->model->context_length;
    if (wanted > 0) call->context_length = min_size((size_t)wanted, trained ? trained : SIZE_MAX);
    if (call->context_length <= call->model->context_length) return true;
    return refuse(failure, "options.num_ctx",
                  "'options.num_ctx' is %lld: this server runs the model with a context of %zu tokens (its -c)",
                  (long long)wanted, call->model->context_length);
}

/* Ollama's own defaults, where neither the client nor the model's maker says anything. */
static void set_default(struct ollama_call *call, const char *name, bool given_by_model, json_t *value) {
    if (!given_by_model && !json_object_get(call->options, name)) json_object_set(call->common, name, value);
    json_decref(value);
}

static void set_sampling(struct ollama_call *call) {
    const bn_generation_defaults *d = &call->model->defaults;
    const char *name;
    json_t *value;
    json_object_foreach(call->options, name, value) {
        if (is_option(name)) json_object_set(call->common, name, value);
    }
    set_default(call, "temperature", !isnan(d->temperature), json_real(0.8));
    set_default(call, "top_k", d->top_k >= 0, json_integer(40));
    set_default(call, "top_p", !isnan(d->top_p), json_real(0.9));
    set_default(call, "repeat_penalty", !isnan(d->repetition_penalty), json_real(1.1));
    set_default(call, "repeat_last_n", false, json_integer(64));
    json_int_t most = json_integer_or(call->options, "num_predict", -1);
    if (most > 0) json_object_set_new(call->common, "max_tokens", json_integer(most));
}

/* ---- a call ---- */

static void release(void *context) {
    struct ollama_call *call = context;
    json_decref(call->options);
    json_decref(call->common);
    model_release(call->held);
}

struct ollama_call *ollama_call_create(struct exchange *exchange, struct api *api) {
    const json_t *body = exchange_request(exchange)->json;
    bool stream = json_bool_or(body, "stream", true);
    struct ollama_call *call = delivery_create(exchange, sizeof *call, "", stream, release);
    if (!call) return NULL;
    call->delivery.lines = true;
    call->api = api;
    call->body = body;
    call->start_ns = clock_now_ns();
    return call;
}

bool ollama_call_open(struct ollama_call *call, struct failure *failure) {
    if (!ollama_acquire(call->api, call->body, &call->held, &call->load_ns, failure)) return false;
    call->model = call->held;
    if (!call->model->tokenizer) return refuse(failure, "model", "the model has no tokenizer");
    if (!read_keep_alive(call, failure) || !read_options(call, failure)) return false;
    models_keep(call->api->models, call->model, call->keep_ms);
    call->common = json_object();
    if (!call->common) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    set_sampling(call);
    return true;
}

static bool read_format(struct ollama_call *call, struct failure *failure) {
    json_t *format = json_member(call->body, "format"), *wanted;
    const char *word = json_is_string(format) ? json_string_value(format) : NULL;
    if (!format || (word && !*word)) return true;
    if (word && strcmp(word, "json") != 0)
        return refuse(failure, "format", "'format' is '%.40s': it must be \"json\" or a JSON schema", word);
    wanted = word ? json_pack("{s:s}", "type", "json_object")
                  : json_pack("{s:s, s:{s:O}}", "type", "json_schema", "json_schema", "schema", format);
    json_object_set_new(call->common, "response_format", wanted);
    return true;
}

bool ollama_template_thinks(const char *text) {
    return text && (strstr(text, "<think>") || strstr(text, "enable_thinking") || strstr(text, "reasoning_effort"));
}

static bool read_think(struct ollama_call *call, struct failure *failure) {
    json_t *think = json_member(call->body, "think");
    if (!think) return true;
    bool wanted = json_is_string(think) || json_is_true(think);
    if (wanted && !ollama_template_thinks(call->model->chat_template))
        return refuse(failure, "think", "\"%s\" does not support thinking", call->model->name);
    if (json_is_string(think)) json_object_set(call->common, "reasoning_effort", think);
    json_object_set_new(call->common, "chat_template_kwargs", json_pack("{s:b}", "enable_thinking", wanted));
    return true;
}

bool ollama_read_generation(struct ollama_call *call, struct failure *failure) {
    static const char *const same[] = {"logprobs", "top_logprobs"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_member(call->body, same[i]))
            json_object_set(call->common, same[i], json_object_get(call->body, same[i]));
    if (json_bool_or(call->body, "shift", false))
        return refuse(failure, "shift", "'shift' is not supported: an answer ends where the context is full");
    return read_format(call, failure) && read_think(call, failure);
}

bool ollama_refuse_images(const json_t *object, const char *place, struct failure *failure) {
    if (json_array_size(json_member(object, "images")) == 0) return true;
    return refuse(failure, place, "'%s': this server's models read text only", place);
}

/* ---- prompts that are too long ---- */

/* Room for num_predict tokens, but no more than half of the context. */
size_t ollama_prompt_limit(const struct ollama_call *call) {
    json_int_t most = json_integer_or(call->options, "num_predict", -1);
    size_t room = max_size(call->context_length / 2, 1);
    if (most > 0) room = min_size(room, (size_t)most);
    return call->context_length - min_size(room, call->context_length - 1);
}

/* Keeps the first num_keep tokens (and BOS), and as many of the last as there is room for. */
static void cut_middle(const struct ollama_call *call, struct generation_prompt *prompt) {
    size_t limit = ollama_prompt_limit(call);
    json_int_t keep = json_integer_or(call->options, "num_keep", DEFAULT_NUM_KEEP);
    size_t n_first = keep < 0 ? limit - 1 : min_size((size_t)keep, limit - 1);
    if (prompt->ids[0] == bn_tokenizer_bos(call->model->tokenizer)) n_first = min_size(n_first + 1, limit - 1);
    size_t n_last = limit - n_first;
    memmove(prompt->ids + n_first, prompt->ids + prompt->n_ids - n_last, n_last * sizeof *prompt->ids);
    prompt->n_ids = limit;
}

bool ollama_fit_prompt(struct ollama_call *call, struct chat_request *request, struct failure *failure) {
    struct generation_prompt *prompt = &request->prompt;
    bn_request_options *o = &request->settings.options;
    if (prompt->n_ids >= call->context_length) {
        if (!json_bool_or(call->body, "truncate", true) || call->context_length < 2)
            return refuse_overflow(failure, prompt->n_ids, call->context_length);
        exchange_note(call->delivery.exchange, "the prompt of %zu tokens was cut to %zu", prompt->n_ids,
                      ollama_prompt_limit(call));
        cut_middle(call, prompt);
    }
    size_t room = call->context_length - prompt->n_ids;
    o->max_tokens = o->max_tokens ? min_size(o->max_tokens, room) : room;
    return true;
}

/* ---- times ---- */

static void time_text(const struct timespec *time, char out[40]) {
    struct tm utc;
    gmtime_r(&time->tv_sec, &utc);
    size_t n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + n, 40 - n, ".%09ldZ", time->tv_nsec);
}

void ollama_now(char out[40]) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time_text(&now, out);
}

void ollama_time(int64_t seconds, char out[40]) {
    const struct timespec time = {.tv_sec = (time_t)seconds};
    time_text(&time, out);
}
