#include "cli/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "bench/process.h"
#include "model_peers_script.h"

/* The command of one measurement: at most 16 words, numbers in `numbers`. */
struct words {
    const char *argv[20];
    size_t n;
    char numbers[4][24];
    size_t n_numbers;
};

static void word(struct words *words, const char *text) {
    words->argv[words->n++] = text;
}

static void option(struct words *words, const char *name, size_t value) {
    char *number = words->numbers[words->n_numbers++];
    snprintf(number, sizeof words->numbers[0], "%zu", value);
    word(words, name);
    word(words, number);
}

static void tests_of(struct words *words, enum peer_test test, size_t n, size_t threads) {
    option(words, "-p", test == PEER_PREFILL ? n : 0);
    option(words, "-n", test == PEER_DECODE ? n : 0);
    option(words, "-t", threads);
}

static bn_status run_words(const struct peer *peer, struct words *words, double limit_s, struct process_result *result,
                           bn_error *err) {
    words->argv[words->n] = NULL;
    bn_status status = process_run((char *const *)words->argv, limit_s, result, err);
    if (status) error_prefix(err, "%s", peer->name);
    return status;
}

/* The number `key` of the object, or of the first object in the list, that the process printed. */
static bn_status number_in(const struct peer *peer, const struct process_result *result, const char *key, double *out,
                           bn_error *err) {
    json_t *json = NULL;
    bn_status status = json_parse(result->output, result->output_bytes, peer->name, &json, err);
    if (status) return status;
    const json_t *object = json_is_array(json) ? json_array_get(json, 0) : json, *value = json_object_get(object, key);
    *out = json_number_value(value);
    if (!json_is_number(value) || *out <= 0) status = fail(err, BN_STATUS_IO, "%s: printed no '%s'", peer->name, key);
    json_decref(json);
    return status;
}

static bn_status measure_ours(const struct peer *peer, enum peer_test test, size_t n, size_t threads, double limit_s,
                              struct process_result *result, double *value, bn_error *err) {
    struct words words = {0};
    word(&words, peer->path);
    if (test == PEER_START) {
        const char *const rest[] = {"generate", peer->model, "--tokens", "1,2,3,4,5,6,7,8", "--temp", "0", "--json"};
        for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) word(&words, rest[i]);
        option(&words, "-n", 1);
        option(&words, "-t", threads);
        bn_status status = run_words(peer, &words, limit_s, result, err);
        *value = result->first_byte_s;
        return status;
    }
    word(&words, "bench");
    word(&words, peer->model);
    tests_of(&words, test, n, threads);
    option(&words, "-r", 1);
    word(&words, "--json");
    bn_status status = run_words(peer, &words, limit_s, result, err);
    return status ? status : number_in(peer, result, "tokens_per_second", value, err);
}

static bn_status measure_llama_bench(const struct peer *peer, enum peer_test test, size_t n, size_t threads,
                                     double limit_s, struct process_result *result, double *value, bn_error *err) {
    if (test == PEER_START) return fail(err, BN_STATUS_UNSUPPORTED, "%s: doesn't measure its start", peer->name);
    struct words words = {0};
    word(&words, peer->path);
    word(&words, "-m");
    word(&words, peer->model);
    tests_of(&words, test, n, threads);
    option(&words, "-r", 1);
    word(&words, "-o");
    word(&words, "json");
    bn_status status = run_words(peer, &words, limit_s, result, err);
    return status ? status : number_in(peer, result, "avg_ts", value, err);
}

static bn_status measure_python(const struct peer *peer, enum peer_test test, size_t n, size_t threads, double limit_s,
                                struct process_result *result, double *value, bn_error *err) {
    static const char script[] = {MODEL_PEERS_SCRIPT 0};
    static const char *const tests[] = {"pp", "tg", "start"};
    json_t *job = json_pack("{s:s, s:s, s:I, s:I, s:s}", "peer",
                            peer->kind == PEER_TRANSFORMERS ? "transformers" : "llama-cpp-python", "test", tests[test],
                            "n", (json_int_t)n, "threads", (json_int_t)threads, "model", peer->model);
    char *text = job ? json_dumps(job, JSON_COMPACT) : NULL;
    json_decref(job);
    if (!text) return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' isn't a path in UTF-8", peer->model);
    struct words words = {0};
    word(&words, peer->path);
    word(&words, "-c");
    word(&words, script);
    word(&words, text);
    bn_status status = run_words(peer, &words, limit_s, result, err);
    free(text); /* jansson's own memory */
    double base = 0;
    if (!status) status = number_in(peer, result, test == PEER_START ? "seconds" : "tokens_per_second", value, err);
    if (!status) status = number_in(peer, result, "base_bytes", &base, err);
    result->peak_bytes -= min_size((size_t)base, result->peak_bytes);
    return status;
}

bn_status peer_measure(const struct peer *peer, enum peer_test test, size_t n, size_t threads, double limit_s,
                       struct peer_measurement *out, bn_error *err) {
    struct process_result result = {0};
    bn_status status;
    *out = (struct peer_measurement){0};
    switch (peer->kind) {
    case PEER_OURS:
        status = measure_ours(peer, test, n, threads, limit_s, &result, &out->value, err);
        break;
    case PEER_LLAMA_BENCH:
        status = measure_llama_bench(peer, test, n, threads, limit_s, &result, &out->value, err);
        break;
    default:
        status = measure_python(peer, test, n, threads, limit_s, &result, &out->value, err);
        break;
    }
    out->peak_bytes = result.peak_bytes;
    mem_free(result.output);
    return status;
}
