/* SPDX-License-Identifier: Apache-2.0
 *
 * Module users: what its config may say, who comes in by what, and what a reload changes. */
#include "test_core_node.h"

#include <pthread.h>
#include <time.h>

#include <sodium.h>

#include "subject.h"
#include "users.h"

extern const struct ub_module unibus_module_users;

static const struct ub_module *const statics[] = {&unibus_module_users};

#define USERS(text)  LUA("module \"users\" { users = {\n" text "\n} }\n")
#define ALICE_BCRYPT "$2b$10$abcdefghijklmnopqrstuueY4vuFLrIUQHS8u1Vhh/HvPjzVqIPpK"
#define BOB_BCRYPT   "$2b$10$abcdefghijklmnopqrstuuqyjk25H/oBfZmyPl1EOnlo5/L./nPoK"
#define NKEY         "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
#define FAILS(lua, line)                                                                           \
    plan_fails(lua, statics, 1, "unibus.lua:" line "\n1 error, nothing was started.\n")

static int users_setup(void **state)
{
    if (folder_setup(state) != 0) {
        return 1;
    }
    file_write("a.pw", "alice-pw\n", 0600);
    file_write("b.pw", "other-pw\n", 0600);
    file_write("t.tok", "t0ken\n", 0600);
    FILE *file = fopen("nul", "w"); /* file_write knows texts only */
    if (file == NULL || fwrite("a\0b\n", 1, 4, file) != 4 || fclose(file) != 0) {
        return 1;
    }
    return chmod("nul", 0600);
}

#define USERS_TEST(f) cmocka_unit_test_setup_teardown(f, users_setup, folder_teardown)

/* ---- what the config may say ------------------------------------------------------------------
 */

static void faulty_users_are_named(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{ user = \"a\" }", "has none of password, bcrypt, nkey, token and cert_subject: exactly "
                             "one says how the user logs in"},
        {"{ user = \"a\", password = secret \"a.pw\", bcrypt = \"" ALICE_BCRYPT "\" }",
         "has several of password, bcrypt, nkey, token and cert_subject: exactly one says how the "
         "user logs in"},
        {"{ password = secret \"a.pw\" }", "user is missing: a password belongs to a user"},
        {"{ user = \"a\", token = secret \"t.tok\" }",
         "user is for those with a password: write name = \"…\""},
        {"{ user = \"a\", name = \"b\", password = secret \"a.pw\" }",
         "has a user and a name: user is the name"},
        {"{ token = secret \"t.tok\" }", "name is missing: logs and reloads know this user by it"},
        {"{ cert_subject = \"CN=a\" }", "name is missing: logs and reloads know this user by it"},
        {"{ user = \"\", password = secret \"a.pw\" }", "the name \"\" has not 1 to 58 bytes"},
        {"{ user = \"a\\nb\", password = secret \"a.pw\" }",
         "the name \"a\\nb\" has a control character in it"},
        {"{ user = \"a\", password = secret \"nul\" }",
         "the file of the password has a NUL byte in it"},
        {"{ user = \"a\", bcrypt = \"$2b$10$short\" }",
         "bcrypt is no bcrypt hash of 60 characters: unibus passwd makes one"},
        {"{ user = \"a\", bcrypt = "
         "\"$2b$09$abcdefghijklmnopqrstuueY4vuFLrIUQHS8u1Vhh/HvPjzVqIPpK\" }",
         "bcrypt has cost 9, which is too cheap to guess: 10 to 14; unibus passwd makes one of 11"},
        {"{ user = \"a\", bcrypt = "
         "\"$2b$15$abcdefghijklmnopqrstuueY4vuFLrIUQHS8u1Vhh/HvPjzVqIPpK\" }",
         "bcrypt has cost 15, which is too slow for a login: 10 to 14; unibus passwd makes one of "
         "11"},
        {"{ nkey = \"UABC\" }",
         "nkey \"UABC\" is no public key of a user: \"U\" and 55 more of A-Z "
         "and 2-7; was a seed (\"SU…\") written here, make a new one"},
        {"{ nkey = \"SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY\" }",
         "nkey \"S…\" is no public key of a user: \"U\" and 55 more of A-Z and 2-7; was a seed "
         "(\"SU…\") written here, make a new one"},
        {"{ user = \"a\", password = secret \"a.pw\", permissions = { publish = { allow = \"a..b\" "
         "} "
         "} }",
         "permissions.publish.allow: \"a..b\" has an empty token (two dots, or one at an end)"},
        {"{ user = \"a\", password = secret \"a.pw\", permissions = { publish = { deny = \"a q\" } "
         "} }",
         "permissions.publish.deny: \"a q\" has a blank in it: only subscriptions have queue "
         "groups"},
        {"{ user = \"a\", password = secret \"a.pw\", permissions = { subscribe = \"a q r\" } }",
         "permissions.subscribe.allow: \"a q r\" has more than two words: a subject, and for "
         "subscriptions a queue group"},
        {"{ user = \"a\", password = secret \"a.pw\", permissions = { subscribe = \"ub.r.x.>\" } }",
         "permissions.subscribe.allow: \"ub.r.x.>\" belongs to a room: who may use it is in the "
         "room's signed log. Add the user's key to the room as a member, or, on a node to develop "
         "on, set room_subjects = \"allow\""},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char lua[512], expected[640];
        snprintf(lua, sizeof(lua), USERS("%s"), pairs[i][0]);
        snprintf(expected, sizeof(expected),
                 "unibus.lua:3: module \"users\": users[1]: %s\n1 error, nothing was started.\n",
                 pairs[i][1]);
        plan_fails(lua, statics, 1, expected);
    }
}

static void every_faulty_user_is_told(void **state)
{
    (void)state;
    plan_fails(
        USERS("{ user = \"a\" },\n{ user = \"b\", bcrypt = \"x\" },\n"
              "{ name = \"c\", cert_subject = \"CN=c\" },\n{ nkey = \"x\" }"),
        statics, 1,
        "unibus.lua:3: module \"users\": users[1]: has none of password, bcrypt, nkey, token "
        "and cert_subject: exactly one says how the user logs in\n"
        "unibus.lua:4: module \"users\": users[2]: bcrypt is no bcrypt hash of 60 "
        "characters: unibus passwd makes one\n"
        "unibus.lua:6: module \"users\": users[4]: nkey \"x\" is no public key of a user: \"U\" "
        "and "
        "55 more of A-Z and 2-7; was a seed (\"SU…\") written here, make a new one\n"
        "3 errors, nothing was started.\n");
}

/* The codes stand in the report beside the words. */
static void faults_have_codes(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{ user = \"a\" }", "E-USERS-RECORD"},
        {"{ token = secret \"t.tok\" }", "E-USERS-NAME"},
        {"{ user = \"a\", password = secret \"nul\" }", "E-USERS-SECRET"},
        {"{ user = \"a\", bcrypt = \"x\" }", "E-USERS-BCRYPT"},
        {"{ nkey = \"x\" }", "E-USERS-NKEY"},
        {"{ user = \"a\", bcrypt = \"" ALICE_BCRYPT "\", permissions = { publish = \".\" } }",
         "E-USERS-SUBJECT"},
        {"{ user = \"a\", bcrypt = \"" ALICE_BCRYPT "\", permissions = { publish = \"UB_R_X\" } }",
         "E-USERS-ROOM"},
        {"{ name = \"a\", cert_subject = \"x\" }, { name = \"a\", cert_subject = \"y\" }",
         "E-USERS-TWICE"},
        {"}, no_auth_user = \"x\", default_permissions = { publish = \"a\"", "E-USERS-ANONYMOUS"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct test_node node;
        char lua[512];
        snprintf(lua, sizeof(lua), USERS("%s"), pairs[i][0]);
        node_open(&node, lua, statics, 1);
        assert_false(boot_plan(&node.boot));
        assert_int_equal(node.boot.report.count, 1);
        assert_string_equal(node.boot.report.items[0].code, pairs[i][1]);
        node_close(&node);
    }
}

static void users_are_named_once(void **state)
{
    (void)state;
    FAILS(USERS("{ user = \"a\", password = secret \"a.pw\" },\n{ token = secret \"t.tok\", name = "
                "\"a\" }"),
          "4: module \"users\": users[2]: has the same name as users[1] on line 3");
    FAILS(USERS("{ name = \"x\", token = secret \"t.tok\" },\n{ token = secret \"t.tok\", name = "
                "\"a\" }"),
          "4: module \"users\": users[2]: has the same credential as users[1] on line 3");
    FAILS(LUA("module \"users\" {\n no_auth_user = \"guest\" }\n"),
          "3: module \"users\": no_auth_user = \"guest\" is none of the users");
    FAILS(
        LUA("module \"users\" {\n default_permissions = { publish = \"$KV.UB_R_X.>\" },\nusers = { "
            "{ user = \"a\", password = secret \"a.pw\" } } }\n"),
        "4: module \"users\": users[1]: default_permissions.publish.allow: \"$KV.UB_R_X.>\" "
        "belongs to a room: who may use it is in the room's signed log. Add the user's key to "
        "the room as a member, or, on a node to develop on, set room_subjects = \"allow\"");
}

/* A password written as a text is refused, and the refusal does not repeat it. */
static void passwords_are_never_shown(void **state)
{
    (void)state;
    FAILS(USERS("{ user = \"a\", password = \"hunter2\" }"),
          "3: module \"users\": users[1]: password = …: secret \"file\" is needed");
    FAILS(USERS("{ user = \"a\", bcrypt = { \"" ALICE_BCRYPT "\" } }"),
          "3: module \"users\": users[1]: bcrypt = …: a text is needed");
}

static void weak_choices_need_posture_dev(void **state)
{
    (void)state;
    static const char *const texts[] = {"no_auth_user = \"a\"", "room_subjects = \"allow\""};
    static const char *const facts[] = {"auth = \"observe\"", "acl = \"off\""};
    for (size_t i = 0; i < 2; i++) {
        for (int is_dev = 0; is_dev < 2; is_dev++) {
            char lua[512], expected[256];
            struct test_node node;
            snprintf(lua, sizeof(lua),
                     LUA("posture { require = \"%s\" }\nmodule \"users\" { users = {\n{ user = "
                         "\"a\", password = secret \"a.pw\", permissions = { publish = "
                         "\"%s.x\" } } },\n%s }\n"),
                     is_dev ? "dev" : "enforce", i == 1 ? "ub.r" : "q", texts[i]);
            node_open(&node, lua, statics, 1);
            assert_int_equal(boot_plan(&node.boot), is_dev);
            snprintf(expected, sizeof(expected),
                     "unibus.lua:2: posture \"enforce\" is required, but module \"users\" (line 5) "
                     "has %s\n1 error, nothing was started.\n",
                     facts[i]);
            const char *report = node_report(&node, "nothing was started");
            assert_true(is_dev || strcmp(report, expected) == 0);
            node_close(&node);
        }
    }
}

/* ---- who comes in -----------------------------------------------------------------------------
 */

struct place {
    struct test_node node;
    struct users *users;
};

static void place_open(struct place *place, const char *lua)
{
    node_open(&place->node, lua, statics, 1);
    if (!boot_plan(&place->node.boot)) {
        fail_msg("%s", node_report(&place->node, "plan"));
    }
    place->users = place->node.boot.plan.instances[0].self;
}

static struct ub_cred cred_of(const char *user, const char *password)
{
    return (struct ub_cred){.size = sizeof(struct ub_cred),
                            .transport = "nats",
                            .address = "10.0.0.1",
                            .user = user,
                            .password = password};
}

/* The id of who it is; "deny" or "abstain". */
static const char *login(struct place *place, const struct ub_cred *cred)
{
    static struct ub_principal principal;
    const struct ub_perms *perms = NULL;
    struct ub_reason reason = {.size = sizeof(reason)};
    enum ub_verdict verdict =
        users_authz_ops.connect(place->users, cred, &principal, &perms, &reason);
    assert_int_equal(verdict == UB_ALLOW, perms != NULL);
    assert_int_equal(verdict == UB_DENY, reason.text[0] != '\0');
    ub_perms_unref(&perms);
    return verdict == UB_ALLOW ? principal.id : verdict == UB_DENY ? "deny" : "abstain";
}

static const char *login_as(struct place *place, const char *user, const char *password)
{
    const struct ub_cred cred = cred_of(user, password);
    return login(place, &cred);
}

static void passwords_let_in(void **state)
{
    (void)state;
    struct place place;
    place_open(&place, USERS("{ user = \"ann\", password = secret \"a.pw\" },"
                             "{ user = \"bob\", bcrypt = \"" BOB_BCRYPT "\" },"
                             "{ name = \"ci\", token = secret \"t.tok\" }"));
    assert_string_equal(login_as(&place, "ann", "alice-pw"), "user:ann");
    assert_string_equal(login_as(&place, "bob", "bob-pw"), "user:bob");
    assert_string_equal(login_as(&place, "ann", "alice-pw "), "deny");
    assert_string_equal(login_as(&place, "ann", ""), "deny");
    assert_string_equal(login_as(&place, "ann", NULL), "deny");
    assert_string_equal(login_as(&place, "bob", BOB_BCRYPT), "deny");
    assert_string_equal(login_as(&place, "ann", "t0ken"), "deny");
    assert_string_equal(login_as(&place, "ci", "t0ken"), "abstain"); /* has no password */
    assert_string_equal(login_as(&place, "eve", "alice-pw"), "abstain");
    struct ub_cred token = cred_of(NULL, NULL);
    token.token = "t0ken";
    assert_string_equal(login(&place, &token), "user:ci");
    token.token = "alice-pw";
    assert_string_equal(login(&place, &token), "abstain");
    struct ub_cred none = cred_of(NULL, NULL);
    none.is_loopback = true;
    assert_string_equal(login(&place, &none), "abstain");
    node_close(&place.node);
}

static void somebody_known_is_left_alone(void **state)
{
    (void)state;
    struct place place;
    const struct ub_principal other = {.size = sizeof(other), .id = "other"};
    place_open(&place, USERS("{ user = \"ann\", password = secret \"a.pw\" }"));
    struct ub_cred cred = cred_of("ann", "alice-pw");
    cred.principal = &other;
    assert_string_equal(login(&place, &cred), "abstain");
    cred.size = offsetof(struct ub_cred, principal); /* a holder of ub.authz 1.0 */
    assert_string_equal(login(&place, &cred), "user:ann");
    cred = cred_of("ann", "alice-pw");
    cred.nkey = NKEY; /* an nkey comes first, whoever's it is */
    assert_string_equal(login(&place, &cred), "abstain");
    node_close(&place.node);
}

static void nkey_of(const uint8_t key[32], char out[57])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t raw[35] = {20 << 3};
    uint16_t crc = 0;
    memcpy(raw + 1, key, 32);
    for (size_t i = 0; i < 33; i++) {
        crc = (uint16_t)(crc ^ raw[i] << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    raw[33] = (uint8_t)crc;
    raw[34] = (uint8_t)(crc >> 8);
    for (size_t i = 0; i < 56; i++) {
        unsigned value = 0;
        for (size_t bit = i * 5; bit < i * 5 + 5; bit++) {
            value = value << 1 | ((unsigned)raw[bit / 8] >> (7 - bit % 8) & 1u);
        }
        out[i] = letters[value];
    }
    out[56] = '\0';
}

static void nkeys_sign_the_nonce(void **state)
{
    (void)state;
    struct place place;
    uint8_t key[32], secret[64], signature[64];
    char nkey[57], lua[512], id[80];
    static const uint8_t nonce[] = "a nonce of ours";
    crypto_sign_keypair(key, secret);
    nkey_of(key, nkey);
    snprintf(lua, sizeof(lua), USERS("{ nkey = \"%s\", role = \"service\" }"), nkey);
    place_open(&place, lua);
    struct ub_cred cred = cred_of(NULL, NULL);
    cred.nkey = nkey;
    cred.nonce = (struct ub_bytes){nonce, sizeof(nonce)};
    assert_string_equal(login(&place, &cred), "deny"); /* nothing signed */
    crypto_sign_detached(signature, NULL, nonce, sizeof(nonce), secret);
    cred.signature = (struct ub_bytes){signature, 64};
    snprintf(id, sizeof(id), "nkey:%s", nkey);
    assert_string_equal(login(&place, &cred), id);
    cred.nonce.len--;
    assert_string_equal(login(&place, &cred), "deny");
    cred.nonce.len = 0;
    assert_string_equal(login(&place, &cred), "deny");
    crypto_sign_keypair(key, secret);
    nkey_of(key, nkey);
    assert_string_equal(login(&place, &cred), "abstain"); /* somebody else's key */
    cred.nkey = "UX";
    assert_string_equal(login(&place, &cred), "abstain");
    node_close(&place.node);
}

static void nkeys_are_checked(void **state)
{
    (void)state;
    uint8_t key[32], back[32];
    char nkey[57];
    randombytes_buf(key, sizeof(key));
    nkey_of(key, nkey);
    assert_true(users_nkey_decode(nkey, back));
    assert_memory_equal(key, back, 32);
    for (size_t i = 0; i < 56; i++) { /* no letter may differ */
        char other[57];
        memcpy(other, nkey, sizeof(other));
        other[i] = other[i] == 'A' ? 'B' : 'A';
        assert_false(users_nkey_decode(other, back));
        other[i] = '1';
        assert_false(users_nkey_decode(other, back));
    }
}

/* Keys with which anybody could sign anything open nothing, even when the config names them. */
static void nkeys_of_low_order_open_nothing(void **state)
{
    (void)state;
    static const uint8_t ends[][2] = {{0, 0}, {1, 0}, {0, 0x80}, {1, 0x80}}; /* first, last byte */
    uint8_t signature[64] = {1}; /* R is the neutral point and S is 0: S*B = R + h*A for such A */
    static const uint8_t nonce[] = "fifteen letters";
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct place place;
        uint8_t key[32] = {ends[i][0]};
        char nkey[57], lua[512];
        key[31] = ends[i][1];
        nkey_of(key, nkey);
        snprintf(lua, sizeof(lua), USERS("{ nkey = \"%s\" }"), nkey);
        place_open(&place, lua);
        struct ub_cred cred = cred_of(NULL, NULL);
        cred.nkey = nkey;
        cred.nonce = (struct ub_bytes){nonce, sizeof(nonce) - 1};
        cred.signature = (struct ub_bytes){signature, 64};
        assert_string_equal(login(&place, &cred), "deny");
        cred.signature.len = 63;
        assert_string_equal(login(&place, &cred), "deny");
        node_close(&place.node);
    }
}

/* A certificate's subject is compared whole: no pattern, no order of its own, no half of it. */
static void subjects_of_certificates_are_compared_whole(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "CN=box",
                                         "O=us,CN=box",
                                         "CN=box,O=us,O=us",
                                         "CN=box+O=us",
                                         "cn=box,o=us",
                                         "CN=box,O=us ",
                                         "CN=box\\,O=us",
                                         "CN=box,O=US",
                                         "CN=a,CN=box,O=us",
                                         "CN=box, O=us"};
    struct place place;
    place_open(&place, USERS("{ cert_subject = \"CN=box,O=us\", name = \"box\" }"));
    struct ub_cred cred = cred_of(NULL, NULL);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cred.cert_subject = others[i];
        assert_string_equal(login(&place, &cred), "abstain");
    }
    cred.cert_subject = "CN=box,O=us";
    assert_string_equal(login(&place, &cred), "user:box");
    node_close(&place.node);
}

static void certificates_and_guests(void **state)
{
    (void)state;
    struct place place;
    place_open(&place,
               LUA("posture { require = \"dev\" }\nmodule \"users\" { no_auth_user = "
                   "\"guest\", users = {\n{ user = \"guest\", password = secret \"a.pw\" },\n"
                   "{ cert_subject = \"CN=box,O=us\", name = \"box\" } } }\n"));
    struct ub_cred cred = cred_of(NULL, NULL);
    assert_string_equal(login(&place, &cred), "abstain"); /* not from loopback */
    cred.is_loopback = true;
    assert_string_equal(login(&place, &cred), "user:guest");
    cred.password = "x"; /* shows something, and it is nothing */
    assert_string_equal(login(&place, &cred), "abstain");
    cred = cred_of(NULL, NULL);
    cred.cert_subject = "CN=box,O=us";
    assert_string_equal(login(&place, &cred), "user:box");
    cred.cert_subject = "CN=box";
    assert_string_equal(login(&place, &cred), "abstain");
    node_close(&place.node);
}

/* ---- bcrypt and guessing ----------------------------------------------------------------------
 */

static void bcrypt_knows_a_published_vector(void **state)
{
    (void)state;
    static const char hash[] = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    char longer[74];
    assert_int_equal(users_bcrypt_cost(hash), 5);
    assert_true(users_bcrypt_check(hash, "U*U", 5));
    assert_false(users_bcrypt_check(hash, "U*V", 5));
    assert_false(users_bcrypt_check(NULL, "U*U", 5));
    memset(longer, 'x', 73);
    longer[73] = '\0';
    assert_false(users_bcrypt_check(hash, longer, 5));
    static const char *const none[] = {
        "", "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe:",
        "$1a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(users_bcrypt_cost(none[i]), 0);
    }
}

static double cpu_ms(const char *hash, const char *password, int cost_max)
{
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int i = 0; i < 5; i++) {
        users_bcrypt_check(hash, password, cost_max);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

/* Known, unknown, wrong, and of a cheaper hash: all take the time of the dearest. */
static void unknown_users_cost_the_same(void **state)
{
    (void)state;
    static const char hash[] = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    double none = cpu_ms(NULL, "U*U", 9), cheap = cpu_ms(hash, "U*U", 9);
    double wrong = cpu_ms(hash, "no", 9), least = cpu_ms(hash, "U*U", 5);
    assert_true(cheap > none * 0.6 && cheap < none * 1.6);
    assert_true(wrong > none * 0.6 && wrong < none * 1.6);
    assert_true(least < none / 4); /* the control: what it would be without */
}

static void guesses_are_limited(void **state)
{
    (void)state;
    static struct users_attempts attempts;
    static const uint8_t key[16] = {7};
    struct users_attempt_by by = {"10.0.0.1", "ann", false, 1000};
    users_attempts_init(&attempts, key);
    for (int i = 1; i <= USERS_ATTEMPTS_OF_USER; i++) {
        assert_true(users_attempts_may(&attempts, &by));
        assert_int_equal(users_attempts_failed(&attempts, &by), i == USERS_ATTEMPTS_OF_USER);
    }
    assert_false(users_attempts_may(&attempts, &by));
    by.user = "bob"; /* another user, another address: not hindered */
    assert_true(users_attempts_may(&attempts, &by));
    by = (struct users_attempt_by){"10.0.0.2", "ann", false, 1000};
    assert_true(users_attempts_may(&attempts, &by));
    by.address = "10.0.0.1";
    by.now_ms += USERS_ATTEMPTS_MS - 1;
    assert_false(users_attempts_may(&attempts, &by));
    by.now_ms++;
    assert_true(users_attempts_may(&attempts, &by));
    users_attempts_failed(&attempts, &by);
    users_attempts_succeeded(&attempts, &by);
    for (int i = 1; i < USERS_ATTEMPTS_OF_USER; i++) {
        assert_false(users_attempts_failed(&attempts, &by));
    }
    assert_true(users_attempts_may(&attempts, &by));
    users_attempts_fini(&attempts);
}

static void one_address_cannot_try_everybody(void **state)
{
    (void)state;
    static struct users_attempts attempts;
    static const uint8_t key[16] = {9};
    for (int is_loopback = 0; is_loopback < 2; is_loopback++) {
        char user[16];
        struct users_attempt_by by = {"10.0.0.1", user, is_loopback, 1000};
        users_attempts_init(&attempts, key);
        for (int i = 0; i < USERS_ATTEMPTS_OF_ADDRESS; i++) {
            snprintf(user, sizeof(user), "u%d", i);
            users_attempts_failed(&attempts, &by);
        }
        by.user = "somebody else";
        assert_int_equal(users_attempts_may(&attempts, &by), is_loopback);
        users_attempts_fini(&attempts);
    }
}

/* An IPv6 host may take any address of its /64 for the next try. */
static void addresses_of_one_net_are_one_address(void **state)
{
    (void)state;
    static struct users_attempts attempts;
    const uint8_t key[16] = {1};
    struct users_attempt_by by = {NULL, "ann", false, 1000};
    char address[64];
    users_attempts_init(&attempts, key);
    for (int i = 1; i <= USERS_ATTEMPTS_OF_USER; i++) {
        snprintf(address, sizeof(address), "2001:db8:0:1::%x", i);
        by.address = address;
        assert_true(users_attempts_may(&attempts, &by));
        users_attempts_failed(&attempts, &by);
    }
    by.address = "2001:db8:0:1:ffff::1";
    assert_false(users_attempts_may(&attempts, &by));
    by.address = "2001:db8:0:2::1"; /* the next net, and IPv4 in the clothes of IPv6 */
    assert_true(users_attempts_may(&attempts, &by));
    for (int i = 1; i <= USERS_ATTEMPTS_OF_USER; i++) {
        by.address = "::ffff:10.0.0.1";
        users_attempts_failed(&attempts, &by);
    }
    assert_false(users_attempts_may(&attempts, &by));
    by.address = "::ffff:10.0.0.2";
    assert_true(users_attempts_may(&attempts, &by));
    users_attempts_fini(&attempts);
}

static void throttled_logins_are_not_tried(void **state)
{
    (void)state;
    struct place place;
    place_open(&place, USERS("{ user = \"ann\", password = secret \"a.pw\" }"));
    for (int i = 0; i < USERS_ATTEMPTS_OF_USER; i++) {
        assert_string_equal(login_as(&place, "ann", "guess"), "deny");
    }
    assert_string_equal(login_as(&place, "ann", "alice-pw"), "deny");
    assert_int_equal(place.users->throttled, 1);
    assert_int_equal(place.users->wrong, USERS_ATTEMPTS_OF_USER);
    struct ub_cred elsewhere = cred_of("ann", "alice-pw");
    elsewhere.address = "10.0.0.9";
    assert_string_equal(login(&place, &elsewhere), "user:ann");
    node_close(&place.node);
}

/* ---- permissions ------------------------------------------------------------------------------
 */

static void subjects_as_operators_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool may_have_queue;
        const char *subject, *queue; /* NULL = refused */
    } cases[] = {
        {"a", false, "a", ""},
        {" a.*.> ", true, "a.*.>", ""},
        {"q.> workers", true, "q.>", "workers"},
        {"a\tb.*", true, "a", "b.*"},
        {"a b", false, NULL, NULL},
        {"a b c", true, NULL, NULL},
        {"", true, NULL, NULL},
        {"  ", true, NULL, NULL},
        {".a", true, NULL, NULL},
        {"a.", true, NULL, NULL},
        {"a..b", true, NULL, NULL},
        {"a.>.b", true, NULL, NULL},
        {">", true, ">", ""},
        {"a>.b*", true, "a>.b*", ""},
        {"a b..c", true, NULL, NULL},
        {"a\x01", true, NULL, NULL},
        {"gr\xc3\xbc\xc3\x9f", true, "gr\xc3\xbc\xc3\x9f", ""},
        {"a\xff", true, NULL, NULL},
        {"a\xc3", true, NULL, NULL},
        {"\xed\xa0\x80", true, NULL, NULL},
        {"\xc0\xaf", true, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char subject[USERS_SUBJECT_MAX], queue[USERS_SUBJECT_MAX];
        const char *why =
            users_subject_parse(cases[i].text, cases[i].may_have_queue, subject, queue);
        if ((why == NULL) != (cases[i].subject != NULL)) {
            fail_msg("\"%s\": %s", cases[i].text, why != NULL ? why : "accepted");
        }
        if (why == NULL) {
            assert_string_equal(subject, cases[i].subject);
            assert_string_equal(queue, cases[i].queue);
        }
    }
}

static void room_names_are_recognised(void **state)
{
    (void)state;
    static const char *const rooms[] = {"ub.r.>",        "ub.r.x", "ub.r.*",
                                        "$KV.UB_R_X.>",  "UB_R_X", "$JS.API.STREAM.INFO.KV_UB_R_X",
                                        "a.OBJ_UB_R_X.b"};
    static const char *const others[] = {"ub.r",  "ub.>", ">",         "ub.rooms.x", "ubr.r.x",
                                         "*.r.x", "UB_R", "a.XUB_R_X", "$KV.*.>"};
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        assert_true(users_subject_names_room(rooms[i]));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(users_subject_names_room(others[i]));
    }
}

/* The rules of the first user of a config, one a line: +P or -S and the like, subject, queue. */
static const char *rules_of(const char *permissions)
{
    static char text[2048];
    char lua[1024];
    struct place place;
    snprintf(
        lua, sizeof(lua),
        LUA("module \"users\" { %s users = { { user = \"a\", password = secret \"a.pw\" %s } } "
            "}\n"),
        permissions[0] == '!' ? permissions + 1 : "", permissions[0] == '!' ? "" : permissions);
    place_open(&place, lua);
    const struct ub_perms *perms = place.users->table->entries[0].perms;
    text[0] = '\0';
    for (uint32_t i = 0; i < perms->rule_count; i++) {
        const struct ub_perm_rule *rule = &perms->rules[i];
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, "%c%c%s%s%s%s;", rule->is_deny ? '-' : '+',
                 rule->actions == UB_PUBLISH ? 'P' : 'S', rule->subject,
                 rule->family_token > 0 ? "…" : "", rule->queue != NULL ? " " : "",
                 rule->queue != NULL ? rule->queue : "");
    }
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d,%d",
             (int)perms->max_response_count, (int)perms->max_response_ms);
    node_close(&place.node);
    return text;
}

#define ROOMS(a) "-" a "ub.r.>;-" a "$KV.UB_R.>…;-" a "$O.UB_R.>…;"

static void permissions_mean_what_nats_server_means(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", "+P>;" ROOMS("P") "-P$SYS.>;+S>;" ROOMS("S") "-S$SYS.>;0,0"},
        {", permissions = { publish = \"a\", subscribe = { \"b\", \"c q\" } }",
         "+Pa;" ROOMS("P") "-P$SYS.>;-P_INBOX.>;+Sb;+Sc q;" ROOMS("S") "-S$SYS.>;-S_INBOX.>;0,0"},
        {", permissions = { publish = { deny = \"a\" }, subscribe = { allow = {} } }",
         "-Pa;+P>;" ROOMS("P") "-P$SYS.>;" ROOMS("S") "-S$SYS.>;-S_INBOX.>;0,0"},
        {", permissions = { allow_responses = true }",
         ROOMS("P") "-P$SYS.>;+S>;" ROOMS("S") "-S$SYS.>;1,120000"},
        {", permissions = { allow_responses = { ttl = \"1 min\" } }",
         ROOMS("P") "-P$SYS.>;+S>;" ROOMS("S") "-S$SYS.>;1,60000"},
        {", permissions = { publish = \"$SYS.REQ.>\", subscribe = \"_INBOX.>\" }",
         "+P$SYS.REQ.>;" ROOMS("P") "-P_INBOX.>;+S_INBOX.>;" ROOMS("S") "-S$SYS.>;0,0"},
        {"! inboxes = \"open\", default_permissions = { publish = \"a\" },",
         "+Pa;" ROOMS("P") "-P$SYS.>;+S>;" ROOMS("S") "-S$SYS.>;0,0"},
        {"!", "+P>;" ROOMS("P") "-P$SYS.>;+S>;" ROOMS("S") "-S$SYS.>;0,0"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_string_equal(rules_of(pairs[i][0]), pairs[i][1]);
    }
}

/* ---- reload -----------------------------------------------------------------------------------
 */

struct told {
    pthread_mutex_t lock;
    char ids[256];
};

static uint32_t on_changed(void *arg, const char *id, int64_t wait_ms)
{
    struct told *told = arg;
    assert_true(wait_ms > 0);
    pthread_mutex_lock(&told->lock);
    snprintf(told->ids + strlen(told->ids), sizeof(told->ids) - strlen(told->ids), "%s ", id);
    pthread_mutex_unlock(&told->lock);
    return 1;
}

/* Prepares with another config and commits it, or not; false: prepare refused. */
static bool reload(struct place *place, const char *lua, bool is_committed)
{
    struct test_node next;
    struct ub_err err = UB_ERR_INIT;
    void *token = NULL;
    node_open(&next, lua, statics, 1);
    assert_true(boot_plan(&next.boot));
    const struct ub_module_ops *ops = unibus_module_users.ops;
    enum ub_status status =
        ops->prepare(place->users, next.boot.plan.instances[0].settings.data, &token, &err);
    if (status == UB_OK && is_committed) {
        ops->commit(place->users, token);
    } else if (status == UB_OK) {
        ops->abort(place->users, token);
    }
    node_close(&next);
    return status == UB_OK;
}

static const char *failed_code;

static void on_fail(const struct ub_host *host, const char *code, const char *why)
{
    (void)host;
    (void)why;
    failed_code = code;
}

static enum ub_status no_room(struct ub_pool *pool, ub_task_fn work, void *arg)
{
    (void)pool;
    (void)work;
    (void)arg;
    return UB_EUNAVAILABLE;
}

static void reload_tells_of_who_changed(void **state)
{
    (void)state;
    static const char *const first = USERS("{ user = \"same\", password = secret \"a.pw\" },\n"
                                           "{ user = \"gone\", password = secret \"a.pw\" },\n"
                                           "{ user = \"word\", password = secret \"a.pw\" },\n"
                                           "{ user = \"role\", password = secret \"a.pw\" },\n"
                                           "{ user = \"perm\", password = secret \"a.pw\" }");
    static const char *const second = USERS(
        "{ user = \"new\", password = secret \"a.pw\" },\n"
        "{ user = \"perm\", password = secret \"a.pw\", permissions = { publish = \"a\" } },\n"
        "{ user = \"word\", password = secret \"b.pw\" },\n"
        "{ user = \"role\", password = secret \"a.pw\", role = \"service\" },\n"
        "{ user = \"same\", password = secret \"a.pw\" }");
    struct place place;
    struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct ub_err err = UB_ERR_INIT;
    struct ub_principal before[2];
    const struct ub_perms *perms = NULL;
    place_open(&place, first);
    assert_int_equal(unibus_module_users.ops->start(place.users, &err), UB_OK);
    assert_int_equal(users_authz_ops.watch(place.users, on_changed, &told, &err), UB_OK);
    const char *const names[] = {"word", "same"};
    for (size_t i = 0; i < 2; i++) {
        struct ub_reason reason = {.size = sizeof(reason)};
        const struct ub_cred cred = cred_of(names[i], "alice-pw");
        assert_int_equal(users_authz_ops.connect(place.users, &cred, &before[i], &perms, &reason),
                         UB_ALLOW);
        ub_perms_unref(&perms);
    }
    assert_true(reload(&place, second, false)); /* planned and dropped: nothing happened */
    assert_string_equal(login_as(&place, "gone", "alice-pw"), "user:gone");
    assert_true(reload(&place, second, true));
    unibus_module_users.ops->stop(place.users); /* finishes what is queued */
    assert_null(strstr(told.ids, "user:same"));
    assert_null(strstr(told.ids, "user:new"));
    static const char *const changed[] = {"user:gone ", "user:word ", "user:role ", "user:perm "};
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(strstr(told.ids, changed[i]));
    }
    assert_int_equal(strlen(told.ids), 40);
    assert_string_equal(login_as(&place, "gone", "alice-pw"), "abstain");
    assert_string_equal(login_as(&place, "new", "alice-pw"), "user:new");
    /* Who came in by the old password goes, whoever is the same stays. */
    assert_null(users_authz_ops.permissions(place.users, &before[0]));
    perms = users_authz_ops.permissions(place.users, &before[1]);
    assert_non_null(perms);
    ub_perms_unref(&perms);
    users_authz_ops.unwatch(place.users, on_changed, &told);
    node_close(&place.node);
}

/* Nobody can be told: the node ends rather than let old rights stand. */
static void a_change_that_cannot_be_told_ends_the_node(void **state)
{
    (void)state;
    struct place place;
    struct ub_err err = UB_ERR_INIT;
    place_open(&place, USERS("{ user = \"a\", password = secret \"a.pw\" }"));
    struct ub_host host = *place.users->host;
    struct ub_host_node own = *host.node;
    struct ub_host_pool full = *host.pool;
    own.fail = on_fail;
    full.submit = no_room;
    host.node = &own;
    host.pool = &full;
    assert_int_equal(unibus_module_users.ops->start(place.users, &err), UB_OK);
    const struct ub_host *real = place.users->host;
    place.users->host = &host;
    failed_code = "";
    assert_true(reload(&place, USERS(""), true));
    assert_string_equal(failed_code, "E-USERS-CHANGE");
    place.users->host = real;
    unibus_module_users.ops->stop(place.users);
    node_close(&place.node);
}

static void guests_go_when_their_place_is_closed(void **state)
{
    (void)state;
#define GUEST(more)                                                                                \
    LUA("posture { require = \"dev\" }\nmodule \"users\" { " more " users = { { user = \"g\", "    \
        "password = secret \"a.pw\" } } }\n")
    struct place place;
    struct ub_err err = UB_ERR_INIT;
    struct ub_principal guest;
    struct ub_reason reason = {.size = sizeof(reason)};
    const struct ub_perms *perms = NULL;
    place_open(&place, GUEST("no_auth_user = \"g\","));
    assert_int_equal(unibus_module_users.ops->start(place.users, &err), UB_OK);
    struct ub_cred cred = cred_of(NULL, NULL);
    cred.is_loopback = true;
    assert_int_equal(users_authz_ops.connect(place.users, &cred, &guest, &perms, &reason),
                     UB_ALLOW);
    ub_perms_unref(&perms);
    perms = users_authz_ops.permissions(place.users, &guest);
    assert_non_null(perms);
    ub_perms_unref(&perms);
    assert_true(reload(&place, GUEST(""), true));
    assert_null(users_authz_ops.permissions(place.users, &guest));
    unibus_module_users.ops->stop(place.users);
    node_close(&place.node);
}

/* From other machines only where the config says so; whoever shows a password is none. */
static void guests_come_from_where_they_may(void **state)
{
    (void)state;
    struct place place;
    struct ub_principal guest;
    struct ub_reason reason = {.size = sizeof(reason)};
    const struct ub_perms *perms = NULL;
    struct ub_cred cred = cred_of(NULL, NULL), with_password = cred_of(NULL, "x");
    place_open(&place, GUEST("no_auth_user = \"g\","));
    assert_int_equal(users_authz_ops.connect(place.users, &cred, &guest, &perms, &reason),
                     UB_ABSTAIN);
    assert_true(reload(&place, GUEST("no_auth_user = \"g\", guests = \"anywhere\","), true));
    assert_int_equal(users_authz_ops.connect(place.users, &cred, &guest, &perms, &reason),
                     UB_ALLOW);
    ub_perms_unref(&perms);
    assert_int_equal(users_authz_ops.connect(place.users, &with_password, &guest, &perms, &reason),
                     UB_ABSTAIN);
    node_close(&place.node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        USERS_TEST(faulty_users_are_named),
        USERS_TEST(every_faulty_user_is_told),
        USERS_TEST(faults_have_codes),
        USERS_TEST(users_are_named_once),
        USERS_TEST(passwords_are_never_shown),
        USERS_TEST(weak_choices_need_posture_dev),
        USERS_TEST(passwords_let_in),
        USERS_TEST(somebody_known_is_left_alone),
        USERS_TEST(nkeys_sign_the_nonce),
        USERS_TEST(nkeys_are_checked),
        USERS_TEST(nkeys_of_low_order_open_nothing),
        USERS_TEST(subjects_of_certificates_are_compared_whole),
        USERS_TEST(certificates_and_guests),
        USERS_TEST(bcrypt_knows_a_published_vector),
        USERS_TEST(unknown_users_cost_the_same),
        USERS_TEST(guesses_are_limited),
        USERS_TEST(one_address_cannot_try_everybody),
        USERS_TEST(addresses_of_one_net_are_one_address),
        USERS_TEST(throttled_logins_are_not_tried),
        USERS_TEST(subjects_as_operators_write_them),
        USERS_TEST(room_names_are_recognised),
        USERS_TEST(permissions_mean_what_nats_server_means),
        USERS_TEST(reload_tells_of_who_changed),
        USERS_TEST(a_change_that_cannot_be_told_ends_the_node),
        USERS_TEST(guests_go_when_their_place_is_closed),
        USERS_TEST(guests_come_from_where_they_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
