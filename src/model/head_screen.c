/* Making and using the six-bit copy of the output head. docs/head.md derives the bound; names here are those there. */
#include "model/head_screen.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/half.h"
#include "base/memory.h"
#include "kernels/layout.h"

#define UNIT          0x1p-24  /* u: relative rounding error of a float operation */
#define SAFETY        0x1p-20  /* covers the rounding of everything that has a few operations only */
#define UNDERFLOW     0x1p-100 /* covers what subnormal results lose, logits and bounds together */
#define DOUBLE_SAFETY 0x1p-30  /* the same for sums of n squares in double precision */
#define LARGEST_NORM  0x1p60f
#define LARGEST_LOGIT 0x1p100

#define LARGEST_VALUE      31.5f /* of a row, in steps of its span: half a step beyond what the code 63 stands for */
#define LARGEST_MULTIPLIER 255
#define LARGEST_ACTIVATION 32639       /* 256·127 + 127 */
#define ROUNDING           12582912.0f /* 1.5·2^23: adding and subtracting it rounds what is below 2^22 */

#define BUILD_ROWS   256                /* rows in a chunk of work; their pages are dropped together */
#define SCREEN_BYTES ((size_t)16 << 20) /* smaller heads stay in the caches */

static float round_up_to_float(double x) {
    float rounded = (float)x;
    return (double)rounded < x ? nextafterf(rounded, INFINITY) : rounded;
}

/* γ of a dot product in 16 lanes: the longest chain of roundings is n/16 multiply-adds and 4 sums. */
static double dot_error(size_t n) {
    double chain = (double)(n / 16 + 5) * UNIT;
    return chain / (1 - chain);
}

bool head_screen_applies(const struct linear *head) {
    bool floats = head->type == TYPE_F32 || head->type == TYPE_F16 || head->type == TYPE_BF16;
    return floats && !head->ternary && !head->int8_activations && !head->input_norm && !head->bias && head->scale == 1;
}

bool head_screen_pays(const struct linear *head) {
    return head_screen_applies(head) && head->n_rows * head->row_bytes >= SCREEN_BYTES;
}

/* ---- building ---- */

struct build {
    const struct linear *head;
    const struct kernels *kernels;
    bool mapped;
    uint8_t *codes, *multipliers;
    float *scales, *residuals, *norms;
    uint8_t *scratch; /* [slots][scratch_bytes]: values of 16 rows, a row of float, a row of multipliers */
    size_t scratch_bytes, row_stride;
};

/* Of the bits, where NaN is larger than infinity; integers, whose maximum compilers vectorize. */
static float largest_magnitude(const float *w, size_t n) {
    int32_t largest = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t magnitude = (int32_t)(f32_bits(w[i]) & 0x7fffffff);
        largest = magnitude > largest ? magnitude : largest;
    }
    return f32_from_bits((uint32_t)largest);
}

/* w → q and what remains of w. Σq² */
static int32_t round_span(int8_t *q, float *w, float step) {
    float inverse = step > 0x1p-100f ? 1 / step : 0; /* smaller ones are all residual */
    int32_t squares = 0;
    for (size_t i = 0; i < S6_SPAN; i++) {
        float rounded = w[i] * inverse + ROUNDING - ROUNDING;
        rounded = rounded < S6_OFFSET - 1 ? rounded : S6_OFFSET - 1;
        rounded = rounded > -S6_OFFSET ? rounded : -S6_OFFSET;
        q[i] = (int8_t)rounded;
        squares += q[i] * q[i];
        w[i] -= step * (float)q[i];
    }
    return squares;
}

struct screen_row head_screen_row(const struct linear *head, const struct kernels *kernels, size_t r, int8_t *q,
                                  uint8_t *multipliers, float *w) {
    size_t n = head->n_cols, n_spans = s6_spans(n), padded = n_spans * S6_SPAN;
    struct screen_row row;
    linear_row(kernels, head, r, w);
    for (size_t i = n; i < padded; i++) w[i] = 0;
    row.scale = largest_magnitude(w, n) / (LARGEST_VALUE * LARGEST_MULTIPLIER);
    uint64_t q_squares = 0;
    for (size_t s = 0; s < n_spans; s++) {
        float steps = ceilf(largest_magnitude(w + s * S6_SPAN, S6_SPAN) / (LARGEST_VALUE * row.scale));
        uint32_t m =
            steps >= 1 ? (uint32_t)fminf(steps, LARGEST_MULTIPLIER) : 1; /* 1: also of a row of zeros, or NaN */
        multipliers[s] = (uint8_t)m;
        q_squares += (uint64_t)(m * m) * (uint32_t)round_span(q + s * S6_SPAN, w + s * S6_SPAN, row.scale * (float)m);
    }
    float squares;
    kernels->matmul_f32(&squares, w, w, &(struct matmul_shape){1, padded, 1, padded, 1});
    double norm = (double)row.scale * sqrt((double)q_squares) * (1 + SAFETY);
    double residual = sqrt((double)squares) * (1 + dot_error(padded)) + 4 * UNIT * norm;
    row.norm = round_up_to_float(norm);
    row.residual = round_up_to_float(residual * (1 + SAFETY) + 0x1p-60);
    return row;
}

void head_drop_pages(const struct linear *head, size_t row0, size_t n_rows) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const uint8_t *begin = head->data + row0 * head->row_bytes;
    size_t skip = (page - (uintptr_t)begin % page) % page, bytes = n_rows * head->row_bytes;
    if (bytes >= skip + page) madvise((void *)(begin + skip), (bytes - skip) / page * page, MADV_DONTNEED);
}

static void build_chunk(void *context, size_t chunk, size_t slot) {
    const struct build *job = context;
    size_t row0 = chunk * BUILD_ROWS, end = min_size(job->head->n_rows, row0 + BUILD_ROWS);
    size_t n_spans = s6_spans(job->head->n_cols);
    int8_t *rows = (int8_t *)job->scratch + slot * job->scratch_bytes;
    float *w = (float *)(void *)(rows + S6_ROWS * job->row_stride);
    uint8_t *row_multipliers = (uint8_t *)(w + job->row_stride);
    for (size_t r = row0; r < end; r += S6_ROWS) {
        size_t n = min_size(S6_ROWS, end - r), group = r / S6_ROWS;
        uint8_t *multipliers = job->multipliers + group * n_spans * S6_ROWS;
        memset(multipliers, 0, n_spans * S6_ROWS);
        for (size_t i = 0; i < n; i++) {
            struct screen_row row =
                head_screen_row(job->head, job->kernels, r + i, rows + i * job->row_stride, row_multipliers, w);
            for (size_t s = 0; s < n_spans; s++) multipliers[s * S6_ROWS + i] = row_multipliers[s];
            job->scales[r + i] = row.scale;
            job->residuals[r + i] = row.residual;
            job->norms[r + i] = row.norm;
        }
        s6_pack_group(job->codes + group * s6_group_bytes(job->head->n_cols), rows, job->row_stride, n,
                      job->head->n_cols);
    }
    if (job->mapped) head_drop_pages(job->head, row0, end - row0);
}

bn_status head_screen_build(struct head_screen *screen, const struct linear *head, bool mapped, struct arena *arena,
                            struct thread_pool *pool, bn_error *err) {
    size_t V = head->n_rows, d = head->n_cols, bytes = s6_groups(V) * s6_group_bytes(d);
    struct build job = {.head = head, .kernels = kernels_best(), .mapped = mapped};
    job.row_stride = s6_spans(d) * S6_SPAN;
    job.scratch_bytes = job.row_stride * (S6_ROWS + sizeof(float)) + round_up(s6_spans(d), CACHE_LINE);
    *screen = (struct head_screen){0};
    job.codes = arena_alloc(arena, bytes);
    job.multipliers = arena_alloc(arena, s6_groups(V) * s6_spans(d) * S6_ROWS);
    job.scales = arena_alloc_array(arena, V, sizeof(float));
    job.residuals = arena_alloc_array(arena, V, sizeof(float));
    job.norms = arena_alloc_array(arena, V, sizeof(float));
    job.scratch = mem_alloc_aligned(thread_pool_size(pool) * job.scratch_bytes);
    bool allocated = job.codes && job.multipliers && job.scales && job.residuals && job.norms && job.scratch;
    if (allocated) thread_pool_run(pool, build_chunk, &job, (V + BUILD_ROWS - 1) / BUILD_ROWS);
    mem_free_aligned(job.scratch);
    if (!allocated) return fail_no_memory(err, bytes);

    *screen = (struct head_screen){job.codes, job.multipliers, job.scales, job.residuals, job.norms, 0};
    if (!head_screen_is_sound(screen, V)) screen->codes = NULL;
    return BN_OK;
}

bool head_screen_is_sound(struct head_screen *screen, size_t n_rows) {
    float largest = 0;
    bool sound = true; /* false: NaN or too large */
    for (size_t r = 0; r < n_rows; r++) {
        float norm = screen->residuals[r] + screen->norms[r];
        sound &= norm <= LARGEST_NORM;
        largest = norm > largest ? norm : largest;
    }
    screen->largest = nextafterf(largest, INFINITY);
    return sound;
}

/* ---- using ---- */

/* The whole number `rounded` as a high and a low byte. A NaN, and what it makes of others, becomes 0. */
static int32_t split(float rounded, int8_t *high, int8_t *low) {
    int32_t q = fabsf(rounded) <= LARGEST_ACTIVATION ? (int32_t)rounded : 0;
    *low = (int8_t)(((q + 128) & 255) - 128);
    *high = (int8_t)((q - *low) / 256);
    return q;
}

bool screen_input_init(struct screen_input *input, const struct head_screen *screen, const float *x, size_t n) {
    size_t padded = s6_spans(n) * S6_SPAN;
    float highest = largest_magnitude(x, n);
    bool tiny = highest < 0x1p-90f; /* then q = 0, and x is all error */
    float factor = tiny ? 0 : LARGEST_ACTIVATION / highest;
    input->scale = tiny ? 0 : highest / LARGEST_ACTIVATION;
    double squares = 0, error_squares = 0;
    memset(input->q_sums, 0, s6_spans(n) * sizeof *input->q_sums);
    for (size_t i = 0; i < n; i++) {
        float rounded = rintf(x[i] * factor);
        double error = (double)x[i] - (double)input->scale * (double)rounded;
        squares += (double)x[i] * (double)x[i];
        error_squares += error * error;
        input->q_sums[i / S6_SPAN] += split(rounded, &input->q[i], &input->q[padded + i]);
    }
    memset(input->q + n, 0, padded - n);
    memset(input->q + padded + n, 0, padded - n);
    double norm = sqrt(squares) * (1 + DOUBLE_SAFETY), error = sqrt(error_squares) * (1 + DOUBLE_SAFETY);
    if (!((norm + error) * (double)screen->largest <= LARGEST_LOGIT)) return false;
    double gamma = dot_error(n), centre = ((double)s6_spans(n) + 8) * UNIT;
    input->error = round_up_to_float(norm * (1 + gamma) * (1 + SAFETY));
    input->spread = round_up_to_float((error + gamma * norm + centre * (norm + error)) * (1 + SAFETY));
    return true;
}

void head_screen_rows(const struct head_screen *screen, const struct linear *head, const struct kernels *kernels,
                      const struct screen_input *inputs, size_t n_inputs, size_t row0, size_t n_rows, float *lower,
                      float *upper) {
    size_t V = head->n_rows, group = row0 / S6_ROWS;
    kernels->screen_matmul(lower + row0, screen->codes + group * s6_group_bytes(head->n_cols),
                           screen->multipliers + group * s6_spans(head->n_cols) * S6_ROWS, inputs[0].q,
                           inputs[0].q_sums, &(struct matmul_shape){n_rows, head->n_cols, n_inputs, 0, V});
    const float *scales = screen->scales + row0, *residuals = screen->residuals + row0, *norms = screen->norms + row0;
    for (size_t t = 0; t < n_inputs; t++) {
        float scale = inputs[t].scale, error = inputs[t].error, spread = inputs[t].spread;
        float *low = lower + t * V + row0, *high = upper + t * V + row0;
        for (size_t r = 0; r < n_rows; r++) {
            float centre = low[r] * scales[r] * scale;
            float reach = residuals[r] * error + norms[r] * spread + (float)UNDERFLOW;
            low[r] = centre - reach;
            high[r] = centre + reach;
        }
    }
}
