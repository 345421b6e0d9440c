/* Any text as a repository's name and as a file's name: what is accepted stays inside the folders it is made a part of. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "hub/cache.h"

static void no_way_out(const char *name) {
    if (name[0] == '/' || strcmp(name, "..") == 0 || strncmp(name, "../", 3) == 0 || strstr(name, "/../")) abort();
    size_t n = strlen(name);
    if (n >= 3 && strcmp(name + n - 3, "/..") == 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char *text = mem_strndup((const char *)bytes, size);
    struct hub_repo repo;
    struct hub_cache cache;
    bn_error err = {0};
    if (!text) return 0;
    if (!hub_repo_parse(text, &repo, &err)) {
        no_way_out(repo.id);
        no_way_out(repo.revision);
        no_way_out(repo.file);
        if (hub_cache_open("cache", repo.id, &cache, &err)) abort();
        if (strncmp(cache.folder, "cache/models--", 14) != 0 || strchr(cache.folder + 6, '/')) abort();
        hub_cache_close(&cache);
    } else if (!err.message[0]) {
        abort();
    }
    if (!hub_check_path(text, &err)) no_way_out(text);
    mem_free(text);
    return 0;
}
