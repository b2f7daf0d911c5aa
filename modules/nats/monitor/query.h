/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked: the options of an address (`?sort=cid&limit=10`) or of a JSON request body
 * (`{"sort":"cid","limit":10}`), as nats-server reads them. What is not known is ignored, what is
 * known and malformed is an error in its words. Any thread. */
#ifndef NATS_MONITOR_QUERY_H
#define NATS_MONITOR_QUERY_H

#include <unibus/abi.h>

#define MON_PAIRS_MAX   32
#define MON_QUERY_MAX   8192 /* bytes of a request body, or of an address behind its '?' */
#define MON_TEXT_MAX    256  /* names */
#define MON_SUBJECT_MAX 1024
#define MON_LIMIT       1024 /* when none is asked for */
#define MON_LIMIT_MAX   16384

/* Names and values, decoded; those of a body as text: true, 12, abc. */
struct mon_pairs {
    bool is_body; /* members are named as in nats-server's Go structs, not as in addresses */
    size_t count;
    struct {
        char *name, *value;
    } items[MON_PAIRS_MAX];
};

/* A fault, for the one who asked. */
struct mon_fault {
    char text[256];
};

bool mon_pairs_of_address(struct mon_pairs *pairs, const char *query, struct mon_fault *fault);
bool mon_pairs_of_body(struct mon_pairs *pairs, struct ub_bytes body, struct mon_fault *fault);
void mon_pairs_fini(struct mon_pairs *pairs);
/* The first value of this name; "" = none. */
const char *mon_pair(const struct mon_pairs *pairs, const char *name);
bool mon_pair_uint(const struct mon_pairs *pairs, const char *name, uint64_t *out,
                   struct mon_fault *fault);

enum mon_sort {
    MON_BY_CID = 0,
    MON_BY_START,
    MON_BY_SUBS,
    MON_BY_PENDING,
    MON_BY_MSGS_TO,
    MON_BY_MSGS_FROM,
    MON_BY_BYTES_TO,
    MON_BY_BYTES_FROM,
    MON_BY_LAST,
    MON_BY_IDLE,
    MON_BY_UPTIME,
    MON_BY_STOP,
    MON_BY_REASON,
    MON_BY_RTT,
    MON_SORTS
};

enum mon_state { MON_OPEN = 0, MON_CLOSED, MON_ANY };

struct mon_connz {
    enum mon_sort sort;
    enum mon_state state;
    bool has_auth, has_subs, has_details;
    int64_t offset, limit;
    uint64_t cid; /* 0 = any */
    char user[MON_TEXT_MAX], account[MON_TEXT_MAX], mqtt_client[MON_TEXT_MAX];
    char subject[MON_SUBJECT_MAX]; /* filter_subject; "" = any */
};

struct mon_subsz {
    bool has_subs;
    int64_t offset, limit;
    char account[MON_TEXT_MAX], test[MON_SUBJECT_MAX];
};

/* Of /healthz. Without JetStream they change little, but must be well-formed. */
struct mon_healthz {
    bool has_details;
    char account[MON_TEXT_MAX], stream[MON_TEXT_MAX], consumer[MON_TEXT_MAX];
};

/* Which servers shall answer a PING. */
struct mon_filter {
    bool is_exact, has_tags;
    char name[MON_TEXT_MAX], host[MON_TEXT_MAX], cluster[MON_TEXT_MAX], domain[MON_TEXT_MAX];
};

bool mon_connz_read(const struct mon_pairs *pairs, struct mon_connz *out, struct mon_fault *fault);
bool mon_subsz_read(const struct mon_pairs *pairs, struct mon_subsz *out, struct mon_fault *fault);
bool mon_healthz_read(const struct mon_pairs *pairs, struct mon_healthz *out,
                      struct mon_fault *fault);
bool mon_filter_read(const struct mon_pairs *pairs, struct mon_filter *out,
                     struct mon_fault *fault);

#endif
