/* SPDX-License-Identifier: Apache-2.0
 *
 * A member's client against a node that may lie. Alice makes the log here, with the protocol
 * library; bob is the client under test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <ubr/epoch.h>
#include <unibus-client/message.h>
#include <unibus-client/room.h>

#include "../../client/lib/wire.h"
#include "client_stub.h"

#define ENTRIES_MAX 16

struct person {
    struct unibus_client *client;
    const struct unibus_identity *identity;
};

struct world {
    char *folder;
    struct stub_node *node;
    struct person alice, bob;
    struct ubr_log *log;
    json_t *entries; /* of the whole log, as the node shows them */
    uint8_t secret[UBR_SECRET_LEN];
    char room32[UBR_ROOM32_LEN + 1];
};

static struct person make_person(struct world *world, const char *name)
{
    struct person person;
    char home[160];
    struct unibus_err err = UNIBUS_ERR_INIT;
    struct unibus_identity made;
    char recovery[UBR_RECOVERY_TEXT_LEN + 1], route[96];
    snprintf(home, sizeof(home), "%s/%s", world->folder, name);
    const struct unibus_client_options options = {.home = home,
                                                  .admin_socket = stub_node_socket(world->node)};
    assert_int_equal(unibus_client_open(&options, &person.client, &err), UNIBUS_OK);
    assert_int_equal(
        unibus_identity_create(unibus_client_home(person.client), false, &made, recovery, &err),
        UNIBUS_OK);
    unibus_identity_clear(&made);
    assert_int_equal(unibus_client_reload_identity(person.client, &err), UNIBUS_OK);
    assert_int_equal(unibus_client_identity(person.client, &person.identity, &err), UNIBUS_OK);
    json_t *devices = json_pack("{s:O}", "items", person.identity->records);
    snprintf(route, sizeof(route), "GET /v1/identities/%s/devices", person.identity->id);
    stub_node_answer(world->node, route, 200, devices);
    json_decref(devices);
    return person;
}

static struct wire_record found;

static bool find_record(void *context, const uint8_t account_pk[UBR_KEY_LEN],
                        const uint8_t hash[UBR_HASH_LEN], struct ubr_device_record *record_out)
{
    const struct world *world = context;
    const struct unibus_identity *who[] = {world->alice.identity, world->bob.identity};
    for (size_t i = 0; i < 2; i++) {
        if (memcmp(who[i]->account_pk, account_pk, UBR_KEY_LEN) == 0 &&
            memcmp(who[i]->head, hash, UBR_HASH_LEN) == 0) {
            wire_get_record(json_array_get(who[i]->records, 0), &found);
            *record_out = wire_record_view(&found);
            return true;
        }
    }
    return false;
}

static struct ubr_author author_of(const struct unibus_identity *identity)
{
    struct ubr_author author;
    memcpy(author.account_pk, identity->account_pk, UBR_KEY_LEN);
    memcpy(author.kid, identity->kid, UBR_KID_LEN);
    return author;
}

static void add_entry(struct world *world, const struct ubr_entry *entry)
{
    struct ubr_entry_body body;
    uint8_t sig[UBR_SIG_LEN];
    const struct ubr_record_store store = {find_record, world};
    assert_int_equal(ubr_entry_write(entry, &body), UBR_OK);
    ubr_entry_sign(&world->alice.identity->sign, ubr_entry_body_bytes(&body), sig);
    assert_int_equal(ubr_log_append(world->log, &store, ubr_entry_body_bytes(&body), sig), UBR_OK);
    json_t *json = json_object();
    wire_put(json, "body", ubr_entry_body_bytes(&body));
    wire_put(json, "sig", ubr_bytes_of(sig, sizeof(sig)));
    json_array_append_new(world->entries, json);
}

static struct ubr_entry draft(const struct world *world, enum ubr_entry_type type)
{
    const struct ubr_author author = author_of(world->alice.identity);
    struct ubr_entry entry;
    ubr_log_draft(world->log, type, &author, 1700000000000, &entry);
    return entry;
}

static void add_create(struct world *world, enum ubr_history history)
{
    struct ubr_entry entry = draft(world, UBR_ENTRY_CREATE);
    entry.suite = UBR_SUITE_1;
    entry.policy = (uint8_t)history;
    randombytes_buf(entry.random, sizeof(entry.random));
    entry.handle = ubr_bytes_of_text("alice");
    entry.name = ubr_bytes_of_text("ops");
    memcpy(entry.device_head, world->alice.identity->head, UBR_HASH_LEN);
    add_entry(world, &entry);
    ubr_room32(ubr_log_state(world->log)->room_id, world->room32);
}

static struct ubr_epoch current_epoch(const struct world *world)
{
    const struct ubr_log_state *state = ubr_log_state(world->log);
    struct ubr_epoch epoch = {.number = state->epoch};
    memcpy(epoch.room_id, state->room_id, UBR_ROOM_ID_LEN);
    return epoch;
}

static void add_epoch(struct world *world)
{
    const struct ubr_author author = author_of(world->alice.identity);
    struct ubr_entry entry;
    ubr_log_draft_epoch(world->log, &author, 1700000000000, &entry);
    struct ubr_epoch epoch = current_epoch(world);
    epoch.number = entry.epoch;
    randombytes_buf(world->secret, sizeof(world->secret));
    ubr_epoch_commit(&epoch, world->secret, entry.commit);
    entry.cause = UBR_CAUSE_FIRST;
    add_entry(world, &entry);
}

static void add_bob(struct world *world, enum ubr_role role)
{
    struct ubr_entry entry = draft(world, UBR_ENTRY_ADD);
    entry.role = (uint8_t)role;
    entry.handle = ubr_bytes_of_text("bob");
    memcpy(entry.account_pk, world->bob.identity->account_pk, UBR_KEY_LEN);
    memcpy(entry.device_head, world->bob.identity->head, UBR_HASH_LEN);
    add_entry(world, &entry);
}

static void add_policy(struct world *world, enum ubr_history history, const char *name)
{
    struct ubr_entry entry = draft(world, UBR_ENTRY_POLICY);
    entry.policy = (uint8_t)history;
    entry.name = ubr_bytes_of_text(name);
    add_entry(world, &entry);
}

/* The stub does not look at "from", so it is shown what comes from there on: of a log that the
 * client knows up to entry n − 1, everything from n − 1. */
static void show_log(struct world *world, size_t from, size_t to)
{
    char route[96];
    json_t *items = json_array(), *page = json_object();
    for (size_t i = from; i < to; i++) {
        json_array_append(items, json_array_get(world->entries, i));
    }
    json_object_set_new(page, "items", items);
    json_object_set_new(page, "next_seq", json_null());
    snprintf(route, sizeof(route), "GET /v1/rooms/%s/log", world->room32);
    stub_node_answer(world->node, route, 200, page);
    json_decref(page);
}

static void box_route(const struct world *world, const char *method,
                      const struct unibus_identity *identity, const char *suffix,
                      char route_out[192])
{
    snprintf(route_out, 192, "%s /v1/rooms/%s/epochs/%u/boxes/%s%s", method, world->room32,
             ubr_log_state(world->log)->epoch, identity->kid_hex, suffix);
}

static void show_box(struct world *world, const struct unibus_identity *identity,
                     const uint8_t secret[UBR_SECRET_LEN])
{
    char route[192];
    uint8_t box[UBR_BOX_LEN];
    const struct ubr_epoch epoch = current_epoch(world);
    assert_int_equal(ubr_box_seal(&epoch, identity->kid, identity->box.pk, secret, box), UBR_OK);
    json_t *item = json_object();
    json_object_set_new(item, "uploader", json_string(world->alice.identity->kid_hex));
    wire_put(item, "box", ubr_bytes_of(box, sizeof(box)));
    json_t *body = json_pack("{s:[o]}", "items", item);
    box_route(world, "GET", identity, "", route);
    stub_node_answer(world->node, route, 200, body);
    box_route(world, "DELETE", identity, "", route);
    stub_node_answer(world->node, route, 204, NULL);
    box_route(world, "POST", identity, ":request", route);
    stub_node_answer(world->node, route, 202, NULL);
    json_decref(body);
}

static void invite_text(const struct world *world, uint32_t seq, const uint8_t *head,
                        const uint8_t founder_pk[UBR_KEY_LEN],
                        char text_out[UBR_INVITE_TEXT_MAX + 1])
{
    struct ubr_invite invite;
    ubr_invite_init(&invite);
    memcpy(invite.room_id, ubr_log_state(world->log)->room_id, UBR_ROOM_ID_LEN);
    invite.seq = seq;
    memcpy(invite.head, head, UBR_HASH_LEN);
    ubr_fingerprint(founder_pk, invite.founder);
    assert_int_equal(ubr_invite_format(&invite, text_out), UBR_OK);
}

static void current_invite(const struct world *world, char text_out[UBR_INVITE_TEXT_MAX + 1])
{
    const struct ubr_log_state *state = ubr_log_state(world->log);
    invite_text(world, state->entries - 1, state->head, world->alice.identity->account_pk,
                text_out);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    if (sodium_init() < 0) {
        return 1;
    }
    world->folder = stub_folder_make();
    world->node = stub_node_start(world->folder);
    world->alice = make_person(world, "alice");
    world->bob = make_person(world, "bob");
    world->log = ubr_log_new();
    world->entries = json_array();
    add_create(world, UBR_HISTORY_JOINING);
    add_epoch(world);
    add_bob(world, UBR_ROLE_WRITER);
    show_log(world, 0, 3);
    show_box(world, world->bob.identity, world->secret);
    show_box(world, world->alice.identity, world->secret);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    unibus_client_close(&world->alice.client);
    unibus_client_close(&world->bob.client);
    stub_node_stop(&world->node);
    ubr_log_free(&world->log);
    json_decref(world->entries);
    stub_folder_remove(world->folder);
    free(world);
    return 0;
}

static struct unibus_room *join(struct world *world, struct person *person)
{
    char invite[UBR_INVITE_TEXT_MAX + 1];
    struct unibus_room *room;
    struct unibus_err err = UNIBUS_ERR_INIT;
    current_invite(world, invite);
    assert_int_equal(unibus_room_join(person->client, invite, false, &room, &err), UNIBUS_OK);
    assert_int_equal(unibus_room_fetch_secrets(room, &err), UNIBUS_OK);
    return room;
}

static void joins_by_an_invite_and_acknowledges_the_box(void **state)
{
    struct world *world = *state;
    char route[192];
    struct unibus_room *room = join(world, &world->bob), *again;
    struct unibus_err err = UNIBUS_ERR_INIT;
    assert_int_equal(unibus_room_trust(room), UNIBUS_CONFIRMED);
    assert_int_equal(unibus_room_role(room), UBR_ROLE_WRITER);
    assert_true(unibus_room_has_secret(room, 1));
    box_route(world, "DELETE", world->bob.identity, "", route);
    assert_int_equal(stub_node_count(world->node, route), 1);
    unibus_room_close(&room);
    /* All of it is in the home: opened again without the node. */
    assert_int_equal(unibus_room_open(world->bob.client, world->room32, &again, &err), UNIBUS_OK);
    assert_int_equal(ubr_log_state(unibus_room_log(again))->entries, 3);
    assert_int_equal(unibus_room_trust(again), UNIBUS_CONFIRMED);
    assert_true(unibus_room_has_secret(again, 1));
    unibus_room_close(&again);
}

static void refused_join(struct world *world, const char *invite, bool is_plain, const char *code)
{
    struct unibus_room *room = NULL;
    struct unibus_err err = UNIBUS_ERR_INIT;
    assert_int_equal(unibus_room_join(world->bob.client, invite, is_plain, &room, &err),
                     UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, code);
    json_t *kept = unibus_home_list(unibus_client_home(world->bob.client), "rooms");
    assert_int_equal(json_array_size(kept), 0);
    json_decref(kept);
}

static void an_invite_that_does_not_fit_keeps_nothing(void **state)
{
    struct world *world = *state;
    char invite[UBR_INVITE_TEXT_MAX + 1];
    const struct ubr_log_state *log = ubr_log_state(world->log);
    const uint8_t *alice = world->alice.identity->account_pk;
    uint8_t other[UBR_HASH_LEN] = {1};
    invite_text(world, 2, log->head, world->bob.identity->account_pk, invite);
    refused_join(world, invite, false, "E-INVITE");
    invite_text(world, 1, other, alice, invite);
    refused_join(world, invite, false, "E-FORK");
    invite_text(world, 9, log->head, alice, invite);
    refused_join(world, invite, false, "E-ROLLBACK");
    /* A room with an epoch is never plain, whatever anybody says. */
    current_invite(world, invite);
    refused_join(world, invite, true, "");
}

static void a_shorter_log_is_a_rollback(void **state)
{
    struct world *world = *state;
    struct unibus_room *room = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    show_log(world, 3, 3);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-ROLLBACK");
    unibus_room_close(&room);
}

/* The home's log is lost, its pin is not: the node cannot use that. */
static void the_pin_holds_without_the_log(void **state)
{
    struct world *world = *state;
    struct unibus_room *room = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    char name[64];
    unibus_room_close(&room);
    snprintf(name, sizeof(name), "logs/%s.json", world->room32);
    assert_int_equal(unibus_home_remove(unibus_client_home(world->bob.client), name, &err),
                     UNIBUS_OK);
    show_log(world, 0, 2);
    assert_int_equal(unibus_room_open(world->bob.client, world->room32, &room, &err), UNIBUS_OK);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-ROLLBACK");
    unibus_room_close(&room);
    show_log(world, 0, 3);
    assert_int_equal(unibus_room_open(world->bob.client, world->room32, &room, &err), UNIBUS_OK);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_OK);
    unibus_room_close(&room);
}

static void another_entry_at_a_known_place_is_a_fork(void **state)
{
    struct world *world = *state;
    struct unibus_room *room = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    add_policy(world, UBR_HISTORY_JOINING, "later");
    /* Entry 3 where entry 2 was. */
    show_log(world, 3, 4);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-FORK");
    show_log(world, 2, 4);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_OK);
    assert_int_equal(ubr_log_state(unibus_room_log(room))->entries, 4);
    unibus_room_close(&room);
}

static void the_log_ends_before_an_invalid_entry(void **state)
{
    struct world *world = *state;
    struct unibus_room *room = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    add_policy(world, UBR_HISTORY_JOINING, "three");
    add_policy(world, UBR_HISTORY_JOINING, "four");
    json_t *bad = json_array_get(world->entries, 4);
    json_object_set(bad, "sig", json_object_get(json_array_get(world->entries, 3), "sig"));
    show_log(world, 2, 5);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-SIG");
    assert_int_equal(ubr_log_state(unibus_room_log(room))->entries, 4);
    unibus_room_close(&room);
    /* What was good is kept. */
    assert_int_equal(unibus_room_open(world->bob.client, world->room32, &room, &err), UNIBUS_OK);
    assert_int_equal(ubr_log_state(unibus_room_log(room))->entries, 4);
    unibus_room_close(&room);
}

static void a_box_with_another_secret_is_refused_and_asked_for(void **state)
{
    struct world *world = *state;
    uint8_t other[UBR_SECRET_LEN] = {7};
    char route[192];
    show_box(world, world->bob.identity, other);
    struct unibus_room *room = join(world, &world->bob);
    assert_false(unibus_room_has_secret(room, 1));
    box_route(world, "DELETE", world->bob.identity, "", route);
    assert_int_equal(stub_node_count(world->node, route), 0);
    box_route(world, "POST", world->bob.identity, ":request", route);
    assert_int_equal(stub_node_count(world->node, route), 1);
    unibus_room_close(&room);
}

static enum unibus_status seal(struct unibus_room *room, const char *text, uint8_t **wire_out,
                               size_t *len_out, struct unibus_err *err)
{
    char subject[512];
    assert_int_equal(unibus_subject(room, "chat", false, subject, err), UNIBUS_OK);
    const struct ubr_bytes content = ubr_bytes_of_text(text);
    const struct unibus_outgoing outgoing = {subject, NULL, &content};
    struct unibus_sealed sealed;
    enum unibus_status status = unibus_messages_seal(room, &outgoing, 1, &sealed, err);
    if (status == UNIBUS_OK) {
        *wire_out = sealed.wire;
        *len_out = sealed.len;
    }
    return status;
}

static enum unibus_status open_wire(struct unibus_room *room, const char *channel,
                                    const uint8_t *wire, size_t len, char text_out[64],
                                    struct unibus_err *err)
{
    char subject[512];
    struct unibus_said said;
    assert_int_equal(unibus_subject(room, channel, false, subject, err), UNIBUS_OK);
    const struct unibus_incoming incoming = {subject, NULL, ubr_bytes_of(wire, len)};
    enum unibus_status status = unibus_message_open(room, &incoming, &said, err);
    if (status == UNIBUS_OK) {
        snprintf(text_out, 64, "%s:%.*s", said.msg.handle, (int)said.msg.content.len,
                 (const char *)said.msg.content.ptr);
    }
    unibus_said_clear(&said);
    return status;
}

static void a_message_is_opened_once(void **state)
{
    struct world *world = *state;
    struct unibus_room *alice = join(world, &world->alice), *bob = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    uint8_t *wire;
    size_t len;
    char text[64];
    show_log(world, 2, 3);
    assert_int_equal(seal(alice, "hello", &wire, &len, &err), UNIBUS_OK);
    wire[len - 1] ^= 1;
    assert_int_equal(open_wire(bob, "chat", wire, len, text, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-MSG-OPEN");
    wire[len - 1] ^= 1;
    /* The subject is authenticated. */
    assert_int_equal(open_wire(bob, "other", wire, len, text, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-MSG-OPEN");
    assert_int_equal(open_wire(bob, "chat", wire, len, text, &err), UNIBUS_OK);
    assert_string_equal(text, "alice:hello");
    assert_int_equal(open_wire(bob, "chat", wire, len, text, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-MSG-REPLAY");
    /* Also by a program that has just started. */
    assert_int_equal(unibus_messages_flush(bob, &err), UNIBUS_OK);
    unibus_room_close(&bob);
    assert_int_equal(unibus_room_open(world->bob.client, world->room32, &bob, &err), UNIBUS_OK);
    assert_int_equal(open_wire(bob, "chat", wire, len, text, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-MSG-REPLAY");
    free(wire);
    unibus_room_close(&alice);
    unibus_room_close(&bob);
}

static uint64_t counter_of(const uint8_t *wire, size_t len)
{
    struct ubr_msg_header header;
    assert_int_equal(ubr_msg_parse_header(ubr_bytes_of(wire, len), &header), UBR_OK);
    return header.id.counter;
}

static void a_counter_is_never_used_twice(void **state)
{
    struct world *world = *state;
    struct unibus_room *first = join(world, &world->bob), *second;
    struct unibus_err err = UNIBUS_ERR_INIT;
    assert_int_equal(unibus_room_open(world->bob.client, world->room32, &second, &err), UNIBUS_OK);
    struct unibus_room *rooms[] = {first, second, first, second};
    for (uint64_t i = 0; i < 4; i++) {
        uint8_t *wire;
        size_t len;
        assert_int_equal(seal(rooms[i], "x", &wire, &len, &err), UNIBUS_OK);
        assert_int_equal(counter_of(wire, len), i + 1);
        free(wire);
    }
    unibus_room_close(&first);
    unibus_room_close(&second);
}

static void refused_seal(struct unibus_room *room, enum unibus_status status, const char *code)
{
    struct unibus_err err = UNIBUS_ERR_INIT;
    uint8_t *wire;
    size_t len;
    assert_int_equal(seal(room, "x", &wire, &len, &err), status);
    assert_string_equal(err.code, code);
}

static void nothing_is_sent_in_a_stale_room(void **state)
{
    struct world *world = *state;
    struct unibus_room *room = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    add_policy(world, UBR_HISTORY_NEXT_EPOCH, "ops"); /* history lowered */
    show_log(world, 2, 4);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_OK);
    refused_seal(room, UNIBUS_DENIED, "E-STALE");
    unibus_room_close(&room);
}

static void nothing_is_sent_in_a_room_that_only_the_node_vouches_for(void **state)
{
    struct world *world = *state;
    struct unibus_room *room;
    struct unibus_err err = UNIBUS_ERR_INIT;
    assert_int_equal(unibus_room_open(world->bob.client, world->room32, &room, &err), UNIBUS_OK);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_OK);
    show_log(world, 2, 3);
    assert_int_equal(unibus_room_fetch_secrets(room, &err), UNIBUS_OK);
    refused_seal(room, UNIBUS_UNVERIFIED, "E-HEAD-UNPROVEN");
    /* A message of another account, accepted, vouches for it. */
    show_log(world, 0, 3);
    struct unibus_room *alice = join(world, &world->alice);
    show_log(world, 2, 3);
    uint8_t *wire;
    size_t len;
    char text[64];
    assert_int_equal(seal(alice, "hello", &wire, &len, &err), UNIBUS_OK);
    assert_int_equal(open_wire(room, "chat", wire, len, text, &err), UNIBUS_OK);
    free(wire);
    assert_int_equal(seal(room, "x", &wire, &len, &err), UNIBUS_OK);
    free(wire);
    unibus_room_close(&alice);
    unibus_room_close(&room);
}

/* Alice knows an entry that the node hides from bob: her message says so. */
static void an_unproven_head_stops_sending_until_it_is_proven(void **state)
{
    struct world *world = *state;
    struct unibus_room *bob = join(world, &world->bob), *alice;
    struct unibus_err err = UNIBUS_ERR_INIT;
    uint8_t *wire;
    size_t len;
    char text[64];
    add_policy(world, UBR_HISTORY_JOINING, "newer");
    show_log(world, 0, 4);
    alice = join(world, &world->alice);
    assert_int_equal(seal(alice, "hello", &wire, &len, &err), UNIBUS_OK);
    show_log(world, 2, 3);
    assert_int_equal(open_wire(bob, "chat", wire, len, text, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-HEAD-UNPROVEN");
    refused_seal(bob, UNIBUS_DENIED, "E-HEAD-UNPROVEN");
    free(wire);
    show_log(world, 2, 4);
    assert_int_equal(unibus_room_sync(bob, &err), UNIBUS_OK);
    assert_int_equal(seal(bob, "x", &wire, &len, &err), UNIBUS_OK);
    free(wire);
    unibus_room_close(&alice);
    unibus_room_close(&bob);
}

static void a_reader_does_not_write(void **state)
{
    struct world *world = *state;
    struct unibus_room *room = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    struct ubr_entry entry = draft(world, UBR_ENTRY_ROLE);
    memcpy(entry.account_pk, world->bob.identity->account_pk, UBR_KEY_LEN);
    entry.role = UBR_ROLE_READER;
    add_entry(world, &entry);
    show_log(world, 2, 4);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_OK);
    refused_seal(room, UNIBUS_DENIED, "E-ROLE");
    unibus_room_close(&room);
}

/* What the node shows of alice's devices is not what was seen before. */
static void another_device_chain_of_a_known_account_is_a_fork(void **state)
{
    struct world *world = *state;
    struct unibus_room *room = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    char route[96], name[96];
    json_t *doc;
    /* A home that knows another first record under alice's id cannot be: so the node's is foreign.
     */
    snprintf(name, sizeof(name), "chains/%s.json", world->alice.identity->id);
    assert_int_equal(unibus_home_read(unibus_client_home(world->bob.client), name, &doc, &err),
                     UNIBUS_OK);
    assert_int_equal(json_array_size(json_object_get(doc, "records")), 1);
    json_decref(doc);
    json_t *foreign = json_pack("{s:O}", "items", world->bob.identity->records);
    snprintf(route, sizeof(route), "GET /v1/identities/%s/devices", world->alice.identity->id);
    stub_node_answer(world->node, route, 200, foreign);
    json_decref(foreign);
    struct ubr_entry entry = draft(world, UBR_ENTRY_DEVICE);
    memcpy(entry.account_pk, world->alice.identity->account_pk, UBR_KEY_LEN);
    memset(entry.device_head, 9, UBR_HASH_LEN);
    struct ubr_entry_body body;
    uint8_t sig[UBR_SIG_LEN];
    assert_int_equal(ubr_entry_write(&entry, &body), UBR_OK);
    ubr_entry_sign(&world->alice.identity->sign, ubr_entry_body_bytes(&body), sig);
    json_t *json = json_object();
    wire_put(json, "body", ubr_entry_body_bytes(&body));
    wire_put(json, "sig", ubr_bytes_of(sig, sizeof(sig)));
    json_array_append_new(world->entries, json);
    show_log(world, 2, 4);
    assert_int_equal(unibus_room_sync(room, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-DEVICE-FORK");
    unibus_room_close(&room);
}

static void the_name_of_a_room_finds_it(void **state)
{
    struct world *world = *state;
    struct unibus_room *room = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    char found32[UBR_ROOM32_LEN + 1], start[9];
    snprintf(start, sizeof(start), "%.8s", world->room32);
    assert_int_equal(unibus_room_find(world->bob.client, "ops", found32, &err), UNIBUS_OK);
    assert_string_equal(found32, world->room32);
    assert_int_equal(unibus_room_find(world->bob.client, start, found32, &err), UNIBUS_OK);
    assert_string_equal(found32, world->room32);
    assert_int_equal(unibus_room_find(world->bob.client, "nothing", found32, &err),
                     UNIBUS_NOT_FOUND);
    assert_int_equal(unibus_room_find(world->bob.client, "", found32, &err), UNIBUS_NOT_FOUND);
    unibus_room_close(&room);
}

static void channels_are_checked(void **state)
{
    static const char *const bad[] = {"",    ".",    "a.",    ".a", "a..b",
                                      "a b", "a\tb", "a.>.b", "x*", ">a"};
    struct world *world = *state;
    struct unibus_room *room = join(world, &world->bob);
    struct unibus_err err = UNIBUS_ERR_INIT;
    char subject[512];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(unibus_subject(room, bad[i], true, subject, &err), UNIBUS_USAGE);
    }
    assert_int_equal(unibus_subject(room, "a.*.>", true, subject, &err), UNIBUS_OK);
    assert_int_equal(unibus_subject(room, "a.*", false, subject, &err), UNIBUS_USAGE);
    assert_int_equal(unibus_subject(room, ">", false, subject, &err), UNIBUS_USAGE);
    unibus_room_close(&room);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(joins_by_an_invite_and_acknowledges_the_box),
        CASE(an_invite_that_does_not_fit_keeps_nothing),
        CASE(a_shorter_log_is_a_rollback),
        CASE(the_pin_holds_without_the_log),
        CASE(another_entry_at_a_known_place_is_a_fork),
        CASE(the_log_ends_before_an_invalid_entry),
        CASE(a_box_with_another_secret_is_refused_and_asked_for),
        CASE(a_message_is_opened_once),
        CASE(a_counter_is_never_used_twice),
        CASE(nothing_is_sent_in_a_stale_room),
        CASE(nothing_is_sent_in_a_room_that_only_the_node_vouches_for),
        CASE(an_unproven_head_stops_sending_until_it_is_proven),
        CASE(a_reader_does_not_write),
        CASE(another_device_chain_of_a_known_account_is_a_fork),
        CASE(the_name_of_a_room_finds_it),
        CASE(channels_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
