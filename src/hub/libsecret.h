/* The few functions of libsecret (and of GLib beneath it) that tokens need, loaded when they are called for the first time: a
 * machine without a desktop needs neither. Objects are void *, gboolean is int. Source: libsecret 0.20's reference manual; its
 * soname, libsecret-1.so.0, stands for these signatures. Inside hub only. */
#ifndef HUB_LIBSECRET_H
#define HUB_LIBSECRET_H

#include <stddef.h>
#include <sys/types.h>

struct glib_list {
    void *data;
    struct glib_list *next, *previous;
};
struct glib_error {
    unsigned domain;
    int code;
    char *message;
};

enum { SECRET_SEARCH_ALL = 1 << 1, SECRET_SEARCH_LOAD_SECRETS = 1 << 3 };

struct libsecret {
    void *(*service_get)(int flags, void *cancellable, struct glib_error **error);
    struct glib_list *(*service_search)(void *service, const void *schema, void *attributes, int flags,
                                        void *cancellable, struct glib_error **error);
    int (*service_store)(void *service, const void *schema, void *attributes, const char *collection, const char *label,
                         void *value, void *cancellable, struct glib_error **error);
    void *(*collection_for_alias)(void *service, const char *alias, int flags, void *cancellable,
                                  struct glib_error **error);
    int (*collection_get_locked)(void *collection);
    void *(*item_get_attributes)(void *item); /* a hash table, the caller's to release */
    void *(*item_get_secret)(void *item);     /* a value, the caller's to release; NULL: locked */
    int (*item_delete)(void *item, void *cancellable, struct glib_error **error);
    void *(*value_new)(const char *secret, ssize_t length, const char *content_type);
    const char *(*value_get_text)(void *value); /* NULL if it isn't UTF-8 text */
    void (*value_unref)(void *value);

    void *(*hash_table_new)(void *hash, void *equal);
    int (*hash_table_insert)(void *table, const void *key, const void *value); /* neither is copied */
    void *(*hash_table_lookup)(void *table, const void *key);
    void (*hash_table_unref)(void *table);
    void *str_hash, *str_equal; /* for hash_table_new */
    void (*list_free)(struct glib_list *list);
    void (*error_free)(struct glib_error *error);
    void (*object_unref)(void *object);
    void *(*cancellable_new)(void);
    void (*cancellable_cancel)(void *cancellable); /* from any thread */
};

/* NULL when the library isn't there. Thread-safe; it stays loaded. */
const struct libsecret *libsecret_get(void);

#endif
