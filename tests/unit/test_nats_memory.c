/* SPDX-License-Identifier: Apache-2.0
 *
 * Without memory: every allocation of permission sets, inboxes and reply subjects fails once, and
 * those of a subscription on a live connection (linked with --wrap). Nobody gets more rights by
 * it, nothing is lost, and with memory the same works. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_nats_rig.h"

#include "inbox.h"
#include "perms.h"
#include "replies.h"
#include "proto.h"
#include "sublist_node.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *ptr, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *ptr, size_t count, size_t size);

/* Allocations of this thread until one fails; 0: none fails. */
static _Thread_local size_t countdown;
/* The next allocation of this size by any thread fails; 0: none. */
static _Atomic size_t doomed_size;

static bool fails_now(size_t size)
{
    size_t doomed = size;
    if (size > 0 && atomic_compare_exchange_strong(&doomed_size, &doomed, 0)) {
        return true;
    }
    return countdown > 0 && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails_now(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now(count * size) ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *ptr, size_t count, size_t size)
{
    return fails_now(count * size) ? NULL : __real_reallocarray(ptr, count, size);
}

static void test_perms(void **state)
{
    (void)state;
    const struct ub_perm_rule rules[] = {
        {.actions = UB_PUBLISH, .subject = "a.*"},
        {.actions = UB_SUBSCRIBE, .subject = "b.>", .is_deny = true}};
    const struct ub_perms *set = rig_perms(0, rules, 2, NULL);
    const struct nats_perms *perms = NULL;
    size_t nth = 0;
    while (perms == NULL) {
        struct ub_err err = UB_ERR_INIT;
        countdown = ++nth;
        perms = nats_perms_new(&set, 1, &err);
        countdown = 0;
        assert_true(perms != NULL || err.status == UB_ENOMEM);
    }
    assert_true(nth > 7); /* each of them was met */
    assert_int_equal(nats_perms_publish(perms, nats_text("a.b")).right, NATS_PUBLISH_ALLOWED);
    nats_perms_unref(&perms);
    ub_perms_unref(&set);
}

static void test_inbox_table(void **state)
{
    (void)state;
    struct nats_inbox_table *table = NULL;
    for (size_t nth = 1; table == NULL; nth++) {
        countdown = nth;
        table = nats_inbox_table_new(3);
        countdown = 0;
    }
    bool is_held = false, is_taken_over;
    for (size_t nth = 1; !is_held; nth++) {
        countdown = nth;
        is_held = nats_inbox_hold(table, nats_text("tok"), "alice", 1);
        countdown = 0;
        assert_int_equal(nats_inbox_count(table), is_held);
    }
    assert_false(nats_inbox_hold(table, nats_text("tok"), "bob", 1));
    countdown = 1;
    assert_false(nats_inbox_reserve(table, nats_text("other"), "bob", 1, &is_taken_over));
    countdown = 0;
    /* A table that cannot grow goes on, slower. */
    for (int i = 0; i < 600; i++) {
        char token[16];
        snprintf(token, sizeof(token), "t%d", i);
        countdown = i > 250 ? 1 : 0;
        bool is_fine = nats_inbox_hold(table, nats_text(token), "alice", 1);
        countdown = 0;
        assert_true(is_fine || i > 250);
        assert_true(is_fine || nats_inbox_hold(table, nats_text(token), "alice", 1));
        assert_true(nats_inbox_is_owner(table, nats_text(token), "alice", 1));
    }
    nats_inbox_table_free(&table);
}

static void test_replies(void **state)
{
    (void)state;
    struct nats_replies *replies = NULL;
    const uint8_t key[NATS_REPLY_KEY_BYTES] = {1};
    bool is_added = false;
    for (size_t nth = 1; !is_added; nth++) {
        countdown = nth;
        is_added = nats_replies_add(&replies, key, nats_text("r"), 0, 1000, 0);
        countdown = 0;
        assert_int_equal(nats_replies_has(replies, key, nats_text("r"), 0), is_added);
    }
    /* Without memory to grow the oldest make room. */
    for (int i = 0; i < 200; i++) {
        char text[16];
        snprintf(text, sizeof(text), "r%d", i);
        countdown = 1;
        assert_true(nats_replies_add(&replies, key, nats_text(text), 0, 1000, 0));
        countdown = 0;
        assert_true(nats_replies_has(replies, key, nats_text(text), 0));
    }
    assert_false(nats_replies_has(replies, key, nats_text("r"), 0));
    nats_replies_free(&replies);
}

/* A client whose subscription finds no memory is cut, not left without knowing. */
static void subscribe_without(struct rig *rig, size_t size, const char *subscribe, bool is_cut)
{
    struct rig_client client;
    rig_login(rig, &client, "root");
    atomic_store(&doomed_size, size);
    rig_send(&client, subscribe);
    if (is_cut) {
        rig_expect_closed(&client);
    } else {
        rig_sync(&client, "");
    }
    assert_int_equal(atomic_load(&doomed_size), 0); /* it was this one that failed */
    rig_close(&client);
}

static void test_subscriptions(void **state)
{
    (void)state;
    static const char subject[] = "an.unusual.subject.of.its.own.length.of.which.there.is.one";
    static const char token[] = "atokenofsomelengththatnobodyelsehas_and_so_on_0123456789";
    struct rig rig;
    char line[256];
    rig_init(&rig);
    rig.settings.threads = 1;
    rig_start(&rig);
    /* the places of the loop, before anybody has subscribed */
    subscribe_without(&rig, 64 * sizeof(struct nats_sub *), "SUB a 1\r\n", true);
    /* the subscription itself; as an inbox too, which must be given back */
    snprintf(line, sizeof(line), "SUB %s 1\r\n", subject);
    subscribe_without(&rig, sizeof(struct nats_sub) + strlen(subject) + 1, line, true);
    snprintf(line, sizeof(line), "SUB _INBOX.%s 1\r\n", subject);
    subscribe_without(&rig, sizeof(struct nats_sub) + strlen(subject) + 8, line, true);
    /* its node in the trie */
    snprintf(line, sizeof(line), "SUB %s 1\r\n", token);
    subscribe_without(&rig, sizeof(struct nats_node) + strlen(token), line, true);
    /* the table of the connection: the first fails, then the second, which is only slower */
    subscribe_without(&rig, 4 * sizeof(struct nats_sub *), "SUB a 1\r\n", true);
    subscribe_without(&rig, 8 * sizeof(struct nats_sub *),
                      "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nSUB d 4\r\nSUB e 5\r\nSUB f 6\r\n", false);
    assert_true(rig_log_has(&rig, "out-of-memory"));
    rig_stop(&rig);
}

/* A sender that cannot be told to pause goes on. */
static void test_stall(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    countdown = 1;
    nats_proto_stall_remote(&rig.server->shards[0], 1);
    assert_int_equal(countdown, 0);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_perms),   cmocka_unit_test(test_inbox_table),
        cmocka_unit_test(test_replies), cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
