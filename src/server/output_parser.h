/* What a model says, taken apart while it speaks: its text, its thoughts, its calls of tools. Text that may yet turn out
 * to begin a call or to end the thoughts is held back until that is decided. */
#ifndef SERVER_OUTPUT_PARSER_H
#define SERVER_OUTPUT_PARSER_H

#include "base/buffer.h"
#include "base/json.h"
#include "bitnet/grammar.h"

/* How a model writes that it calls a tool. */
enum tool_syntax {
    TOOLS_NONE,
    TOOLS_JSON, /* the whole answer is {"name": …, "arguments" or "parameters": {…}}; with <|python_tag|> (Llama 3) */
    TOOLS_HERMES,  /* <tool_call>{"name": …, "arguments": {…}}</tool_call> */
    TOOLS_MISTRAL, /* [TOOL_CALLS][{"name": …, "arguments": {…}}, …], or [TOOL_CALLS]name{…} */
    TOOLS_MARKUP,  /* arguments are elements, as bn_tool_markup has them */
};
enum tool_syntax tool_syntax_of(const bn_tool_syntax *syntax);

/* Called from output_parser_push and _finish. */
struct output_events {
    void (*text)(void *context, const char *text, size_t n);
    void (*reasoning)(void *context, const char *text, size_t n);
    void (*call_begin)(void *context, const char *name, size_t n);
    void (*call_arguments)(void *context, const char *text, size_t n); /* pieces of JSON, as the model wrote it */
    void (*call_end)(void *context);
};

struct call_scan {
    int state, role;
    unsigned depth;
    bool in_string, escaped, begun, arguments_done;
    struct buffer key, value, name;
    struct buffer held; /* arguments that came before the name */
    /* of markup: */
    size_t n_parameters;
    unsigned types;   /* what the value may be (tool_markup.h) */
    bool value_begun; /* a string goes out while it comes */
};

struct output_parser {
    const struct output_events *events;
    void *context;
    enum tool_syntax tools;
    const bn_tool_syntax *markup; /* TOOLS_MARKUP: how calls are written, and … */
    const json_t *functions;      /* … tools as chats have them, whose schemas say which types values have */
    const char *const *names; /* of tools, NULL-terminated: what TOOLS_JSON takes for a call must be of one of these */
    bool calls_first;         /* set by the owner: what doesn't begin with a call is text, whatever it has */
    bool reasoning;           /* <think>…</think> at the beginning are thoughts */
    int state;
    bool skip_blanks;      /* before the next text: behind a call or the thoughts */
    bool at_start;         /* no text has come */
    struct buffer pending; /* held back */
    struct buffer raw;     /* of the call that is being read, in case it is none */
    struct call_scan call;
    size_t n_calls;
};

/* in_reasoning: the prompt itself ended in <think>. Release it. */
void output_parser_init(struct output_parser *parser, enum tool_syntax tools, const char *const *names, bool reasoning,
                        bool in_reasoning, const struct output_events *events, void *context);
void output_parser_release(struct output_parser *parser);
/* For TOOLS_MARKUP, before anything is pushed. Both outlive the parser. */
void output_parser_mark(struct output_parser *parser, const bn_tool_syntax *syntax, const json_t *functions);
/* False: no memory. */
bool output_parser_push(struct output_parser *parser, const char *text, size_t n);
/* The answer is over: what was held back is text after all. */
bool output_parser_finish(struct output_parser *parser);

#endif
