/* `bitnet model card`: what a model's README says, checked, changed, or begun from what the model itself knows. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "bitnet/bitnet.h"
#include "cli/hub/hub_options.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "formats/gguf.h"
#include "hub/cache.h"
#include "hub/card.h"

struct card_settings {
    struct hub_options hub;
    struct text_list assignments;
    const char *output;
    bool check, generate, remote;
};
#define FIELD(name) offsetof(struct card_settings, name)

static const struct option options[] = {
    {"check", 0, OPTION_FLAG, FIELD(check), NULL, 0, 0,
     "say what is wrong or missing; exit status 1 if a hub would misread it", NULL},
    {"set", 0, OPTION_LIST, FIELD(assignments), "KEY=VALUE", 0, 0,
     "change the metadata: lists (tags, datasets, base_model, language, metrics) get one more; KEY= removes", NULL},
    {"generate", 0, OPTION_FLAG, FIELD(generate), NULL, 0, 0, "fill in what is missing from the model itself", NULL},
    {"output", 'o', OPTION_TEXT, FIELD(output), "FILE", 0, 0, "write the card there instead of printing it", NULL},
    {"remote", 0, OPTION_FLAG, FIELD(remote), NULL, 0, 0, "ask the hub even if the model is on this machine", NULL},
    {0},
};
static const struct option_group groups[] = {{"Card", options, 0}, {"Network", hub_option_table, FIELD(hub)}, {0}};

static void set_defaults(void *settings) {
    hub_options_set_defaults(&((struct card_settings *)settings)->hub);
}

/* ---- where it is ---- */

/* README.md in the model's folder, or beside its file. */
static char *card_path(const char *model_path) {
    if (file_is_directory(model_path)) return path_join(model_path, "README.md");
    const char *slash = strrchr(model_path, '/');
    char *folder = slash ? mem_strndup(model_path, (size_t)(slash - model_path)) : mem_strdup(".");
    char *path = folder ? path_join(folder, "README.md") : NULL;
    mem_free(folder);
    return path;
}

static bn_status read_local(const char *model_path, struct card *card, bn_error *err) {
    char *path = card_path(model_path);
    bn_status status = path ? card_read(path, card, err) : fail_no_memory(err, 0);
    mem_free(path);
    return status;
}

static bn_status read_remote(const struct card_settings *settings, const char *name, struct hub *hub, struct card *card,
                             bn_error *err) {
    struct hub_repo repo;
    char *text = NULL;
    bn_status status = hub_repo_parse(name, &repo, err);
    if (!status) status = hub_options_open(&settings->hub, hub, err);
    if (!status) status = hub_card_fetch(hub, &repo, &text, err);
    if (!status) status = card_parse(text, strlen(text), card, err);
    mem_free(text);
    return status;
}

/* *model_path is NULL when the card comes from the hub. */
static bn_status read_card(const struct invocation *invocation, struct hub *hub, struct card *card, char **model_path,
                           bn_error *err) {
    const struct card_settings *settings = invocation->settings;
    const char *name = invocation->arguments[0];
    *model_path = NULL;
    bn_status status = settings->remote ? BN_STATUS_NOT_FOUND : model_path_resolve(name, model_path, err);
    if (!status) return read_local(*model_path, card, err);
    if (status != BN_STATUS_NOT_FOUND || !hub_repo_is_name(name)) return status;
    *err = (bn_error){0};
    return read_remote(settings, name, hub, card, err);
}

/* ---- --generate ---- */

enum { MAX_TEXT = 300, MAX_LIST = 256 };

static void fill(json_t *metadata, const char *key, const char *value) {
    if (*value && !json_object_get(metadata, key)) json_object_set_new(metadata, key, json_text(value, strlen(value)));
}

static void append(json_t *list, struct gguf_string text) {
    if (text.size && text.size < MAX_TEXT) json_array_append_new(list, json_text(text.text, text.size));
}

static void fill_list(json_t *metadata, const char *key, json_t *list) {
    if (json_array_size(list) && !json_object_get(metadata, key)) json_object_set(metadata, key, list);
    json_decref(list);
}

static struct gguf_string text_of(const struct gguf *gguf, const char *key) {
    struct gguf_string found = {0};
    return gguf_get_string(gguf, key, &found, NULL) ? (struct gguf_string){0} : found;
}

static json_t *texts_of(const struct gguf *gguf, const char *key) {
    const struct gguf_value *value = gguf_find(gguf, key);
    json_t *list = json_array();
    bool texts = value && value->type == GGUF_ARRAY && value->array.type == GGUF_STRING;
    for (size_t i = 0; texts && i < value->array.n && i < MAX_LIST; i++) append(list, gguf_array_string(value, i));
    return list;
}

/* The repositories under PREFIX.0, PREFIX.1, …: OWNER/NAME of their repo_url, https://HOST[/datasets]/OWNER/NAME, else their name. */
static json_t *sources_of(const struct gguf *gguf, const char *prefix) {
    json_t *list = json_array();
    for (size_t i = 0; i < MAX_LIST; i++) {
        char key[64], text[MAX_TEXT];
        snprintf(key, sizeof key, "%s.%zu.repo_url", prefix, i);
        struct gguf_string found = text_of(gguf, key);
        snprintf(key, sizeof key, "%s.%zu.name", prefix, i);
        if (!found.size) found = text_of(gguf, key);
        if (!found.size) break;
        snprintf(text, sizeof text, "%.*s", (int)min_size(found.size, sizeof text - 1), found.text);
        char *host = strstr(text, "://"), *slash = host ? strchr(host + 3, '/') : NULL,
             *name = slash ? slash + 1 : text;
        if (strncmp(name, "datasets/", 9) == 0) name += 9;
        append(list, (struct gguf_string){name, strlen(name)});
    }
    return list;
}

/* What a GGUF file says about its licence and origin. */
static void fill_from_gguf(json_t *metadata, const char *path) {
    static const char *const texts[][2] = {{"general.license", "license"},
                                           {"general.license.name", "license_name"},
                                           {"general.license.link", "license_link"}};
    struct gguf gguf;
    if (file_is_directory(path) || gguf_open(path, &gguf, NULL)) return;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct gguf_string found = text_of(&gguf, texts[i][0]);
        char text[MAX_TEXT];
        snprintf(text, sizeof text, "%.*s", (int)min_size(found.size, sizeof text - 1), found.text ? found.text : "");
        fill(metadata, texts[i][1], text);
    }
    fill_list(metadata, "base_model", sources_of(&gguf, "general.base_model"));
    fill_list(metadata, "datasets", sources_of(&gguf, "general.dataset"));
    fill_list(metadata, "language", texts_of(&gguf, "general.languages"));
    fill_list(metadata, "tags", texts_of(&gguf, "general.tags"));
    gguf_close(&gguf);
}

static char *generated_prose(const char *name, const bn_model_info *info) {
    struct buffer text;
    buffer_init(&text);
    buffer_printf(&text,
                  "\n# %s\n\n| | |\n|---|---|\n| architecture | %s |\n| parameters | %.1f million |\n| of them ternary "
                  "| %.1f million |\n",
                  name, info->architecture, (double)info->n_parameters * 1e-6,
                  (double)info->n_parameters_ternary * 1e-6);
    buffer_printf(&text,
                  "| weights | %.1f MB (%s) |\n| context | %zu tokens |\n| vocabulary | %zu tokens |\n\n## "
                  "Use\n\n```sh\nbitnet run %s\n```\n",
                  (double)info->weight_bytes * 1e-6, info->quantization, info->context_length, info->vocab_size, name);
    char *prose = text.failed ? NULL : buffer_take(&text);
    buffer_release(&text);
    return prose;
}

static bn_status generate(const char *name, const char *path, struct card *card, bn_error *err) {
    bn_model *model = NULL;
    bn_status status = bn_model_open(path, NULL, &model, err);
    if (status) return status;
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    fill_from_gguf(card->metadata, path);
    fill(card->metadata, "pipeline_tag", "text-generation");
    fill(card->metadata, "library_name", file_is_directory(path) ? "transformers" : "gguf");
    if (info.n_parameters_ternary) status = card_set(card->metadata, "tags=bitnet", err);
    if (!status && info.n_parameters_ternary) status = card_set(card->metadata, "tags=1.58-bit", err);
    if (!status && !card->prose[strspn(card->prose, " \n")]) {
        mem_free(card->prose);
        card->prose = generated_prose(info.name[0] ? info.name : name, &info);
        if (!card->prose) status = fail_no_memory(err, 0);
    }
    bn_model_close(model);
    return status;
}

/* ---- --check ---- */

struct report {
    json_t *problems; /* NULL: print lines */
};

static void show_problem(void *context, bool is_error, const char *message) {
    struct report *report = context;
    char shown[400];
    if (report->problems)
        json_array_append_new(report->problems, json_pack("{s:b, s:o}", "error", is_error, "message",
                                                          json_text(message, strlen(message))));
    else
        printf("%s%-7s%s %s\n", style_out(is_error ? STYLE_RED : STYLE_DIM), is_error ? "error" : "advice",
               style_out(STYLE_PLAIN), printable(message, shown, sizeof shown));
}

static enum exit_code check(const struct invocation *invocation, const struct card *card) {
    struct report report = {.problems = invocation->common.json ? json_array() : NULL};
    size_t n_errors = card_check(card->metadata, show_problem, &report);
    if (report.problems)
        json_write_line(
            stdout,
            json_pack("{s:b, s:o, s:O}", "ok", n_errors == 0, "problems", report.problems, "metadata", card->metadata),
            NULL);
    return n_errors ? EXIT_FAILED : EXIT_DONE;
}

/* ---- the command ---- */

static bn_status print_card(const struct invocation *invocation, const struct card *card, bn_error *err) {
    const struct card_settings *settings = invocation->settings;
    if (invocation->common.json)
        return json_write_line(
            stdout,
            json_pack("{s:O, s:o}", "metadata", card->metadata, "text", json_text(card->prose, strlen(card->prose))),
            err);
    char *text = NULL;
    bn_status status = card_text(card, &text, err);
    if (!status && !*text) say(invocation, "%s has no card: --generate begins one", invocation->arguments[0]);
    if (!status && settings->output)
        status = file_write_all(settings->output, text, strlen(text), err);
    else if (!status)
        for (const char *at = text; *at; at++)
            putchar((unsigned char)*at < ' ' && *at != '\n' && *at != '\t' ? '?' : *at);
    mem_free(text);
    return status;
}

static bn_status change(const struct invocation *invocation, const char *model_path, struct card *card, bn_error *err) {
    const struct card_settings *settings = invocation->settings;
    if (settings->generate && !model_path)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "--generate looks into the model: download it first");
    bn_status status = settings->generate ? generate(invocation->arguments[0], model_path, card, err) : BN_OK;
    for (size_t i = 0; !status && i < settings->assignments.n; i++)
        status = card_set(card->metadata, settings->assignments.items[i], err);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct card_settings *settings = invocation->settings;
    struct hub hub = {0};
    struct card card = {0};
    char *model_path = NULL;
    bn_error error = {0};
    enum exit_code code = EXIT_DONE;
    bn_status status = read_card(invocation, &hub, &card, &model_path, &error);
    if (!status) status = change(invocation, model_path, &card, &error);
    if (!status && settings->check)
        code = check(invocation, &card);
    else if (!status)
        status = print_card(invocation, &card, &error);
    if (status) code = say_hub_failure(invocation, &hub, &error);
    card_release(&card);
    mem_free(model_path);
    hub_close(&hub);
    return code;
}

const struct command command_model_card = {
    .name = "model card",
    .arguments = "MODEL",
    .summary = "read, check, change or begin a model's card",
    .description = "Prints the card (README.md) of a model on this machine, or of one on the hub. Its metadata "
                   "(licence, base model, data sets, tags) can "
                   "be checked and changed, and filled in from the model itself; -o writes the result.",
    .examples = "bitnet model card microsoft/bitnet-b1.58-2B-4T\n"
                "bitnet model card ./my-model --generate --set license=mit --set base_model=ada/bigger -o "
                "./my-model/README.md\n"
                "bitnet model card ./my-model --check",
    .groups = groups,
    .settings_bytes = sizeof(struct card_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
