/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks and segments that a burst took are given back once a whole period passed without them, and
 * those in use are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "out.h"
#include "subject.h"

#define MANY 10

static void take_and_return(struct nats_pool *pool, size_t count)
{
    struct nats_buf *bufs[MANY];
    for (size_t i = 0; i < count; i++) {
        bufs[i] = nats_buf_new(pool, 1);
        assert_non_null(bufs[i]);
    }
    for (size_t i = 0; i < count; i++) {
        nats_buf_unref(&bufs[i]);
    }
}

static void test_blocks(void **state)
{
    (void)state;
    struct nats_pool pool;
    nats_pool_init(&pool, MANY);
    take_and_return(&pool, MANY);
    assert_int_equal(pool.spare_count, MANY);
    assert_int_equal(nats_pool_shrink(&pool), 0); /* they were in use in this period */
    assert_int_equal(pool.spare_count, MANY);
    take_and_return(&pool, 3); /* three are still needed */
    size_t freed = nats_pool_shrink(&pool);
    assert_true(freed >= (MANY - 3) * NATS_BLOCK_SIZE);
    assert_int_equal(pool.spare_count, 3);
    assert_true(nats_pool_shrink(&pool) >= 3 * NATS_BLOCK_SIZE);
    assert_int_equal(pool.spare_count, 0);
    assert_int_equal(nats_pool_shrink(&pool), 0);
    take_and_return(&pool, 1); /* and it goes on */
    nats_pool_fini(&pool);
}

static void fill(struct nats_segments *spare, struct nats_out *out, size_t segments)
{
    for (size_t i = 0; i < segments; i++) {
        assert_non_null(nats_out_reserve(spare, out, NATS_SEGMENT_SIZE));
        nats_out_commit(out, NATS_SEGMENT_SIZE);
    }
}

static void test_segments(void **state)
{
    (void)state;
    struct nats_segments spare = {0};
    struct nats_out out = {0};
    fill(&spare, &out, MANY);
    nats_out_clear(&spare, &out);
    assert_int_equal(spare.copy_count, MANY);
    assert_int_equal(nats_segments_shrink(&spare), 0);
    fill(&spare, &out, 4);
    assert_int_equal(nats_segments_shrink(&spare), (MANY - 4) * NATS_SEGMENT_SIZE);
    nats_out_clear(&spare, &out);
    assert_int_equal(spare.copy_count, 4);
    assert_int_equal(nats_segments_shrink(&spare), 0);
    assert_int_equal(nats_segments_shrink(&spare), 4 * NATS_SEGMENT_SIZE);
    assert_int_equal(spare.copy_count, 0);
    nats_segments_fini(&spare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
