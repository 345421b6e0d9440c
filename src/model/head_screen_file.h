/* The screen's copy of the head as tensors of a GGUF file (docs/head.md). */
#ifndef MODEL_HEAD_SCREEN_FILE_H
#define MODEL_HEAD_SCREEN_FILE_H

#include "formats/gguf.h"
#include "model/head_screen.h"

/* Is this tensor a part of a stored copy? */
bool head_screen_owns(const char *tensor_name);

/* Uses the copy where the file is mapped. *stored: it was used. Otherwise the file has none (`problem` is ""), or one
 * that doesn't belong to this head (`problem` says why): types, shapes, and 16 rows computed anew are compared. */
bn_status head_screen_from_file(struct head_screen *screen, const struct linear *head, const struct tensor_set *set,
                                bool *stored, char *problem, size_t problem_bytes, bn_error *err);

/* The copy as the tensors that a file keeps of it: names, types, shapes, and the screen's arrays as data. */
enum { SCREEN_TENSORS = 5 };
void head_screen_tensors(const struct head_screen *screen, const struct linear *head,
                         struct tensor out[SCREEN_TENSORS]);

#endif
