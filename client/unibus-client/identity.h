/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_IDENTITY_H
#define UNIBUS_CLIENT_IDENTITY_H

#include <stdbool.h>

#include <jansson.h>
#include <ubr/device.h>
#include <ubr/name.h>
#include <ubr/recovery.h>

#include <unibus-client/home.h>

/* Who this device is (UBR1, 4): its keys and the account's device records. The account key is not
 * here: it is the recovery key, shown once when the account is made. A service identity signs with
 * its account key (4.1). */
struct unibus_identity {
    bool is_service;
    uint8_t account_pk[UBR_KEY_LEN];
    char id[33]; /* fingerprint of the account */
    uint8_t kid[UBR_KID_LEN];
    char kid_hex[33];
    struct ubr_sign_key sign, nats;
    struct ubr_box_key box;
    uint8_t head[UBR_HASH_LEN]; /* of the account's device chain, as far as it is known here */
    json_t *records;            /* [{body, sig, pop, nats_pop}…], by seq */
};

/* Makes an account and this device's keys and keeps them in the home. recovery_out is the account's
 * seed, kept nowhere: show it, then wipe it. UNIBUS_CONFLICT when the home has an identity. */
enum unibus_status unibus_identity_create(struct unibus_home *home, bool is_service,
                                          struct unibus_identity *identity_out,
                                          char recovery_out[UBR_RECOVERY_TEXT_LEN + 1],
                                          struct unibus_err *err);
/* UNIBUS_NOT_FOUND when the home has none; UNIBUS_UNVERIFIED when its records are not valid. */
enum unibus_status unibus_identity_load(struct unibus_home *home,
                                        struct unibus_identity *identity_out,
                                        struct unibus_err *err);
/* Wipes the keys. */
void unibus_identity_clear(struct unibus_identity *identity);

/* What is public, for people and admins: {"id","fingerprint","kid","account_pk","sign_pk","box_pk",
 * "nats_pk","nkey","service","records":[…]}. A new reference. */
json_t *unibus_identity_card(const struct unibus_identity *identity);

/* "dn76 d37k …": eight groups of four (12.1). */
void unibus_fingerprint_groups(const char id[33], char groups_out[40]);

#endif
