/* What a path holds, by content and not by name. */
#ifndef FORMATS_DETECT_H
#define FORMATS_DETECT_H

#include "base/error.h"

enum file_kind {
    FILE_GGUF,
    FILE_HF_FOLDER, /* a folder with config.json and weights */
    FILE_WEIGHTS,   /* a single file of them: safetensors, an index of shards, what torch.save wrote */
};

/* BN_STATUS_UNSUPPORTED with advice for what people try instead: other pickles, legacy GGML files, ONNX, tar
 * archives; BN_STATUS_BAD_FILE for anything else, empty files included. */
bn_status file_kind_detect(const char *path, enum file_kind *kind, bn_error *err);

#endif
