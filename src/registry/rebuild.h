/* The database made again from the files. */
#ifndef REGISTRY_REBUILD_H
#define REGISTRY_REBUILD_H

#include "registry/registry.h"

struct rebuild_report {
    size_t n_models, n_versions;
    size_t
        n_damaged; /* folders whose manifest doesn't match their name or can't be read: left where they are, not listed */
    size_t n_missing; /* versions that a name's file lists and that have no folder */
};

/* Empties the database and fills it from the manifests and the names' files. A database that can't be read is moved
 * aside first. report may be NULL. */
bn_status registry_rebuild(const char *home, struct rebuild_report *report, bn_error *err);
/* For an open registry whose lock is held. */
bn_status registry_rebuild_locked(struct registry *registry, struct rebuild_report *report, bn_error *err);

#endif
