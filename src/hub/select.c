#include "hub/select.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool matches(const char *path, const char *pattern) {
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '/') return strncmp(path, pattern, n) == 0;
    return fnmatch(pattern, path, 0) == 0;
}

bn_status hub_select_matching(const struct hub_listing *listing, const char *const *patterns, size_t n_patterns,
                              const char *const *excluded, size_t n_excluded, bool *selected, bn_error *err) {
    for (size_t p = 0; p < n_patterns; p++) {
        size_t n = 0;
        for (size_t i = 0; i < listing->n_files; i++)
            if (matches(listing->files[i].path, patterns[p])) selected[i] = true, n++;
        if (!n)
            return fail(err, BN_STATUS_NOT_FOUND, "no file matches '%s' ('--list' shows what there is)", patterns[p]);
    }
    for (size_t p = 0; p < n_excluded; p++)
        for (size_t i = 0; i < listing->n_files; i++)
            if (matches(listing->files[i].path, excluded[p])) selected[i] = false;
    return BN_OK;
}

/* ---- what a run needs ---- */

/* At the top of the repository; everything else there (training state, other frameworks' weights) stays. */
static const char *const always[] = {
    "config.json",
    "generation_config.json",
    "tokenizer*.json",
    "tokenizer.model",
    "*.tiktoken",
    "vocab.*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
    "sentencepiece*.model",
    "chat_template*",
    "preprocessor_config.json",
    "README.md",
    "LICENSE*",
    "USE_POLICY*",
};

struct weights_kind {
    const char *patterns[4];
};
static const struct weights_kind kinds[] = {
    {{"model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json"}},
    {{"*.safetensors", "*.safetensors.index.json"}},
    {{"pytorch_model.bin", "pytorch_model-*-of-*.bin", "pytorch_model.bin.index.json"}},
    {{"*.bin", "*.pt", "*.pth"}},
};
static const struct weights_kind onnx = {{"model.onnx*", "onnx/model.onnx*", "decoder_model.onnx*"}};

static size_t select_patterns(const struct hub_listing *listing, const char *const *patterns, size_t n,
                              bool *selected) {
    size_t n_selected = 0;
    for (size_t i = 0; i < listing->n_files; i++)
        for (size_t p = 0; p < n && patterns[p]; p++)
            if (fnmatch(patterns[p], listing->files[i].path, FNM_PATHNAME) == 0) {
                selected[i] = true;
                n_selected++;
                break;
            }
    return n_selected;
}

/* ---- GGUF ---- */

/* In the order they are taken when nobody says which: ternary first, then what the community uses most. */
static const char *const preferred[] = {"i2_s",   "tq2_0", "tq1_0", "q4_k_m", "q4_0",
                                        "q5_k_m", "q8_0",  "bf16",  "f16",    "f32"};

static bool has_word(const char *text, const char *word) {
    size_t n = strlen(word);
    for (; strlen(text) >= n; text++)
        if (strncasecmp(text, word, n) == 0) return true;
    return false;
}

static bool is_gguf(const char *path) {
    size_t n = strlen(path);
    return n > 5 && strcasecmp(path + n - 5, ".gguf") == 0 && !has_word(path, "mmproj") && !has_word(path, "imatrix");
}

/* Length of a path up to what numbers the parts of a split file: "x-00001-of-00003.gguf" → that of "x". */
static size_t stem_bytes(const char *path) {
    const char *of = strstr(path, "-of-");
    return of && of - path > 6 && of[-6] == '-' ? (size_t)(of - 6 - path) : strlen(path);
}

static bool same_model(const char *a, const char *b) {
    return stem_bytes(a) == stem_bytes(b) && strncmp(a, b, stem_bytes(a)) == 0;
}

/* The index of the first GGUF file with `word` in its path (NULL: any), n_files if there is none. */
static size_t find_gguf(const struct hub_listing *listing, const char *word) {
    size_t i = 0;
    while (i < listing->n_files &&
           !(is_gguf(listing->files[i].path) && (!word || has_word(listing->files[i].path, word))))
        i++;
    return i;
}

static void select_gguf(const struct hub_listing *listing, size_t chosen, bool *selected) {
    for (size_t i = 0; i < listing->n_files; i++)
        if (is_gguf(listing->files[i].path) && same_model(listing->files[i].path, listing->files[chosen].path))
            selected[i] = true;
}

static bn_status no_such_variant(const struct hub_listing *listing, const char *variant, bn_error *err) {
    char names[300] = "";
    size_t used = 0;
    for (size_t i = 0; i < listing->n_files && used < sizeof names - 1; i++)
        if (is_gguf(listing->files[i].path))
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", listing->files[i].path);
    if (!used)
        return fail(err, BN_STATUS_NOT_FOUND, "no file is named '%s', and there are no .gguf files to choose from",
                    variant);
    return fail(err, BN_STATUS_NOT_FOUND, "no .gguf file has '%s' in its name; there are %s", variant, names);
}

bn_status hub_select_for_running(const struct hub_listing *listing, const char *variant, bool *selected,
                                 bn_error *err) {
    size_t n = listing->n_files;
    select_patterns(listing, always, sizeof always / sizeof always[0], selected);
    if (variant) {
        if (select_patterns(listing, &variant, 1, selected)) return BN_OK;
        size_t chosen = find_gguf(listing, variant);
        if (chosen == n) return no_such_variant(listing, variant, err);
        select_gguf(listing, chosen, selected);
        return BN_OK;
    }
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        if (select_patterns(listing, kinds[k].patterns, 4, selected)) return BN_OK;
    for (size_t p = 0; p < sizeof preferred / sizeof preferred[0]; p++)
        if (find_gguf(listing, preferred[p]) < n) {
            select_gguf(listing, find_gguf(listing, preferred[p]), selected);
            return BN_OK;
        }
    if (find_gguf(listing, NULL) < n) {
        select_gguf(listing, find_gguf(listing, NULL), selected);
        return BN_OK;
    }
    if (select_patterns(listing, onnx.patterns, 4, selected)) return BN_OK;
    return fail(err, BN_STATUS_NOT_FOUND,
                "there are no weights that can be run (safetensors, pytorch_model.bin, .gguf, ONNX)");
}
