/* Other tokenizer libraries, measured in a Python process beside this one (tokenizer_peers.py, which is part of the
 * program): it stands by while our own runs are timed, so the two can take turns. */
#ifndef CLI_TOKENIZER_PEERS_H
#define CLI_TOKENIZER_PEERS_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/json.h"

struct peers {
    pid_t pid; /* 0: not started */
    FILE *requests, *answers;
    json_t *found; /* {"peers": [{"name", "loads": can it be asked for PEER_LOADS?}], "absent": [{"name", "reason"}]} */
};

struct peer_run {
    double seconds; /* CPU time */
    size_t n_tokens;
    uint32_t checksum; /* Adler-32 of the ids as little-endian int32 */
};

/* Starts `python` with the tokenizer at `path` and the text. Stop it with peers_stop, also after a failure. */
bn_status peers_start(struct peers *peers, const char *python, const char *path, const char *text, size_t text_bytes,
                      bn_error *err);
size_t peers_count(const struct peers *peers);
const json_t *peers_at(const struct peers *peers, size_t index);
/* What a peer is asked for: each line of the text for itself, all of it at once, loading the tokenizer. */
enum peer_shape { PEER_LINES, PEER_WHOLE, PEER_LOADS };
/* Runs one once. */
bn_status peers_run(struct peers *peers, size_t index, enum peer_shape shape, struct peer_run *out, bn_error *err);
void peers_stop(struct peers *peers);

#endif
