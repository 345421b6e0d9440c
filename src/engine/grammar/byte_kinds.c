/* See byte_kinds.h. Letters and digits are a few kinds, other ASCII characters one each, and the rest by the byte they begin with. */
#include "engine/grammar/byte_kinds.h"

#include <string.h>

static const struct kind {
    uint32_t first, last;
    uint8_t first_byte, last_byte;
} kinds[] = {{'0', '9', '0', '9'},
             {'A', 'F', 'A', 'F'},
             {'G', 'Z', 'G', 'Z'},
             {'a', 'f', 'a', 'f'},
             {'g', 'z', 'g', 'z'},
             {0x80, 0x7ff, 0xc2, 0xdf},
             {0x800, 0xfff, 0xe0, 0xe0},
             {0x1000, 0x1fff, 0xe1, 0xe1},
             {0x2000, 0x2fff, 0xe2, 0xe2},
             {0x3000, 0xcfff, 0xe3, 0xec},
             {0xd000, 0xd7ff, 0xed, 0xed},
             {0xe000, 0xffff, 0xee, 0xef},
             {0x10000, LAST_CODE_POINT, 0xf0, 0xf4}};
#define N_KINDS (sizeof kinds / sizeof *kinds)

/* One each, behind those. */
static const char others[] = " !#$%&'()*+,-./:;<=>?@[]^_`{|}~\x7f";
#define N_OTHERS (sizeof others - 1)
_Static_assert(N_KINDS + N_OTHERS < 63, "a bit each, and one for what no state takes as it is");

uint64_t byte_kind(uint8_t byte) {
    const char *other = byte ? strchr(others, byte) : NULL;
    for (size_t k = 0; k < N_KINDS; k++)
        if (byte >= kinds[k].first_byte && byte <= kinds[k].last_byte) return UINT64_C(1) << k;
    if (other) return UINT64_C(1) << (N_KINDS + (size_t)(other - others));
    return byte >= 0x80 && byte < 0xc0 ? 0 : UINT64_C(1) << 63;
}

uint64_t kinds_that_stay(const struct dfa *dfa, uint32_t state) {
    uint64_t stay = 0;
    for (uint32_t e = 0; e < dfa->states[state].n_edges; e++) {
        const struct dfa_edge *edge = &dfa->edges[dfa->states[state].first_edge + e];
        if (edge->to != state) continue;
        for (size_t k = 0; k < N_KINDS; k++)
            if (kinds[k].first >= edge->first && kinds[k].last <= edge->last) stay |= UINT64_C(1) << k;
        for (size_t k = 0; k < N_OTHERS; k++)
            if ((uint8_t)others[k] >= edge->first && (uint8_t)others[k] <= edge->last)
                stay |= UINT64_C(1) << (N_KINDS + k);
    }
    return stay;
}
