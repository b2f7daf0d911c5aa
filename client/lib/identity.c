/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/identity.h>

#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include <ubr/chain.h>
#include <ubr/nkey.h>
#include <ubr/text.h>

#include "wire.h"

#define DOCUMENT         "identity.json"
#define IDENTITY_VERSION 1

static void name_identity(struct unibus_identity *identity)
{
    ubr_fingerprint_text(identity->account_pk, identity->id);
    ubr_kid(identity->sign.pk, identity->kid);
    ubr_hex_encode(ubr_bytes_of(identity->kid, UBR_KID_LEN), identity->kid_hex);
}

static void draw_device_keys(struct unibus_identity *identity)
{
    uint8_t seed[3][UBR_SEED_LEN];
    randombytes_buf(seed, sizeof(seed));
    ubr_sign_key_from_seed(seed[0], &identity->sign);
    ubr_sign_key_from_seed(seed[1], &identity->nats);
    ubr_box_key_from_seed(seed[2], &identity->box);
    sodium_memzero(seed, sizeof(seed));
}

static void derive_member(const uint8_t seed[UBR_SEED_LEN], struct unibus_identity *identity,
                          struct ubr_sign_key *account_out)
{
    struct ubr_account_keys keys;
    ubr_account_keys_derive(seed, &keys);
    *account_out = keys.account;
    draw_device_keys(identity);
    ubr_account_keys_wipe(&keys);
}

static void derive_service(const uint8_t seed[UBR_SEED_LEN], struct unibus_identity *identity,
                           struct ubr_sign_key *account_out)
{
    struct ubr_service_keys keys;
    ubr_service_keys_derive(seed, 0, &keys);
    *account_out = identity->sign = keys.sign;
    identity->nats = keys.nats;
    identity->box = keys.box;
    ubr_service_keys_wipe(&keys);
}

/* The first record of the account's chain. */
static void make_record(struct unibus_identity *identity, const struct ubr_sign_key *account)
{
    struct ubr_device_body body = {.time_ms = wire_now_ms()};
    memcpy(body.account_pk, account->pk, UBR_KEY_LEN);
    memcpy(body.sign_pk, identity->sign.pk, UBR_KEY_LEN);
    memcpy(body.box_pk, identity->box.pk, UBR_KEY_LEN);
    memcpy(body.nats_pk, identity->nats.pk, UBR_KEY_LEN);
    struct wire_record record = {.has_proofs = true};
    ubr_device_write(&body, record.body);
    ubr_device_sign(account, record.body, record.sig);
    ubr_device_prove(&identity->sign, &identity->nats, record.body, record.pop, record.nats_pop);
    ubr_device_hash(ubr_bytes_of(record.body, sizeof(record.body)), identity->head);
    identity->records = json_array();
    json_array_append_new(identity->records, wire_record_json(&record));
}

static void put_seed(json_t *doc, const char *key, const struct ubr_sign_key *sign)
{
    uint8_t seed[UBR_SEED_LEN];
    ubr_sign_key_seed(sign, seed);
    wire_put(doc, key, ubr_bytes_of(seed, sizeof(seed)));
    sodium_memzero(seed, sizeof(seed));
}

static enum unibus_status save(struct unibus_home *home, const struct unibus_identity *identity,
                               struct unibus_err *err)
{
    json_t *doc = json_object();
    json_object_set_new(doc, "version", json_integer(IDENTITY_VERSION));
    json_object_set_new(doc, "service", json_boolean(identity->is_service));
    wire_put(doc, "account_pk", ubr_bytes_of(identity->account_pk, UBR_KEY_LEN));
    put_seed(doc, "sign_seed", &identity->sign);
    put_seed(doc, "nats_seed", &identity->nats);
    wire_put(doc, "box_secret", ubr_bytes_of(identity->box.sk, UBR_KEY_LEN));
    json_object_set(doc, "records", identity->records);
    enum unibus_status status = unibus_home_write(home, DOCUMENT, doc, err);
    json_object_del(doc, "records");
    wire_wipe(doc);
    return status;
}

static enum unibus_status must_be_absent(struct unibus_home *home, struct unibus_err *err)
{
    json_t *doc;
    enum unibus_status status = unibus_home_read(home, DOCUMENT, &doc, err);
    if (status == UNIBUS_NOT_FOUND) {
        return UNIBUS_OK;
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    wire_wipe(doc);
    unibus_fail_code(err, UNIBUS_CONFLICT, "exists", "%s has an identity already",
                     unibus_home_path(home));
    return unibus_fix(err, "`unibus id show` shows it; another one needs another --home");
}

enum unibus_status unibus_identity_create(struct unibus_home *home, bool is_service,
                                          struct unibus_identity *identity_out,
                                          char recovery_out[UBR_RECOVERY_TEXT_LEN + 1],
                                          struct unibus_err *err)
{
    enum unibus_status status = unibus_home_lock(home, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    status = must_be_absent(home, err);
    if (status == UNIBUS_OK) {
        uint8_t seed[UBR_SEED_LEN];
        struct ubr_sign_key account;
        randombytes_buf(seed, sizeof(seed));
        memset(identity_out, 0, sizeof(*identity_out));
        identity_out->is_service = is_service;
        (is_service ? derive_service : derive_member)(seed, identity_out, &account);
        memcpy(identity_out->account_pk, account.pk, UBR_KEY_LEN);
        name_identity(identity_out);
        make_record(identity_out, &account);
        ubr_recovery_encode(seed, recovery_out);
        ubr_sign_key_wipe(&account);
        sodium_memzero(seed, sizeof(seed));
        status = save(home, identity_out, err);
    }
    unibus_home_unlock(home);
    return status;
}

/* The records must be a valid chain in which this device is live. */
static enum unibus_status check_records(struct unibus_identity *identity, struct unibus_err *err)
{
    struct ubr_chain chain;
    ubr_chain_init(&chain, identity->account_pk);
    enum ubr_error fault = UBR_OK;
    for (size_t i = 0; i < json_array_size(identity->records) && fault == UBR_OK; i++) {
        struct wire_record record;
        bool is_whole = wire_get_record(json_array_get(identity->records, i), &record);
        const struct ubr_device_record view = wire_record_view(&record);
        fault = is_whole ? ubr_chain_append(&chain, &view) : UBR_E_PARSE;
    }
    const struct ubr_device *device = ubr_chain_device(&chain, identity->kid);
    if (fault == UBR_OK && device == NULL) {
        fault = UBR_E_KID_UNKNOWN;
    }
    memcpy(identity->head, ubr_chain_head(&chain), UBR_HASH_LEN);
    ubr_chain_fini(&chain);
    return fault == UBR_OK ? UNIBUS_OK
                           : unibus_fail_ubr(err, UNIBUS_UNVERIFIED, (int)fault,
                                             "the device records in " DOCUMENT " are damaged");
}

/* Not damage: whoever reads that it is might throw his keys away. */
static enum unibus_status check_version(const struct unibus_home *home, const json_t *doc,
                                        struct unibus_err *err)
{
    int64_t version = wire_number(doc, "version");
    if (version <= IDENTITY_VERSION) {
        return UNIBUS_OK;
    }
    unibus_fail(err, UNIBUS_FAILED,
                "%s/" DOCUMENT " has version %" PRId64 " and this program knows %d",
                unibus_home_path(home), version, IDENTITY_VERSION);
    return unibus_fix(err, "a newer unibus wrote it: use that one");
}

static enum unibus_status take_keys(const json_t *doc, struct unibus_identity *identity,
                                    struct unibus_err *err)
{
    uint8_t sign[UBR_SEED_LEN], nats[UBR_SEED_LEN], box[UBR_KEY_LEN];
    bool is_whole = wire_number(doc, "version") == IDENTITY_VERSION &&
                    wire_get(doc, "account_pk", identity->account_pk, UBR_KEY_LEN) &&
                    wire_get(doc, "sign_seed", sign, sizeof(sign)) &&
                    wire_get(doc, "nats_seed", nats, sizeof(nats)) &&
                    wire_get(doc, "box_secret", box, sizeof(box));
    if (is_whole) {
        ubr_sign_key_from_seed(sign, &identity->sign);
        ubr_sign_key_from_seed(nats, &identity->nats);
        ubr_box_key_from_secret(box, &identity->box);
        identity->is_service = json_is_true(json_object_get(doc, "service"));
        identity->records = json_deep_copy(json_object_get(doc, "records"));
    }
    sodium_memzero(sign, sizeof(sign));
    sodium_memzero(nats, sizeof(nats));
    sodium_memzero(box, sizeof(box));
    return is_whole ? UNIBUS_OK : unibus_fail(err, UNIBUS_FAILED, DOCUMENT " is damaged");
}

enum unibus_status unibus_identity_load(struct unibus_home *home,
                                        struct unibus_identity *identity_out,
                                        struct unibus_err *err)
{
    json_t *doc;
    enum unibus_status status = unibus_home_read(home, DOCUMENT, &doc, err);
    if (status == UNIBUS_NOT_FOUND) {
        unibus_fail(err, status, "there is no identity in %s", unibus_home_path(home));
        return unibus_fix(err, "make one: unibus id new (or choose another --home)");
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    memset(identity_out, 0, sizeof(*identity_out));
    status = check_version(home, doc, err);
    status = status == UNIBUS_OK ? take_keys(doc, identity_out, err) : status;
    wire_wipe(doc);
    if (status == UNIBUS_OK) {
        name_identity(identity_out);
        status = check_records(identity_out, err);
    }
    if (status != UNIBUS_OK) {
        unibus_identity_clear(identity_out);
    }
    return status;
}

void unibus_identity_clear(struct unibus_identity *identity)
{
    json_decref(identity->records);
    sodium_memzero(identity, sizeof(*identity));
}

json_t *unibus_identity_card(const struct unibus_identity *identity)
{
    char groups[40], nkey[UBR_NKEY_LEN + 1];
    unibus_fingerprint_groups(identity->id, groups);
    ubr_nkey_encode(identity->nats.pk, nkey);
    json_t *card = json_object();
    json_object_set_new(card, "id", json_string(identity->id));
    json_object_set_new(card, "fingerprint", json_string(groups));
    json_object_set_new(card, "kid", json_string(identity->kid_hex));
    json_object_set_new(card, "service", json_boolean(identity->is_service));
    wire_put(card, "account_pk", ubr_bytes_of(identity->account_pk, UBR_KEY_LEN));
    wire_put(card, "sign_pk", ubr_bytes_of(identity->sign.pk, UBR_KEY_LEN));
    wire_put(card, "box_pk", ubr_bytes_of(identity->box.pk, UBR_KEY_LEN));
    wire_put(card, "nats_pk", ubr_bytes_of(identity->nats.pk, UBR_KEY_LEN));
    json_object_set_new(card, "nkey", json_string(nkey));
    json_object_set_new(card, "records", json_deep_copy(identity->records));
    return card;
}

void unibus_fingerprint_groups(const char id[33], char groups_out[40])
{
    char *out = groups_out;
    for (size_t i = 0; i < 32; i++) {
        if (i > 0 && i % 4 == 0) {
            *out++ = ' ';
        }
        *out++ = id[i];
    }
    *out = '\0';
}
