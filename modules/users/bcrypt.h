/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords against bcrypt hashes ("$2a$11$…", $2b$ and $2y$ too), by crypt_r of libxcrypt. */
#ifndef USERS_BCRYPT_H
#define USERS_BCRYPT_H

#include <unibus/abi.h>

#define USERS_BCRYPT_LEN      60
#define USERS_BCRYPT_COST_MIN 10 /* below, a stolen config gives the passwords away too cheaply */
#define USERS_BCRYPT_COST_MAX 14 /* above, a login takes longer than clients wait */
#define USERS_BCRYPT_PASSWORD 72 /* bytes; bcrypt ignores what comes behind, so longer is wrong */

/* The cost of a hash; 0 = it is no bcrypt hash. */
int users_bcrypt_cost(const char *hash);

/* Is this the password of the hash (NULL = of nobody)? Takes as long as one hash of cost_max (at
 * least the hash's own), whatever the answer is and whether or not there is a hash: so that the
 * time tells nobody which users there are. False, too, when memory is short. */
bool users_bcrypt_check(const char *hash, const char *password, int cost_max);

#endif
