/* The program `bitnet`: a table of commands, and finding the one that was asked for. */
#include <stdio.h>
#include <string.h>

#include "bitnet/status.h"
#include "cli/build_info.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/signals.h"
#include "cli/suggest.h"
#include "cli/terminal.h"
#ifdef BITNET_HUB
#include "cli/hub/hub_model.h"
#endif

static const struct command *const commands[] = {
    &command_run,
    &command_generate,
    &command_batch,
#ifdef BITNET_SERVER
    &command_serve,
#endif
    &command_model_show,
    &command_model_list,
    &command_model_verify,
    &command_model_tensors,
    &command_model_optimize,
    &command_model_convert,
    &command_model_compare,
#ifdef BITNET_HUB
    &command_model_add,
    &command_model_use,
    &command_model_rollback,
    &command_model_history,
    &command_model_diff,
    &command_model_tag,
    &command_model_note,
    &command_model_pin,
    &command_model_unpin,
    &command_model_rename,
    &command_model_rm,
    &command_model_download,
    &command_model_search,
#ifdef HAVE_NCURSES
    &command_model_browse,
#endif
    &command_model_card,
    &command_model_push,
    &command_model_gc,
    &command_model_rebuild,
    &command_model_export,
    &command_model_import,
    &command_backup_create,
    &command_backup_list,
    &command_backup_verify,
    &command_backup_restore,
    &command_backup_prune,
    &command_auth_login,
    &command_auth_logout,
    &command_auth_switch,
    &command_auth_list,
    &command_auth_whoami,
#endif
    &command_tokenizer_encode,
    &command_tokenizer_decode,
    &command_tokenizer_train,
    &command_tokenizer_bench,
    &command_tokenizer_convert,
    &command_tokenizer_compile,
    &command_tokenizer_inspect,
    &command_tokenizer_special,
    &command_template_render,
    &command_grammar_check,
    &command_grammar_bench,
    &command_eval_logits,
    &command_eval_perplexity,
    &command_bench,
    &command_bench_machine,
    &command_bench_kernels,
    &command_bench_load,
    &command_bench_compare,
#ifdef BITNET_HUB
    &command_bench_serve,
#endif
    &command_bench_history,
    &command_bench_suite,
    &command_bench_plot,
    &command_bench_synthetic,
    &command_bench_goals,
    &command_profile,
    &command_tune,
    &command_doctor,
    &command_man,
    &command_completion,
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

const struct command *command_at(size_t index) {
    return index < N_COMMANDS ? commands[index] : NULL;
}

const struct command *command_find(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

/* True when some command is "noun verb". */
static bool is_noun(const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strncmp(commands[i]->name, word, n) == 0 && commands[i]->name[n] == ' ') return true;
    return false;
}

/* The command that the first two words name, or the first alone; *n_words is how many. */
static const struct command *find_in_words(int argc, char **argv, int *n_words) {
    char name[64];
    if (argc > 1 && is_noun(argv[0])) {
        snprintf(name, sizeof name, "%.30s %.30s", argv[0], argv[1]);
        const struct command *command = command_find(name);
        *n_words = 2;
        if (command) return command;
    }
    *n_words = 1;
    return command_find(argv[0]);
}

static enum exit_code noun_alone(int argc, char **argv) {
    bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    help_noun(asked ? stdout : stderr, argv[0]);
    return asked ? EXIT_DONE : EXIT_MISUSE;
}

/* The nearest command to one word or to two: "genrate", "model shwo", "modle show". */
static const char *nearest_command(const char *given) {
    struct suggestion suggestion = suggestion_for(given);
    for (size_t i = 0; i < N_COMMANDS; i++) suggestion_consider(&suggestion, commands[i]->name);
    return suggestion.best;
}

static enum exit_code unknown_command(int argc, char **argv) {
    bool noun = is_noun(argv[0]);
    if (noun && (argc < 2 || argv[1][0] == '-')) return noun_alone(argc, argv);
    char one[64], two[64];
    snprintf(one, sizeof one, "%.60s", argv[0]);
    snprintf(two, sizeof two, "%.30s %.30s", argv[0], argc > 1 ? argv[1] : "");
    const char *nearest = noun ? NULL : nearest_command(one);
    if (!nearest && argc > 1) nearest = nearest_command(two);
    if (nearest)
        say_error("there is no command '%s' (did you mean '%s'?)", noun ? two : one, nearest);
    else
        say_error("there is no command '%s' (see 'bitnet --help')", noun ? two : one);
    return EXIT_MISUSE;
}

/* A model that is named as a hub's is fetched before the command runs. */
static bn_status fetch_model(struct invocation *invocation, bn_error *err) {
#ifdef BITNET_HUB
    if (invocation->from_hub) return hub_model_fetch(invocation, err);
#else
    (void)invocation, (void)err;
#endif
    return BN_OK;
}

static enum exit_code run_command(const struct command *command, int argc, char **argv) {
    struct invocation invocation;
    bn_error error = {0};
    enum exit_code code;
    if (invocation_parse(&invocation, command, argc, argv, &error)) {
        code = say_failure(&error);
    } else if (invocation.common.help) {
        help_command(stdout, command);
        code = EXIT_DONE;
    } else if (fetch_model(&invocation, &error)) {
        code = error.status == BN_STATUS_CANCELLED ? EXIT_INTERRUPTED : say_failure(&error);
    } else {
        code = command->run(&invocation);
    }
    invocation_release(&invocation);
    return code;
}

static bool any_is(const char *a, const char *b, int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], a) == 0 || strcmp(argv[i], b) == 0) return true;
    return false;
}

/* `bitnet help [COMMAND]` and `bitnet COMMAND --help` are one. */
static enum exit_code dispatch(int argc, char **argv) {
    bool help = strcmp(argv[0], "help") == 0;
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 || (help && argc == 1)) {
        help_program(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[0], "--version") == 0) {
        print_version(any_is("--verbose", "-v", argc, argv), any_is("--json", "--json", argc, argv));
        return EXIT_DONE;
    }
    if (argv[0][0] == '-' && argv[0][1]) {
        say_error("options come after the command: bitnet COMMAND %s (see 'bitnet --help')", argv[0]);
        return EXIT_MISUSE;
    }
    if (help) argv++, argc--;
    int n_words;
    const struct command *command = find_in_words(argc, argv, &n_words);
    if (help && !command && argc == 1 && is_noun(argv[0])) {
        help_noun(stdout, argv[0]);
        return EXIT_DONE;
    }
    if (!command) return unknown_command(argc, argv);
    if (help) {
        help_command(stdout, command);
        return EXIT_DONE;
    }
    return run_command(command, argc - n_words, argv + n_words);
}

int main(int argc, char **argv) {
    signals_init();
    terminal_init();
    if (argc < 2) {
        help_program(stderr);
        return EXIT_MISUSE;
    }
    enum exit_code code = dispatch(argc - 1, argv + 1);
    if (!output_finish() && code == EXIT_DONE) code = EXIT_FAILED;
    return code;
}
