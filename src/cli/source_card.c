#include "cli/source_card.h"

#ifdef BITNET_HUB

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "hub/card.h"

static char *card_path(const char *path) {
    if (file_is_directory(path)) return path_join(path, "README.md");
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + (slash == path)) : mem_strdup(".");
    char *card = folder ? path_join(folder, "README.md") : NULL;
    mem_free(folder);
    return card;
}

json_t *source_card(const struct invocation *invocation, const char *path) {
    struct card card = {0};
    bn_error error = {0};
    char *file = card_path(path);
    json_t *metadata = NULL;
    if (!file || !file_exists(file)) {
        mem_free(file);
        return NULL;
    }
    if (card_read(file, &card, &error)) {
        say(invocation, "the card isn't carried over: %s", error.message);
    } else {
        metadata = json_incref(card.metadata);
        card_release(&card);
    }
    mem_free(file);
    return metadata;
}

#else

json_t *source_card(const struct invocation *invocation, const char *path) {
    (void)invocation, (void)path;
    return NULL;
}

#endif
