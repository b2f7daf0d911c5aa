/* SPDX-License-Identifier: Apache-2.0
 *
 * From the permissions of a user to a set for ub.authz, with the meaning that nats-server gives
 * them: no allow list allows everything, an allow list denies the rest, a deny wins. */
#ifndef USERS_PERMS_H
#define USERS_PERMS_H

#include <unibus/authz.h>

#include "settings.h"

/* What applies to all users of a table. */
struct users_policy {
    enum users_rooms rooms;
    enum users_inboxes inboxes;
    enum users_guests guests;
};

/* Was anything said? */
bool users_permissions_are_said(const struct users_permissions *permissions);

/* A set with one reference. Subjects are copied. What is no subject, or names a room while rooms
 * are closed: err with the setting's name in front. */
enum ub_status users_perms_make(const struct users_permissions *permissions,
                                const struct users_record *limits,
                                const struct users_policy *policy,
                                const struct ub_perms **perms_out, struct ub_err *err);

/* Do two sets of this module say the same? */
bool users_perms_are_same(const struct ub_perms *a, const struct ub_perms *b);

#endif
