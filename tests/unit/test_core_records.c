/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings that are lists of tables: filling, faults with their lines, and tables of them that are
 * not sound. */
#include "test_core_node.h"

#include <core/effective.h>
#include <core/explain.h>

struct person {
    const char *name;
    int64_t age;
    struct ub_secret *key;
    struct {
        struct ub_strings allow;
    } may;
};

struct town {
    int64_t houses;
    struct ub_records people;
};

static const struct ub_field person_fields[] = {
    UB_FIELD_STRING(struct person, name, NULL, UB_REQUIRED, "who it is"),
    UB_FIELD_INT(struct person, age, "18", 0, 150, 0, "in years"),
    UB_FIELD_SECRET(struct person, key, 0, "a secret"),
    UB_FIELD_STRINGS(struct person, may.allow, NULL, 0, "a nested name"),
};

static const struct ub_record person_record = UB_RECORD(struct person, person_fields);

static const struct ub_field town_fields[] = {
    UB_FIELD_INT(struct town, houses, "1", 0, 0, 0, "how many"),
    UB_FIELD_RECORDS(struct town, people, person_record, 0, "who lives there"),
};

static enum ub_status town_create(const struct ub_host *host, const void *settings, void **self_out,
                                  struct ub_err *err)
{
    static int self;
    (void)host;
    (void)settings;
    (void)err;
    *self_out = &self;
    return UB_OK;
}

static void town_destroy(void *self)
{
    (void)self;
}

static const struct ub_module_ops town_ops = {
    .size = sizeof(town_ops), .create = town_create, .destroy = town_destroy};

#define TOWN(fields_)                                                                              \
    {                                                                                              \
        .size = sizeof(struct ub_module), .abi_major = 1, .abi_minor = 1, .name = "town",          \
        .version = "1", .summary = "a town", .ops = &town_ops,                                     \
        .settings_size = sizeof(struct town), UB_TABLE(fields, field, fields_)                     \
    }

static const struct ub_module town = TOWN(town_fields);
static const struct ub_module *const statics[] = {&town};

#define FAILS(lua, expected) plan_fails(lua, statics, 1, expected)
#define ONE(message)         "unibus.lua:" message "\n1 error, nothing was started.\n"

static void every_record_is_filled(void **state)
{
    (void)state;
    struct test_node node;
    file_write("eve.key", "hunter2\n", 0600);
    node_open(&node,
              LUA("local twin = { name = \"twin\" }\n"
                  "module \"town\" { houses = 2, people = {\n"
                  "  { name = \"ann\", age = 40, may = { allow = { \"a\", \"b\" } } },\n"
                  "  { name = \"eve\", key = secret \"eve.key\" },\n"
                  "  twin, twin,\n"
                  "} }\n"),
              statics, 1);
    assert_true(boot_plan(&node.boot));
    const struct town *settings = node.boot.plan.instances[0].settings.data;
    const struct person *people = settings->people.items;
    assert_int_equal(settings->people.count, 4);
    assert_string_equal(people[0].name, "ann");
    assert_int_equal(people[0].age, 40);
    assert_int_equal(people[0].may.allow.count, 2);
    assert_string_equal(people[0].may.allow.items[1], "b");
    assert_null(people[0].key);
    assert_int_equal(people[1].age, 18);
    struct ub_bytes key = node.boot.plan.instances[0].host.pub.secret->bytes(people[1].key);
    assert_int_equal(key.len, 7);
    assert_memory_equal(key.ptr, "hunter2", 7);
    assert_string_equal(people[3].name, "twin");
    assert_int_equal(settings->people.wheres[0].line, 4);
    assert_int_equal(settings->people.wheres[1].line, 5);
    assert_int_equal(settings->people.wheres[2].line, 3);
    assert_string_equal(settings->people.wheres[0].file, "unibus.lua");
    node_close(&node);
}

static void no_record_is_fine(void **state)
{
    (void)state;
    static const char *const texts[] = {LUA("module \"town\" {}"),
                                        LUA("module \"town\" { people = {} }")};
    for (size_t i = 0; i < 2; i++) {
        struct test_node node;
        node_open(&node, texts[i], statics, 1);
        assert_true(boot_plan(&node.boot));
        const struct town *settings = node.boot.plan.instances[0].settings.data;
        assert_int_equal(settings->people.count, 0);
        node_close(&node);
    }
}

static void faults_in_records_come_at_once_with_their_lines(void **state)
{
    (void)state;
    char expected[2048];
    snprintf(
        expected, sizeof(expected),
        "unibus.lua:4: module \"town\": people[1]: unknown setting \"nmae\" (did you mean "
        "\"name\"?)\n"
        "unibus.lua:4: module \"town\": people[1]: name is missing (who it is)\n"
        "unibus.lua:4: module \"town\": people[1]: age = 200 is too large: 0 to 150 (default "
        "18)\n"
        "unibus.lua:6: module \"town\": people[2]: name = 5: a text is needed\n"
        "unibus.lua:7: module \"town\": people[2]: unknown setting \"may.alow\" (did you mean "
        "\"may.allow\"?)\n"
        "unibus.lua:8: module \"town\": people[2]: key: cannot open secret \"%s/none\": No such "
        "file or directory\n"
        "unibus.lua:10: module \"town\": people[3]: age = \"old\": a whole number is needed\n"
        "unibus.lua:10: module \"town\": people[3]: may.allow = 3: a text or a list of texts is "
        "needed\n"
        "8 errors, nothing was started.\n",
        test_folder);
    FAILS(LUA("module \"town\" {\n  people = {\n    { nmae = \"ann\", age = 200 },\n    {\n"
              "      name = 5,\n      may = { alow = {} },\n      key = secret \"none\",\n    },\n"
              "    { name = \"x\", age = \"old\", may = { allow = 3 } },\n  },\n}\n"),
          expected);
}

static void lines_of_records_count_what_comes_before(void **state)
{
    (void)state;
    FAILS(LUA("local a = { name = \"a\" }\nmodule \"town\" { people = {\n"
              "  a, -- { name = 1 }\n  [[ { } ]] == \"\" and a or a,\n  { nam = \"c\" };\n"
              "  { name =\n 1 },\n} }\n"),
          "unibus.lua:6: module \"town\": people[3]: unknown setting \"nam\" (did you mean "
          "\"name\"?)\n"
          "unibus.lua:6: module \"town\": people[3]: name is missing (who it is)\n"
          "unibus.lua:7: module \"town\": people[4]: name = 1: a text is needed\n"
          "3 errors, nothing was started.\n");
    FAILS(LUA("local people = {}\nfor i = 1, 3 do\n  people[i] = { name = \"n\", age = 100 * i }\n"
              "end\nmodule \"town\" {\n  people = people,\n}\n"),
          "unibus.lua:7: module \"town\": people[2]: age = 200 is too large: 0 to 150 (default "
          "18)\n"
          "unibus.lua:7: module \"town\": people[3]: age = 300 is too large: 0 to 150 (default "
          "18)\n"
          "2 errors, nothing was started.\n");
}

static void what_is_no_list_of_tables_is_refused(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"people = { name = \"ann\" }",
         "unknown setting \"people.name\": people is a list of tables, written in the config "
         "file: people = { { … }, { … } }"},
        {"people = \"ann\"",
         "people = \"ann\": a list of tables such as { { … }, { … } } is needed"},
        {"people = { \"ann\" }",
         "people = { … }: a list of tables such as { { … }, { … } } is needed"},
        {"people = { { name = \"a\" }, \"ann\" }",
         "people[2] is no table: each item of this list is { name = …, … }"},
        {"people = { { name = \"a\", \"ann\" } }",
         "people[1]: a value has no name: write name = value"},
        {"people = { { name = { { name = 1 } } } }",
         "people[1]: name is a list of tables inside of a list of tables"},
        {"houses = { { a = 1 } }", "houses = { … }: a whole number is needed"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char lua[256], expected[512];
        snprintf(lua, sizeof(lua), LUA("module \"town\" { %s }\n"), pairs[i][0]);
        snprintf(expected, sizeof(expected), ONE("2: module \"town\": %s"), pairs[i][1]);
        FAILS(lua, expected);
    }
}

static void records_are_limited(void **state)
{
    (void)state;
    FAILS(LUA("local people = {}\nfor i = 1, 1025 do people[i] = { name = \"n\" } end\n"
              "module \"town\" { people = people }\n"),
          ONE("4: module \"town\": people is a list of more than 1024 tables"));
    /* One table a thousand times: small for Lua, large as a copy. */
    FAILS(LUA("local one, people = { name = \"n\" }, {}\nfor i = 1, 500 do one[\"x\" .. i] = 1 "
              "end\nfor i = 1, 1000 do people[i] = one end\nmodule \"town\" { people = people }\n"),
          "unibus.lua:5: the config needs more than 4 MiB of memory\n1 error, nothing was "
          "started.\n");
}

static void set_options_cannot_reach_records(void **state)
{
    (void)state;
    static const char *const sets[] = {"town.people=ann", "town.people[1].name=ann",
                                       "town.people.name=ann"};
    struct test_node node;
    node_open(&node, LUA("module \"town\" { people = { { name = \"a\" } } }"), statics, 1);
    node.source.sets = sets;
    node.source.set_count = 3;
    assert_false(boot_plan(&node.boot));
    assert_string_equal(
        node_report(&node, "nothing was started"),
        "--set: module \"town\": unknown setting \"people[1].name\": people is a list of tables, "
        "written in the config file: people = { { … }, { … } }\n"
        "--set: module \"town\": unknown setting \"people.name\": people is a list of tables, "
        "written in the config file: people = { { … }, { … } }\n"
        "--set: module \"town\": people = \"ann\" cannot be given by --set: a list of tables is "
        "written in the config file\n"
        "3 errors, nothing was started.\n");
    node_close(&node);
}

static void faulty_tables_of_records_are_refused(void **state)
{
    (void)state;
    static const struct ub_field inner[] = {
        UB_FIELD_RECORDS(struct town, people, person_record, 0, "")};
    static const struct ub_field outside[] = {UB_FIELD_INT(struct person, age, "1", 0, 0, 0, "")};
    static const struct ub_record twice = UB_RECORD(struct town, inner);
    static const struct ub_record narrow = {sizeof(narrow), outside, 1, sizeof(outside[0]), 8};
    static const struct ub_record odd = {sizeof(odd), outside, 1, sizeof(outside[0]), 61};
    static const struct ub_record small = {8, outside, 1, sizeof(outside[0]), 64};
    static const struct ub_record empty = {sizeof(empty), NULL, 1, sizeof(outside[0]), 64};
    static const struct {
        const struct ub_record *record;
        const char *why;
    } cases[] = {
        {NULL, "has no table of its records"},
        {&small, "has no table of its records"},
        {&empty, "has a table of its records that cannot be read"},
        {&twice, "has records in its records: one level is all there is"},
        {&narrow, "has a fault in its records: setting 1 \"age\" lies outside of its settings"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ub_field fields[] = {UB_FIELD_RECORDS(struct town, people, person_record, 0, "")};
        char expected[256];
        fields[0].record = cases[i].record;
        const struct ub_module bad = TOWN(fields);
        const struct ub_module *const bads[] = {&bad};
        snprintf(expected, sizeof(expected), ONE("2: module \"town\": its setting 1 \"people\" %s"),
                 cases[i].why);
        plan_fails(LUA("module \"town\" {}\n"), bads, 1, expected);
    }
}

/* A module of ABI 1.0 has shorter fields. */
static void short_fields_still_count(void **state)
{
    (void)state;
    struct ub_field fields[] = {UB_FIELD_INT(struct town, houses, "7", 0, 0, 0, "")};
    fields[0].size = offsetof(struct ub_field, record);
    struct ub_module old = TOWN(fields);
    const struct ub_module *const olds[] = {&old};
    old.field_stride = fields[0].size;
    struct test_node node;
    node_open(&node, LUA("module \"town\" {}"), olds, 1);
    assert_true(boot_plan(&node.boot));
    assert_int_equal(((const struct town *)node.boot.plan.instances[0].settings.data)->houses, 7);
    node_close(&node);
}

static void explain_lists_the_fields_of_records(void **state)
{
    (void)state;
    const struct loader loader = {
        .module_dir = TEST_MODULES, .statics = statics, .static_count = 1};
    static const struct {
        const char *what, *has, *has_not;
    } cases[] = {
        {"town.people", "  people[].may.allow     a nested name\n", "houses"},
        {"town.people", "list of tables; no default; a change needs a restart\n", "houses"},
        {"town.people[].age", "  people[].age           in years\n", "name"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        assert_true(explain(&loader, cases[i].what, false, out, stderr));
        fclose(out);
        assert_non_null(strstr(text, cases[i].has));
        assert_null(strstr(text, cases[i].has_not));
        free(text);
    }
}

static void people_of(const struct test_node *node, struct effective *effective_out)
{
    struct plan_block block;
    assert_true(plan_block_at(&node->boot.plan, CORE_BLOCKS, &block));
    assert_true(effective_at(&block, 1, effective_out));
}

/* The text names the secret's file; what counts as the same are its bytes. */
static void records_are_shown_and_compared(void **state)
{
    (void)state;
    struct test_node nodes[3];
    struct effective people[3];
    for (size_t i = 0; i < 3; i++) {
        file_write("eve.key", i < 2 ? "hunter2\n" : "hunter3\n", 0600);
        node_open(&nodes[i],
                  LUA("module \"town\" { people = { { name = \"ann\", age = 40 },\n"
                      "{ name = \"eve\", key = secret \"eve.key\" } } }"),
                  statics, 1);
        assert_true(boot_plan(&nodes[i].boot));
        people_of(&nodes[i], &people[i]);
    }
    char *text = effective_text(&people[0]);
    assert_string_equal(
        text, "{ { name = \"ann\", age = 40 }, { name = \"eve\", key = secret \"eve.key\" } }");
    free(text);
    assert_true(effective_is_same(&people[0], &people[1]));
    assert_false(effective_is_same(&people[0], &people[2]));
    for (size_t i = 0; i < 3; i++) {
        node_close(&nodes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(every_record_is_filled),
        FOLDER_TEST(no_record_is_fine),
        FOLDER_TEST(faults_in_records_come_at_once_with_their_lines),
        FOLDER_TEST(lines_of_records_count_what_comes_before),
        FOLDER_TEST(what_is_no_list_of_tables_is_refused),
        FOLDER_TEST(records_are_limited),
        FOLDER_TEST(set_options_cannot_reach_records),
        FOLDER_TEST(faulty_tables_of_records_are_refused),
        FOLDER_TEST(short_fields_still_count),
        FOLDER_TEST(explain_lists_the_fields_of_records),
        FOLDER_TEST(records_are_shown_and_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
