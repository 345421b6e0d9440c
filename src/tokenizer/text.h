/* A text on its way through the pipeline, every byte of which remembers the bytes of the original it came from.
 *
 * This follows the reference's NormalizedString: normalizers describe their result as a list of (character, change)
 * over the old characters, and alignment follows from the changes alone. Text that nothing has changed yet borrows
 * the input and keeps no spans at all, so the common case costs nothing. */
#ifndef TOKENIZER_TEXT_H
#define TOKENIZER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    uint32_t begin, end; /* bytes of the original text */
};

struct text {
    const char *bytes;
    size_t size;
    struct span *spans; /* [size], the same for all bytes of a character; NULL: byte i comes from byte base + i */
    uint32_t base;      /* where the original of this text begins */
    /* Owned memory behind bytes and spans once the text was changed. */
    char *own_bytes;
    struct span *own_spans;
    size_t capacity;
    bool unaligned; /* nobody will ask where bytes came from: a changed text keeps no spans, text_span is meaningless */
    bool failed;    /* memory ran out; checked once at the end */
};

void text_init(struct text *text);
void text_release(struct text *text);
/* Makes it a view of input[base, base + size). Memory owned so far is kept for later. */
void text_borrow(struct text *text, const char *input, size_t base, size_t size);
/* Makes it an empty text to append to, whose original begins at base. */
void text_clear(struct text *text, size_t base);
void text_append(struct text *text, const char *bytes, size_t n, struct span span);
/* Copies [begin, end) of another text with its spans. */
void text_append_text(struct text *text, const struct text *from, size_t begin, size_t end);
/* The original bytes that [begin, end), not empty, came from. */
struct span text_span(const struct text *text, size_t begin, size_t end);

/* One character of a transformed text. change 0: stands for one old character; 1: inserted, shares the place of the one
 * before; -n: stands for one old character, and the n after it are gone. */
struct change {
    uint32_t code_point;
    int32_t change;
};
struct changes {
    struct change *items;
    size_t n, capacity;
    bool failed;
};
void changes_push(struct changes *changes, uint32_t code_point, int32_t change);
void changes_release(struct changes *changes);
/* Appends the characters alone: for unaligned texts. */
void text_append_changes(struct text *to, const struct changes *changes);
/* to = from with the changes applied; the first `skip` characters of from are removed. */
void text_transform(const struct text *from, struct text *to, const struct changes *changes, size_t skip);

#endif
