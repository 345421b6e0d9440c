/* `bitnet tokenizer encode` and `decode`: text ↔ ids, one at a time or as lines of JSON. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "tokenizer/tokenizer.h"

struct tokenizer_settings {
    bool jsonl, no_special, offsets, skip_special;
    size_t threads;
    const char *file, *parse_special;
};
#define FIELD(name) offsetof(struct tokenizer_settings, name)

static const struct option encode_options[] = {
    {"jsonl", 0, OPTION_FLAG, FIELD(jsonl), NULL, 0, 0, "a JSON object per line of standard input, an answer per line",
     NULL},
    {"threads", 't', OPTION_SIZE, FIELD(threads), "N", 0, 256,
     "with --jsonl: threads (1; 0: one per CPU); with several, lines are read and answered in blocks, in order", NULL},
    {"file", 'f', OPTION_TEXT, FIELD(file), "FILE", 0, 0,
     "the text of a file (with --jsonl: its lines); -: standard input", NULL},
    {"no-special", 0, OPTION_FLAG, FIELD(no_special), NULL, 0, 0, "without BOS, EOS and their like around the text",
     NULL},
    {"parse-special", 0, OPTION_CHOICE, FIELD(parse_special), "auto|on|off", 0, 0,
     "read special tokens' own text in the input as these tokens; auto: as the vocabulary's reference does", NULL},
    {"offsets", 0, OPTION_FLAG, FIELD(offsets), NULL, 0, 0, "with --json: where each token stands, in code points",
     NULL},
    {0},
};
static const struct option decode_options[] = {
    {"jsonl", 0, OPTION_FLAG, FIELD(jsonl), NULL, 0, 0, "a JSON object per line of standard input, an answer per line",
     NULL},
    {"threads", 't', OPTION_SIZE, FIELD(threads), "N", 0, 256,
     "with --jsonl: threads (1; 0: one per CPU); with several, lines are read and answered in blocks, in order", NULL},
    {"file", 'f', OPTION_TEXT, FIELD(file), "FILE", 0, 0, "ids from a file; -: standard input", NULL},
    {"skip-special", 0, OPTION_FLAG, FIELD(skip_special), NULL, 0, 0, "leave special tokens out", NULL},
    {0},
};
static void set_defaults(void *settings) {
    ((struct tokenizer_settings *)settings)->threads = 1;
}

static const struct option_group encode_groups[] = {{"Encoding", encode_options, 0}, {0}};
static const struct option_group decode_groups[] = {{"Decoding", decode_options, 0}, {0}};

/* ---- JSON of encodings ---- */

static json_t *offsets_json(const struct encoding *encoding) {
    json_t *array = json_array();
    for (size_t i = 0; i < encoding->n; i++)
        json_array_append_new(
            array, json_pack("[I, I]", (json_int_t)encoding->offsets[i][0], (json_int_t)encoding->offsets[i][1]));
    return array;
}

static json_t *encoding_json(const struct encoding *encoding, bool offsets) {
    json_t *object = json_pack("{s:o, s:o}", "ids", json_ids(encoding->ids, encoding->n), "type_ids",
                               json_ids(encoding->type_ids, encoding->n));
    if (object && offsets) json_object_set_new(object, "offsets", offsets_json(encoding));
    return object;
}

static bool parses_special(const struct tokenizer_settings *settings, const bn_tokenizer *tokenizer) {
    if (settings->parse_special && strcmp(settings->parse_special, "auto") != 0)
        return strcmp(settings->parse_special, "on") == 0;
    return tokenizer_parses_special(tokenizer);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bn_status hex_decode(const char *hex, struct buffer *out, bn_error *err) {
    size_t n = strlen(hex);
    for (size_t i = 0; i + 1 < n; i += 2) {
        int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
        if (high < 0 || low < 0)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "'hex': '%.2s' isn't a hexadecimal byte", hex + i);
        buffer_append_char(out, (char)(high * 16 + low));
    }
    if (n % 2) return fail(err, BN_STATUS_BAD_ARGUMENT, "'hex' has an odd number of digits");
    return out->failed ? fail_no_memory(err, out->size) : BN_OK;
}

/* ---- a line of --jsonl: object in, answer out ---- */

static bn_status encode_aligned(const bn_tokenizer *tokenizer, const struct encode_request *request, bool offsets,
                                json_t **answer, bn_error *err) {
    struct encoding encoding = {0};
    bn_status status = tokenizer_encode(tokenizer, request, &encoding, err);
    if (!status) *answer = encoding_json(&encoding, offsets);
    encoding_release(&encoding);
    return status;
}

static bn_status encode_as_prompt(const bn_tokenizer *tokenizer, const struct encode_request *request, bool offsets,
                                  json_t **answer, bn_error *err) {
    const bn_encode_options options = {
        .size = sizeof options, .add_special = request->add_special, .parse_special = request->parse_special};
    int32_t *ids;
    size_t n;
    if (offsets || request->pair)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'ids_only' goes neither with 'offsets' nor with 'pair'");
    bn_status status = bn_tokenizer_encode(tokenizer, request->text, request->text_bytes, &options, &ids, &n, err);
    if (status) return status;
    *answer = json_pack("{s:o}", "ids", json_ids(ids, n));
    bn_free(ids);
    return BN_OK;
}

typedef bn_status (*line_function)(const struct tokenizer_settings *settings, const bn_tokenizer *tokenizer,
                                   const json_t *object, json_t **answer, bn_error *err);

static bn_status encode_line(const struct tokenizer_settings *settings, const bn_tokenizer *tokenizer,
                             const json_t *object, json_t **answer, bn_error *err) {
    const json_t *text = json_object_get(object, "text"), *pair = json_object_get(object, "pair");
    const char *hex = json_string_value(json_object_get(object, "hex"));
    if (!json_is_string(text) == !hex) return fail(err, BN_STATUS_BAD_ARGUMENT, "needs 'text' or 'hex', a string");
    if (pair && !json_is_string(pair) && !json_is_null(pair))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'pair' must be a string");
    struct encode_request request = {.text = json_string_value(text),
                                     .text_bytes = json_string_length(text),
                                     .pair = json_string_value(pair),
                                     .pair_bytes = json_string_length(pair),
                                     .add_special = !settings->no_special,
                                     .parse_special = parses_special(settings, tokenizer)};
    bool offsets = settings->offsets, ids_only = false;
    struct buffer bytes;
    buffer_init(&bytes);
    bn_status status = hex ? hex_decode(hex, &bytes, err) : BN_OK;
    if (!status) status = json_get_bool(object, "add_special", &request.add_special, err);
    if (!status) status = json_get_bool(object, "parse_special", &request.parse_special, err);
    if (!status) status = json_get_bool(object, "offsets", &offsets, err);
    if (!status) status = json_get_bool(object, "ids_only", &ids_only, err);
    if (hex) request.text = bytes.data ? bytes.data : "", request.text_bytes = bytes.size;
    if (!status) status = (ids_only ? encode_as_prompt : encode_aligned)(tokenizer, &request, offsets, answer, err);
    buffer_release(&bytes);
    return status;
}

/* What incremental decoding gives after each id; null: nothing yet. A character left incomplete by the last id stays
 * unsaid, as its rest could still come. */
static bn_status decode_pieces(const bn_tokenizer *tokenizer, const int32_t *ids, size_t n, bool skip_special,
                               json_t **answer, bn_error *err) {
    bn_decoder *decoder;
    bn_status status = bn_decoder_create(tokenizer, skip_special, &decoder, err);
    if (status) return status;
    json_t *pieces = json_array();
    for (size_t i = 0; !status && i < n; i++) {
        const char *piece;
        size_t bytes;
        status = bn_decoder_push(decoder, ids[i], &piece, &bytes, err);
        if (!status) json_array_append_new(pieces, bytes ? json_text(piece, bytes) : json_null());
    }
    bn_decoder_destroy(decoder);
    if (status)
        json_decref(pieces);
    else
        *answer = json_pack("{s:o}", "pieces", pieces);
    return status;
}

static bn_status decode_text(const bn_tokenizer *tokenizer, const int32_t *ids, size_t n, bool skip_special,
                             json_t **answer, bn_error *err) {
    char *text;
    size_t bytes;
    bn_status status = bn_tokenizer_decode(tokenizer, ids, n, skip_special, &text, &bytes, err);
    if (status) return status;
    *answer = json_pack("{s:o}", "text", json_text(text, bytes));
    bn_free(text);
    return BN_OK;
}

static bn_status decode_line(const struct tokenizer_settings *settings, const bn_tokenizer *tokenizer,
                             const json_t *object, json_t **answer, bn_error *err) {
    bool skip_special = settings->skip_special, stream = false;
    int32_t *ids;
    size_t n;
    bn_status status = ids_from_json(json_object_get(object, "ids"), "ids", &ids, &n, err);
    if (status) return status;
    status = json_get_bool(object, "skip_special", &skip_special, err);
    if (!status) status = json_get_bool(object, "stream", &stream, err);
    if (!status)
        status = stream ? decode_pieces(tokenizer, ids, n, skip_special, answer, err)
                        : decode_text(tokenizer, ids, n, skip_special, answer, err);
    mem_free(ids);
    return status;
}

enum { LINES_PER_THREAD = 64 };

/* Lines that are answered together, by several threads, and written in order. */
struct line {
    char *text;
    size_t size, capacity;
    json_t *answer;
    bool failed;
};
struct block {
    const struct tokenizer_settings *settings;
    const bn_tokenizer *tokenizer;
    line_function function;
    struct thread_pool *pool;
    struct line *lines; /* [capacity] */
    size_t n, capacity;
};

static bn_status answer_line(const struct block *block, struct line *line, bn_error *err) {
    json_t *object;
    bn_status status = json_parse(line->text, line->size, "input", &object, err);
    if (status) return status;
    status = json_is_object(object) ? block->function(block->settings, block->tokenizer, object, &line->answer, err)
                                    : fail(err, BN_STATUS_BAD_ARGUMENT, "the line must be a JSON object");
    json_decref(object);
    return status;
}

/* A bad line gives its error and the next goes on. */
static void answer_chunk(void *context, size_t chunk, size_t slot) {
    const struct block *block = context;
    struct line *line = &block->lines[chunk];
    bn_error error = {0};
    (void)slot;
    line->answer = NULL;
    line->failed = answer_line(block, line, &error) != BN_OK;
    if (line->failed) line->answer = json_pack("{s:o}", "error", json_text(error.message, strlen(error.message)));
}

static bn_status keep_line(struct line *line, const struct line_reader *from, bn_error *err) {
    if (from->size + 1 > line->capacity) {
        char *text = mem_realloc_array(line->text, from->size + 1, 2);
        if (!text) return fail_no_memory(err, from->size);
        line->text = text;
        line->capacity = 2 * (from->size + 1);
    }
    memcpy(line->text, from->text, from->size + 1);
    line->size = from->size;
    return BN_OK;
}

/* Fills the block, answers it and writes it; *more: there may be further lines. */
static bn_status answer_block(struct block *block, struct line_reader *reader, bool *any_failed, bool *more,
                              bn_error *err) {
    bn_status status = BN_OK;
    for (block->n = 0; !status && block->n < block->capacity && (*more = line_reader_next(reader) > 0); block->n++)
        status = keep_line(&block->lines[block->n], reader, err);
    if (!status) thread_pool_run(block->pool, answer_chunk, block, block->n);
    for (size_t i = 0; i < block->n; i++) {
        struct line *line = &block->lines[i];
        *any_failed |= line->failed;
        if (status)
            json_decref(line->answer);
        else
            status = json_write_line(stdout, line->answer, err);
        line->answer = NULL;
    }
    *more &= output_flush();
    return status;
}

static bn_status answer_lines(const struct tokenizer_settings *settings, const bn_tokenizer *tokenizer,
                              line_function function, bool *any_failed, bn_error *err) {
    struct line_reader reader = {.stream = stdin};
    const size_t n_threads = settings->threads ? settings->threads : cpu_count();
    struct block block = {.settings = settings, .tokenizer = tokenizer, .function = function};
    block.capacity = n_threads > 1 ? n_threads * LINES_PER_THREAD : 1; /* one thread answers each line at once */
    if (settings->file && strcmp(settings->file, "-") != 0 && !(reader.stream = fopen(settings->file, "rb")))
        return fail(err, BN_STATUS_NOT_FOUND, "%s: can't open", settings->file);
    bool more = true;
    bn_status status = thread_pool_acquire(n_threads, &block.pool, err);
    if (!status && !(block.lines = mem_calloc(block.capacity, sizeof *block.lines)))
        status = fail_no_memory(err, block.capacity * sizeof *block.lines);
    while (!status && more) status = answer_block(&block, &reader, any_failed, &more, err);
    for (size_t i = 0; block.lines && i < block.capacity; i++) mem_free(block.lines[i].text);
    mem_free(block.lines);
    thread_pool_release(block.pool);
    if (reader.stream != stdin) fclose(reader.stream);
    line_reader_release(&reader);
    return status;
}

/* ---- one text ---- */

static bn_status read_text(const struct invocation *invocation, struct buffer *text, bn_error *err) {
    const struct tokenizer_settings *settings = invocation->settings;
    if (invocation->n_arguments > 1 && settings->file)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "give an argument or --file, not both");
    if (invocation->n_arguments < 2) return read_file_or_stdin(settings->file ? settings->file : "-", text, err);
    for (size_t i = 1; i < invocation->n_arguments; i++) {
        if (i > 1) buffer_append_char(text, ' ');
        buffer_append_text(text, invocation->arguments[i]);
    }
    return text->failed ? fail_no_memory(err, text->size) : BN_OK;
}

static bn_status encode_one(const struct invocation *invocation, const bn_tokenizer *tokenizer, bn_error *err) {
    const struct tokenizer_settings *settings = invocation->settings;
    struct buffer text;
    buffer_init(&text);
    bn_status status = read_text(invocation, &text, err);
    struct encoding encoding = {0};
    const struct encode_request request = {.text = text.data ? text.data : "",
                                           .text_bytes = text.size,
                                           .add_special = !settings->no_special,
                                           .parse_special = parses_special(settings, tokenizer)};
    if (!status) status = tokenizer_encode(tokenizer, &request, &encoding, err);
    if (!status && invocation->common.json)
        status = json_write_line(stdout, encoding_json(&encoding, settings->offsets), err);
    else if (!status)
        for (size_t i = 0; i < encoding.n; i++) printf("%d%c", encoding.ids[i], i + 1 < encoding.n ? ',' : '\n');
    encoding_release(&encoding);
    buffer_release(&text);
    return status;
}

static bn_status decode_one(const struct invocation *invocation, const bn_tokenizer *tokenizer, bn_error *err) {
    const struct tokenizer_settings *settings = invocation->settings;
    struct buffer list;
    buffer_init(&list);
    int32_t *ids = NULL;
    size_t n, bytes;
    char *text = NULL;
    bn_status status = read_text(invocation, &list, err);
    if (!status) status = parse_ids(list.data ? list.data : "", &ids, &n, err);
    if (!status) status = bn_tokenizer_decode(tokenizer, ids, n, settings->skip_special, &text, &bytes, err);
    if (!status && invocation->common.json)
        status = json_write_line(stdout, json_pack("{s:o}", "text", json_text(text, bytes)), err);
    else if (!status) {
        fwrite(text, 1, bytes, stdout);
        putchar('\n');
    }
    bn_free(text);
    mem_free(ids);
    buffer_release(&list);
    return status;
}

/* ---- the commands ---- */

static enum exit_code run(const struct invocation *invocation, line_function line,
                          bn_status (*one)(const struct invocation *, const bn_tokenizer *, bn_error *)) {
    const struct tokenizer_settings *settings = invocation->settings;
    bn_tokenizer *tokenizer;
    bn_error error = {0};
    bool any_failed = false;
    bn_status status = tokenizer_argument_open(invocation->arguments[0], &tokenizer, &error);
    if (status) return say_failure(&error);
    status = settings->jsonl ? answer_lines(settings, tokenizer, line, &any_failed, &error)
                             : one(invocation, tokenizer, &error);
    bn_tokenizer_close(tokenizer);
    if (status) return say_failure(&error);
    return any_failed ? EXIT_FAILED : EXIT_DONE;
}

static enum exit_code run_encode(struct invocation *invocation) {
    return run(invocation, encode_line, encode_one);
}
static enum exit_code run_decode(struct invocation *invocation) {
    return run(invocation, decode_line, decode_one);
}

const struct command command_tokenizer_encode = {
    .name = "tokenizer encode",
    .arguments = "TOK [TEXT…]",
    .summary = "text to token ids",
    .description = "Encodes a text (arguments, --file, or standard input) with the tokenizer of TOK: a tokenizer.json, "
                   "a Hugging Face "
                   "folder, a GGUF file or demo.\n\n"
                   "With --jsonl, a line {\"text\": …, \"pair\": …, \"add_special\": true, \"parse_special\": true, "
                   "\"offsets\": true} (or "
                   "\"hex\" for raw bytes) is answered by {\"ids\": […], \"type_ids\": […], \"offsets\": [[start, "
                   "end], …]}, offsets in code "
                   "points of the input; with \"ids_only\": true by {\"ids\": […]}, as prompts are encoded: never "
                   "truncated or padded; a bad line by {\"error\": …}, and the exit status is 1 at the end.",
    .examples = "bitnet tokenizer encode demo 'Once upon a time'\n"
                "echo '{\"text\":\"Once\",\"offsets\":true}' | bitnet tokenizer encode demo --jsonl",
    .groups = encode_groups,
    .settings_bytes = sizeof(struct tokenizer_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 4096,
    .run = run_encode,
};

const struct command command_tokenizer_decode = {
    .name = "tokenizer decode",
    .arguments = "TOK [IDS…]",
    .summary = "token ids to text",
    .description = "Decodes ids (arguments, --file, or standard input) with the tokenizer of TOK.\n\n"
                   "With --jsonl, a line {\"ids\": […], \"skip_special\": false} is answered by {\"text\": …}; with "
                   "\"stream\": true by "
                   "{\"pieces\": […]}, the new text after each id, null where a character isn't complete yet.",
    .examples = "bitnet tokenizer decode demo 1688,387,728,260,535\n"
                "echo '{\"ids\":[1688,387],\"stream\":true}' | bitnet tokenizer decode demo --jsonl",
    .groups = decode_groups,
    .settings_bytes = sizeof(struct tokenizer_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 4096,
    .run = run_decode,
};
