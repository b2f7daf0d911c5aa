/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_AUTHN_H
#define MEMB_AUTHN_H

#include <unibus/httpd.h>

#include "memb.h"

/* The authenticator of signed requests, registered with ub.httpd; arg is struct memb. Its ticket
 * is a struct memb_ticket (store.h). */
extern const struct ub_httpd_auth_ops memb_authn_ops;

/* Fills a principal for this device; memb_model.lock is held. */
void memb_principal_fill(const struct memb_identity *identity, const uint8_t *kid,
                         struct ub_principal *principal_out);

#endif
