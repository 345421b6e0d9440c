/* `bitnet tokenizer inspect`: what a tokenizer is made of, or one of its tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "tokenizer/describe.h"

struct inspect_settings {
    bool tokens;
    const char *token;
};
#define FIELD(name) offsetof(struct inspect_settings, name)

static const struct option options[] = {
    {"token", 0, OPTION_TEXT, FIELD(token), "ID|TEXT", 0, 0, "one token: by its id, else by its text", NULL},
    {"tokens", 0, OPTION_FLAG, FIELD(tokens), NULL, 0, 0, "every token, one a line", NULL},
    {0},
};
static const struct option_group groups[] = {{"Inspecting", options, 0}, {0}};

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static long long number_of(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

/* ---- one token ---- */

static void print_flags(const json_t *token) {
    size_t i;
    json_t *flag;
    json_array_foreach(json_object_get(token, "flags"), i, flag)
        printf("%s%s", i ? " " : "  ", json_string_value(flag));
}

/* id, text as JSON spells it, bytes, score, flags */
static void print_token(const json_t *token) {
    char *text = json_dumps(json_object_get(token, "token"), JSON_ENCODE_ANY);
    const json_t *score = json_object_get(token, "score");
    size_t size = text ? strlen(text) + 1 : 1;
    char *shown = mem_alloc(size);
    printf("%8lld  %-24s", number_of(token, "id"), text && shown ? printable(text, shown, size) : "?");
    mem_free(shown);
    printf("  %s", text_of(token, "bytes"));
    if (score) printf("  %g", json_real_value(score));
    print_flags(token);
    putchar('\n');
    free(text);
}

static bn_status show_token(const bn_tokenizer *tokenizer, int32_t id, bool as_json, bn_error *err) {
    json_t *token = tokenizer_describe_token(tokenizer, id);
    if (!token) return fail_no_memory(err, 0);
    if (as_json) return json_write_line(stdout, token, err);
    print_token(token);
    json_decref(token);
    return BN_OK;
}

static bn_status show_named_token(const bn_tokenizer *tokenizer, const char *name, bool as_json, bn_error *err) {
    char *end;
    size_t n = bn_tokenizer_vocab_size(tokenizer);
    long id = strtol(name, &end, 10);
    bool number = *name && !*end;
    if (number && (id < 0 || (size_t)id >= n))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "--token: id %ld is outside the vocabulary (0 to %zu)", id, n - 1);
    if (!number) id = bn_tokenizer_find(tokenizer, name);
    if (id < 0) return fail(err, BN_STATUS_NOT_FOUND, "there is no token '%s' (as the vocabulary spells it)", name);
    return show_token(tokenizer, (int32_t)id, as_json, err);
}

static bn_status show_all_tokens(const bn_tokenizer *tokenizer, bool as_json, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t id = 0; id < bn_tokenizer_vocab_size(tokenizer) && !status; id++)
        status = show_token(tokenizer, (int32_t)id, as_json, err);
    return status;
}

/* ---- all of it, for people ---- */

/* As a template reads: <s> A </s>, with :1 behind what has that type id. */
static void print_template(const json_t *items) {
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item) {
        const json_t *special = json_object_get(item, "SpecialToken");
        const json_t *body = special ? special : json_object_get(item, "Sequence");
        long long type_id = (long long)json_integer_value(json_object_get(body, "type_id"));
        char text[256];
        printf(" %s", printable(text_of(body, "id"), text, sizeof text));
        if (type_id) printf(":%lld", type_id);
    }
}

static void print_value(const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    size_t size = text ? strlen(text) + 1 : 1;
    char *shown = mem_alloc(size);
    if (text && shown) printf("=%s", printable(text, shown, size));
    mem_free(shown);
    free(text);
}

/* Type and members; what is false or null is left out. */
static void print_step(const json_t *step) {
    const char *key;
    json_t *value;
    printf("%s", text_of(step, "type"));
    json_object_foreach((json_t *)step, key, value) {
        bool said_by_others = strcmp(key, "type") == 0 || strcmp(key, "special_tokens") == 0;
        if (said_by_others || json_is_false(value) || json_is_null(value)) continue;
        printf(" %s", key);
        if (strcmp(key, "precompiled_charsmap") == 0 && json_is_string(value))
            printf(" of %zu bytes", json_string_length(value) / 4 * 3);
        else if (strcmp(key, "single") == 0 || strcmp(key, "pair") == 0)
            print_template(value);
        else if (!json_is_true(value))
            print_value(value);
    }
    putchar('\n');
}

static void print_steps(const json_t *tokenizer, const char *key, const char *name) {
    size_t i;
    json_t *step;
    const json_t *steps = json_object_get(tokenizer, key);
    printf("%-16s", name);
    if (json_array_size(steps) == 0) puts("none");
    json_array_foreach(steps, i, step) {
        if (i) printf("%-16s", "");
        print_step(step);
    }
}

static void print_role(const json_t *tokenizer, const char *key, const char *name) {
    const json_t *token = json_object_get(tokenizer, key);
    if (json_is_null(token)) return;
    printf("%-16s%lld %s\n", name, (long long)json_integer_value(json_object_get(token, "id")),
           text_of(token, "token"));
}

static bool is_special(const json_t *token) {
    size_t i;
    json_t *flag;
    json_array_foreach(json_object_get(token, "flags"), i,
                       flag) if (strcmp(json_string_value(flag), "special") == 0) return true;
    return false;
}

/* The added tokens that aren't special, as those are listed before. */
static void print_tokens(const json_t *tokens, const char *name, bool special) {
    size_t i, n = 0;
    json_t *token;
    json_array_foreach(tokens, i, token) n += is_special(token) == special;
    if (n) printf("%s (%zu)\n", name, n);
    json_array_foreach(tokens, i, token) if (is_special(token) == special) print_token(token);
}

static void print_all(const json_t *t, const char *form) {
    const json_t *longest = json_object_get(t, "longest_token");
    printf("%-16s%s%s%s, from %s\n", "kind", text_of(t, "kind"),
           json_is_true(json_object_get(t, "byte_level")) ? ", byte-level" : "",
           json_is_true(json_object_get(t, "byte_fallback")) ? ", byte fallback" : "", form);
    printf("%-16s%lld tokens", "vocabulary", number_of(t, "vocab_size"));
    if (number_of(t, "n_merges")) printf(", %lld merges", number_of(t, "n_merges"));
    printf(", %lld of 256 bytes\n", number_of(t, "bytes_covered"));
    print_steps(t, "normalizer", "normalizer");
    print_steps(t, "pre_tokenizer", "pre-tokenizer");
    if (*text_of(t, "pre_tokenizer_name")) printf("%-16swhich GGUF calls %s\n", "", text_of(t, "pre_tokenizer_name"));
    print_steps(t, "post_processor", "post-processor");
    print_steps(t, "decoder", "decoder");
    print_role(t, "bos", "BOS");
    print_role(t, "eos", "EOS");
    print_role(t, "unknown", "unknown");
    print_role(t, "pad", "padding");
    char text[256];
    printf("%-16s%lld %s\n", "longest token", number_of(longest, "id"),
           printable(text_of(longest, "token"), text, sizeof text));
    printf("%-16s%s\n", "chat template", json_is_true(json_object_get(t, "chat_template")) ? "yes" : "none");
    print_tokens(json_object_get(t, "special_tokens"), "special tokens", true);
    print_tokens(json_object_get(t, "added_tokens"), "other added tokens", false);
}

static bn_status show_all(const bn_tokenizer *tokenizer, const char *path, bool as_json, bn_error *err) {
    const char *form;
    json_t *description;
    bn_status status = tokenizer_form(path, &form, err);
    if (!status) status = tokenizer_describe(tokenizer, &description, err);
    if (status) return status;
    if (as_json) {
        json_object_set_new(description, "form", json_string(form));
        return json_write_line(stdout, description, err);
    }
    print_all(description, form);
    json_decref(description);
    return BN_OK;
}

/* ---- the command ---- */

static bn_status inspect(const struct invocation *invocation, bn_error *err) {
    const struct inspect_settings *settings = invocation->settings;
    bool as_json = invocation->common.json;
    bn_tokenizer *tokenizer = NULL;
    char *path = NULL;
    bn_status status = model_path_resolve(invocation->arguments[0], &path, err);
    if (!status) status = bn_tokenizer_open(path, &tokenizer, err);
    if (!status && settings->token)
        status = show_named_token(tokenizer, settings->token, as_json, err);
    else if (!status && settings->tokens)
        status = show_all_tokens(tokenizer, as_json, err);
    else if (!status)
        status = show_all(tokenizer, path, as_json, err);
    bn_tokenizer_close(tokenizer);
    mem_free(path);
    return status;
}

static enum exit_code run_inspect(struct invocation *invocation) {
    bn_error error = {0};
    return inspect(invocation, &error) ? say_failure(&error) : EXIT_DONE;
}

const struct command command_tokenizer_inspect = {
    .name = "tokenizer inspect",
    .arguments = "TOK",
    .summary = "what a tokenizer is made of",
    .description = "Shows the kind of model, the steps that text and ids go through in order, sizes, special and added "
                   "tokens with their ids and flags, and which file it is read from. A token is shown with its id, its "
                   "spelling, the bytes it stands for in hexadecimal, its score, and flags.\n\n"
                   "--token shows one token, --tokens all of them; with --json each is a line.",
    .examples = "bitnet tokenizer inspect demo\n"
                "bitnet tokenizer inspect demo --token '<|end_of_text|>' --json\n"
                "bitnet tokenizer inspect demo --tokens --json >tokens.jsonl",
    .groups = groups,
    .settings_bytes = sizeof(struct inspect_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_inspect,
};
