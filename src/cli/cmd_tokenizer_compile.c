/* `bitnet tokenizer compile`: a tokenizer as one file that is mapped and ready at once. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "tokenizer/compiled.h"

struct compile_settings {
    const char *output;
};

static const struct option compile_options[] = {
    {"output", 'o', OPTION_TEXT, offsetof(struct compile_settings, output), "FILE", 0, 0,
     "where it goes; .gguf: TOK is a GGUF file, and gets a copy with the compiled form in it", NULL},
    {0},
};
static const struct option_group groups[] = {{"Compiling", compile_options, 0}, {0}};

/* ---- into a file of its own ---- */

static bn_status compile_file(const char *name, const char *output, size_t *vocab_size, bn_error *err) {
    bn_tokenizer *tokenizer;
    bn_status status = tokenizer_argument_open(name, &tokenizer, err);
    if (status) return status;
    struct buffer image;
    buffer_init(&image);
    status = tokenizer_compile(tokenizer, NULL, &image, err);
    if (!status) status = file_write_all(output, image.data, image.size, err);
    *vocab_size = bn_tokenizer_vocab_size(tokenizer);
    buffer_release(&image);
    bn_tokenizer_close(tokenizer);
    return status;
}

/* ---- into a copy of a GGUF file ---- */

static bn_status emit_tensor(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    const struct tensor *tensor = source->context;
    return gguf_writer_emit(writer, tensor->data, tensor->size_bytes, err);
}

static bn_status copy_contents(const struct gguf *gguf, struct gguf_writer *writer, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < gguf->n_values && !status; i++)
        if (strcmp(gguf->values[i].key, COMPILED_GGUF_KEY) != 0)
            status = gguf_writer_copy(writer, &gguf->values[i], err);
    for (size_t i = 0; i < gguf->set.n_tensors && !status; i++) {
        const struct tensor *tensor = &gguf->set.tensors[i];
        struct gguf_tensor_source source = {.name = tensor->name,
                                            .type = tensor->type,
                                            .n_dims = tensor->n_dims,
                                            .write = emit_tensor,
                                            .context = tensor};
        memcpy(source.shape, tensor->shape, sizeof source.shape);
        status = gguf_writer_add_tensor(writer, &source, err);
    }
    return status;
}

static bn_status compile_opened(const struct gguf *gguf, const char *output, size_t *vocab_size, bn_error *err) {
    bn_tokenizer *tokenizer;
    struct gguf_writer *writer = NULL;
    bn_status status = tokenizer_read_gguf(gguf, NULL, NULL, &tokenizer, err);
    if (status) return status;
    *vocab_size = bn_tokenizer_vocab_size(tokenizer);
    status = gguf_writer_create(gguf->alignment, &writer, err);
    if (!status) status = tokenizer_compile_into_gguf(tokenizer, gguf, writer, err);
    if (!status) status = copy_contents(gguf, writer, err);
    if (!status) status = gguf_writer_finish(writer, output, err);
    gguf_writer_destroy(writer);
    bn_tokenizer_close(tokenizer);
    return status;
}

static bn_status compile_gguf(const char *name, const char *output, size_t *vocab_size, bn_error *err) {
    char *path;
    struct gguf gguf;
    bn_status status = model_path_resolve(name, &path, err);
    if (status) return status;
    signals_name_mapped_file(path);
    status = gguf_open(path, &gguf, err);
    if (!status) {
        status = compile_opened(&gguf, output, vocab_size, err);
        gguf_close(&gguf);
    }
    mem_free(path);
    return status;
}

/* ---- the command ---- */

static bn_status compile(const struct invocation *invocation, bn_error *err) {
    const char *output = ((const struct compile_settings *)invocation->settings)->output,
               *name = invocation->arguments[0];
    if (!output) return fail(err, BN_STATUS_BAD_ARGUMENT, "say with -o where the compiled tokenizer goes");
    size_t n = strlen(output), vocab_size = 0;
    bool into_gguf = n > 5 && strcmp(output + n - 5, ".gguf") == 0;
    bn_status status =
        into_gguf ? compile_gguf(name, output, &vocab_size, err) : compile_file(name, output, &vocab_size, err);
    if (status) return status;
    size_t bytes = file_identify(output).size;
    if (invocation->common.json)
        return json_write_line(stdout,
                               json_pack("{s:s, s:I, s:I}", "output", output, "bytes", (json_int_t)bytes, "vocab_size",
                                         (json_int_t)vocab_size),
                               err);
    say(invocation, "%zu tokens, %.1f MB -> %s", vocab_size, (double)bytes * 1e-6, output);
    return BN_OK;
}

static enum exit_code run(struct invocation *invocation) {
    bn_error error = {0};
    return compile(invocation, &error) ? say_failure(&error) : EXIT_DONE;
}

const struct command command_tokenizer_compile = {
    .name = "tokenizer compile",
    .arguments = "TOK",
    .summary = "a tokenizer as one file that opens at once",
    .description =
        "Writes the tables of a tokenizer as they are in memory, into one file that is mapped instead of "
        "read: it opens in a millisecond or two, whatever the size of the vocabulary, and encodes exactly "
        "as TOK does. The file can be given wherever a TOK is asked for. In a GGUF file the compiled form is "
        "one more entry of the metadata, which the vocabulary is read from if it fits the others.\n\n"
        "Tokenizers that are opened often needn't be compiled by hand: large ones are kept compiled in the "
        "cache folder ($XDG_CACHE_HOME/bitnet/tokenizers), and compiled again when their files change. "
        "BITNET_NO_CACHE=1 switches that off.",
    .examples = "bitnet tokenizer compile demo -o demo.bntok\n"
                "bitnet tokenizer encode demo.bntok 'Once upon a time'\n"
                "bitnet tokenizer compile demo -o demo-compiled.gguf",
    .groups = groups,
    .settings_bytes = sizeof(struct compile_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
