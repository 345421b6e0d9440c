/* What is kept in a store, and how: pieces of files under the hash of their content, and snapshots, which say what files
 * consist of which pieces.
 *
 *     backup.json              format and id; of an encrypted backup the master key, locked by the passphrase or key file
 *     objects/ab/abcd…         a piece, named by its hash (BLAKE2b-256; keyed when encrypted, so that names tell nothing)
 *     snapshots/TIME-HASH      a snapshot, written last: without it, pieces are just pieces
 *
 * Object: "BNB1", a byte of flags, the content: compressed with zstd where that helps (flag 1), then encrypted (flag 2) with
 * XChaCha20-Poly1305 (libsodium's secretstream, its name as additional data: no object can stand for another). The
 * master key is random; what locks it comes from the passphrase by Argon2id, or from the key file. */
#ifndef BACKUP_VAULT_H
#define BACKUP_VAULT_H

#include "backup/chunker.h"
#include "backup/store.h"
#include "base/string_map.h"

enum { OBJECT_HASH_BYTES = 32, OBJECT_NAME_BYTES = 2 * OBJECT_HASH_BYTES + 1, PIECE_MAX_BYTES = CHUNK_MAX_BYTES };

enum { PASSPHRASE_MAX_BYTES = 4096 }; /* with the NUL */

/* What opens an encrypted backup; at most one of passphrase and key_file is given. */
struct vault_secret {
    const char *passphrase;
    const char *key_file; /* path of a file of 32 bytes to 4 KiB that nobody guesses */
    bool encrypt;         /* a new backup is encrypted also when neither is given: the passphrase is asked for */
    /* Asks a person for the passphrase, when it is needed and not given. `anew`: it is chosen now. NULL: there is nobody. */
    bn_status (*ask)(bool anew, char out[PASSPHRASE_MAX_BYTES], bn_error *err);
};

struct vault {
    struct backup_store store;
    bool encrypted;
    unsigned char data_key[32], name_key[32];
    struct chunker chunker;
    struct string_map known; /* names of the objects that are there; filled by vault_load_names */
    char **names;
    size_t n_names;
};

/* Opens what is in the store (which the vault then owns, also after a failure). `create`: begins a backup in an empty store, encrypted
 * if a secret is given; of two processes that begin at once, one does and the other opens that. BN_STATUS_BAD_ARGUMENT when the
 * secret is missing or wrong. */
bn_status vault_open(struct backup_store *store, bool create, const struct vault_secret *secret, struct vault *out,
                     bn_error *err);
void vault_close(struct vault *vault);

/* The name of a content. */
void vault_name(const struct vault *vault, const void *bytes, size_t n, char name[OBJECT_NAME_BYTES]);
/* Reads which objects there are, so that vault_put_piece knows what it needn't store. */
bn_status vault_load_names(struct vault *vault, bn_error *err);
/* Stores a piece unless it is there; *stored_bytes: 0 then. */
bn_status vault_put_piece(struct vault *vault, const void *bytes, size_t n, char name[OBJECT_NAME_BYTES],
                          size_t *stored_bytes, bn_error *err);
/* Appends the piece's content, checked against its name. */
bn_status vault_get_piece(struct vault *vault, const char *name, struct buffer *out, bn_error *err);

/* Any other object: stored under `path`, which is also what its content is bound to. */
bn_status vault_put(struct vault *vault, const char *path, const void *bytes, size_t n, size_t *stored_bytes,
                    bn_error *err);
bn_status vault_get(struct vault *vault, const char *path, size_t max_bytes, struct buffer *out, bn_error *err);

#endif
