/* One large file over several connections, each with a part of it.
 *
 * Parts follow each other closely: the first in line goes straight to the file, what comes before its turn waits in memory (at most
 * WINDOW_BYTES). So the file only ever grows at its end, is hashed in order as it arrives, and what is on the disk after a
 * SIGKILL is a beginning of it that the next download, or Python's, continues. A part is as long as what a connection brings
 * in two seconds: about as much is lost then.
 *
 * A server that doesn't serve parts well gets one request for the rest, which knows how to deal with it (item.c). */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "hub/item.h"

enum {
    FEWEST_BYTES = 8 << 20, /* of a file's rest that is fetched in parts */
    FIRST_PART_BYTES = 1 << 20,
    WINDOW_BYTES = 64 << 20,
    PART_SECONDS = 2,
    LARGEST_GROWTH = 4,
};

struct part {
    struct item *item;
    struct part *next;
    uint64_t offset, end; /* in the file */
    uint64_t at;          /* of its next byte */
    char *bytes;          /* [offset, at) while it isn't its turn, else NULL */
    uint64_t started_ns;
    bool over;    /* all of it has come */
    bool refused; /* the answer wasn't the part */
};

bool parts_fit(const struct item *item) {
    return item->run->options->connections > 1 && item->file->large && !item->in_one &&
           item->file->size_bytes - item->at >= FEWEST_BYTES;
}

static void drop_first(struct item *item) {
    struct part *part = item->parts;
    item->parts = part->next;
    mem_free(part->bytes);
    mem_free(part);
}

void parts_drop(struct item *item) {
    while (item->parts) drop_first(item);
}

/* ---- what arrives ---- */

static bn_status refuse(struct part *part, const char *message, bn_error *err) {
    part->refused = true;
    return fail(err, BN_STATUS_BAD_FILE, "%s: %s", part->item->file->path, message);
}

static bn_status begin(void *context, const struct http_response *response, uint64_t offset, bn_error *err) {
    struct part *part = context;
    bn_status status = item_check_identity(part->item, response, err);
    if (status) return status;
    return response->status == 206 && offset == part->at ? BN_OK : refuse(part, "not the part that was asked for", err);
}

static bn_status write_part(void *context, const void *bytes, size_t n, bn_error *err) {
    struct part *part = context;
    bn_status status = BN_OK;
    if (n > part->end - part->at) return refuse(part, "more than the part that was asked for", err);
    if (part->item->parts == part) {
        status = item_append(part->item, bytes, n, err);
    } else {
        if (!part->bytes) part->bytes = mem_alloc((size_t)(part->end - part->offset));
        if (!part->bytes) return fail_no_memory(err, (size_t)(part->end - part->offset));
        memcpy(part->bytes + (part->at - part->offset), bytes, n);
    }
    if (!status) part->at += n;
    return status;
}

static const struct http_sink sink = {begin, write_part};

/* Those that are over leave the line, and the next one's bytes follow. */
static bn_status move_on(struct item *item, bn_error *err) {
    bn_status status = BN_OK;
    while (!status && item->parts && item->parts->over) {
        drop_first(item);
        struct part *first = item->parts;
        if (!first || !first->bytes) continue;
        status = item_append(item, first->bytes, (size_t)(first->at - first->offset), err);
        mem_free(first->bytes);
        first->bytes = NULL;
    }
    return status;
}

/* ---- requests ---- */

/* How many connections the item may use. */
static size_t share(const struct item *item) {
    const struct run *run = item->run;
    size_t n = run->options->connections / (run->n_running ? run->n_running : 1);
    return n ? n : 1;
}

static void choose_length(struct item *item, const struct part *part) {
    double seconds = (double)(clock_now_ns() - part->started_ns) * 1e-9;
    double wanted = (double)(part->end - part->offset) / (seconds > 1e-3 ? seconds : 1e-3) * PART_SECONDS;
    double most = (double)LARGEST_GROWTH * (double)item->part_bytes,
           window = (double)WINDOW_BYTES / (double)share(item);
    if (wanted > most) wanted = most;
    if (wanted > window) wanted = window;
    item->part_bytes = wanted > FIRST_PART_BYTES ? (uint64_t)wanted : FIRST_PART_BYTES;
}

static void part_done(void *context, const struct http_response *response, bn_status status, const bn_error *error);

static bn_status start_part(struct item *item, bn_error *err) {
    struct part *part = mem_calloc(1, sizeof *part);
    if (!part) return fail_no_memory(err, sizeof *part);
    uint64_t left = item->file->size_bytes - item->planned;
    *part = (struct part){.item = item, .offset = item->planned, .at = item->planned, .started_ns = clock_now_ns()};
    part->end = part->offset + (left < item->part_bytes ? left : item->part_bytes);
    const struct http_request request = {.url = item->url,
                                         .token = item->run->hub->token,
                                         .offset = part->offset,
                                         .end = part->end,
                                         .sink = &sink,
                                         .done = part_done,
                                         .context = part};
    bn_status status = http_start(item->run->hub->client, &request, err);
    if (status) {
        mem_free(part);
        return status;
    }
    struct part **last = &item->parts;
    while (*last) last = &(*last)->next;
    *last = part;
    item->planned = part->end;
    item->n_requests++;
    return BN_OK;
}

static bn_status start_more(struct item *item, bn_error *err) {
    bn_status status = BN_OK;
    while (!status && item->n_requests < share(item) && item->planned < item->file->size_bytes &&
           item->planned - item->at < WINDOW_BYTES)
        status = start_part(item, err);
    return status;
}

bn_status parts_start(struct item *item, bn_error *err) {
    item->planned = item->at;
    item->part_bytes = FIRST_PART_BYTES;
    bn_status status = start_more(item, err);
    return status && item->n_requests ? BN_OK : status; /* memory for one is enough to go on */
}

/* The part can't be had, but the whole perhaps. */
static bool is_no_part(const struct part *part, const struct http_response *response, bn_status status) {
    if (!status) return !part->over;
    return part->refused || response->failure == HTTP_BAD_ANSWER ||
           (response->failure == HTTP_BAD_STATUS && response->status == 416);
}

static bn_status go_on(struct item *item, bn_error *err) {
    bn_status status = move_on(item, err);
    if (status || item->at == item->file->size_bytes) return status;
    if (!item->in_one) return start_more(item, err);
    if (item->n_requests) return BN_OK; /* they end first */
    parts_drop(item);
    return item_request_rest(item, err);
}

static void part_done(void *context, const struct http_response *response, bn_status status, const bn_error *error) {
    struct part *part = context;
    struct item *item = part->item;
    bn_error own = {0};
    item->n_requests--;
    part->over = !status && part->at == part->end;
    if (item->run->status) { /* something else failed: this is one of those that are stopped */
        if (!item->n_requests) run_item_over(item);
        return;
    }
    item->in_one |= is_no_part(part, response, status);
    if (status && !is_no_part(part, response, status)) {
        item_settle(item, response, status, error);
        return;
    }
    if (part->over) choose_length(item, part);
    status = go_on(item, &own);
    if (status)
        item_fail(item, status, &own);
    else if (item->at == item->file->size_bytes && !item->n_requests) /* the last bytes may come before their end */
        item_settle(item, response, BN_OK, NULL);
}
