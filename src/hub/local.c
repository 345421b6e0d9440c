#include "hub/local.h"

#include <fcntl.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/cache.h"
#include "net/digest.h"

enum { METADATA_MAX_BYTES = 1024 };

char *hub_local_side_folder(const char *folder) {
    return path_join(folder, ".cache/huggingface");
}

/* FOLDER/.cache/huggingface/NAME, written with `text` when it isn't there. */
static bn_status write_once(const char *folder, const char *name, const char *text, bn_error *err) {
    char *side = hub_local_side_folder(folder), *path = side ? path_join(side, name) : NULL;
    bn_status status = path ? make_folders_for(path, err) : fail_no_memory(err, strlen(folder));
    if (!status && !file_exists(path)) status = file_write_all(path, text, strlen(text), err);
    mem_free(side);
    mem_free(path);
    return status;
}

bn_status hub_local_create(const char *folder, bn_error *err) {
    bn_status status = write_once(folder, ".gitignore", "*", err);
    return status ? status : write_once(folder, "CACHEDIR.TAG", hub_cachedir_tag, err);
}

/* ---- paths ---- */

static char *side_path(const char *folder, const char *file, const char *ending) {
    struct buffer path;
    buffer_init(&path);
    buffer_printf(&path, "%s/.cache/huggingface/download/%s%s", folder, file, ending);
    char *text = path.failed ? NULL : buffer_take(&path);
    buffer_release(&path);
    return text;
}

char *hub_local_lock_path(const char *folder, const struct hub_file *file) {
    return side_path(folder, file->path, ".lock");
}

/* In the folder of the metadata: base64url(sha1(name of the metadata)).HASH.incomplete */
char *hub_local_incomplete_path(const char *folder, const struct hub_file *file) {
    unsigned char sum[EVP_MAX_MD_SIZE] = {0};
    unsigned n = 0;
    char name[300], short_hash[64] = "", ending[200];
    const char *slash = strrchr(file->path, '/'), *base = slash ? slash + 1 : file->path;
    int length = snprintf(name, sizeof name, "%s.metadata", base);
    EVP_Digest(name, (size_t)length, sum, &n, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)short_hash, sum, 20);
    for (char *at = short_hash; *at; at++) *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    snprintf(ending, sizeof ending, "%s.%s.incomplete", short_hash, file->digest);
    char *inside = mem_strndup(file->path, (size_t)(base - file->path));
    char *path = inside ? side_path(folder, inside, ending) : NULL;
    mem_free(inside);
    return path;
}

/* ---- what was noted ---- */

/* Whether the metadata names this content, and the file wasn't written after it. */
static bool noted(const char *folder, const struct hub_file *file, const struct stat *info) {
    char *path = side_path(folder, file->path, ".metadata"), *text = NULL;
    size_t n;
    bool same = false;
    if (path && !file_read_all(path, METADATA_MAX_BYTES, &text, &n, NULL)) {
        char *digest = strchr(text, '\n'), *moment = digest ? strchr(digest + 1, '\n') : NULL;
        if (moment) {
            *moment = 0;
            same = strcmp(digest + 1, file->digest) == 0 && (double)info->st_mtime - 1 <= strtod(moment + 1, NULL);
        }
    }
    mem_free(text);
    mem_free(path);
    return same;
}

static bn_status has_content(const char *path, const struct hub_file *file, bool *has, bn_error *err) {
    struct digest digest = {0};
    char hex[SHA256_HEX_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return BN_OK; /* it will be replaced */
    bn_status status = digest_start(&digest, !file->large, file->size_bytes, err);
    if (!status) status = digest_update_file(&digest, fd, file->size_bytes, path, err);
    if (!status) digest_finish(&digest, hex);
    *has = !status && strcmp(hex, file->digest) == 0;
    digest_release(&digest);
    close(fd);
    return status;
}

bn_status hub_local_has(const char *folder, const struct hub_file *file, bool *has, bn_error *err) {
    char *path = path_join(folder, file->path);
    struct stat info;
    bn_status status = path ? BN_OK : fail_no_memory(err, strlen(file->path));
    *has = false;
    if (!status && stat(path, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == file->size_bytes) {
        *has = noted(folder, file, &info);
        if (!*has) status = has_content(path, file, has, err);
    }
    mem_free(path);
    return status;
}

bn_status hub_local_note(const char *folder, const struct hub_file *file, const char *commit, bn_error *err) {
    struct timespec now;
    struct buffer text;
    buffer_init(&text);
    clock_gettime(CLOCK_REALTIME, &now);
    buffer_printf(&text, "%s\n%s\n%lld.%06ld\n", commit, file->digest, (long long)now.tv_sec, now.tv_nsec / 1000);
    char *path = side_path(folder, file->path, ".metadata");
    bn_status status = path && !text.failed ? make_folders_for(path, err) : fail_no_memory(err, strlen(file->path));
    if (!status) status = file_write_all(path, text.data, text.size, err);
    mem_free(path);
    buffer_release(&text);
    return status;
}
