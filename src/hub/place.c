#include "hub/place.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* "~/x" → "/home/me/x" */
static char *expanded(const char *path) {
    const char *home = variable("HOME");
    if (path[0] == '~' && (path[1] == '/' || !path[1]) && home) return path_join(home, path[1] ? path + 2 : "");
    return mem_strdup(path);
}

static char *join_and_free(char *folder, const char *name) {
    char *path = folder ? path_join(folder, name) : NULL;
    mem_free(folder);
    return path;
}

char *hub_endpoint(void) {
    const char *endpoint = variable("HF_ENDPOINT");
    char *copy = mem_strdup(endpoint ? endpoint : "https://huggingface.co");
    for (size_t n = copy ? strlen(copy) : 0; n && copy[n - 1] == '/'; n--) copy[n - 1] = 0;
    return copy;
}

char *hub_home_folder(void) {
    const char *home = variable("HF_HOME");
    if (home) return expanded(home);
    const char *caches = variable("XDG_CACHE_HOME");
    if (caches) return join_and_free(expanded(caches), "huggingface");
    home = variable("HOME");
    return home ? path_join(home, ".cache/huggingface") : NULL;
}

char *hub_cache_folder(void) {
    const char *cache = variable("HF_HUB_CACHE");
    if (!cache) cache = variable("HUGGINGFACE_HUB_CACHE");
    return cache ? expanded(cache) : join_and_free(hub_home_folder(), "hub");
}

char *hub_token_path(void) {
    const char *path = variable("HF_TOKEN_PATH");
    return path ? expanded(path) : join_and_free(hub_home_folder(), "token");
}

bool hub_is_offline(void) {
    const char *value = variable("HF_HUB_OFFLINE");
    if (!value) value = variable("TRANSFORMERS_OFFLINE");
    static const char *const yes[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; value && i < sizeof yes / sizeof yes[0]; i++)
        if (strcasecmp(value, yes[i]) == 0) return true;
    return false;
}
