/* `bitnet model list`: the models that can be named. */
#include <stdio.h>
#include <string.h>

#include "analysis/tensor_listing.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "formats/detect.h"

struct listing {
    json_t *array; /* NULL: print lines */
    size_t n;
};

static const char *kind_name(enum file_kind kind) {
    switch (kind) {
    case FILE_GGUF:
        return "gguf";
    case FILE_HF_FOLDER:
        return "folder";
    case FILE_WEIGHTS:
        return "weights";
    }
    return "";
}

/* Bytes of tensors, as the files' headers tell. 0 when it can't be opened. */
static size_t tensor_bytes(const char *path) {
    struct tensor_listing listing;
    size_t bytes = 0;
    if (tensor_listing_open(path, &listing, NULL)) return 0;
    for (size_t i = 0; i < listing.set->n_tensors; i++) bytes += listing.set->tensors[i].size_bytes;
    tensor_listing_close(&listing);
    return bytes;
}

/* The last column: what is known of a version, or the path. */
static void print_place(const char *path, const json_t *facts) {
    if (!facts) {
        puts(path);
        return;
    }
    const char *license = json_string_value(json_object_get(facts, "license"));
    printf("version %" JSON_INTEGER_FORMAT "%s%s", json_integer_value(json_object_get(facts, "version")),
           license && *license ? ", " : "", license ? license : "");
    const json_t *tags = json_object_get(facts, "tags");
    for (size_t i = 0; i < json_array_size(tags); i++)
        printf("%s%s", i ? " " : ", tags ", json_string_value(json_array_get(tags, i)));
    puts(json_is_true(json_object_get(facts, "pinned")) ? ", pinned" : "");
}

static void list_model(void *context, const char *name, const char *path) {
    struct listing *listing = context;
    json_t *facts = model_facts(name);
    enum file_kind kind;
    bn_error error = {0};
    bool usable = !file_kind_detect(path, &kind, &error);
    size_t bytes = usable ? tensor_bytes(path) : 0;
    listing->n++;
    if (listing->array) {
        json_t *object = json_pack(
            "{s:o, s:o, s:o, s:I}", "name", json_text(name, strlen(name)), "path", json_text(path, strlen(path)),
            "kind", usable ? json_string(kind_name(kind)) : json_null(), "tensor_bytes", (json_int_t)bytes);
        if (facts) json_object_set(object, "registry", facts);
        if (!usable) json_object_set_new(object, "error", json_text(error.message, strlen(error.message)));
        json_array_append_new(listing->array, object);
    } else if (usable) {
        printf("%-36s %-12s %9.1f MiB  ", name, kind_name(kind), (double)bytes / (1 << 20));
        print_place(path, facts);
    } else {
        printf("%-36s %-12s %13s  %s\n", name, "unusable", "", error.message);
    }
    json_decref(facts);
}

static enum exit_code run(struct invocation *invocation) {
    struct listing listing = {.array = invocation->common.json ? json_array() : NULL};
    bn_error error = {0};
    char *demo = demo_model_path();
    if (demo) list_model(&listing, "demo", demo);
    mem_free(demo);
    models_visit(list_model, &listing);
    if (listing.array) return json_write_line(stdout, listing.array, &error) ? say_failure(&error) : EXIT_DONE;
    char *folder = models_folder();
    if (listing.n < 2) say(invocation, "models in %s can be used by name", folder ? folder : "the models folder");
    mem_free(folder);
    return EXIT_DONE;
}

const struct command command_model_list = {
    .name = "model list",
    .arguments = "",
    .summary = "the models that can be used by name",
    .description =
        "Lists demo, the models of the registry (with the version in use, licence and tags), and what lies in "
        "$BITNET_MODELS (else models in $BITNET_HOME, else in $XDG_DATA_HOME/bitnet): .gguf files, and folders "
        "owner/name "
        "with a Hugging Face model or a .gguf file.",
    .examples = "bitnet model list\nbitnet model list --json",
    .run = run,
};
