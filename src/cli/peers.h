/* Programs that run models, this one among them, measured one process at a time. */
#ifndef CLI_PEERS_H
#define CLI_PEERS_H

#include "base/error.h"

enum peer_kind {
    PEER_OURS,         /* path: this program */
    PEER_LLAMA_BENCH,  /* path: llama.cpp's bench program, or bitnet.cpp's, which is a copy of it */
    PEER_LLAMA_PYTHON, /* path: a Python interpreter with llama-cpp-python */
    PEER_TRANSFORMERS, /* path: a Python interpreter with transformers; the model is a folder */
};

struct peer {
    enum peer_kind kind;
    const char *name; /* "ours", "llama.cpp", … */
    const char *path;
    const char *model;
};

enum peer_test { PEER_PREFILL, PEER_DECODE, PEER_START };

struct peer_measurement {
    double value;      /* tokens per second; seconds for PEER_START */
    size_t peak_bytes; /* of the process; of a Python peer without what it had before it loaded the model */
};

/* One measurement: n tokens (PEER_START: 8, whatever n is). BN_STATUS_UNSUPPORTED for what a peer can't measure; errors
 * name the peer and its reason. */
bn_status peer_measure(const struct peer *peer, enum peer_test test, size_t n, size_t threads, double limit_s,
                       struct peer_measurement *out, bn_error *err);

#endif
