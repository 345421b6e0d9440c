/* `bitnet tokenizer convert`: a vocabulary in another form, proven equal before it appears under its name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "tokenizer/convert.h"

struct convert_settings {
    const char *to, *output, *check;
    bool allow_differences;
};
#define FIELD(name) offsetof(struct convert_settings, name)

static const struct option options[] = {
    {"to", 0, OPTION_CHOICE, FIELD(to), "auto|tokenizer.json|gguf", 0, 0,
     "the form to write; auto: gguf if the output's name ends in .gguf, else tokenizer.json", NULL},
    {"output", 'o', OPTION_TEXT, FIELD(output), "PATH", 0, 0,
     "the file to write; a folder gets tokenizer.json and tokenizer_config.json", NULL},
    {"check", 0, OPTION_TEXT, FIELD(check), "FILE", 0, 0, "compare by the lines of FILE as well", NULL},
    {"allow-differences", 0, OPTION_FLAG, FIELD(allow_differences), NULL, 0, 0,
     "write the file even if a text comes out different, and only say which", NULL},
    {0},
};
static const struct option_group groups[] = {{"Converting", options, 0}, {0}};

struct conversion {
    const struct invocation *invocation;
    const struct convert_settings *settings;
    bn_tokenizer *from, *to;
    struct buffer check; /* the file's bytes */
    struct sample *samples;
    size_t n_samples;
    struct difference difference;
    char *path; /* of the tokenizer itself */
};

/* ---- comparing ---- */

static bn_status read_samples(struct conversion *c, bn_error *err) {
    if (!c->settings->check) return BN_OK;
    bn_status status = read_file_or_stdin(c->settings->check, &c->check, err);
    if (status || c->check.size == 0) return status;
    size_t n = 1;
    for (size_t i = 0; i < c->check.size; i++) n += c->check.data[i] == '\n';
    c->samples = mem_alloc_array(n, sizeof *c->samples);
    if (!c->samples) return fail_no_memory(err, n * sizeof *c->samples);
    const char *line = c->check.data, *end = line + c->check.size;
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line)), *stop = newline ? newline : end;
        c->samples[c->n_samples++] = (struct sample){line, (size_t)(stop - line)};
        line = newline ? newline + 1 : end;
    }
    return BN_OK;
}

/* A text as a message can have it: in one line, not long. */
static const char *shown(const struct difference *difference, char *out, size_t size) {
    size_t n = difference->text_size < 120 ? difference->text_size : 120;
    json_t *text = json_text(difference->text, n);
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    snprintf(out, size, "%s%s", quoted ? quoted : "?", n < difference->text_size ? "\xe2\x80\xa6" : "");
    free(quoted);
    json_decref(text);
    return out;
}

/* Opens what was written and compares. */
static bn_status verify(struct conversion *c, bn_error *err) {
    bn_status status = tokenizer_compare(c->from, c->to, c->samples, c->n_samples, &c->difference, err);
    if (status || !c->difference.text) return status;
    char text[600];
    shown(&c->difference, text, sizeof text);
    if (!c->settings->allow_differences)
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "nothing written: %zu of %zu texts come out different, first %s: %s (--allow-differences writes "
                    "it all the same)",
                    c->difference.n_different, c->difference.n_compared, text, c->difference.what);
    say_error("%zu of %zu texts come out different, first %s: %s", c->difference.n_different, c->difference.n_compared,
              text, c->difference.what);
    return BN_OK;
}

/* ---- tokenizer.json ---- */

static bn_status write_text(const char *path, const char *text, bn_error *err) {
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    fputs(text, file.stream);
    fputc('\n', file.stream);
    return atomic_file_commit(&file, err);
}

static bn_status dump(json_t *root, size_t flags, char **text, bn_error *err) {
    *text = json_dumps(root, flags | JSON_REAL_PRECISION(17));
    json_decref(root);
    return *text ? BN_OK : fail_no_memory(err, 0);
}

static bn_status write_config(const struct conversion *c, const char *folder, bn_error *err) {
    json_t *root;
    char *text = NULL, *path = path_join(folder, "tokenizer_config.json");
    bn_status status = path ? tokenizer_config_to_json(c->from, &root, err) : fail_no_memory(err, strlen(folder));
    if (!status) status = dump(root, JSON_INDENT(2), &text, err);
    if (!status) status = write_text(path, text, err);
    free(text);
    mem_free(path);
    return status;
}

static bn_status convert_to_json(struct conversion *c, bn_error *err) {
    const char *output = c->settings->output;
    bool folder = file_is_directory(output);
    json_t *root;
    char *text = NULL;
    c->path = folder ? path_join(output, "tokenizer.json") : mem_strdup(output);
    bn_status status = c->path ? tokenizer_to_json(c->from, &root, err) : fail_no_memory(err, strlen(output));
    if (!status) status = dump(root, JSON_INDENT(1), &text, err);
    if (!status) status = tokenizer_from_json(text, strlen(text), c->path, &c->to, err);
    if (!status) status = verify(c, err);
    if (!status && folder) status = write_config(c, output, err);
    if (!status) status = write_text(c->path, text, err);
    free(text);
    return status;
}

/* ---- GGUF ---- */

static bn_status write_gguf(const struct conversion *c, const char *path, bn_error *err) {
    struct gguf_writer *writer;
    bn_status status = gguf_writer_create(32, &writer, err);
    if (status) return status;
    const char *architecture = tokenizer_gguf_architecture(c->from);
    status = gguf_writer_set_string(writer, "general.architecture", architecture, strlen(architecture), err);
    if (!status) status = tokenizer_to_gguf(c->from, 0, writer, err);
    if (!status) status = gguf_writer_finish(writer, path, err);
    gguf_writer_destroy(writer);
    return status;
}

/* Written beside its place and moved there once it has been compared. */
static bn_status convert_to_gguf(struct conversion *c, bn_error *err) {
    const char *output = c->settings->output;
    size_t size = strlen(output) + sizeof ".unchecked";
    char *unchecked = mem_alloc(size);
    c->path = mem_strdup(output);
    if (!unchecked || !c->path) {
        mem_free(unchecked);
        return fail_no_memory(err, size);
    }
    snprintf(unchecked, size, "%s.unchecked", output);
    bn_status status = write_gguf(c, unchecked, err);
    if (!status) {
        status = bn_tokenizer_open(unchecked, &c->to, err);
        if (!status) status = verify(c, err);
        if (!status && rename(unchecked, output))
            status = fail(err, BN_STATUS_IO, "%s: can't replace: %s", output, strerror(errno));
        if (status) unlink(unchecked);
    }
    mem_free(unchecked);
    return status;
}

/* ---- the command ---- */

static bool wants_gguf(const struct convert_settings *settings) {
    size_t n = strlen(settings->output);
    if (settings->to && strcmp(settings->to, "auto") != 0) return strcmp(settings->to, "gguf") == 0;
    return n > 5 && strcmp(settings->output + n - 5, ".gguf") == 0;
}

static bn_status convert(struct conversion *c, bn_error *err) {
    if (!c->settings->output) return fail(err, BN_STATUS_BAD_ARGUMENT, "say where to write: --output PATH");
    bn_status status = tokenizer_argument_open(c->invocation->arguments[0], &c->from, err);
    if (!status) status = read_samples(c, err);
    if (status) return status;
    return wants_gguf(c->settings) ? convert_to_gguf(c, err) : convert_to_json(c, err);
}

static bn_status report(const struct conversion *c, bn_error *err) {
    const char *form = wants_gguf(c->settings) ? "gguf" : "tokenizer.json";
    const struct difference *difference = &c->difference;
    size_t n = bn_tokenizer_vocab_size(c->to);
    if (!c->invocation->common.json) {
        say(c->invocation, "%s: %s with %zu tokens, %zu of %zu texts equal", c->path, form, n,
            difference->n_compared - difference->n_different, difference->n_compared);
        return BN_OK;
    }
    json_t *first = difference->text ? json_text(difference->text, difference->text_size) : json_null();
    return json_write_line(stdout,
                           json_pack("{s:s, s:s, s:I, s:I, s:I, s:o}", "file", c->path, "form", form, "vocab_size",
                                     (json_int_t)n, "texts_compared", (json_int_t)difference->n_compared,
                                     "texts_different", (json_int_t)difference->n_different, "first_different", first),
                           err);
}

static enum exit_code run_convert(struct invocation *invocation) {
    struct conversion c = {.invocation = invocation, .settings = invocation->settings};
    bn_error error = {0};
    buffer_init(&c.check);
    bn_status status = convert(&c, &error);
    if (!status) status = report(&c, &error);
    bn_tokenizer_close(c.from);
    bn_tokenizer_close(c.to);
    difference_release(&c.difference);
    buffer_release(&c.check);
    mem_free(c.samples);
    mem_free(c.path);
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_tokenizer_convert = {
    .name = "tokenizer convert",
    .arguments = "TOK",
    .summary = "a tokenizer as tokenizer.json or GGUF",
    .description =
        "Writes the tokenizer of TOK, whatever form it has (tokenizer.json, vocab.json and merges.txt, SentencePiece, "
        "tiktoken, tekken.json, vocab.txt, ByT5, GGUF), as a tokenizer.json that Hugging Face tokenizers load, or as "
        "the "
        "vocabulary of a GGUF file.\n\n"
        "What was written is opened again and compared with the source: built-in texts of many scripts, special "
        "tokens, every token of the vocabulary, and the lines of --check, encoded and decoded by both. If any text "
        "comes out different, nothing is written and the text is named. A form that can't express the source is "
        "refused with the reason.",
    .examples = "bitnet tokenizer convert demo -o tokenizer.json\n"
                "bitnet tokenizer convert demo -o vocab.gguf --check text.txt\n"
                "bitnet tokenizer convert vocab.gguf --to tokenizer.json -o .",
    .groups = groups,
    .settings_bytes = sizeof(struct convert_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_convert,
};
