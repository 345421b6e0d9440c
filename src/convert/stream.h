/* Planned tensors as bytes, a few megabytes at a time. */
#ifndef CONVERT_STREAM_H
#define CONVERT_STREAM_H

#include "convert/plan.h"

/* Where bytes go: a writer of a container. */
typedef bn_status tensor_sink(void *context, const void *bytes, size_t size, bn_error *err);

struct tensor_stream {
    const struct plan *plan;
    struct convert_report *report;
    size_t done, total; /* bytes, for progress */
};

/* Gives the tensor's bytes to the sink, in order. Chunks of rows are computed by all threads; what was read of the source is dropped from memory. */
bn_status stream_tensor(struct tensor_stream *stream, const struct planned_tensor *tensor, tensor_sink *sink,
                        void *context, bn_error *err);

#endif
