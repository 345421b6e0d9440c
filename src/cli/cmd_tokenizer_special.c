/* `bitnet tokenizer special`: listing, adding and renaming special tokens. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "model/vocabulary_edit.h"
#include "tokenizer/describe.h"

struct special_settings {
    const char *output;
    bool in_place, plain;
};
#define FIELD(name) offsetof(struct special_settings, name)

static const struct option options[] = {
    {"output", 'o', OPTION_TEXT, FIELD(output), "PATH", 0, 0,
     "where the edited file or folder goes; a folder must be new", NULL},
    {"in-place", 0, OPTION_FLAG, FIELD(in_place), NULL, 0, 0, "replace the file, or the folder's files, instead", NULL},
    {"plain", 0, OPTION_FLAG, FIELD(plain), NULL, 0, 0,
     "add: tokens that are text: --skip-special doesn't leave them out", NULL},
    {0},
};
static const struct option_group groups[] = {{"Editing", options, 0}, {0}};

struct session {
    const struct invocation *invocation;
    const struct special_settings *settings;
    char *path;        /* what is edited */
    bool folder, gguf; /* else a tokenizer.json */
    struct vocabulary_edit edit;
};

/* ---- list ---- */

static bn_status list_tokens(const struct session *s, bn_error *err) {
    bn_tokenizer *tokenizer;
    bn_status status = bn_tokenizer_open(s->path, &tokenizer, err);
    if (status) return status;
    json_t *description, *token;
    size_t i;
    status = tokenizer_describe(tokenizer, &description, err);
    bn_tokenizer_close(tokenizer);
    if (status) return status;
    json_t *list = json_object_get(description, "added_tokens");
    json_array_foreach(list, i, token) {
        const json_t *flags = json_object_get(token, "flags");
        char text[256];
        if (s->invocation->common.json) {
            status = json_write_line(stdout, json_incref(token), err);
            continue;
        }
        printf("%lld\t%s", (long long)json_integer_value(json_object_get(token, "id")),
               printable(json_string_value(json_object_get(token, "token")), text, sizeof text));
        for (size_t k = 0; k < json_array_size(flags); k++)
            printf("%c%s", k ? ' ' : '\t', json_string_value(json_array_get(flags, k)));
        putchar('\n');
    }
    json_decref(description);
    return status;
}

/* ---- writing a folder: what changes goes into a new one beside it, and is moved when all of it is there ---- */

static bn_status fail_path(bn_error *err, const char *path, const char *doing) {
    return fail(err, BN_STATUS_IO, "%s: can't %s: %s", path, doing, strerror(errno));
}

typedef bn_status (*file_function)(const char *from, const char *to, bn_error *err);

/* Calls visit for each file of the folder `from`, with its place in `to`. */
static bn_status for_each_file(const char *from, const char *to, file_function visit, bn_error *err) {
    DIR *directory = opendir(from);
    if (!directory) return fail_path(err, from, "list");
    bn_status status = BN_OK;
    for (struct dirent *entry; !status && (entry = readdir(directory));) {
        char *a = path_join(from, entry->d_name), *b = path_join(to, entry->d_name);
        struct stat info;
        if (!a || !b)
            status = fail_no_memory(err, strlen(from));
        else if (stat(a, &info) == 0 && S_ISREG(info.st_mode))
            status = visit(a, b, err);
        mem_free(a);
        mem_free(b);
    }
    closedir(directory);
    return status;
}

static bn_status copy_if_missing(const char *from, const char *to, bn_error *err) {
    struct mapped_file source;
    struct atomic_file target;
    if (file_exists(to)) return BN_OK;
    bn_status status = mapped_file_open(from, &source, err);
    if (status) return status;
    status = atomic_file_open(to, &target, err);
    if (!status) {
        if (source.size) fwrite(source.data, 1, source.size, target.stream);
        status = atomic_file_commit(&target, err);
    }
    mapped_file_close(&source);
    return status;
}

static bn_status move_file(const char *from, const char *to, bn_error *err) {
    return rename(from, to) ? fail_path(err, to, "replace") : BN_OK;
}

static bn_status remove_file(const char *from, const char *to, bn_error *err) {
    (void)to;
    return unlink(from) ? fail_path(err, from, "remove") : BN_OK;
}

static bn_status finish_folder(const struct session *s, const char *staging, bn_error *err) {
    if (s->settings->in_place) {
        bn_status status = for_each_file(staging, s->path, move_file, err);
        if (!status && rmdir(staging)) status = fail_path(err, staging, "remove");
        return status;
    }
    bn_status status = for_each_file(s->path, staging, copy_if_missing, err);
    return status ? status : move_file(staging, s->settings->output, err);
}

static char *staging_path(const struct session *s) {
    const char *beside = s->settings->in_place ? s->path : s->settings->output;
    size_t n = strlen(beside);
    while (n > 1 && beside[n - 1] == '/') n--;
    char *path = mem_alloc(n + sizeof ".unfinished");
    if (path) snprintf(path, n + sizeof ".unfinished", "%.*s.unfinished", (int)n, beside);
    return path;
}

/* The new token is one token, with its id. */
static bn_status verify(const struct session *s, const char *path, bn_error *err) {
    bn_tokenizer *tokenizer;
    bn_status status = bn_tokenizer_open(path, &tokenizer, err);
    if (status) return status;
    for (size_t i = 0; i < s->edit.n_add && !status; i++)
        if ((size_t)bn_tokenizer_find(tokenizer, s->edit.add[i]) != s->edit.ids[i])
            status = fail(err, BN_STATUS_INTERNAL, "'%s' didn't become token %zu", s->edit.add[i], s->edit.ids[i]);
    if (!status && s->edit.old && bn_tokenizer_find(tokenizer, s->edit.renamed) < 0)
        status = fail(err, BN_STATUS_INTERNAL, "'%s' isn't there after renaming", s->edit.renamed);
    bn_tokenizer_close(tokenizer);
    return status;
}

static bn_status edit_folder(struct session *s, bn_error *err) {
    char *staging = staging_path(s);
    if (!staging) return fail_no_memory(err, strlen(s->path));
    bn_status status = BN_OK;
    if (!s->settings->in_place && file_exists(s->settings->output))
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "%s is there already", s->settings->output);
    else if (mkdir(staging, 0777))
        status = fail_path(err, staging, "make");
    if (!status) {
        status = vocabulary_edit_folder(&s->edit, s->path, staging, err);
        if (!status) status = verify(s, staging, err);
        if (!status) status = finish_folder(s, staging, err);
        if (status) {
            bn_error ignored;
            (void)for_each_file(staging, staging, remove_file, &ignored);
            rmdir(staging);
        }
    }
    mem_free(staging);
    return status;
}

/* ---- writing a file ---- */

static bn_status edit_file(struct session *s, bn_error *err) {
    const char *target = s->settings->in_place ? s->path : s->settings->output;
    char *staging = staging_path(s);
    if (!staging) return fail_no_memory(err, strlen(s->path));
    bn_status status = s->gguf ? vocabulary_edit_gguf(&s->edit, s->path, staging, err)
                               : vocabulary_edit_json(&s->edit, s->path, staging, err);
    if (!status) {
        status = verify(s, staging, err);
        if (!status) status = move_file(staging, target, err);
        if (status) unlink(staging);
    }
    mem_free(staging);
    return status;
}

/* ---- the command ---- */

static bn_status report(const struct session *s, bn_error *err) {
    const struct vocabulary_edit *edit = &s->edit;
    const char *target = s->settings->in_place ? s->path : s->settings->output;
    for (size_t i = 0; i < edit->n_add && !s->invocation->common.json; i++)
        printf("%zu\t%s\n", edit->ids[i], edit->add[i]);
    if (!s->invocation->common.json) {
        say(s->invocation, "%s: written, with %zu new row%s", target, edit->grown_rows,
            edit->grown_rows == 1 ? "" : "s");
        return BN_OK;
    }
    json_t *ids = json_array();
    for (size_t i = 0; i < edit->n_add; i++) json_array_append_new(ids, json_integer((json_int_t)edit->ids[i]));
    return json_write_line(
        stdout, json_pack("{s:s, s:o, s:I}", "file", target, "ids", ids, "rows_added", (json_int_t)edit->grown_rows),
        err);
}

static bn_status edit(struct session *s, bn_error *err) {
    if (!s->settings->output == !s->settings->in_place)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "say where the result goes: --output PATH, or --in-place");
    if (s->edit.n_add) {
        s->edit.ids = mem_calloc(s->edit.n_add, sizeof *s->edit.ids);
        if (!s->edit.ids) return fail_no_memory(err, s->edit.n_add * sizeof *s->edit.ids);
    }
    bn_status status = s->folder ? edit_folder(s, err) : edit_file(s, err);
    if (!status) status = report(s, err);
    return status;
}

static bn_status choose(struct session *s, bn_error *err) {
    const struct invocation *invocation = s->invocation;
    const char *action = invocation->arguments[0], **texts = invocation->arguments + 2;
    size_t n = invocation->n_arguments - 2;
    if (strcmp(action, "list") == 0 && n == 0) return list_tokens(s, err);
    if (strcmp(action, "add") == 0 && n > 0) {
        s->edit.add = texts;
        s->edit.n_add = n;
        s->edit.special = !s->settings->plain;
        return edit(s, err);
    }
    if (strcmp(action, "rename") == 0 && n == 2) {
        s->edit.old = texts[0];
        s->edit.renamed = texts[1];
        return edit(s, err);
    }
    return fail(err, BN_STATUS_BAD_ARGUMENT, "expected: list TOK, add TOK TEXT…, or rename TOK OLD NEW");
}

static bn_status is_gguf(const char *path, bool *gguf, bn_error *err) {
    const char *form = "";
    bn_status status = file_is_directory(path) ? BN_OK : tokenizer_form(path, &form, err);
    *gguf = strcmp(form, "GGUF") == 0;
    return status;
}

static enum exit_code run_special(struct invocation *invocation) {
    struct session s = {.invocation = invocation, .settings = invocation->settings};
    bn_error error = {0};
    bn_status status = model_path_resolve(invocation->arguments[1], &s.path, &error);
    if (!status) {
        s.folder = file_is_directory(s.path);
        status = is_gguf(s.path, &s.gguf, &error);
    }
    if (!status) status = choose(&s, &error);
    mem_free(s.edit.ids);
    mem_free(s.path);
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_tokenizer_special = {
    .name = "tokenizer special",
    .arguments = "list|add|rename TOK [TEXT…]",
    .summary = "list, add and rename special tokens",
    .description =
        "list shows special and added tokens: id, text, flags.\n\n"
        "add TOK TEXT… appends tokens, and prints their ids. Padding of the vocabulary is used first. Where TOK is a "
        "model, a Hugging Face folder with safetensors or a GGUF file, the embedding and an untied output projection "
        "get a row for each (F32, F16 and BF16), the mean of the rows there are.\n\n"
        "rename TOK OLD NEW changes the text of a special or added token wherever it is named; its id stays.\n\n"
        "TOK is a tokenizer.json, a folder with one, or a GGUF file. The result goes to --output, or replaces what was "
        "there with --in-place.",
    .examples = "bitnet tokenizer special list demo\n"
                "bitnet tokenizer special add demo '<think>' '</think>' -o with-think.gguf\n"
                "bitnet tokenizer special rename demo '<|end_of_text|>' '<|eot|>' -o renamed.gguf",
    .groups = groups,
    .settings_bytes = sizeof(struct special_settings),
    .min_arguments = 2,
    .max_arguments = 4096,
    .run = run_special,
};
