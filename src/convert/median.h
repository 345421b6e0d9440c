/* The median of |W| over a whole tensor, exactly, without holding it: its bits are found from the top by counting. */
#ifndef CONVERT_MEDIAN_H
#define CONVERT_MEDIAN_H

#include "base/threads.h"
#include "formats/tensor_file.h"

/* The lower of the two middle ones for an even count. BN_STATUS_BAD_FILE for weights that aren't finite. */
bn_status tensor_median_magnitude(struct thread_pool *pool, const struct tensor *tensor, float *median, bn_error *err);
/* The same of n ≥ 1 values, which come out reordered and without their signs. */
float median_magnitude(float *values, size_t n);

#endif
