/* A folder of its own for a test's files. */
#ifndef TESTS_SUPPORT_TEMPORARY_FOLDER_H
#define TESTS_SUPPORT_TEMPORARY_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct temporary_folder {
    char path[256];
};

static inline struct temporary_folder temporary_folder_create(void) {
    struct temporary_folder folder;
    const char *base = getenv("TMPDIR");
    snprintf(folder.path, sizeof folder.path, "%s/bitnet-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder.path)) abort();
    return folder;
}

/* Path of a file in it; valid until the call after the next three. */
static inline const char *temporary_path(const struct temporary_folder *folder, const char *name) {
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder->path, name);
    return path;
}

static inline void write_file(const char *path, const void *bytes, size_t n) {
    FILE *stream = fopen(path, "wb");
    if (!stream || fwrite(bytes, 1, n, stream) != n || fclose(stream)) abort();
}

/* Removes the folder and the files in it. */
static inline void temporary_folder_remove(const struct temporary_folder *folder) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder->path);
    if (system(command)) abort();
}

#endif
