#include "cli/hub/quantity.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A number ≥ 0 and where its unit begins; NULL when there is no number. */
static const char *parse_number(const char *text, double *value) {
    char *end;
    *value = strtod(text, &end);
    if (end == text || !(*value >= 0) || isinf(*value)) return NULL;
    return end + strspn(end, " ");
}

bn_status parse_bytes(const char *text, const char *what, uint64_t *out, bn_error *err) {
    static const char prefixes[] = "kKmMgGtT"; /* two of each power */
    double value;
    const char *unit = parse_number(text, &value);
    if (unit && *unit) {
        const char *prefix = strchr(prefixes, *unit);
        if (prefix) {
            int power = (int)(prefix - prefixes) / 2 + 1;
            unit++;
            bool binary = *unit == 'i';
            value *= pow(binary ? 1024 : 1000, power);
            unit += binary;
        }
        if (*unit == 'B' || *unit == 'b') unit++;
    }
    if (!unit || *unit || value > 0x1p62)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: '%s' isn't a size such as 500M, 10GB or 4GiB", what, text);
    *out = (uint64_t)value;
    return BN_OK;
}

bn_status parse_duration(const char *text, const char *what, int64_t *seconds, bn_error *err) {
    static const struct {
        char letter;
        double seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    double value;
    const char *unit = parse_number(text, &value);
    for (size_t i = 0; unit && i < sizeof units / sizeof *units; i++) {
        if (unit[0] != units[i].letter || unit[1] || value * units[i].seconds > 0x1p40) continue;
        *seconds = (int64_t)(value * units[i].seconds);
        return BN_OK;
    }
    return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: '%s' isn't a duration such as 90s, 12h or 30d", what, text);
}
