/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <unibus-client/blob.h>

#include "cmd_message.h"
#include "cmd_room.h"
#include "output.h"

#define REFERENCE_MAX 65536
#define CHANNEL       "files"
#define TYPE          "application/vnd.unibus.blob+json"

/* Posts the reference, so that those who may read the room can have the file. */
static enum unibus_status post_reference(const struct cli *cli, struct unibus_room *room,
                                         json_t *reference, struct unibus_err *err)
{
    const char *channel = cli_option(cli, "channel");
    char *text = json_dumps(reference, JSON_COMPACT);
    if (text == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    enum unibus_status status = cli_publish(room, channel != NULL ? channel : CHANNEL, TYPE,
                                            ubr_bytes_of_text(text), NULL, err);
    sodium_memzero(text, strlen(text));
    free(text);
    return status;
}

static enum unibus_status put(const struct cli *cli, struct unibus_room *room, FILE *file,
                              json_t **reference_out, struct unibus_err *err)
{
    struct out_progress progress = {.cli = cli, .title = "upload"};
    const struct unibus_upload upload = {
        .file = file,
        .name = file == stdin ? NULL : cli->args[1],
        .type = cli_option(cli, "type"),
        .progress = out_progress,
        .progress_arg = &progress,
    };
    enum unibus_status status = unibus_blob_put(room, &upload, reference_out, err);
    out_progress_end(&progress);
    return status;
}

enum unibus_status cli_blob_put(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column fields[] = {
        {"blob", "address"}, {"size", "bytes"}, {"name", "name"}, {NULL, NULL}};
    struct unibus_room *room;
    json_t *reference = NULL;
    FILE *file = strcmp(cli->args[1], "-") == 0 ? stdin : fopen(cli->args[1], "rb");
    if (file == NULL) {
        return unibus_fail(err, UNIBUS_NOT_FOUND, "cannot read %s: %s", cli->args[1],
                           strerror(errno));
    }
    enum unibus_status status = cli_room_open_fresh(cli, &room, err);
    if (status == UNIBUS_OK) {
        status = put(cli, room, file, &reference, err);
        if (status == UNIBUS_OK) {
            status = post_reference(cli, room, reference, err);
        }
        unibus_room_close(&room);
    }
    if (file != stdin) {
        fclose(file);
    }
    if (status == UNIBUS_OK) {
        out_fields(cli, json_incref(reference), fields);
    }
    json_decref(reference);
    return status;
}

/* The reference itself, or the line of `sub --json` that carries it. */
static json_t *unwrap(json_t *json)
{
    const char *text = json_string_value(json_object_get(json, "text"));
    if (json_object_get(json, "blob") != NULL || text == NULL) {
        return json;
    }
    json_t *inner = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    json_decref(json);
    return inner;
}

static json_t *read_reference(const struct cli *cli)
{
    if (strcmp(cli->args[1], "-") != 0) {
        return unwrap(json_loads(cli->args[1], JSON_REJECT_DUPLICATES, NULL));
    }
    char *text = malloc(REFERENCE_MAX);
    size_t len = text != NULL ? fread(text, 1, REFERENCE_MAX, stdin) : 0;
    json_t *json =
        len < REFERENCE_MAX
            ? unwrap(json_loadb(text != NULL ? text : "", len, JSON_REJECT_DUPLICATES, NULL))
            : NULL;
    if (text != NULL) {
        sodium_memzero(text, len);
    }
    free(text);
    return json;
}

static enum unibus_status get(const struct cli *cli, struct unibus_room *room,
                              const struct ubr_blob_ref *reference, char **path_out,
                              struct unibus_err *err)
{
    struct out_progress progress = {.cli = cli, .title = "download"};
    const struct unibus_download download = {
        .reference = reference,
        .path = cli_option(cli, "output"),
        .progress = out_progress,
        .progress_arg = &progress,
    };
    enum unibus_status status = unibus_blob_get(room, &download, path_out, err);
    out_progress_end(&progress);
    return status;
}

enum unibus_status cli_blob_get(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column fields[] = {{"path", "file"}, {"size", "bytes"}, {NULL, NULL}};
    struct ubr_blob_ref reference;
    struct unibus_room *room;
    char *path = NULL;
    json_t *json = read_reference(cli);
    enum unibus_status status = unibus_blob_reference(json, &reference, err);
    if (status == UNIBUS_OK) {
        status = cli_room_open(cli, &room, err);
    }
    if (status == UNIBUS_OK) {
        status = get(cli, room, &reference, &path, err);
        unibus_room_close(&room);
    }
    if (status == UNIBUS_OK) {
        out_fields(cli, json_pack("{s:s, s:I}", "path", path, "size", (json_int_t)reference.size),
                   fields);
    }
    sodium_memzero(&reference, sizeof(reference));
    json_decref(json);
    free(path);
    return status;
}
