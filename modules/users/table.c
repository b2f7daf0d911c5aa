/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

struct judge {
    const struct ub_host *host;
    const struct users_settings *settings;
    const uint8_t *key;
    struct users_table *table;
    const struct users_record *record;
    size_t number; /* of the record, from 1 */
    struct ub_err *err;
};

void users_hash(const uint8_t key[USERS_KEY_LEN], const char *what, const void *bytes, size_t len,
                uint8_t *out, size_t out_len)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, key, USERS_KEY_LEN, out_len);
    crypto_generichash_update(&state, (const uint8_t *)what, strlen(what) + 1);
    crypto_generichash_update(&state, bytes, len);
    crypto_generichash_final(&state, out, out_len);
}

void users_anonymous_mark(const uint8_t key[USERS_KEY_LEN], uint8_t mark_out[USERS_MARK_LEN])
{
    users_hash(key, "anonymous", "", 0, mark_out, USERS_MARK_LEN);
}

/* The words get the record's number before them, and its place. */
static enum ub_status fault_place(const struct judge *judge)
{
    char what[UB_ERR_MESSAGE_MAX];
    memcpy(what, judge->err->message, sizeof(what));
    ub_fail(judge->err, UB_EINVAL, "users[%zu]: %s", judge->number, what);
    judge->err->where = judge->settings->users.wheres[judge->number - 1];
    return UB_EINVAL;
}

/* users[2]: what */
#define fault(judge, code_, ...)                                                                   \
    (ub_fail_code((judge)->err, UB_EINVAL, code_, __VA_ARGS__), fault_place(judge))

/* ---- one record -------------------------------------------------------------------------------
 */

static enum ub_status judge_kind(const struct judge *judge, enum users_kind *kind_out)
{
    const struct users_record *record = judge->record;
    const void *const given[] = {
        [USERS_BY_PASSWORD] = record->password, [USERS_BY_BCRYPT] = record->bcrypt,
        [USERS_BY_NKEY] = record->nkey,         [USERS_BY_TOKEN] = record->token,
        [USERS_BY_CERT] = record->cert_subject,
    };
    int count = 0;
    for (int i = 0; i < (int)(sizeof(given) / sizeof(given[0])); i++) {
        if (given[i] != NULL) {
            *kind_out = (enum users_kind)i;
            count++;
        }
    }
    bool has_password = count == 1 && *kind_out <= USERS_BY_BCRYPT;
    if (count != 1) {
        return fault(judge, "E-USERS-RECORD",
                     "%s of password, bcrypt, nkey, token and cert_subject: exactly one says how "
                     "the user logs in",
                     count == 0 ? "has none" : "has several");
    }
    if (has_password != (record->user != NULL)) {
        return fault(judge, "E-USERS-RECORD", "%s",
                     has_password ? "user is missing: a password belongs to a user"
                                  : "user is for those with a password: write name = \"…\"");
    }
    if (record->user != NULL && record->name != NULL) {
        return fault(judge, "E-USERS-RECORD", "has a user and a name: user is the name");
    }
    return UB_OK;
}

static const char *label_fault(const char *label)
{
    for (const unsigned char *at = (const unsigned char *)label; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7F) {
            return "has a control character in it";
        }
    }
    size_t len = strlen(label);
    return len == 0 || len > USERS_LABEL_MAX ? "has not 1 to 58 bytes" : NULL;
}

static enum ub_status judge_label(const struct judge *judge, struct users_entry *entry)
{
    const struct users_record *record = judge->record;
    const char *label = record->user != NULL ? record->user : record->name;
    if (label == NULL && entry->kind == USERS_BY_NKEY) {
        snprintf(entry->label, sizeof(entry->label), "%s", record->nkey);
        snprintf(entry->id, sizeof(entry->id), "nkey:%s", record->nkey);
        return UB_OK;
    }
    if (label == NULL) {
        return fault(judge, "E-USERS-NAME",
                     "name is missing: logs and reloads know this user by it");
    }
    const char *why = label_fault(label);
    if (why != NULL) {
        return fault(judge, "E-USERS-NAME", "the name \"%.100s\" %s", label, why);
    }
    snprintf(entry->label, sizeof(entry->label), "%s", label);
    snprintf(entry->id, sizeof(entry->id), "user:%s", label);
    return UB_OK;
}

static enum ub_status take_secret(const struct judge *judge, struct users_entry *entry,
                                  const char *what, const struct ub_secret *secret)
{
    struct ub_bytes bytes = judge->host->secret->bytes(secret);
    if (memchr(bytes.ptr, '\0', bytes.len) != NULL) {
        return fault(judge, "E-USERS-SECRET", "the file of the %s has a NUL byte in it", what);
    }
    users_hash(judge->key, what, bytes.ptr, bytes.len, entry->secret, sizeof(entry->secret));
    return UB_OK;
}

static enum ub_status take_bcrypt(const struct judge *judge, struct users_entry *entry)
{
    int cost = users_bcrypt_cost(judge->record->bcrypt);
    if (cost == 0) {
        return fault(judge, "E-USERS-BCRYPT",
                     "bcrypt is no bcrypt hash of 60 characters: unibus passwd makes one");
    }
    if (cost < USERS_BCRYPT_COST_MIN || cost > USERS_BCRYPT_COST_MAX) {
        return fault(judge, "E-USERS-BCRYPT",
                     "bcrypt has cost %d, which is too %s: %d to %d; unibus passwd makes one of 11",
                     cost, cost < USERS_BCRYPT_COST_MIN ? "cheap to guess" : "slow for a login",
                     USERS_BCRYPT_COST_MIN, USERS_BCRYPT_COST_MAX);
    }
    memcpy(entry->bcrypt, judge->record->bcrypt, USERS_BCRYPT_LEN + 1);
    users_hash(judge->key, "bcrypt", entry->bcrypt, USERS_BCRYPT_LEN, entry->secret,
               sizeof(entry->secret));
    if (cost > judge->table->cost_max) {
        judge->table->cost_max = cost;
    }
    return UB_OK;
}

static enum ub_status take_credential(const struct judge *judge, struct users_entry *entry)
{
    const struct users_record *record = judge->record;
    switch (entry->kind) {
    case USERS_BY_PASSWORD:
        return take_secret(judge, entry, "password", record->password);
    case USERS_BY_TOKEN:
        return take_secret(judge, entry, "token", record->token);
    case USERS_BY_BCRYPT:
        return take_bcrypt(judge, entry);
    case USERS_BY_NKEY:
        return users_nkey_decode(record->nkey, entry->secret)
                   ? UB_OK
                   : fault(
                         judge, "E-USERS-NKEY",
                         "nkey \"%.80s\" is no public key of a user: \"U\" and 55 more of A-Z and "
                         "2-7; was a seed (\"SU…\") written here, make a new one",
                         record->nkey[0] == 'S' ? "S…" : record->nkey);
    default:
        users_hash(judge->key, "cert", record->cert_subject, strlen(record->cert_subject),
                   entry->secret, sizeof(entry->secret));
        return UB_OK;
    }
}

static enum ub_status take_permissions(const struct judge *judge, struct users_entry *entry)
{
    const struct users_permissions *own = &judge->record->permissions;
    bool is_own = users_permissions_are_said(own);
    struct ub_err err = UB_ERR_INIT;
    if (users_perms_make(is_own ? own : &judge->settings->default_permissions, judge->record,
                         &judge->table->policy, &entry->perms, &err) == UB_OK) {
        return UB_OK;
    }
    return fault(judge, err.code, "%s%s", is_own ? "" : "default_", err.message);
}

/* Two users of one name, or two ways in by one credential, would be one user with two sets. */
static enum ub_status judge_twins(const struct judge *judge, const struct users_entry *entry)
{
    for (const struct users_entry *other = judge->table->entries; other < entry; other++) {
        bool is_same_name = strcmp(other->id, entry->id) == 0;
        bool is_same_key = entry->kind >= USERS_BY_NKEY && other->kind == entry->kind &&
                           sodium_memcmp(other->secret, entry->secret, 32) == 0;
        if (is_same_name || is_same_key) {
            size_t first = (size_t)(other - judge->table->entries);
            return fault(judge, "E-USERS-TWICE", "has the same %s as users[%zu] on line %u",
                         is_same_name ? "name" : "credential", first + 1,
                         (unsigned)judge->settings->users.wheres[first].line);
        }
    }
    return UB_OK;
}

static enum ub_status judge_record(struct judge *judge)
{
    struct users_entry *entry = &judge->table->entries[judge->number - 1];
    enum ub_status status = judge_kind(judge, &entry->kind);
    status = status == UB_OK ? take_credential(judge, entry) : status;
    status = status == UB_OK ? judge_label(judge, entry) : status;
    status = status == UB_OK ? judge_twins(judge, entry) : status;
    status = status == UB_OK ? take_permissions(judge, entry) : status;
    entry->role = (enum ub_role)judge->record->role;
    uint8_t kind = (uint8_t)entry->kind;
    users_hash(judge->key, (const char[]){(char)('0' + kind), '\0'}, entry->secret,
               sizeof(entry->secret), entry->mark, sizeof(entry->mark));
    return status;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

/* Every faulty record is told of; the last one in err, as any module does. */
static enum ub_status judge_all(struct judge *judge, size_t count)
{
    enum ub_status all = UB_OK;
    struct ub_err err = UB_ERR_INIT, *last = judge->err;
    judge->err = &err;
    for (size_t i = 0; i < count; i++) {
        judge->record = &((const struct users_record *)judge->settings->users.items)[i];
        judge->number = i + 1;
        enum ub_status status = judge_record(judge);
        if (status != UB_OK && all != UB_OK) {
            (judge->host->config->fault)(judge->host, last); /* ( ): no macro */
        }
        if (status != UB_OK) {
            all = status;
            *last = err;
            err = (struct ub_err)UB_ERR_INIT;
        }
    }
    judge->err = last;
    return all;
}

static enum ub_status find_anonymous(const struct judge *judge)
{
    const char *name = judge->settings->no_auth_user;
    if (name == NULL) {
        return UB_OK;
    }
    for (size_t i = 0; i < judge->table->count; i++) {
        if (strcmp(judge->table->entries[i].label, name) == 0) {
            judge->table->anonymous = &judge->table->entries[i];
            return UB_OK;
        }
    }
    ub_fail_code(judge->err, UB_EINVAL, "E-USERS-ANONYMOUS",
                 "no_auth_user = \"%.100s\" is none of the users", name);
    judge->err->where = judge->host->node->where(judge->host, "no_auth_user");
    return UB_EINVAL;
}

static void take_serials(struct users_table *table, const struct users_table *before)
{
    for (size_t i = 0; i < table->count; i++) {
        struct users_entry *entry = &table->entries[i];
        const struct users_entry *old = before != NULL ? users_table_find(before, entry->id) : NULL;
        bool is_same = old != NULL && old->role == entry->role &&
                       users_perms_are_same(old->perms, entry->perms);
        entry->serial = is_same ? old->serial : table->serial;
    }
}

enum ub_status users_table_new(const struct ub_host *host, const struct users_settings *settings,
                               const uint8_t key[USERS_KEY_LEN], const struct users_table *before,
                               struct users_table **table_out, struct ub_err *err)
{
    size_t count = settings->users.count;
    struct users_table *table = calloc(1, sizeof(*table) + count * sizeof(table->entries[0]));
    *table_out = NULL;
    if (table == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for users");
    }
    atomic_init(&table->refs, 1);
    table->count = count;
    table->serial = before != NULL ? before->serial + 1 : 1;
    table->policy = (struct users_policy){(enum users_rooms)settings->room_subjects,
                                          (enum users_inboxes)settings->inboxes,
                                          (enum users_guests)settings->guests};
    struct judge judge = {
        .host = host, .settings = settings, .key = key, .table = table, .err = err};
    enum ub_status status = judge_all(&judge, count);
    status = status == UB_OK ? find_anonymous(&judge) : status;
    if (status != UB_OK) {
        users_table_unref(&table);
        return status;
    }
    take_serials(table, before);
    *table_out = table;
    return UB_OK;
}

struct users_table *users_table_ref(struct users_table *table)
{
    atomic_fetch_add(&table->refs, 1);
    return table;
}

void users_table_unref(struct users_table **table)
{
    struct users_table *it = *table;
    *table = NULL;
    if (it == NULL || atomic_fetch_sub(&it->refs, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < it->count; i++) {
        ub_perms_unref(&it->entries[i].perms);
    }
    sodium_memzero(it->entries, it->count * sizeof(it->entries[0]));
    free(it);
}

const struct users_entry *users_table_find(const struct users_table *table, const char *id)
{
    const struct users_entry *found = NULL;
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->entries[i].id, id) == 0) {
            found = &table->entries[i];
        }
    }
    return found;
}
