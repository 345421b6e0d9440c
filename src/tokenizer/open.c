/* Opening what lies on disk: a tokenizer file recognized by its content, or a folder by the files in it. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tokenizer/cache.h"
#include "tokenizer/compiled.h"
#include "tokenizer/hf_config.h"

/* Bytes of a file below which no vocabulary is worth caching. */
enum { SMALLEST_CACHED = 1 << 17 };

enum content {
    CONTENT_COMPILED,
    CONTENT_GGUF,
    CONTENT_JSON,
    CONTENT_TIKTOKEN,
    CONTENT_WORDPIECE,
    CONTENT_SENTENCEPIECE
};

/* tiktoken: a line is base64, a space, a rank. */
static bool looks_like_tiktoken(const char *text, size_t size) {
    const char *end = memchr(text, '\n', min_size(size, 4096)), *space;
    size_t line = end ? (size_t)(end - text) : size;
    if (line > 4096 || !(space = memchr(text, ' ', line)) || space == text) return false;
    for (const char *p = space + 1; p < text + line; p++)
        if ((*p < '0' || *p > '9') && *p != '\r') return false;
    return space + 1 < text + line;
}

/* BERT's vocab.txt: one of the lines is what unknown words become. (In a SentencePiece model a length is before a text
 * and another field behind it.) */
static bool looks_like_wordpiece(const char *text, size_t size) {
    static const char unknown[] = "[UNK]";
    const size_t n = sizeof unknown - 1;
    for (const char *at = text, *end = text + size; (at = memmem(at, (size_t)(end - at), unknown, n)); at += n) {
        bool begins = at == text || at[-1] == '\n', ends = at + n == end || at[n] == '\n' || at[n] == '\r';
        if (begins && ends) return true;
    }
    return false;
}

static enum content content_of(const char *text, size_t size) {
    if (image_is_one(text, size)) return CONTENT_COMPILED;
    if (size >= 4 && memcmp(text, "GGUF", 4) == 0) return CONTENT_GGUF;
    size_t at = 0;
    while (at < size && strchr(" \t\r\n", text[at]) && text[at]) at++;
    if (at < size && text[at] == '{') return CONTENT_JSON;
    if (looks_like_tiktoken(text, size)) return CONTENT_TIKTOKEN;
    return looks_like_wordpiece(text, size) ? CONTENT_WORDPIECE : CONTENT_SENTENCEPIECE;
}

bn_status tokenizer_from_gguf(const struct gguf *gguf, void (*notice)(void *context, const char *line),
                              void *notice_context, bn_tokenizer **out, bn_error *err) {
    const struct mapped_file *file = gguf->set.n_files == 1 ? gguf->set.files : NULL;
    struct cache_key key = {0};
    bn_error problem = {0};
    if (tokenizer_from_gguf_image(gguf, out)) return BN_OK;
    if (file && file->size >= SMALLEST_CACHED) key = cache_key_of(file, NULL);
    if (cache_find(&key, out)) return BN_OK;
    bn_status status = tokenizer_read_gguf(gguf, notice, notice_context, out, err);
    if (!status && !cache_store(&key, *out, &problem) && notice) {
        error_prefix(&problem, "the tokenizer can't be cached");
        notice(notice_context, problem.message);
    }
    return status;
}

static bn_status open_gguf(const char *path, bn_tokenizer **out, bn_error *err) {
    struct gguf *gguf = mem_calloc(1, sizeof *gguf);
    if (!gguf) return fail_no_memory(err, sizeof *gguf);
    bn_status status = gguf_open(path, gguf, err);
    if (status) {
        mem_free(gguf);
        return status;
    }
    status = tokenizer_from_gguf(gguf, NULL, NULL, out, err);
    if (status) error_prefix(err, "%s", path);
    if (!status && (*out)->has_image) {
        (*out)->gguf = gguf; /* it lives on the file */
        return BN_OK;
    }
    gguf_close(gguf);
    mem_free(gguf);
    return status;
}

/* The folder a file lies in. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return mem_strdup(".");
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

/* JSON that isn't a tokenizer.json: Mistral's, or GPT-2's vocab.json. */
static bn_status open_other_json(const char *text, size_t size, const char *path, const char *folder, bool *is_hf,
                                 bn_tokenizer **out, bn_error *err) {
    json_t *root;
    bn_status status = json_parse(text, size, path, &root, err);
    if (status) return status;
    *is_hf = !json_is_array(json_object_get(root, "vocab"));
    status = *is_hf ? hf_from_vocab(root, folder, path, out, err) : tokenizer_from_tekken(root, path, out, err);
    json_decref(root);
    return status;
}

static bn_status open_json(const char *text, size_t size, const char *path, const char *folder, bn_tokenizer **out,
                           bn_error *err) {
    bool is_tokenizer_json, is_hf = true;
    bn_tokenizer *tokenizer = NULL;
    bn_status status = hf_read_text(text, size, path, &is_tokenizer_json, &tokenizer, err);
    if (!is_tokenizer_json) status = open_other_json(text, size, path, folder, &is_hf, &tokenizer, err);
    if (!status && is_hf)
        status = hf_read_companions(tokenizer, tokenizer->vocabulary.expected, !is_tokenizer_json, folder, err);
    if (status)
        bn_tokenizer_close(tokenizer);
    else
        *out = tokenizer;
    return status;
}

static bn_status open_tiktoken(const char *text, size_t size, const char *path, const char *folder, bn_tokenizer **out,
                               bn_error *err) {
    json_t *encoding;
    bn_status status = hf_optional_json(folder, "encoding.json", &encoding, err);
    if (!status) status = tokenizer_from_tiktoken(text, size, encoding, path, out, err);
    json_decref(encoding);
    return status;
}

/* A SentencePiece model is what is left when nothing else fits; as written by the trainer, it begins with a piece's text. */
static bool begins_with_piece(const char *text, size_t size) {
    return size > 2 && text[0] == '\n' && text[2] == '\n';
}

static bn_status open_sentencepiece(const char *text, size_t size, const char *path, const char *folder,
                                    bn_tokenizer **out, bn_error *err) {
    bn_tokenizer *tokenizer = NULL;
    bn_status status = tokenizer_from_sentencepiece((const uint8_t *)text, size, path, &tokenizer, err);
    if (status == BN_STATUS_BAD_FILE && !begins_with_piece(text, size))
        return fail(err, status,
                    "%s: not a tokenizer of a known kind (tokenizer.json, vocab.json with merges.txt, vocab.txt with "
                    "[UNK], SentencePiece model, tiktoken, tekken.json, GGUF)",
                    path);
    if (!status) status = hf_read_companions(tokenizer, tokenizer->vocabulary.size, true, folder, err);
    if (status)
        bn_tokenizer_close(tokenizer);
    else
        *out = tokenizer;
    return status;
}

static bn_status open_wordpiece(const char *text, size_t size, const char *path, const char *folder, bn_tokenizer **out,
                                bn_error *err) {
    bn_tokenizer *tokenizer = NULL;
    bn_status status = hf_from_vocab_lines(text, size, folder, path, &tokenizer, err);
    if (!status) status = hf_read_companions(tokenizer, tokenizer->vocabulary.expected, true, folder, err);
    if (status)
        bn_tokenizer_close(tokenizer);
    else
        *out = tokenizer;
    return status;
}

static bn_status open_content(const struct mapped_file *file, enum content content, bn_tokenizer **out, bn_error *err) {
    const char *text = file->data ? (const char *)file->data : "", *path = file->path;
    if (content == CONTENT_GGUF) return open_gguf(path, out, err);
    if (file->size > HF_MAX_FILE)
        return fail(err, BN_STATUS_UNSUPPORTED, "%s: %zu bytes, tokenizer files may have %d", path, file->size,
                    HF_MAX_FILE);
    char *folder = folder_of(path);
    if (!folder) return fail_no_memory(err, strlen(path));
    bn_status status = content == CONTENT_JSON        ? open_json(text, file->size, path, folder, out, err)
                       : content == CONTENT_WORDPIECE ? open_wordpiece(text, file->size, path, folder, out, err)
                       : content == CONTENT_TIKTOKEN  ? open_tiktoken(text, file->size, path, folder, out, err)
                                                      : open_sentencepiece(text, file->size, path, folder, out, err);
    mem_free(folder);
    return status;
}

/* Every file beside a tokenizer's that anything here reads: a change in one must show in the key of the cache. */
static const char *const companions[] = {"merges.txt",
                                         "encoding.json",
                                         "special_tokens_map.json",
                                         "added_tokens.json",
                                         "tokenizer_config.json",
                                         "generation_config.json",
                                         "chat_template.jinja",
                                         "additional_chat_templates/tool_use.jinja",
                                         NULL};

static bn_status open_file(const char *path, bn_tokenizer **out, bn_error *err) {
    struct mapped_file file;
    bn_status status = mapped_file_open(path, &file, err);
    if (status) return status;
    enum content content = content_of(file.data ? (const char *)file.data : "", file.size);
    if (content == CONTENT_COMPILED) return tokenizer_from_mapped_image(&file, out, err);
    struct cache_key key = {0};
    if (file.size >= SMALLEST_CACHED) key = cache_key_of(&file, content == CONTENT_GGUF ? NULL : companions);
    if (!cache_find(&key, out)) {
        status = open_content(&file, content, out, err);
        if (!status && content != CONTENT_GGUF) cache_store(&key, *out, NULL); /* that one has been */
    }
    mapped_file_close(&file);
    return status;
}

/* What may lie in a folder, the most telling first. */
static const char *const folder_files[] = {"tokenizer.json",  "tekken.json",  "vocab.json",
                                           "tokenizer.model", "spiece.model", "vocab.txt"};

bn_status tokenizer_from_folder(const char *folder, bn_tokenizer **out, bn_error *err) {
    for (size_t i = 0; i < sizeof folder_files / sizeof *folder_files; i++) {
        char *path = path_join(folder, folder_files[i]);
        if (!path) return fail_no_memory(err, strlen(folder));
        bool there = file_exists(path);
        bn_status status = there ? open_file(path, out, err) : BN_OK;
        mem_free(path);
        if (there) return status;
    }
    bool found;
    bn_status status = hf_open_byt5(folder, &found, out, err);
    if (status || found) return status;
    return fail(err, BN_STATUS_NOT_FOUND,
                "%s: no tokenizer in this folder (tokenizer.json, vocab.json and merges.txt, tokenizer.model, "
                "tekken.json, vocab.txt)",
                folder);
}

bn_status bn_tokenizer_open(const char *path, bn_tokenizer **out, bn_error *err) {
    return file_is_directory(path) ? tokenizer_from_folder(path, out, err) : open_file(path, out, err);
}

/* ---- what would be opened ---- */

static bn_status form_of_json(const char *text, size_t size, const char *path, const char **form, bn_error *err) {
    json_t *root;
    bn_status status = json_parse(text, size, path, &root, err);
    if (status) return status;
    *form = json_object_get(root, "model")                  ? "tokenizer.json"
            : json_is_array(json_object_get(root, "vocab")) ? "tekken.json"
                                                            : "vocab.json and merges.txt";
    json_decref(root);
    return BN_OK;
}

static bn_status form_of_file(const char *path, const char **form, bn_error *err) {
    struct mapped_file file;
    bn_status status = mapped_file_open(path, &file, err);
    if (status) return status;
    const char *text = file.data ? (const char *)file.data : "";
    enum content content = content_of(text, file.size);
    static const char *const forms[] = {[CONTENT_COMPILED] = "compiled",
                                        [CONTENT_GGUF] = "GGUF",
                                        [CONTENT_TIKTOKEN] = "tiktoken",
                                        [CONTENT_WORDPIECE] = "vocab.txt",
                                        [CONTENT_SENTENCEPIECE] = "SentencePiece"};
    *form = forms[content];
    if (content == CONTENT_JSON) status = form_of_json(text, file.size, path, form, err);
    mapped_file_close(&file);
    return status;
}

bn_status tokenizer_form(const char *path, const char **form, bn_error *err) {
    if (!file_is_directory(path)) return form_of_file(path, form, err);
    *form = "ByT5";
    for (size_t i = 0; i < sizeof folder_files / sizeof *folder_files; i++) {
        char *file = path_join(path, folder_files[i]);
        if (!file) return fail_no_memory(err, strlen(path));
        bool there = file_exists(file);
        bn_status status = there ? form_of_file(file, form, err) : BN_OK;
        mem_free(file);
        if (there) return status;
    }
    return BN_OK;
}
