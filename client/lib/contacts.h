/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_CONTACTS_H
#define UNIBUS_CLIENT_CONTACTS_H

#include <ubr/chain.h>
#include <ubr/log.h>

#include <unibus-client/client.h>

#include "wire.h"

/* The device chains of accounts, pinned over all rooms (UBR1, 8 and 12.2): every chain that was
 * ever verified here is kept in chains/<id>.json and only grows. Records come from the node, but
 * each is signed by its account, and room logs say which of them count. */

struct contact {
    char id[33];
    struct ubr_chain chain;
    struct wire_record *records; /* chain.records_len of them */
};

/* Zeros are an empty book. */
struct contacts {
    struct contact **items;
    size_t count;
};

void contacts_fini(struct contacts *contacts);

/* The contact as the home knows it; NULL when it does not. */
const struct contact *contacts_find(struct unibus_client *client,
                                    const uint8_t account_pk[UBR_KEY_LEN]);

/* Asks the node for the chain, verifies it and keeps what is new. E-DEVICE-FORK when it does not
 * continue what is pinned; a shorter one changes nothing. */
enum unibus_status contacts_fetch(struct unibus_client *client,
                                  const uint8_t account_pk[UBR_KEY_LEN],
                                  const struct contact **contact_out, struct unibus_err *err);

/* Makes sure that the record with this hash is at hand, if the node has it. An account that has no
 * such record is no error here: the log says so. */
enum unibus_status contacts_need(struct unibus_client *client,
                                 const uint8_t account_pk[UBR_KEY_LEN],
                                 const uint8_t hash[UBR_HASH_LEN], struct unibus_err *err);

/* For ubr_log_append. */
struct ubr_record_store contacts_store(struct unibus_client *client);

#endif
