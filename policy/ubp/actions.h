/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy is asked about: the closed list of control-plane actions with the fields of their
 * targets, and the roles. One table for the script's checks, the guide and the CLI.
 *
 *     X(action, kind of the resource, fields of the context beside kind and id, what it is)
 *
 * Publish and subscribe are no actions: the data plane asks the permission set of a connection. */
#ifndef UBP_ACTIONS_H
#define UBP_ACTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define UBP_ACTIONS(X)                                                                             \
    X("identity.create", "identity", "role", "put an identity on the allowlist")                   \
    X("identity.update", "identity", "role", "change role, handle or state of an identity")        \
    X("identity.remove", "identity", "role", "take an identity off the allowlist")                 \
    X("identity.list", "identity", "", "list identities")                                          \
    X("identity.read", "identity", "", "read one identity")                                        \
    X("device.read", "identity", "", "read the devices of an identity")                            \
    X("device.append", "identity", "", "add or remove a device")                                   \
    X("room.create", "", "mode", "found a room; mode is \"sealed\" or \"plain\"")                  \
    X("room.list", "", "", "list rooms")                                                           \
    X("room.read", "room", "", "read a room's log")                                                \
    X("room.append", "room", "", "append to a room's log: members, roles, epochs")                 \
    X("box.read", "room", "", "fetch one's sealed room keys")                                      \
    X("box.put", "room", "", "leave sealed room keys for members")                                 \
    X("box.stage", "room", "", "prepare sealed room keys")                                         \
    X("blob.put", "room", "", "upload a blob for a room")                                          \
    X("blob.drop", "room", "", "give up a room's reference to a blob")                             \
    X("blob.get", "blob", "", "download a blob")

struct ubp_action_info {
    const char *name, *kind;
    const char *fields; /* names separated by a space, "" = none */
    const char *what;
};

/* The list in the order above; *count_out entries, static. */
const struct ubp_action_info *ubp_actions(size_t *count_out);
/* NULL when there is no such action. */
const struct ubp_action_info *ubp_action_find(const char *name);
/* Is it no action, and looks like a misspelt one: its first word, or most of it, is ours? Modules
 * of third parties may ask about actions of their own. hint_out gets ` (did you mean "x"?)` or "".
 */
bool ubp_action_is_suspect(const char *name, char *hint_out, size_t hint_size);

/* member, service, auditor, admin, operator. */
bool ubp_role_is_known(const char *role);

#endif
