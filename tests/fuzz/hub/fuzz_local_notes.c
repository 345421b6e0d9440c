/* Any bytes as what is noted of a file in a folder of one's own: the file counts as the one that is wanted only if its hash stands
 * in the second line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "hub/local.h"

static char folder[] = "/tmp/bitnet-fuzz-XXXXXX";

static void remove_all(void) {
    char path[100];
    static const char *const inside[] = {"f",
                                         ".cache/huggingface/download/f.metadata",
                                         ".cache/huggingface/download",
                                         ".cache/huggingface/.gitignore",
                                         ".cache/huggingface/CACHEDIR.TAG",
                                         ".cache/huggingface",
                                         ".cache",
                                         ""};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, inside[i]);
        remove(path);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static char hash[] = "aaaabbbbccccddddeeeeffff0000111122223333aaaabbbbccccdddd00001111", name[] = "f";
    static char note[100], file_path[100];
    const struct hub_file file = {.path = name, .digest = hash, .git_id = hash, .size_bytes = 1, .large = true};
    if (!*note) {
        if (!mkdtemp(folder) || hub_local_create(folder, NULL) || hub_local_note(folder, &file, "c", NULL)) abort();
        atexit(remove_all);
        snprintf(note, sizeof note, "%s/.cache/huggingface/download/f.metadata", folder);
        snprintf(file_path, sizeof file_path, "%s/f", folder);
        if (file_write_all(file_path, "x", 1, NULL)) abort();
    }
    FILE *stream = fopen(note, "wb");
    if (!stream || fwrite(bytes, 1, size, stream) != size || fclose(stream)) abort();
    bool has;
    bn_error err = {0};
    if (hub_local_has(folder, &file, &has, &err)) abort();
    const uint8_t *line = memchr(bytes, '\n', size);
    size_t left = line ? size - (size_t)(line + 1 - bytes) : 0, n = sizeof hash - 1;
    if (has && (left <= n || memcmp(line + 1, hash, n) != 0 || line[1 + n] != '\n')) abort();
    return 0;
}
