/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios.h"
#include "ubr/chain.h"
#include "ubr/enroll.h"
#include "ubr/text.h"

/* devices.json: chains, and the enrolment proof. */

static struct vectors vectors;

static int setup(void **state)
{
    (void)state;
    vectors_open(&vectors, "devices", 31, 23);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vectors_close(&vectors);
    return 0;
}

/* An account's chain begins with whatever account its first record names. */
static void init_chain(struct ubr_chain *chain, const struct record_list *list)
{
    struct ubr_device_body body;
    uint8_t nobody[UBR_KEY_LEN] = {0};
    bool is_parsed = ubr_device_parse(list->records[0].body, &body) == UBR_OK;
    ubr_chain_init(chain, is_parsed ? body.account_pk : nobody);
}

/* All but the last record must be good. */
static enum ubr_error append_all(struct ubr_chain *chain, const struct record_list *list)
{
    enum ubr_error error = UBR_OK;
    for (size_t i = 0; i < list->len; i++) {
        assert_int_equal(error, UBR_OK);
        error = ubr_chain_append(chain, &list->records[i]);
        assert_int_equal(chain->records_len, i + (error == UBR_OK));
    }
    return error;
}

static void assert_devices(const json_t *vector, const struct ubr_chain *chain)
{
    const json_t *live = json_object_get(vector_outputs(vector), "live");
    const json_t *revoked = json_object_get(vector_outputs(vector), "revoked");
    assert_int_equal(json_object_size(live), chain->live_len);
    assert_int_equal(json_object_size(live) + json_array_size(revoked), chain->devices_len);
    for (size_t i = 0; i < chain->devices_len; i++) {
        const struct ubr_device *device = &chain->devices[i];
        char kid[UBR_HEX_LEN(UBR_KID_LEN) + 1];
        ubr_hex_encode(ubr_bytes_of(device->kid, UBR_KID_LEN), kid);
        assert_ptr_equal(ubr_chain_device(chain, device->kid), device);
        assert_true(device->is_revoked == !json_object_get(live, kid));
        if (!device->is_revoked) {
            struct ubr_bytes box_pk = vectors_hex(&vectors, live, kid);
            assert_memory_equal(box_pk.ptr, device->box_pk, UBR_KEY_LEN);
        }
    }
}

static void assert_chain(const json_t *vector, const struct ubr_chain *chain)
{
    const json_t *hashes = json_object_get(vector_outputs(vector), "hashes");
    struct ubr_chain copy;
    assert_int_equal(json_array_size(hashes), chain->records_len);
    for (size_t i = 0; i < chain->records_len; i++) {
        struct ubr_bytes hash = vectors_hex_of(&vectors, json_array_get(hashes, i));
        assert_memory_equal(hash.ptr, chain->hashes[i], UBR_HASH_LEN);
        assert_true(ubr_chain_contains(chain, hash.ptr));
    }
    assert_devices(vector, chain);
    assert_int_equal(ubr_chain_copy(chain, &copy), UBR_OK);
    assert_devices(vector, &copy);
    ubr_chain_fini(&copy);
}

static void run_chain(const json_t *vector)
{
    struct record_list list;
    struct ubr_chain chain;
    record_list_init(&list, &vectors, json_object_get(vector_inputs(vector), "records"));
    init_chain(&chain, &list);
    vector_assert_code(vector, append_all(&chain, &list));
    if (vector_expect(vector) == UBR_OK) {
        assert_chain(vector, &chain);
    }
    ubr_chain_fini(&chain);
    record_list_fini(&list);
}

static void run_enrollment(const json_t *vector)
{
    const json_t *inputs = vector_inputs(vector);
    struct ubr_bytes seed = vectors_hex(&vectors, inputs, "account_seed");
    struct ubr_bytes hash = vectors_hex(&vectors, inputs, "device_hash");
    struct ubr_enrollment enrollment = {
        .token = vectors_hex(&vectors, inputs, "token"),
        .cluster_id = ubr_bytes_of_text(vectors_text(inputs, "cluster_id")),
    };
    struct ubr_sign_key account;
    uint8_t proof[UBR_SIG_LEN];
    memcpy(enrollment.device_hash, hash.ptr, UBR_HASH_LEN);
    ubr_sign_key_from_seed(seed.ptr, &account);
    assert_int_equal(ubr_enroll_prove(&account, &enrollment, proof), UBR_OK);
    vector_assert_bytes(&vectors, vector, "proof", ubr_bytes_of(proof, sizeof proof));
    assert_int_equal(ubr_enroll_check(account.pk, &enrollment, proof), UBR_OK);
    enrollment.cluster_id = ubr_bytes_of_text("cluster-2");
    assert_int_equal(ubr_enroll_check(account.pk, &enrollment, proof), UBR_E_SIG);
    enrollment.cluster_id.len = 256;
    assert_int_equal(ubr_enroll_check(account.pk, &enrollment, proof), UBR_E_PARSE);
}

static void test_vectors(void **state)
{
    (void)state;
    size_t chains = 0;
    size_t enrollments = 0;
    for (size_t i = 0; i < 31; i++) {
        const json_t *vector = vectors_at(&vectors, i);
        if (json_object_get(vector_inputs(vector), "records")) {
            run_chain(vector);
            chains++;
        } else {
            run_enrollment(vector);
            enrollments++;
        }
    }
    print_message("devices: %zu chains, %zu enrolments\n", chains, enrollments);
    assert_int_equal(chains, 30);
    assert_int_equal(enrollments, 1);
}

/* The keys of one made-up device of a made-up account. */
struct maker {
    struct ubr_sign_key account, sign, nats;
    struct ubr_box_key box;
};

static void seed_from(const char *text, int number, uint8_t seed_out[UBR_SEED_LEN])
{
    struct ubr_hasher hasher;
    ubr_hasher_begin_plain(&hasher, UBR_SEED_LEN);
    ubr_hasher_add_bytes(&hasher, ubr_bytes_of_text(text));
    ubr_hasher_add_u32(&hasher, (uint32_t)number);
    ubr_hasher_end(&hasher, seed_out);
}

static void make_keys(struct maker *maker, int box_generation)
{
    uint8_t seed[UBR_SEED_LEN];
    seed_from("account", 0, seed);
    ubr_sign_key_from_seed(seed, &maker->account);
    seed_from("sign", 0, seed);
    ubr_sign_key_from_seed(seed, &maker->sign);
    seed_from("nats", 0, seed);
    ubr_sign_key_from_seed(seed, &maker->nats);
    seed_from("box", box_generation, seed);
    ubr_box_key_from_seed(seed, &maker->box);
}

static enum ubr_error append_made(struct ubr_chain *chain, const struct maker *maker, uint8_t flags)
{
    struct ubr_device_body body = {.flags = flags, .seq = (uint32_t)chain->records_len};
    uint8_t bytes[UBR_DEVICE_BODY_LEN];
    uint8_t sig[UBR_SIG_LEN], pop[UBR_SIG_LEN], nats_pop[UBR_SIG_LEN];
    memcpy(body.prev, ubr_chain_head(chain), UBR_HASH_LEN);
    memcpy(body.account_pk, maker->account.pk, UBR_KEY_LEN);
    memcpy(body.sign_pk, maker->sign.pk, UBR_KEY_LEN);
    memcpy(body.box_pk, maker->box.pk, UBR_KEY_LEN);
    memcpy(body.nats_pk, maker->nats.pk, UBR_KEY_LEN);
    ubr_device_write(&body, bytes);
    ubr_device_sign(&maker->account, bytes, sig);
    ubr_device_prove(&maker->sign, &maker->nats, bytes, pop, nats_pop);
    struct ubr_device_record record = {.body = ubr_bytes_of(bytes, sizeof bytes),
                                       .sig = ubr_bytes_of(sig, sizeof sig)};
    if (!flags) {
        record.pop = ubr_bytes_of(pop, sizeof pop);
        record.nats_pop = ubr_bytes_of(nats_pop, sizeof nats_pop);
    }
    return ubr_chain_append(chain, &record);
}

static void test_made_records_are_good(void **state)
{
    (void)state;
    struct maker maker;
    struct ubr_chain chain;
    make_keys(&maker, 0);
    ubr_chain_init(&chain, maker.account.pk);
    assert_int_equal(append_made(&chain, &maker, 0), UBR_OK);
    assert_int_equal(append_made(&chain, &maker, 0), UBR_E_DEVICE_CHAIN);
    make_keys(&maker, 1);
    assert_int_equal(append_made(&chain, &maker, 0), UBR_OK);
    assert_int_equal(append_made(&chain, &maker, UBR_DEVICE_REVOKED), UBR_OK);
    assert_int_equal(append_made(&chain, &maker, 0), UBR_E_DEVICE_REVOKED);
    assert_int_equal(chain.live_len, 0);
    ubr_chain_fini(&chain);
}

/* seq ≤ 1,023, which no vector reaches. */
static void test_chain_takes_1024_records(void **state)
{
    (void)state;
    struct maker maker;
    struct ubr_chain chain;
    make_keys(&maker, 0);
    ubr_chain_init(&chain, maker.account.pk);
    for (int i = 0; i < UBR_CHAIN_RECORDS_MAX; i++) {
        make_keys(&maker, i % 2);
        assert_int_equal(append_made(&chain, &maker, 0), UBR_OK);
    }
    make_keys(&maker, 2);
    assert_int_equal(append_made(&chain, &maker, 0), UBR_E_LIMIT);
    assert_int_equal(chain.records_len, UBR_CHAIN_RECORDS_MAX);
    ubr_chain_fini(&chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_made_records_are_good),
        cmocka_unit_test(test_chain_takes_1024_records),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
