/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.authz: who of the table is it, and what may he do now. The order is nats-server's: nkey, user,
 * token; whoever shows none of them may be a certificate or nobody. */
#include <string.h>

#include <sodium.h>

#include "users.h"

struct login {
    struct users *users;
    const struct users_table *table;
    const struct ub_cred *cred;
    struct ub_reason *reason;
    const uint8_t *mark; /* when it is not the entry's own */
};

struct users_table *users_table_now(struct users *users)
{
    pthread_mutex_lock(&users->lock);
    struct users_table *table = users_table_ref(users->table);
    pthread_mutex_unlock(&users->lock);
    return table;
}

static enum ub_verdict refuse_as(const struct login *login, const char *code)
{
    snprintf(login->reason->code, sizeof(login->reason->code), "%s", code);
    return UB_DENY;
}

#define refuse(login, code_, ...)                                                                  \
    (snprintf((login)->reason->text, sizeof((login)->reason->text), __VA_ARGS__),                  \
     refuse_as(login, code_))

/* All are looked at, so that the time does not tell where it was. */
static const struct users_entry *find_secret(const struct users_table *table, enum users_kind kind,
                                             const uint8_t secret[32])
{
    const struct users_entry *found = NULL;
    for (size_t i = 0; i < table->count; i++) {
        const struct users_entry *entry = &table->entries[i];
        bool is_it = sodium_memcmp(entry->secret, secret, sizeof(entry->secret)) == 0;
        found = is_it && entry->kind == kind ? entry : found;
    }
    return found;
}

static const struct users_entry *find_user(const struct users_table *table, const char *user)
{
    const struct users_entry *found = NULL;
    for (size_t i = 0; i < table->count; i++) {
        const struct users_entry *entry = &table->entries[i];
        if (entry->kind <= USERS_BY_BCRYPT && strcmp(entry->label, user) == 0) {
            found = entry;
        }
    }
    return found;
}

/* ---- each way in ------------------------------------------------------------------------------
 */

static enum ub_verdict by_nkey(struct login *login, const struct users_entry **entry_out)
{
    const struct ub_cred *cred = login->cred;
    uint8_t key[32];
    const struct users_entry *entry =
        users_nkey_decode(cred->nkey, key) ? find_secret(login->table, USERS_BY_NKEY, key) : NULL;
    if (entry == NULL) {
        return UB_ABSTAIN;
    }
    if (cred->signature.len != crypto_sign_BYTES || cred->nonce.len == 0 ||
        crypto_sign_verify_detached(cred->signature.ptr, cred->nonce.ptr, cred->nonce.len, key) !=
            0) {
        return refuse(login, "bad-signature", "the signature by the nkey of \"%s\" is bad",
                      entry->label);
    }
    *entry_out = entry;
    return UB_ALLOW;
}

/* As long for a user that does not exist as for one that does. */
static bool password_is_good(const struct login *login, const struct users_entry *entry)
{
    const char *password = login->cred->password != NULL ? login->cred->password : "";
    uint8_t hash[32];
    bool is_good = false;
    users_hash(login->users->key, "password", password, strlen(password), hash, sizeof(hash));
    bool is_plain = entry != NULL && entry->kind == USERS_BY_PASSWORD &&
                    sodium_memcmp(entry->secret, hash, sizeof(hash)) == 0;
    if (login->table->cost_max > 0) {
        bool has_hash = entry != NULL && entry->kind == USERS_BY_BCRYPT;
        is_good =
            users_bcrypt_check(has_hash ? entry->bcrypt : NULL, password, login->table->cost_max);
    }
    return is_good || is_plain;
}

static struct users_attempt_by attempt_by(const struct login *login, const char *user)
{
    const struct ub_host *host = login->users->host;
    return (struct users_attempt_by){login->cred->address, user, login->cred->is_loopback,
                                     host->clock->mono_ns(host) / 1000000};
}

static void count_wrong(const struct login *login, const struct users_attempt_by *by)
{
    struct users *users = login->users;
    users->wrong++;
    if (users_attempts_failed(&users->attempts, by)) {
        ub_log(users->host, UB_LOG_WARN, "logins-throttled",
               "too many wrong passwords or tokens: none is tried for a minute",
               UB_TEXT("address", by->address));
    }
}

static enum ub_verdict by_password(struct login *login, const struct users_entry **entry_out)
{
    struct users *users = login->users;
    const struct users_entry *entry = find_user(login->table, login->cred->user);
    struct users_attempt_by by = attempt_by(login, login->cred->user);
    if (!users_attempts_may(&users->attempts, &by)) {
        users->throttled++;
        return entry == NULL ? UB_ABSTAIN
                             : refuse(login, "throttled",
                                      "too many wrong passwords for \"%s\" or from this address: "
                                      "wait a minute",
                                      entry->label);
    }
    if (!password_is_good(login, entry)) {
        count_wrong(login, &by);
        return entry == NULL ? UB_ABSTAIN
                             : refuse(login, "wrong-password", "the password of \"%s\" is wrong",
                                      entry->label);
    }
    users_attempts_succeeded(&users->attempts, &by);
    *entry_out = entry;
    return UB_ALLOW;
}

static enum ub_verdict by_token(struct login *login, const struct users_entry **entry_out)
{
    struct users_attempt_by by = attempt_by(login, "\ntoken");
    const char *token = login->cred->token;
    uint8_t hash[32];
    if (!users_attempts_may(&login->users->attempts, &by)) {
        login->users->throttled++;
        return UB_ABSTAIN;
    }
    users_hash(login->users->key, "token", token, strlen(token), hash, sizeof(hash));
    *entry_out = find_secret(login->table, USERS_BY_TOKEN, hash);
    if (*entry_out == NULL) {
        count_wrong(login, &by);
        return UB_ABSTAIN;
    }
    return UB_ALLOW;
}

static enum ub_verdict by_nothing(struct login *login, const struct users_entry **entry_out)
{
    const struct ub_cred *cred = login->cred;
    uint8_t hash[32];
    bool has_cert = cred->size >= offsetof(struct ub_cred, cert_subject) + sizeof(char *) &&
                    cred->cert_subject != NULL;
    if (has_cert) {
        users_hash(login->users->key, "cert", cred->cert_subject, strlen(cred->cert_subject), hash,
                   sizeof(hash));
        *entry_out = find_secret(login->table, USERS_BY_CERT, hash);
    }
    bool may_be_guest = cred->is_loopback || login->table->policy.guests == USERS_GUESTS_ANYWHERE;
    if (*entry_out == NULL && may_be_guest && cred->password == NULL) {
        *entry_out = login->table->anonymous;
        login->mark = login->users->anonymous_mark;
    }
    return *entry_out != NULL ? UB_ALLOW : UB_ABSTAIN;
}

static enum ub_verdict identify(struct login *login, const struct users_entry **entry_out)
{
    const struct ub_cred *cred = login->cred;
    bool is_known = cred->size >= offsetof(struct ub_cred, principal) + sizeof(cred->principal) &&
                    cred->principal != NULL;
    *entry_out = NULL;
    return is_known              ? UB_ABSTAIN /* somebody else's, and one identity is enough */
           : cred->nkey != NULL  ? by_nkey(login, entry_out)
           : cred->user != NULL  ? by_password(login, entry_out)
           : cred->token != NULL ? by_token(login, entry_out)
                                 : by_nothing(login, entry_out);
}

/* ---- the interface ----------------------------------------------------------------------------
 */

static const struct ub_perms *perms_ref(const struct ub_perms *perms)
{
    perms->ref(perms);
    return perms;
}

static enum ub_verdict on_connect(void *self, const struct ub_cred *cred,
                                  struct ub_principal *principal_out,
                                  const struct ub_perms **perms_out, struct ub_reason *reason_out)
{
    struct users *users = self;
    struct users_table *table = users_table_now(users);
    struct ub_reason unheard;
    struct login login = {users, table, cred, reason_out != NULL ? reason_out : &unheard, NULL};
    const struct users_entry *entry;
    enum ub_verdict verdict = identify(&login, &entry);
    if (verdict == UB_ALLOW && entry != NULL) {
        *principal_out = (struct ub_principal){
            .size = sizeof(*principal_out), .role = entry->role, .serial = entry->serial};
        memcpy(principal_out->id, entry->id, sizeof(entry->id));
        memcpy(principal_out->handle, entry->label, sizeof(entry->label));
        memcpy(principal_out->device, login.mark != NULL ? login.mark : entry->mark,
               sizeof(principal_out->device));
        *perms_out = perms_ref(entry->perms);
        users->logins++;
    }
    users_table_unref(&table);
    return verdict;
}

static const struct ub_perms *on_permissions(void *self, const struct ub_principal *principal)
{
    struct users *users = self;
    struct users_table *table = users_table_now(users);
    const struct users_entry *entry = users_table_find(table, principal->id);
    /* A password that was changed, or a guest's place that was closed, ends what it began. */
    bool is_explained = sodium_is_zero(principal->device, sizeof(principal->device)) != 0;
    bool is_good =
        entry != NULL &&
        (is_explained || memcmp(principal->device, entry->mark, sizeof(entry->mark)) == 0 ||
         (table->anonymous == entry &&
          memcmp(principal->device, users->anonymous_mark, sizeof(users->anonymous_mark)) == 0));
    const struct ub_perms *perms = is_good ? perms_ref(entry->perms) : NULL;
    users_table_unref(&table);
    return perms;
}

/* The control plane is not these users' place: others judge there. */
static enum ub_verdict on_action(void *self, const struct ub_principal *principal,
                                 const struct ub_action *action, struct ub_reason *reason_out)
{
    (void)self;
    (void)principal;
    (void)action;
    (void)reason_out;
    return UB_ABSTAIN;
}

const struct ub_authz_ops users_authz_ops = {
    .size = sizeof(struct ub_authz_ops),
    .connect = on_connect,
    .permissions = on_permissions,
    .action = on_action,
    .watch = users_watch,
    .unwatch = users_unwatch,
};
