/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "bucket.h"
#include "format.h"

#include <stdlib.h>

#include <ubs/home.h>

#define FORMAT_NAME   "\0unibus" /* sorts before every cell */
#define FORMAT_PREFIX "ub.kv "

static MDB_val format_key(void)
{
    static char name[] = FORMAT_NAME;
    return (MDB_val){sizeof(name) - 1, name};
}

static enum ub_status put_format(struct kvlm_txn *txn, struct ub_err *err)
{
    char text[32];
    MDB_val key = format_key();
    MDB_val value = {(size_t)snprintf(text, sizeof(text), FORMAT_PREFIX "%d", KVLM_FORMAT_VERSION),
                     text};
    int rc = mdb_put(txn->mdb, KVLM_DBI, &key, &value, 0);
    return rc == MDB_SUCCESS ? UB_OK : kvlm_env_fail(txn->store, rc, err);
}

static enum ub_status check_format(struct kvlm_txn *txn, struct ub_err *err)
{
    char text[32] = {0}, *end = NULL;
    MDB_val key = format_key(), value = {0, NULL};
    const char *dir = txn->store->settings->dir;
    int rc = mdb_get(txn->mdb, KVLM_DBI, &key, &value);
    if (rc == MDB_SUCCESS && value.mv_size < sizeof(text)) {
        memcpy(text, value.mv_data, value.mv_size);
    }
    bool is_ours = strncmp(text, FORMAT_PREFIX, strlen(FORMAT_PREFIX)) == 0;
    long version = is_ours ? strtol(text + strlen(FORMAT_PREFIX), &end, 10) : 0;
    if (!is_ours || *end != '\0' || version < 1) {
        return ub_fail(err, UB_EINVAL,
                       "%s is no unibus store, or its format entry is damaged: give another "
                       "folder, or restore a backup",
                       dir);
    }
    if (version != KVLM_FORMAT_VERSION) {
        return ubs_home_fail_version(dir, "format version", version, KVLM_FORMAT_VERSION, err);
    }
    return UB_OK;
}

static enum ub_status make_facts(struct kvlm_txn *txn, struct ub_err *err)
{
    struct kvlm *store = txn->store;
    struct ub_bytes key = {store->seal_key, sizeof(store->seal_key)};
    store->kv.host->clock->random(store->kv.host, store->seal_key, sizeof(store->seal_key));
    enum ub_status status = put_format(txn, err);
    if (status == UB_OK) {
        status = kvlm_fact_write(txn, "seal-key", key, err);
    }
    return status == UB_OK ? kvlm_buckets_count_write(txn, err) : status;
}

/* A damaged copy is written anew. */
static enum ub_status read_facts(struct kvlm_txn *txn, struct ub_err *err)
{
    struct kvlm *store = txn->store;
    struct ub_bytes key = {store->seal_key, sizeof(store->seal_key)};
    bool is_whole = true;
    enum ub_status status =
        kvlm_fact_read(txn, "seal-key", store->seal_key, sizeof(store->seal_key), &is_whole, err);
    if (status == UB_ENOTFOUND) {
        return ub_fail_code(err, UB_EDAMAGED, "E-KV-001",
                            "%s has no seal key: restore the store from a backup",
                            store->settings->dir);
    }
    if (status == UB_OK && !is_whole) {
        status = kvlm_fact_write(txn, "seal-key", key, err);
    }
    return status == UB_OK ? kvlm_buckets_count_read(txn, err) : status;
}

enum ub_status kvlm_format_ready(struct kvlm *store, bool is_new, struct ub_err *err)
{
    struct kvlm_txn txn;
    enum ub_status status = kvlm_txn_begin(store, &txn, err);
    if (status != UB_OK) {
        return status;
    }
    if (is_new) {
        status = make_facts(&txn, err);
    } else {
        status = check_format(&txn, err);
        if (status == UB_OK) {
            status = read_facts(&txn, err);
        }
    }
    if (status != UB_OK) {
        mdb_txn_abort(txn.mdb);
        return status;
    }
    int rc = kvlm_txn_commit(&txn, err);
    return rc == MDB_SUCCESS ? UB_OK : kvlm_env_fail(store, rc, err);
}
