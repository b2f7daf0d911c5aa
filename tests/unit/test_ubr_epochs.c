/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "scenarios.h"
#include "ubr/epoch.h"

/* epochs.json: commitment and keys, the two hashes of an epoch entry, links and boxes. The
 * deterministic forms of links and boxes (19) exist only here. */

static struct vectors vectors;

static int setup(void **state)
{
    (void)state;
    vectors_open(&vectors, "epochs", 17, 11);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vectors_close(&vectors);
    return 0;
}

static const uint8_t *input(const json_t *vector, const char *field, size_t len)
{
    struct ubr_bytes bytes = vectors_hex(&vectors, vector_inputs(vector), field);
    assert_int_equal(bytes.len, len);
    return bytes.ptr;
}

static bool has_input(const json_t *vector, const char *field)
{
    return json_object_get(vector_inputs(vector), field) != NULL;
}

static struct ubr_epoch epoch_of(const json_t *vector, const char *number_field)
{
    struct ubr_epoch epoch = {
        .number = (uint32_t)vectors_int(vector_inputs(vector), number_field),
    };
    memcpy(epoch.room_id, input(vector, "room_id", UBR_ROOM_ID_LEN), UBR_ROOM_ID_LEN);
    return epoch;
}

static void assert_field(const json_t *vector, const char *field, const uint8_t bytes[32])
{
    vector_assert_bytes(&vectors, vector, field, ubr_bytes_of(bytes, 32));
}

static void run_commit(const json_t *vector)
{
    struct ubr_epoch epoch = epoch_of(vector, "epoch");
    const uint8_t *secret = input(vector, "secret", UBR_SECRET_LEN);
    uint8_t out[32];
    ubr_epoch_commit(&epoch, secret, out);
    assert_field(vector, "commit", out);
    ubr_epoch_key(secret, UBR_EPOCH_KEY_MSG, out);
    assert_field(vector, "msg_key", out);
    ubr_epoch_key(secret, UBR_EPOCH_KEY_EXPORT, out);
    assert_field(vector, "export_key", out);
    ubr_epoch_key(secret, UBR_EPOCH_KEY_LINK, out);
    assert_field(vector, "link_key", out);
}

/* Both lists are those of scenario A after bob was added. */
static struct ubr_log *log_of_a(struct vectors *log_vectors, struct scenario *scenario)
{
    vectors_open(log_vectors, "log", LOG_VECTORS, LOG_VECTORS_REFUSED);
    scenario_init(scenario, log_vectors, "A");
    return scenario_play(scenario, 2);
}

static void assert_member(const json_t *members, const struct ubr_member *member)
{
    size_t i;
    json_t *item;
    size_t found = 0;
    json_array_foreach(members, i, item)
    {
        struct ubr_bytes pk = vectors_hex(&vectors, item, "account_pk");
        found += memcmp(pk.ptr, member->account_pk, UBR_KEY_LEN) == 0 &&
                 vectors_int(item, "role") == (json_int_t)member->role;
    }
    assert_int_equal(found, 1);
}

/* The vectors give members and recipients in any order, the hashes take them in theirs. */
static void run_members(const json_t *vector)
{
    struct vectors log_vectors;
    struct scenario scenario;
    struct ubr_log *log = log_of_a(&log_vectors, &scenario);
    const json_t *members = json_object_get(vector_inputs(vector), "members");
    struct ubr_member member;
    uint8_t hash[UBR_HASH_LEN];
    size_t at = 0;
    for (size_t cursor = 0; ubr_log_member_next(log, &cursor, &member); at++) {
        assert_member(members, &member);
    }
    assert_int_equal(at, json_array_size(members));
    ubr_log_members_hash(log, hash);
    assert_field(vector, "hash", hash);
    ubr_log_free(&log);
    scenario_fini(&scenario);
    vectors_close(&log_vectors);
}

static void assert_recipient(const json_t *recipients, const struct ubr_recipient *recipient)
{
    size_t i;
    json_t *item;
    size_t found = 0;
    json_array_foreach(recipients, i, item)
    {
        struct ubr_bytes kid = vectors_hex(&vectors, item, "kid");
        struct ubr_bytes box_pk = vectors_hex(&vectors, item, "box_pk");
        found += memcmp(kid.ptr, recipient->kid, UBR_KID_LEN) == 0 &&
                 memcmp(box_pk.ptr, recipient->box_pk, UBR_KEY_LEN) == 0;
    }
    assert_int_equal(found, 1);
}

static void run_recipients(const json_t *vector)
{
    struct vectors log_vectors;
    struct scenario scenario;
    struct ubr_log *log = log_of_a(&log_vectors, &scenario);
    const json_t *recipients = json_object_get(vector_inputs(vector), "recipients");
    struct ubr_recipient recipient;
    uint8_t hash[UBR_HASH_LEN];
    uint32_t count;
    size_t at = 0;
    for (size_t cursor = 0; ubr_log_recipient_next(log, &cursor, &recipient); at++) {
        assert_recipient(recipients, &recipient);
    }
    assert_int_equal(at, json_array_size(recipients));
    ubr_log_recipients_hash(log, hash, &count);
    assert_int_equal(count, at);
    assert_field(vector, "hash", hash);
    ubr_log_free(&log);
    scenario_fini(&scenario);
    vectors_close(&log_vectors);
}

/* epk ‖ crypto_box_easy(plain, H(24, epk ‖ pk), pk, esk), see 19. */
static void assert_deterministic_box(const json_t *vector, const struct ubr_box_key *key,
                                     struct ubr_bytes box)
{
    struct ubr_bytes plain = vectors_hex(&vectors, vector_inputs(vector), "plaintext");
    struct ubr_box_key ephemeral;
    uint8_t nonce[24];
    uint8_t made[256];
    ubr_box_key_from_seed(input(vector, "ephemeral_seed", UBR_SEED_LEN), &ephemeral);
    struct ubr_hasher hasher;
    ubr_hasher_begin_plain(&hasher, sizeof nonce);
    ubr_hasher_add(&hasher, ephemeral.pk, UBR_KEY_LEN);
    ubr_hasher_add(&hasher, key->pk, UBR_KEY_LEN);
    ubr_hasher_end(&hasher, nonce);
    memcpy(made, ephemeral.pk, UBR_KEY_LEN);
    assert_true(plain.len <= sizeof made - crypto_box_SEALBYTES);
    assert_int_equal(
        crypto_box_easy(made + UBR_KEY_LEN, plain.ptr, plain.len, nonce, key->pk, ephemeral.sk), 0);
    assert_true(ubr_bytes_are_equal(box, ubr_bytes_of(made, plain.len + crypto_box_SEALBYTES)));
}

static void assert_sealed_again(const struct ubr_epoch *epoch, const uint8_t *kid,
                                const struct ubr_box_key *key, const uint8_t *commit,
                                const uint8_t *secret)
{
    uint8_t box[UBR_BOX_LEN];
    uint8_t opened[UBR_SECRET_LEN];
    assert_int_equal(ubr_box_seal(epoch, kid, key->pk, secret, box), UBR_OK);
    assert_int_equal(ubr_box_open(epoch, kid, key, commit, ubr_bytes_of(box, sizeof box), opened),
                     UBR_OK);
    assert_memory_equal(opened, secret, UBR_SECRET_LEN);
}

static void run_box(const json_t *vector)
{
    static const uint8_t zeros[UBR_SECRET_LEN];
    struct ubr_epoch epoch = epoch_of(vector, "epoch");
    const uint8_t *kid = input(vector, "kid", UBR_KID_LEN);
    const uint8_t *commit = input(vector, "commit", UBR_HASH_LEN);
    struct ubr_bytes box = vectors_hex(&vectors, vector_inputs(vector), "box");
    struct ubr_box_key key;
    uint8_t secret[UBR_SECRET_LEN];
    ubr_box_key_from_seed(input(vector, "box_seed", UBR_SEED_LEN), &key);
    enum ubr_error error = ubr_box_open(&epoch, kid, &key, commit, box, secret);
    vector_assert_code(vector, error);
    if (has_input(vector, "plaintext")) {
        assert_deterministic_box(vector, &key, box);
    }
    if (error == UBR_OK) {
        assert_field(vector, "secret", secret);
        assert_sealed_again(&epoch, kid, &key, commit, secret);
    } else {
        assert_memory_equal(secret, zeros, sizeof zeros);
    }
}

static void assert_deterministic_link(const json_t *vector, const struct ubr_epoch *epoch,
                                      const uint8_t *secret)
{
    uint8_t aad[128];
    uint8_t key[UBR_KDF_LEN];
    uint8_t made[UBR_LINK_LEN];
    struct ubr_writer writer;
    ubr_writer_init(&writer, aad, sizeof aad);
    ubr_put_bytes(&writer, ubr_ds(UBR_DS_EPOCH_LINK));
    ubr_put_copy(&writer, epoch->room_id, UBR_ROOM_ID_LEN);
    ubr_put_u32(&writer, epoch->number - 1);
    ubr_put_u32(&writer, epoch->number);
    assert_false(writer.failed);
    ubr_epoch_key(secret, UBR_EPOCH_KEY_LINK, key);
    memcpy(made, input(vector, "nonce", 24), 24);
    crypto_aead_xchacha20poly1305_ietf_encrypt(made + 24, NULL,
                                               input(vector, "old_secret", UBR_SECRET_LEN),
                                               UBR_SECRET_LEN, aad, writer.len, NULL, made, key);
    assert_memory_equal(made, input(vector, "link", UBR_LINK_LEN), UBR_LINK_LEN);
}

static void run_link(const json_t *vector)
{
    struct ubr_epoch epoch = epoch_of(vector, "new_epoch");
    const uint8_t *secret = input(vector, "new_secret", UBR_SECRET_LEN);
    const uint8_t *link = input(vector, "link", UBR_LINK_LEN);
    const uint8_t *old_commit = input(vector, "old_commit", UBR_HASH_LEN);
    uint8_t old_secret[UBR_SECRET_LEN];
    uint8_t sealed[UBR_LINK_LEN];
    enum ubr_error error = ubr_link_open(&epoch, secret, link, old_commit, old_secret);
    vector_assert_code(vector, error);
    if (has_input(vector, "nonce")) {
        assert_deterministic_link(vector, &epoch, secret);
    }
    if (error == UBR_OK) {
        assert_field(vector, "old_secret", old_secret);
        ubr_link_seal(&epoch, secret, old_secret, sealed);
        assert_memory_not_equal(sealed, link, UBR_LINK_LEN);
        assert_int_equal(ubr_link_open(&epoch, secret, sealed, old_commit, old_secret), UBR_OK);
        assert_field(vector, "old_secret", old_secret);
    }
}

struct kind {
    const char *prefix;
    void (*run)(const json_t *vector);
    size_t expected;
};

static void test_vectors(void **state)
{
    (void)state;
    static const struct kind kinds[] = {
        {"commit/", run_commit, 1},
        {"members/", run_members, 1},
        {"recipients/", run_recipients, 1},
        {"box/", run_box, 10},
        {"link/", run_link, 4},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        size_t run = 0;
        for (size_t i = 0; i < 17; i++) {
            const json_t *vector = vectors_at(&vectors, i);
            if (strncmp(vector_name(vector), kinds[k].prefix, strlen(kinds[k].prefix)) == 0) {
                kinds[k].run(vector);
                run++;
            }
        }
        print_message("epochs: %zu of %s\n", run, kinds[k].prefix);
        assert_int_equal(run, kinds[k].expected);
    }
}

static void test_weak_key_takes_no_box(void **state)
{
    (void)state;
    struct ubr_epoch epoch = {.number = 1};
    uint8_t zeros[UBR_KEY_LEN] = {0};
    uint8_t box[UBR_BOX_LEN];
    assert_int_equal(ubr_box_seal(&epoch, zeros, zeros, zeros, box), UBR_E_KEY_WEAK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_weak_key_takes_no_box),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
