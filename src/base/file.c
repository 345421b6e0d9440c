/* Mapping files for reading; writing them whole or not at all. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

enum { SUFFIX_BYTES = sizeof ".01234567.tmp" };

static bn_status fail_errno(bn_error *err, const char *path, const char *doing) {
    int code = errno;
    bn_status status = code == ENOENT || code == ENOTDIR ? BN_STATUS_NOT_FOUND
                       : code == ENOMEM                  ? BN_STATUS_NO_MEMORY
                                                         : BN_STATUS_IO;
    return fail(err, status, "%s: can't %s: %s", path, doing, strerror(code));
}

static struct file_identity identity_of(const struct stat *info) {
    return (struct file_identity){
        .device = info->st_dev,
        .inode = info->st_ino,
        .size = (uint64_t)info->st_size,
        .modified_ns = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec,
        .changed_ns = (int64_t)info->st_ctim.tv_sec * 1000000000 + info->st_ctim.tv_nsec,
    };
}

struct file_identity file_identify(const char *path) {
    struct stat info;
    return stat(path, &info) ? (struct file_identity){0} : identity_of(&info);
}

/* Opens a regular file and tells its size. O_NONBLOCK: opening a FIFO must not wait for a writer. */
static bn_status open_regular(const char *path, int *fd, struct file_identity *identity, size_t *size, bn_error *err) {
    *size = 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0) return fail_errno(err, path, "open");
    struct stat info;
    bn_status status = BN_OK;
    if (fstat(*fd, &info)) {
        status = fail_errno(err, path, "stat");
    } else if (!S_ISREG(info.st_mode)) {
        status = fail(err, BN_STATUS_BAD_FILE, "%s: not a regular file (it is a %s)", path,
                      S_ISDIR(info.st_mode)    ? "directory"
                      : S_ISFIFO(info.st_mode) ? "pipe"
                      : S_ISSOCK(info.st_mode) ? "socket"
                                               : "device");
    } else if (info.st_size < 0 || (uint64_t)info.st_size > SIZE_MAX / 2) {
        status = fail(err, BN_STATUS_BAD_FILE, "%s: too large to map", path);
    } else {
        *size = (size_t)info.st_size;
        *identity = identity_of(&info);
    }
    if (status) close(*fd);
    return status;
}

bn_status mapped_file_open(const char *path, struct mapped_file *out, bn_error *err) {
    *out = (struct mapped_file){0};
    int fd;
    size_t size;
    struct file_identity identity;
    bn_status status = open_regular(path, &fd, &identity, &size, err);
    if (status) return status;
    void *data = NULL;
    if (size) {
        data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            status = fail_errno(err, path, "map");
            close(fd);
            return status;
        }
    }
    close(fd);
    char *copy = mem_strdup(path);
    if (!copy) {
        if (data) munmap(data, size);
        return fail_no_memory(err, strlen(path) + 1);
    }
    *out = (struct mapped_file){.data = data, .size = size, .path = copy, .identity = identity};
    return BN_OK;
}

bool mapped_file_reopen(const struct mapped_file *file, int *fd) {
    size_t size;
    struct file_identity now = {0};
    if (open_regular(file->path, fd, &now, &size, NULL)) return false;
    if (now.device == file->identity.device && now.inode == file->identity.inode) return true;
    close(*fd);
    return false;
}

void mapped_file_close(struct mapped_file *file) {
    if (file->data) munmap((void *)(uintptr_t)file->data, file->size);
    mem_free(file->path);
    *file = (struct mapped_file){0};
}

static bn_status read_fully(int fd, char *data, size_t size, const char *path, bn_error *err) {
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, data + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, path, "read");
        if (n == 0) return fail(err, BN_STATUS_IO, "%s: became shorter while it was read", path);
        done += (size_t)n;
    }
    return BN_OK;
}

bn_status file_read_all(const char *path, size_t max_bytes, char **data, size_t *size, bn_error *err) {
    int fd;
    size_t n;
    struct file_identity identity;
    bn_status status = open_regular(path, &fd, &identity, &n, err);
    if (status) return status;
    char *bytes = NULL;
    if (n > max_bytes) {
        status = fail(err, BN_STATUS_BAD_FILE, "%s: %zu bytes, at most %zu are accepted", path, n, max_bytes);
    } else if (!(bytes = mem_alloc(n + 1))) {
        status = fail_no_memory(err, n + 1);
    } else {
        status = read_fully(fd, bytes, n, path, err);
    }
    close(fd);
    if (status) {
        mem_free(bytes);
        return status;
    }
    bytes[n] = 0;
    *data = bytes;
    *size = n;
    return BN_OK;
}

bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

bool file_is_directory(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *path_join(const char *directory, const char *name) {
    size_t n = strlen(directory), m = strlen(name);
    bool slash = n && directory[n - 1] != '/';
    char *path = mem_alloc(n + slash + m + 1);
    if (!path) return NULL;
    memcpy(path, directory, n);
    if (slash) path[n] = '/';
    memcpy(path + n + slash, name, m + 1);
    return path;
}

/* Cuts a path, of one character at least, to that of its folder. */
static const char *cut_to_folder(char *path) {
    char *slash = strrchr(path, '/');
    if (!slash) path[0] = '.';
    path[slash > path ? slash - path : 1] = 0;
    return path;
}

/* The rename is durable only once the folder that holds the name is. */
static void sync_folder_of(const char *path) {
    char *folder = mem_strdup(path);
    int fd = folder ? open(cut_to_folder(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd); /* some file systems refuse this for folders: the rename has happened all the same */
        close(fd);
    }
    mem_free(folder);
}

/* What the kernel calls an open file. */
struct fd_path {
    char text[32];
};

static struct fd_path fd_path(int fd) {
    struct fd_path path;
    snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
    return path;
}

/* A file that has no name before it is committed: nothing stays of it if the process is killed. -1 where the file system
 * can't do that, or there is no /proc to name it by. */
static int create_nameless(char *scratch, size_t size, const char *path) {
    snprintf(scratch, size, "%s", path);
    int fd = *path ? open(cut_to_folder(scratch), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
    scratch[0] = 0;
    if (fd < 0 || access(fd_path(fd).text, F_OK) == 0) return fd;
    close(fd);
    return -1;
}

/* Names a new file beside the target; open() applies the umask, which mkstemp would not. fd -1: makes it, and returns it open; else
 * gives the name to that one. -1 and errno when it can't. */
static int create_temporary(char *temporary, size_t size, const char *path, int fd) {
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        snprintf(temporary, size, "%s.%08x.tmp", path, (unsigned)(clock_now_ns() * 2654435761u) ^ (unsigned)getpid());
        int named = fd < 0 ? open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666)
                           : linkat(AT_FDCWD, fd_path(fd).text, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW);
        if (named >= 0 || errno != EEXIST) return named;
    }
    return -1;
}

bn_status atomic_file_open(const char *path, struct atomic_file *out, bn_error *err) {
    *out = (struct atomic_file){0};
    size_t size = strlen(path) + SUFFIX_BYTES;
    char *temporary = mem_alloc(size), *target = mem_strdup(path);
    bn_status status = BN_OK;
    int fd = -1;
    FILE *stream = NULL;
    if (!temporary || !target) {
        status = fail_no_memory(err, size);
    } else {
        fd = create_nameless(temporary, size, path);
        if (fd < 0) fd = create_temporary(temporary, size, path, -1);
        if (fd < 0 || !(stream = fdopen(fd, "wb"))) status = fail_errno(err, path, "write");
    }
    if (status) {
        if (fd >= 0) close(fd);
        if (fd >= 0 && *temporary) unlink(temporary);
        mem_free(temporary);
        mem_free(target);
        return status;
    }
    *out = (struct atomic_file){.stream = stream, .path = target, .temporary_path = temporary};
    return BN_OK;
}

static void remove_temporary(const struct atomic_file *file) {
    if (*file->temporary_path) unlink(file->temporary_path);
}

static void atomic_file_forget(struct atomic_file *file) {
    mem_free(file->path);
    mem_free(file->temporary_path);
    *file = (struct atomic_file){0};
}

bn_status atomic_file_commit(struct atomic_file *file, bn_error *err) {
    size_t size = strlen(file->path) + SUFFIX_BYTES;
    bool written = fflush(file->stream) == 0 && !ferror(file->stream) && fsync(fileno(file->stream)) == 0;
    if (written && !*file->temporary_path)
        written = create_temporary(file->temporary_path, size, file->path, fileno(file->stream)) == 0;
    bn_status status = written ? BN_OK : fail_errno(err, file->path, "write");
    if (fclose(file->stream) && !status) status = fail_errno(err, file->path, "write");
    file->stream = NULL;
    if (!status && rename(file->temporary_path, file->path)) status = fail_errno(err, file->path, "replace");
    if (status)
        remove_temporary(file);
    else
        sync_folder_of(file->path);
    atomic_file_forget(file);
    return status;
}

void atomic_file_abort(struct atomic_file *file) {
    if (!file->temporary_path) return;
    if (file->stream) fclose(file->stream);
    remove_temporary(file);
    atomic_file_forget(file);
}

bn_status file_write_all(const char *path, const void *bytes, size_t size, bn_error *err) {
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    if (size == 0 || fwrite(bytes, 1, size, file.stream) == size) return atomic_file_commit(&file, err);
    status = fail_errno(err, path, "write");
    atomic_file_abort(&file);
    return status;
}
