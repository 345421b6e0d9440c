#include "cli/hub/registry_commands.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "bitnet/status.h"
#include "cli/json_output.h"
#include "cli/signals.h"

bn_status registry_open_argument(const struct invocation *invocation, struct registry **registry,
                                 struct model_reference *reference, bn_error *err) {
    *registry = NULL;
    bn_status status = model_reference_parse(invocation->arguments[0], reference, err);
    if (!status) status = registry_open_existing(NULL, registry, err);
    if (!status && !*registry)
        status = fail(err, BN_STATUS_NOT_FOUND, "there is no model '%s': none was added yet", reference->name);
    return status;
}

enum exit_code command_exit(bn_status status, const bn_error *error) {
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(error) : EXIT_DONE;
}

const char *version_name(const struct model_version *version, char *out, size_t size) {
    bool plain = strcmp(version->variant, DEFAULT_VARIANT) == 0;
    snprintf(out, size, "%s%s%s@%zu", version->name, plain ? "" : ":", plain ? "" : version->variant, version->number);
    return out;
}

static json_t *tags_json(const char *tags) {
    json_t *array = json_array();
    while (*tags) {
        size_t n = strcspn(tags, " ");
        json_array_append_new(array, json_text(tags, n));
        tags += n + (tags[n] == ' ');
    }
    return array;
}

json_t *version_json(const struct registry *registry, const struct model_version *version) {
    const struct manifest *manifest = &version->manifest;
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:b, s:b, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:O, s:o, s:b}", "name", version->name,
        "variant", version->variant, "version", (json_int_t)version->number, "in_use", version->in_use, "pinned",
        version->pinned, "tags", tags_json(version->tags), "note", json_text(version->note, strlen(version->note)),
        "license", manifest->license, "created", manifest->created, "last_use",
        (json_int_t)model_version_last_use(registry, version->id), "bytes", (json_int_t)manifest_bytes(manifest),
        "n_files", (json_int_t)manifest->n_files, "content", manifest->content, "id", version->id, "origin",
        manifest->origin, "path", json_text(version->path, strlen(version->path)), "external", version->external);
    return object;
}

bn_status report_version(const struct invocation *invocation, const struct registry *registry,
                         const struct model_version *version, const char *message, bn_error *err) {
    char name[300];
    if (invocation->common.json) return json_write_line(stdout, version_json(registry, version), err);
    say(invocation, message, version_name(version, name, sizeof name));
    return BN_OK;
}

/* The command line as it could be given again: words with anything but plain characters in single quotes. */
static void append_word(struct buffer *line, const char *word) {
    bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%") ==
                              strlen(word);
    buffer_append_char(line, ' ');
    if (!plain) buffer_append_char(line, '\'');
    for (const char *at = word; *at; at++) {
        if (!plain && *at == '\'')
            buffer_append_text(line, "'\\''");
        else
            buffer_append_char(line, *at);
    }
    if (!plain) buffer_append_char(line, '\'');
}

json_t *origin_of_invocation(const struct invocation *invocation, const char *kind, const char *source) {
    struct buffer line;
    buffer_init(&line);
    buffer_printf(&line, "bitnet %s", invocation->command->name);
    for (size_t i = 0; i < invocation->n_words; i++) append_word(&line, invocation->words[i]);
    json_t *origin =
        line.failed
            ? NULL
            : json_pack("{s:s, s:o, s:o, s:o}", "kind", kind, "source", json_text(source, strlen(source)), "command",
                        json_text(line.data, line.size), "program", json_sprintf("bitnet %s", bn_version()));
    buffer_release(&line);
    return origin;
}

/* ---- progress ---- */

static bool advance(void *context, uint64_t n_bytes) {
    struct byte_bar *bar = context;
    bar->done += n_bytes;
    progress_update(&bar->progress, "bytes", (size_t)bar->done, (size_t)bar->total);
    return !interrupted();
}

void byte_bar_begin(struct byte_bar *bar, const struct invocation *invocation, uint64_t total) {
    *bar = (struct byte_bar){.total = total, .callback = {advance, bar}};
    progress_begin(&bar->progress, invocation);
}

void byte_bar_end(struct byte_bar *bar) {
    progress_end(&bar->progress);
}

const char *size_text(uint64_t bytes, char out[32]) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++) value /= 1000;
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}
