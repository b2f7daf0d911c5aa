/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <unibus-client/bus.h>

#include "client_stub.h"

struct fixture {
    char *folder;
    char home[128];
    struct stub_node *node;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->folder = stub_folder_make();
    snprintf(fixture->home, sizeof(fixture->home), "%s/home", fixture->folder);
    fixture->node = stub_node_start(fixture->folder);
    *state = fixture;
    return sodium_init() < 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    stub_node_stop(&fixture->node);
    stub_folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static struct unibus_client *open_client(const struct fixture *fixture)
{
    const struct unibus_client_options options = {.home = fixture->home,
                                                  .admin_socket = stub_node_socket(fixture->node)};
    struct unibus_client *client;
    struct unibus_identity made;
    struct unibus_err err = UNIBUS_ERR_INIT;
    char recovery[UBR_RECOVERY_TEXT_LEN + 1];
    assert_int_equal(unibus_client_open(&options, &client, &err), UNIBUS_OK);
    if (unibus_identity_create(unibus_client_home(client), false, &made, recovery, &err) ==
        UNIBUS_OK) {
        unibus_identity_clear(&made);
    }
    assert_int_equal(unibus_client_reload_identity(client, &err), UNIBUS_OK);
    return client;
}

/* Connects to a server that sends this nonce (as JSON, with its quotes). True: it got a signature.
 */
static bool gets_signature(const struct fixture *fixture, const char *nonce_json, size_t nonce_len,
                           enum unibus_status *status_out)
{
    char info[1024], url[64];
    int head = snprintf(info, sizeof(info),
                        "{\"server_id\":\"X\",\"version\":\"2.11.0\",\"proto\":1,\"headers\":true,"
                        "\"max_payload\":1048576,\"auth_required\":true,\"nonce\":");
    memcpy(info + head, nonce_json, nonce_len);
    info[(size_t)head + nonce_len] = '}';
    struct stub_nats *nats = stub_nats_start(info, (size_t)head + nonce_len + 1);
    snprintf(url, sizeof(url), "nats://127.0.0.1:%d", stub_nats_port(nats));
    json_t *answer =
        json_pack("{s:s, s:s, s:[s]}", "cluster_id", "c", "nonce_epoch", "n", "nats", url);
    stub_node_answer(fixture->node, "GET /v1/info", 200, answer);
    json_decref(answer);
    struct unibus_client *client = open_client(fixture);
    struct unibus_bus *bus = NULL;
    struct unibus_err err = UNIBUS_ERR_INIT;
    *status_out = unibus_bus_open(client, &bus, &err);
    unibus_bus_close(&bus);
    unibus_client_close(&client);
    bool was_signed = stub_nats_was_signed(nats);
    stub_nats_stop(&nats);
    return was_signed;
}

/* The control: this server can see a signature. */
static void an_honest_nonce_is_signed(void **state)
{
    enum unibus_status status;
    assert_true(gets_signature(*state, "\"MDEyMzQ1Njc4OTA\"", 17, &status));
    assert_int_equal(status, UNIBUS_OK);
}

static void a_forged_nonce_obtains_no_signature(void **state)
{
    static const struct {
        const char *json;
        size_t len;
    } forged[] = {
#define FORGED(text) {"\"" text "\"", sizeof(text) + 1}
        FORGED("\xff"
               "unibus/1/device\0"
               "body"),
        FORGED("\xff"
               "unibus/1/room-entry"),
        FORGED("\\u00ffunibus/1/msg-sig\\u0000x"),
        FORGED("\\u0000unibus/1/device"),
        FORGED("\\\"@method\\\": GET\\n\\\"@path\\\": /v1/rooms"),
        FORGED("0123456789"),                                                        /* too short */
        FORGED("01234567890123456789012345678901234567890123456789012345678901234"), /* too long */
        FORGED("0123456789 abcdef"),
        FORGED("0123456789abcdef+"),
        FORGED("0123456789abcdef="),
        FORGED(""),
#undef FORGED
    };
    for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
        enum unibus_status status;
        bool was_signed = gets_signature(*state, forged[i].json, forged[i].len, &status);
        if (was_signed || status == UNIBUS_OK) {
            print_error("nonce %zu was signed\n", i);
        }
        assert_false(was_signed);
        assert_int_not_equal(status, UNIBUS_OK);
    }
}

static void the_form_of_a_nonce(void **state)
{
    (void)state;
    assert_true(unibus_nonce_is_good("abcdefghijk"));
    assert_true(unibus_nonce_is_good("ABC-_def0123456789"));
    assert_false(unibus_nonce_is_good(NULL));
    assert_false(unibus_nonce_is_good(""));
    assert_false(unibus_nonce_is_good("abcdefghij"));
    assert_false(unibus_nonce_is_good("abcdefghijk\n"));
    char text[66];
    memset(text, 'a', 65);
    text[65] = '\0';
    assert_false(unibus_nonce_is_good(text));
    text[64] = '\0';
    assert_true(unibus_nonce_is_good(text));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_of_a_nonce),
        CASE(an_honest_nonce_is_signed),
        CASE(a_forged_nonce_obtains_no_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
