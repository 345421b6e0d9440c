/* The inside of the output parser: what reads calls as objects (output_parser.c) and as elements (output_markup.c). */
#ifndef SERVER_OUTPUT_PARSER_CORE_H
#define SERVER_OUTPUT_PARSER_CORE_H

#include "server/output_parser.h"

enum parser_state {
    START,     /* nothing but blanks so far */
    REASONING, /* until </think> */
    TEXT,
    CALL_OPEN,   /* behind the trigger: an object, an array or a name */
    CALL,        /* in the object */
    CALL_NAME,   /* Mistral: a name without JSON, until { */
    CALL_BARE,   /* … and its arguments */
    MARKED_CALL, /* markup: before a call, */
    MARKED_NAME, /* in its name, */
    MARKED_KEY,  /* before a parameter or the end, */
    MARKED_KEY_NAME,
    MARKED_VALUE_BEGIN,
    MARKED_VALUE,
    BETWEEN, /* behind a call: another one, or text */
    PLAIN    /* text without calls: the rest, after something that only looked like one */
};

enum { MAX_NAME_BYTES = 256 };

static inline bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* How many bytes at the end of text begin `word`. */
size_t parser_tail_of(const struct buffer *text, const char *word);
void parser_drop_front(struct buffer *buffer, size_t n);

/* A call, from its first character on: forgets the last one. */
void parser_begin_object(struct output_parser *parser, int state);
/* Tells of it by the name that was read; false: no call has this name. */
bool parser_begin_call(struct output_parser *parser);
void parser_give_arguments(struct output_parser *parser, const char *text, size_t n);
/* What has come of the arguments goes out, once the call has a name. */
void parser_flush_arguments(struct output_parser *parser);
void parser_end_call(struct output_parser *parser);
/* What looked like a call is none: it is text, and so is all that follows. A call that the client has heard of can only
 * be ended. */
void parser_give_up_call(struct output_parser *parser);

/* output_markup.c: decides about the front of what is pending, in the MARKED states. False: it takes more text. */
bool parser_step_markup(struct output_parser *parser);

#endif
