/* `bitnet grammar check`: does a grammar compile, and which texts does it accept? */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/grammar_options.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "engine/grammar/matcher.h"

struct check_settings {
    struct grammar_options grammar;
    bool jsonl, written;
};
static const struct option options[] = {
    {"jsonl", 0, OPTION_FLAG, offsetof(struct check_settings, jsonl), NULL, 0, 0,
     "{\"text\"} per line of standard input, {\"accepted\", \"at\"} per line out", NULL},
    {"written", 0, OPTION_FLAG, offsetof(struct check_settings, written), NULL, 0, 0,
     "only JSON as a generation writes it: members in the schema's order, little white space, 1 and not 1.0", NULL},
    {0},
};
static const struct option_group groups[] = {
    {"Grammar", grammar_option_table, offsetof(struct check_settings, grammar)}, {"Texts", options, 0}, {0}};

/* Can the vocabulary begin what the grammar asks for? */
static bn_status check_vocabulary(const char *name, bn_grammar *grammar, bn_error *err) {
    bn_tokenizer *tokenizer = NULL;
    bn_token_bytes *bytes = NULL;
    struct token_trie *trie = NULL;
    struct matcher *matcher = NULL;
    bn_status status = tokenizer_argument_open(name, &tokenizer, err);
    if (!status) status = bn_token_bytes_create(tokenizer, &bytes, err);
    if (!status) status = token_trie_create(tokenizer, bytes, bn_tokenizer_vocab_size(tokenizer), &trie, err);
    if (!status) status = matcher_create(grammar, trie, 0, &matcher, err);
    matcher_destroy(matcher);
    token_trie_destroy(trie);
    bn_token_bytes_destroy(bytes);
    bn_tokenizer_close(tokenizer);
    return status;
}

static json_t *answer_line(bn_grammar *grammar, const struct line_reader *line, bool *failed) {
    json_t *input = NULL, *answer;
    bn_error err = {0};
    bool accepted = false;
    size_t at = 0;
    bn_status status = json_parse(line->text, line->size, "line", &input, &err);
    const json_t *text = json_object_get(input, "text");
    if (!status && !json_is_string(text)) status = fail(&err, BN_STATUS_BAD_ARGUMENT, "expected {\"text\": …}");
    if (!status)
        status = bn_grammar_accepts(grammar, json_string_value(text), json_string_length(text), &accepted, &at, &err);
    *failed |= status != BN_OK;
    answer = status ? json_pack("{s:o}", "error", json_text(err.message, strlen(err.message)))
                    : json_pack("{s:b, s:I}", "accepted", accepted, "at", (json_int_t)at);
    json_decref(input);
    return answer;
}

static bn_status answer_lines(bn_grammar *grammar, bool *failed, bn_error *err) {
    struct line_reader lines = {.stream = stdin};
    bn_status status = BN_OK;
    while (!status && line_reader_next(&lines) > 0) {
        status = json_write_line(stdout, answer_line(grammar, &lines, failed), err);
        if (!output_flush()) break;
    }
    line_reader_release(&lines);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct check_settings *settings = invocation->settings;
    const struct grammar_options *o = &settings->grammar;
    bn_grammar *grammar = NULL;
    bn_error err = {0}, write_error = {0};
    bool failed = false;
    bn_status status = grammar_options_compile(o, !settings->written, &grammar, &err);
    if (!status && !grammar) {
        fail(&err, BN_STATUS_BAD_ARGUMENT, "there is no grammar: use --schema, --regex, --grammar or --choice");
        return say_failure(&err);
    }
    if (!status) status = check_vocabulary(invocation->arguments[0], grammar, &err);
    if (status || !settings->jsonl) {
        json_t *verdict =
            status ? json_pack("{s:b, s:o}", "compiles", 0, "error", json_text(err.message, strlen(err.message)))
                   : json_pack("{s:b}", "compiles", 1);
        if (invocation->common.json || settings->jsonl)
            json_write_line(stdout, verdict, &write_error);
        else {
            json_decref(verdict);
            if (!status) puts("compiles");
        }
    }
    if (status && !invocation->common.json && !settings->jsonl) say_failure(&err);
    if (!status && settings->jsonl && answer_lines(grammar, &failed, &err)) {
        say_failure(&err);
        failed = true;
    }
    bn_grammar_release(grammar);
    return status || failed ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_grammar_check = {
    .name = "grammar check",
    .arguments = "TOK",
    .summary = "see whether a grammar compiles, and which texts it accepts",
    .description =
        "Compiles a JSON schema, a regular expression, a grammar or a list of choices, and says whether it can be "
        "honoured with "
        "the vocabulary of TOK; if not, why. With --jsonl, every line {\"text\": …} of standard input is answered by "
        "{\"accepted\": true} or {\"accepted\": false}, and \"at\": the byte that can't stand where it does, or the "
        "text's length "
        "if more has to come. A grammar that doesn't compile is answered by one line {\"compiles\": false, \"error\": "
        "…} and "
        "exit status 1.\n\n"
        "JSON is accepted in any form: with any white space, members in any order, 1.0 for an integer. What "
        "generations are held to is a "
        "subset of this; --written shows it.",
    .examples = "# does it compile?\n"
                "bitnet grammar check demo --schema person.json\n"
                "# which texts match?\n"
                "echo '{\"text\":\"2026-11-28\"}' | bitnet grammar check demo --regex '\\d{4}-\\d\\d-\\d\\d' --jsonl",
    .groups = groups,
    .settings_bytes = sizeof(struct check_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
