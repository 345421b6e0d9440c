/* Any bytes as what others hand over of a model: a bundle, a version's manifest, a reference. Refused with a message, or
 * consistent. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "registry/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void parse_manifest(const char *text, size_t size) {
    struct manifest manifest;
    bn_error err = {0};
    if (manifest_parse(text, size, "fuzz", &manifest, &err)) {
        if (!err.message[0]) abort();
    } else {
        for (size_t i = 0; i < manifest.n_files; i++)
            if (!version_path_valid(manifest.files[i].path) || strstr(manifest.files[i].path, "..")) abort();
        char *again, id[SHA256_HEX_SIZE];
        if (manifest_text(&manifest, &again, id, NULL)) abort();
        mem_free(again);
    }
    manifest_release(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    bn_error err = {0};
    if (bundle_check(bytes, size, &err) && !err.message[0]) abort();
    char *text = mem_strndup((const char *)bytes, size);
    if (!text) return 0;
    parse_manifest(text, size);
    struct model_reference reference;
    if (!model_reference_parse(text, &reference, NULL) && !model_name_valid(reference.name)) abort();
    mem_free(text);
    return 0;
}
