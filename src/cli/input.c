#include "cli/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

enum { INPUT_MAX_BYTES = 1 << 30 };

bn_status parse_ids(const char *text, int32_t **ids, size_t *n, bn_error *err) {
    size_t room = strlen(text) / 2 + 1;
    *n = 0;
    *ids = mem_alloc_array(room, sizeof **ids);
    if (!*ids) return fail_no_memory(err, room * sizeof **ids);
    for (const char *p = text + strspn(text, " \t\r\n"); *p;) {
        char *end;
        errno = 0;
        long id = strtol(p, &end, 10);
        if (end == p || errno || id < 0 || id > INT32_MAX || (*end && !strchr(", \t\r\n", *end))) {
            mem_free(*ids);
            *ids = NULL;
            return fail(err, BN_STATUS_BAD_ARGUMENT, "token ids: '%.20s' isn't a list like 1,2,3", p);
        }
        (*ids)[(*n)++] = (int32_t)id;
        end += strspn(end, " \t\r\n");
        if (*end == ',') end++;
        p = end + strspn(end, " \t\r\n");
    }
    return BN_OK;
}

static bn_status read_stream(FILE *stream, const char *name, struct buffer *out, bn_error *err) {
    char block[1 << 16];
    size_t n;
    while ((n = fread(block, 1, sizeof block, stream)) > 0) {
        buffer_append(out, block, n);
        if (out->failed) return fail_no_memory(err, out->size + n);
        if (out->size > INPUT_MAX_BYTES) return fail(err, BN_STATUS_BAD_FILE, "%s: more than 1 GiB of input", name);
    }
    if (ferror(stream)) return fail(err, BN_STATUS_IO, "%s: can't read: %s", name, strerror(errno));
    return BN_OK;
}

bn_status read_file_or_stdin(const char *path, struct buffer *out, bn_error *err) {
    if (strcmp(path, "-") == 0) return read_stream(stdin, "standard input", out, err);
    if (file_is_directory(path)) return fail(err, BN_STATUS_BAD_FILE, "%s: is a folder, not a file", path);
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return fail(err, errno == ENOENT ? BN_STATUS_NOT_FOUND : BN_STATUS_IO, "%s: can't open: %s", path,
                    strerror(errno));
    bn_status status = read_stream(stream, path, out, err);
    fclose(stream);
    return status;
}

bn_status read_prompt_file(const char *path, struct buffer *out, bn_error *err) {
    bn_status status = read_file_or_stdin(path, out, err);
    if (status) return status;
    if (out->size && out->data[out->size - 1] == '\n') out->data[--out->size] = 0;
    if (out->size) return BN_OK;
    return fail(err, BN_STATUS_BAD_ARGUMENT, "%s is empty: there is no prompt (-p '' begins anywhere)",
                strcmp(path, "-") == 0 ? "standard input" : path);
}

bn_status ids_from_json(const json_t *array, const char *name, int32_t **ids, size_t *n, bn_error *err) {
    if (!json_is_array(array)) return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' must be an array of token ids", name);
    *n = json_array_size(array);
    *ids = mem_alloc_array(*n, sizeof **ids);
    if (!*ids) return fail_no_memory(err, *n * sizeof **ids);
    for (size_t i = 0; i < *n; i++) {
        const json_t *item = json_array_get(array, i);
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id > INT32_MAX) {
            mem_free(*ids);
            *ids = NULL;
            return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s[%zu]' isn't a token id", name, i);
        }
        (*ids)[i] = (int32_t)id;
    }
    return BN_OK;
}

int line_reader_next(struct line_reader *reader) {
    errno = 0;
    ssize_t n = getline(&reader->text, &reader->capacity, reader->stream);
    if (n < 0) return feof(reader->stream) ? 0 : -1;
    reader->complete = n && reader->text[n - 1] == '\n';
    reader->size = (size_t)n - reader->complete;
    reader->text[reader->size] = 0;
    reader->number++;
    return 1;
}

void line_reader_release(struct line_reader *reader) {
    free(reader->text); /* getline's own memory */
    *reader = (struct line_reader){0};
}

bool is_blank(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", text[i]) || !text[i]) return false;
    return true;
}
