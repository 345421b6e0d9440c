/* Tokens in the desktop's secret service (org.freedesktop.secrets: GNOME Keyring, KWallet, KeePassXC), an item each, with
 * the name and the hub it is for; the one in use of a hub is there once more, under no name. Nothing here asks the person at
 * the desktop: what is locked stays so, and a service that doesn't answer within seconds counts as none. Inside hub only. */
#ifndef HUB_KEYRING_H
#define HUB_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum keyring_state {
    KEYRING_ABSENT, /* no session bus, library, service or keyring */
    KEYRING_SILENT, /* there, but it didn't answer in time */
    KEYRING_LOCKED,
    KEYRING_OPEN,
};

struct keyring {
    enum keyring_state state;
    struct keyring_entry {
        char *name;     /* "": the one in use */
        char *endpoint; /* of the hub it is for */
        char *token;    /* NULL: locked */
        void *item;
    } * entries; /* by endpoint and name */
    size_t n;
    struct keyring_connection *connection;
};

/* Reads all tokens there. That there is no service is no failure: entries are none then. All that is asked of the service from
 * here to keyring_release has a few seconds together. */
bn_status keyring_open(struct keyring *out, bn_error *err);
void keyring_release(struct keyring *keyring);

/* NULL when there is none. */
const struct keyring_entry *keyring_find(const struct keyring *keyring, const char *endpoint, const char *name);
/* Needs KEYRING_OPEN. `entries` stay as they were read. */
bn_status keyring_store(struct keyring *keyring, const char *endpoint, const char *name, const char *token,
                        bn_error *err);
/* Deletes an entry's item. BN_STATUS_BUSY if it is locked. */
bn_status keyring_delete(struct keyring *keyring, const struct keyring_entry *entry, bn_error *err);

#endif
