/* `bitnet tokenizer compile`: a tokenizer as one file that is mapped and ready at once. */
#include <string.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "tokenizer/compiled.h"

struct compile_settings {
    const char *output;
};

static const struct option compile_options[] = {
    {"output", 'o', OPTION_TEXT, offsetof(struct compile_settings, output), "FILE", 0, 0, "where it goes", NULL},
    {0},
};
static const struct option_group groups[] = {{"Compiling", compile_options, 0}, {0}};

static bn_status compile(const struct invocation *invocation, bn_error *err) {
    const struct compile_settings *settings = invocation->settings;
    if (!settings->output) return fail(err, BN_STATUS_BAD_ARGUMENT, "say with -o where the compiled tokenizer goes");
    bn_tokenizer *tokenizer;
    bn_status status = tokenizer_argument_open(invocation->arguments[0], &tokenizer, err);
    if (status) return status;
    struct buffer image;
    buffer_init(&image);
    status = tokenizer_compile(tokenizer, NULL, &image, err);
    if (!status) status = file_write_all(settings->output, image.data, image.size, err);
    if (!status && invocation->common.json)
        status = json_write_line(stdout,
                                 json_pack("{s:s, s:I, s:I}", "output", settings->output, "bytes",
                                           (json_int_t)image.size, "vocab_size",
                                           (json_int_t)bn_tokenizer_vocab_size(tokenizer)),
                                 err);
    else if (!status)
        say(invocation, "%zu tokens, %.1f MB -> %s", bn_tokenizer_vocab_size(tokenizer), (double)image.size * 1e-6,
            settings->output);
    buffer_release(&image);
    bn_tokenizer_close(tokenizer);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    bn_error error = {0};
    return compile(invocation, &error) ? say_failure(&error) : EXIT_DONE;
}

const struct command command_tokenizer_compile = {
    .name = "tokenizer compile",
    .arguments = "TOK",
    .summary = "a tokenizer as one file that opens at once",
    .description = "Writes the tables of a tokenizer as they are in memory, into one file that is mapped instead of "
                   "read: it opens in a millisecond or two, whatever the size of the vocabulary, and encodes exactly "
                   "as TOK does. The file can be given wherever a TOK is asked for.\n\n"
                   "Tokenizers that are opened often needn't be compiled by hand: large ones are kept compiled in the "
                   "cache folder ($XDG_CACHE_HOME/bitnet/tokenizers), and compiled again when their files change. "
                   "BITNET_NO_CACHE=1 switches that off.",
    .examples = "bitnet tokenizer compile demo -o demo.bntok\n"
                "bitnet tokenizer encode demo.bntok 'Once upon a time'",
    .groups = groups,
    .settings_bytes = sizeof(struct compile_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
