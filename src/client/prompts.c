#include "client/prompts.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

enum { MAX_DATASET_BYTES = 512 << 20 };

/* Streams of random numbers: one a prompt from FIRST_PROMPT on, one a shared beginning from FIRST_PREFIX on. */
enum { FIRST_PROMPT = 0, FIRST_PREFIX = 1 << 30 };
/* Draws of a prompt's stream beside its words. */
enum { DRAW_WORD, DRAW_INPUT, DRAW_OUTPUT, DRAW_LEAVES, DRAW_LEAVES_AFTER };

struct prompts {
    struct prompts_options options;
    struct prompt *items; /* of the file */
    size_t n_items;       /* 0: none, they are made */
};

static const char *const words[] = {
    "the",  "of",    "and",   "a",     "to",    "in",     "is",    "you",    "that",  "it",    "he",   "was",
    "for",  "on",    "are",   "as",    "with",  "his",    "they",  "at",     "be",    "this",  "have", "from",
    "or",   "one",   "had",   "by",    "word",  "but",    "not",   "what",   "all",   "were",  "we",   "when",
    "your", "can",   "said",  "there", "use",   "an",     "each",  "which",  "she",   "do",    "how",  "their",
    "if",   "will",  "up",    "other", "about", "out",    "many",  "then",   "them",  "these", "so",   "some",
    "her",  "would", "make",  "like",  "him",   "into",   "time",  "has",    "look",  "two",   "more", "write",
    "go",   "see",   "no",    "way",   "could", "people", "my",    "than",   "first", "water", "been", "call",
    "who",  "oil",   "its",   "now",   "find",  "long",   "down",  "day",    "did",   "get",   "come", "made",
    "may",  "part",  "river", "house", "light", "garden", "stone", "letter",
};
enum { N_WORDS = sizeof words / sizeof words[0] };

static void append_words(struct buffer *text, uint64_t seed, uint32_t stream, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t word = (size_t)(random_uniform(seed, stream, i, DRAW_WORD) * N_WORDS);
        if (text->size) buffer_append_char(text, ' ');
        buffer_append_text(text, words[word]);
    }
}

char *words_by_seed(uint64_t seed, uint32_t stream, size_t n) {
    struct buffer text;
    buffer_init(&text);
    append_words(&text, seed, stream, n);
    return buffer_take(&text);
}

/* ---- lengths ---- */

static size_t length_of(struct length_range range, uint64_t seed, uint32_t stream, uint32_t draw) {
    double span = (double)(range.max - range.min + 1);
    return range.min + (size_t)(random_uniform(seed, stream, 0, draw) * span);
}

static size_t words_for(const struct prompts_options *options, double tokens) {
    double n = tokens * (options->words_per_token > 0 ? options->words_per_token : 1);
    return n < 1 ? 1 : (size_t)(n + 0.5);
}

/* Whether and when its client goes away: anywhere in the first half of the answer, so that it does. */
static void decide_leaving(const struct prompts_options *options, uint32_t stream, struct prompt *prompt) {
    if (random_uniform(options->seed, stream, 0, DRAW_LEAVES) >= options->abort_share) return;
    const struct length_range first_half = {1, prompt->max_tokens / 2 ? prompt->max_tokens / 2 : 1};
    prompt->leave_after = length_of(first_half, options->seed, stream, DRAW_LEAVES_AFTER);
}

/* ---- made of words ---- */

static bn_status make(const struct prompts_options *options, size_t number, struct prompt *out, bn_error *err) {
    size_t n_prefixes = options->n_prefixes ? options->n_prefixes : 1;
    uint32_t stream = FIRST_PROMPT + (uint32_t)number, prefix = FIRST_PREFIX + (uint32_t)(number % n_prefixes);
    struct buffer text;
    buffer_init(&text);
    if (options->prefix) append_words(&text, options->seed, prefix, words_for(options, (double)options->prefix));
    double input = (double)length_of(options->input, options->seed, stream, DRAW_INPUT);
    append_words(&text, options->seed, stream, words_for(options, input - options->overhead_tokens));
    out->text = buffer_take(&text);
    return out->text ? BN_OK : fail_no_memory(err, (size_t)input);
}

/* ---- out of a file ---- */

static bn_status read_object(const json_t *object, struct prompt *out, bn_error *err) {
    const char *text = NULL;
    json_t *messages = json_object_get(object, "messages");
    if (!json_is_object(object)) return fail(err, BN_STATUS_BAD_FILE, "the line must be a JSON object");
    bn_status status = json_get_text(object, "prompt", &text, err);
    if (!status) status = json_get_size(object, "output_tokens", 1, INT32_MAX, &out->max_tokens, err);
    if (!status) status = json_get_size(object, "max_tokens", 1, INT32_MAX, &out->max_tokens, err);
    if (status) return status;
    if (!text && !json_is_array(messages))
        return fail(err, BN_STATUS_BAD_FILE, "needs 'prompt', a text, or 'messages', a list");
    if (!text) out->messages = json_incref(messages);
    if (text) out->text = mem_strdup(text);
    return text && !out->text ? fail_no_memory(err, strlen(text)) : BN_OK;
}

static bn_status read_line(struct prompts *prompts, const char *line, size_t n, const char *where, bn_error *err) {
    json_t *object;
    struct prompt *items = mem_realloc_array(prompts->items, prompts->n_items + 1, sizeof *items);
    if (!items) return fail_no_memory(err, sizeof *items);
    prompts->items = items;
    items[prompts->n_items++] = (struct prompt){0};
    bn_status status = json_parse(line, n, where, &object, err);
    if (status) return status;
    status = read_object(object, &items[prompts->n_items - 1], err);
    if (status == BN_STATUS_BAD_FILE) error_prefix(err, "%s", where);
    json_decref(object);
    return status;
}

static bn_status read_dataset(struct prompts *prompts, const char *path, bn_error *err) {
    char *text, where[300];
    size_t size, number = 0;
    bn_status status = file_read_all(path, MAX_DATASET_BYTES, &text, &size, err);
    if (status) return status;
    for (size_t at = 0, n; at < size && !status; at += n + 1) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        n = end ? (size_t)(end - line) : size - at;
        number++;
        snprintf(where, sizeof where, "%.250s: line %zu", path, number);
        if (strspn(line, " \t\r") < n) status = read_line(prompts, line, n, where, err);
    }
    mem_free(text);
    if (!status && !prompts->n_items) status = fail(err, BN_STATUS_BAD_FILE, "%s: there are no prompts in it", path);
    return status;
}

static bn_status copy(const struct prompt *from, struct prompt *out, bn_error *err) {
    out->messages = json_incref(from->messages);
    out->max_tokens = from->max_tokens;
    out->text = from->text ? mem_strdup(from->text) : NULL;
    return from->text && !out->text ? fail_no_memory(err, strlen(from->text)) : BN_OK;
}

/* ---- either ---- */

bn_status prompts_open(const struct prompts_options *options, const char *dataset, struct prompts **out,
                       bn_error *err) {
    *out = NULL;
    struct prompts *prompts = mem_calloc(1, sizeof *prompts);
    if (!prompts) return fail_no_memory(err, sizeof *prompts);
    prompts->options = *options;
    bn_status status = dataset ? read_dataset(prompts, dataset, err) : BN_OK;
    if (status)
        prompts_close(prompts);
    else
        *out = prompts;
    return status;
}

void prompts_close(struct prompts *prompts) {
    if (!prompts) return;
    for (size_t i = 0; i < prompts->n_items; i++) prompt_release(&prompts->items[i]);
    mem_free(prompts->items);
    mem_free(prompts);
}

bn_status prompts_at(const struct prompts *prompts, size_t number, struct prompt *out, bn_error *err) {
    const struct prompts_options *options = &prompts->options;
    uint32_t stream = FIRST_PROMPT + (uint32_t)number;
    *out = (struct prompt){0};
    bn_status status =
        prompts->n_items ? copy(&prompts->items[number % prompts->n_items], out, err) : make(options, number, out, err);
    if (!out->max_tokens) out->max_tokens = length_of(options->output, options->seed, stream, DRAW_OUTPUT);
    decide_leaving(options, stream, out);
    return status;
}

void prompt_release(struct prompt *prompt) {
    mem_free(prompt->text);
    json_decref(prompt->messages);
    *prompt = (struct prompt){0};
}
