/* SentencePiece behind a tokenizer.json: which settings of its normalizer the steps amount to, and scores that rank as
 * the merges do. */
#include <string.h>

#include "base/memory.h"
#include "tokenizer/convert_parts.h"
#include "tokenizer/unicode.h"

static const char escaped_space[] = "\xe2\x96\x81";
static const float NEVER = -1e9f; /* the score of a token that no merge makes */

static bool is_text(const char *text, size_t size, const char *what) {
    return size == strlen(what) && memcmp(text, what, size) == 0;
}

struct recognition {
    struct sentencepiece_settings *settings;
    bool escapes; /* spaces become U+2581 */
};

static const char *recognize_replace(struct recognition *r, const struct normalizer_step *step) {
    static const char *const runs[] = {" {2,}", " +", "\\s+", "[ ]{2,}"}, *const ends[] = {"\\A +", "^ +| +$",
                                                                                           "\xe2\x96\x81+\\z"};
    size_t size;
    const char *source = step->regex ? regex_source(step->regex, &size) : NULL;
    if (!source) {
        bool escape = is_text(step->pattern, step->pattern_size, " ") &&
                      is_text(step->content, step->content_size, escaped_space);
        r->escapes |= escape;
        return escape ? NULL : "a normalizer that replaces other text than spaces";
    }
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        r->settings->remove_extra_whitespaces |= is_text(source, size, runs[i]);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        r->settings->remove_extra_whitespaces |= is_text(source, size, ends[i]);
    return r->settings->remove_extra_whitespaces ? NULL : "a normalizer that replaces by a regular expression";
}

static const char *recognize_normalizer(struct recognition *r, const struct normalizer_step *step) {
    switch (step->kind) {
    case NORMALIZE_PRECOMPILED:
        r->settings->map = &step->precompiled;
        return NULL;
    case NORMALIZE_PREPEND:
        r->settings->add_dummy_prefix = true;
        return is_text(step->content, step->content_size, escaped_space) ? NULL : "a normalizer that prepends a text";
    case NORMALIZE_REPLACE:
        return recognize_replace(r, step);
    case NORMALIZE_STRIP:
        r->settings->remove_extra_whitespaces = true;
        return NULL;
    case NORMALIZE_SENTENCEPIECE:
        r->escapes = true;
        r->settings->add_dummy_prefix = step->add_dummy_prefix;
        r->settings->remove_extra_whitespaces = step->remove_extra_whitespaces;
        r->settings->map = step->precompiled.units ? &step->precompiled : NULL;
        return step->whitespace_as_suffix ? "a space that is put behind the text (treat_whitespace_as_suffix)" : NULL;
    default:
        return "a normalizer that SentencePiece lacks (lower case, Unicode forms, accents)";
    }
}

static const char *recognize_pretokenizer(struct recognition *r, const struct pretokenizer_step *step) {
    if (step->kind == PRETOKENIZE_METASPACE && is_text(step->literal, step->literal_size, escaped_space)) {
        r->escapes = true;
        r->settings->add_dummy_prefix |= step->prepend != METASPACE_NEVER;
        return NULL;
    }
    if (step->kind == PRETOKENIZE_CLASS && step->in_class == unicode_is_space) {
        r->settings->remove_extra_whitespaces = true;
        return NULL;
    }
    bool nothing_to_split =
        r->escapes && step->kind == PRETOKENIZE_LITERAL && is_text(step->literal, step->literal_size, " ");
    return nothing_to_split ? NULL : "a pre-tokenizer, which SentencePiece lacks";
}

const char *sentencepiece_recognize(const bn_tokenizer *tokenizer, struct sentencepiece_settings *settings) {
    *settings = (struct sentencepiece_settings){0};
    struct recognition r = {.settings = settings};
    const char *reason = NULL;
    if (tokenizer->bpe.prefix || tokenizer->bpe.suffix) reason = "a prefix or suffix of word parts";
    for (size_t i = 0; i < tokenizer->normalizer.n && !reason; i++)
        reason = recognize_normalizer(&r, &tokenizer->normalizer.steps[i]);
    for (size_t i = 0; i < tokenizer->pretokenizer.n && !reason; i++)
        reason = recognize_pretokenizer(&r, &tokenizer->pretokenizer.steps[i]);
    return reason || r.escapes ? reason : "a vocabulary without U+2581 for spaces that isn't byte-level";
}

/* ---- scores ---- */

/* The earliest merge that makes a token is its rank. */
static void scores_of_merges(const bn_tokenizer *tokenizer, float *scores) {
    const struct bpe *bpe = &tokenizer->bpe;
    for (size_t id = 0; id < tokenizer->vocabulary.size; id++) scores[id] = NEVER;
    for (size_t i = 0; i < bpe->merges.capacity; i++) {
        const struct bpe_merge *merge = &bpe->merges.slots[i];
        if (merge->left < 0) continue;
        float score = -(float)merge->rank;
        if (score > scores[merge->id]) scores[merge->id] = score;
    }
    for (size_t id = 0; id < tokenizer->vocabulary.size; id++) /* as sentencepiece writes them */
        if (tokenizer->vocabulary.records[id].flags & (TOKEN_SPECIAL | TOKEN_ADDED)) scores[id] = 0;
}

void sentencepiece_scores(const bn_tokenizer *tokenizer, float *scores) {
    size_t n = tokenizer->vocabulary.size;
    bool merges = tokenizer->model == MODEL_BPE && tokenizer->bpe.ranking == BPE_MERGES;
    if (merges) scores_of_merges(tokenizer, scores);
    for (size_t id = 0; id < n && !merges; id++) {
        bool in_model = (tokenizer->vocabulary.records[id].flags & TOKEN_MODEL) != 0;
        scores[id] = !in_model                           ? 0
                     : tokenizer->model == MODEL_UNIGRAM ? (float)tokenizer->unigram.scores[id]
                                                         : tokenizer->bpe.scores[id];
    }
}
