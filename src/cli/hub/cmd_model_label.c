/* `bitnet model tag`, `note`, `pin`, `unpin`, `rename`: what people say about versions. */
#include <string.h>

#include "cli/hub/registry_commands.h"
#include "cli/json_output.h"

struct tag_settings {
    bool remove;
};
static const struct option tag_options[] = {
    {"remove", 0, OPTION_FLAG, offsetof(struct tag_settings, remove), NULL, 0, 0, "take the tags away", NULL},
    {0},
};
static const struct option_group tag_groups[] = {{"Tag", tag_options, 0}, {0}};

/* ---- one version each ---- */

static bn_status tag(const struct invocation *invocation, struct registry *registry,
                     const struct model_reference *reference, struct model_version *out, bn_error *err) {
    const struct tag_settings *settings = invocation->settings;
    bn_status status = BN_OK;
    /* the version is found first: with the tag it was named by taken away, it couldn't be found again */
    struct model_version version;
    struct model_reference exact = {0};
    status = registry_find(registry, reference, &version, err);
    if (status) return status;
    memcpy(exact.name, reference->name, sizeof exact.name);
    snprintf(exact.variant, sizeof exact.variant, "%s", version.variant);
    exact.version = version.number;
    model_version_release(&version);
    for (size_t i = 1; !status && i < invocation->n_arguments; i++) {
        model_version_release(out);
        status = registry_tag(registry, &exact, invocation->arguments[i], settings->remove, out, err);
    }
    return status;
}

static bn_status note(const struct invocation *invocation, struct registry *registry,
                      const struct model_reference *reference, struct model_version *out, bn_error *err) {
    return registry_note(registry, reference, invocation->arguments[1], out, err);
}

/* Both commands: which one it is says what becomes of the pin. */
static bn_status pin(const struct invocation *invocation, struct registry *registry,
                     const struct model_reference *reference, struct model_version *out, bn_error *err) {
    return registry_pin(registry, reference, invocation->command == &command_model_pin, out, err);
}

typedef bn_status (*label_function)(const struct invocation *invocation, struct registry *registry,
                                    const struct model_reference *reference, struct model_version *out, bn_error *err);

static enum exit_code run_label(const struct invocation *invocation, label_function label, const char *message) {
    struct registry *registry;
    struct model_reference reference;
    struct model_version version = {0};
    bn_error error = {0};
    bn_status status = registry_open_argument(invocation, &registry, &reference, &error);
    if (!status) status = label(invocation, registry, &reference, &version, &error);
    if (!status) status = report_version(invocation, registry, &version, message, &error);
    model_version_release(&version);
    registry_close(registry);
    return command_exit(status, &error);
}

static enum exit_code run_tag(struct invocation *invocation) {
    const struct tag_settings *settings = invocation->settings;
    return run_label(invocation, tag, settings->remove ? "tags of %s taken away" : "%s is tagged");
}
static enum exit_code run_note(struct invocation *invocation) {
    return run_label(invocation, note, "note to %s");
}
static enum exit_code run_pin(struct invocation *invocation) {
    return run_label(invocation, pin, "%s is pinned");
}
static enum exit_code run_unpin(struct invocation *invocation) {
    return run_label(invocation, pin, "%s isn't pinned");
}

const struct command command_model_tag = {
    .name = "model tag",
    .arguments = "NAME[@VERSION][:VARIANT] TAG [TAG…]",
    .summary = "give a version a word that it can be named by",
    .description =
        "NAME@TAG then means this version (the one in use, when none is named). A tag belongs to one version of a "
        "model: given again it moves. 'bitnet model gc' keeps tagged versions.",
    .examples = "bitnet model tag stories@1 stable\nbitnet model tag stories@1 stable --remove",
    .groups = tag_groups,
    .settings_bytes = sizeof(struct tag_settings),
    .min_arguments = 2,
    .max_arguments = 32,
    .run = run_tag,
};

const struct command command_model_note = {
    .name = "model note",
    .arguments = "NAME[@VERSION][:VARIANT] TEXT",
    .summary = "keep a note with a version",
    .description =
        "Replaces the version's note, which 'bitnet model show' and 'history' show; an empty TEXT removes it.",
    .examples = "bitnet model note stories@1 'before the new tokenizer'",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_note,
};

#define TAKES_A_VERSION .arguments = "NAME[@VERSION][:VARIANT]", .min_arguments = 1, .max_arguments = 1

const struct command command_model_pin = {
    .name = "model pin",
    TAKES_A_VERSION,
    .summary = "keep a version from being removed",
    .description = "A pinned version stays: 'bitnet model gc' passes it over and 'bitnet model rm' refuses.",
    .examples = "bitnet model pin stories@1",
    .run = run_pin,
};

const struct command command_model_unpin = {
    .name = "model unpin",
    TAKES_A_VERSION,
    .summary = "let a pinned version be removed again",
    .description = "Takes back 'bitnet model pin'.",
    .examples = "bitnet model unpin stories@1",
    .run = run_unpin,
};

/* ---- rename ---- */

static enum exit_code run_rename(struct invocation *invocation) {
    struct registry *registry;
    struct model_reference from, to;
    bn_error error = {0};
    bn_status status = registry_open_argument(invocation, &registry, &from, &error);
    if (!status) status = model_reference_parse(invocation->arguments[1], &to, &error);
    if (!status) status = registry_rename(registry, &from, &to, &error);
    registry_close(registry);
    if (!status && invocation->common.json)
        status = json_write_line(
            stdout, json_pack("{s:s, s:s}", "from", invocation->arguments[0], "to", invocation->arguments[1]), &error);
    else if (!status)
        say(invocation, "%s is now %s", invocation->arguments[0], invocation->arguments[1]);
    return command_exit(status, &error);
}

const struct command command_model_rename = {
    .name = "model rename",
    .arguments = "NAME[:VARIANT] NEW[:VARIANT]",
    .summary = "give a model another name",
    .description = "All versions of NAME (of one variant) are NEW's from then on, with their numbers, tags and notes. "
                   "A name that is "
                   "taken is refused. Programs that have a version open aren't disturbed.",
    .examples = "bitnet model rename stories ours/stories",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_rename,
};
