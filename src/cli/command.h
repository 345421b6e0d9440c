/* A command of the program: what it is called, what it takes, what it does. One row of the table in main.c each; help,
 * man pages, completion and docs/cli.md are made from these rows. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/options.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_MISUSE = 2,
    EXIT_INTERRUPTED = 130, /* Ctrl-C, as shells report it */
};

struct invocation;

struct command {
    const char *name;                     /* "generate", or noun and verb: "model show" */
    const char *arguments;                /* "MODEL", "IN.jsonl OUT.jsonl"; optional ones in [] */
    const char *summary;                  /* one line, no full stop */
    const char *description;              /* paragraphs, wrapped when printed; \n\n between them */
    const char *examples;                 /* shell lines, each optionally after a "# what it does" line */
    const struct option_group *groups;    /* ended by a NULL table; NULL for none */
    size_t settings_bytes;                /* the struct that the groups' options fill in */
    void (*set_defaults)(void *settings); /* NULL: all zero */
    size_t min_arguments, max_arguments;
    enum exit_code (*run)(struct invocation *invocation);
};

/* The command table, NULL past the end. */
const struct command *command_at(size_t index);
const struct command *command_find(const char *name);

extern const struct command command_generate, command_run, command_batch;
extern const struct command command_model_show, command_model_list, command_model_verify, command_model_tensors,
    command_model_optimize, command_model_convert, command_model_compare;
#ifdef BITNET_HUB
extern const struct command command_backup_create, command_backup_list, command_backup_verify, command_backup_restore,
    command_backup_prune;
extern const struct command command_model_add, command_model_use, command_model_rollback, command_model_history,
    command_model_diff, command_model_tag, command_model_note, command_model_pin, command_model_unpin,
    command_model_rename, command_model_rm, command_model_gc, command_model_rebuild, command_model_export,
    command_model_import;
extern const struct command command_model_download, command_model_search, command_model_browse, command_model_card,
    command_model_push;
extern const struct command command_bench_serve;
extern const struct command command_auth_login, command_auth_logout, command_auth_switch, command_auth_list,
    command_auth_whoami;
#endif
extern const struct command command_tokenizer_encode, command_tokenizer_decode, command_tokenizer_train,
    command_tokenizer_bench;
extern const struct command command_tokenizer_convert, command_tokenizer_compile, command_tokenizer_inspect,
    command_tokenizer_special;
extern const struct command command_template_render;
extern const struct command command_grammar_check, command_grammar_bench;
extern const struct command command_eval_logits, command_eval_perplexity;
extern const struct command command_bench, command_bench_machine, command_bench_kernels, command_bench_history,
    command_bench_load, command_bench_compare, command_bench_synthetic, command_bench_goals, command_bench_suite,
    command_bench_plot, command_profile, command_tune;
extern const struct command command_doctor, command_man, command_completion;
extern const struct command command_serve;

#endif
