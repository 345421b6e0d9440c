/* Any bytes as huggingface_hub's stored_tokens: refused with a message, or what is written from it reads back the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "hub/token.h"
#include "hub/token_file.h"

static char folder[] = "/tmp/bitnet-fuzz-XXXXXX", path[100];

static void remove_all(void) {
    remove(path);
    rmdir(folder);
}

static void begin(void) {
    char token[100];
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/stored_tokens", folder);
    snprintf(token, sizeof token, "%s/token", folder);
    setenv("HF_TOKEN_PATH", token, 1);
    atexit(remove_all);
}

static bool same_token(const struct token_file *one, const struct token_file *other, const char *name) {
    char *a = NULL, *b = NULL;
    bn_status status = token_file_get(one, name, &a, NULL);
    bool same = token_file_get(other, name, &b, NULL) == status && !a == !b && (!a || strcmp(a, b) == 0);
    hub_token_free(a);
    hub_token_free(b);
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!*path) begin();
    FILE *stream = fopen(path, "wb");
    if (!stream || fwrite(bytes, 1, size, stream) != size || fclose(stream)) abort();
    struct token_file file, again;
    bn_error err = {0};
    if (token_file_read(&file, &err)) {
        if (!err.message[0]) abort();
    } else {
        if (token_file_write(&file, NULL) || token_file_read(&again, NULL) || again.n != file.n) abort();
        for (size_t i = 0; i < file.n; i++)
            if (!same_token(&file, &again, file.sections[i].name)) abort();
        token_file_release(&again);
    }
    token_file_release(&file);
    return 0;
}
