#include "hub/token_file.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "hub/cache.h"
#include "hub/place.h"
#include "hub/token.h"

enum { MAX_FILE_BYTES = 1 << 20, MAX_NAME_BYTES = 200 };

/* ---- files that only their owner reads ---- */

bn_status secret_file_write(const char *path, const char *bytes, size_t n, bn_error *err) {
    struct atomic_file file;
    mode_t before = umask(0077); /* one thread: the folders that are made, and the file from its first moment on */
    bn_status status = make_folders_for(path, err);
    if (!status) status = atomic_file_open(path, &file, err);
    umask(before);
    if (status) return status;
    if (fchmod(fileno(file.stream), 0600) == 0 && fwrite(bytes, 1, n, file.stream) == n)
        return atomic_file_commit(&file, err);
    status = fail(err, BN_STATUS_IO, "%s: can't write: %s", path, strerror(errno));
    atomic_file_abort(&file);
    return status;
}

bn_status secret_file_remove(const char *path, bn_error *err) {
    return unlink(path) == 0 || errno == ENOENT
               ? BN_OK
               : fail(err, BN_STATUS_IO, "%s: can't remove: %s", path, strerror(errno));
}

/* stored_tokens beside the token */
static char *stored_tokens_path(void) {
    char *token = hub_token_path(), *slash = token ? strrchr(token, '/') : NULL, *path = NULL;
    if (slash) {
        *slash = 0;
        path = path_join(*token ? token : "/", "stored_tokens");
    }
    mem_free(token);
    return path;
}

/* ---- sections ---- */

static void wipe(char *text) {
    if (text) OPENSSL_cleanse(text, strlen(text));
    mem_free(text);
}

static void section_release(struct token_section *section) {
    mem_free(section->name);
    wipe(section->fields);
}

void token_file_release(struct token_file *file) {
    for (size_t i = 0; i < file->n; i++) section_release(&file->sections[i]);
    mem_free(file->sections);
    *file = (struct token_file){0};
}

static struct token_section *find(const struct token_file *file, const char *name) {
    for (size_t i = 0; i < file->n; i++)
        if (strcmp(file->sections[i].name, name) == 0) return &file->sections[i];
    return NULL;
}

bool token_file_has(const struct token_file *file, const char *name) {
    return find(file, name) != NULL;
}

static bn_status append(struct token_file *file, const char *name, size_t name_bytes, const char *fields, size_t n,
                        bn_error *err) {
    struct token_section *grown = mem_realloc_array(file->sections, file->n + 1, sizeof *grown);
    if (!grown) return fail_no_memory(err, sizeof *grown);
    file->sections = grown;
    struct token_section *section = &grown[file->n++];
    *section = (struct token_section){mem_strndup(name, name_bytes), mem_strndup(fields, n)};
    return section->name && section->fields ? BN_OK : fail_no_memory(err, n);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct token_section *)a)->name, ((const struct token_section *)b)->name);
}

/* ---- the text ---- */

static const char *next_line(const char *line) {
    const char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

/* The begin of the next section's line, or the end of the text. */
static const char *next_section(const char *line) {
    while (*line && *line != '[') line = next_line(line);
    return line;
}

static bn_status parse(const char *text, const char *path, struct token_file *out, bn_error *err) {
    bn_status status = BN_OK;
    for (const char *at = next_section(text); !status && *at;) {
        const char *name = at + 1, *close = name + strcspn(name, "]\n"), *fields = next_line(at);
        if (*close != ']')
            return fail(err, BN_STATUS_BAD_FILE, "%s: a section's name isn't closed: remove the file and log in again",
                        path);
        at = next_section(fields);
        status = append(out, name, (size_t)(close - name), fields, (size_t)(at - fields), err);
    }
    return status;
}

bn_status token_file_read(struct token_file *out, bn_error *err) {
    *out = (struct token_file){0};
    char *path = stored_tokens_path(), *text = NULL;
    size_t n = 0;
    bn_status status = path && file_exists(path) ? file_read_all(path, MAX_FILE_BYTES, &text, &n, err) : BN_OK;
    if (!status && text) status = parse(text, path, out, err);
    wipe(text);
    mem_free(path);
    return status;
}

static void append_section(struct buffer *text, const struct token_section *section) {
    size_t n = strlen(section->fields);
    while (n && isspace((unsigned char)section->fields[n - 1])) n--;
    buffer_printf(text, "[%s]\n", section->name);
    buffer_append(text, section->fields, n);
    buffer_append_text(text, "\n\n");
}

bn_status token_file_write(const struct token_file *file, bn_error *err) {
    char *path = stored_tokens_path();
    struct buffer text;
    buffer_init(&text);
    if (file->n) qsort(file->sections, file->n, sizeof *file->sections, by_name);
    for (size_t i = 0; i < file->n; i++) append_section(&text, &file->sections[i]);
    bn_status status = path && !text.failed ? BN_OK : fail_no_memory(err, 0);
    if (!status) status = file->n ? secret_file_write(path, text.data, text.size, err) : secret_file_remove(path, err);
    if (text.data) OPENSSL_cleanse(text.data, text.capacity);
    buffer_release(&text);
    mem_free(path);
    return status;
}

/* ---- one token ---- */

bn_status token_file_get(const struct token_file *file, const char *name, char **token, bn_error *err) {
    const struct token_section *section = find(file, name);
    *token = NULL;
    for (const char *line = section ? section->fields : ""; *line; line = next_line(line)) {
        size_t n = strcspn(line, "=:\n");
        if (strncmp(line, "hf_token", 8) != 0 || line[n] == '\n' || !line[n] || strspn(line + 8, " \t") != n - 8)
            continue;
        char *value = mem_strndup(line + n + 1, strcspn(line + n + 1, "\n"));
        if (!value) return fail_no_memory(err, n);
        bn_status status = hub_token_clean(value, "the file of tokens", token, err);
        wipe(value);
        return status;
    }
    return BN_OK;
}

bn_status token_name_check(const char *name, bn_error *err) {
    size_t n = strlen(name);
    bool fits = n > 0 && n <= MAX_NAME_BYTES && strcmp(name, "DEFAULT") != 0;
    for (size_t i = 0; i < n; i++) fits &= (unsigned char)name[i] >= ' ' && name[i] != ']' && name[i] != 0x7f;
    return fits ? BN_OK : fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' can't be the name of a token", name);
}

bn_status token_file_set(struct token_file *file, const char *name, const char *token, bn_error *err) {
    bn_status status = token_name_check(name, err);
    if (status) return status;
    struct buffer fields;
    buffer_init(&fields);
    buffer_printf(&fields, "hf_token = %s\n", token);
    status = fields.failed ? fail_no_memory(err, 0) : BN_OK;
    if (!status) token_file_drop(file, name);
    if (!status) status = append(file, name, strlen(name), fields.data, fields.size, err);
    if (fields.data) OPENSSL_cleanse(fields.data, fields.capacity);
    buffer_release(&fields);
    return status;
}

void token_file_drop(struct token_file *file, const char *name) {
    size_t kept = 0;
    for (size_t i = 0; i < file->n; i++) {
        if (!name || strcmp(file->sections[i].name, name) == 0)
            section_release(&file->sections[i]);
        else
            file->sections[kept++] = file->sections[i];
    }
    file->n = kept;
}
