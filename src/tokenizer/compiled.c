/* What a compiled tokenizer consists of, member by member; image.h says how members are written and read.
 *
 * Ids, counts and kinds are checked here when they are read. The big tables aren't looked through, which would cost
 * more than opening may: lookups in them check what they find (token_map.h, merge_table.h, trie.h, vocabulary.h). Only
 * the automata of added tokens are checked as a whole, since following their links must come to an end. */
#include "tokenizer/compiled.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

enum { MAX_STEPS = 320, MAX_ITEMS = 1 << 20 };

static void enumeration(struct image *image, int *value, int n, const char *what) {
    uint8_t byte = (uint8_t)*value;
    image_byte(image, &byte, what);
    if (byte >= n) image_refuse(image, what);
    if (image->mode == IMAGE_READ) *value = byte < n ? byte : 0;
}
/* An enum has its own type: the value goes through an int. */
#define ENUMERATION(image, place, n, what)                                                                             \
    do {                                                                                                               \
        int value_ = (int)(place);                                                                                     \
        enumeration(image, &value_, n, what);                                                                          \
        if ((image)->mode == IMAGE_READ) (place) = (__typeof__(place))value_;                                          \
    } while (0)

static void no_memory(struct image *image, size_t size) {
    if (!image->status) image->status = fail_no_memory(image->err, size);
}

/* ---- tables ---- */

static void text_pool(struct image *image, struct text_pool *pool) {
    image_table(image, &pool->bytes, &pool->size, 1, "a pool of texts");
    pool->capacity = pool->size;
    if (image->mode == IMAGE_READ && pool->size && pool->bytes[pool->size - 1]) image_refuse(image, "a pool's end");
}

static bool is_power_of_two(size_t n) {
    return (n & (n - 1)) == 0;
}

static void token_map(struct image *image, struct token_map *map, size_t n_ids) {
    image_table(image, &map->slots, &map->capacity, sizeof *map->slots, "a map of tokens");
    if (image->mode == IMAGE_FORGET) return;
    image_size(image, &map->count, UINT32_MAX, "the number of tokens");
    image_u64(image, &map->seed, "a seed");
    image_size(image, &map->probes, map->capacity ? TOKEN_MAP_MAX_PROBES : 0, "the probes of a map");
    if (!is_power_of_two(map->capacity)) image_refuse(image, "a map's capacity");
    map->n_ids = n_ids;
}

static void merge_table(struct image *image, struct merge_table *table, size_t n_ids) {
    size_t n_filter = table->capacity;
    image_table(image, &table->slots, &table->capacity, sizeof *table->slots, "the table of merges");
    image_table(image, &table->filter, &n_filter, 1, "the filter of the merges");
    if (n_filter != table->capacity) image_refuse(image, "the filter of the merges");
    if (image->mode == IMAGE_FORGET) return;
    image_size(image, &table->count, UINT32_MAX, "the number of merges");
    image_u64(image, &table->seed, "a seed");
    image_size(image, &table->probes, table->capacity ? MERGE_TABLE_MAX_PROBES : 0, "the probes of the merges");
    if (!is_power_of_two(table->capacity)) image_refuse(image, "the capacity of the merges");
    table->n_ids = n_ids;
}

enum trie_use { TRIE_WALKED, TRIE_SEARCHED };

static void trie(struct image *image, struct trie *trie, size_t n_values, enum trie_use use) {
    size_t n_nodes = trie->n_nodes, n_labels = n_nodes, max_values = n_values, longest = trie->longest;
    image_table(image, &trie->nodes, &n_nodes, sizeof *trie->nodes, "the nodes of a trie");
    image_table(image, &trie->labels, &n_labels, 1, "the labels of a trie");
    trie->n_nodes = (uint32_t)n_nodes;
    if (image->mode == IMAGE_FORGET) return;
    n_values = trie->n_values;
    image_size(image, &n_values, max_values, "the values of a trie");
    image_size(image, &longest, use == TRIE_WALKED ? TRIE_DEEPEST_WALK : UINT32_MAX, "the depth of a trie");
    if (n_nodes) image_bytes(image, trie->root, sizeof trie->root, "the root of a trie");
    trie->n_values = (uint32_t)n_values;
    trie->longest = (uint32_t)longest;
    if (image->mode != IMAGE_READ || image->status) return;
    if (n_labels != n_nodes || !trie_check_root(trie) || (use == TRIE_SEARCHED && !trie_check_links(trie)))
        image_refuse(image, "a trie");
}

static void vocabulary_tables(struct image *image, struct vocabulary *vocabulary) {
    image_table(image, &vocabulary->records, &vocabulary->size, sizeof *vocabulary->records, "the vocabulary");
    if (vocabulary->size > INT32_MAX) image_refuse(image, "the size of the vocabulary");
    vocabulary->capacity = vocabulary->size;
    text_pool(image, &vocabulary->texts);
    token_map(image, &vocabulary->by_text, vocabulary->size);
    token_map(image, &vocabulary->added, vocabulary->size);
    image_table(image, &vocabulary->rewritten, &vocabulary->n_rewritten, sizeof *vocabulary->rewritten,
                "the rewritten tokens");
}

static void precompiled_tables(struct image *image, struct precompiled *map) {
    image_table(image, &map->units, &map->n_units, sizeof *map->units, "the character map");
    size_t n = map->units ? map->replacements_size + 1 : 0; /* with the NUL behind them */
    image_table(image, &map->replacements, &n, 1, "the replacements of the character map");
    if (image->mode != IMAGE_READ) return;
    if (map->units && (n == 0 || map->replacements[n - 1])) {
        image_refuse(image, "the replacements of the character map");
        return;
    }
    map->replacements_size = map->units ? n - 1 : 0;
    precompiled_find_plain(map);
}

/* All tables of the tokenizer. The number of ids, on which the limits depend, comes first. */
static void tables(struct image *image, bn_tokenizer *t) {
    vocabulary_tables(image, &t->vocabulary);
    size_t n_ids = t->vocabulary.size, n_scores = t->scores ? n_ids : 0, n_pieces = t->unigram.n_scores;
    merge_table(image, &t->bpe.merges, n_ids);
    text_pool(image, &t->bpe.bytes);
    token_map(image, &t->bpe.by_bytes, n_ids);
    image_table(image, &t->bpe.origins, &t->bpe.n_origins, sizeof *t->bpe.origins, "the origins of tokens");
    image_table(image, &t->scores, &n_scores, sizeof *t->scores, "the scores");
    if (n_scores && n_scores != n_ids) image_refuse(image, "the number of scores");
    image_table(image, &t->unigram.scores, &n_pieces, sizeof *t->unigram.scores, "the scores of the pieces");
    t->unigram.n_scores = n_pieces;
    if (n_pieces > n_ids) image_refuse(image, "the number of pieces");
    trie(image, &t->unigram.trie, n_pieces, TRIE_WALKED);
    trie(image, &t->wordpiece.first, n_ids, TRIE_WALKED);
    trie(image, &t->wordpiece.rest, n_ids, TRIE_WALKED);
    trie(image, &t->user_symbols, n_ids, TRIE_WALKED);
    trie(image, &t->added.raw, MAX_ITEMS, TRIE_SEARCHED);
    trie(image, &t->added.normalized, MAX_ITEMS, TRIE_SEARCHED);
    for (size_t i = 0; i < t->normalizer.n; i++) precompiled_tables(image, &t->normalizer.steps[i].precompiled);
}

/* ---- steps ---- */

static void regex(struct image *image, struct regex **place, const char *what) {
    bool there = *place != NULL;
    size_t size = 0;
    const char *pattern = there ? regex_source(*place, &size) : NULL;
    enum regex_syntax syntax = there ? regex_syntax(*place) : REGEX_RUBY;
    image_bool(image, &there, what);
    if (!there) return;
    image_text(image, &pattern, &size, what);
    ENUMERATION(image, syntax, REGEX_RUST + 1, what);
    if (image->mode == IMAGE_READ && !image->status)
        image->status = regex_compile(pattern, size, syntax, place, image->err);
}

static void normalizer_step(struct image *image, struct normalizer_step *step, const struct trie *user_symbols) {
    bool has_symbols = step->user_symbols != NULL;
    ENUMERATION(image, step->kind, NORMALIZE_SENTENCEPIECE + 1, "the kind of a normalizer");
    image_bool(image, &step->compatibility, "a normalizer");
    image_bool(image, &step->compose, "a normalizer");
    image_bool(image, &step->left, "a normalizer");
    image_bool(image, &step->right, "a normalizer");
    image_bool(image, &step->nonspacing_only, "a normalizer");
    image_text(image, &step->content, &step->content_size, "a normalizer's content");
    image_text(image, &step->pattern, &step->pattern_size, "a normalizer's pattern");
    regex(image, &step->regex, "a normalizer's expression");
    image_bool(image, &has_symbols, "a normalizer");
    image_bool(image, &step->add_dummy_prefix, "a normalizer");
    image_bool(image, &step->remove_extra_whitespaces, "a normalizer");
    image_bool(image, &step->whitespace_as_suffix, "a normalizer");
    if (image->mode == IMAGE_READ) step->user_symbols = has_symbols ? user_symbols : NULL;
}

static void normalizer(struct image *image, struct normalizer *normalizer, const struct trie *user_symbols) {
    size_t n = normalizer->n;
    image_size(image, &n, MAX_STEPS, "the number of normalizers");
    for (size_t i = 0; i < n && !image->status; i++) {
        bool reads = image->mode == IMAGE_READ;
        struct normalizer_step *step = reads ? normalizer_append(normalizer, NORMALIZE_FORM) : &normalizer->steps[i];
        if (step)
            normalizer_step(image, step, user_symbols);
        else
            no_memory(image, sizeof *step);
    }
}

/* The classes of characters that pre-tokenizers split at. */
static bool (*const classes[])(uint32_t) = {unicode_is_space, unicode_is_punctuation, unicode_is_numeric};
enum { N_CLASSES = sizeof classes / sizeof *classes };

static void character_class(struct image *image, struct pretokenizer_step *step) {
    int class = 0;
    while (class < N_CLASSES - 1 && classes[class] != step->in_class) class ++;
    enumeration(image, &class, N_CLASSES, "a class of characters");
    if (image->mode == IMAGE_READ) step->in_class = classes[class];
}

/* Scanners are kept as the expressions they stand for: another version may have scanners for others. The one for words
 * belongs to a step that isn't an expression. */
static const char words[] = "words";

static split_scanner find_scanner(const char *pattern) {
    return strcmp(pattern, words) == 0 ? split_scan_words : split_pattern_find(pattern, REGEX_RUBY);
}

static const char *scanner_pattern(split_scanner scan) {
    return scan == split_scan_words ? words : split_pattern_regex(scan);
}

static void split(struct image *image, struct pretokenizer_step *step) {
    const char *pattern = step->scan ? scanner_pattern(step->scan) : "";
    size_t size = strlen(pattern);
    image_text(image, &pattern, &size, "a split pattern");
    regex(image, &step->regex, "a split pattern");
    if (image->mode != IMAGE_READ || image->status || step->regex) return;
    if (step->kind != PRETOKENIZE_SCANNER && step->kind != PRETOKENIZE_REGEX) return;
    step->scan = find_scanner(pattern);
    step->matches = split_pattern_matches(step->scan);
    step->kind = step->scan ? PRETOKENIZE_SCANNER : PRETOKENIZE_REGEX;
    if (!step->scan) image->status = regex_compile(pattern, size, REGEX_RUBY, &step->regex, image->err);
}

static void pretokenizer_step(struct image *image, struct pretokenizer_step *step) {
    ENUMERATION(image, step->kind, PRETOKENIZE_BYTE_LEVEL + 1, "the kind of a pre-tokenizer");
    ENUMERATION(image, step->behavior, SPLIT_CONTIGUOUS + 1, "a split behavior");
    image_bool(image, &step->invert, "a pre-tokenizer");
    split(image, step);
    character_class(image, step);
    image_text(image, &step->literal, &step->literal_size, "a pre-tokenizer's text");
    image_size(image, &step->length, INT32_MAX, "a pre-tokenizer's length");
    ENUMERATION(image, step->prepend, METASPACE_NEVER + 1, "a prepend scheme");
    image_bool(image, &step->split, "a pre-tokenizer");
    image_bool(image, &step->add_prefix_space, "a pre-tokenizer");
    image_bool(image, &step->map_bytes, "a pre-tokenizer");
    if (image->mode != IMAGE_READ || image->status) return;
    if (step->kind == PRETOKENIZE_REGEX && !step->regex) image_refuse(image, "a split pattern");
    if (step->kind == PRETOKENIZE_FIXED && step->length == 0) image_refuse(image, "a pre-tokenizer's length");
}

static void pretokenizer(struct image *image, struct pretokenizer *pretokenizer) {
    size_t n = pretokenizer->n;
    image_size(image, &n, MAX_STEPS, "the number of pre-tokenizers");
    for (size_t i = 0; i < n && !image->status; i++) {
        bool reads = image->mode == IMAGE_READ;
        struct pretokenizer_step *step =
            reads ? pretokenizer_append(pretokenizer, PRETOKENIZE_SCANNER) : &pretokenizer->steps[i];
        if (step)
            pretokenizer_step(image, step);
        else
            no_memory(image, sizeof *step);
    }
}

static void decoder_step(struct image *image, struct decoder_step *step) {
    ENUMERATION(image, step->kind, DECODE_RAW_BYTES + 1, "the kind of a decoder");
    image_text(image, &step->pattern, &step->pattern_size, "a decoder's pattern");
    image_text(image, &step->content, &step->content_size, "a decoder's content");
    if (image->mode == IMAGE_READ && step->kind == DECODE_WORDPIECE && step->content_size == 0) step->content = NULL;
    regex(image, &step->regex, "a decoder's expression");
    image_bool(image, &step->cleanup, "a decoder");
    image_bool(image, &step->drop_first_space, "a decoder");
    image_bool(image, &step->drop_all_first_spaces, "a decoder");
    image_size(image, &step->start, INT32_MAX, "a decoder's start");
    image_size(image, &step->stop, INT32_MAX, "a decoder's stop");
    image_bool(image, &step->buffered, "a decoder");
}

static void decoder(struct image *image, struct decoder *decoder) {
    size_t n = decoder->n;
    image_size(image, &n, MAX_STEPS, "the number of decoders");
    if (n == 0) image_refuse(image, "the number of decoders");
    for (size_t i = 0; i < n && !image->status; i++) {
        bool reads = image->mode == IMAGE_READ;
        struct decoder_step *step = reads ? decoder_append(decoder, DECODE_BYTE_LEVEL) : &decoder->steps[i];
        if (step)
            decoder_step(image, step);
        else
            no_memory(image, sizeof *step);
    }
}

static void template(struct image *image, struct template *template, size_t n_ids) {
    size_t n = template->n;
    image_size(image, &n, MAX_ITEMS, "the size of a template");
    for (size_t i = 0; i < n && !image->status; i++) {
        struct template_item item = {0};
        if (image->mode == IMAGE_WRITE) item = template->items[i];
        int kind = item.sequence + 1;
        enumeration(image, &kind, 3, "a template's sequence");
        item.sequence = kind - 1;
        image_id(image, &item.id, n_ids, "a template's token");
        if (item.sequence < 0 && item.id < 0) image_refuse(image, "a template's token");
        image_byte(image, &item.type_id, "a template's type");
        if (image->mode == IMAGE_READ && !image->status) image->status = template_push(template, item, image->err);
    }
}

static void added_tokens(struct image *image, struct added_tokens *added, size_t n_ids) {
    size_t n = added->n;
    image_size(image, &n, MAX_ITEMS, "the number of added tokens");
    for (size_t i = 0; i < n && !image->status; i++) {
        struct added_token token = {0};
        if (image->mode == IMAGE_WRITE) token = added->items[i];
        image_text(image, &token.content, &token.size, "an added token");
        image_id(image, &token.id, n_ids, "an added token's id");
        if (token.id < 0) image_refuse(image, "an added token's id");
        image_bool(image, &token.special, "an added token");
        image_bool(image, &token.normalized, "an added token");
        image_bool(image, &token.single_word, "an added token");
        image_bool(image, &token.left_strip, "an added token");
        image_bool(image, &token.right_strip, "an added token");
        if (image->mode == IMAGE_READ && !image->status) image->status = added_tokens_push(added, &token, image->err);
    }
    if (added->raw.n_values > n || added->normalized.n_values > n) image_refuse(image, "the number of added tokens");
}

static void truncation_and_padding(struct image *image, struct truncation *truncation, struct padding *padding,
                                   size_t n_ids) {
    image_bool(image, &truncation->enabled, "the truncation");
    image_bool(image, &truncation->left, "the truncation");
    image_size(image, &truncation->max_length, SIZE_MAX / 4, "the truncation's length");
    image_size(image, &truncation->stride, SIZE_MAX / 4, "the truncation's stride");
    ENUMERATION(image, truncation->strategy, TRUNCATE_ONLY_SECOND + 1, "the truncation's strategy");
    image_bool(image, &padding->enabled, "the padding");
    image_bool(image, &padding->left, "the padding");
    image_size(image, &padding->fixed_length, LONGEST_PADDING, "the padding's length");
    image_size(image, &padding->multiple_of, LONGEST_PADDING, "the padding's multiple");
    image_id(image, &padding->id, max_size(n_ids, 1), "the padding's id");
    image_byte(image, &padding->type_id, "the padding's type");
}

/* ---- models ---- */

static void byte_ids(struct image *image, int32_t ids[256], size_t n_ids) {
    for (size_t byte = 0; byte < 256; byte++) image_id(image, &ids[byte], n_ids, "the id of a byte");
}

static void affix(struct image *image, const char **text, size_t *size) {
    image_text(image, text, size, "an affix");
    if (*size > BPE_AFFIX_MAX) image_refuse(image, "an affix");
    if (image->mode == IMAGE_READ && *size == 0) *text = NULL;
}

static void bpe(struct image *image, bn_tokenizer *t, size_t n_ids) {
    struct bpe *bpe = &t->bpe;
    bool has_symbols = bpe->user_symbols != NULL;
    ENUMERATION(image, bpe->ranking, BPE_SCORES + 1, "the ranking of merges");
    image_bool(image, &bpe->byte_level, "BPE");
    byte_ids(image, bpe->byte_ids, n_ids);
    image_size(image, &bpe->longest_token, UINT32_MAX, "the longest token");
    image_bytes(image, bpe->joins, sizeof bpe->joins, "the joins");
    ENUMERATION(image, bpe->space, BPE_SPACE_LETTER + 1, "BPE");
    image_bool(image, &bpe->spaces_lead, "BPE");
    image_bool(image, &has_symbols, "BPE");
    image_id(image, &bpe->unknown_id, n_ids, "the unknown token");
    image_bool(image, &bpe->fuse_unknown, "BPE");
    image_bool(image, &bpe->byte_fallback, "BPE");
    image_bool(image, &bpe->ignore_merges, "BPE");
    byte_ids(image, bpe->byte_fallback_ids, n_ids);
    affix(image, &bpe->prefix, &bpe->prefix_size);
    affix(image, &bpe->suffix, &bpe->suffix_size);
    bpe->user_symbols = has_symbols ? &t->user_symbols : NULL;
    bpe->scores = t->scores;
    if (bpe->ranking == BPE_MERGES && !bpe->merges.capacity) image_refuse(image, "the table of merges");
    if (bpe->ranking == BPE_SCORES && !bpe->scores) image_refuse(image, "the scores");
    if (image->mode == IMAGE_READ && !image->status) image->status = bpe_reopen(bpe, image->err);
}

static void unigram(struct image *image, struct unigram *unigram) {
    image_double(image, &unigram->unknown_score, "the unknown score");
    image_double(image, &unigram->highest_score, "the highest score");
    image_id(image, &unigram->unknown_id, unigram->n_scores, "the unknown token");
    image_bool(image, &unigram->byte_fallback, "unigram");
    image_bool(image, &unigram->single_precision, "unigram");
    byte_ids(image, unigram->byte_ids, unigram->n_scores);
}

static void wordpiece(struct image *image, struct wordpiece *wordpiece, size_t n_ids) {
    bool has_prefix = wordpiece->prefix != NULL;
    size_t prefix_size = has_prefix ? strlen(wordpiece->prefix) : 0;
    image_id(image, &wordpiece->unknown_id, n_ids, "the unknown token");
    image_size(image, &wordpiece->max_characters, INT32_MAX, "the longest word");
    image_bool(image, &has_prefix, "WordPiece");
    if (has_prefix) image_text(image, &wordpiece->prefix, &prefix_size, "WordPiece's prefix");
}

static void model(struct image *image, bn_tokenizer *t) {
    size_t n_ids = t->vocabulary.size;
    ENUMERATION(image, t->model, MODEL_BYTES + 1, "the kind of model");
    if (t->model == MODEL_BPE) bpe(image, t, n_ids);
    if (t->model == MODEL_UNIGRAM) unigram(image, &t->unigram);
    wordpiece(image, &t->wordpiece, n_ids);
    image_id(image, &t->first_byte_id, n_ids, "the first byte");
    if (t->model == MODEL_BYTES && (t->first_byte_id < 0 || (size_t)t->first_byte_id + 256 > n_ids))
        image_refuse(image, "the first byte");
}

/* ---- all together ---- */

static void chat_template(struct image *image, char **place) {
    bool there = *place != NULL;
    const char *text = *place;
    size_t size = there ? strlen(*place) : 0;
    image_bool(image, &there, "the chat template");
    if (!there) return;
    image_text(image, &text, &size, "the chat template");
    if (image->mode != IMAGE_READ || image->status) return;
    *place = mem_strndup(text, size);
    if (!*place) no_memory(image, size);
}

static void describe(struct image *image, bn_tokenizer *t) {
    normalizer(image, &t->normalizer, &t->user_symbols);
    tables(image, t);
    size_t n_ids = t->vocabulary.size;
    added_tokens(image, &t->added, n_ids);
    pretokenizer(image, &t->pretokenizer);
    model(image, t);
    image_bool(image, &t->postprocessor.trim_offsets, "the post-processor");
    image_bool(image, &t->postprocessor.add_prefix_space, "the post-processor");
    image_bool(image, &t->postprocessor.has_template, "the post-processor");
    image_bool(image, &t->postprocessor.types_overflow, "the post-processor");
    template(image, &t->postprocessor.single, n_ids);
    template(image, &t->postprocessor.pair, n_ids);
    decoder(image, &t->decoder);
    truncation_and_padding(image, &t->truncation, &t->padding, n_ids);
    image_bool(image, &t->keeps_invalid_bytes, "a flag");
    image_bool(image, &t->text_is_plain, "a flag");
    image_id(image, &t->bos, n_ids, "BOS");
    image_id(image, &t->eos, n_ids, "EOS");
    image_id(image, &t->pad, n_ids, "the padding token");
    chat_template(image, &t->chat_template);
}

bn_status tokenizer_compile(const bn_tokenizer *tokenizer, const struct image_origin *origin, struct buffer *out,
                            bn_error *err) {
    struct image image;
    bn_tokenizer members = *tokenizer; /* what writing sets of the tokenizer itself is set here */
    image_write_begin(&image, err);
    describe(&image, &members);
    return image_write_end(&image, origin, out);
}

bn_status tokenizer_from_image(const uint8_t *bytes, size_t size, bn_tokenizer **out, bn_error *err) {
    struct image image;
    bn_status status = image_read_begin(&image, bytes, size, err);
    if (status) return status;
    bn_tokenizer *tokenizer;
    status = tokenizer_create(0, &tokenizer, err);
    if (status) return status;
    vocabulary_release(&tokenizer->vocabulary); /* an empty one, whose place the image's takes */
    arena_init(&tokenizer->vocabulary.arena);
    tokenizer->has_image = true;
    describe(&image, tokenizer);
    status = image_read_end(&image);
    if (status)
        bn_tokenizer_close(tokenizer);
    else
        *out = tokenizer;
    return status;
}

bn_status tokenizer_from_mapped_image(struct mapped_file *file, bn_tokenizer **out, bn_error *err) {
    bn_status status = tokenizer_from_image(file->data, file->size, out, err);
    if (status) {
        error_prefix(err, "%s", file->path);
        mapped_file_close(file);
    } else {
        (*out)->file = *file;
    }
    return status;
}

void tokenizer_forget_image(bn_tokenizer *tokenizer) {
    struct image image = {.mode = IMAGE_FORGET};
    if (tokenizer->has_image) tables(&image, tokenizer);
}
