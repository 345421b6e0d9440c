/* Text to ids for callers: one text, or many over several threads. */
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "tokenizer/encode_work.h"

bn_status encode_options_read(const bn_tokenizer *tokenizer, const bn_encode_options *options, bool *add_special,
                              bool *parse_special, bn_error *err) {
    *add_special = true;
    *parse_special = tokenizer_parses_special(tokenizer);
    if (!options) return BN_OK;
    if (options->size < sizeof *options)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "bn_encode_options.size is %zu, expected %zu", options->size,
                    sizeof *options);
    *add_special = options->add_special;
    *parse_special = options->parse_special;
    return BN_OK;
}

/* The ids of one text with what the template puts around it, appended. */
static bn_status encode_one(const bn_tokenizer *tokenizer, struct encode_work *work, const char *text, size_t size,
                            bool add_special, bool parse_special, struct id_list *out, bn_error *err) {
    const struct postprocessor *post = &tokenizer->postprocessor;
    if (!text && size) return fail(err, BN_STATUS_BAD_ARGUMENT, "text is NULL and text_bytes %zu", size);
    if (!text) text = "";
    if (!id_list_reserve(out, size / 4 + 16)) return fail_no_memory(err, size);
    if (!post->has_template) return encode_ids(tokenizer, work, text, size, parse_special, out, err);
    bn_status status = BN_OK;
    for (size_t i = 0; i < post->single.n && !status; i++) {
        const struct template_item *item = &post->single.items[i];
        if (item->sequence == 0) status = encode_ids(tokenizer, work, text, size, parse_special, out, err);
        if (item->sequence >= 0 || !add_special) continue;
        int32_t *id = id_list_reserve(out, 1);
        if (!id) return fail_no_memory(err, sizeof *id);
        *id = item->id;
        out->n++;
    }
    return status;
}

bn_status tokenizer_encode_literal(const bn_tokenizer *tokenizer, const char *text, size_t text_bytes,
                                   const struct literal_places *literal, const bn_encode_options *options,
                                   int32_t **ids, size_t *n_ids, bn_error *err) {
    bool add_special, parse_special;
    bn_status status = encode_options_read(tokenizer, options, &add_special, &parse_special, err);
    if (status) return status;
    struct encode_work work = {.literal = literal};
    struct id_list list = {0};
    status = encode_one(tokenizer, &work, text, text_bytes, add_special, parse_special, &list, err);
    encode_work_release(&work);
    if (status) {
        id_list_release(&list);
        return status;
    }
    *ids = list.items;
    *n_ids = list.n;
    return BN_OK;
}

bn_status bn_tokenizer_encode(const bn_tokenizer *tokenizer, const char *text, size_t text_bytes,
                              const bn_encode_options *options, int32_t **ids, size_t *n_ids, bn_error *err) {
    return tokenizer_encode_literal(tokenizer, text, text_bytes, NULL, options, ids, n_ids, err);
}

/* ---- many texts ---- */

enum { CHUNK_BYTES = 1 << 16 }; /* of text that a thread takes at a time, or one longer text */

/* What one thread has encoded of the batch: chunks one after the other. */
struct batch_slot {
    struct encode_work work;
    struct id_list ids;
    bn_error error;
    size_t failed_text; /* SIZE_MAX: none; chunks are taken in order, so the slot's first failure is its lowest */
};

struct batch {
    const bn_tokenizer *tokenizer;
    const char *const *texts;
    const size_t *sizes;
    bool add_special, parse_special;
    size_t *chunks;            /* [n_chunks + 1], first text of each */
    struct batch_slot *slots;  /* [threads] */
    struct batch_place *place; /* [n_chunks] */
    size_t *counts;            /* [n_texts + 1], number of ids of each text */
    atomic_size_t failed;      /* the lowest chunk that has failed so far: those behind it needn't be begun */
};

/* Where the ids of a chunk are until they are brought together. */
struct batch_place {
    size_t slot, at;
};

static void note_failure(struct batch *batch, size_t chunk) {
    size_t lowest = atomic_load_explicit(&batch->failed, memory_order_relaxed);
    while (chunk < lowest && !atomic_compare_exchange_weak(&batch->failed, &lowest, chunk)) {}
}

static void encode_chunk(void *context, size_t chunk, size_t slot_index) {
    struct batch *batch = context;
    struct batch_slot *slot = &batch->slots[slot_index];
    if (chunk > atomic_load_explicit(&batch->failed, memory_order_relaxed)) return;
    batch->place[chunk] = (struct batch_place){slot_index, slot->ids.n};
    for (size_t i = batch->chunks[chunk]; i < batch->chunks[chunk + 1]; i++) {
        size_t before = slot->ids.n;
        if (encode_one(batch->tokenizer, &slot->work, batch->texts[i], batch->sizes[i], batch->add_special,
                       batch->parse_special, &slot->ids, &slot->error)) {
            slot->failed_text = i;
            note_failure(batch, chunk);
            return;
        }
        batch->counts[i] = slot->ids.n - before;
    }
}

static size_t cut_chunks(struct batch *batch, size_t n_texts) {
    size_t n = 0, bytes = 0;
    for (size_t i = 0; i < n_texts; i++) {
        if (i == 0 || bytes >= CHUNK_BYTES) batch->chunks[n++] = i, bytes = 0;
        bytes += batch->sizes[i] + 64; /* what an empty text costs, about */
    }
    batch->chunks[n] = n_texts;
    return n;
}

/* The ids of all chunks in order. */
static bn_status gather(const struct batch *batch, size_t n_chunks, size_t n_texts, bn_id_batch *out, bn_error *err) {
    size_t total = 0;
    for (size_t i = 0; i < n_texts; i++) { /* counts become beginnings */
        size_t count = batch->counts[i];
        batch->counts[i] = total;
        total += count;
    }
    batch->counts[n_texts] = total;
    int32_t *ids = mem_alloc_array(total, sizeof *ids);
    if (!ids) return fail_no_memory(err, total * sizeof *ids);
    for (size_t chunk = 0; chunk < n_chunks; chunk++) {
        size_t begin = batch->counts[batch->chunks[chunk]], end = batch->counts[batch->chunks[chunk + 1]];
        const struct batch_place *place = &batch->place[chunk];
        if (end > begin)
            memcpy(ids + begin, batch->slots[place->slot].ids.items + place->at, (end - begin) * sizeof *ids);
    }
    *out = (bn_id_batch){.ids = ids, .begins = batch->counts};
    return BN_OK;
}

/* The failure of the lowest text that failed. */
static bn_status first_failure(const struct batch *batch, size_t n_threads, bn_error *err) {
    const struct batch_slot *first = NULL;
    for (size_t i = 0; i < n_threads; i++) {
        const struct batch_slot *slot = &batch->slots[i];
        if (slot->failed_text != SIZE_MAX && (!first || slot->failed_text < first->failed_text)) first = slot;
    }
    if (!first) return BN_OK;
    return fail(err, first->error.status, "text %zu: %s", first->failed_text, first->error.message);
}

static bn_status encode_chunks(struct batch *batch, size_t n_texts, size_t n_threads, bn_id_batch *out, bn_error *err) {
    struct thread_pool *pool;
    bn_status status = thread_pool_acquire(n_threads, &pool, err);
    if (status) return status;
    size_t n_chunks = cut_chunks(batch, n_texts);
    thread_pool_run(pool, encode_chunk, batch, n_chunks);
    thread_pool_release(pool);
    status = first_failure(batch, n_threads, err);
    return status ? status : gather(batch, n_chunks, n_texts, out, err);
}

bn_status bn_tokenizer_encode_batch(const bn_tokenizer *tokenizer, const char *const *texts, const size_t *text_bytes,
                                    size_t n_texts, const bn_encode_options *options, size_t n_threads,
                                    bn_id_batch *out, bn_error *err) {
    struct batch batch = {.tokenizer = tokenizer, .texts = texts, .sizes = text_bytes, .failed = SIZE_MAX};
    bn_status status = encode_options_read(tokenizer, options, &batch.add_special, &batch.parse_special, err);
    if (status) return status;
    if (n_threads == 0) n_threads = cpu_count();
    n_threads = max_size(1, min_size(n_threads, n_texts));
    batch.slots = mem_calloc(n_threads, sizeof *batch.slots);
    batch.chunks = mem_alloc_array(n_texts + 1, sizeof *batch.chunks);
    batch.place = mem_alloc_array(n_texts + 1, sizeof *batch.place);
    batch.counts = mem_calloc(n_texts + 1, sizeof *batch.counts);
    if (!batch.slots || !batch.chunks || !batch.place || !batch.counts)
        status = fail_no_memory(err, n_texts * sizeof *batch.place);
    for (size_t i = 0; i < n_threads && batch.slots; i++) batch.slots[i].failed_text = SIZE_MAX;
    if (!status) status = encode_chunks(&batch, n_texts, n_threads, out, err);
    for (size_t i = 0; i < n_threads && batch.slots; i++) {
        encode_work_release(&batch.slots[i].work);
        id_list_release(&batch.slots[i].ids);
    }
    mem_free(batch.slots);
    mem_free(batch.chunks);
    mem_free(batch.place);
    if (status) mem_free(batch.counts); /* else they are out->begins */
    return status;
}

void bn_id_batch_release(bn_id_batch *batch) {
    if (!batch) return;
    mem_free(batch->ids);
    mem_free(batch->begins);
    *batch = (bn_id_batch){0};
}
