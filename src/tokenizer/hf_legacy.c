/* Tokenizers from before tokenizer.json: GPT-2's vocab.json and merges.txt and BERT's vocab.txt, which are rewritten as a
 * tokenizer.json and read as that, and ByT5, which is code in transformers and only has its added tokens in files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/hf_config.h"
#include "tokenizer/sentencepiece.h"

/* ---- vocab.json and merges.txt ---- */

/* A line a merge; the first may be "#version: …". */
static json_t *merge_lines(const char *text, size_t size) {
    json_t *merges = json_array();
    for (const char *line = text, *end = text + size; merges && line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);
        if (n > 0 && line[n - 1] == '\r') n--;
        bool comment = line == text && n >= 8 && memcmp(line, "#version", 8) == 0;
        if (n > 0 && !comment && json_array_append_new(merges, json_stringn(line, n)) != 0) {
            json_decref(merges);
            return NULL;
        }
        line = newline ? newline + 1 : end;
    }
    return merges;
}

static bn_status read_merges(const char *folder, json_t **merges, bn_error *err) {
    char *path = path_join(folder, "merges.txt"), *text;
    size_t size;
    if (!path) return fail_no_memory(err, strlen(folder));
    bn_status status = file_read_all(path, HF_MAX_FILE, &text, &size, err);
    mem_free(path);
    if (status) return status;
    *merges = merge_lines(text, size);
    mem_free(text);
    return *merges ? BN_OK : fail(err, BN_STATUS_BAD_FILE, "merges.txt isn't UTF-8");
}

/* What the classes of transformers call their tokens where no file says it; in the order of hf_roles. */
static const char *const gpt2_tokens[HF_N_ROLES] = {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>"};
static const char *const qwen2_tokens[HF_N_ROLES] = {NULL, "<|endoftext|>", "<|endoftext|>", NULL, "<|endoftext|>"};
static const char *const roberta_tokens[HF_N_ROLES] = {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"};
static const char *const bert_tokens[HF_N_ROLES] = {NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
enum { ROLE_BOS = 0, ROLE_EOS = 1, ROLE_UNK = 2, ROLE_SEP = 3, ROLE_PAD = 4, ROLE_CLS = 5 };

static const char *token_of_role(const json_t *config, size_t role, const char *const usual[HF_N_ROLES]) {
    const char *text = hf_token_text(config, hf_roles[role]);
    return text ? text : usual[role];
}

static json_t *named_token(const json_t *vocab, const char *text) {
    json_t *id = text ? json_object_get(vocab, text) : NULL;
    return id ? json_pack("[s, O]", text, id) : NULL;
}

/* Special tokens as far as the vocabulary has them: those of the class, then those that tokenizer_config.json names, since
 * of one text the last entry counts. */
static json_t *special_tokens(const json_t *vocab, const json_t *config, const char *const usual[HF_N_ROLES]) {
    json_t *tokens = json_array();
    for (size_t i = 0; tokens && i < 2 * HF_N_ROLES; i++) {
        const char *key = hf_roles[i % HF_N_ROLES], *configured = hf_token_text(config, key);
        if ((i >= HF_N_ROLES) != (configured != NULL)) continue;
        const char *text = configured ? configured : usual[i % HF_N_ROLES];
        const json_t *value = json_object_get(config, key);
        json_t *id = text ? json_object_get(vocab, text) : NULL;
        if (!id) continue;
        json_t *entry = json_pack("{s:s, s:O, s:b, s:b, s:b, s:b}", "content", text, "id", id, "special", 1,
                                  "normalized", 0, "lstrip", json_is_true(json_object_get(value, "lstrip")), "rstrip",
                                  json_is_true(json_object_get(value, "rstrip")));
        if (!entry || json_array_append_new(tokens, entry) != 0) {
            json_decref(tokens);
            return NULL;
        }
    }
    return tokens;
}

/* Reads a tree as the tokenizer.json that it is. root may be NULL: there was no memory for it. */
static bn_status read_root(const json_t *root, const char *name, bn_tokenizer **out, bn_error *err) {
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    bn_status status = text ? tokenizer_from_json(text, strlen(text), name, out, err) : fail_no_memory(err, 0);
    free(text); /* jansson allocated it */
    return status;
}

/* How a class of transformers that has its vocabulary in these two files cuts texts, and what it puts around them. */
enum vocab_kind { VOCAB_GPT2, VOCAB_ROBERTA, VOCAB_QWEN2 };
static const struct vocab_class {
    const char *name; /* without the "Fast" behind it that there may be */
    enum vocab_kind kind;
} vocab_classes[] = {
    {"GPT2Tokenizer", VOCAB_GPT2},          {"CodeGenTokenizer", VOCAB_GPT2},    {"PreTrainedTokenizer", VOCAB_GPT2},
    {"TokenizersBackend", VOCAB_GPT2},      {"RobertaTokenizer", VOCAB_ROBERTA}, {"BartTokenizer", VOCAB_ROBERTA},
    {"LongformerTokenizer", VOCAB_ROBERTA}, {"LEDTokenizer", VOCAB_ROBERTA},     {"Qwen2Tokenizer", VOCAB_QWEN2},
};
static const char qwen2_pattern[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
    "\\s+(?!\\S)|\\s+";

static bn_status vocab_kind_of(const json_t *config, const char *name, enum vocab_kind *kind, bn_error *err) {
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    *kind = VOCAB_GPT2;
    if (!class) return BN_OK;
    size_t n = strlen(class);
    if (n > 4 && strcmp(class + n - 4, "Fast") == 0) n -= 4;
    for (size_t i = 0; i < sizeof vocab_classes / sizeof *vocab_classes; i++) {
        if (strncmp(vocab_classes[i].name, class, n) != 0 || vocab_classes[i].name[n]) continue;
        *kind = vocab_classes[i].kind;
        return BN_OK;
    }
    return fail(err, BN_STATUS_UNSUPPORTED,
                "%s: a vocab.json of a %.60s (tokenizer_config.json) can't be read: only those of GPT-2, RoBERTa, BART "
                "and Qwen 2 can, others need their tokenizer.json",
                name, class);
}

/* The steps before and behind the model, into root. */
static bool add_vocab_steps(json_t *root, enum vocab_kind kind, const json_t *config, const json_t *vocab) {
    const bool prefix = json_is_true(json_object_get(config, "add_prefix_space")), qwen2 = kind == VOCAB_QWEN2;
    json_t *bytes = json_pack("{s:s, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", prefix, "use_regex", !qwen2);
    json_t *split = qwen2 ? json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", qwen2_pattern,
                                      "behavior", "Isolated", "invert", 0)
                          : NULL;
    json_t *normalizer = qwen2 ? json_pack("{s:s}", "type", "NFC") : NULL;
    json_t *steps = qwen2 ? json_pack("{s:s, s:[o, o]}", "type", "Sequence", "pretokenizers", split, bytes) : bytes;
    json_t *around = NULL;
    if (kind == VOCAB_ROBERTA) {
        json_t *sep = named_token(vocab, token_of_role(config, ROLE_SEP, roberta_tokens));
        json_t *cls = named_token(vocab, token_of_role(config, ROLE_CLS, roberta_tokens));
        around =
            json_pack("{s:s, s:o, s:o, s:b, s:b}", "type", "RobertaProcessing", "sep", sep, "cls", cls, "trim_offsets",
                      !json_is_false(json_object_get(config, "trim_offsets")), "add_prefix_space", prefix);
    }
    int failed = json_object_set_new(root, "pre_tokenizer", steps);
    if (qwen2) failed |= json_object_set_new(root, "normalizer", normalizer);
    if (kind == VOCAB_ROBERTA) failed |= json_object_set_new(root, "post_processor", around);
    return !failed;
}

static bn_status from_bpe(const json_t *vocab, const json_t *merges, const json_t *config, const char *name,
                          bn_tokenizer **out, bn_error *err) {
    enum vocab_kind kind;
    bn_status status = vocab_kind_of(config, name, &kind, err);
    if (status) return status;
    const char *const *usual = kind == VOCAB_ROBERTA ? roberta_tokens
                               : kind == VOCAB_QWEN2 ? qwen2_tokens
                                                     : gpt2_tokens;
    for (size_t role = ROLE_SEP; kind == VOCAB_ROBERTA && role <= ROLE_CLS; role += ROLE_CLS - ROLE_SEP)
        if (!json_object_get(vocab, token_of_role(config, role, usual)))
            return fail(err, BN_STATUS_BAD_FILE, "%s: the vocabulary lacks '%.60s', which goes around every text", name,
                        token_of_role(config, role, usual));
    json_t *root =
        json_pack("{s:{s:s, s:O, s:O}, s:o, s:{s:s}}", "model", "type", "BPE", "vocab", vocab, "merges", merges,
                  "added_tokens", special_tokens(vocab, config, usual), "decoder", "type", "ByteLevel");
    if (root && !add_vocab_steps(root, kind, config, vocab)) {
        json_decref(root);
        root = NULL;
    }
    status = read_root(root, name, out, err);
    json_decref(root);
    if (status) return status;
    int32_t *const ids[] = {[ROLE_BOS] = &(*out)->bos, [ROLE_EOS] = &(*out)->eos, [ROLE_PAD] = &(*out)->pad};
    for (size_t role = 0; role <= ROLE_PAD; role++)
        if (ids[role] && usual[role]) *ids[role] = bn_tokenizer_find(*out, usual[role]);
    return BN_OK;
}

bn_status hf_from_vocab(const json_t *vocab, const char *folder, const char *name, bn_tokenizer **out, bn_error *err) {
    json_t *merges = NULL, *config = NULL;
    bn_status status = read_merges(folder, &merges, err);
    if (status)
        error_prefix(err, "%s: neither a tokenizer.json nor a tekken.json, and a vocab.json needs merges.txt beside it",
                     name);
    if (!status) status = hf_optional_json(folder, "tokenizer_config.json", &config, err);
    if (!status) status = from_bpe(vocab, merges, config, name, out, err);
    json_decref(merges);
    json_decref(config);
    return status;
}

/* ---- vocab.txt ---- */

/* A line a token, whose number is its id; of a token that is there twice the last. */
static bn_status token_lines(const char *text, size_t size, const char *name, json_t **vocab, bn_error *err) {
    *vocab = json_object();
    size_t id = 0;
    for (const char *line = text, *end = text + size; *vocab && line < end; id++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);
        size_t kept = n > 0 && line[n - 1] == '\r' ? n - 1 : n;
        if (!utf8_valid(line, kept) || memchr(line, 0, kept))
            return fail(err, BN_STATUS_BAD_FILE, "%s: line %zu isn't UTF-8", name, id + 1);
        if (json_object_setn_new_nocheck(*vocab, line, kept, json_integer((json_int_t)id)))
            return fail_no_memory(err, kept);
        line += n + (newline != NULL);
    }
    return *vocab ? BN_OK : fail_no_memory(err, size);
}

/* As transformers makes it of a BertTokenizer's vocabulary and settings. */
static bn_status from_bert(const json_t *vocab, const json_t *config, const char *name, bn_tokenizer **out,
                           bn_error *err) {
    const json_t *lower = json_object_get(config, "do_lower_case"), *accents = json_object_get(config, "strip_accents"),
                 *chinese = json_object_get(config, "tokenize_chinese_chars");
    json_t *special = special_tokens(vocab, config, bert_tokens);
    json_t *sep = named_token(vocab, token_of_role(config, ROLE_SEP, bert_tokens));
    json_t *cls = named_token(vocab, token_of_role(config, ROLE_CLS, bert_tokens));
    json_t *around = sep && cls ? json_pack("{s:s, s:O, s:O}", "type", "BertProcessing", "sep", sep, "cls", cls) : NULL;
    json_t *root = json_pack(
        "{s:{s:s, s:O, s:s, s:s, s:i}, s:O, s:{s:s, s:b, s:b, s:O?, s:b}, s:{s:s}, s:O?, s:{s:s, s:s, s:b}}", "model",
        "type", "WordPiece", "vocab", vocab, "unk_token", token_of_role(config, ROLE_UNK, bert_tokens),
        "continuing_subword_prefix", "##", "max_input_chars_per_word", 100, "added_tokens", special, "normalizer",
        "type", "BertNormalizer", "clean_text", 1, "handle_chinese_chars", !json_is_false(chinese), "strip_accents",
        json_is_boolean(accents) ? accents : NULL, "lowercase", !json_is_false(lower), "pre_tokenizer", "type",
        "BertPreTokenizer", "post_processor", around, "decoder", "type", "WordPiece", "prefix", "##", "cleanup", 1);
    bn_status status = read_root(root, name, out, err);
    json_decref(root);
    json_decref(around);
    json_decref(cls);
    json_decref(sep);
    json_decref(special);
    return status;
}

bn_status hf_from_vocab_lines(const char *text, size_t size, const char *folder, const char *name, bn_tokenizer **out,
                              bn_error *err) {
    json_t *vocab = NULL, *config = NULL;
    bn_status status = token_lines(text, size, name, &vocab, err);
    if (!status) status = hf_optional_json(folder, "tokenizer_config.json", &config, err);
    if (!status) status = from_bert(vocab, config, name, out, err);
    json_decref(config);
    json_decref(vocab);
    return status;
}

/* ---- ByT5: a byte is its value + 3 ---- */

enum { BYT5_FIRST_BYTE = 3, BYT5_EXTRA_IDS = 125, BYT5_MOST_EXTRA_IDS = 1 << 16 };

static bn_status add_bytes(struct vocabulary *vocabulary, bn_error *err) {
    for (int byte = 0; byte < 256; byte++) {
        static const char digits[] = "0123456789ABCDEF";
        const char text[] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
        bn_status status = vocabulary_add(vocabulary, (size_t)(BYT5_FIRST_BYTE + byte), text, sizeof text,
                                          TOKEN_MODEL | TOKEN_BYTE | TOKEN_RESERVED, err);
        if (status) return status;
    }
    return BN_OK;
}

static bool is_named_special(const json_t *config, const char *text) {
    for (size_t i = 0; i < HF_N_ROLES; i++) {
        const char *name = hf_token_text(config, hf_roles[i]);
        if (name && strcmp(name, text) == 0) return true;
    }
    return false;
}

static bool set_token(json_t *tokens, size_t id, const char *text, bool strip) {
    char key[24];
    snprintf(key, sizeof key, "%zu", id);
    return json_object_set_new(tokens, key,
                               json_pack("{s:s, s:b, s:b, s:b, s:b}", "content", text, "special", 1, "normalized", 0,
                                         "lstrip", strip, "rstrip", strip)) == 0;
}

/* What added_tokens_decoder is where the file has none: the class's own tokens and, behind the bytes,
 * additional_special_tokens or extra_ids of <extra_id_0>, … */
static json_t *byt5_tokens(const json_t *config) {
    static const char *const usual[HF_N_ROLES] = {[ROLE_PAD] = "<pad>", [ROLE_EOS] = "</s>", [ROLE_UNK] = "<unk>"};
    static const size_t roles[BYT5_FIRST_BYTE] = {ROLE_PAD, ROLE_EOS, ROLE_UNK};
    const json_t *named = json_object_get(config, "additional_special_tokens"),
                 *count = json_object_get(config, "extra_ids");
    json_int_t n_extra = json_is_integer(count) ? json_integer_value(count) : BYT5_EXTRA_IDS;
    json_t *tokens = json_object();
    bool ok = tokens != NULL;
    if (json_is_array(named)) n_extra = (json_int_t)json_array_size(named);
    for (size_t i = 0; i < BYT5_FIRST_BYTE && ok; i++)
        ok = set_token(tokens, i, token_of_role(config, roles[i], usual),
                       !json_is_object(json_object_get(config, hf_roles[roles[i]])));
    for (json_int_t i = 0; i < n_extra && i < BYT5_MOST_EXTRA_IDS && ok; i++) {
        char text[40];
        const char *name = json_string_value(json_array_get(named, (size_t)i));
        snprintf(text, sizeof text, "<extra_id_%" JSON_INTEGER_FORMAT ">", i);
        ok = set_token(tokens, (size_t)i + BYT5_FIRST_BYTE + 256, name ? name : text, false);
    }
    if (ok) return tokens;
    json_decref(tokens);
    return NULL;
}

/* added_tokens_decoder: {"259": {"content": …}}. Tokens that have a role are special whatever their entry says. */
static bn_status add_config_tokens(bn_tokenizer *tokenizer, const json_t *config, const json_t *tokens, bn_error *err) {
    const char *key;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)tokens, key, entry) {
        size_t id = 0;
        for (const char *p = key; *p >= '0' && *p <= '9' && id < INT32_MAX / 16; p++) id = id * 10 + (size_t)(*p - '0');
        const char *text = json_string_value(json_object_get(entry, "content"));
        bn_status status = hf_add_token(tokenizer, entry, id, err);
        if (status) return status;
        struct added_token *token = tokenizer->added.n ? &tokenizer->added.items[tokenizer->added.n - 1] : NULL;
        if (!token || !text || !is_named_special(config, text)) continue;
        token->special = true;
        token->left_strip = token->right_strip = false; /* transformers' slow tokenizer doesn't strip around these */
        tokenizer->vocabulary.records[token->id].flags |= TOKEN_SPECIAL;
    }
    return BN_OK;
}

static int32_t byt5_role(const bn_tokenizer *tokenizer, const json_t *config, const char *role, const char *usual) {
    const char *text = hf_token_text(config, role);
    return bn_tokenizer_find(tokenizer, text ? text : usual);
}

static bn_status build_byt5(const json_t *config, bn_tokenizer **out, bn_error *err) {
    bn_tokenizer *tokenizer;
    bn_status status = tokenizer_create(512, &tokenizer, err);
    if (status) return status;
    tokenizer->model = MODEL_BYTES;
    tokenizer->first_byte_id = BYT5_FIRST_BYTE;
    tokenizer->keeps_invalid_bytes = true;
    status = add_bytes(&tokenizer->vocabulary, err);
    json_t *numbered = json_object_get(config, "added_tokens_decoder");
    json_t *tokens = numbered ? json_incref(numbered) : byt5_tokens(config);
    if (!status) status = tokens ? add_config_tokens(tokenizer, config, tokens, err) : fail_no_memory(err, 0);
    json_decref(tokens);
    if (!status) tokenizer->eos = byt5_role(tokenizer, config, "eos_token", "</s>");
    if (!status) tokenizer->pad = byt5_role(tokenizer, config, "pad_token", "<pad>");
    if (!status) status = template_around(&tokenizer->postprocessor, -1, tokenizer->eos, 0, err);
    if (!status && !decoder_append(&tokenizer->decoder, DECODE_RAW_BYTES)) status = fail_no_memory(err, 0);
    if (!status) status = tokenizer_finish(tokenizer, err);
    if (status)
        bn_tokenizer_close(tokenizer);
    else
        *out = tokenizer;
    return status;
}

bn_status hf_open_byt5(const char *folder, bool *found, bn_tokenizer **out, bn_error *err) {
    json_t *config;
    bn_status status = hf_optional_json(folder, "tokenizer_config.json", &config, err);
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    *found = class && strcmp(class, "ByT5Tokenizer") == 0;
    if (!status && *found) status = build_byt5(config, out, err);
    if (status) error_prefix(err, "%s", folder);
    json_decref(config);
    return status;
}
