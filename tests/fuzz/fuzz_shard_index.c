/* Any bytes as the index of a checkpoint in shards, beside one shard: refused with a message, or what it names is all there and
 * nothing else. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/shard_index.h"

static char folder[] = "/tmp/bitnet-fuzz-XXXXXX", path[100], shard[100];

static void remove_all(void) {
    remove(path);
    remove(shard);
    rmdir(folder);
}

static void begin(void) {
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    snprintf(shard, sizeof shard, "%s/a", folder);
    if (symlink(TEST_DATA "/safetensors/two.safetensors", shard)) abort();
    atexit(remove_all);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!*path) begin();
    FILE *stream = fopen(path, "wb");
    if (!stream || fwrite(bytes, 1, size, stream) != size || fclose(stream)) abort();
    struct tensor_set set;
    bn_error err = {0};
    if (shard_index_open(path, &set, &err)) {
        if (!err.message[0] || strchr(err.message, '\n')) abort();
        return 0;
    }
    for (size_t i = 0; i < set.n_tensors; i++)
        if (!tensor_set_find(&set, set.tensors[i].name)) abort();
    tensor_set_release(&set);
    return 0;
}
