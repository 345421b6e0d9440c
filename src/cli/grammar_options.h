/* What an output is held to: a JSON schema (of JSON or XML), a regular expression, a grammar, structural tags or a list of choices. */
#ifndef CLI_GRAMMAR_OPTIONS_H
#define CLI_GRAMMAR_OPTIONS_H

#include "bitnet/bitnet.h"
#include "cli/options.h"

struct grammar_options {
    const char *schema, *xml_schema, *regex, *grammar, *structural_tag, *choice;
};
extern const struct option grammar_option_table[];

/* *out is NULL when none is given; more than one is BN_STATUS_BAD_ARGUMENT. any_form: see bn_grammar_options. Release with
 * bn_grammar_release. */
bn_status grammar_options_compile(const struct grammar_options *options, bool any_form, bn_grammar **out,
                                  bn_error *err);

/* The texts of a list: "a,b\\,c" → "a", "b,c". */
struct choices {
    char *text;
    const char **items; /* into text */
    size_t n;
};
bn_status choices_split(const char *list, struct choices *out, bn_error *err);
void choices_release(struct choices *choices);

#endif
