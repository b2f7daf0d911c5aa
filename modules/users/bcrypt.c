/* SPDX-License-Identifier: Apache-2.0 */
#include "bcrypt.h"

#include <crypt.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

int users_bcrypt_cost(const char *hash)
{
    static const char digits[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if (strlen(hash) != USERS_BCRYPT_LEN || memcmp(hash, "$2", 2) != 0 ||
        strchr("aby", hash[2]) == NULL || hash[3] != '$' || !isdigit((unsigned char)hash[4]) ||
        !isdigit((unsigned char)hash[5]) || hash[6] != '$' ||
        strspn(hash + 7, digits) != USERS_BCRYPT_LEN - 7) {
        return 0;
    }
    return (hash[4] - '0') * 10 + hash[5] - '0';
}

static bool check_one(struct crypt_data *data, const char *hash, const char *password)
{
    memset(data, 0, sizeof(*data));
    const char *made = crypt_r(password, hash, data);
    return made != NULL && strlen(made) == USERS_BCRYPT_LEN &&
           sodium_memcmp(made, hash, USERS_BCRYPT_LEN) == 0;
}

/* A hash of nothing that anybody knows, of this cost. */
static void check_none(struct crypt_data *data, const char *password, int cost)
{
    char hash[USERS_BCRYPT_LEN + 1];
    snprintf(hash, sizeof(hash), "$2b$%02d$%s", cost,
             "......................0000000000000000000000000000000");
    (void)check_one(data, hash, password);
}

bool users_bcrypt_check(const char *hash, const char *password, int cost_max)
{
    char head[USERS_BCRYPT_PASSWORD + 1];
    struct crypt_data *data = malloc(sizeof(*data));
    if (data == NULL) {
        return false;
    }
    snprintf(head, sizeof(head), "%s", password);
    bool is_good = false;
    if (hash == NULL) {
        check_none(data, head, cost_max);
    } else {
        is_good = check_one(data, hash, head) && strlen(password) <= USERS_BCRYPT_PASSWORD;
        /* 2^c and then 2^c + 2^(c+1) + … + 2^(max-1) are 2^max together. */
        for (int cost = users_bcrypt_cost(hash); cost < cost_max; cost++) {
            check_none(data, head, cost);
        }
    }
    sodium_memzero(data, sizeof(*data));
    sodium_memzero(head, sizeof(head));
    free(data);
    return is_good;
}
