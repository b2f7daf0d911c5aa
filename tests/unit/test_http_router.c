/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <modules/http/router.h>

static void handler(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    (void)request;
}

static enum ub_status add(struct http_router *router, const char *method, const char *pattern)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_http_route route = {
        .size = sizeof(route), .method = method, .pattern = pattern, .handler = handler};
    return http_router_add(router, &route, &err);
}

static const char *const table[][2] = {
    {"GET", "/v1/rooms"},
    {"POST", "/v1/rooms"},
    {"GET", "/v1/rooms/{room}"},
    {"GET", "/v1/rooms/{room}/log"},
    {"GET", "/v1/rooms/{room}/boxes:requested"},
    {"GET", "/v1/rooms/{room}/{part}"},
    {"GET", "/v1/rooms/{room}/epochs/{n}/boxes/{kid}"},
    {"PUT", "/v1/rooms/{room}/epochs/{n}/boxes/{kid}"},
    {"DELETE", "/v1/rooms/{room}/epochs/{n}/boxes/{kid}"},
    {"POST", "/v1/rooms/{room}/epochs/{n}/boxes/{kid}:request"},
    {"PATCH", "/v1/identities/{id}"},
};

static const struct {
    const char *method, *path, *pattern, *params, *allow; /* pattern NULL = none */
} rows[] = {
    {"GET", "/v1/rooms", "/v1/rooms", "", "GET, HEAD, POST"},
    {"HEAD", "/v1/rooms", "/v1/rooms", "", "GET, HEAD, POST"},
    {"DELETE", "/v1/rooms", NULL, "", "GET, HEAD, POST"},
    {"get", "/v1/rooms", NULL, "", "GET, HEAD, POST"},
    {"HEAD", "/v1/identities/a", NULL, "", "PATCH"},
    {"GET", "/v1/rooms/", NULL, "", ""},
    {"GET", "/v1/room", NULL, "", ""},
    {"GET", "/v1/rooms2", NULL, "", ""},
    {"GET", "//v1/rooms", NULL, "", ""},
    {"GET", "/v1//rooms", NULL, "", ""},
    {"GET", "/", NULL, "", ""},
    {"GET", "/v1/%72ooms", NULL, "", ""},
    {"GET", "/v1/rooms/a%2Fb", "/v1/rooms/{room}", "a%2Fb", "GET, HEAD"},
    {"GET", "/v1/rooms/x/log", "/v1/rooms/{room}/log", "x", "GET, HEAD"},
    {"GET", "/v1/rooms/x/blog", "/v1/rooms/{room}/{part}", "x|blog", "GET, HEAD"},
    {"GET", "/v1/rooms/x/boxes:requested", "/v1/rooms/{room}/boxes:requested", "x", "GET, HEAD"},
    {"PUT", "/v1/rooms/x/epochs/3/boxes/ab", "/v1/rooms/{room}/epochs/{n}/boxes/{kid}", "x|3|ab",
     "GET, HEAD, PUT, DELETE"},
    {"POST", "/v1/rooms/x/epochs/3/boxes/ab:request",
     "/v1/rooms/{room}/epochs/{n}/boxes/{kid}:request", "x|3|ab", "POST"},
    {"POST", "/v1/rooms/x/epochs/3/boxes/ab", NULL, "", "GET, HEAD, PUT, DELETE"},
    {"GET", "/v1/rooms/x/epochs/3/boxes/ab:request", NULL, "", "POST"},
    {"POST", "/v1/rooms/x/epochs/3/boxes/:request", NULL, "", "GET, HEAD, PUT, DELETE"},
    {"PUT", "/v1/rooms/x/epochs/3/boxes/ab:other", "/v1/rooms/{room}/epochs/{n}/boxes/{kid}",
     "x|3|ab:other", "GET, HEAD, PUT, DELETE"},
};

static void paths_find_their_routes(void **state)
{
    (void)state;
    struct http_router router;
    http_router_init(&router);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(add(&router, table[i][0], table[i][1]), UB_OK);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_match match;
        char params[128] = "";
        http_router_match(&router, rows[i].method, rows[i].path, &match);
        assert_string_equal(match.allow, rows[i].allow);
        assert_string_equal(match.route == NULL ? "none" : match.route->pub.pattern,
                            rows[i].pattern == NULL ? "none" : rows[i].pattern);
        for (uint32_t k = 0; k < match.param_count; k++) {
            size_t len = strlen(params);
            snprintf(params + len, sizeof(params) - len, "%s%.*s", k > 0 ? "|" : "",
                     (int)match.params[k].len, rows[i].path + match.params[k].at);
        }
        assert_string_equal(params, rows[i].params);
    }
    http_router_fini(&router);
}

static void bad_patterns_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "a",     "/a/",   "//",      "/{}",   "/{a",      "/a}",
        "/x{a}", "/{a}b", "/{a}:", "/{a}{b}", "/a//b", "/{a}:{b}", "/{a}/{b}/{c}/{d}/{e}"};
    struct http_router router;
    http_router_init(&router);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(add(&router, "GET", bad[i]), UB_EINVAL);
    }
    assert_int_equal(add(&router, "GET", "/{a}/b"), UB_OK);
    assert_int_equal(add(&router, "GET", "/{other}/b"), UB_EEXISTS);
    assert_int_equal(add(&router, "PUT", "/{a}/b"), UB_OK);
    http_router_fini(&router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_routes),
        cmocka_unit_test(bad_patterns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
