/* Any bytes as a list of a repository's files, as huggingface_hub caches it: refused with a message, or every file has a path
 * inside of a folder and a digest for a name, and the list that is written from it reads back the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/hub.h"

static char folder[] = "/tmp/bitnet-fuzz-XXXXXX", path[100];

static void remove_all(void) {
    remove(path);
    rmdir(folder);
}

static void begin(void) {
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/tree.json", folder);
    atexit(remove_all);
}

static bool same_text(const char *one, const char *other) {
    return !one == !other && (!one || strcmp(one, other) == 0);
}

static void check(const struct hub_file *file) {
    if (file->path[0] == '/' || strstr(file->path, "../") || strchr(file->digest, '/')) abort();
    if (strlen(file->digest) != (file->large ? 64 : strlen(file->git_id))) abort();
}

static void write_and_compare(const struct hub_listing *listing) {
    struct hub_listing again;
    if (hub_listing_write(path, listing, NULL) || hub_listing_read(path, listing->commit, &again, NULL)) abort();
    if (again.n_files != listing->n_files) abort();
    for (size_t i = 0; i < again.n_files; i++) {
        const struct hub_file *a = &listing->files[i], *b = &again.files[i];
        check(a);
        if (!same_text(a->path, b->path) || !same_text(a->digest, b->digest) || !same_text(a->git_id, b->git_id) ||
            !same_text(a->xet_hash, b->xet_hash) || a->size_bytes != b->size_bytes || a->large != b->large)
            abort();
    }
    hub_listing_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!*path) begin();
    FILE *stream = fopen(path, "wb");
    if (!stream || fwrite(bytes, 1, size, stream) != size || fclose(stream)) abort();
    struct hub_listing listing;
    bn_error err = {0};
    if (hub_listing_read(path, "0123456789012345678901234567890123456789", &listing, &err)) {
        if (!err.message[0] || listing.n_files) abort();
        return 0;
    }
    write_and_compare(&listing);
    hub_listing_release(&listing);
    return 0;
}
