/* Reading JSON a token at a time where it lies: for the hundreds of thousands of strings of a vocabulary and its merges,
 * of which a tree would make a million little objects. Everything else goes through base/json.h.
 *
 * Strict as that is: UTF-8, escapes, no control characters in strings. The first thing that isn't right marks the
 * reader failed, and nothing more comes out of it. */
#ifndef TOKENIZER_JSON_PULL_H
#define TOKENIZER_JSON_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct json_pull {
    const char *at, *end;
    bool failed, no_memory;
    struct buffer unescaped[2]; /* strings that had escapes; two may be in use at once */
    unsigned turn;
};

struct json_pull json_pull_over(const char *text, size_t size);
void json_pull_release(struct json_pull *pull);

/* The next character that isn't white space, which stays; 0 at the end and after a failure. */
char json_pull_peek(struct json_pull *pull);
/* Takes the character, which must be next. */
void json_pull_expect(struct json_pull *pull, char c);
/* Takes it if it is next. */
bool json_pull_accept(struct json_pull *pull, char c);
/* A string; *text holds until the call after next. false: failed. */
bool json_pull_string(struct json_pull *pull, const char **text, size_t *size);
/* An integer from 0 to max; anything else is taken, and gives false. */
bool json_pull_index(struct json_pull *pull, uint64_t max, uint64_t *value);
/* Passes over any value. *n is how many commas of its own it has. Only brackets and strings are looked at. */
void json_pull_skip(struct json_pull *pull, size_t *n);

#endif
