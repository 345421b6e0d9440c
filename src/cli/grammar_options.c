#include "cli/grammar_options.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "cli/input.h"

#define FIELD(name) offsetof(struct grammar_options, name)

const struct option grammar_option_table[] = {
    {"schema", 0, OPTION_TEXT, FIELD(schema), "FILE", 0, 0, "JSON that a JSON schema accepts; -: standard input",
     "json-schema-file jf"},
    {"xml-schema", 0, OPTION_TEXT, FIELD(xml_schema), "FILE", 0, 0,
     "an XML document whose elements are a value that a JSON schema accepts", NULL},
    {"regex", 0, OPTION_TEXT, FIELD(regex), "REGEX", 0, 0, "a text that a regular expression matches as a whole", NULL},
    {"grammar", 0, OPTION_TEXT, FIELD(grammar), "FILE", 0, 0,
     "a grammar: GBNF, or Lark (by its name, .gbnf or .lark, else by whether it says ::=)", "grammar-file"},
    {"structural-tag", 0, OPTION_TEXT, FIELD(structural_tag), "FILE", 0, 0,
     "free text in which parts between tags are held to schemas, as JSON", NULL},
    {"choice", 0, OPTION_TEXT, FIELD(choice), "A,B,…", 0, 0, "one of these texts (a comma in one of them: \\,)", NULL},
    {0},
};

bn_status choices_split(const char *list, struct choices *out, bn_error *err) {
    size_t n = 1;
    for (const char *c = list; *c; c++) n += *c == ',';
    *out = (struct choices){.text = mem_strdup(list), .items = mem_alloc_array(n, sizeof *out->items)};
    if (!out->text || !out->items) {
        choices_release(out);
        return fail_no_memory(err, n * sizeof *out->items);
    }
    char *to = out->text;
    out->items[out->n++] = to;
    for (const char *c = list; *c; c++) {
        if (*c == '\\' && (c[1] == ',' || c[1] == '\\'))
            *to++ = *++c;
        else if (*c == ',') {
            *to++ = '\0';
            out->items[out->n++] = to;
        } else {
            *to++ = *c;
        }
    }
    *to = '\0';
    return BN_OK;
}

void choices_release(struct choices *choices) {
    mem_free(choices->text);
    mem_free((void *)choices->items);
    *choices = (struct choices){0};
}

static bn_status compile_choices(const char *list, bn_grammar **out, bn_error *err) {
    struct choices choices;
    bn_status status = choices_split(list, &choices, err);
    if (!status) status = bn_grammar_compile_choices(choices.items, NULL, choices.n, out, err);
    choices_release(&choices);
    return status;
}

static bool ends_in(const char *name, const char *ending) {
    size_t n = strlen(name), n_ending = strlen(ending);
    return n >= n_ending && strcmp(name + n - n_ending, ending) == 0;
}

static bn_grammar_kind kind_of(const char *path, const char *text, size_t n) {
    if (ends_in(path, ".lark")) return BN_GRAMMAR_LARK;
    return ends_in(path, ".gbnf") ? BN_GRAMMAR_GBNF : bn_grammar_language(text, n);
}

/* kind: BN_GRAMMAR_GBNF for one that has to be found out. */
static bn_status compile_file(const char *path, bn_grammar_kind kind, const bn_grammar_options *form, bn_grammar **out,
                              bn_error *err) {
    struct buffer text;
    buffer_init(&text);
    bn_status status = read_file_or_stdin(path, &text, err);
    if (!status) {
        const char *content = text.data ? text.data : "";
        if (kind == BN_GRAMMAR_GBNF) kind = kind_of(path, content, text.size);
        status = bn_grammar_compile(kind, content, text.size, form, out, err);
        if (status) error_prefix(err, "%s", path);
    }
    buffer_release(&text);
    return status;
}

bn_status grammar_options_compile(const struct grammar_options *options, bool any_form, bn_grammar **out,
                                  bn_error *err) {
    const bn_grammar_options form = {.size = sizeof form, .any_form = any_form};
    *out = NULL;
    if (!!options->schema + !!options->xml_schema + !!options->regex + !!options->grammar + !!options->structural_tag +
            !!options->choice >
        1)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "give only one of --schema, --xml-schema, --regex, --grammar, --structural-tag and --choice");
    bn_status status = BN_OK;
    if (options->schema) {
        status = compile_file(options->schema, BN_GRAMMAR_JSON_SCHEMA, &form, out, err);
    } else if (options->xml_schema) {
        status = compile_file(options->xml_schema, BN_GRAMMAR_XML, &form, out, err);
    } else if (options->grammar) {
        status = compile_file(options->grammar, BN_GRAMMAR_GBNF, &form, out, err);
    } else if (options->structural_tag) {
        status = compile_file(options->structural_tag, BN_GRAMMAR_STRUCTURAL_TAG, &form, out, err);
    } else if (options->regex) {
        status = bn_grammar_compile(BN_GRAMMAR_REGEX, options->regex, strlen(options->regex), &form, out, err);
        if (status) error_prefix(err, "--regex");
    } else if (options->choice) {
        status = compile_choices(options->choice, out, err);
        if (status) error_prefix(err, "--choice");
    }
    return status;
}
