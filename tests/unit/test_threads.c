/* The thread pool: every chunk exactly once, slots never shared, many callers, many starts and stops. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/threads.h"

#define N_CHUNKS 500

struct tally {
    atomic_int seen[N_CHUNKS];
    atomic_int in_slot[64];
    atomic_int shared_slots;
    size_t n_slots;
};

static void count_chunk(void *context, size_t chunk, size_t slot) {
    struct tally *tally = context;
    if (slot >= tally->n_slots || atomic_fetch_add(&tally->in_slot[slot], 1) != 0)
        atomic_fetch_add(&tally->shared_slots, 1);
    for (volatile int spin = 0; spin < 200; spin++) {}
    atomic_fetch_add(&tally->seen[chunk], 1);
    atomic_fetch_sub(&tally->in_slot[slot], 1);
}

static void run_and_check(struct thread_pool *pool, size_t n_chunks) {
    struct tally tally;
    memset(&tally, 0, sizeof tally);
    tally.n_slots = thread_pool_size(pool);
    thread_pool_run(pool, count_chunk, &tally, n_chunks);
    assert_int_equal(atomic_load(&tally.shared_slots), 0);
    for (size_t i = 0; i < N_CHUNKS; i++) assert_int_equal(atomic_load(&tally.seen[i]), i < n_chunks);
}

static void every_chunk_once(void **state) {
    (void)state;
    for (size_t n_threads = 1; n_threads <= 7; n_threads++) {
        struct thread_pool *pool;
        assert_int_equal(thread_pool_acquire(n_threads, &pool, NULL), BN_OK);
        for (size_t n = 0; n <= N_CHUNKS; n = n * 2 + 1) run_and_check(pool, n);
        for (int repeat = 0; repeat < 100; repeat++) run_and_check(pool, 20);
        thread_pool_release(pool);
    }
}

static void *caller(void *unused) {
    (void)unused;
    for (int repeat = 0; repeat < 30; repeat++) {
        struct thread_pool *pool;
        if (thread_pool_acquire(3, &pool, NULL)) return (void *)1;
        struct tally tally;
        memset(&tally, 0, sizeof tally);
        tally.n_slots = 3;
        for (int i = 0; i < 5; i++) thread_pool_run(pool, count_chunk, &tally, 40);
        thread_pool_release(pool);
        if (atomic_load(&tally.shared_slots)) return (void *)1;
        for (size_t i = 0; i < 40; i++)
            if (atomic_load(&tally.seen[i]) != 5) return (void *)1;
    }
    return NULL;
}

static void several_callers_at_once(void **state) {
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, caller, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

static void bad_sizes(void **state) {
    (void)state;
    struct thread_pool *pool;
    bn_error err;
    assert_int_equal(thread_pool_acquire(0, &pool, &err), BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(thread_pool_acquire(100000, &pool, &err), BN_STATUS_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "100000"));
    assert_true(cpu_count() >= 1);
    assert_true(cpu_count_physical() >= 1 && cpu_count_physical() <= cpu_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_once),
        cmocka_unit_test(several_callers_at_once),
        cmocka_unit_test(bad_sizes),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
