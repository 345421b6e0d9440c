#include "server/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/failure.h"
#include "server/settings.h"

static int by_age(const void *a, const void *b) {
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    json_int_t when = json_integer_or(x, "created_at", 0), then = json_integer_or(y, "created_at", 0);
    if (when != then) return when < then ? -1 : 1;
    return strcmp(json_text_or(x, "id", ""), json_text_or(y, "id", ""));
}

void page_sort(json_t *items) {
    size_t n = json_array_size(items);
    json_t **sorted = mem_alloc_array(n, sizeof *sorted);
    if (!sorted) return; /* as they are */
    for (size_t i = 0; i < n; i++) sorted[i] = json_incref(json_array_get(items, i));
    qsort(sorted, n, sizeof *sorted, by_age);
    for (size_t i = 0; i < n; i++) json_array_set_new(items, i, sorted[i]);
    mem_free(sorted);
}

struct page {
    const char *after; /* NULL: from the beginning */
    bool ascending;
    size_t limit;
};

static bool read_page(const struct exchange *exchange, size_t most, struct page *page, struct failure *failure) {
    const char *limit = exchange_query(exchange, "limit"), *order = exchange_query(exchange, "order");
    page->after = exchange_query(exchange, "after");
    page->ascending = order && strcmp(order, "asc") == 0;
    if (order && !page->ascending && strcmp(order, "desc") != 0)
        return refuse(failure, "order", "'order' must be asc or desc");
    if (!limit) return true;
    char *end;
    unsigned long n = strtoul(limit, &end, 10);
    if (*limit < '0' || *limit > '9' || *end || n < 1 || n > most)
        return refuse(failure, "limit", "'limit' must be 1 … %zu", most);
    page->limit = n;
    return true;
}

/* The place behind the item of that id. */
static bool find_after(const json_t *items, const struct page *page, size_t *at, struct failure *failure) {
    size_t n = json_array_size(items);
    *at = 0;
    if (!page->after) return true;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(items, page->ascending ? i : n - 1 - i);
        *at = i + 1;
        if (strcmp(json_text_or(item, "id", ""), page->after) == 0) return true;
    }
    return refuse(failure, "after", "'after': there is no '%.80s' in this list", page->after);
}

void exchange_respond_page(struct exchange *exchange, json_t *items, size_t limit, size_t most) {
    struct page page = {.limit = limit};
    struct failure failure = {0};
    size_t n = json_array_size(items), at;
    if (!read_page(exchange, most, &page, &failure) || !find_after(items, &page, &at, &failure)) {
        json_decref(items);
        failure_send(exchange, &failure);
        return;
    }
    json_t *data = json_array();
    for (; at < n && json_array_size(data) < page.limit; at++)
        json_array_append(data, json_array_get(items, page.ascending ? at : n - 1 - at));
    size_t n_shown = json_array_size(data);
    json_decref(items);
    exchange_respond_json(exchange, 200,
                          json_pack("{s:s, s:O, s:s?, s:s?, s:b}", "object", "list", "data", data, "first_id",
                                    json_text_or(json_array_get(data, 0), "id", NULL), "last_id",
                                    json_text_or(json_array_get(data, n_shown - (n_shown > 0)), "id", NULL), "has_more",
                                    at < n));
    json_decref(data);
}
