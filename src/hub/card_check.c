/* What hubs expect of a card's metadata. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "hub/card.h"
#include "hub/repo.h"

struct check {
    void (*visit)(void *context, bool is_error, const char *message);
    void *context;
    size_t n_errors;
};

static void report(struct check *check, bool is_error, const char *format, const char *key, const char *value) {
    char message[400];
    snprintf(message, sizeof message, format, key, value);
    check->n_errors += is_error;
    check->visit(check->context, is_error, message);
}

/* The licence identifiers that hubs know (SPDX in lower case, and those of well-known models). */
static const char *const licenses[] = {
    "apache-2.0",
    "mit",
    "openrail",
    "bigscience-openrail-m",
    "creativeml-openrail-m",
    "bigscience-bloom-rail-1.0",
    "bigcode-openrail-m",
    "afl-3.0",
    "artistic-2.0",
    "bsl-1.0",
    "bsd",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsd-3-clause-clear",
    "c-uda",
    "cc",
    "cc0-1.0",
    "cc-by-2.0",
    "cc-by-2.5",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "cc-by-nc-2.0",
    "cc-by-nc-3.0",
    "cc-by-nc-4.0",
    "cc-by-nd-4.0",
    "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0",
    "cdla-sharing-1.0",
    "cdla-permissive-1.0",
    "cdla-permissive-2.0",
    "wtfpl",
    "ecl-2.0",
    "epl-1.0",
    "epl-2.0",
    "etalab-2.0",
    "eupl-1.1",
    "eupl-1.2",
    "agpl-3.0",
    "gfdl",
    "gpl",
    "gpl-2.0",
    "gpl-3.0",
    "lgpl",
    "lgpl-2.1",
    "lgpl-3.0",
    "isc",
    "h-research",
    "intel-research",
    "lppl-1.3c",
    "ms-pl",
    "apple-ascl",
    "apple-amlr",
    "mpl-2.0",
    "odc-by",
    "odbl",
    "openmdw-1.0",
    "openrail++",
    "osl-3.0",
    "postgresql",
    "ofl-1.1",
    "ncsa",
    "unlicense",
    "zlib",
    "pddl",
    "lgpl-lr",
    "deepfloyd-if-license",
    "fair-noncommercial-research-license",
    "llama2",
    "llama3",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "llama4",
    "gemma",
    "unknown",
    "other",
};

static bool is_license(const char *id) {
    for (size_t i = 0; i < sizeof licenses / sizeof licenses[0]; i++)
        if (strcmp(id, licenses[i]) == 0) return true;
    return false;
}

static void check_license(struct check *check, const json_t *metadata) {
    const json_t *license = json_object_get(metadata, "license");
    const char *id = json_string_value(license);
    if (!license) {
        report(check, false, "%s is missing: without it nobody may use the model%s", "license", "");
    } else if (!id || !is_license(id)) {
        report(check, true,
               "%s: '%s' isn't an identifier that hubs know (mit, apache-2.0, …; 'other' with license_name and "
               "license_link)",
               "license", id ? id : "a list");
    } else if (strcmp(id, "other") == 0 && !json_object_get(metadata, "license_name")) {
        report(check, false, "%s: 'other' says little%s; add license_name and license_link", "license", "");
    }
}

/* A text, or a list of texts, each of which `fits`. */
static void check_names(struct check *check, const json_t *metadata, const char *key, bool (*fits)(const char *text),
                        const char *expected) {
    const json_t *value = json_object_get(metadata, key);
    size_t n = json_is_array(value) ? json_array_size(value) : value != NULL;
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_is_array(value) ? json_array_get(value, i) : value;
        const char *text = json_string_value(entry);
        char format[200];
        snprintf(format, sizeof format, "%%s: '%%s' isn't %s", expected);
        if (!text || !fits(text)) report(check, true, format, key, text ? text : "an entry");
    }
}

static bool is_model_name(const char *text) {
    struct hub_repo repo;
    return !hub_repo_parse(text, &repo, NULL);
}

static bool is_tag(const char *text) {
    return *text && strlen(text) <= 100 && !strpbrk(text, "\n\r");
}

/* ISO 639 codes, BCP 47 tags, and the few words that hubs allow. */
static bool is_language(const char *text) {
    size_t n = strcspn(text, "-");
    if (strcmp(text, "multilingual") == 0 || strcmp(text, "code") == 0) return true;
    for (size_t i = 0; text[i]; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '-') return false;
    return n == 2 || n == 3;
}

size_t card_check(const json_t *metadata, void (*visit)(void *context, bool is_error, const char *message),
                  void *context) {
    struct check check = {visit, context, 0};
    check_license(&check, metadata);
    check_names(&check, metadata, "base_model", is_model_name, "a model's name (OWNER/NAME)");
    check_names(&check, metadata, "datasets", is_model_name, "a data set's name (OWNER/NAME)");
    check_names(&check, metadata, "tags", is_tag, "a tag (a short text)");
    check_names(&check, metadata, "language", is_language, "a language code (en, de, zh-Hant)");
    check_names(&check, metadata, "pipeline_tag", is_tag, "a task (text-generation)");
    check_names(&check, metadata, "library_name", is_tag, "a library's name");
    static const char *const wished[] = {"pipeline_tag", "language", "base_model"};
    for (size_t i = 0; i < sizeof wished / sizeof wished[0]; i++)
        if (!json_object_get(metadata, wished[i]))
            report(&check, false, "%s is missing: it helps people to find the model%s", wished[i], "");
    return check.n_errors;
}
