#include "registry/reference.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION_DIGITS = 9 };

static bool word_valid(const char *word, size_t n) {
    if (n == 0 || n > WORD_MAX || word[0] == '.' || word[0] == '-') return false;
    for (size_t i = 0; i < n; i++) {
        bool pair = i && (word[i] == '.' || word[i] == '-') && word[i] == word[i - 1];
        if (pair || !(isalnum((unsigned char)word[i]) || strchr("._-", word[i]))) return false;
    }
    return true;
}

bool model_word_valid(const char *word) {
    return word_valid(word, strlen(word));
}

bool model_name_valid(const char *name) {
    const char *slash = strchr(name, '/');
    if (strcmp(name, "demo") == 0) return false; /* the model that ships */
    if (!slash) return model_word_valid(name);
    return word_valid(name, (size_t)(slash - name)) && model_word_valid(slash + 1);
}

bool model_tag_valid(const char *tag) {
    return model_word_valid(tag) && tag[strspn(tag, "0123456789")];
}

static bn_status refuse(const char *text, bn_error *err) {
    return fail(err, BN_STATUS_BAD_ARGUMENT,
                "'%s' isn't a model's name: NAME[@VERSION][:VARIANT], where NAME is one or two words (owner/name) of "
                "letters, digits and '._-'",
                text);
}

/* "3" or "stable" behind the '@'. */
static bool parse_version(const char *text, struct model_reference *out) {
    size_t n = strlen(text);
    if (n && text[strspn(text, "0123456789")] == 0) {
        if (n > VERSION_DIGITS) return false;
        out->version = (size_t)strtoul(text, NULL, 10);
        return out->version > 0;
    }
    if (!model_tag_valid(text)) return false;
    memcpy(out->tag, text, n + 1);
    return true;
}

bn_status model_reference_parse(const char *text, struct model_reference *out, bn_error *err) {
    *out = (struct model_reference){0};
    size_t n = strcspn(text, "@:");
    if (n >= sizeof out->name) return refuse(text, err);
    memcpy(out->name, text, n);
    if (!model_name_valid(out->name)) return refuse(text, err);
    bool has_version = false;
    for (const char *at = text + n; *at;) {
        char word[WORD_MAX + 1] = "";
        char mark = *at++;
        n = strcspn(at, "@:");
        if (n > WORD_MAX) return refuse(text, err);
        memcpy(word, at, n);
        at += n;
        if (mark == '@' && !has_version) {
            has_version = true;
            if (!parse_version(word, out)) return refuse(text, err);
        } else if (mark == ':' && !*out->variant && model_word_valid(word)) {
            memcpy(out->variant, word, n + 1);
        } else {
            return refuse(text, err);
        }
    }
    return BN_OK;
}
