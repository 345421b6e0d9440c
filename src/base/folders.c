#include "base/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

enum { MAX_DEPTH = 16, OPEN_FOLDERS = 32 };

char *data_path(const char *name) {
    const char *explicit_path = getenv("BITNET_HOME"), *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char *folder = explicit_path && *explicit_path ? mem_strdup(explicit_path)
                   : base && *base                 ? path_join(base, "bitnet")
                   : home && *home                 ? path_join(home, ".local/share/bitnet")
                                                   : NULL;
    if (!folder || !*name) return folder;
    char *path = path_join(folder, name);
    mem_free(folder);
    return path;
}

void folders_make(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
}

bn_status folder_make_all(const char *path, bn_error *err) {
    char *copy = mem_strdup(path);
    if (!copy) return fail_no_memory(err, strlen(path) + 1);
    folders_make(copy);
    mem_free(copy);
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && file_is_directory(path))) return BN_OK;
    return fail(err, BN_STATUS_IO, "%s: can't make the folder: %s", path, strerror(errno));
}

bn_status folder_sync(const char *path, bn_error *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail(err, BN_STATUS_IO, "%s: can't open the folder: %s", path, strerror(errno));
    (void)fsync(fd); /* some file systems refuse this for folders; there is no other way to ask */
    close(fd);
    return BN_OK;
}

/* ---- walking ---- */

struct walk {
    folder_visitor visit;
    void *context;
    size_t left;
};

static bn_status visit_level(struct walk *walk, const char *folder, const char *relative, int depth, bn_error *err);

static bn_status visit_entry(struct walk *walk, const char *path, const char *relative, int depth, bn_error *err) {
    struct stat link, target;
    if (lstat(path, &link)) return BN_OK; /* removed meanwhile */
    if (S_ISDIR(link.st_mode)) return visit_level(walk, path, relative, depth + 1, err);
    if (stat(path, &target)) return fail(err, BN_STATUS_NOT_FOUND, "%s: a link to nothing", path);
    if (!S_ISREG(target.st_mode)) return BN_OK;
    if (walk->left-- == 0) return fail(err, BN_STATUS_BAD_FILE, "%s: too many files in one folder", path);
    return walk->visit(walk->context, relative, err);
}

static bn_status visit_level(struct walk *walk, const char *folder, const char *relative, int depth, bn_error *err) {
    if (depth > MAX_DEPTH) return fail(err, BN_STATUS_BAD_FILE, "%s: folders nested deeper than %d", folder, MAX_DEPTH);
    DIR *stream = opendir(folder);
    if (!stream)
        return fail(err, errno == ENOENT ? BN_STATUS_NOT_FOUND : BN_STATUS_IO, "%s: can't read the folder: %s", folder,
                    strerror(errno));
    bn_status status = BN_OK;
    for (struct dirent *entry; !status && (entry = readdir(stream));) {
        if (entry->d_name[0] == '.') continue;
        char *path = path_join(folder, entry->d_name);
        char *inside = *relative ? path_join(relative, entry->d_name) : mem_strdup(entry->d_name);
        status = path && inside ? visit_entry(walk, path, inside, depth, err) : fail_no_memory(err, strlen(folder));
        mem_free(path);
        mem_free(inside);
    }
    closedir(stream);
    return status;
}

bn_status folder_visit(const char *folder, size_t max_files, folder_visitor visit, void *context, bn_error *err) {
    struct walk walk = {visit, context, max_files};
    return visit_level(&walk, folder, "", 0, err);
}

/* ---- removing ---- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info, (void)type, (void)where;
    return remove(path) && errno != ENOENT ? -1 : 0;
}

bn_status folder_remove(const char *path, bn_error *err) {
    if (nftw(path, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return BN_OK;
    return fail(err, BN_STATUS_IO, "%s: can't be removed: %s", path, strerror(errno));
}
