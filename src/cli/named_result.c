#include "cli/named_result.h"

#include "base/error.h"

#ifdef BITNET_HUB

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/hub/registry_commands.h"

struct named_result_parts {
    struct registry *registry;
    struct staging staging;
    struct model_reference reference;
    char *output;
};

static void release(struct named_result *result) {
    struct named_result_parts *parts = result->parts;
    if (!parts) return;
    staging_discard(&parts->staging);
    registry_close(parts->registry);
    mem_free(parts->output);
    mem_free(parts);
    result->parts = NULL;
}

static bn_status parse_name(const char *name, struct model_reference *reference, bn_error *err) {
    bn_status status = model_reference_parse(name, reference, err);
    if (!status && (reference->version || *reference->tag))
        status =
            fail(err, BN_STATUS_BAD_ARGUMENT, "--name %s: versions are numbered by themselves, leave '@…' out", name);
    return status;
}

bn_status named_result_begin(const struct invocation *invocation, const char *name, const char *file,
                             const char **output, struct named_result *out, bn_error *err) {
    (void)invocation;
    *out = (struct named_result){0};
    if (!name) return BN_OK;
    if (*output) return fail(err, BN_STATUS_BAD_ARGUMENT, "give --name or -o, not both");
    struct named_result_parts *parts = out->parts = mem_calloc(1, sizeof *parts);
    if (!parts) return fail_no_memory(err, sizeof *parts);
    parts->staging.lease = -1;
    bn_status status = parse_name(name, &parts->reference, err);
    if (!status) status = registry_open(NULL, &parts->registry, err);
    if (!status) status = staging_open(parts->registry, &parts->staging, err);
    if (!status) {
        parts->output = file ? path_join(parts->staging.folder, file) : mem_strdup(parts->staging.folder);
        if (!parts->output) status = fail_no_memory(err, 1);
    }
    if (status)
        release(out);
    else
        *output = parts->output;
    return status;
}

static bn_status commit(struct named_result_parts *parts, struct invocation *invocation, const char *kind,
                        const char *source, const char **output, bn_error *err) {
    json_t *origin = origin_of_invocation(invocation, kind, source);
    if (!origin) return fail_no_memory(err, sizeof *origin);
    const struct version_facts facts = {.name = parts->reference.name,
                                        .variant = *parts->reference.variant ? parts->reference.variant : NULL,
                                        .origin = origin};
    struct model_version version;
    bool added;
    bn_status status = staging_commit(parts->registry, &parts->staging, &facts, NULL, &version, &added, err);
    json_decref(origin);
    if (status) return status;
    char name[300];
    say(invocation, added ? "added %s" : "%s has the same content: now in use",
        version_name(&version, name, sizeof name));
    *output = arena_strndup(&invocation->strings, version.path, strlen(version.path));
    model_version_release(&version);
    return *output ? BN_OK : fail_no_memory(err, 1);
}

bn_status named_result_end(struct named_result *result, bn_status status, struct invocation *invocation,
                           const char *kind, const char *source, const char **output, bn_error *err) {
    if (!result->parts) return status;
    if (!status) status = commit(result->parts, invocation, kind, source, output, err);
    release(result);
    return status;
}

#else

bn_status named_result_begin(const struct invocation *invocation, const char *name, const char *file,
                             const char **output, struct named_result *out, bn_error *err) {
    (void)invocation, (void)file, (void)output;
    *out = (struct named_result){0};
    return name ? fail(err, BN_STATUS_UNSUPPORTED, "--name: this program was built without the registry of models")
                : BN_OK;
}

bn_status named_result_end(struct named_result *result, bn_status status, struct invocation *invocation,
                           const char *kind, const char *source, const char **output, bn_error *err) {
    (void)result, (void)invocation, (void)kind, (void)source, (void)output, (void)err;
    return status;
}

#endif
