/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of start-up errors: code, what it means, how to repair it, where to read on. */
#ifndef CORE_ERRORS_H
#define CORE_ERRORS_H

#include <stddef.h>

/* id, code, what, fix */
#define ERRORS(X)                                                                                  \
    X(CONFIG_FILE, "E-CONFIG-001", "the config file cannot be read",                               \
      "give -c the path of a file that this user can read")                                        \
    X(CONFIG_LUA, "E-CONFIG-002", "the config is not valid Lua", "repair the line that is named")  \
    X(CONFIG_LIMIT, "E-CONFIG-003", "the config needs too many steps, too much time or memory",    \
      "a config states values; compute them elsewhere")                                            \
    X(CONFIG_VERSION, "E-CONFIG-004", "the version of the config language is missing or unknown",  \
      "write unibus \"1\"")                                                                        \
    X(CONFIG_NAME, "E-CONFIG-005", "a name that the config language does not have",                \
      "take the suggested name, or declare a value of your own with local")                        \
    X(CONFIG_ENV, "E-CONFIG-006", "a name that the environment or an env file does not set",       \
      "set it, or write env(\"NAME\", \"default\")")                                               \
    X(CONFIG_TWICE, "E-CONFIG-007", "a block or a setting is given twice", "join the two")         \
    X(CONFIG_SHAPE, "E-CONFIG-008", "a block or value has a form that a config cannot hold",       \
      "write name { key = value, … }")                                                             \
    X(CONFIG_UNKNOWN, "E-CONFIG-009", "a setting that the module does not have",                   \
      "take the suggested name; membershipd explain MODULE lists them")                            \
    X(CONFIG_TYPE, "E-CONFIG-010", "a value of the wrong kind", "write the kind that is named")    \
    X(CONFIG_RANGE, "E-CONFIG-011", "a value out of range", "take a value in the named range")     \
    X(CONFIG_CHOICE, "E-CONFIG-012", "a value that is not among the choices",                      \
      "take one of the choices")                                                                   \
    X(CONFIG_REQUIRED, "E-CONFIG-013", "a required setting is missing", "add it")                  \
    X(CONFIG_FORM, "E-CONFIG-014", "a text that does not have the form of its kind",               \
      "write it as in the example")                                                                \
    X(CONFIG_STATE_PATH, "E-CONFIG-015", "a state path that leaves node.state",                    \
      "name a file or folder below node.state")                                                    \
    X(CONFIG_SECRET, "E-CONFIG-016", "a secret that cannot be used",                               \
      "let only its owner read the file: chmod 600")                                               \
    X(CONFIG_SET, "E-CONFIG-017", "--set names nothing that the config has",                       \
      "write --set module.key=value for a module of the config")                                   \
    X(CONFIG_SERVICE, "E-CONFIG-018", "a setting names a module that cannot serve it",             \
      "name a module of the config that provides the interface")                                   \
    X(CONFIG_STATE, "E-CONFIG-019", "the state folder cannot be used",                             \
      "give the node a folder of its own with mode 0700")                                          \
    X(CONFIG_IN_USE, "E-CONFIG-020", "another daemon uses the state folder",                       \
      "stop it, or set another node.state")                                                        \
    X(CONFIG_WRITABLE, "E-CONFIG-021", "others can write a file or folder of the config",          \
      "chmod o-w")                                                                                 \
    X(CONFIG_EMPTY, "E-CONFIG-022", "the config names no module", "add a module")                  \
    X(CONFIG_TEXT, "E-CONFIG-023", "a file of the config is not text",                             \
      "save it as plain text in UTF-8")                                                            \
    X(CONFIG_INCLUDE, "E-CONFIG-024", "a file or folder that the config names cannot be read",     \
      "correct its path: a relative one starts at the file that names it")                         \
    X(CONFIG_AGAIN, "E-CONFIG-025", "a file is included twice, in a circle or too deep",           \
      "include each file once")                                                                    \
    X(CONFIG_ENVFILE, "E-CONFIG-026", "a line of an env file that is no NAME=value",               \
      "repair the line that is named")                                                             \
    X(FRONT_SYNTAX, "E-FRONT-001", "a nats.conf that breaks the rules of its grammar",             \
      "repair the place that is named")                                                            \
    X(FRONT_UNSUPPORTED, "E-FRONT-002", "a nats.conf asks for what unibus does not have",          \
      "take the setting out, or do as its message says")                                           \
    X(FRONT_ACCESS, "E-FRONT-003", "a nats.conf contradicts itself in who may log in",             \
      "name each user once, in one place")                                                         \
    X(MODULE_PATH, "E-MODULE-001", "a module's path is not absolute",                              \
      "write an absolute path, or leave it out")                                                   \
    X(MODULE_FILE, "E-MODULE-002", "a module's file is not there",                                 \
      "install it or correct its name")                                                            \
    X(MODULE_OWNER, "E-MODULE-003", "a module's file belongs to somebody else", "chown root")      \
    X(MODULE_WRITABLE, "E-MODULE-004", "others can write a module's file or folder", "chmod go-w") \
    X(MODULE_SHA256, "E-MODULE-005", "a module's file is not the one that the config pins",        \
      "install the pinned file, or pin the new one")                                               \
    X(MODULE_LOAD, "E-MODULE-006", "the system cannot load a module",                              \
      "rebuild it for this system")                                                                \
    X(MODULE_SYMBOL, "E-MODULE-007", "a file that is not a unibus module",                         \
      "export UB_MODULE, see include/unibus/module.h")                                             \
    X(MODULE_SIZE, "E-MODULE-008", "a module's descriptor is too short",                           \
      "rebuild it against include/unibus")                                                         \
    X(MODULE_ABI, "E-MODULE-009", "a module was built for another ABI",                            \
      "rebuild the module, or update membershipd")                                                 \
    X(MODULE_NAME, "E-MODULE-010", "a module has another name than the config says",               \
      "use the module's own name")                                                                 \
    X(MODULE_TABLE, "E-MODULE-011", "a module's descriptor contradicts itself",                    \
      "tell the author of the module")                                                             \
    X(MODULE_NEEDS, "E-MODULE-012", "nobody provides an interface that a module needs",            \
      "add a module that provides it")                                                             \
    X(MODULE_AMBIGUOUS, "E-MODULE-013", "several modules provide an interface, one is needed",     \
      "name the one to use")                                                                       \
    X(MODULE_VERSION, "E-MODULE-014", "a provider has another version of an interface",            \
      "use versions that fit")                                                                     \
    X(MODULE_CYCLE, "E-MODULE-015", "modules need each other in a circle",                         \
      "break the circle by naming another provider")                                               \
    X(MODULE_CREATE, "E-MODULE-016", "a module refuses its settings", "see its message")           \
    X(MODULE_BIND, "E-MODULE-017", "a module refuses a service", "see its message")                \
    X(MODULE_START, "E-MODULE-018", "a module cannot start", "see its message")                    \
    X(RELOAD_RESTART, "E-RELOAD-001", "a changed setting that cannot change while the node runs",  \
      "restart the node, or take the change back")                                                 \
    X(RELOAD_MODULES, "E-RELOAD-002", "modules were added, removed or bound to others",            \
      "restart the node, or take the change back")                                                 \
    X(RELOAD_PREPARE, "E-RELOAD-003", "a module refuses its new settings", "see its message")      \
    X(RELOAD_BUSY, "E-RELOAD-004", "another reload is under way", "wait until it has ended")       \
    X(RELOAD_STOPPING, "E-RELOAD-005", "the node is starting or stopping",                         \
      "reload a node that runs")                                                                   \
    X(POSTURE_AUTH, "E-POSTURE-001", "authentication is weaker than required",                     \
      "set auth = \"enforce\"")                                                                    \
    X(POSTURE_ACL, "E-POSTURE-002", "the access list is weaker than required",                     \
      "let this node check subjects itself")                                                       \
    X(POSTURE_TLS, "E-POSTURE-003", "a listener off loopback has no TLS",                          \
      "set tls, or listen on 127.0.0.1")                                                           \
    X(POSTURE_LOOPBACK, "E-POSTURE-004", "a listener off loopback in an open posture",             \
      "listen on 127.0.0.1, or meet posture \"enforce\"")                                          \
    X(POSTURE_CLUSTER, "E-POSTURE-005",                                                            \
      "a fact that posture \"cluster\" needs is missing or weak",                                  \
      "configure the cluster's modules")                                                           \
    X(POSTURE_UNSTATED, "E-POSTURE-006", "no module states a fact that the posture needs",         \
      "add the module that states it, or require posture \"dev\"")

enum error_id {
#define ERRORS_ID(id, code, what, fix) ERROR_##id,
    ERRORS(ERRORS_ID)
#undef ERRORS_ID
        ERROR_COUNT
};

struct error_entry {
    const char *code, *what, *fix;
};

/* Never NULL. */
const struct error_entry *error_entry(enum error_id id);

/* Where to read on: "docs/errors.md#e-config-009". */
void error_doc(enum error_id id, char *out, size_t out_size);

#endif
