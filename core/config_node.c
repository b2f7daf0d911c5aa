/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static const struct ub_field node_fields[] = {
    UB_FIELD_STRING(struct node_settings, name, NULL, 0,
                    "name of this node, default the host's name"),
    UB_FIELD_STRING(struct node_settings, state, "local_files", 0,
                    "folder of everything that this node keeps, from the working directory"),
};

static const struct ub_field posture_fields[] = {
    UB_FIELD_CHOICE(struct posture_settings, require, "enforce", "dev|enforce|cluster", UB_LIVE,
                    "refuse to start in anything weaker"),
};

static const struct ub_field log_fields[] = {
    UB_FIELD_CHOICE(struct log_settings, level, "info", "error|warn|info|debug", UB_LIVE,
                    "the least important events that are shown"),
    UB_FIELD_CHOICE(struct log_settings, format, "text", "text|json", UB_LIVE, "form of a line"),
};

static const struct ub_field decisions_fields[] = {
    UB_FIELD_INT(struct decisions_settings, keep, "4096", 16, 262144, 0,
                 "decisions that stay in memory for `unibus why`, 0.5 to 8 KiB each"),
    UB_FIELD_INT(struct decisions_settings, sample, "16", 0, 1000000, 0,
                 "of what is allowed, one of so many is kept; 0 = none. Every refusal is"),
    UB_FIELD_INT(struct decisions_settings, log_per_minute, "20", 0, 100000, 0,
                 "log lines a minute for the refusals of one identity or address; of all together "
                 "30 times as many"),
};

#define CORE_TABLE(fields_, type)                                                                  \
    {                                                                                              \
        (fields_), sizeof(fields_) / sizeof((fields_)[0]), sizeof((fields_)[0]), sizeof(type)      \
    }

static const struct field_table core_tables[] = {
    CORE_TABLE(node_fields, struct node_settings),
    CORE_TABLE(posture_fields, struct posture_settings),
    CORE_TABLE(log_fields, struct log_settings),
    CORE_TABLE(decisions_fields, struct decisions_settings),
};

bool core_block_at(size_t i, struct core_block *block_out)
{
    static const char *const names[][2] = {{"node", "the node itself"},
                                           {"posture", "what the node must at least be"},
                                           {"log", "what is logged to standard error"},
                                           {"decisions", "why something was allowed or refused"}};
    if (i >= sizeof(names) / sizeof(names[0])) {
        return false;
    }
    *block_out = (struct core_block){names[i][0], names[i][1], core_tables[i]};
    return true;
}

static bool is_node_name(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_') {
            return false;
        }
    }
    return len > 0 && len < 64;
}

/* The host's name up to its first dot; "node" when that is no name for a node. */
static const char *default_node_name(struct arena *arena)
{
    char host[64] = "";
    if (gethostname(host, sizeof(host) - 1) == 0) {
        host[strcspn(host, ".")] = '\0';
    }
    const char *name = is_node_name(host) ? host : "node";
    return arena_copy(arena, name, strlen(name));
}

static bool judge_node_name(struct core_settings *core, const struct config *config,
                            struct report *report)
{
    if (core->node.name == NULL) {
        core->node.name = default_node_name(&core->kept[0].arena);
    }
    if (is_node_name(core->node.name)) {
        return true;
    }
    report_add(report, ERROR_CONFIG_FORM, block_where(&config->node, "name"),
               "node: name = \"%.100s\" is no name: 1 to 63 letters, digits, \"-\" or \"_\"",
               core->node.name);
    return false;
}

bool core_settings_fill(struct core_settings *core, const struct config *config,
                        struct report *report)
{
    const struct config_block *const blocks[] = {&config->node, &config->posture, &config->log,
                                                 &config->decisions};
    void *const into[] = {&core->node, &core->posture, &core->log, &core->decisions};
    const struct fill_context context = {.config_dir = config->dir != NULL ? config->dir : "/",
                                         .state_dir = "/"};
    bool is_sound = true;
    for (size_t i = 0; i < CORE_BLOCKS; i++) {
        is_sound &= settings_fill(&core->kept[i], &core_tables[i], blocks[i], &context, report);
        memcpy(into[i], core->kept[i].data, core_tables[i].settings_size);
    }
    return judge_node_name(core, config, report) && is_sound;
}

void core_settings_fini(struct core_settings *core)
{
    for (size_t i = 0; i < CORE_BLOCKS; i++) {
        settings_fini(&core->kept[i]);
    }
}
