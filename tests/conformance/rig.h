/* SPDX-License-Identifier: Apache-2.0
 *
 * One module on a host of the test kit: its settings from its own field table, its life cycle, its
 * health. Every failure of a step that should work ends the test. */
#ifndef CONFORMANCE_RIG_H
#define CONFORMANCE_RIG_H

#include <unibus/module.h>

struct rig {
    struct ub_host *host;
    const struct ub_module *module;
    void *self; /* NULL = not created */
    void *settings;
    char *texts[16]; /* the strings in settings */
    size_t text_count;
};

/* A fresh host and state folder; settings have their defaults; the module is not created yet. */
void rig_init(struct rig *rig, const struct ub_module *module);
/* Stops and destroys the module if it runs, then everything else. */
void rig_fini(struct rig *rig);

/* A setting as an operator would write it ("64 MiB", "300"). */
void rig_set(struct rig *rig, const char *name, const char *text);
/* The path of a file below the host's state folder; valid until rig_fini. */
const char *rig_path(struct rig *rig, const char *below);

/* create and start. When that fails, the module is destroyed again. */
enum ub_status rig_start(struct rig *rig, struct ub_err *err);
void rig_stop(struct rig *rig);
/* The ops of an interface that it provides. */
const void *rig_ops(const struct rig *rig, const char *iface);

/* What health says, one fact a line: "number writes 3", "problem E-KV-001 what". Static. */
const char *rig_health(struct rig *rig);
/* What posture says: "fact durability disk". Static. */
const char *rig_posture(struct rig *rig);

#endif
