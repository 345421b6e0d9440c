/* The cache of compiled tokenizers; see cache.h. */
#include "tokenizer/cache.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/memory.h"
#include "tokenizer/compiled.h"

enum {
    SMALLEST_VOCABULARY = 16384, /* what is smaller opens in a few milliseconds anyway */
    MAX_ENTRIES = 64,            /* then the oldest go */
};

/* ---- keys ---- */

struct build_search {
    uintptr_t address; /* of something in this library */
    uint64_t hash;
};

/* The note that the linker leaves: another one for every build that differs. */
static int find_build(struct dl_phdr_info *object, size_t size, void *context) {
    struct build_search *search = context;
    bool ours = false;
    (void)size;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        ours |= part->p_type == PT_LOAD && search->address - object->dlpi_addr - part->p_vaddr < part->p_memsz;
    }
    for (size_t i = 0; ours && i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_NOTE)
            search->hash = hash_bytes((const char *)(object->dlpi_addr + part->p_vaddr), part->p_memsz, search->hash);
    }
    return ours;
}

static uint64_t build_hash(void) {
    struct build_search search = {.address = (uintptr_t)&build_hash, .hash = IMAGE_VERSION};
    dl_iterate_phdr(find_build, &search);
    return search.hash;
}

/* A change right after this moment shows in the file's times only if their clock has ticked since the last one: 10 ms
 * where they have nanoseconds, 2 s where they are whole seconds. */
static bool is_settled(const struct file_identity *identity, int64_t now_ns) {
    int64_t tick = identity->changed_ns % 1000000000 ? 50000000 : 2500000000;
    return identity->changed_ns + tick < now_ns && identity->modified_ns + tick < now_ns;
}

static bool is_wanted(void) {
    const char *off = secure_getenv("BITNET_NO_CACHE");
    return !off || !*off || strcmp(off, "0") == 0;
}

/* Length of the folder part of a path, with its slash. */
static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash + 1 - path) : 0;
}

struct cache_key cache_key_of(const struct mapped_file *file, const char *const names[]) {
    struct cache_key key = {.usable = is_wanted()};
    struct timespec now;
    if (!key.usable) return key;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    size_t n_folder = folder_length(file->path);
    const char *own_name = file->path + n_folder; /* some forms are recognized by it */
    uint64_t low = hash_bytes((const char *)&file->identity, sizeof file->identity, build_hash());
    uint64_t high = hash_bytes(own_name, strlen(own_name), low);
    key.usable = is_settled(&file->identity, now_ns);
    for (; names && *names && key.usable; names++) {
        char path[4096];
        int n = snprintf(path, sizeof path, "%.*s%s", (int)n_folder, file->path, *names);
        struct file_identity identity =
            n > 0 && (size_t)n < sizeof path ? file_identify(path) : (struct file_identity){0};
        low = hash_bytes((const char *)&identity, sizeof identity, low);
        high = hash_bytes((const char *)&identity, sizeof identity, high);
        key.usable = n > 0 && (size_t)n < sizeof path && (identity.inode == 0 || is_settled(&identity, now_ns));
    }
    memcpy(key.id, &low, sizeof low);
    memcpy(key.id + sizeof low, &high, sizeof high);
    return key;
}

/* ---- the folder ---- */

/* base/bitnet/tokenizers. false: there is no place for it. */
static bool folder_path(char *path, size_t size) {
    const char *base = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
    int n = -1;
    if (base && *base == '/')
        n = snprintf(path, size, "%s/bitnet/tokenizers", base);
    else if (home && *home == '/')
        n = snprintf(path, size, "%s/.cache/bitnet/tokenizers", home);
    return n > 0 && (size_t)n < size;
}

/* Nobody else may have put anything there. */
static bool is_ours(const char *folder) {
    struct stat info;
    return stat(folder, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() && !(info.st_mode & 022);
}

static bool entry_path(const struct cache_key *key, char *path, size_t size) {
    char name[2 * sizeof key->id + 1];
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof key->id; i++) snprintf(name + 2 * i, 3, "%02x", key->id[i]);
    int added = snprintf(path + n, size - n, "/%s.bntok", name);
    return added > 0 && (size_t)added < size - n;
}

bool cache_find(const struct cache_key *key, bn_tokenizer **out) {
    char path[4096];
    struct mapped_file file;
    if (!key->usable || !folder_path(path, sizeof path) || !is_ours(path) || !entry_path(key, path, sizeof path))
        return false;
    if (mapped_file_open(path, &file, NULL)) return false;
    struct image_origin expected = {.made_ns = file.identity.modified_ns};
    memcpy(expected.id, key->id, sizeof expected.id);
    struct image_origin origin = image_origin_of(file.data, file.size);
    if (image_origin_same(&origin, &expected)) return tokenizer_from_mapped_image(&file, out, NULL) == BN_OK;
    mapped_file_close(&file);
    return false;
}

/* ---- storing ---- */

static bool make_folders(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(path, 0700) && errno != EEXIST;
        *slash = '/';
        if (failed) return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* Removes the file that was written first, if there are too many. */
static void remove_oldest(const char *folder) {
    char oldest[4096], path[4096];
    int64_t oldest_ns = INT64_MAX;
    size_t n = 0;
    DIR *directory = opendir(folder);
    if (!directory) return;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (*entry->d_name == '.' || length < 0 || (size_t)length >= sizeof path) continue;
        struct file_identity identity = file_identify(path);
        if (n++ == 0 || identity.changed_ns < oldest_ns) {
            oldest_ns = identity.changed_ns;
            memcpy(oldest, path, (size_t)length + 1);
        }
    }
    closedir(directory);
    if (n > MAX_ENTRIES) unlink(oldest);
}

static bn_status write_entry(const char *path, const struct buffer *image, int64_t made_ns, bn_error *err) {
    struct atomic_file file;
    const struct timespec made = {.tv_sec = made_ns / 1000000000}, times[2] = {made, made};
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    bool good = fwrite(image->data, 1, image->size, file.stream) == image->size && fflush(file.stream) == 0 &&
                futimens(fileno(file.stream), times) == 0;
    if (good) return atomic_file_commit(&file, err);
    status = fail(err, BN_STATUS_IO, "%s: can't write: %s", path, strerror(errno));
    atomic_file_abort(&file);
    return status;
}

bool cache_store(const struct cache_key *key, const bn_tokenizer *tokenizer, bn_error *err) {
    char folder[4096], path[4096];
    if (!key->usable || tokenizer->has_image || tokenizer->vocabulary.size < SMALLEST_VOCABULARY) return true;
    if (!folder_path(folder, sizeof folder)) return true; /* nobody's home */
    if (!make_folders(folder))
        return fail(err, BN_STATUS_IO, "%s: can't make it: %s", folder, strerror(errno)) == BN_OK;
    if (!is_ours(folder)) return fail(err, BN_STATUS_IO, "%s: others can write there, it isn't used", folder) == BN_OK;
    memcpy(path, folder, sizeof path);
    if (!entry_path(key, path, sizeof path)) return true;
    struct buffer image;
    buffer_init(&image);
    struct image_origin origin = {.made_ns = time(NULL) / 2 * 2 * INT64_C(1000000000)}; /* any file system keeps that */
    memcpy(origin.id, key->id, sizeof origin.id);
    bn_status status = tokenizer_compile(tokenizer, &origin, &image, err);
    if (!status) status = write_entry(path, &image, origin.made_ns, err);
    buffer_release(&image);
    if (!status) remove_oldest(folder);
    return status == BN_OK;
}
