/* "did you mean …?": the nearest of some names to one that doesn't exist. */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *wanted;
    const char *best; /* NULL while nothing is near enough */
    size_t distance;
};

struct suggestion suggestion_for(const char *wanted);
/* Keeps the candidate if it is nearer than the best so far; it must outlive the suggestion. */
void suggestion_consider(struct suggestion *suggestion, const char *candidate);

#endif
