/* A result in Hugging Face form: weights in safetensors, alone or with everything a folder has. */
#ifndef CONVERT_HF_FOLDER_H
#define CONVERT_HF_FOLDER_H

#include "convert/stream.h"

/* One file of safetensors at `path`. */
bn_status hf_write_file(struct tensor_stream *stream, const char *path, bn_error *err);

/* A folder: weights in files of about options->max_shard_bytes, config.json, generation_config.json, tokenizer. It is filled under
 * another name and moved to `path`, where nothing or an empty folder may be. source_folder: where a Hugging Face source has
 * its files, NULL for GGUF. */
bn_status hf_write_folder(struct tensor_stream *stream, const char *source_folder, const char *path, bn_error *err);

#endif
