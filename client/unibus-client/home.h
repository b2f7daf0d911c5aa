/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_HOME_H
#define UNIBUS_CLIENT_HOME_H

#include <jansson.h>

#include <unibus-client/error.h>

/* The folder where a client keeps its keys, pins, epoch secrets and counters: JSON documents, 0600
 * in a folder of 0700. A document is replaced whole (written beside, synced, renamed), so a crash
 * leaves the old or the new one.
 *
 *     config.json           server, cluster id
 *     identity.json         device keys and the device records (never the account key)
 *     chains/<id>.json      device records of other accounts
 *     rooms/<room32>.json   pin, secrets, counters, windows
 *     logs/<room32>.json    the entries that were verified
 *
 * Threads: one at a time. Processes: lock around read-modify-write. */

struct unibus_home;

/* Opens the folder, making it when it is absent. A folder of another owner or that others may read
 * is refused with path, owner and mode. path NULL: $UNIBUS_HOME, $XDG_CONFIG_HOME/unibus or
 * ~/.config/unibus. */
enum unibus_status unibus_home_open(const char *path, struct unibus_home **home_out,
                                    struct unibus_err *err);
void unibus_home_close(struct unibus_home **home);
const char *unibus_home_path(const struct unibus_home *home);

/* A new reference to the document, or UNIBUS_NOT_FOUND. name is relative: "rooms/ap7f….json". */
enum unibus_status unibus_home_read(struct unibus_home *home, const char *name, json_t **doc_out,
                                    struct unibus_err *err);
/* On disk when it returns UNIBUS_OK. Borrows doc. */
enum unibus_status unibus_home_write(struct unibus_home *home, const char *name, const json_t *doc,
                                     struct unibus_err *err);
enum unibus_status unibus_home_remove(struct unibus_home *home, const char *name,
                                      struct unibus_err *err);
/* Names in a sub-folder without ".json", as a JSON array of strings, sorted; empty when absent. */
json_t *unibus_home_list(struct unibus_home *home, const char *folder);

/* Excludes other processes of this home; nests. */
enum unibus_status unibus_home_lock(struct unibus_home *home, struct unibus_err *err);
void unibus_home_unlock(struct unibus_home *home);

#endif
