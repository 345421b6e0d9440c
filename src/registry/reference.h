/* How people name a version of a model: name[@version][:variant].
 *
 *     small                 the version in use of the model "small"
 *     owner/small@3         its version 3
 *     small@stable          the version that carries the tag "stable"
 *     small:q8@2            version 2 of its variant "q8" (the order of @ and : is free)
 *
 * A name is one part or two (owner/name). Parts, variants and tags consist of letters, digits and "._-", begin with a letter, a
 * digit or "_", don't contain ".." or "--" (as on model hubs) and are at most 96 long. A tag isn't a number. */
#ifndef REGISTRY_REFERENCE_H
#define REGISTRY_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define DEFAULT_VARIANT "default"

enum { WORD_MAX = 96 };

struct model_reference {
    char name[2 * WORD_MAX + 2];
    char variant[WORD_MAX + 1]; /* "" when none was given */
    char tag[WORD_MAX + 1];     /* "" when none was given, and when version is set */
    size_t version;             /* 0 when none was given */
};

/* BN_STATUS_BAD_ARGUMENT says what a name looks like. */
bn_status model_reference_parse(const char *text, struct model_reference *out, bn_error *err);

bool model_name_valid(const char *name);
bool model_word_valid(const char *word); /* a variant, or a part of a name */
bool model_tag_valid(const char *tag);

#endif
