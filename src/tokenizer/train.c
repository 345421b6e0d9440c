/* A training from end to end: the tokenizer's pipeline cuts the corpus into words, an algorithm makes a vocabulary of them,
 * and the untrained tokenizer.json gets it as its model. */
#include "tokenizer/train.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/train_bpe.h"
#include "tokenizer/train_unigram.h"
#include "tokenizer/train_wordlevel.h"

struct trainer {
    const json_t *untrained;
    const struct trainer_settings *settings;
    bn_tokenizer *pipeline;
    struct thread_pool *pool;
    struct word_counter *counter;
};

static const char *const model_types[] = {[TRAINER_BPE] = "BPE",
                                          [TRAINER_UNIGRAM] = "Unigram",
                                          [TRAINER_WORDPIECE] = "WordPiece",
                                          [TRAINER_WORDLEVEL] = "WordLevel"};

/* ---- setting up ---- */

static bn_status check_model_type(const json_t *untrained, enum trainer_kind kind, bn_error *err) {
    const json_t *model = json_object_get(untrained, "model");
    const char *type = json_string_value(json_object_get(model, "type"));
    if (!json_is_object(model)) return fail(err, BN_STATUS_BAD_FILE, "no 'model': this isn't a tokenizer.json");
    if (!type || strcmp(type, model_types[kind]) != 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the untrained tokenizer's model is '%s', the trainer makes '%s'",
                    type ? type : "", model_types[kind]);
    return BN_OK;
}

static bn_status check_settings(const struct trainer_settings *s, bn_error *err) {
    if (s->vocab_size > INT32_MAX)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "vocab_size is %zu, at most %d is possible", s->vocab_size, INT32_MAX);
    if (s->kind == TRAINER_UNIGRAM && !(s->shrinking_factor > 0 && s->shrinking_factor < 1))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "shrinking_factor is %g, expected a number between 0 and 1",
                    s->shrinking_factor);
    return BN_OK;
}

/* What cuts texts into words, as a tokenizer with an empty model. A BPE model lets byte-level pipelines count bytes. */
static bn_status open_pipeline(const json_t *untrained, bn_tokenizer **out, bn_error *err) {
    json_t *root = json_pack("{s:O?, s:O?, s:{s:s, s:{}, s:[]}}", "normalizer",
                             json_object_get(untrained, "normalizer"), "pre_tokenizer",
                             json_object_get(untrained, "pre_tokenizer"), "model", "type", "BPE", "vocab", "merges");
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    bn_status status = text ? tokenizer_from_json(text, strlen(text), "untrained tokenizer", out, err)
                            : fail_no_memory(err, sizeof *root);
    free(text); /* jansson's */
    json_decref(root);
    return status;
}

bn_status trainer_create(const json_t *untrained, const struct trainer_settings *settings, struct trainer **out,
                         bn_error *err) {
    bn_status status = check_model_type(untrained, settings->kind, err);
    if (!status) status = check_settings(settings, err);
    if (status) return status;
    struct trainer *trainer = mem_calloc(1, sizeof *trainer);
    if (!trainer) return fail_no_memory(err, sizeof *trainer);
    trainer->untrained = untrained;
    trainer->settings = settings;
    status = open_pipeline(untrained, &trainer->pipeline, err);
    if (!status)
        status = thread_pool_acquire(settings->n_threads ? settings->n_threads : cpu_count(), &trainer->pool, err);
    if (!status) status = word_counter_create(trainer->pipeline, settings, trainer->pool, &trainer->counter, err);
    if (status)
        trainer_destroy(trainer);
    else
        *out = trainer;
    return status;
}

void trainer_destroy(struct trainer *trainer) {
    if (!trainer) return;
    word_counter_destroy(trainer->counter);
    if (trainer->pool) thread_pool_release(trainer->pool);
    bn_tokenizer_close(trainer->pipeline);
    mem_free(trainer);
}

bn_status trainer_add_stream(struct trainer *trainer, FILE *stream, const char *name, size_t size_bytes,
                             bn_error *err) {
    return word_counter_add(trainer->counter, stream, name, size_bytes, err);
}

/* ---- vocabularies as JSON: NULL or false when memory is out ---- */

static json_t *vocab_object(const struct token_table *tokens) {
    json_t *vocab = json_object();
    for (size_t i = 0; i < tokens->n && vocab; i++) {
        const struct token_text *token = &tokens->items[i];
        if (json_object_setn_new_nocheck(vocab, token->text, token->size, json_integer((json_int_t)i)) == 0) continue;
        json_decref(vocab);
        vocab = NULL;
    }
    return vocab;
}

static json_t *token_string(const struct token_table *tokens, int32_t id) {
    return json_stringn_nocheck(tokens->items[id].text, tokens->items[id].size);
}

static json_t *merges_array(const struct token_table *tokens, const struct trained_merges *merges) {
    json_t *array = json_array();
    for (size_t i = 0; i < merges->n && array; i++) {
        json_t *merge = json_pack("[o, o]", token_string(tokens, merges->items[i].left),
                                  token_string(tokens, merges->items[i].right));
        if (json_array_append_new(array, merge) == 0) continue;
        json_decref(array);
        array = NULL;
    }
    return array;
}

static json_t *scored_array(const struct token_table *tokens, const double *scores) {
    json_t *array = json_array();
    for (size_t i = 0; i < tokens->n && array; i++) {
        json_t *entry = json_pack("[o, f]", token_string(tokens, (int32_t)i), scores[i]);
        if (json_array_append_new(array, entry) == 0) continue;
        json_decref(array);
        array = NULL;
    }
    return array;
}

static bool set_text(json_t *model, const char *key, const char *text) {
    return json_object_set_new(model, key, text ? json_string(text) : json_null()) == 0;
}

/* ---- training a model ---- */

static bn_status make_bpe(const struct trainer *trainer, const struct word_list *words, json_t *model, bn_error *err) {
    const struct trainer_settings *settings = trainer->settings;
    struct token_table tokens;
    struct trained_merges merges = {0};
    bn_status status = token_table_init(&tokens, err);
    if (!status) status = train_bpe(words, settings, &tokens, &merges, err);
    if (!status) {
        bool complete = set_text(model, "continuing_subword_prefix", settings->continuing_subword_prefix);
        if (settings->kind == TRAINER_BPE)
            complete = complete && set_text(model, "end_of_word_suffix", settings->end_of_word_suffix);
        complete = complete && json_object_set_new(model, "vocab", vocab_object(&tokens)) == 0;
        if (settings->kind == TRAINER_BPE)
            complete = complete && json_object_set_new(model, "merges", merges_array(&tokens, &merges)) == 0;
        if (!complete) status = fail_no_memory(err, tokens.n);
    }
    mem_free(merges.items);
    token_table_release(&tokens);
    return status;
}

static bn_status make_unigram(const struct trainer *trainer, const struct word_list *words, json_t *model,
                              bn_error *err) {
    struct token_table tokens;
    double *scores = NULL;
    size_t unk_id = SIZE_MAX;
    bn_status status = token_table_init(&tokens, err);
    if (!status) status = train_unigram(words, trainer->settings, trainer->pool, &tokens, &scores, &unk_id, err);
    if (!status) {
        json_t *unknown = unk_id == SIZE_MAX ? json_null() : json_integer((json_int_t)unk_id);
        bool complete = json_object_set_new(model, "unk_id", unknown) == 0;
        complete = complete && json_object_set_new(model, "vocab", scored_array(&tokens, scores)) == 0;
        if (!complete) status = fail_no_memory(err, tokens.n);
    }
    mem_free(scores);
    token_table_release(&tokens);
    return status;
}

static bn_status make_wordlevel(const struct trainer *trainer, const struct word_list *words, json_t *model,
                                bn_error *err) {
    json_t *vocab;
    bn_status status = train_wordlevel(words, trainer->settings, &vocab, err);
    if (!status && json_object_set_new(model, "vocab", vocab) != 0) status = fail_no_memory(err, words->n);
    return status;
}

static bn_status make_model(const struct trainer *trainer, const struct word_list *words, json_t *model,
                            bn_error *err) {
    switch (trainer->settings->kind) {
    case TRAINER_BPE:
    case TRAINER_WORDPIECE:
        return make_bpe(trainer, words, model, err);
    case TRAINER_UNIGRAM:
        return make_unigram(trainer, words, model, err);
    case TRAINER_WORDLEVEL:
        return make_wordlevel(trainer, words, model, err);
    }
    return fail(err, BN_STATUS_INTERNAL, "no such kind of trainer");
}

/* ---- added tokens ---- */

static json_int_t token_id(const json_t *vocab, const char *text) {
    if (json_is_object(vocab)) {
        const json_t *id = json_object_get(vocab, text);
        return id ? json_integer_value(id) : -1;
    }
    for (size_t i = 0; i < json_array_size(vocab); i++)
        if (strcmp(json_string_value(json_array_get(json_array_get(vocab, i), 0)), text) == 0) return (json_int_t)i;
    return -1;
}

static json_int_t vocab_end(const json_t *vocab) {
    json_int_t end = (json_int_t)json_array_size(vocab);
    const char *text;
    json_t *id;
    json_object_foreach((json_t *)vocab, text, id) if (json_integer_value(id) >= end) end = json_integer_value(id) + 1;
    return end;
}

/* Puts an entry where its id belongs, unless its content is there already. Takes the entry. */
static bool insert_added_token(json_t *added, json_t *entry, const json_t *vocab, json_int_t *end) {
    const char *content = json_string_value(json_object_get(entry, "content"));
    size_t at = json_array_size(added);
    bool known = false;
    for (size_t i = 0; i < json_array_size(added) && content; i++)
        known |= strcmp(json_string_value(json_object_get(json_array_get(added, i), "content")), content) == 0;
    if (!content || known) {
        json_decref(entry);
        return content != NULL;
    }
    json_int_t id = token_id(vocab, content);
    if (id < 0) id = (*end)++;
    while (at > 0 && json_integer_value(json_object_get(json_array_get(added, at - 1), "id")) > id) at--;
    if (json_object_set_new(entry, "id", json_integer(id)) == 0) return json_array_insert_new(added, at, entry) == 0;
    json_decref(entry);
    return false;
}

/* Those the untrained tokenizer had, with the ids of now, and the trainer's special tokens. */
static json_t *added_tokens(const json_t *before, const struct trainer_settings *settings, const json_t *vocab) {
    json_t *added = json_array();
    json_int_t end = vocab_end(vocab);
    bool complete = added != NULL;
    for (size_t i = 0; i < json_array_size(before) && complete; i++)
        complete = insert_added_token(added, json_copy(json_array_get(before, i)), vocab, &end);
    for (size_t i = 0; i < settings->special_tokens.n && complete; i++) {
        const char *text = settings->special_tokens.items[i];
        if (!*text) continue;
        json_t *entry = json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", 0, "content", text, "single_word", 0,
                                  "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
        complete = insert_added_token(added, entry, vocab, &end);
    }
    if (complete) return added;
    json_decref(added);
    return NULL;
}

static bn_status check_added_tokens(const json_t *added, bn_error *err) {
    for (size_t i = 0; i < json_array_size(added); i++)
        if (!json_is_string(json_object_get(json_array_get(added, i), "content")))
            return fail(err, BN_STATUS_BAD_FILE, "added token %zu of the untrained tokenizer has no 'content'", i);
    return BN_OK;
}

bn_status trainer_train(struct trainer *trainer, json_t **trained, bn_error *err) {
    const json_t *before = json_object_get(trainer->untrained, "added_tokens");
    struct word_list words = {0};
    bn_status status = check_added_tokens(before, err);
    if (!status) status = word_counter_finish(trainer->counter, &words, err);
    json_t *root = status ? NULL : json_copy((json_t *)trainer->untrained);
    json_t *model = root ? json_copy(json_object_get(root, "model")) : NULL;
    if (!status && json_object_set(root, "model", model) != 0) status = fail_no_memory(err, sizeof *root);
    if (!status) status = make_model(trainer, &words, model, err);
    word_list_release(&words);
    if (!status && json_object_set_new(root, "added_tokens",
                                       added_tokens(before, trainer->settings, json_object_get(model, "vocab"))) != 0)
        status = fail_no_memory(err, sizeof *root);
    json_decref(model);
    if (status)
        json_decref(root);
    else
        *trained = root;
    return status;
}
