/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <ubp/actions.h>

#include "suggest.h"

static const struct ubp_action_info actions[] = {
#define ACTION_INFO(name, kind, fields, what) {name, kind, fields, what},
    UBP_ACTIONS(ACTION_INFO)
#undef ACTION_INFO
};

const struct ubp_action_info *ubp_actions(size_t *count_out)
{
    *count_out = sizeof(actions) / sizeof(actions[0]);
    return actions;
}

const struct ubp_action_info *ubp_action_find(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            return &actions[i];
        }
    }
    return NULL;
}

static bool have_one_family(const char *a, const char *b)
{
    size_t len = strcspn(a, ".");
    return len == strcspn(b, ".") && memcmp(a, b, len) == 0;
}

bool ubp_action_is_suspect(const char *name, char *hint_out, size_t hint_size)
{
    struct ubp_suggest suggest = {.written = name};
    bool is_ours = strchr(name, '.') == NULL;
    if (ubp_action_find(name) != NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        ubp_suggest_offer(&suggest, actions[i].name);
        is_ours = is_ours || have_one_family(name, actions[i].name);
    }
    ubp_suggest_text(&suggest, hint_out, hint_size);
    return is_ours || suggest.best != NULL;
}

bool ubp_role_is_known(const char *role)
{
    static const char *const roles[] = {"member", "service", "auditor", "admin", "operator"};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(roles[i], role) == 0) {
            return true;
        }
    }
    return false;
}
