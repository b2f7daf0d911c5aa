/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_BLOB_H
#define UNIBUS_CLIENT_BLOB_H

#include <stdio.h>

#include <ubr/blob.h>

#include <unibus-client/room.h>

/* Files in a room (UBR1, 10): encrypted here, stored by the node as an object that it cannot read.
 * The reference, with the key in it, travels in a message of the room. */

struct unibus_upload {
    FILE *file;       /* from its start; a pipe is spooled first */
    const char *name; /* suggestion to the receiver; NULL = none. Its last path component is used */
    const char *type; /* media type; NULL = none */
    unibus_progress_fn progress;
    void *progress_arg;
};

/* *reference_out is {"blob","key","size","osize","name"?,"type"?}: secret. */
enum unibus_status unibus_blob_put(struct unibus_room *room, const struct unibus_upload *upload,
                                   json_t **reference_out, struct unibus_err *err);

/* The strict form: no other member, no other spelling. name and type are borrowed from json. */
enum unibus_status unibus_blob_reference(const json_t *json, struct ubr_blob_ref *reference_out,
                                         struct unibus_err *err);

struct unibus_download {
    const struct ubr_blob_ref *reference;
    const char *path; /* replaced when all is verified; NULL = the address, which must not exist */
    unibus_progress_fn progress;
    void *progress_arg;
};

/* Downloads, verifies, decrypts; only then the file appears. *path_out, where it is, is the
 * caller's to free. */
enum unibus_status unibus_blob_get(struct unibus_room *room, const struct unibus_download *download,
                                   char **path_out, struct unibus_err *err);

#endif
