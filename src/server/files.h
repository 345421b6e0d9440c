/* /v1/files: what clients upload for batches, and what batches answer. A file is FOLDER/files/ID, what is known of it
 * FOLDER/files/ID.json; both are written whole or not at all. Thread-safe. */
#ifndef SERVER_FILES_H
#define SERVER_FILES_H

#include "server/api.h"

struct files;

/* Makes the folder if need be. */
bn_status files_create(const char *folder, struct files **out, bn_error *err);
void files_destroy(struct files *files);

/* "file-…"; size ≥ 40. */
void files_make_id(char *id, size_t size);
/* Where an id's content lies: mem_free it. NULL without memory, or if that can't be an id. */
char *files_path(const struct files *files, const char *id);
/* Makes known a file whose content is in its place: its object, as the API shows it. */
bn_status files_register(struct files *files, const char *id, const char *name, const char *purpose, bn_error *err);
/* The object of a file; NULL: there is none. */
json_t *files_describe(struct files *files, const char *id);
bool files_is_id(const char *id);

void handle_file_create(struct exchange *exchange, void *service);
void handle_file_list(struct exchange *exchange, void *service);
void handle_file_get(struct exchange *exchange, void *service);
void handle_file_content(struct exchange *exchange, void *service);
void handle_file_delete(struct exchange *exchange, void *service);

#endif
