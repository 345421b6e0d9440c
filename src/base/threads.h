/* The worker threads of the process.
 *
 * One pool serves every engine: parallel work is a job of numbered chunks; the caller and whatever workers are free
 * take chunks until none are left, and the call returns when all chunks are DONE, not when all workers have arrived
 * ("help first"): on a machine whose cores others use too, waiting for a worker that isn't scheduled costs more than
 * doing its share. Several jobs of several engines may be open at once; at no time do more threads compute than the
 * largest n_threads that was asked for, or the machine's CPUs if that is more.
 *
 * Results never depend on which thread takes which chunk: chunks write to disjoint places. */
#ifndef BASE_THREADS_H
#define BASE_THREADS_H

#include <stddef.h>

#include "base/error.h"

struct thread_pool; /* opaque; see threads.c */

/* CPUs this process may use: affinity mask and cgroup quota respected, ≥ 1; n_physical: cores without SMT siblings. */
size_t cpu_count(void);
size_t cpu_count_physical(void);

/* A share in the process's pool for jobs of up to n_threads threads (1 … 256), the caller included. Reference
 * counted: the workers end with the last release. Thread-safe. */
bn_status thread_pool_acquire(size_t n_threads, struct thread_pool **out, bn_error *err);
void thread_pool_release(struct thread_pool *pool);
size_t thread_pool_size(const struct thread_pool *pool); /* n_threads it was acquired with */

/* Work on chunk `chunk` of n_chunks. `slot` < thread_pool_size() numbers the threads inside this job (scratch memory);
 * no two threads that run at the same time have the same slot. */
typedef void (*chunk_function)(void *context, size_t chunk, size_t slot);

/* Runs all chunks and returns when they are done. Callable from several threads at once, not from inside a chunk. */
void thread_pool_run(struct thread_pool *pool, chunk_function work, void *context, size_t n_chunks);

#endif
