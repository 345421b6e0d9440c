/* Ollama's routes that change which models there are: the registry's, and those of a hub. */
#ifndef SERVER_HUB_OLLAMA_LIBRARY_H
#define SERVER_HUB_OLLAMA_LIBRARY_H

#include "server/hub/ollama_task.h"

void handle_ollama_copy(struct exchange *exchange, void *service);
void handle_ollama_delete(struct exchange *exchange, void *service);
void handle_ollama_pull(struct exchange *exchange, void *service);
void handle_ollama_push(struct exchange *exchange, void *service);
void handle_ollama_create(struct exchange *exchange, void *service);
void handle_ollama_blob_head(struct exchange *exchange, void *service);
void handle_ollama_blob_create(struct exchange *exchange, void *service);
extern const struct schema ollama_copy_schema, ollama_transfer_schema, ollama_create_schema;

/* The name that a client gives to a new model: NAME or OWNER/NAME, and a variant where the tag isn't "latest". */
bn_status ollama_target_parse(const char *text, struct model_reference *out, bn_error *err);
/* The version of the registry that a client means: NAME:TAG is a variant, else a version's number or tag. */
bn_status ollama_find_version(struct registry *registry, const char *text, struct model_reference *reference,
                              struct model_version *out, bn_error *err);
/* Where the model of a name lies, for the server or in the registry. *path is mem_free'd; *lease keeps it there until
 * closed (-1: nothing does). */
bn_status ollama_take_path(struct api *api, const char *text, char **path, int *lease, bn_error *err);
/* A version has come to be: from now on the server's models of that name are of it. */
bn_status ollama_serve_version(struct api *api, const struct model_version *version, bn_error *err);
/* Where uploads wait to be used, "" for the folder itself. Newly allocated. */
char *ollama_blob_path(const char *digest);

#endif
