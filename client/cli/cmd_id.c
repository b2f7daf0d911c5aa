/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <ubr/nkey.h>
#include <ubr/text.h>

#include "output.h"

static const struct out_column card_fields[] = {
    {"id", "id"},
    {"fingerprint", "fingerprint"},
    {"kid", "device"},
    {"handle", "handle"},
    {"role", "role"},
    {"service", "service"},
    {"account_pk", "account key"},
    {"sign_pk", "signing key"},
    {"box_pk", "sealing key"},
    {"nats_pk", "NATS key"},
    {"nkey", "nkey"},
    {"server", "node"},
    {"recovery_key", "recovery key"},
    {NULL, NULL},
};

static void explain_recovery(const struct cli *cli)
{
    out_say(cli, "\nThe recovery key is the account: it adds and revokes devices. It is shown this "
                 "once\nand kept nowhere: write it down now, on paper.");
}

/* The card of the identity that was made, with its recovery key. */
static json_t *card_with_recovery(const struct unibus_identity *identity, char *recovery)
{
    json_t *card = unibus_identity_card(identity);
    json_object_del(card, "records");
    json_object_set_new(card, "recovery_key", json_string(recovery));
    sodium_memzero(recovery, strlen(recovery));
    return card;
}

enum unibus_status cli_id_new(struct cli *cli, struct unibus_err *err)
{
    struct unibus_identity identity;
    char recovery[UBR_RECOVERY_TEXT_LEN + 1];
    bool is_service = cli_option(cli, "service") != NULL;
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_identity_create(unibus_client_home(cli->client), is_service, &identity,
                                        recovery, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    out_fields(cli, card_with_recovery(&identity, recovery), card_fields);
    explain_recovery(cli);
    out_say(cli, "\nNext: give the output of `unibus id show --json` to an admin of the node, who "
                 "runs\n`unibus identity add HANDLE FILE`.");
    unibus_identity_clear(&identity);
    return UNIBUS_OK;
}

static enum unibus_status own_identity(struct cli *cli, const struct unibus_identity **identity_out,
                                       struct unibus_err *err)
{
    enum unibus_status status = cli_open(cli, err);
    return status == UNIBUS_OK ? unibus_client_identity(cli->client, identity_out, err) : status;
}

static void show_seed(const struct cli *cli, const struct unibus_identity *identity)
{
    uint8_t seed[UBR_SEED_LEN];
    char text[UBR_NKEY_SEED_LEN + 1];
    ubr_sign_key_seed(&identity->nats, seed);
    ubr_nkey_seed_encode(seed, text);
    if (out_is_json(cli)) {
        out_json_line(json_pack("{s:s}", "nats_seed", text));
    } else {
        puts(text);
    }
    sodium_memzero(seed, sizeof(seed));
    sodium_memzero(text, sizeof(text));
}

enum unibus_status cli_id_show(struct cli *cli, struct unibus_err *err)
{
    const struct unibus_identity *identity;
    enum unibus_status status = own_identity(cli, &identity, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    if (cli_option(cli, "nats-seed") != NULL) {
        show_seed(cli, identity);
    } else {
        out_fields(cli, unibus_identity_card(identity), card_fields);
    }
    return UNIBUS_OK;
}

enum unibus_status cli_id_fingerprint(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column fields[] = {{"fingerprint", ""}, {NULL, NULL}};
    const struct unibus_identity *identity;
    enum unibus_status status = own_identity(cli, &identity, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    char groups[40];
    unibus_fingerprint_groups(identity->id, groups);
    if (out_is_json(cli)) {
        out_fields(cli, json_pack("{s:s, s:s}", "id", identity->id, "fingerprint", groups), fields);
    } else {
        puts(groups);
    }
    return UNIBUS_OK;
}

/* Only a node without identities may be taken over through its socket. */
static enum unibus_status must_be_empty(struct cli *cli, struct unibus_err *err)
{
    json_t *json;
    enum unibus_status status =
        unibus_client_get(cli->client, "/v1/identities", "limit=1", &json, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    json_t *first = json_array_get(json_object_get(json, "items"), 0);
    if (first != NULL) {
        const char *handle = json_string_value(json_object_get(first, "handle"));
        status = unibus_fail_code(err, UNIBUS_CONFLICT, "exists",
                                  "this node has an identity already: \"%s\"",
                                  handle != NULL ? handle : "?");
        unibus_fix(err, "`unibus id new`, then an admin runs `unibus identity add`; on the node's "
                        "machine `membershipctl identity add` works too");
    }
    json_decref(json);
    return status;
}

/* The identity of the home, made if there is none; recovery_out is "" for one that was there. */
static enum unibus_status need_identity(struct cli *cli,
                                        const struct unibus_identity **identity_out,
                                        char recovery_out[UBR_RECOVERY_TEXT_LEN + 1],
                                        struct unibus_err *err)
{
    recovery_out[0] = '\0';
    if (unibus_client_identity(cli->client, identity_out, err) == UNIBUS_OK) {
        return UNIBUS_OK;
    }
    struct unibus_identity made;
    enum unibus_status status =
        unibus_identity_create(unibus_client_home(cli->client), false, &made, recovery_out, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    unibus_identity_clear(&made);
    status = unibus_client_reload_identity(cli->client, err);
    return status == UNIBUS_OK ? unibus_client_identity(cli->client, identity_out, err) : status;
}

static enum unibus_status enrol(struct cli *cli, const struct unibus_identity *identity,
                                const char *handle, struct unibus_err *err)
{
    json_t *body = json_pack("{s:s, s:s, s:O}", "handle", handle, "role", "operator", "device",
                             json_array_get(identity->records, 0));
    const struct unibus_request request = {
        .method = "POST", .path = "/v1/identities", .body = body};
    struct unibus_reply reply;
    enum unibus_status status =
        unibus_node_call(unibus_client_node(cli->client), &request, &reply, err);
    unibus_reply_clear(&reply);
    json_decref(body);
    if (status == UNIBUS_OK) {
        status = unibus_client_keep_server(
            cli->client, unibus_node_server(unibus_client_node(cli->client)), err);
    }
    return status;
}

static void show_init(struct cli *cli, const struct unibus_identity *identity, const char *handle,
                      char *recovery)
{
    bool is_new = recovery[0] != '\0';
    json_t *card = card_with_recovery(identity, recovery);
    if (!is_new) {
        json_object_del(card, "recovery_key");
    }
    json_object_set_new(card, "handle", json_string(handle));
    json_object_set_new(card, "role", json_string("operator"));
    json_object_set_new(card, "server",
                        json_string(unibus_node_server(unibus_client_node(cli->client))));
    out_fields(cli, card, card_fields);
    if (is_new) {
        explain_recovery(cli);
    }
    out_say(cli,
            "\nNext:\n"
            "  unibus info                          the node\n"
            "  unibus room new NAME                 an encrypted room\n"
            "  unibus identity add HANDLE FILE      somebody else, by `unibus id show --json`");
}

enum unibus_status cli_init(struct cli *cli, struct unibus_err *err)
{
    const struct unibus_identity *identity;
    char recovery[UBR_RECOVERY_TEXT_LEN + 1];
    const char *handle = cli_option(cli, "handle");
    handle = handle != NULL ? handle : "operator";
    if (!ubr_handle_is_valid(ubr_bytes_of_text(handle))) {
        unibus_fail(err, UNIBUS_USAGE, "\"%s\" is not a handle", handle);
        return unibus_fix(err, "1 to 63 characters: a-z, 0-9, and after the first also . _ -");
    }
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = must_be_empty(cli, err);
    }
    if (status == UNIBUS_OK) {
        status = need_identity(cli, &identity, recovery, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    status = enrol(cli, identity, handle, err);
    if (status == UNIBUS_OK) {
        show_init(cli, identity, handle, recovery);
    } else if (recovery[0] != '\0') {
        /* The keys are made: without this they could never be recovered. */
        out_fields(cli, card_with_recovery(identity, recovery), card_fields);
        explain_recovery(cli);
    }
    return status;
}
