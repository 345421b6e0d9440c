/* Lists in pages, as OpenAI's clients turn them. */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include "server/exchange.h"

/* Answers with a page of a list whose items have an "id" each, the oldest first; stolen. The query says which: `order` (desc,
 * the default: the newest first; asc), `after` (the id of the last one that was seen), `limit` (1 … most). */
void exchange_respond_page(struct exchange *exchange, json_t *items, size_t limit, size_t most);
/* Sorts objects by their "created_at", the oldest first. */
void page_sort(json_t *items);

#endif
