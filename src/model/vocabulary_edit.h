/* Adding and renaming tokens of a tokenizer.json, a Hugging Face folder, or a GGUF file, with all that depends on it:
 * companion files, embedding rows, the vocabulary's size. The result is written elsewhere; the source stays. */
#ifndef MODEL_VOCABULARY_EDIT_H
#define MODEL_VOCABULARY_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct vocabulary_edit {
    const char *const *add; /* texts of new tokens */
    size_t n_add;
    bool special;        /* what they are */
    const char *old;     /* else: this token … */
    const char *renamed; /* … is spelled so */
    size_t *ids;         /* [n_add], filled in */
    size_t grown_rows;   /* filled in: rows that tensors got, 0 where padding was free or there are none */
};

/* A tokenizer.json by itself. */
bn_status vocabulary_edit_json(struct vocabulary_edit *edit, const char *path, const char *out, bn_error *err);
/* A GGUF file, vocabulary or model; the parts of a split one become one file. */
bn_status vocabulary_edit_gguf(struct vocabulary_edit *edit, const char *path, const char *out, bn_error *err);
/* A folder: the files that change are written into the folder `out`, which exists. */
bn_status vocabulary_edit_folder(struct vocabulary_edit *edit, const char *folder, const char *out, bn_error *err);

#endif
