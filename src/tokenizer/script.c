/* A binary search in the generated table of scripts. */
#include "tokenizer/script.h"

#include <stdbool.h>
#include <stddef.h>

#include "tokenizer/script_table.h"

int script_of(uint32_t code_point) {
    size_t low = 0, high = sizeof script_ranges / sizeof *script_ranges;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (script_ranges[middle].last < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    bool inside = low < sizeof script_ranges / sizeof *script_ranges && script_ranges[low].first <= code_point;
    return inside ? script_ranges[low].script : SCRIPT_ANY;
}
