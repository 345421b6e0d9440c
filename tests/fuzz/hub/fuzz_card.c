/* Any bytes as a model card: refused with a message, or what is written from it reads back as the same metadata and prose. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "hub/card.h"

static void ignore(void *context, bool is_error, const char *message) {
    (void)context, (void)is_error;
    if (!message[0]) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct card card, again;
    bn_error err = {0};
    char *text = NULL;
    bn_status status = card_parse((const char *)bytes, size, &card, &err);
    if (status) {
        if (err.status != status || !err.message[0]) abort();
        return 0;
    }
    (void)card_check(card.metadata, ignore, NULL);
    if (!card_text(&card, &text, &err)) {
        bool fenced = json_object_size(card.metadata) > 0;
        if (fenced) {
            if (card_parse(text, strlen(text), &again, &err)) abort();
            if (!json_equal(card.metadata, again.metadata) || strcmp(card.prose, again.prose) != 0) abort();
            card_release(&again);
        }
    }
    mem_free(text);
    card_release(&card);
    return 0;
}
