/* /v1/batches: files of requests, answered in the background, whatever happens in between.
 *
 * A batch is FOLDER/batches/ID.json, replaced as a whole when its state changes. Its answers go line by line, each with one
 * write, to the file that will be its output; a server that starts again takes up each unfinished batch where the last whole
 * line of that file ends. So each request is answered once, even if the server is killed in the middle. */
#ifndef SERVER_BATCHES_H
#define SERVER_BATCHES_H

#include "server/api.h"

struct batches;

/* Takes up what an earlier server left. api->files must be there. */
bn_status batches_create(const char *folder, struct api *api, struct batches **out, bn_error *err);
/* Stops; what isn't finished stays for the next server. */
void batches_destroy(struct batches *batches);

void handle_batch_create(struct exchange *exchange, void *service);
void handle_batch_list(struct exchange *exchange, void *service);
void handle_batch_get(struct exchange *exchange, void *service);
void handle_batch_cancel(struct exchange *exchange, void *service);
extern const struct schema batch_request_schema;

#endif
