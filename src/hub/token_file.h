/* The file `stored_tokens`: a section a token, "[name]\nhf_token = …\n", as Python's configparser writes and reads it. Other
 * fields of a section (of tokens that a browser login brought) stay as they are. Inside hub only. */
#ifndef HUB_TOKEN_FILE_H
#define HUB_TOKEN_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct token_file {
    struct token_section {
        char *name;
        char *fields; /* the lines below the name */
    } * sections;     /* by name */
    size_t n;
};

/* No file: no sections. */
bn_status token_file_read(struct token_file *out, bn_error *err);
/* Without sections the file is removed. */
bn_status token_file_write(const struct token_file *file, bn_error *err);
void token_file_release(struct token_file *file);

/* Whether configparser can read a section of this name back; BN_STATUS_BAD_ARGUMENT if not. */
bn_status token_name_check(const char *name, bn_error *err);

bool token_file_has(const struct token_file *file, const char *name);
/* *token is NULL when there is none; release with hub_token_free. */
bn_status token_file_get(const struct token_file *file, const char *name, char **token, bn_error *err);
bn_status token_file_set(struct token_file *file, const char *name, const char *token, bn_error *err);
void token_file_drop(struct token_file *file, const char *name); /* NULL: all */

/* Writes a file that only its owner may read (0600, the folder 0700 when it is made), whole or not at all. */
bn_status secret_file_write(const char *path, const char *bytes, size_t n, bn_error *err);
bn_status secret_file_remove(const char *path, bn_error *err); /* none there: fine */

#endif
