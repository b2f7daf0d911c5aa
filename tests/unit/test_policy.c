/* SPDX-License-Identifier: Apache-2.0
 *
 * The language of site policies: what a script may say, and what it is told when it errs. */
#include <stdlib.h>

#include "test_policy_rig.h"

static void verdicts(void **state)
{
    (void)state;
    struct ubp_decision d = rig_body("\n\nreturn deny(\"not \" .. who.handle, \"office-hours\")");
    assert_int_equal(d.verdict, UBP_DENY);
    assert_int_equal(d.error, UBP_OK);
    assert_int_equal(d.line, 3);
    assert_string_equal(d.text, "not alice");
    assert_string_equal(d.code, "office-hours");
    assert_true(d.steps < UBP_STEPS_DEFAULT);
    d = rig_body("return allow()");
    assert_int_equal(d.verdict, UBP_ALLOW);
    assert_int_equal(d.permissions.count, 0);
    assert_string_equal(d.code, "policy");
    d = rig_body("return allow \"works here\"");
    assert_string_equal(d.text, "works here");
    d = rig_body("return default()");
    assert_int_equal(d.verdict, UBP_ABSTAIN);
    d = rig_body("return abstain \"no opinion\"");
    assert_int_equal(d.verdict, UBP_ABSTAIN);
    assert_string_equal(d.text, "no opinion");
}

static void wrong_answers_deny(void **state)
{
    (void)state;
    rig_fails("", UBP_E_ANSWER, "returned nothing: end it with return default()");
    rig_fails("return default", UBP_E_ANSWER, "call it");
    rig_fails("return true", UBP_E_ANSWER, "a boolean value");
    rig_fails("return \"allow\"", UBP_E_ANSWER, "a string value");
    rig_fails("return {verdict = 1}", UBP_E_ANSWER, "a table value");
    rig_fails("return who", UBP_E_ANSWER, "returned a");
    rig_fails("return deny()", UBP_E_RUNTIME, "deny wants a reason");
    rig_fails("return deny \"\"", UBP_E_RUNTIME, "deny wants a reason");
    rig_fails("return deny(\"x\", \"Not Kebab\")", UBP_E_RUNTIME, "a code has");
    rig_fails("local d = deny \"x\" d.verdict = 1 return d", UBP_E_RUNTIME, "cannot be changed");
}

static void permissions(void **state)
{
    (void)state;
    struct ubp_decision d = rig_body(
        "return allow{ publish = {\"orders.>\", \"logs.*\"},"
        " subscribe = {allow = {\"orders.> workers\"}, deny = {\"orders.secret.>\", \"ub.r.>\"}},"
        " max_subs = 500, max_payload = 65536 }");
    assert_int_equal(d.error, UBP_OK);
    assert_int_equal(d.permissions.count, 5);
    assert_int_equal(d.permissions.max_subs, 500);
    assert_int_equal(d.permissions.max_payload_bytes, 65536);
    unsigned denials = 0, queues = 0;
    for (uint32_t i = 0; i < d.permissions.count; i++) {
        const struct ubp_line *line = &d.permissions.lines[i];
        denials += line->is_deny;
        if (line->queue != NULL) {
            assert_string_equal(line->subject, "orders.>");
            assert_string_equal(line->queue, "workers");
            assert_int_equal(line->actions, UBP_SUBSCRIBE);
            queues++;
        }
    }
    assert_int_equal(denials, 2);
    assert_int_equal(queues, 1);
    ubp_decision_fini(&d);
    d = rig_body("return allow{ publish = {} }");
    assert_int_equal(d.permissions.count, 1);
    assert_true(d.permissions.lines[0].is_deny);
    assert_string_equal(d.permissions.lines[0].subject, ">");
    assert_int_equal(d.permissions.lines[0].actions, UBP_PUBLISH);
    ubp_decision_fini(&d);
}

static void permissions_from_the_top_level(void **state)
{
    (void)state;
    struct ubp_script *script =
        rig_load("local can = {publish = {\"a.>\"}, subscribe = {deny = {\"b\"}}}\n"
                 "function on_connect(who, conn) return allow(can) end");
    for (int i = 0; i < 3; i++) {
        struct ubp_decision d;
        rig_connect(script, &d);
        assert_int_equal(d.verdict, UBP_ALLOW);
        assert_int_equal(d.permissions.count, 2);
        ubp_decision_fini(&d);
    }
    ubp_script_free(&script);
}

/* A policy grants nothing in the name spaces of others, and says so instead of being ignored. */
static void permissions_refused(void **state)
{
    static const char *const reserved[] = {
        "ub.r.x.>", "ub.r.>", "ub.*.x",   ">",     "*.>",        "$JS.API.>", "$KV.x",
        "$O.x",     "$SYS.>", "_INBOX.x", "*.r.x", "x.UB_R_A.y", "ub.>",      "_INBOX.>",
    };
    char body[256];
    (void)state;
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        snprintf(body, sizeof(body), "return allow{ subscribe = {\"%s\"} }", reserved[i]);
        rig_fails(body, UBP_E_RUNTIME, "where only membership and users grant");
    }
    rig_fails("return allow{ publish = {\"a..b\"} }", UBP_E_RUNTIME, "no subject pattern");
    rig_fails("return allow{ publish = {\"a.>.b\"} }", UBP_E_RUNTIME, "no subject pattern");
    rig_fails("return allow{ publish = {\"a b\"} }", UBP_E_RUNTIME, "no subject pattern");
    rig_fails("return allow{ publish = {\"\"} }", UBP_E_RUNTIME, "no subject pattern");
    rig_fails("return allow{ publish = \"a\" }", UBP_E_RUNTIME, "a list of subjects");
    rig_fails("return allow{ publish = {1} }", UBP_E_RUNTIME, "a line is a text");
    rig_fails("return allow{ publish = {alow = {}} }", UBP_E_RUNTIME, "no names in it");
    rig_fails("return allow{ publish = {allow = {}, \"a\"} }", UBP_E_RUNTIME, "either a list");
    rig_fails("return allow{ pubish = {} }", UBP_E_RUNTIME, "there is no \"pubish\"");
    rig_fails("return allow{ max_subs = 0 }", UBP_E_RUNTIME, "a whole number");
    rig_fails("return allow{ max_payload = \"1\" }", UBP_E_RUNTIME, "a whole number");
    rig_fails("local l = {} for i = 1, 300 do l[i] = \"a.\" .. i end return allow{publish = l}",
              UBP_E_RUNTIME, "too many lines");
}

static void records_are_strict(void **state)
{
    (void)state;
    rig_fails("return deny(who.nmae)", UBP_E_RUNTIME, "who has no field \"nmae\"");
    rig_fails("return deny(who.hadle)", UBP_E_RUNTIME, "(did you mean \"handle\"?)");
    rig_fails("return deny(conn.tsl)", UBP_E_RUNTIME, "(did you mean \"tls\"?)");
    rig_fails("who.role = \"admin\" return allow()", UBP_E_RUNTIME, "who can only be read");
    rig_fails("return deny(who[1])", UBP_E_RUNTIME, "a field has a name");
    rig_true(
        "who.id == \"alice-id\" and who.role == \"member\" and conn.tls and not conn.loopback");
    rig_true("conn.transport == \"nats\" and conn.user == \"\" and type(who) == \"table\"");
}

static void actions(void **state)
{
    (void)state;
    struct ubp_script *script =
        rig_load("function on_action(who, action, target, conn)\n"
                 "if action == \"room.create\" and target.mode == \"plain\" then return deny "
                 "\"sealed only\" end\n"
                 "if action == \"third.party\" then return deny(target.colour .. target.size) end\n"
                 "if action == \"blob.put\" then return deny(target.nope) end\n"
                 "return default() end");
    const struct ubp_field plain = {.name = "mode", .text = "plain"};
    const struct ubp_field other[] = {{.name = "colour", .text = "red"},
                                      {"size", UBP_FIELD_NUMBER, NULL, 3, false}};
    struct ubp_action action = {.name = "room.create", .field_count = 1, .fields = &plain};
    struct ubp_decision d;
    ubp_on_action(script, &rig_alice, &action, &rig_office, NULL, &d);
    assert_int_equal(d.verdict, UBP_DENY);
    assert_int_equal(d.line, 2);
    action.field_count = 0;
    ubp_on_action(script, &rig_alice, &action, &rig_office, NULL, &d);
    assert_int_equal(d.verdict, UBP_ABSTAIN);
    action = (struct ubp_action){.name = "third.party", .field_count = 2, .fields = other};
    ubp_on_action(script, &rig_alice, &action, &rig_office, NULL, &d);
    assert_string_equal(d.text, "red3.0");
    action = (struct ubp_action){.name = "blob.put"};
    ubp_on_action(script, &rig_alice, &action, &rig_office, NULL, &d);
    assert_int_equal(d.error, UBP_E_RUNTIME);
    assert_non_null(strstr(d.text, "target has no field \"nope\""));
    rig_connect(script, &d); /* not defined: no opinion */
    assert_int_equal(d.verdict, UBP_ABSTAIN);
    assert_int_equal(d.error, UBP_OK);
    assert_false(ubp_script_has_on_connect(script));
    assert_true(ubp_script_has_on_action(script));
    ubp_script_free(&script);
}

static void helpers(void **state)
{
    static const char *const truths[] = {
        "starts(\"abc\", \"ab\")",
        "not starts(\"a\", \"ab\")",
        "starts(\"a\", \"\")",
        "ends(\"abc\", \"bc\")",
        "not ends(\"bc\", \"abc\")",
        "contains(\"abcd\", \"bc\")",
        "not contains(\"abcd\", \"cb\")",
        "contains(\"\", \"\")",
        "contains({\"x\", \"y\"}, \"y\")",
        "not contains({\"x\"}, \"y\")",
        "subject_match(\"a.*.c\", \"a.b.c\")",
        "subject_match(\"a.>\", \"a.b.c\")",
        "not subject_match(\"a.>\", \"a\")",
        "not subject_match(\"a.b\", \"a.b.c\")",
        "not subject_match(\"a.b.c\", \"a.b\")",
        "not subject_match(\"*\", \"a.b\")",
        "ip_in(\"10.80.1.2\", \"10.80.0.0/16\")",
        "not ip_in(\"10.81.1.2\", \"10.80.0.0/16\")",
        "ip_in(\"10.80.1.2\", \"10.80.1.2\")",
        "ip_in(\"10.80.1.2\", \"0.0.0.0/0\")",
        "ip_in(\"2001:db8::1\", \"2001:db8::/32\")",
        "not ip_in(\"2001:db9::1\", \"2001:db8::/32\")",
        "ip_in(\"::1\", \"::/0\")",
        "not ip_in(\"10.0.0.1\", \"::/0\")",
        "ip_in(\"::ffff:10.80.1.2\", \"10.80.0.0/16\")",
        "not ip_in(\"::1\", \"0.0.0.0/0\")",
        "ip_in(\"10.1.1.1\", {\"192.0.2.0/24\", \"10.0.0.0/8\"})",
        "not ip_in(\"admin-socket\", \"10.0.0.0/8\")",
        "(\"aB\"):lower() == \"ab\" and (\"aB\"):upper() == \"AB\"",
        "(\"abc\"):sub(2) == \"bc\" and (\"abc\"):byte(2) == 98 and (\"abc\"):len() == 3",
        "(\"abc\"):byte(9) == nil and (\"abc\"):byte(-1) == 99",
        "(\"abc\"):reverse() == \"cba\" and string.char(97) == \"a\"",
        "tonumber(\"12\") == 12 and tonumber(\"0x10\") == 16 and tonumber(\"x\") == nil",
        "tonumber(who) == nil and tonumber(3) == 3",
        "tostring({}) == \"table\" and tostring(nil) == \"nil\" and tostring(1) == \"1\"",
        "tostring(deny) == \"function\" and tostring(who) == \"table\" and tostring(true) == "
        "\"true\"",
        "table.concat({\"a\", 1}, \",\") == \"a,1\" and select(\"#\", table.unpack({1, 2})) == 2",
        "math.max(1, 3) == 3 and math.floor(1.5) == 1 and math.type(1) == \"integer\"",
        "#{1, 2} == 2 and not pcall(error, \"x\") and select(2, pcall(error, \"x\")) == \"x\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++) {
        rig_true(truths[i]);
    }
    rig_fails("return deny(ip_in(conn.ip, \"10.80.0.1/16\"))", UBP_E_RUNTIME, "no net such as");
    rig_fails("return deny(ip_in(conn.ip, \"10.80.0.0/33\"))", UBP_E_RUNTIME, "no net such as");
    rig_fails("return deny(ip_in(conn.ip, \"10.80.0.0/\"))", UBP_E_RUNTIME, "no net such as");
    rig_fails("return deny(ip_in(conn.ip, {\"10.80.0.0/16\", \"office\"}))", UBP_E_RUNTIME,
              "office");
    rig_fails("return deny(subject_match(\"a..b\", \"a\"))", UBP_E_RUNTIME, "no subject pattern");
}

static void tables(void **state)
{
    static const char *const bodies[] = {
        "local t = {3, 1, 2} table.sort(t) return t[1] == 1 and t[2] == 2 and t[3] == 3",
        "local t = {1, 2, 3} table.sort(t, function(a, b) return a > b end) return t[1] == 3",
        "local t = {1, 3} table.insert(t, 2, 2) return #t == 3 and t[2] == 2 and t[3] == 3",
        "local t = {1} table.insert(t, 2) return t[2] == 2",
        "local t = {1, 2, 3} return table.remove(t, 1) == 1 and t[1] == 2 and #t == 2",
        "local t = {1, 2, 3} return table.remove(t) == 3 and #t == 2",
        "return table.remove({}) == nil",
        "local t = table.move({1, 2, 3}, 1, 3, 2) return t[1] == 1 and t[2] == 1 and t[4] == 3",
        "local t = table.move({1, 2}, 1, 2, 1, {}) return #t == 2",
        "local s = '' for k, v in pairs({b = 2, a = 1, 10, 20}) do s = s .. k .. v end "
        "return s == '110220a1b2'",
        "local n = 0 for k in pairs(conn) do n = n + 1 end return n == 7",
        "local s = '' for i, v in ipairs({'x', 'y'}) do s = s .. i .. v end return s == '1x2y'",
        "for i = 1, 60 do local t = {} for j = 1, i do t[j] = j * 7919 % 61 end table.sort(t) "
        "for j = 2, i do if t[j - 1] > t[j] then return false end end end return true",
    };
    char body[512];
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        snprintf(body, sizeof(body), "(function() %s end)()", bodies[i]);
        rig_true(body);
    }
    rig_fails("for k in pairs({[{}] = 1}) do end", UBP_E_RUNTIME, "has no order");
    rig_fails("pairs(3)", UBP_E_RUNTIME, "pairs wants a table");
    rig_fails("table.insert({}, 5, 1)", UBP_E_RUNTIME, "outside of the table");
    rig_fails("table.concat({{}})", UBP_E_RUNTIME, "an element is a table value");
}

static void faults_of_loading(void **state)
{
    (void)state;
    rig_refused("\n\nfunction on_connect( return end", UBP_E_SYNTAX, 3, "expected");
    rig_refused("\nfunction on_conect() end", UBP_E_SCRIPT, 2, "(did you mean \"on_connect\"?)");
    rig_refused("\nx = 1", UBP_E_SCRIPT, 2, "write local");
    rig_refused("\n\nlocal x = prnt", UBP_E_SCRIPT, 3, "unknown name \"prnt\"");
    rig_refused("local x = strats(\"a\", \"b\")", UBP_E_SCRIPT, 1, "(did you mean \"starts\"?)");
    rig_refused("local x = string.find", UBP_E_SCRIPT, 1, "string has no \"find\"");
    rig_refused("string.x = 1", UBP_E_SCRIPT, 1, "string cannot be changed");
    rig_refused("on_connect = 3", UBP_E_SCRIPT, 1, "is a function of the script");
    rig_refused("on_connect = deny", UBP_E_SCRIPT, 1, "is a function of the script");
    rig_refused("function on_connect() end\nfunction on_connect() end", UBP_E_SCRIPT, 2, "once");
    rig_refused("local x = 1", UBP_E_SCRIPT, 0, "neither on_connect nor on_action");
    rig_refused("policy \"2\"", UBP_E_SCRIPT, 1, "understands policy \"1\"");
    rig_refused("error({})", UBP_E_SCRIPT, 1, "the error is a table value");
    rig_refused("test(\"x\")", UBP_E_SCRIPT, 1, "write test(");
    rig_refused("for i = 1, 257 do test('x', function() end) end", UBP_E_SCRIPT, 1, "at most 256");
    rig_refused("on_connect({}, {})", UBP_E_SCRIPT, 1, "does not define on_connect");
    struct ubp_fault fault;
    const char *without = "function on_connect() return default() end";
    assert_null(ubp_script_load("x.lua", without, strlen(without), NULL, &fault));
    assert_non_null(strstr(fault.text, "begins with policy \"1\""));
    const struct ubp_limits low = {10, 1000};
    assert_null(ubp_script_load("x.lua", without, strlen(without), &low, &fault));
    assert_non_null(strstr(fault.text, "limits are too low"));
    assert_null(ubp_script_load("x.lua", without, UBP_TEXT_MAX + 1, NULL, &fault));
    assert_non_null(strstr(fault.text, "256 KiB"));
}

static void unknown_actions_are_found(void **state)
{
#define ACTION_RULE(condition)                                                                     \
    "function on_action(who, action, target)\nif " condition " then return deny \"x\" end return " \
    "default() end"
    (void)state;
    rig_refused(ACTION_RULE("action == \"room.crate\""), UBP_E_SCRIPT, 2,
                "\"room.crate\" is no action (did you mean \"room.create\"?)");
    rig_refused(ACTION_RULE("action == \"rooms.create\""), UBP_E_SCRIPT, 2, "\"room.create\"");
    rig_refused(ACTION_RULE("action == \"create\""), UBP_E_SCRIPT, 2, "is no action");
    rig_refused(ACTION_RULE("'blob.putt' ~= action"), UBP_E_SCRIPT, 2, "\"blob.put\"");
    static const char *const good[] = {
        ACTION_RULE("action == \"room.create\""),
        ACTION_RULE("action == \"vehicle.start\""),
        ACTION_RULE("--[[ action == \"x\" ]] action == 'blob.get' -- action == \"y\"\n"),
        ACTION_RULE("starts(action, \"room.\") and who.handle == \"action == 'z'\""),
        ACTION_RULE("[==[ action == \"w\" ]==] == action"),
        "local my_action\n" ACTION_RULE("my_action == \"v\""),
        ACTION_RULE("\"a\\\" action == 'u'\" == target"),
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct ubp_script *script = rig_load(good[i]);
        ubp_script_free(&script);
    }
}

struct seen {
    size_t count;
    struct ubp_test_result last;
};

static void see(void *arg, const struct ubp_test_result *result)
{
    struct seen *seen = arg;
    seen->count++;
    seen->last = *result;
}

/* One test block; the fault's line and part of its text, or part NULL when it is good. */
static void one_test(const char *body, uint32_t line, const char *part)
{
    char text[1024];
    struct seen seen = {0};
    struct ubp_fault fault = {.error = UBP_OK};
    snprintf(text, sizeof(text),
             "local n = 0 local list = {1}\n"
             "function on_connect(who, conn) if who.role == \"auditor\" then return deny \"no "
             "auditors\" end if conn.tls then return allow() end return default() end\n"
             "function on_action(who, action, target) n = who.handle == \"counts\" and n + 1 or n "
             "return default() end\n"
             "test(\"it\", function(t) %s end)",
             body);
    struct ubp_script *script = rig_load(text);
    assert_int_equal(ubp_script_test_count(script), 1);
    bool is_good = ubp_script_test(script, see, &seen, &fault);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last.name, "it");
    if (is_good != (part == NULL) ||
        (part != NULL && (strstr(fault.text, part) == NULL || fault.line != line))) {
        fail_msg("%s\n%d line %u: %s", body, is_good, fault.line, fault.text);
    }
    if (part != NULL) {
        assert_string_equal(fault.test, "it");
    }
    ubp_script_free(&script);
}

static void tests_in_a_script(void **state)
{
    (void)state;
    one_test("t.denied(on_connect({role = \"auditor\"}, {}), \"auditors\")", 0, NULL);
    one_test("t.allowed(on_connect({}, {tls = true})) t.abstained(on_connect())", 0, NULL);
    one_test("t.abstained(on_action({}, \"room.create\", {mode = \"plain\"}))", 0, NULL);
    one_test("t.equal(1, 1) t.ok(true) t.fails(function() error \"no\" end, \"no\")", 0, NULL);
    one_test("t.equal(on_connect({role = \"auditor\"}).reason, \"no auditors\")", 0, NULL);
    one_test("t.equal(on_connect({role = \"auditor\"}).verdict, \"deny\")", 0, NULL);
    one_test("\nt.denied(on_connect({}, {}))", 5, "wanted deny, got abstain");
    one_test("t.denied(on_connect({role = \"auditor\"}), \"x\")", 4, "without \"x\"");
    one_test("t.denied(true)", 4, "checks an answer");
    one_test("t.equal(1, \"1\")", 4, "1 is not equal to \"1\"");
    one_test("t.ok(false, \"my words\")", 4, "my words");
    one_test("t.fails(function() end)", 4, "it did not fail");
    one_test("t.fails(function() error \"yes\" end, \"no\")", 4, "without \"no\"");
    one_test("", 4, "the test checks nothing");
    one_test("t.denid()", 4, "(did you mean \"denied\"?)");
    one_test("on_connect({roel = \"x\"})", 4, "(did you mean \"role\"?)");
    one_test("on_connect({role = \"guest\"})", 4, "is one of member");
    one_test("on_connect({}, {tls = 1})", 4, "conn.tls cannot be a number value");
    one_test("on_connect(1)", 4, "who is a table");
    one_test("on_action({}, \"room.crate\")", 4, "(did you mean \"room.create\"?)");
    one_test("t.abstained(on_action({}, \"vehicle.start\", {speed = 3}))", 0, NULL);
    one_test("on_action({}, \"room.create\", {role = \"x\"})", 4, "target has no field \"role\"");
    one_test("on_action({}, \"room.create\", {mode = {}})", 4, "cannot be a table value");
    one_test("while true do end", 4, "more than 500000 steps");
    one_test("t.ok(true) on_action({handle = \"counts\"}, \"room.list\")", 4, "assigned \"n\"");
    one_test("list[2] = 2", 4, "can only be read");
    one_test("test(\"inner\", function() end)", 4, "top level");
    one_test("on_connect = function() end", 4, "is defined once");
}

/* The guide's sample of the design, word by word but for what membership knows better. */
static void the_sample_of_the_design(void **state)
{
    (void)state;
    struct ubp_script *script = rig_load(
        "\nfunction on_connect(who, conn)\n"
        "  if not (conn.tls or conn.loopback) then return deny \"plain text is for loopback only\" "
        "end\n"
        "  if who.role == \"service\" and not ip_in(conn.ip, \"10.80.0.0/16\") then\n"
        "    return deny \"services join from the office network\"\n"
        "  end\n"
        "  local can = { publish = { \"room.>\" }, subscribe = { \"room.>\" }, max_subs = 500 }\n"
        "  if who.role == \"auditor\" then can.publish = {} end\n"
        "  return allow(can)\n"
        "end\n"
        "function on_action(who, action, target)\n"
        "  if action == \"identity.create\" and target.role == \"admin\" then return deny \"admins "
        "are added on the console\" end\n"
        "  return default()\n"
        "end\n"
        "test(\"outside service\", function(t) t.denied(on_connect({ role = \"service\" }, { tls = "
        "true, ip = \"192.0.2.7\" })) end)\n");
    assert_true(ubp_script_test(script, NULL, NULL, NULL));
    ubp_script_free(&script);
}

static void traces(void **state)
{
    (void)state;
    struct ubp_script *script = rig_load("\nfunction on_connect(who, conn)\n"
                                         "  if who.role == \"auditor\" then\n"
                                         "    return deny \"x\"\n"
                                         "  end\n"
                                         "  return default()\n"
                                         "end");
    struct ubp_trace trace;
    struct ubp_decision d;
    ubp_on_connect(script, &rig_alice, &rig_office, &trace, &d);
    assert_int_equal(trace.count, 2);
    assert_int_equal(trace.lines[0], 3);
    assert_int_equal(trace.lines[1], 6);
    assert_int_equal(d.line, 6);
    ubp_script_free(&script);
}

static void long_reasons_are_cut_at_a_character(void **state)
{
    (void)state;
    struct ubp_decision d =
        rig_body("local s = '' for i = 1, 200 do s = s .. 'é' end return deny(s)");
    assert_int_equal(d.error, UBP_OK);
    assert_int_equal(strlen(d.text), 254);
    ubp_decision_fini(&d);
}

static void the_lists_agree(void **state)
{
    size_t count;
    const struct ubp_action_info *all = ubp_actions(&count);
    (void)state;
    assert_true(count > 15);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(ubp_action_find(all[i].name), &all[i]);
    }
    assert_null(ubp_action_find("room.crate"));
    assert_true(ubp_role_is_known("auditor"));
    assert_false(ubp_role_is_known("guest"));
    assert_string_equal(ubp_error_code(UBP_OK), "");
    assert_string_equal(ubp_error_code(UBP_E_STEPS), "policy-steps");
}

/* The whole of a file of the checkout. */
static char *file_text(const char *path)
{
    char whole[512];
    snprintf(whole, sizeof(whole), "%s/%s", UB_SOURCE_DIR, path);
    FILE *file = fopen(whole, "r");
    assert_non_null(file);
    char *text = calloc(1, 262145);
    assert_non_null(text);
    assert_true(fread(text, 1, 262144, file) > 0);
    fclose(file);
    return text;
}

/* What membership asks about is in the list, what is in the list is asked, and the guide has it. */
static void the_actions_are_those_of_membership(void **state)
{
    size_t count, asked = 0;
    const struct ubp_action_info *all = ubp_actions(&count);
    char *rules = file_text("modules/membership/actions.c"), *guide = file_text("docs/policy.md");
    char quoted[64];
    (void)state;
    for (const char *at = strstr(rules, "} rules[] = {"); (at = strstr(at, "\n    {\"")) != NULL;) {
        at += 7;
        snprintf(quoted, sizeof(quoted), "%.*s", (int)strcspn(at, "\""), at);
        if (ubp_action_find(quoted) == NULL) {
            fail_msg("membership asks about %s, which policies do not know", quoted);
        }
        asked++;
    }
    assert_int_equal(asked, count);
    for (size_t i = 0; i < count; i++) {
        snprintf(quoted, sizeof(quoted), "| `%s` |", all[i].name);
        if (strstr(guide, quoted) == NULL) {
            fail_msg("docs/policy.md lacks %s", quoted);
        }
    }
    free(rules);
    free(guide);
}

static void the_samples_pass_their_tests(void **state)
{
    static const char *const samples[] = {"etc/policy/site.lua", "etc/policy/office.lua"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ubp_fault fault = {.error = UBP_OK};
        char *text = file_text(samples[i]);
        struct ubp_script *script = ubp_script_load(samples[i], text, strlen(text), NULL, &fault);
        if (script == NULL || !ubp_script_test(script, NULL, NULL, &fault)) {
            fail_msg("%s:%u: %s %s", samples[i], fault.line, fault.test, fault.text);
        }
        assert_true(ubp_script_test_count(script) > 1);
        ubp_script_free(&script);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(wrong_answers_deny),
        cmocka_unit_test(permissions),
        cmocka_unit_test(permissions_from_the_top_level),
        cmocka_unit_test(permissions_refused),
        cmocka_unit_test(records_are_strict),
        cmocka_unit_test(actions),
        cmocka_unit_test(helpers),
        cmocka_unit_test(tables),
        cmocka_unit_test(faults_of_loading),
        cmocka_unit_test(unknown_actions_are_found),
        cmocka_unit_test(tests_in_a_script),
        cmocka_unit_test(the_sample_of_the_design),
        cmocka_unit_test(traces),
        cmocka_unit_test(long_reasons_are_cut_at_a_character),
        cmocka_unit_test(the_lists_agree),
        cmocka_unit_test(the_actions_are_those_of_membership),
        cmocka_unit_test(the_samples_pass_their_tests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
