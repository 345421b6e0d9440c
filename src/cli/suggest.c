/* Nearness is the edit distance in which swapping neighbours counts as one edit (optimal string alignment): that is
 * what typing mistakes are. A beginning ("gen" for "generate") is near too. */
#include "cli/suggest.h"

#include <string.h>

#include "base/memory.h"

enum { NAME_MAX_BYTES = 64 };

static size_t edit_distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    if (n > NAME_MAX_BYTES || m > NAME_MAX_BYTES) return NAME_MAX_BYTES;
    size_t rows[3][NAME_MAX_BYTES + 1];
    size_t *before = rows[0], *previous = rows[1], *current = rows[2];
    for (size_t j = 0; j <= m; j++) previous[j] = j;
    memcpy(before, previous, sizeof rows[0]);
    for (size_t i = 1; i <= n; i++) {
        current[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t cost = min_size(previous[j], current[j - 1]) + 1;
            cost = min_size(cost, previous[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost = min_size(cost, before[j - 2] + 1);
            current[j] = cost;
        }
        size_t *free_row = before;
        before = previous;
        previous = current;
        current = free_row;
    }
    return previous[m];
}

struct suggestion suggestion_for(const char *wanted) {
    return (struct suggestion){.wanted = wanted, .distance = min_size(3, (strlen(wanted) + 1) / 2) + 1};
}

void suggestion_consider(struct suggestion *suggestion, const char *candidate) {
    size_t n = strlen(suggestion->wanted);
    size_t distance = edit_distance(suggestion->wanted, candidate);
    if (n >= 3 && strncmp(suggestion->wanted, candidate, n) == 0) distance = 1;
    if (distance >= suggestion->distance) return;
    suggestion->distance = distance;
    suggestion->best = candidate;
}
