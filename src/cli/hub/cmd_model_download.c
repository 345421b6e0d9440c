/* `bitnet model download`: a model of a hub into the cache. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/hub/download_view.h"
#include "cli/hub/hub_options.h"
#include "cli/json_output.h"
#include "cli/terminal.h"

struct download_settings {
    struct hub_options hub;
    const char *revision;
    const char *variant;
    const char *cache_folder, *local_folder;
    struct text_list excluded;
    bool list;
    bool force;
};
#define FIELD(name) offsetof(struct download_settings, name)

static const struct option options[] = {
    {"revision", 0, OPTION_TEXT, FIELD(revision), "REVISION", 0, 0, "a branch, tag or commit, as @REVISION", NULL},
    {"variant", 0, OPTION_TEXT, FIELD(variant), "NAME", 0, 0,
     "which of several GGUF files, by a part of its name (Q4_K_M), as :NAME", "quant"},
    {"exclude", 0, OPTION_LIST, FIELD(excluded), "GLOB", 0, 0, "files to leave out", NULL},
    {"list", 0, OPTION_FLAG, FIELD(list), NULL, 0, 0, "only list the files, and mark those that would be fetched",
     "dry-run"},
    {"force", 0, OPTION_FLAG, FIELD(force), NULL, 0, 0, "fetch also what is in the cache", "force-download"},
    {"cache-dir", 0, OPTION_TEXT, FIELD(cache_folder), "FOLDER", 0, 0, "another cache than HF_HUB_CACHE", NULL},
    {"local-dir", 0, OPTION_TEXT, FIELD(local_folder), "FOLDER", 0, 0,
     "put the files into FOLDER, by their own names, instead of the cache; the registry doesn't get to know", NULL},
    {0},
};
static const struct option_group groups[] = {{"Download", options, 0}, {"Network", hub_option_table, FIELD(hub)}, {0}};

static void set_defaults(void *settings) {
    struct download_settings *own = settings;
    hub_options_set_defaults(&own->hub);
}

static bn_status override(char *out, const char *text, bn_error *err) {
    if (text && snprintf(out, HUB_NAME_BYTES, "%s", text) >= HUB_NAME_BYTES)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%.50s…' is too long", text);
    return BN_OK;
}

static bn_status parse_repo(const struct invocation *invocation, struct hub_repo *repo, bn_error *err) {
    const struct download_settings *settings = invocation->settings;
    bn_status status = hub_repo_parse(invocation->arguments[0], repo, err);
    if (!status) status = override(repo->revision, settings->revision, err);
    if (!status) status = override(repo->file, settings->variant, err);
    return status;
}

/* ---- --list ---- */

static void print_file(const struct invocation *invocation, const struct hub_file *file, bool selected) {
    if (invocation->common.json)
        json_write_line(stdout,
                        json_pack("{s:o, s:I, s:s, s:b}", "file", json_text(file->path, strlen(file->path)),
                                  "size_bytes", (json_int_t)file->size_bytes, "hash", file->digest, "selected",
                                  selected),
                        NULL);
    else
        printf("%s %12.3f MB  %s\n", selected ? "*" : " ", (double)file->size_bytes * 1e-6, file->path);
}

static bn_status list_files(const struct invocation *invocation, struct hub *hub, const struct hub_repo *repo,
                            const struct hub_download_options *download, bn_error *err) {
    struct hub_cache cache;
    struct hub_listing listing = {0};
    bn_status status = hub_cache_open(download->cache_folder, repo->id, &cache, err);
    if (!status) status = hub_files_of(hub, repo, &cache, false, &listing, err);
    bool *selected = mem_calloc(listing.n_files + 1, sizeof *selected);
    if (!status && !selected) status = fail_no_memory(err, listing.n_files);
    if (!status) {
        bn_error none;
        (void)hub_select(hub, repo, &listing, download, selected, &none); /* nothing to run: then nothing is marked */
        for (size_t i = 0; i < listing.n_files; i++) print_file(invocation, &listing.files[i], selected[i]);
    }
    mem_free(selected);
    hub_listing_release(&listing);
    hub_cache_close(&cache);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct download_settings *settings = invocation->settings;
    struct hub hub = {0};
    struct hub_repo repo;
    bn_error error = {0};
    struct hub_download_options download = {.patterns = invocation->arguments + 1,
                                            .n_patterns = invocation->n_arguments - 1,
                                            .excluded = settings->excluded.items,
                                            .n_excluded = settings->excluded.n,
                                            .cache_folder = settings->cache_folder,
                                            .local_folder = settings->local_folder,
                                            .connections = settings->hub.connections,
                                            .force = settings->force};
    bn_status status = parse_repo(invocation, &repo, &error);
    if (!status) status = hub_options_open(&settings->hub, &hub, &error);
    if (!status)
        status = settings->list
                     ? list_files(invocation, &hub, &repo, &download, &error)
                     : download_and_print(invocation, invocation->arguments[0], &hub, &repo, &download, &error);
    enum exit_code code = status ? say_hub_failure(invocation, &hub, &error) : EXIT_DONE;
    hub_close(&hub);
    return code;
}

const struct command command_model_download = {
    .name = "model download",
    .arguments = "OWNER/NAME [GLOB…]",
    .summary = "fetch a model from a hub",
    .description = "Fetches OWNER/NAME, at @REVISION (a branch, tag or commit; else main), from huggingface.co or the "
                   "hub that HF_ENDPOINT names, "
                   "into the cache of huggingface_hub, which Python programs share. Prints the folder.\n\n"
                   "Without a GLOB it fetches what running needs: configuration, tokenizer, card, and one kind of "
                   "weights, safetensors before "
                   "pytorch_model.bin before GGUF before ONNX. Of several GGUF files, :NAME takes one.\n\n"
                   "Every file is checked against its hash. A download that was interrupted continues where it "
                   "stopped. Gated and private "
                   "models need a token: see 'bitnet auth login'. HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_TOKEN_PATH, "
                   "HF_HUB_OFFLINE and the usual proxy "
                   "variables are obeyed.",
    .examples = "# then 'bitnet run microsoft/bitnet-b1.58-2B-4T' works, also offline\n"
                "bitnet model download microsoft/bitnet-b1.58-2B-4T\n"
                "bitnet model download microsoft/bitnet-b1.58-2B-4T-gguf:i2_s\n"
                "bitnet model download microsoft/DialoGPT-medium '*.json' merges.txt\n"
                "bitnet model download microsoft/DialoGPT-medium@main --list",
    .groups = groups,
    .settings_bytes = sizeof(struct download_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 64,
    .run = run,
};
