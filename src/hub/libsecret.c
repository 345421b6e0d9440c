#include "hub/libsecret.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static struct libsecret functions;
static const struct libsecret *loaded; /* written once, under load_once */
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static const struct {
    const char *symbol;
    size_t offset;
} symbols[] = {
    {"secret_service_get_sync", offsetof(struct libsecret, service_get)},
    {"secret_service_search_sync", offsetof(struct libsecret, service_search)},
    {"secret_service_store_sync", offsetof(struct libsecret, service_store)},
    {"secret_collection_for_alias_sync", offsetof(struct libsecret, collection_for_alias)},
    {"secret_collection_get_locked", offsetof(struct libsecret, collection_get_locked)},
    {"secret_item_get_attributes", offsetof(struct libsecret, item_get_attributes)},
    {"secret_item_get_secret", offsetof(struct libsecret, item_get_secret)},
    {"secret_item_delete_sync", offsetof(struct libsecret, item_delete)},
    {"secret_value_new", offsetof(struct libsecret, value_new)},
    {"secret_value_get_text", offsetof(struct libsecret, value_get_text)},
    {"secret_value_unref", offsetof(struct libsecret, value_unref)},
    {"g_hash_table_new", offsetof(struct libsecret, hash_table_new)},
    {"g_hash_table_insert", offsetof(struct libsecret, hash_table_insert)},
    {"g_hash_table_lookup", offsetof(struct libsecret, hash_table_lookup)},
    {"g_hash_table_unref", offsetof(struct libsecret, hash_table_unref)},
    {"g_str_hash", offsetof(struct libsecret, str_hash)},
    {"g_str_equal", offsetof(struct libsecret, str_equal)},
    {"g_list_free", offsetof(struct libsecret, list_free)},
    {"g_error_free", offsetof(struct libsecret, error_free)},
    {"g_object_unref", offsetof(struct libsecret, object_unref)},
    {"g_cancellable_new", offsetof(struct libsecret, cancellable_new)},
    {"g_cancellable_cancel", offsetof(struct libsecret, cancellable_cancel)},
};

/* Looking a symbol up in the library's handle finds those of the libraries that it stands on too. */
static void load(void) {
    void *library = dlopen("libsecret-1.so.0", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library && i < sizeof symbols / sizeof symbols[0]; i++) {
        void *address = dlsym(library, symbols[i].symbol);
        if (!address) return; /* another libsecret than we know */
        memcpy((char *)&functions + symbols[i].offset, &address, sizeof address);
    }
    if (library) loaded = &functions;
}

const struct libsecret *libsecret_get(void) {
    pthread_once(&load_once, load);
    return loaded;
}
