/* Settings of trainers: defaults, their JSON form, and the tokenizers to train when none is brought along. */
#include <string.h>
#include <strings.h>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/train.h"

static const char *const kind_names[] = {[TRAINER_BPE] = "bpe",
                                         [TRAINER_UNIGRAM] = "unigram",
                                         [TRAINER_WORDPIECE] = "wordpiece",
                                         [TRAINER_WORDLEVEL] = "wordlevel"};

bool trainer_kind_find(const char *name, enum trainer_kind *kind) {
    for (size_t i = 0; i < sizeof kind_names / sizeof kind_names[0]; i++) {
        if (strcasecmp(name, kind_names[i]) != 0) continue;
        *kind = (enum trainer_kind)i;
        return true;
    }
    return false;
}

void trainer_settings_init(struct trainer_settings *settings, enum trainer_kind kind) {
    *settings = (struct trainer_settings){
        .kind = kind,
        .vocab_size = kind == TRAINER_UNIGRAM ? 8000 : 30000,
        .limit_alphabet = SIZE_MAX,
        .max_token_length = SIZE_MAX,
        .shrinking_factor = 0.75,
        .n_sub_iterations = 2,
        .max_piece_length = 16,
        .seed_size = 1000000,
        .continuing_subword_prefix = kind == TRAINER_WORDPIECE ? "##" : NULL,
        .show_progress = true,
    };
}

void trainer_settings_release(struct trainer_settings *settings) {
    arena_release(&settings->strings);
}

/* ---- from JSON ---- */

static bn_status copy_string(struct trainer_settings *settings, const char *key, const json_t *value, const char **out,
                             bn_error *err) {
    const char *text = json_string_value(value);
    if (!text || strlen(text) != json_string_length(value))
        return fail(err, BN_STATUS_BAD_FILE, "'%s' must be text", key);
    *out = arena_strndup(&settings->strings, text, strlen(text));
    return *out ? BN_OK : fail_no_memory(err, strlen(text));
}

/* "" is none, as trainers' files write it at times. */
static bn_status read_text(struct trainer_settings *settings, const json_t *object, const char *key, const char **out,
                           bn_error *err) {
    const json_t *value = json_object_get(object, key);
    if (!value) return BN_OK;
    *out = NULL;
    if (json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0)) return BN_OK;
    return copy_string(settings, key, value, out, err);
}

static bn_status read_list(struct trainer_settings *settings, const json_t *object, const char *key,
                           struct string_list *list, bn_error *err) {
    const json_t *array = json_object_get(object, key);
    if (!array || json_is_null(array)) return BN_OK;
    if (!json_is_array(array)) return fail(err, BN_STATUS_BAD_FILE, "'%s' must be an array of texts", key);
    list->n = 0;
    list->items = arena_alloc_array(&settings->strings, json_array_size(array), sizeof *list->items);
    if (!list->items) return fail_no_memory(err, json_array_size(array) * sizeof *list->items);
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) {
        const json_t *text = json_is_object(item) ? json_object_get(item, "content") : item;
        bn_status status = copy_string(settings, key, text, &list->items[i], err);
        if (status) return status;
        list->n++;
    }
    return BN_OK;
}

static bn_status check_names(const json_t *object, bn_error *err) {
    static const char *const names[] = {"vocab_size",         "min_frequency",    "special_tokens",
                                        "limit_alphabet",     "initial_alphabet", "continuing_subword_prefix",
                                        "end_of_word_suffix", "max_token_length", "unk_token",
                                        "shrinking_factor",   "n_sub_iterations", "max_piece_length",
                                        "seed_size",          "show_progress"};
    const char *key;
    json_t *value;
    if (!json_is_object(object)) return fail(err, BN_STATUS_BAD_FILE, "trainer settings must be an object");
    json_object_foreach((json_t *)object, key, value) {
        bool known = false;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) known |= strcmp(key, names[i]) == 0;
        if (!known) return fail(err, BN_STATUS_BAD_FILE, "'%s' isn't a setting of a trainer", key);
    }
    return BN_OK;
}

bn_status trainer_settings_read(struct trainer_settings *settings, const json_t *object, bn_error *err) {
    struct trainer_settings *s = settings;
    bn_status status = check_names(object, err);
    if (!status) status = json_get_size(object, "vocab_size", 0, INT32_MAX, &s->vocab_size, err);
    if (!status) status = json_get_size(object, "min_frequency", 0, INT64_MAX, &s->min_frequency, err);
    if (!status) status = read_list(s, object, "special_tokens", &s->special_tokens, err);
    if (!status) status = json_get_size(object, "limit_alphabet", 0, INT64_MAX, &s->limit_alphabet, err);
    if (!status) status = read_list(s, object, "initial_alphabet", &s->initial_alphabet, err);
    if (!status) status = read_text(s, object, "continuing_subword_prefix", &s->continuing_subword_prefix, err);
    if (!status) status = read_text(s, object, "end_of_word_suffix", &s->end_of_word_suffix, err);
    if (!status) status = json_get_size(object, "max_token_length", 0, INT64_MAX, &s->max_token_length, err);
    if (!status) status = read_text(s, object, "unk_token", &s->unk_token, err);
    if (!status) status = json_get_number(object, "shrinking_factor", &s->shrinking_factor, err);
    if (!status) status = json_get_size(object, "n_sub_iterations", 1, 1000, &s->n_sub_iterations, err);
    if (!status) status = json_get_size(object, "max_piece_length", 1, 1000, &s->max_piece_length, err);
    if (!status) status = json_get_size(object, "seed_size", 1, INT32_MAX, &s->seed_size, err);
    if (!status) status = json_get_bool(object, "show_progress", &s->show_progress, err);
    return status;
}

/* ---- ready-made tokenizers ---- */

static const char *const ready_made[] = {
    [TRAINER_BPE] =
        "{'version':'1.0','truncation':null,'padding':null,'added_tokens':[],'normalizer':null,"
        "'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true,'use_regex':true},"
        "'post_processor':{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':false,'use_regex':true},"
        "'decoder':{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true},"
        "'model':{'type':'BPE','dropout':null,'unk_token':null,'continuing_subword_prefix':null,'end_of_word_suffix':"
        "null,"
        "'fuse_unk':false,'byte_fallback':false,'ignore_merges':false,'vocab':{},'merges':[]}}",
    [TRAINER_UNIGRAM] =
        "{'version':'1.0','truncation':null,'padding':null,'added_tokens':[],'normalizer':null,"
        "'pre_tokenizer':{'type':'Metaspace','replacement':'\xe2\x96\x81','prepend_scheme':'always','split':true},"
        "'post_processor':null,"
        "'decoder':{'type':'Metaspace','replacement':'\xe2\x96\x81','prepend_scheme':'always','split':true},"
        "'model':{'type':'Unigram','unk_id':null,'vocab':[],'byte_fallback':false}}",
    [TRAINER_WORDPIECE] =
        "{'version':'1.0','truncation':null,'padding':null,'added_tokens':[],"
        "'normalizer':{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,"
        "'lowercase':true},"
        "'pre_tokenizer':{'type':'BertPreTokenizer'},'post_processor':null,"
        "'decoder':{'type':'WordPiece','prefix':'##','cleanup':true},"
        "'model':{'type':'WordPiece','unk_token':'[UNK]','continuing_subword_prefix':'##','max_input_chars_per_word':"
        "100,"
        "'vocab':{}}}",
    [TRAINER_WORDLEVEL] = "{'version':'1.0','truncation':null,'padding':null,'added_tokens':[],'normalizer':null,"
                          "'pre_tokenizer':{'type':'Whitespace'},'post_processor':null,'decoder':null,"
                          "'model':{'type':'WordLevel','vocab':{},'unk_token':'[UNK]'}}",
};

static bn_status parse_ready_made(enum trainer_kind kind, json_t **out, bn_error *err) {
    char text[1024]; /* JSON's quotes put in */
    size_t n = strlen(ready_made[kind]);
    if (n >= sizeof text) return fail(err, BN_STATUS_INTERNAL, "the ready-made tokenizer is too long");
    for (size_t i = 0; i < n; i++) text[i] = ready_made[kind][i] == '\'' ? '"' : ready_made[kind][i];
    return json_parse(text, n, "ready-made tokenizer", out, err);
}

/* Byte-level vocabularies have every byte, whatever the corpus has. */
static bn_status use_byte_alphabet(struct trainer_settings *settings, bn_error *err) {
    struct string_list *list = &settings->initial_alphabet;
    list->n = 0;
    list->items = arena_alloc_array(&settings->strings, 256, sizeof *list->items);
    if (!list->items) return fail_no_memory(err, 256 * sizeof *list->items);
    for (; list->n < 256; list->n++) {
        char character[4];
        size_t size = byte_alphabet_put((uint8_t)list->n, character);
        list->items[list->n] = arena_strndup(&settings->strings, character, size);
        if (!list->items[list->n]) return fail_no_memory(err, size);
    }
    return BN_OK;
}

/* A vocabulary of words says nothing of unknown ones without their token. */
static bn_status add_unknown(struct trainer_settings *settings, const char *unknown, bn_error *err) {
    struct string_list *list = &settings->special_tokens;
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], unknown) == 0) return BN_OK;
    const char **items = arena_alloc_array(&settings->strings, list->n + 1, sizeof *items);
    if (!items) return fail_no_memory(err, (list->n + 1) * sizeof *items);
    for (size_t i = 0; i < list->n; i++) items[i] = list->items[i];
    items[list->n] = unknown;
    *list = (struct string_list){items, list->n + 1};
    return BN_OK;
}

bn_status trainer_ready_made(struct trainer_settings *settings, json_t **untrained, bn_error *err) {
    static const char *bert_tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    static const char *unk_only[] = {"<unk>"};
    bn_status status = BN_OK;
    switch (settings->kind) {
    case TRAINER_BPE:
        if (settings->initial_alphabet.n == 0) status = use_byte_alphabet(settings, err);
        break;
    case TRAINER_UNIGRAM:
        if (!settings->unk_token) settings->unk_token = "<unk>";
        if (settings->special_tokens.n == 0) settings->special_tokens = (struct string_list){unk_only, 1};
        break;
    case TRAINER_WORDPIECE:
        if (settings->special_tokens.n == 0) settings->special_tokens = (struct string_list){bert_tokens, 5};
        status = add_unknown(settings, "[UNK]", err);
        break;
    case TRAINER_WORDLEVEL:
        status = add_unknown(settings, "[UNK]", err);
        break;
    }
    return status ? status : parse_ready_made(settings->kind, untrained, err);
}
