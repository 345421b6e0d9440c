/* Any bytes as a grammar: the first says of which kind. Refused, or it answers for texts within small bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *const texts[] = {"",
                                    "{}",
                                    "[1,-2.5,\"a\\u00e9\",null]",
                                    "{\"a\":{\"b\":[true,0]},\"c\":\"x\"}",
                                    "aab 12",
                                    "<root><a>1</a></root>",
                                    "<tool_call><function=f><parameter=a>\n1\n</parameter>"};

static void try_texts(bn_grammar *grammar) {
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bool accepted = false;
        size_t at = 0, n = strlen(texts[i]);
        if (bn_grammar_accepts(grammar, texts[i], n, &accepted, &at, NULL)) continue;
        if (at > n || (accepted && at != n)) abort();
    }
    bn_grammar_release(grammar);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const bn_grammar_kind kinds[] = {BN_GRAMMAR_JSON_SCHEMA, BN_GRAMMAR_REGEX, BN_GRAMMAR_GBNF,
                                            BN_GRAMMAR_LARK,        BN_GRAMMAR_XML,   BN_GRAMMAR_STRUCTURAL_TAG};
    static const char *const syntaxes[] = {"hermes", "qwen_xml", "minimax_xml", "deepseek_xml", "mistral_args", "json"};
    if (size == 0) return 0;
    const char *text = (const char *)bytes + 1;
    bn_grammar_options options = {.size = sizeof options, .any_form = bytes[0] & 4};
    bn_tools tools = {.size = sizeof tools,
                      .json = text,
                      .json_bytes = size - 1,
                      .syntax = bn_tool_syntax_find(syntaxes[(uint8_t)bytes[0] / 16 % 6])};
    bn_grammar *grammar;
    if (bytes[0] & 8) {
        if (bn_grammar_compile_tools(&tools, &grammar, NULL) == BN_OK) try_texts(grammar);
    } else if (bn_grammar_compile(kinds[bytes[0] & 16 ? 4 + (bytes[0] & 1) : bytes[0] & 3], text, size - 1, &options,
                                  &grammar, NULL) == BN_OK) {
        try_texts(grammar);
    }
    return 0;
}
