/* Making and using the int8 copy of the output head. docs/head.md derives the bound; names here are those there. */
#include "model/head_screen.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernels/layout.h"

#define UNIT          0x1p-24  /* u: relative rounding error of a float operation */
#define SAFETY        0x1p-20  /* covers the rounding of everything that has a few operations only */
#define UNDERFLOW     0x1p-100 /* covers what subnormal results lose, logits and bounds together */
#define DOUBLE_SAFETY 0x1p-30  /* the same for sums of n squares in double precision */
#define LARGEST_NORM  0x1p60f
#define LARGEST_LOGIT 0x1p100

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
    return floats && !head->ternary && !head->int8_activations && !head->input_norm && !head->bias &&
           head->scale == 1 && r16_largest_activation(head->n_cols) >= 127;
}

bool head_screen_pays(const struct linear *head) {
    return head_screen_applies(head) && head->n_rows * head->row_bytes >= SCREEN_BYTES;
}

/* ---- building ---- */

struct build {
    const struct linear *head;
    const struct kernels *kernels;
    bool mapped;
    uint8_t *codes;
    float *scales, *residuals, *norms;
    uint8_t *scratch; /* [slots][scratch_bytes]: 16 rows of int8, then a row of float */
    size_t scratch_bytes, row_stride;
};

struct screen_row head_screen_row(const struct linear *head, const struct kernels *kernels, size_t r, int8_t *q,
                                  float *w) {
    size_t n = head->n_cols;
    struct screen_row row;
    float squares;
    int32_t sum;
    linear_row(kernels, head, r, w);
    kernels->quantize_row(q, &row.scale, &sum, w, n);
    int64_t q_squares = 0;
    for (size_t i = 0; i < n; i += 1024) {
        int32_t part = 0;
        for (size_t j = i; j < min_size(n, i + 1024); j++) part += q[j] * q[j];
        q_squares += part;
    }
    for (size_t i = 0; i < n; i++) w[i] -= row.scale * (float)q[i];
    kernels->matmul_f32(&squares, w, w, &(struct matmul_shape){1, n, 1, n, 1});
    double norm = (double)row.scale * sqrt((double)q_squares);
    double residual = sqrt((double)squares) * (1 + dot_error(n)) + 2 * UNIT * norm;
    row.norm = round_up_to_float(norm * (1 + SAFETY));
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
    int8_t *rows = (int8_t *)job->scratch + slot * job->scratch_bytes;
    float *w = (float *)(void *)(rows + R16_ROWS * job->row_stride);
    for (size_t r = row0; r < end; r += R16_ROWS) {
        size_t n = min_size(R16_ROWS, end - r);
        for (size_t i = 0; i < n; i++) {
            struct screen_row row = head_screen_row(job->head, job->kernels, r + i, rows + i * job->row_stride, w);
            job->scales[r + i] = row.scale;
            job->residuals[r + i] = row.residual;
            job->norms[r + i] = row.norm;
        }
        r16_pack_group(job->codes + r / R16_ROWS * r16_group_bytes(job->head->n_cols), rows, job->row_stride, n,
                       job->head->n_cols);
    }
    if (job->mapped) head_drop_pages(job->head, row0, end - row0);
}

bn_status head_screen_build(struct head_screen *screen, const struct linear *head, bool mapped, struct arena *arena,
                            struct thread_pool *pool, bn_error *err) {
    size_t V = head->n_rows, d = head->n_cols, bytes = r16_groups(V) * r16_group_bytes(d);
    struct build job = {.head = head, .kernels = kernels_best(), .mapped = mapped};
    job.row_stride = round_up(d, CACHE_LINE);
    job.scratch_bytes = job.row_stride * (R16_ROWS + sizeof(float));
    *screen = (struct head_screen){0};
    job.codes = arena_alloc(arena, bytes);
    job.scales = arena_alloc_array(arena, V, sizeof(float));
    job.residuals = arena_alloc_array(arena, V, sizeof(float));
    job.norms = arena_alloc_array(arena, V, sizeof(float));
    job.scratch = mem_alloc_aligned(thread_pool_size(pool) * job.scratch_bytes);
    bool allocated = job.codes && job.scales && job.residuals && job.norms && job.scratch;
    if (allocated) thread_pool_run(pool, build_chunk, &job, (V + BUILD_ROWS - 1) / BUILD_ROWS);
    mem_free_aligned(job.scratch);
    if (!allocated) return fail_no_memory(err, bytes);

    *screen = (struct head_screen){job.codes, job.scales, job.residuals, job.norms, 0};
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

bool screen_input_init(struct screen_input *input, const struct head_screen *screen, const float *x, size_t n) {
    float highest = 0;
    for (size_t i = 0; i < n; i++) highest = fabsf(x[i]) > highest ? fabsf(x[i]) : highest;
    int largest = r16_largest_activation(n);
    bool tiny = highest < 0x1p-90f; /* then q = 0, and x is all error */
    float factor = tiny ? 0 : (float)largest / highest;
    input->scale = tiny ? 0 : highest / (float)largest;
    input->sum = 0;
    double squares = 0, error_squares = 0;
    for (size_t i = 0; i < n; i++) {
        float rounded = rintf(x[i] * factor);
        double error = (double)x[i] - (double)input->scale * (double)rounded;
        squares += (double)x[i] * (double)x[i];
        error_squares += error * error;
        input->q[i] = rounded <= (float)largest && rounded >= -(float)largest ? (int16_t)rounded : 0; /* 0: a NaN */
        input->sum += input->q[i];
    }
    for (size_t i = n; i < R16_COLS * r16_steps(n); i++) input->q[i] = 0;
    double norm = sqrt(squares) * (1 + DOUBLE_SAFETY), error = sqrt(error_squares) * (1 + DOUBLE_SAFETY);
    if (!((norm + error) * (double)screen->largest <= LARGEST_LOGIT)) return false;
    double gamma = dot_error(n);
    input->error = round_up_to_float(norm * (1 + gamma) * (1 + SAFETY));
    input->spread = round_up_to_float((error + gamma * norm + 8 * UNIT * (norm + error)) * (1 + SAFETY));
    return true;
}

void head_screen_rows(const struct head_screen *screen, const struct linear *head, const struct kernels *kernels,
                      const struct screen_input *inputs, size_t n_inputs, size_t q_stride, size_t row0, size_t n_rows,
                      int32_t *sums, float *lower, float *upper) {
    int32_t q_sums[SCREEN_INPUTS_MAX];
    for (size_t t = 0; t < n_inputs; t++) q_sums[t] = inputs[t].sum;
    const uint8_t *codes = screen->codes + row0 / R16_ROWS * r16_group_bytes(head->n_cols);
    kernels->int8_matmul(sums, codes, inputs[0].q, q_sums,
                         &(struct matmul_shape){n_rows, head->n_cols, n_inputs, q_stride, n_rows});
    const float *scales = screen->scales + row0, *residuals = screen->residuals + row0, *norms = screen->norms + row0;
    for (size_t t = 0; t < n_inputs; t++) {
        float scale = inputs[t].scale, error = inputs[t].error, spread = inputs[t].spread;
        const int32_t *sum = sums + t * n_rows;
        float *low = lower + t * head->n_rows + row0, *high = upper + t * head->n_rows + row0;
        for (size_t r = 0; r < n_rows; r++) {
            float centre = (float)sum[r] * scales[r] * scale;
            float reach = residuals[r] * error + norms[r] * spread + (float)UNDERFLOW;
            low[r] = centre - reach;
            high[r] = centre + reach;
        }
    }
}
