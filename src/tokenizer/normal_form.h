/* Unicode normalization forms (UAX #15) with alignment: NFD and NFKD decompose and reorder, NFC and NFKC compose
 * again. */
#ifndef TOKENIZER_NORMAL_FORM_H
#define TOKENIZER_NORMAL_FORM_H

#include <stdbool.h>

#include "tokenizer/text.h"

/* Fills changes with what turns text into the form; false when memory ran out. */
bool normal_form_changes(const struct text *text, bool compatibility, bool compose, struct changes *changes);
/* Quick answer for texts that every form leaves alone (ASCII) or that NFC does (below U+0300). */
bool normal_form_is_trivial(const struct text *text, bool compatibility, bool compose);
/* The next part at or behind `from` (0 or the end of a part) that the form may change: the form
 * of a text is its text with each part replaced by the part's form. false: none is left. */
bool normal_form_next_part(const struct text *text, size_t from, bool compatibility, bool compose, size_t *begin,
                           size_t *end);

#endif
