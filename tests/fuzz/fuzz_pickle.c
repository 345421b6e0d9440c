/* Any bytes as a pickle: a tree of values that point into the bytes, or a message. */
#include <stdlib.h>

#include "formats/pickle.h"

static const struct pickle_global allowed[] = {{"collections", "OrderedDict"}, {"torch", "Size"}};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Values may contain themselves, so only the uppermost levels are visited. */
static void visit(const struct pickle_value *value, const uint8_t *bytes, size_t size, int depth) {
    bool text = value->kind == PICKLE_STRING || value->kind == PICKLE_LONG;
    if (text &&
        ((const uint8_t *)value->text < bytes || (const uint8_t *)value->text + value->text_size > bytes + size))
        abort();
    for (size_t i = 0; i < value->n_items && i < 100 && depth < 3; i++) visit(value->items[i], bytes, size, depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena arena;
    const struct pickle_value *root = NULL;
    size_t consumed = 0;
    bn_error err = {0};
    arena_init(&arena);
    bn_status status = pickle_parse(bytes, size, allowed, 2, &arena, &root, &consumed, &err);
    if (consumed > size || (status && !err.message[0])) abort();
    if (!status) visit(root, bytes, size, 0);
    arena_release(&arena);
    return 0;
}
