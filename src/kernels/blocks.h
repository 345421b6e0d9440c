/* One decoder per block format: n_blocks blocks at b become n_blocks · block floats at y; and encoders, the other way
 * round. The values' formulas stand in docs/tensor-types.md; bytes may lie at any address. */
#ifndef KERNELS_BLOCKS_H
#define KERNELS_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

typedef void block_decoder(const uint8_t *b, float *y, size_t n_blocks);

block_decoder decode_q4_0, decode_q4_1, decode_q5_0, decode_q5_1, decode_q8_0;
block_decoder decode_iq4_nl, decode_mxfp4, decode_nvfp4;
block_decoder decode_q1_0, decode_q2_0, decode_pq2_0, decode_tq1_0, decode_tq2_0, decode_ptq1_0;
block_decoder decode_q2_k, decode_q3_k, decode_q4_k, decode_q5_k, decode_q6_k, decode_iq4_xs;

typedef void block_encoder(const float *x, uint8_t *b, size_t n_blocks);

block_encoder encode_f32, encode_f16, encode_bf16; /* blocks of one value */
block_encoder encode_q4_0, encode_q8_0, encode_q4_k, encode_q6_k;
block_encoder encode_tq1_0, encode_tq2_0, encode_q2_0, encode_pq2_0;

#endif
