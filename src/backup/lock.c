#include "backup/lock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/json.h"

enum { VOID_AFTER_S = 30 * 60, RENEW_AFTER_S = 5 * 60, LOCK_MAX_BYTES = 4096, HOST_BYTES = 65 };

static const char *const kind_names[] = {[LOCK_ADDING] = "adding", [LOCK_REMOVING] = "removing"};
#define FOLDER "locks/"

static void host_name(char host[HOST_BYTES]) {
    memset(host, 0, HOST_BYTES);
    gethostname(host, HOST_BYTES - 1);
}

static bn_status write_lock(struct backup_lock *lock, bn_error *err) {
    char host[HOST_BYTES];
    size_t stored;
    host_name(host);
    json_t *content =
        json_pack("{s:s, s:I, s:I}", "host", host, "pid", (json_int_t)getpid(), "time", (json_int_t)time(NULL));
    char *text = content ? json_dumps(content, JSON_COMPACT) : NULL;
    bn_status status = text ? vault_put(lock->vault, lock->path, text, strlen(text), &stored, err)
                            : fail_no_memory(err, LOCK_MAX_BYTES);
    free(text); /* jansson's own memory */
    json_decref(content);
    lock->renew_at_ns = clock_now_ns() + (uint64_t)RENEW_AFTER_S * 1000000000;
    return status;
}

/* ---- others ---- */

struct survey {
    struct backup_lock *own;
    bool present;     /* the own lock is there */
    char other[64];   /* one that is in the way, or "" */
    char holder[120]; /* whose that is */
};

/* Whether the process that wrote it is gone. A lock that can't be read now was just removed, or isn't one. */
static bool is_void(struct vault *vault, const char *path, char *holder, size_t size) {
    struct buffer text;
    json_t *content = NULL;
    char host[HOST_BYTES];
    buffer_init(&text);
    bn_status status = vault_get(vault, path, LOCK_MAX_BYTES, &text, NULL);
    if (!status) status = json_parse(text.data, text.size, path, &content, NULL);
    buffer_release(&text);
    if (status) return status == BN_STATUS_NOT_FOUND || status == BN_STATUS_BAD_FILE;
    const char *of = json_string_value(json_object_get(content, "host"));
    json_int_t pid = json_integer_value(json_object_get(content, "pid")),
               then = json_integer_value(json_object_get(content, "time"));
    host_name(host);
    bool ended = of && strcmp(of, host) == 0 && pid > 0 && pid < INT32_MAX && kill((pid_t)pid, 0) && errno == ESRCH;
    bool late = (json_int_t)time(NULL) - then > VOID_AFTER_S;
    snprintf(holder, size, "process %lld on %.60s", (long long)pid, of ? of : "?");
    json_decref(content);
    return ended || late;
}

static bn_status look_at(void *context, const char *name, uint64_t size_bytes, bn_error *err) {
    (void)size_bytes;
    struct survey *survey = context;
    struct backup_lock *own = survey->own;
    if (strcmp(name, own->path) == 0) {
        survey->present = true;
        return BN_OK;
    }
    const char *kind = name + strlen(FOLDER), *adding = kind_names[LOCK_ADDING];
    bool is_adding = strncmp(kind, adding, strlen(adding)) == 0;
    if (own->kind == LOCK_ADDING && is_adding) return BN_OK;
    char holder[sizeof survey->holder] = "";
    if (is_void(own->vault, name, holder, sizeof holder))
        return own->vault->store.remove(own->vault->store.context, name, err);
    snprintf(survey->other, sizeof survey->other, "%s", kind);
    memcpy(survey->holder, holder, sizeof holder);
    return BN_OK;
}

static bn_status look_around(struct backup_lock *lock, struct survey *survey, bn_error *err) {
    *survey = (struct survey){.own = lock};
    return lock->vault->store.list(lock->vault->store.context, FOLDER, look_at, survey, err);
}

/* ---- the own ---- */

bn_status backup_lock_take(struct vault *vault, enum lock_kind kind, struct backup_lock *out, bn_error *err) {
    unsigned char bytes[8];
    char random[2 * sizeof bytes + 1];
    struct survey survey;
    *out = (struct backup_lock){.vault = vault, .kind = kind};
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(random, sizeof random, bytes, sizeof bytes);
    snprintf(out->path, sizeof out->path, FOLDER "%s-%s", kind_names[kind], random);
    bn_status status = write_lock(out, err);
    if (!status) status = look_around(out, &survey, err);
    if (!status && *survey.other)
        status = fail(err, BN_STATUS_BUSY, "%s is %s the backup: try again when it has ended", survey.holder,
                      kind == LOCK_ADDING ? "removing snapshots of" : "working on");
    if (status) backup_lock_release(out);
    return status;
}

bn_status backup_lock_keep(struct backup_lock *lock, bn_error *err) {
    if (clock_now_ns() < lock->renew_at_ns) return BN_OK;
    bn_status status = backup_lock_check(lock, err);
    return status ? status : write_lock(lock, err);
}

bn_status backup_lock_check(struct backup_lock *lock, bn_error *err) {
    struct survey survey;
    bn_status status = look_around(lock, &survey, err);
    if (!status && (!survey.present || *survey.other))
        status = fail(err, BN_STATUS_BUSY,
                      "another process took over while this one was silent for too long: start it again");
    return status;
}

void backup_lock_release(struct backup_lock *lock) {
    if (lock->vault && *lock->path) (void)lock->vault->store.remove(lock->vault->store.context, lock->path, NULL);
    *lock = (struct backup_lock){0}; /* one that can't be removed now is void in half an hour */
}
