/* Grammars: texts that an output is held to.
 *
 * A request with a grammar chooses only tokens after which the text can still be completed to one that the grammar knows:
 * the constraint acts on the logits before anything else does, and whatever comes out validates. What can't be honoured is
 * refused when it is compiled, with a message that names the place; nothing is ever ignored. docs/structured-output.md
 * says what is supported. */
#ifndef BITNET_GRAMMAR_H
#define BITNET_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

#include "bitnet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A compiled grammar: immutable, independent of models, shared by threads and requests; counted. */
typedef struct bn_grammar bn_grammar;

typedef enum bn_grammar_kind {
    BN_GRAMMAR_JSON_SCHEMA, /* JSON that a schema accepts (draft 2020-12, and older ones where they don't contradict it) */
    BN_GRAMMAR_GBNF,        /* llama.cpp's grammars; the text begins with the rule "root" */
    BN_GRAMMAR_LARK,        /* the subset of Lark that llguidance takes; the rule "start" */
    BN_GRAMMAR_REGEX,       /* the whole text matches a regular expression (ECMAScript's syntax) */
    BN_GRAMMAR_STRUCTURAL_TAG, /* parts of the text are held to schemas, the rest is free: JSON as XGrammar and vLLM have it */
    BN_GRAMMAR_XML,            /* an XML document whose elements are a value that a JSON schema accepts */
} bn_grammar_kind;

/* Is a grammar's text GBNF or Lark? By how it defines its first rule. */
BN_API bn_grammar_kind bn_grammar_language(const char *text, size_t text_bytes);

typedef struct bn_grammar_options {
    size_t size; /* sizeof(bn_grammar_options) */
    /* JSON: every text that means a valid value, however it is written: for checking texts that came from elsewhere. Off:
     * what a generation should write, a subset (bounded white space, members in the schema's order, 1 and not 1.0). */
    bool any_form;
} bn_grammar_options;

/* options may be NULL. BN_STATUS_BAD_ARGUMENT: not well-formed. BN_STATUS_UNSUPPORTED: can't be honoured, or exceeds the
 * bounds of time and memory that hold for all grammars. */
BN_API bn_status bn_grammar_compile(bn_grammar_kind kind, const char *text, size_t text_bytes,
                                    const bn_grammar_options *options, bn_grammar **out, bn_error *err);
/* One of these texts; text_bytes may be NULL for NUL-terminated ones. */
BN_API bn_status bn_grammar_compile_choices(const char *const *texts, const size_t *text_bytes, size_t n_texts,
                                            bn_grammar **out, bn_error *err);
/* How arguments are written where a call is no JSON object: call_begin, the tool's name, name_end, the arguments, call_end, with
 * line breaks between these parts or without. The arguments are a JSON object; or, where there is a key_begin, for each of them that, its
 * name, key_end, value_begin, the value, value_end. Values are strings as they are, and JSON for all else. */
typedef struct bn_tool_markup {
    const char *call_begin, *name_end, *call_end;
    const char *key_begin, *key_end, *value_begin, *value_end;
    const char *key_end_json; /* in place of key_end where the value isn't a string; NULL: nothing says which it is */
    bool padded;              /* a line break stands before a value and behind it */
} bn_tool_markup;

/* How a chat template's model writes a call of a tool: `begin`, a JSON object with the members "name" and `arguments` (or an array
 * of such objects), `end`. begin and end may be special tokens, or their text. */
typedef struct bn_tool_syntax {
    const char *
        name; /* "hermes", "mistral", "mistral_args", "llama3", "qwen_xml", "glm_xml", "minimax_xml", "deepseek_xml", "json" */
    const char *begin;     /* NULL: a call is the whole answer, which begins with { */
    const char *end;       /* NULL: nothing */
    const char *arguments; /* the member that holds them */
    bool list; /* calls are the items of an array; with markup, they stand one after the other between begin and end */
    const char *tag;              /* where begin is NULL: may stand before the call; NULL: nothing */
    const bn_tool_markup *markup; /* NULL: calls are JSON objects */
} bn_tool_syntax;
/* By name; NULL: unknown. */
BN_API const bn_tool_syntax *bn_tool_syntax_find(const char *name);
/* The one that a template (or NULL) mentions, "json" if none. */
BN_API const bn_tool_syntax *bn_tool_syntax_of_template(const char *chat_template);

typedef struct bn_tools {
    size_t size; /* sizeof(bn_tools) */
    const char
        *json; /* an array of tools as OpenAI's API has them, {"type": "function", "function": {"name", "parameters"}},
                          or of the inner objects; Anthropic's "input_schema" is understood too */
    size_t json_bytes;
    const bn_tool_syntax *syntax;
    const char *only; /* the tool that has to be called; NULL: any */
    bool required;    /* the answer is a call; off: free text until a call begins, if one does */
    bool parallel;    /* several calls may follow each other */
    bool thoughts;    /* text may begin with <think> … </think>, in which no call begins */
    /* What an answer is held to that is no call; NULL: it's free text until a call begins. Of the kinds JSON_SCHEMA, XML and REGEX, for
     * syntaxes that have a `begin`; not beside `required`. Held by the result. */
    bn_grammar *text;
} bn_tools;
/* What may be answered where tools can be called. Arguments are held to the tools' schemas; errors name the place as
 * '#/$defs/TOOL/…', TOOL's parameters being there. */
BN_API bn_status bn_grammar_compile_tools(const bn_tools *tools, bn_grammar **out, bn_error *err);

/* Free text up to the first `text`, then what the grammar knows: for models that think aloud until they write "</think>". Holds
 * the grammar. */
BN_API bn_status bn_grammar_after(const char *text, bn_grammar *grammar, bn_grammar **out, bn_error *err);

/* Bytes that a grammar has in memory now, with what requests have made it learn. */
BN_API size_t bn_grammar_memory(bn_grammar *grammar);

/* One more owner; returns it. */
BN_API bn_grammar *bn_grammar_retain(bn_grammar *grammar);
/* One owner less; the last frees it. NULL is fine. */
BN_API void bn_grammar_release(bn_grammar *grammar);

/* Is the text one the grammar knows? If not, *at (may be NULL) is the byte that can't stand where it does, or text_bytes
 * if more has to come. */
BN_API bn_status bn_grammar_accepts(bn_grammar *grammar, const char *text, size_t text_bytes, bool *accepted,
                                    size_t *at, bn_error *err);

#ifdef __cplusplus
}
#endif
#endif
