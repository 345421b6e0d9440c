#include "backup/vault.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <zstd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#define FORMAT "bitnet-backup/1"
#define CONFIG "backup.json"
static const char magic[4] = {'B', 'N', 'B', '1'};
enum {
    FLAG_COMPRESSED = 1,
    FLAG_ENCRYPTED = 2,
    HEAD_BYTES = sizeof magic + 1,
    ENCRYPTION_BYTES = crypto_secretstream_xchacha20poly1305_HEADERBYTES + crypto_secretstream_xchacha20poly1305_ABYTES,
    COMPRESSION_LEVEL = 3,
    CONFIG_MAX_BYTES = 1 << 16,
    KEY_FILE_MIN_BYTES = 32,
    KEY_FILE_MAX_BYTES = 4096,
    LOCKED_BYTES = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + 32,
};
/* What a file may ask of this machine for deriving a key. */
enum { MAX_PASSES = 16, MAX_MEMORY_BYTES = 1 << 30 };

/* ---- objects ---- */

static bn_status compress(const void *bytes, size_t n, struct buffer *out, bool *smaller, bn_error *err) {
    size_t bound = ZSTD_compressBound(n);
    char *space = mem_alloc(bound);
    if (!space) return fail_no_memory(err, bound);
    size_t size = ZSTD_compress(space, bound, bytes, n, COMPRESSION_LEVEL);
    *smaller = !ZSTD_isError(size) && size < n;
    buffer_append(out, *smaller ? space : bytes, *smaller ? size : n);
    mem_free(space);
    return out->failed ? fail_no_memory(err, n) : BN_OK;
}

static bn_status encrypt(const struct vault *vault, const char *path, const struct buffer *plain, struct buffer *out,
                         bn_error *err) {
    crypto_secretstream_xchacha20poly1305_state state;
    unsigned char header[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
    size_t bound = plain->size + crypto_secretstream_xchacha20poly1305_ABYTES;
    unsigned char *cipher = mem_alloc(bound);
    if (!cipher) return fail_no_memory(err, bound);
    unsigned long long size = 0;
    crypto_secretstream_xchacha20poly1305_init_push(&state, header, vault->data_key);
    crypto_secretstream_xchacha20poly1305_push(&state, cipher, &size, (const unsigned char *)plain->data, plain->size,
                                               (const unsigned char *)path, strlen(path),
                                               crypto_secretstream_xchacha20poly1305_TAG_FINAL);
    buffer_append(out, header, sizeof header);
    buffer_append(out, cipher, (size_t)size);
    sodium_memzero(&state, sizeof state);
    mem_free(cipher);
    return out->failed ? fail_no_memory(err, bound) : BN_OK;
}

bn_status vault_put(struct vault *vault, const char *path, const void *bytes, size_t n, size_t *stored_bytes,
                    bn_error *err) {
    struct buffer plain, object;
    bool smaller = false;
    buffer_init(&plain);
    buffer_init(&object);
    bn_status status = compress(bytes, n, &plain, &smaller, err);
    char flags = (char)((smaller ? FLAG_COMPRESSED : 0) | (vault->encrypted ? FLAG_ENCRYPTED : 0));
    buffer_append(&object, magic, sizeof magic);
    buffer_append_char(&object, flags);
    if (!status && vault->encrypted)
        status = encrypt(vault, path, &plain, &object, err);
    else if (!status)
        buffer_append(&object, plain.data, plain.size);
    if (!status && object.failed) status = fail_no_memory(err, n);
    if (!status) status = vault->store.put(vault->store.context, path, object.data, object.size, err);
    *stored_bytes = object.size;
    buffer_release(&plain);
    buffer_release(&object);
    return status;
}

static bn_status decrypt(const struct vault *vault, const char *path, const unsigned char *bytes, size_t n,
                         struct buffer *out, bn_error *err) {
    crypto_secretstream_xchacha20poly1305_state state;
    if (n < ENCRYPTION_BYTES) return fail(err, BN_STATUS_BAD_FILE, "%s: too short", path);
    size_t bound = n - ENCRYPTION_BYTES;
    unsigned char *plain = mem_alloc(bound), tag = 0;
    if (!plain) return fail_no_memory(err, bound);
    unsigned long long size = 0;
    const unsigned char *cipher = bytes + crypto_secretstream_xchacha20poly1305_HEADERBYTES;
    bool good = crypto_secretstream_xchacha20poly1305_init_pull(&state, bytes, vault->data_key) == 0 &&
                crypto_secretstream_xchacha20poly1305_pull(&state, plain, &size, &tag, cipher,
                                                           n - crypto_secretstream_xchacha20poly1305_HEADERBYTES,
                                                           (const unsigned char *)path, strlen(path)) == 0 &&
                tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    if (good) buffer_append(out, plain, (size_t)size);
    sodium_memzero(&state, sizeof state);
    mem_free(plain);
    if (!good) return fail(err, BN_STATUS_BAD_FILE, "%s: damaged or forged", path);
    return out->failed ? fail_no_memory(err, bound) : BN_OK;
}

static bn_status decompress(const char *path, const struct buffer *packed, size_t max_bytes, struct buffer *out,
                            bn_error *err) {
    unsigned long long size = ZSTD_getFrameContentSize(packed->data, packed->size);
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > max_bytes)
        return fail(err, BN_STATUS_BAD_FILE, "%s: damaged, or larger than %zu bytes", path, max_bytes);
    char *bytes = mem_alloc((size_t)size);
    if (!bytes) return fail_no_memory(err, (size_t)size);
    size_t n = ZSTD_decompress(bytes, (size_t)size, packed->data, packed->size);
    bool good = !ZSTD_isError(n) && n == size;
    if (good) buffer_append(out, bytes, n);
    mem_free(bytes);
    if (!good) return fail(err, BN_STATUS_BAD_FILE, "%s: damaged", path);
    return out->failed ? fail_no_memory(err, n) : BN_OK;
}

bn_status vault_get(struct vault *vault, const char *path, size_t max_bytes, struct buffer *out, bn_error *err) {
    struct buffer object, plain;
    buffer_init(&object);
    buffer_init(&plain);
    bn_status status =
        vault->store.get(vault->store.context, path, max_bytes + HEAD_BYTES + ENCRYPTION_BYTES, &object, err);
    if (!status && (object.size < HEAD_BYTES || memcmp(object.data, magic, sizeof magic) != 0))
        status = fail(err, BN_STATUS_BAD_FILE, "%s: not an object of a backup", path);
    unsigned flags = status ? 0 : (unsigned char)object.data[sizeof magic];
    const unsigned char *content = status ? NULL : (const unsigned char *)object.data + HEAD_BYTES;
    /* what isn't encrypted in an encrypted backup was put there by somebody else */
    if (!status && (flags & FLAG_ENCRYPTED ? 1 : 0) != vault->encrypted)
        status = fail(err, BN_STATUS_BAD_FILE, "%s: damaged or forged", path);
    if (!status && vault->encrypted)
        status = decrypt(vault, path, content, object.size - HEAD_BYTES, &plain, err);
    else if (!status)
        buffer_append(&plain, content, object.size - HEAD_BYTES);
    if (!status && flags & FLAG_COMPRESSED)
        status = decompress(path, &plain, max_bytes, out, err);
    else if (!status)
        buffer_append(out, plain.data, plain.size);
    if (!status && (plain.failed || out->failed)) status = fail_no_memory(err, object.size);
    buffer_release(&object);
    buffer_release(&plain);
    return status;
}

/* ---- pieces ---- */

void vault_name(const struct vault *vault, const void *bytes, size_t n, char name[OBJECT_NAME_BYTES]) {
    unsigned char hash[OBJECT_HASH_BYTES];
    crypto_generichash(hash, sizeof hash, bytes, n, vault->encrypted ? vault->name_key : NULL,
                       vault->encrypted ? sizeof vault->name_key : 0);
    sodium_bin2hex(name, OBJECT_NAME_BYTES, hash, sizeof hash);
}

static void piece_path(const char *name, char path[100]) {
    snprintf(path, 100, "objects/%.2s/%.64s", name, name);
}

static bn_status know(struct vault *vault, const char *name, bn_error *err) {
    char **names = mem_realloc_array(vault->names, vault->n_names + 1, sizeof *names);
    if (!names) return fail_no_memory(err, vault->n_names);
    vault->names = names;
    if (!(names[vault->n_names] = mem_strdup(name))) return fail_no_memory(err, OBJECT_NAME_BYTES);
    const char *own = names[vault->n_names++];
    return string_map_insert(&vault->known, own, strlen(own), 0) < 0 ? fail_no_memory(err, 1) : BN_OK;
}

static bn_status know_object(void *context, const char *path, uint64_t size_bytes, bn_error *err) {
    (void)size_bytes;
    const char *slash = strrchr(path, '/');
    return slash ? know(context, slash + 1, err) : BN_OK;
}

bn_status vault_load_names(struct vault *vault, bn_error *err) {
    return vault->store.list(vault->store.context, "objects/", know_object, vault, err);
}

bn_status vault_put_piece(struct vault *vault, const void *bytes, size_t n, char name[OBJECT_NAME_BYTES],
                          size_t *stored_bytes, bn_error *err) {
    uint32_t found;
    char path[100];
    *stored_bytes = 0;
    vault_name(vault, bytes, n, name);
    if (string_map_find(&vault->known, name, strlen(name), &found)) return BN_OK;
    piece_path(name, path);
    bn_status status = vault_put(vault, path, bytes, n, stored_bytes, err);
    return status ? status : know(vault, name, err);
}

bn_status vault_get_piece(struct vault *vault, const char *name, struct buffer *out, bn_error *err) {
    char path[100], actual[OBJECT_NAME_BYTES];
    size_t before = out->size;
    piece_path(name, path);
    bn_status status = vault_get(vault, path, PIECE_MAX_BYTES, out, err);
    if (status) return status;
    vault_name(vault, out->data ? out->data + before : "", out->size - before, actual);
    return strcmp(actual, name) == 0 ? BN_OK : fail(err, BN_STATUS_BAD_FILE, "%s: damaged: its hash is another", path);
}

/* ---- keys ---- */

static bn_status key_of_file(const char *path, unsigned char key[32], bn_error *err) {
    char *bytes;
    size_t size;
    bn_status status = file_read_all(path, KEY_FILE_MAX_BYTES, &bytes, &size, err);
    if (status) return status;
    if (size < KEY_FILE_MIN_BYTES)
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "%s: a key file needs at least %d bytes (head -c 32 /dev/urandom)",
                      path, KEY_FILE_MIN_BYTES);
    else
        crypto_generichash(key, 32, (const unsigned char *)bytes, size, NULL, 0);
    sodium_memzero(bytes, size);
    mem_free(bytes);
    return status;
}

struct derivation {
    unsigned char salt[crypto_pwhash_SALTBYTES];
    size_t passes, memory_bytes;
};

static bn_status key_of_passphrase(const char *passphrase, const struct derivation *how, unsigned char key[32],
                                   bn_error *err) {
    if (crypto_pwhash(key, 32, passphrase, strlen(passphrase), how->salt, how->passes, how->memory_bytes,
                      crypto_pwhash_ALG_ARGON2ID13) == 0)
        return BN_OK;
    return fail(err, BN_STATUS_NO_MEMORY, "deriving the key from the passphrase needs %zu MB of memory",
                how->memory_bytes >> 20);
}

/* Separate keys for contents and names, and the chunker's seed, from the master key. */
static void set_keys(struct vault *vault, const unsigned char master[32]) {
    uint64_t seed;
    unsigned char bytes[crypto_kdf_BYTES_MIN];
    crypto_kdf_derive_from_key(vault->data_key, sizeof vault->data_key, 1, "contents", master);
    crypto_kdf_derive_from_key(vault->name_key, sizeof vault->name_key, 2, "names___", master);
    crypto_kdf_derive_from_key(bytes, sizeof bytes, 3, "cutting_", master);
    memcpy(&seed, bytes, sizeof seed);
    chunker_init(&vault->chunker, seed);
    vault->encrypted = true;
}

static json_t *hex_json(const unsigned char *bytes, size_t n) {
    char hex[2 * LOCKED_BYTES + 1];
    return json_string(sodium_bin2hex(hex, sizeof hex, bytes, n));
}

static bool hex_bytes(const json_t *object, const char *key, unsigned char *out, size_t n) {
    const char *hex = json_string_value(json_object_get(object, key));
    size_t size;
    return hex && sodium_hex2bin(out, n, hex, strlen(hex), NULL, &size, NULL) == 0 && size == n;
}

static bool is_wanted(const struct vault_secret *secret) {
    return secret->passphrase || secret->key_file || secret->encrypt;
}

/* The key that locks the master key; `how` is NULL for a key file. */
static bn_status lock_key(const struct vault_secret *secret, const struct derivation *how, bool anew,
                          unsigned char key[32], bn_error *err) {
    if (!how) return key_of_file(secret->key_file, key, err);
    if (secret->passphrase) return key_of_passphrase(secret->passphrase, how, key, err);
    char *typed = mem_calloc(1, PASSPHRASE_MAX_BYTES);
    if (!typed) return fail_no_memory(err, PASSPHRASE_MAX_BYTES);
    bn_status status = secret->ask(anew, typed, err);
    if (!status) status = key_of_passphrase(typed, how, key, err);
    sodium_memzero(typed, PASSPHRASE_MAX_BYTES);
    mem_free(typed);
    return status;
}

/* A new master key, and how it is locked. */
static bn_status make_keys(struct vault *vault, const struct vault_secret *secret, json_t **encryption, bn_error *err) {
    unsigned char master[32], lock[32], locked[LOCKED_BYTES];
    struct derivation how = {.passes = crypto_pwhash_OPSLIMIT_MODERATE,
                             .memory_bytes = crypto_pwhash_MEMLIMIT_MODERATE};
    bool by_passphrase = !secret->key_file;
    if (by_passphrase && !secret->passphrase && !secret->ask)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "there is nobody to ask for a passphrase: give --passphrase-file");
    randombytes_buf(how.salt, sizeof how.salt);
    randombytes_buf(master, sizeof master);
    bn_status status = lock_key(secret, by_passphrase ? &how : NULL, true, lock, err);
    if (status) return status;
    randombytes_buf(locked, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(locked + crypto_secretbox_NONCEBYTES, master, sizeof master, locked, lock);
    set_keys(vault, master);
    *encryption = by_passphrase
                      ? json_pack("{s:s, s:o, s:I, s:I, s:o}", "kind", "passphrase", "salt",
                                  hex_json(how.salt, sizeof how.salt), "passes", (json_int_t)how.passes, "memory_bytes",
                                  (json_int_t)how.memory_bytes, "key", hex_json(locked, sizeof locked))
                      : json_pack("{s:s, s:o}", "kind", "key-file", "key", hex_json(locked, sizeof locked));
    sodium_memzero(master, sizeof master);
    sodium_memzero(lock, sizeof lock);
    return *encryption ? BN_OK : fail_no_memory(err, 1);
}

static bn_status read_derivation(const json_t *encryption, struct derivation *how, bn_error *err) {
    bn_status status = json_get_size(encryption, "passes", 1, MAX_PASSES, &how->passes, err);
    if (!status) status = json_get_size(encryption, "memory_bytes", 8192, MAX_MEMORY_BYTES, &how->memory_bytes, err);
    if (!status && (!how->passes || !how->memory_bytes || !hex_bytes(encryption, "salt", how->salt, sizeof how->salt)))
        status = fail(err, BN_STATUS_BAD_FILE, "salt, passes and memory_bytes are needed");
    return status;
}

static bn_status unlock(struct vault *vault, const json_t *encryption, const struct vault_secret *secret,
                        bn_error *err) {
    unsigned char master[32], lock[32], locked[LOCKED_BYTES];
    struct derivation how = {.passes = 0};
    const char *kind = json_string_value(json_object_get(encryption, "kind"));
    bool by_passphrase = kind && strcmp(kind, "passphrase") == 0;
    if (!kind || (!by_passphrase && strcmp(kind, "key-file") != 0))
        return fail(err, BN_STATUS_UNSUPPORTED, "encrypted in a way that this program doesn't know");
    if (by_passphrase ? !secret->passphrase && !secret->ask : !secret->key_file)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the backup is encrypted: give its %s",
                    by_passphrase ? "passphrase (--passphrase-file)" : "key file (--key-file)");
    bn_status status = by_passphrase ? read_derivation(encryption, &how, err) : BN_OK;
    if (!status && !hex_bytes(encryption, "key", locked, sizeof locked))
        status = fail(err, BN_STATUS_BAD_FILE, "the locked key is damaged");
    if (!status) status = lock_key(secret, by_passphrase ? &how : NULL, false, lock, err);
    if (status) return status;
    if (crypto_secretbox_open_easy(master, locked + crypto_secretbox_NONCEBYTES,
                                   sizeof locked - crypto_secretbox_NONCEBYTES, locked, lock) != 0)
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "wrong %s", by_passphrase ? "passphrase" : "key file");
    else
        set_keys(vault, master);
    sodium_memzero(master, sizeof master);
    sodium_memzero(lock, sizeof lock);
    return status;
}

/* ---- opening ---- */

/* Writes backup.json of a new backup, unless another process is faster. *text gets what was to be written. */
static bn_status begin(struct vault *vault, const struct vault_secret *secret, struct buffer *written, bn_error *err) {
    json_t *encryption = NULL;
    bool wanted = is_wanted(secret);
    bn_status status = wanted ? make_keys(vault, secret, &encryption, err) : BN_OK;
    if (status) return status;
    json_t *config = json_pack("{s:s, s:o}", "format", FORMAT, "encryption", wanted ? encryption : json_null());
    char *text = config ? json_dumps(config, JSON_INDENT(1)) : NULL;
    if (text) buffer_append_text(written, text);
    status = text && !written->failed
                 ? vault->store.put_first(vault->store.context, CONFIG, written->data, written->size, err)
                 : fail_no_memory(err, 1);
    free(text); /* jansson's own memory */
    json_decref(config);
    return status;
}

static bn_status read_config(struct vault *vault, const struct buffer *text, const struct vault_secret *secret,
                             bn_error *err) {
    json_t *config;
    bn_status status = json_parse(text->data, text->size, CONFIG, &config, err);
    if (status) return status;
    const char *format = json_string_value(json_object_get(config, "format"));
    const json_t *encryption = json_object_get(config, "encryption");
    if (!format || strcmp(format, FORMAT) != 0)
        status = fail(err, BN_STATUS_UNSUPPORTED, CONFIG ": not of format " FORMAT);
    else if (json_is_object(encryption))
        status = unlock(vault, encryption, secret, err);
    else if (is_wanted(secret))
        status = fail(err, BN_STATUS_BAD_ARGUMENT, "this backup isn't encrypted; encrypt a new one, in another place");
    json_decref(config);
    return status;
}

/* Begins a backup. What is there afterwards counts: it is this process's, or that of one that was faster. */
static bn_status begin_and_read(struct vault *vault, const struct vault_secret *secret, bn_error *err) {
    struct buffer written, text;
    buffer_init(&written);
    buffer_init(&text);
    bn_status status = begin(vault, secret, &written, err);
    if (!status) status = vault->store.get(vault->store.context, CONFIG, CONFIG_MAX_BYTES, &text, err);
    bool own = !status && text.size == written.size && memcmp(text.data, written.data, text.size) == 0;
    if (!status && !own) {
        vault->encrypted = false;
        chunker_init(&vault->chunker, 0);
        status = read_config(vault, &text, secret, err);
    }
    buffer_release(&written);
    buffer_release(&text);
    return status;
}

bn_status vault_open(struct backup_store *store, bool create, const struct vault_secret *secret, struct vault *out,
                     bn_error *err) {
    *out = (struct vault){.store = *store};
    struct buffer text;
    buffer_init(&text);
    chunker_init(&out->chunker, 0);
    bn_status status = BN_OK;
    if (sodium_init() < 0) status = fail(err, BN_STATUS_INTERNAL, "libsodium can't be used");
    if (!status && !string_map_init(&out->known, 1024)) status = fail_no_memory(err, 1024);
    if (!status) {
        status = out->store.get(out->store.context, CONFIG, CONFIG_MAX_BYTES, &text, err);
        if (status == BN_STATUS_NOT_FOUND)
            status = create ? begin_and_read(out, secret, err) : fail(err, BN_STATUS_NOT_FOUND, "there is no backup");
        else if (!status)
            status = read_config(out, &text, secret, err);
    }
    buffer_release(&text);
    if (status) vault_close(out);
    return status;
}

void vault_close(struct vault *vault) {
    if (vault->store.close) vault->store.close(vault->store.context);
    for (size_t i = 0; i < vault->n_names; i++) mem_free(vault->names[i]);
    mem_free(vault->names);
    string_map_release(&vault->known);
    sodium_memzero(vault, sizeof *vault);
}
