/* `bitnet model history`: the versions of a model, and which was in use when. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/hub/registry_commands.h"
#include "cli/json_output.h"

static void print_version(const struct model_version *version) {
    char size[32], shown[512];
    const char *kind = json_string_value(json_object_get(version->manifest.origin, "kind"));
    printf("%c %4zu  %s  %9s  %-9s %s%s%s\n", version->in_use ? '*' : ' ', version->number, version->manifest.created,
           size_text(manifest_bytes(&version->manifest), size), kind ? kind : "", version->manifest.license,
           version->pinned ? "  pinned" : "", version->external ? "  (in a hub's cache)" : "");
    if (*version->tags) printf("        tags %s\n", version->tags);
    if (*version->note) printf("        note %s\n", printable(version->note, shown, sizeof shown));
    const char *command = json_string_value(json_object_get(version->manifest.origin, "command"));
    if (command) printf("        made by %s\n", printable(command, shown, sizeof shown));
}

static bn_status write_json(const struct registry *registry, const struct version_list *list, json_t *switches,
                            bn_error *err) {
    json_t *versions = json_array();
    for (size_t i = 0; i < list->n; i++) json_array_append_new(versions, version_json(registry, &list->items[i]));
    return json_write_line(stdout,
                           json_pack("{s:s, s:s, s:o, s:O}", "name", list->items[0].name, "variant",
                                     list->items[0].variant, "versions", versions, "switches", switches),
                           err);
}

static void print_history(const struct version_list *list, const json_t *switches) {
    printf("%s:%s\n", list->items[0].name, list->items[0].variant);
    for (size_t i = 0; i < list->n; i++) print_version(&list->items[i]);
    for (size_t i = 0; i < json_array_size(switches); i++) {
        const json_t *one = json_array_get(switches, i);
        printf("  %s  version %" JSON_INTEGER_FORMAT " came into use\n", json_string_value(json_object_get(one, "at")),
               json_integer_value(json_object_get(one, "version")));
    }
}

static bn_status show(const struct invocation *invocation, struct registry *registry,
                      const struct model_reference *reference, bn_error *err) {
    struct model_version meant;
    struct version_list list = {0};
    json_t *switches = NULL;
    bn_status status = registry_find(registry, reference, &meant, err);
    if (!status) status = registry_list(registry, meant.name, meant.variant, &list, err);
    if (!status) status = registry_switches(registry, meant.name, meant.variant, &switches, err);
    if (!status && list.n == 0) status = fail(err, BN_STATUS_NOT_FOUND, "'%s' was removed meanwhile", meant.name);
    if (!status && invocation->common.json)
        status = write_json(registry, &list, switches, err);
    else if (!status)
        print_history(&list, switches);
    json_decref(switches);
    version_list_release(&list);
    model_version_release(&meant);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    struct registry *registry;
    struct model_reference reference;
    bn_error error = {0};
    bn_status status = registry_open_argument(invocation, &registry, &reference, &error);
    if (!status) status = show(invocation, registry, &reference, &error);
    registry_close(registry);
    return command_exit(status, &error);
}

const struct command command_model_history = {
    .name = "model history",
    .arguments = "NAME[:VARIANT]",
    .summary = "the versions of a model, and which was in use when",
    .description = "Lists all versions with date, size, licence, tags, notes and the command that made them (* is in "
                   "use), then the "
                   "switches from version to version.",
    .examples = "bitnet model history stories\nbitnet model history stories --json",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
