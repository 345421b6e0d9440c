/* See schema_meta.h. What the drafts have in common is written once: ' stands for a quotation mark, @ for what counts are called. */
#include "engine/grammar/schema_meta.h"

#include <stddef.h>
#include <string.h>

static const char definitions[] =
    "'definitions':{'schemaArray':{'type':'array','minItems':1,'items':{'$ref':'#'}},'@':{'type':'integer','minimum':0}"
    ","
    "'@Default0':{'$ref':'#/definitions/"
    "@'},'simpleTypes':{'enum':['array','boolean','integer','null','number','object','string']},";

/* Keywords that no draft from 4 to 7 changed. */
static const char common[] =
    "'title':{'type':'string'},'description':{'type':'string'},'default':{},'format':{'type':'string'},"
    "'maximum':{'type':'number'},'minimum':{'type':'number'},"
    "'maxLength':{'$ref':'#/definitions/@'},'minLength':{'$ref':'#/definitions/@Default0'},"
    "'maxItems':{'$ref':'#/definitions/@'},'minItems':{'$ref':'#/definitions/@Default0'},"
    "'maxProperties':{'$ref':'#/definitions/@'},'minProperties':{'$ref':'#/definitions/@Default0'},"
    "'pattern':{'type':'string','format':'regex'},'uniqueItems':{'type':'boolean'},"
    "'items':{'anyOf':[{'$ref':'#'},{'$ref':'#/definitions/schemaArray'}]},'required':{'$ref':'#/definitions/"
    "stringArray'},"
    "'definitions':{'type':'object','additionalProperties':{'$ref':'#'}},"
    "'properties':{'type':'object','additionalProperties':{'$ref':'#'}},"
    "'dependencies':{'type':'object','additionalProperties':{'anyOf':[{'$ref':'#'},{'$ref':'#/definitions/"
    "stringArray'}]}},"
    "'type':{'anyOf':[{'$ref':'#/definitions/simpleTypes'},"
    "{'type':'array','items':{'$ref':'#/definitions/simpleTypes'},'minItems':1,'uniqueItems':true}]},"
    "'allOf':{'$ref':'#/definitions/schemaArray'},'anyOf':{'$ref':'#/definitions/schemaArray'},"
    "'oneOf':{'$ref':'#/definitions/schemaArray'},'not':{'$ref':'#'}";

static const char draft_4[] =
    "'stringArray':{'type':'array','items':{'type':'string'},'minItems':1,'uniqueItems':true}},"
    "'type':'object','dependencies':{'exclusiveMaximum':['maximum'],'exclusiveMinimum':['minimum']},'properties':{"
    "'id':{'type':'string'},'$schema':{'type':'string'},"
    "'multipleOf':{'type':'number','minimum':0,'exclusiveMinimum':true},"
    "'exclusiveMaximum':{'type':'boolean'},'exclusiveMinimum':{'type':'boolean'},"
    "'additionalItems':{'anyOf':[{'type':'boolean'},{'$ref':'#'}]},"
    "'additionalProperties':{'anyOf':[{'type':'boolean'},{'$ref':'#'}]},"
    "'patternProperties':{'type':'object','additionalProperties':{'$ref':'#'}},"
    "'enum':{'type':'array','minItems':1,'uniqueItems':true},";

static const char draft_6[] =
    "'stringArray':{'type':'array','items':{'type':'string'},'uniqueItems':true}},'type':['object','boolean'],'"
    "properties':{"
    "'$id':{'type':'string','format':'uri-reference'},'$schema':{'type':'string','format':'uri'},"
    "'$ref':{'type':'string','format':'uri-reference'},'multipleOf':{'type':'number','exclusiveMinimum':0},"
    "'exclusiveMaximum':{'type':'number'},'exclusiveMinimum':{'type':'number'},"
    "'additionalItems':{'$ref':'#'},'contains':{'$ref':'#'},'additionalProperties':{'$ref':'#'},"
    "'patternProperties':{'type':'object','additionalProperties':{'$ref':'#'},'propertyNames':{'format':'regex'}},"
    "'propertyNames':{'$ref':'#'},'examples':{'type':'array'},'const':{},'enum':{'type':'array'},";

static const char more_of_7[] =
    "'$comment':{'type':'string'},'readOnly':{'type':'boolean'},'writeOnly':{'type':'boolean'},"
    "'if':{'$ref':'#'},'then':{'$ref':'#'},'else':{'$ref':'#'},"
    "'contentMediaType':{'type':'string'},'contentEncoding':{'type':'string'},";

static void append_part(struct buffer *out, const char *part, const char *count) {
    for (; *part; part++) {
        if (*part == '@')
            buffer_append_text(out, count);
        else
            buffer_append_char(out, *part == '\'' ? '"' : *part);
    }
}

bool schema_meta_append(struct buffer *out, const char *uri) {
    static const struct {
        const char *uri, *count, *parts[2];
    } metas[] = {{"http://json-schema.org/draft-04/schema", "positiveInteger", {draft_4, ""}},
                 {"http://json-schema.org/draft-06/schema", "nonNegativeInteger", {draft_6, ""}},
                 {"http://json-schema.org/draft-07/schema", "nonNegativeInteger", {draft_6, more_of_7}}};
    for (size_t i = 0; i < sizeof metas / sizeof *metas; i++) {
        if (strcmp(uri, metas[i].uri) != 0) continue;
        const char *const parts[] = {"{", definitions, metas[i].parts[0], metas[i].parts[1], common, "}}"};
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) append_part(out, parts[p], metas[i].count);
        return true;
    }
    return false;
}
