/* SPDX-License-Identifier: Apache-2.0
 *
 * `$SYS.REQ.USER.INFO`: who the asker is and what he may do. */
#include <stdio.h>

#include "../perms.h"
#include "../session.h"
#include "snapshot.h"

static bool is_listed(const struct ub_perm_rule *rule, uint32_t right, bool is_deny)
{
    return (rule->actions & right) != 0 && rule->is_deny == is_deny;
}

/* The subjects of one list; with a queue as nats-server writes it: "subject queue". */
static void write_list(const struct nats_perms *perms, struct mon_text *text, uint32_t right,
                       bool is_deny)
{
    char both[1024];
    bool is_open = false;
    for (uint32_t i = 0; i < perms->rule_count; i++) {
        const struct ub_perm_rule *rule = &perms->rules[i];
        if (!is_listed(rule, right, is_deny)) {
            continue;
        }
        if (!is_open) {
            mon_open(text, is_deny ? "deny" : "allow", '[');
            is_open = true;
        }
        const char *queue = rule->queue == NULL ? "" : rule->queue;
        snprintf(both, sizeof(both), "%s%s%s", rule->subject, queue[0] != '\0' ? " " : "", queue);
        mon_string(text, NULL, both);
    }
    if (is_open) {
        mon_close(text, ']');
    }
}

static void write_permissions(const struct nats_perms *perms, struct mon_text *text)
{
    static const struct {
        const char *name;
        uint32_t right;
    } sides[] = {{"publish", UB_PUBLISH}, {"subscribe", UB_SUBSCRIBE}};
    mon_open(text, "permissions", '{');
    for (size_t i = 0; i < 2; i++) {
        mon_open(text, sides[i].name, '{');
        write_list(perms, text, sides[i].right, false);
        write_list(perms, text, sides[i].right, true);
        mon_close(text, '}');
    }
    if (perms->max_response_count > 0) {
        mon_open(text, "responses", '{');
        mon_number(text, "max",
                   perms->max_response_count == INT64_MAX ? -1 : perms->max_response_count);
        mon_number(text, "ttl", perms->max_response_ms * 1000000);
        mon_close(text, '}');
    }
    mon_close(text, '}');
}

void mon_user_info(const struct nats_conn *conn, struct mon_text *text)
{
    mon_open(text, "data", '{');
    mon_string(text, "user", mon_conn_user(conn));
    mon_string(text, "account", NATS_MONITOR_ACCOUNT);
    if (conn->perms != NULL) {
        write_permissions(conn->perms, text);
    }
    mon_close(text, '}');
}
