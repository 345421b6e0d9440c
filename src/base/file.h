/* Files: mapped for reading, written whole or not at all. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* Which file, and which state of it: every change of the content gives another one, if changes are further apart than
 * the file system's clock ticks. All zero: no such file. */
struct file_identity {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns;
};
struct file_identity file_identify(const char *path);

/* A regular file mapped read-only. A directory, pipe or device is refused; so is a file larger than the address
 * space. An empty file gives size 0 and data NULL. If another process shortens the file while it is mapped, reading
 * behind its new end raises SIGBUS: the library installs no signal handlers, so a program that wants to end with a
 * message installs one. (Replacing a file by renaming, as atomic_file does, is harmless: the mapping keeps the old one.) */
struct mapped_file {
    const uint8_t *data;
    size_t size;
    char *path; /* owned copy, for messages */
    struct file_identity identity;
};

bn_status mapped_file_open(const char *path, struct mapped_file *out, bn_error *err);
/* Opens a mapped file again, to read pieces of it without mapping their pages. False if it can't be opened, or its path
 * has become another file's. The caller closes *fd. */
bool mapped_file_reopen(const struct mapped_file *file, int *fd);
void mapped_file_close(struct mapped_file *file);

/* Whole small file into memory (NUL-terminated, the NUL not counted). max_bytes bounds it. Free with mem_free. */
bn_status file_read_all(const char *path, size_t max_bytes, char **data, size_t *size, bn_error *err);

bool file_exists(const char *path);
bool file_is_directory(const char *path);
/* directory + "/" + name in newly allocated memory, NULL if memory is out. */
char *path_join(const char *directory, const char *name);

/* Atomic writing: everything goes to a temporary file in the target's folder, without a name where the file system has such; commit
 * flushes, fsyncs and renames it over the target. abort (or commit failing) removes it and leaves an old target as it was. */
struct atomic_file {
    FILE *stream;
    char *path;           /* where it will be */
    char *temporary_path; /* where it is; "": it has no name yet */
};
bn_status atomic_file_open(const char *path, struct atomic_file *out, bn_error *err);
bn_status atomic_file_commit(struct atomic_file *file, bn_error *err);
void atomic_file_abort(struct atomic_file *file);
/* All three for bytes that are there already. */
bn_status file_write_all(const char *path, const void *bytes, size_t size, bn_error *err);

#endif
