/* The process's worker threads (see threads.h for the idea).
 *
 * A job lives on the stack of the thread that runs it. `next_chunk` hands out chunks, `chunks_done` counts finished
 * ones; the caller returns when all are done AND no worker still holds a reference to the job. Workers look at the
 * table of open jobs, spin for a moment when there is none, and then sleep on a futex-backed condition.
 *
 * Slots: the caller is slot 0, a worker that joins takes the next of the job's n_threads slots; a job with all slots
 * taken isn't joined by others. A slot is never given back while the job runs, so two threads never share one. */
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define MAX_THREADS   256
#define MAX_OPEN_JOBS 64
#define SPIN_NS       30000 /* how long an idle worker polls before it sleeps: longer than the gaps inside one token */

struct job {
    chunk_function work;
    void *context;
    size_t n_chunks, n_slots;
    atomic_size_t next_chunk, chunks_done;
    atomic_size_t next_slot; /* slot 0 is the caller's */
};

/* One per process, made by the first acquire and torn down by the last release. */
static struct {
    pthread_mutex_t life; /* guards n_users, n_workers, workers: held while workers start or end */
    size_t n_users;
    size_t n_workers;
    pthread_t workers[MAX_THREADS];

    pthread_mutex_t lock; /* only for sleeping and waking */
    pthread_cond_t wake;  /* signalled under lock when a job opens and workers sleep, and at shutdown */
    atomic_size_t sleeping;
    atomic_bool stopping;

    atomic_size_t compute_limit; /* threads that may compute at once */
    atomic_size_t computing;     /* callers inside thread_pool_run plus workers inside a job */
    /* Open jobs. The caller publishes a pointer and takes it back; a worker raises visiting[i] BEFORE it reads
     * jobs[i], so once the caller has written CLOSED and seen visiting[i] at 0, nobody holds the job any more. */
    _Atomic(struct job *) jobs[MAX_OPEN_JOBS];
    atomic_size_t visiting[MAX_OPEN_JOBS];
    atomic_size_t open_jobs;
} pool = {.life = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static struct job closed_job; /* marks a place whose job is being taken back: its address only, no chunks */
#define CLOSED (&closed_job)

struct thread_pool {
    size_t n_threads;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* ---- how many CPUs ---- */

/* cgroup v2: "max 100000" or "quota period" in microseconds. 0 = no limit. */
static size_t cgroup_cpu_limit(void) {
    FILE *stream = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!stream) return 0;
    long long quota, period;
    int n = fscanf(stream, "%lld %lld", &quota, &period);
    fclose(stream);
    if (n != 2 || quota <= 0 || period <= 0) return 0;
    return (size_t)((quota + period - 1) / period);
}

size_t cpu_count(void) {
    cpu_set_t set;
    size_t n = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = (size_t)CPU_COUNT(&set);
    if (!n) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online > 0 ? (size_t)online : 1;
    }
    size_t limit = cgroup_cpu_limit();
    return limit ? min_size(n, limit) : n;
}

/* The lowest CPU number among a CPU's SMT siblings ("0-1" or "0,64"); the CPU itself when the kernel doesn't say. */
static int first_sibling(int cpu) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *stream = fopen(path, "re");
    int first = cpu;
    if (stream) {
        if (fscanf(stream, "%d", &first) != 1) first = cpu;
        fclose(stream);
    }
    return first;
}

size_t cpu_count_physical(void) {
    cpu_set_t set, cores;
    if (sched_getaffinity(0, sizeof set, &set)) return cpu_count();
    CPU_ZERO(&cores);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set)) continue;
        int first = first_sibling(cpu);
        CPU_SET(first >= 0 && first < CPU_SETSIZE ? first : cpu, &cores);
    }
    size_t n = (size_t)CPU_COUNT(&cores);
    return max_size(1, min_size(n, cpu_count()));
}

/* ---- jobs ---- */

static void work_on(struct job *job, size_t slot) {
    for (;;) {
        size_t chunk = atomic_fetch_add_explicit(&job->next_chunk, 1, memory_order_relaxed);
        if (chunk >= job->n_chunks) return;
        job->work(job->context, chunk, slot);
        /* release: pairs with the caller's acquire load of chunks_done */
        atomic_fetch_add_explicit(&job->chunks_done, 1, memory_order_release);
    }
}

/* May one more thread compute? Then it is counted. */
static bool begin_computing(void) {
    size_t n = atomic_load_explicit(&pool.computing, memory_order_relaxed);
    do {
        if (n >= atomic_load_explicit(&pool.compute_limit, memory_order_relaxed)) return false;
    } while (!atomic_compare_exchange_weak(&pool.computing, &n, n + 1));
    return true;
}

/* Takes part in the first open job that has work and a slot. */
static bool help_somebody(void) {
    for (size_t i = 0; i < MAX_OPEN_JOBS; i++) {
        if (!atomic_load_explicit(&pool.jobs[i], memory_order_relaxed)) continue;
        atomic_fetch_add(&pool.visiting[i], 1);
        struct job *job = atomic_load(&pool.jobs[i]);
        bool helped = false;
        if (job && job != CLOSED && atomic_load_explicit(&job->next_chunk, memory_order_relaxed) < job->n_chunks &&
            begin_computing()) {
            size_t slot = atomic_fetch_add_explicit(&job->next_slot, 1, memory_order_relaxed);
            if (slot < job->n_slots) {
                work_on(job, slot);
                helped = true;
            }
            atomic_fetch_sub(&pool.computing, 1);
        }
        atomic_fetch_sub_explicit(&pool.visiting[i], 1, memory_order_release);
        if (helped) return true;
    }
    return false;
}

static bool work_is_open(void) {
    return atomic_load(&pool.open_jobs) > 0;
}

static void sleep_until_work(void) {
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.sleeping, 1);
    while (!work_is_open() && !atomic_load(&pool.stopping)) pthread_cond_wait(&pool.wake, &pool.lock);
    atomic_fetch_sub(&pool.sleeping, 1);
    pthread_mutex_unlock(&pool.lock);
}

static void *worker_main(void *unused) {
    (void)unused;
    uint64_t idle_since = clock_now_ns();
    unsigned polls = 0;
    while (!atomic_load_explicit(&pool.stopping, memory_order_relaxed)) {
        if (help_somebody()) {
            idle_since = clock_now_ns();
            continue;
        }
        relax();
        if (++polls % 32 || clock_now_ns() - idle_since < SPIN_NS) continue;
        if (work_is_open())
            sched_yield(); /* all its chunks are taken, or the limit is reached */
        else
            sleep_until_work();
        idle_since = clock_now_ns();
    }
    return NULL;
}

/* Publishes the job in a free place; MAX_OPEN_JOBS means that there is none (then the caller works alone). */
static size_t publish(struct job *job) {
    size_t place = 0;
    for (; place < MAX_OPEN_JOBS; place++) {
        struct job *expected = NULL;
        if (atomic_compare_exchange_strong(&pool.jobs[place], &expected, job)) break;
    }
    if (place == MAX_OPEN_JOBS) return place;
    atomic_fetch_add(&pool.open_jobs, 1);
    if (atomic_load(&pool.sleeping)) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.lock);
    }
    return place;
}

void thread_pool_run(struct thread_pool *share, chunk_function work, void *context, size_t n_chunks) {
    if (share->n_threads == 1 || n_chunks <= 1) {
        for (size_t chunk = 0; chunk < n_chunks; chunk++) work(context, chunk, 0);
        return;
    }
    struct job job = {.work = work, .context = context, .n_chunks = n_chunks, .n_slots = share->n_threads};
    atomic_init(&job.next_slot, 1);
    atomic_fetch_add(&pool.computing, 1);
    size_t place = publish(&job);
    work_on(&job, 0);
    while (atomic_load_explicit(&job.chunks_done, memory_order_acquire) < n_chunks) relax();
    if (place < MAX_OPEN_JOBS) {
        atomic_fetch_sub(&pool.open_jobs, 1);
        atomic_store(&pool.jobs[place], CLOSED);
        /* a worker may still look at the job, which is about to leave the stack */
        while (atomic_load(&pool.visiting[place])) relax();
        atomic_store(&pool.jobs[place], NULL);
    }
    atomic_fetch_sub(&pool.computing, 1);
}

/* ---- life ---- */

static bn_status start_workers(size_t n, bn_error *err) {
    while (pool.n_workers < n) {
        int code = pthread_create(&pool.workers[pool.n_workers], NULL, worker_main, NULL);
        if (code) return fail(err, BN_STATUS_BUSY, "can't start a thread: %s", strerror(code));
        pool.n_workers++;
    }
    return BN_OK;
}

/* Called with `life` held, and no job open. */
static void stop_workers(void) {
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.stopping, true);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    for (size_t i = 0; i < pool.n_workers; i++) pthread_join(pool.workers[i], NULL);
    pool.n_workers = 0;
    atomic_store(&pool.compute_limit, 0);
    atomic_store(&pool.stopping, false);
}

bn_status thread_pool_acquire(size_t n_threads, struct thread_pool **out, bn_error *err) {
    if (n_threads < 1 || n_threads > MAX_THREADS)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%zu threads: expected 1 to %d", n_threads, MAX_THREADS);
    struct thread_pool *share = mem_alloc(sizeof *share);
    if (!share) return fail_no_memory(err, sizeof *share);
    share->n_threads = n_threads;
    pthread_mutex_lock(&pool.life);
    bn_status status = start_workers(n_threads - 1, err);
    if (!status) {
        pool.n_users++;
        size_t limit = max_size(n_threads, cpu_count());
        if (limit > atomic_load(&pool.compute_limit)) atomic_store(&pool.compute_limit, limit);
    } else if (!pool.n_users) {
        stop_workers();
    }
    pthread_mutex_unlock(&pool.life);
    if (status)
        mem_free(share);
    else
        *out = share;
    return status;
}

void thread_pool_release(struct thread_pool *share) {
    if (!share) return;
    mem_free(share);
    pthread_mutex_lock(&pool.life);
    if (--pool.n_users == 0) stop_workers();
    pthread_mutex_unlock(&pool.life);
}

size_t thread_pool_size(const struct thread_pool *share) {
    return share->n_threads;
}
