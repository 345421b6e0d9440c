/* The XML that a bucket answers with: pages of a list of objects, and errors (expat beneath; documents with a DTD, and
 * so with entities of their own, are refused). */
#ifndef BACKUP_BUCKET_XML_H
#define BACKUP_BUCKET_XML_H

#include <stdint.h>

#include "base/error.h"

/* A page of ListObjectsV2: object(context, key, size_bytes) is called for each. *next is the token to ask for the next
 * page with, newly allocated, NULL when this is the last. BN_STATUS_BAD_FILE when it isn't such a page. */
typedef bn_status (*bucket_object_visitor)(void *context, const char *key, uint64_t size_bytes, bn_error *err);
bn_status bucket_xml_list(const char *text, size_t size, bucket_object_visitor object, void *context, char **next,
                          bn_error *err);

/* What an error answer says; "" for what it doesn't. */
struct bucket_problem {
    char code[64];     /* "NoSuchKey" */
    char message[200]; /* for a person */
    char region[40];   /* where the bucket really is */
};
void bucket_xml_problem(const char *text, size_t size, struct bucket_problem *out);

#endif
