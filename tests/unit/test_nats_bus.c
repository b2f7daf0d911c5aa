/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.bus: modules on the data plane. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_nats_rig.h"

#include "bus.h"
#include "shard.h"

static const struct ub_bus_ops *const bus = &nats_bus_ops;

static struct ub_bytes text(const char *t)
{
    return nats_text(t);
}

static struct ub_bus_sub *subscribe(struct rig *rig, const char *subject, const char *queue,
                                    ub_bus_deliver_fn deliver, void *arg)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_bus_sub *sub = NULL;
    struct ub_bus_sub_options options = {sizeof(options), subject, queue, deliver, arg};
    assert_int_equal(bus->subscribe(rig->server, &options, &sub, &err), UB_OK);
    return sub;
}

static bool wait_for(struct rig *rig, atomic_int *number, int wanted)
{
    int64_t deadline = rig_now_ms() + 5000;
    while (atomic_load(number) < wanted && rig_now_ms() < deadline) {
        kit_run_for(rig->host, 5);
    }
    return atomic_load(number) >= wanted;
}

/* ---- echo: answers every message at its reply subject -----------------------------------------
 */

struct echo {
    struct rig *rig;
    atomic_int messages, batches, refusals;
    char principal[UB_ID_MAX];
    bool had_perms;
};

static void on_echo_refused(void *arg, uint64_t tag)
{
    struct echo *echo = arg;
    atomic_fetch_add(&echo->refusals, (int)tag);
}

static void on_echo(void *arg, const struct ub_bus_source *source,
                    const struct ub_bus_message *messages, size_t count)
{
    struct echo *echo = arg;
    struct ub_bus_send sends[512];
    assert_true(count > 0 && count <= 512);
    for (size_t i = 0; i < count; i++) {
        /* The payload is sent back from the buffer that it arrived in. */
        sends[i] = (struct ub_bus_send){.subject = messages[i].reply,
                                        .headers = messages[i].headers,
                                        .payload = messages[i].payload,
                                        .buf = messages[i].buf,
                                        .flags = UB_BUS_REFUSE,
                                        .tag = 1};
    }
    if (source->principal != NULL) {
        snprintf(echo->principal, sizeof(echo->principal), "%s", source->principal->id);
    }
    echo->had_perms = source->perms != NULL;
    assert_int_equal(bus->send(echo->rig->server, sends, count, on_echo_refused, echo), UB_OK);
    atomic_fetch_add(&echo->messages, (int)count);
    atomic_fetch_add(&echo->batches, 1);
}

static void test_echo(void **state)
{
    struct echo echo = {.rig = *state};
    struct rig_client client;
    struct ub_bus_sub *sub = subscribe(*state, "echo.>", NULL, on_echo, &echo);
    rig_login(*state, &client, "root");
    rig_send(&client, "SUB re.* 1\r\nSUB _INBOX.re.* 2\r\nPUB echo.a re.1 5\r\nhello\r\n");
    rig_expect(&client, "MSG re.1 1 5\r\nhello\r\n");
    assert_string_equal(echo.principal, "root");
    assert_true(echo.had_perms);
    rig_send(&client, "HPUB echo.b re.2 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
    rig_expect(&client, "HMSG re.2 1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
    /* Nobody at the reply subject. */
    rig_send(&client, "PUB echo.c nobody.there 0\r\n\r\n");
    assert_true(wait_for(*state, &echo.refusals, 1));
    /* Many at once come in batches, and all come back in order. */
    size_t len = 0;
    char *many = malloc(1 << 20), expected[64];
    for (int i = 0; i < 5000; i++) {
        len += (size_t)sprintf(many + len, "PUB echo.n _INBOX.re.%d 4\r\n%04d\r\n", i, i);
    }
    int before = atomic_load(&echo.batches);
    rig_send_bytes(&client, many, len);
    for (int i = 0; i < 5000; i++) {
        snprintf(expected, sizeof(expected), " 4\r\n%04d\r\n", i);
        rig_expect(&client, expected);
    }
    assert_true(atomic_load(&echo.batches) - before < 2500);
    free(many);
    /* A large one: the payload goes by reference all the way. */
    char *large = malloc(600000);
    size_t head = (size_t)sprintf(large, "PUB echo.big re.big 500000\r\n");
    memset(large + head, 'z', 500000);
    memcpy(large + head + 500000, "\r\n", 3);
    rig_send_bytes(&client, large, head + 500002);
    rig_expect(&client, "MSG re.big 1 500000\r\nzzzz");
    large[head + 500002] = '\0';
    rig_expect(&client, large + head + 4);
    free(large);
    bus->unsubscribe((*(struct rig **)state)->server, &sub);
    assert_null(sub);
    rig_send(&client, "PUB echo.a re.9 0\r\n\r\n");
    rig_expect(&client, "HMSG re.9 1 38 38\r\nNATS/1.0 503\r\nNats-Subject: echo.a\r\n\r\n\r\n");
    rig_close(&client);
}

/* ---- module to module -------------------------------------------------------------------------
 */

struct keep {
    atomic_int count;
    struct ub_buf *buf;
    struct ub_bytes subject, reply, payload;
};

static void on_keep(void *arg, const struct ub_bus_source *source,
                    const struct ub_bus_message *messages, size_t count)
{
    struct keep *keep = arg;
    assert_int_equal(source->conn, 0);
    assert_null(source->principal);
    ub_buf_unref(&keep->buf);
    keep->buf = ub_buf_ref(messages[count - 1].buf);
    keep->subject = messages[count - 1].subject;
    keep->reply = messages[count - 1].reply;
    keep->payload = messages[count - 1].payload;
    atomic_fetch_add(&keep->count, (int)count);
}

struct own_buf {
    struct ub_buf base;
    atomic_int refs;
    char bytes[32];
};

static void own_ref(struct ub_buf *buf)
{
    atomic_fetch_add(&((struct own_buf *)buf)->refs, 1);
}

static void own_unref(struct ub_buf *buf)
{
    atomic_fetch_sub(&((struct own_buf *)buf)->refs, 1);
}

static void test_between_modules(void **state)
{
    struct rig *rig = *state;
    struct keep keep = {0};
    struct own_buf own = {.base = {sizeof(struct ub_buf), NULL, 32, own_ref, own_unref}};
    atomic_store(&own.refs, 1);
    strcpy(own.bytes, "from a buffer");
    own.base.ptr = (const uint8_t *)own.bytes;
    struct ub_bus_sub *sub = subscribe(rig, "mod.*", NULL, on_keep, &keep);
    struct ub_bus_send sends[] = {
        {.subject = text("mod.a"), .reply = text("r"), .payload = text("copied")},
        {.subject = text("mod.a"),
         .reply = text("rr"),
         .payload = {(const uint8_t *)own.bytes, 13},
         .buf = &own.base},
    };
    assert_int_equal(bus->send(rig->server, sends, 2, NULL, NULL), UB_OK);
    assert_true(wait_for(rig, &keep.count, 2));
    bus->unsubscribe(rig->server, &sub);
    /* Kept, and still whole after everything else has gone. */
    assert_int_equal(atomic_load(&own.refs), 1);
    assert_memory_equal(keep.payload.ptr, "from a buffer", 13);
    assert_memory_equal(keep.reply.ptr, "rr", 2);
    const uint8_t *end = keep.buf->ptr + keep.buf->len;
    assert_true(keep.subject.ptr >= keep.buf->ptr && keep.subject.ptr + keep.subject.len <= end);
    assert_true(keep.payload.ptr >= keep.buf->ptr && keep.payload.ptr + keep.payload.len <= end);
    ub_buf_unref(&keep.buf);
    struct ub_bus_send bad = {.subject = text("")};
    assert_int_equal(bus->send(rig->server, &bad, 1, NULL, NULL), UB_EINVAL);
}

/* ---- straight to a target ---------------------------------------------------------------------
 */

static void on_refused(void *arg, uint64_t tag)
{
    atomic_int *sum = arg;
    atomic_fetch_add(sum, (int)tag);
}

static void test_targets(void **state)
{
    struct rig *rig = *state;
    struct rig_client client, other;
    struct ub_bus_target target, gone;
    atomic_int refused = 0;
    rig_login(rig, &other, "root");
    rig_login(rig, &client, "root");
    rig_send(&client, "SUB _INBOX.x.* 5\r\nSUB w q 6\r\n");
    rig_sync(&client, "");
    assert_true(bus->has_interest(rig->server, text("_INBOX.x.77")));
    assert_false(bus->has_interest(rig->server, text("_INBOX.y.77")));
    assert_false(bus->has_interest(rig->server, text("_INBOX.x.*")));
    assert_int_equal(bus->resolve(rig->server, text("_INBOX.x.77"), &target), UB_OK);
    assert_int_equal(bus->resolve(rig->server, text("w"), &gone), UB_OK);
    assert_int_equal(gone.conn, target.conn);
    assert_int_equal(bus->resolve(rig->server, text("nobody"), &gone), UB_ENOTFOUND);
    struct ub_bus_send sends[2] = {
        {.subject = text("any.subject"),
         .reply = text("$JS.ACK.1"),
         .payload = text("one"),
         .to = target,
         .flags = UB_BUS_REFUSE,
         .tag = 1},
        {.subject = text("any.other"),
         .headers = text("NATS/1.0 404\r\n\r\n"),
         .to = target,
         .flags = UB_BUS_REFUSE,
         .tag = 10},
    };
    assert_int_equal(bus->send(rig->server, sends, 2, on_refused, &refused), UB_OK);
    rig_expect(&client, "MSG any.subject 5 $JS.ACK.1 3\r\none\r\n"
                        "HMSG any.other 5 16 16\r\nNATS/1.0 404\r\n\r\n\r\n");
    rig_send(&client, "UNSUB 5\r\nSUB _INBOX.x.* 7\r\n"); /* the slot is used again */
    rig_sync(&client, "");
    assert_int_equal(bus->send(rig->server, sends, 2, on_refused, &refused), UB_OK);
    assert_true(wait_for(rig, &refused, 11));
    rig_sync(&client, "");
    int64_t deadline = rig_now_ms() + 2000;
    while (bus->pending_bytes(rig->server, target.conn) > 0 && rig_now_ms() < deadline) {
        kit_run_for(rig->host, 5);
    }
    assert_int_equal(bus->pending_bytes(rig->server, target.conn), 0);
    assert_int_equal(bus->pending_bytes(rig->server, 123456789), 0);
    rig_close(&client);
    rig_close(&other);
}

static void test_pending(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    struct ub_bus_target target;
    rig_login(rig, &client, "root");
    rig_send(&client, "SUB flood 1\r\n");
    rig_sync(&client, "");
    assert_int_equal(bus->resolve(rig->server, text("flood"), &target), UB_OK);
    char *block = calloc(1, 1 << 20);
    struct ub_bus_send send = {.subject = text("flood"), .payload = {(uint8_t *)block, 1 << 20}};
    for (int i = 0; i < 20; i++) {
        assert_int_equal(bus->send(rig->server, &send, 1, NULL, NULL), UB_OK);
    }
    int64_t deadline = rig_now_ms() + 5000;
    while (bus->pending_bytes(rig->server, target.conn) == 0 && rig_now_ms() < deadline) {
        kit_run_for(rig->host, 5);
    }
    assert_true(bus->pending_bytes(rig->server, target.conn) > 0);
    rig_close(&client);
    while (bus->pending_bytes(rig->server, target.conn) > 0 && rig_now_ms() < deadline) {
        kit_run_for(rig->host, 5);
    }
    assert_int_equal(bus->pending_bytes(rig->server, target.conn), 0);
    free(block);
}

/* ---- what is on its way ------------------------------------------------------------------------
 */

/* Holds the loop of a delivery until it is let go. */
struct hold {
    atomic_bool is_held, is_over;
};

static void on_hold(void *arg, const struct ub_bus_source *source,
                    const struct ub_bus_message *messages, size_t count)
{
    struct hold *hold = arg;
    (void)source;
    (void)messages;
    (void)count;
    atomic_store(&hold->is_held, true);
    while (!atomic_load(&hold->is_over)) {
        usleep(1000);
    }
}

static void *let_go_later(void *arg)
{
    usleep(100000);
    atomic_store(&((struct hold *)arg)->is_over, true);
    return NULL;
}

/* One loop, which is held while the module sends: nothing is queued to a connection yet. */
static void test_on_the_way(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    struct ub_bus_target target;
    struct hold hold = {false, false};
    struct own_buf own = {.base = {sizeof(struct ub_buf), NULL, 32, own_ref, own_unref}};
    atomic_int refused = 0;
    pthread_t thread;
    rig_init(&rig);
    rig.settings.threads = 1;
    rig_start(&rig);
    struct ub_bus_sub *sub = subscribe(&rig, "hold", NULL, on_hold, &hold);
    rig_login(&rig, &client, "root");
    rig_send(&client, "SUB here 1\r\n");
    rig_sync(&client, "");
    assert_int_equal(bus->resolve(rig.server, text("here"), &target), UB_OK);
    rig_send(&client, "PUB hold 0\r\n\r\n");
    while (!atomic_load(&hold.is_held)) {
        usleep(1000);
    }
    atomic_store(&own.refs, 1);
    own.base.ptr = (const uint8_t *)own.bytes;
    struct ub_bus_send sends[2] = {
        {.subject = text("here"), .payload = {own.base.ptr, 32}, .buf = &own.base, .to = target},
        {.subject = text("nobody"), .flags = UB_BUS_REFUSE, .tag = 1}};
    size_t before = bus->pending_bytes(rig.server, target.conn);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(bus->send(rig.server, sends, 2, on_refused, &refused), UB_OK);
    }
    assert_true(bus->pending_bytes(rig.server, target.conn) >= before + 3200);
    assert_int_equal(atomic_load(&refused), 0);
    pthread_create(&thread, NULL, let_go_later, &hold);
    bus->settle(rig.server);
    /* All of it was handled: what was refused is known, what is kept has been given back. */
    assert_int_equal(atomic_load(&refused), 100);
    assert_int_equal(atomic_load(&own.refs), 1);
    pthread_join(thread, NULL);
    rig_expect(&client, "MSG here 1 32\r\n");
    while (bus->pending_bytes(rig.server, target.conn) > 0) {
        usleep(1000);
    }
    bus->unsubscribe(rig.server, &sub);
    rig_close(&client);
    rig_stop(&rig);
}

/* ---- interest ---------------------------------------------------------------------------------
 */

static void on_gone(void *arg, struct ub_bytes subject)
{
    assert_true(subject.len == 11 && memcmp(subject.ptr, "_INBOX.p.42", 11) == 0);
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* Interest ends with the last of those who have it, whichever goes first. */
static void check_interest(struct rig *rig, bool is_first_to_go)
{
    struct rig_client clients[2], *first = &clients[is_first_to_go],
                                  *last = &clients[!is_first_to_go];
    struct ub_bus_interest *interest = NULL, *dropped = NULL;
    atomic_int gone = 0, never = 0;
    struct ub_bytes subject = text("_INBOX.p.42");
    rig_login(rig, &clients[0], "root");
    rig_login(rig, &clients[1], "root");
    rig_send(&clients[0], "SUB _INBOX.p.* 1\r\n");
    rig_send(&clients[1], "SUB _INBOX.p.> q 1\r\n");
    rig_sync(&clients[0], "");
    rig_sync(&clients[1], "");
    assert_int_equal(bus->watch_interest(rig->server, subject, on_gone, &gone, &interest), UB_OK);
    assert_int_equal(bus->watch_interest(rig->server, subject, on_gone, &never, &dropped), UB_OK);
    bus->unwatch_interest(rig->server, &dropped);
    rig_send(last, "SUB other 2\r\nUNSUB 2\r\n");
    rig_sync(last, "");
    rig_send(first, "UNSUB 1\r\n");
    rig_sync(first, "");
    kit_run_for(rig->host, 30);
    assert_int_equal(atomic_load(&gone), 0);
    rig_close(last);
    assert_true(wait_for(rig, &gone, 1));
    kit_run_for(rig->host, 30);
    assert_int_equal(atomic_load(&gone), 1);
    assert_int_equal(atomic_load(&never), 0);
    bus->unwatch_interest(rig->server, &interest);
    rig_close(first);
}

static void test_interest(void **state)
{
    struct rig *rig = *state;
    struct ub_bus_interest *interest = NULL;
    atomic_int gone = 0;
    assert_int_equal(bus->watch_interest(rig->server, text("nobody"), on_gone, &gone, &interest),
                     UB_ENOTFOUND);
    assert_null(interest);
    assert_int_equal(bus->watch_interest(rig->server, text("a.*"), on_gone, &gone, &interest),
                     UB_EINVAL);
    check_interest(rig, true);
    check_interest(rig, false);
}

/* ---- groups and life --------------------------------------------------------------------------
 */

static void on_count(void *arg, const struct ub_bus_source *source,
                     const struct ub_bus_message *messages, size_t count)
{
    (void)source;
    (void)messages;
    atomic_fetch_add((atomic_int *)arg, (int)count);
}

static void test_groups(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    atomic_int first = 0, second = 0;
    struct ub_bus_sub *a = subscribe(rig, "job", "g", on_count, &first);
    struct ub_bus_sub *b = subscribe(rig, "*", "g", on_count, &second);
    rig_login(rig, &client, "root");
    rig_send(&client, "SUB job g 1\r\n");
    for (int i = 0; i < 300; i++) {
        rig_send(&client, "PUB job 1\r\nx\r\n");
    }
    rig_send(&client, "PING\r\n");
    rig_expect(&client, "PONG\r\n");
    int theirs = atomic_load(&first) + atomic_load(&second);
    assert_true(atomic_load(&first) > 40 && atomic_load(&second) > 40);
    assert_true(theirs > 100 && theirs < 290);
    bus->unsubscribe(rig->server, &a);
    bus->unsubscribe(rig->server, &b);
    rig_close(&client);
}

/* Subscribing and leaving while messages fly, from several threads. */
struct churn {
    struct rig *rig;
    atomic_bool is_over;
};

static void *churn_subs(void *arg)
{
    struct churn *churn = arg;
    while (!atomic_load(&churn->is_over)) {
        atomic_int count = 0; /* gone when unsubscribe returned: ASan would tell */
        struct ub_bus_sub *sub = subscribe(churn->rig, "churn.*", NULL, on_count, &count);
        bus->unsubscribe(churn->rig->server, &sub);
    }
    return NULL;
}

static void *churn_sends(void *arg)
{
    struct churn *churn = arg;
    struct ub_bus_send send = {.subject = text("churn.b"), .payload = text("x")};
    while (!atomic_load(&churn->is_over)) {
        bus->send(churn->rig->server, &send, 1, NULL, NULL);
        bus->has_interest(churn->rig->server, text("churn.c"));
    }
    return NULL;
}

static void *churn_watch(void *arg)
{
    struct churn *churn = arg;
    while (!atomic_load(&churn->is_over)) {
        struct ub_bus_interest *interest = NULL;
        atomic_int gone = 0;
        struct ub_bytes subject = text("_INBOX.p.42");
        if (bus->watch_interest(churn->rig->server, subject, on_gone, &gone, &interest) == UB_OK) {
            bus->unwatch_interest(churn->rig->server, &interest);
        }
    }
    return NULL;
}

static void test_churn(void **state)
{
    struct churn churn = {.rig = *state};
    struct rig_client clients[3];
    pthread_t threads[4];
    pthread_create(&threads[0], NULL, churn_subs, &churn);
    pthread_create(&threads[1], NULL, churn_subs, &churn);
    pthread_create(&threads[2], NULL, churn_sends, &churn);
    pthread_create(&threads[3], NULL, churn_watch, &churn);
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 3; i++) {
            rig_login(*state, &clients[i], "root");
            rig_send(&clients[i], "SUB churn.> 1\r\nSUB _INBOX.p.* 2\r\nSUB churn.* g 3\r\n");
            for (int k = 0; k < 20; k++) {
                rig_send(&clients[i], "PUB churn.a 1\r\nx\r\nUNSUB 2\r\nSUB _INBOX.p.> 2\r\n");
            }
        }
        for (int i = 0; i < 3; i++) {
            rig_sync(&clients[i], NULL);
            rig_close(&clients[i]);
        }
    }
    atomic_store(&churn.is_over, true);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void test_stopped(void **state)
{
    (void)state;
    struct rig rig;
    atomic_int count = 0;
    rig_init(&rig);
    rig_start(&rig);
    struct ub_bus_sub *sub = subscribe(&rig, "a", NULL, on_count, &count);
    struct ub_bus_send send = {.subject = text("a")};
    unibus_module_nats.ops->stop(rig.server);
    assert_int_equal(bus->send(rig.server, &send, 1, NULL, NULL), UB_EUNAVAILABLE);
    bus->unsubscribe(rig.server, &sub);
    rig_stop(&rig);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_echo),
        WITH_SERVER(test_between_modules),
        WITH_SERVER(test_targets),
        WITH_SERVER(test_pending),
        WITH_SERVER(test_interest),
        WITH_SERVER(test_groups),
        WITH_SERVER(test_churn),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
