/* SPDX-License-Identifier: Apache-2.0
 *
 * The zoo of broken modules (tests/modules/zoo): each is refused with its own sentence. */
#include "test_core_node.h"

#include <core/loop.h>

#include <sodium.h>

#define FAILS(lua, expected) plan_fails(lua, NULL, 0, expected)
#define ONE(message)         "unibus.lua:2: module \"" message "\n1 error, nothing was started.\n"
#define ZOO(name)            TEST_MODULES "/" name ".so"

static void zoo_copy(const char *name, const char *to)
{
    char command[512];
    snprintf(command, sizeof(command), "cp %s/%s.so %s", TEST_MODULES, name, to);
    assert_int_equal(system(command), 0);
}

static void sound_modules_load(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"zoo-sound\" { number = 5 }\nmodule \"good\" {}"), NULL, 0);
    bool is_planned = boot_plan(&node.boot);
    assert_string_equal(is_planned ? "" : node_report(&node, ""), "");
    assert_string_equal(node.boot.plan.instances[0].loaded.file, ZOO("zoo-sound"));
    node_close(&node);
}

static void abi_must_fit(void **state)
{
    (void)state;
    FAILS(LUA("module \"zoo-major\" {}"),
          ONE("zoo-major\" was built for ABI 2.0, but this membershipd has ABI 1.1: rebuild the "
              "module against this version's include/unibus"));
    FAILS(LUA("module \"zoo-minor\" {}"),
          ONE("zoo-minor\" needs ABI 1.7, but this membershipd has ABI 1.1: update membershipd, or "
              "take an older version of the module"));
}

static enum ub_status op_create(const struct ub_host *host, const void *settings, void **self_out,
                                struct ub_err *err)
{
    (void)host;
    (void)settings;
    (void)self_out;
    (void)err;
    return UB_OK;
}

static enum ub_status op_prepare(void *self, const void *settings, void **token_out,
                                 struct ub_err *err)
{
    (void)self;
    (void)settings;
    (void)token_out;
    (void)err;
    return UB_OK;
}

static void op_commit(void *self, void *token)
{
    (void)self;
    (void)token;
}

static void descriptor_must_fit(void **state)
{
    (void)state;
    char expected[512];
    FAILS(LUA("module \"zoo-symbol\" {}"),
          ONE("zoo-symbol\": " ZOO("zoo-symbol") " has no symbol \"unibus_module\", so it is not a "
                                                 "unibus module: declare one with UB_MODULE = { "
                                                 "… } (include/unibus/module.h)"));
    snprintf(expected, sizeof(expected),
             ONE("zoo-short\": its descriptor has 8 bytes, but ABI 1.0 has at least %zu: rebuild "
                 "the module"),
             sizeof(struct ub_module));
    FAILS(LUA("module \"zoo-short\" {}"), expected);
    snprintf(expected, sizeof(expected),
             ONE("zoo-long\": its descriptor claims 4096 bytes, but the file has %zu: rebuild the "
                 "module with .size = sizeof(struct ub_module)"),
             sizeof(struct ub_module));
    FAILS(LUA("module \"zoo-long\" {}"), expected);
    FAILS(
        LUA("module \"zoo-name\" {}"),
        ONE("zoo-name\": " ZOO("zoo-name") " calls itself \"somebody-else\", but the config names "
                                           "it \"zoo-name\": write module \"somebody-else\", or "
                                           "give the module's descriptor .name = \"zoo-name\""));
    snprintf(expected, sizeof(expected),
             ONE("zoo-ops\": its ops table has 16 bytes, but ABI 1.0 has at least %zu: rebuild the "
                 "module"),
             offsetof(struct ub_module_ops, health) + sizeof(void (*)(void)));
    FAILS(LUA("module \"zoo-ops\" {}"), expected);
}

/* A table that contradicts itself: name of the module, what is said of it. */
static void tables_must_be_sound(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"zoo-create", ": its ops table has no create"},
        {"zoo-destroy", ": its ops table has no destroy"},
        {"zoo-field", ": its setting 2 \"number\" lies outside of its settings"},
        {"zoo-align",
         ": its setting 2 \"number\" lies where its C type cannot lie: use the UB_FIELD "
         "macros"},
        {"zoo-over", ": its setting 2 \"number\" lies over an earlier one in the settings struct"},
        {"zoo-again", ": its setting 2 \"first\" has the name of an earlier one"},
        {"zoo-word", ": its setting 2 \"a-b\" has a name that no config can write: letters, digits "
                     "and \"_\", parts joined by \".\""},
        {"zoo-reserved", ": its setting 2 \"path\" has a name that every module block reserves for "
                         "the loader"},
        {"zoo-kind", ": its setting 2 \"number\" has a kind that this membershipd does not know"},
        {"zoo-choice", ": its setting 2 \"number\" has no choices"},
        {"zoo-service", ": its setting 2 \"number\" names no interface"},
        {"zoo-range", ": its setting 2 \"number\" has a maximum below its minimum"},
        {"zoo-default", ": its own default number = \"many\": a whole number is needed; tell the "
                        "author of the module"},
        {"zoo-live", ": its setting 2 \"number\" is live, but its ops table has no prepare and "
                     "commit"},
        {"zoo-provides", " provides t.kv twice"},
        {"zoo-nameless", ": interface 2 that it provides has no name or no ops table"},
        {"zoo-setting", ": its setting \"first\" is to pick who provides t.kv, but it declares no "
                        "UB_FIELD_SERVICE of that name"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char lua[128], expected[512];
        snprintf(lua, sizeof(lua), LUA("module \"%s\" {}"), cases[i][0]);
        snprintf(expected, sizeof(expected), ONE("%s\"%s"), cases[i][0], cases[i][1]);
        FAILS(lua, expected);
    }
    char expected[256];
    snprintf(
        expected, sizeof(expected),
        ONE("zoo-stride\": its table of settings has 2 entries of 8 bytes, but an entry has at "
            "least %zu"),
        offsetof(struct ub_field, record));
    FAILS(LUA("module \"zoo-stride\" {}"), expected);
}

static enum ub_status create_badly(const struct ub_host *host, const void *settings,
                                   void **self_out, struct ub_err *err)
{
    (void)host;
    (void)settings;
    (void)self_out;
    (void)err;
    return (enum ub_status)999;
}

static void garbage_is_named(void **state)
{
    (void)state;
    static const struct ub_module_ops ops = {
        .size = sizeof(ops), .create = create_badly, .destroy = free};
    static const struct ub_module module = {
        .size = sizeof(module), .abi_major = 1, .name = "mute", .ops = &ops};
    static const struct ub_module *const statics[] = {&module};
    plan_fails(LUA("module \"mute\" {}"), statics, 1,
               ONE("mute\": a module refuses its settings, and it gives no reason (\"unknown "
                   "status\", 999): tell its author to fill the ub_err"));
}

static void op_retire(void *self)
{
    (void)self;
}

static bool op_is_retired(void *self)
{
    (void)self;
    return true;
}

/* Pairs of entries that make sense together only. */
static void ops_go_together(void **state)
{
    (void)state;
    static const struct {
        struct ub_module_ops ops;
        const char *missing;
    } cases[] = {
        {{.prepare = op_prepare, .commit = op_commit}, "commit or no abort, though it has prepare"},
        {{.commit = op_commit, .abort = op_commit}, "prepare, though it has commit or abort"},
        {{.retire = op_retire}, "is_retired, though it has retire"},
        {{.is_retired = op_is_retired}, "retire, though it has is_retired"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ub_module_ops ops = cases[i].ops;
        char expected[256];
        ops.size = sizeof(ops);
        ops.create = op_create;
        ops.destroy = free;
        const struct ub_module module = {.size = sizeof(module),
                                         .abi_major = 1,
                                         .name = "pairs",
                                         .version = "1",
                                         .summary = "pairs",
                                         .ops = &ops};
        const struct ub_module *const statics[] = {&module};
        snprintf(expected, sizeof(expected), ONE("pairs\": its ops table has no %s"),
                 cases[i].missing);
        plan_fails(LUA("module \"pairs\" {}"), statics, 1, expected);
    }
}

static void files_must_be_there(void **state)
{
    (void)state;
    FAILS(LUA("module \"zoo-sond\" {}"),
          ONE("zoo-sond\": there is no file " ZOO("zoo-sond") " (did you mean \"zoo-sound\"?)"));
    FAILS(
        LUA("module \"zoo-sound\" { path = \"zoo-sound.so\" }"),
        ONE("zoo-sound\": path = \"zoo-sound.so\" is not absolute: write the whole path, or leave "
            "it out to take zoo-sound.so from " TEST_MODULES));
    FAILS(LUA("module \"zoo-sound\" { path = 5 }"), ONE("zoo-sound\": path: a text is needed"));
    FAILS(LUA("module \"zoo-sound\" { path = \"/usr/bin\" }"),
          ONE("zoo-sound\": /usr/bin is not a regular file"));
}

/* Changes bytes of a copy of zoo-sound, which lies in the test's folder. */
static void zoo_patch(const char *to, long offset, const void *bytes, size_t len)
{
    zoo_copy("zoo-sound", to);
    FILE *file = fopen(to, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static void file_is_refused(const char *name, const char *why)
{
    char lua[256], expected[512];
    snprintf(lua, sizeof(lua), LUA("module \"zoo-sound\" { path = \"%s/%s\" }"), test_folder, name);
    snprintf(expected, sizeof(expected), ONE("zoo-sound\": %s/%s %s"), test_folder, name, why);
    FAILS(lua, expected);
}

static void other_files_are_no_modules(void **state)
{
    (void)state;
    static const uint8_t aarch64[] = {183, 0}, narrow[] = {1}, big[] = {2}, object[] = {1, 0},
                         program[] = {2, 0};
    file_write("text.so", "not an object, but longer than the sixty-four bytes of an ELF header\n",
               0600);
    file_write("empty.so", "", 0600);
    file_is_refused("text.so",
                    "is no shared library (not an ELF file): build the module with cc -shared");
    file_is_refused("empty.so",
                    "is no shared library (not an ELF file): build the module with cc -shared");
    zoo_patch("object.so", 16, object, 2);
    file_is_refused("object.so", "is an object file (.o): link it with cc -shared");
    zoo_patch("program.so", 16, program, 2);
    file_is_refused("program.so",
                    "is a program or core file, not a shared library: link it with cc -shared");
#if defined(__x86_64__)
    zoo_patch("arm.so", 18, aarch64, 2);
    file_is_refused("arm.so", "was built for aarch64 (64-bit, little-endian), but this membershipd "
                              "is for x86-64 (64-bit): rebuild the module for this machine");
    zoo_patch("narrow.so", 4, narrow, 1);
    file_is_refused("narrow.so", "was built for x86-64 (32-bit, little-endian), but this "
                                 "membershipd is for x86-64 (64-bit): rebuild the module for this "
                                 "machine");
    zoo_patch("big.so", 5, big, 1);
    file_is_refused("big.so", "was built for machine 15872 (64-bit, big-endian), but this "
                              "membershipd is for x86-64 (64-bit): rebuild the module for this "
                              "machine");
#endif
}

static void what_a_module_lacks_is_named(void **state)
{
    (void)state;
    FAILS(LUA("module \"zoo-undefined\" {}"),
          ONE("zoo-undefined\": cannot be loaded: " ZOO(
              "zoo-undefined") ": undefined symbol: "
                               "zoo_nobody_has_this; link the library that has it into the module: "
                               "nothing of "
                               "membershipd itself can be called, only what create and bind hand "
                               "over"));
    FAILS(LUA("module \"zoo-library\" {}"),
          ONE("zoo-library\": cannot be loaded: libzoo-gone.so: cannot open shared object file: No "
              "such file or directory; install that library, or link it into the module"));
}

static void links_lead_to_the_file(void **state)
{
    (void)state;
    char lua[256], expected[512];
    struct test_node node;
    assert_int_equal(symlink(ZOO("zoo-sound"), "link.so"), 0);
    assert_int_equal(symlink("round.so", "round.so"), 0);
    assert_int_equal(symlink("nowhere.so", "gone.so"), 0);
    snprintf(lua, sizeof(lua), LUA("module \"zoo-sound\" { path = \"%s/link.so\" }"), test_folder);
    node_open(&node, lua, NULL, 0);
    assert_true(boot_plan(&node.boot));
    assert_string_equal(node.boot.plan.instances[0].loaded.file, ZOO("zoo-sound"));
    node_close(&node);
    snprintf(lua, sizeof(lua), LUA("module \"zoo-sound\" { path = \"%s/round.so\" }"), test_folder);
    snprintf(expected, sizeof(expected),
             ONE("zoo-sound\": cannot reach %s/round.so: Too many levels of symbolic links"),
             test_folder);
    FAILS(lua, expected);
    snprintf(lua, sizeof(lua), LUA("module \"zoo-sound\" { path = \"%s/gone.so\" }"), test_folder);
    snprintf(expected, sizeof(expected),
             ONE("zoo-sound\": there is no file %s/gone.so (leave path out to take " ZOO(
                 "zoo-sound") ")"),
             test_folder);
    FAILS(lua, expected);
}

static void several_faults_of_a_file_come_at_once(void **state)
{
    (void)state;
    char lua[256], expected[1024];
    assert_int_equal(mkdir("m", 0700), 0);
    zoo_copy("zoo-sound", "m/zoo-sound.so");
    assert_int_equal(chmod("m/zoo-sound.so", 0602), 0);
    assert_int_equal(chmod("m", 0702), 0);
    snprintf(lua, sizeof(lua),
             LUA("module \"zoo-sound\" { path = \"%s/m/zoo-sound.so\",\nsha256 = \"5\" }"),
             test_folder);
    snprintf(
        expected, sizeof(expected),
        "unibus.lua:2: module \"zoo-sound\": %1$s/m/zoo-sound.so can be written by others (mode "
        "0602): run chmod go-w %1$s/m/zoo-sound.so\n"
        "unibus.lua:2: module \"zoo-sound\": %1$s/m/zoo-sound.so lies in folder %1$s/m, which "
        "can be written by others (mode 0702): run chmod go-w %1$s/m\n"
        "unibus.lua:3: module \"zoo-sound\": sha256 = \"5\" is no SHA-256: 64 hexadecimal "
        "digits are needed\n3 errors, nothing was started.\n",
        test_folder);
    FAILS(lua, expected);
}

extern const struct ub_module unibus_module_good;

static void linked_modules_have_no_file(void **state)
{
    (void)state;
    static const struct ub_module *const statics[] = {&unibus_module_good};
    plan_fails(
        LUA("module \"good\" { path = \"/x.so\",\n sha256 = \"00\" }"), statics, 1,
        "unibus.lua:2: module \"good\": path has no meaning: this module is linked into this "
        "membershipd, leave it out\n"
        "unibus.lua:3: module \"good\": sha256 has no meaning: this module is linked into "
        "this membershipd, leave it out\n"
        "2 errors, nothing was started.\n");
}

static const char *kept_of(const struct test_node *node)
{
    return node->boot.node.log.kept != NULL ? node->boot.node.log.kept : "";
}

static void quit_after_ticks(void *arg)
{
    struct test_node *node = arg;
    if (strstr(kept_of(node), "old-tick") != NULL) {
        boot_stop(&node->boot);
    }
}

/* A binary of the oldest ABI runs through its whole life. */
static void modules_of_abi_1_0_run(void **state)
{
    (void)state;
    struct test_node node;
    node_open(
        &node,
        LUA("module \"abi-old\" { text = \"hello\", mode = \"c\", listen = { \"[::1]:1\" } }\n"
            "posture { require = \"dev\" }"),
        NULL, 0);
    bool is_planned = boot_plan(&node.boot) && boot_start(&node.boot);
    assert_string_equal(is_planned ? "" : node_report(&node, ""), "");
    assert_int_equal(node.boot.plan.instances[0].loaded.module.abi_minor, 0);
    struct ub_timer *timer = loop_timer_start(node.boot.node.main, 10, quit_after_ticks, &node);
    assert_true(boot_run(&node.boot));
    loop_timer_stop(&timer);
    assert_non_null(strstr(kept_of(&node), "old-tick: a tick text=hello mode=2 listens=1 line=2"));
    node_close(&node);
}

static void what_others_can_write_is_refused(void **state)
{
    (void)state;
    char lua[256], expected[1024];
    const char *real = test_folder; /* /tmp is no link */
    assert_int_equal(mkdir("m", 0700), 0);
    zoo_copy("zoo-sound", "m/zoo-sound.so");
    snprintf(lua, sizeof(lua), LUA("module \"zoo-sound\" { path = \"%s/m/zoo-sound.so\" }"), real);

    assert_int_equal(chmod("m/zoo-sound.so", 0666), 0);
    snprintf(expected, sizeof(expected),
             ONE("zoo-sound\": %s/m/zoo-sound.so can be written by others (mode 0666): run chmod "
                 "go-w %s/m/zoo-sound.so"),
             real, real);
    FAILS(lua, expected);

    assert_int_equal(chmod("m/zoo-sound.so", 0600), 0);
    assert_int_equal(chmod("m", 0777), 0);
    snprintf(expected, sizeof(expected),
             ONE("zoo-sound\": %s/m/zoo-sound.so lies in folder %s/m, which can be written by "
                 "others (mode 0777): run chmod go-w %s/m"),
             real, real, real);
    FAILS(lua, expected);

    /* A sticky bit protects a file in the folders above, but not in its own. */
    assert_int_equal(chmod("m", 01777), 0);
    snprintf(expected, sizeof(expected),
             ONE("zoo-sound\": %s/m/zoo-sound.so lies in folder %s/m, which can be written by "
                 "others (mode 1777): run chmod go-w %s/m"),
             real, real, real);
    FAILS(lua, expected);

    assert_int_equal(chmod("m", 0755), 0);
    if (geteuid() == 0) { /* only root can give files away */
        assert_int_equal(chown("m/zoo-sound.so", 12345, 12345), 0);
        snprintf(
            expected, sizeof(expected),
            ONE("zoo-sound\": %s/m/zoo-sound.so belongs to user 12345, but a module belongs to "
                "root or to user 0, who runs this process: run chown root %s/m/zoo-sound.so"),
            real, real);
        FAILS(lua, expected);
    }
}

static void pin_must_fit(void **state)
{
    (void)state;
    char lua[512], expected[1024], hex[65];
    uint8_t hash[32], bytes[1 << 20];
    FILE *file = fopen(ZOO("zoo-sound"), "r");
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    crypto_hash_sha256(hash, bytes, len);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    snprintf(lua, sizeof(lua), LUA("module \"zoo-sound\" { sha256 = \"%s\" }"), hex);
    struct test_node node;
    node_open(&node, lua, NULL, 0);
    assert_true(boot_plan(&node.boot));
    node_close(&node);
    snprintf(lua, sizeof(lua), LUA("module \"zoo-major\" { sha256 = \"%s\" }"), hex);
    node_open(&node, lua, NULL, 0);
    assert_false(boot_plan(&node.boot));
    assert_string_equal(node.boot.report.items[0].code, "E-MODULE-005");
    snprintf(expected, sizeof(expected),
             ", but the config pins %s\n1 error, nothing was started.\n", hex);
    const char *text = node_report(&node, "nothing was started");
    assert_non_null(strstr(text, ZOO("zoo-major") " has sha256 "));
    assert_non_null(strstr(text, expected));
    node_close(&node);
    FAILS(LUA("module \"zoo-sound\" { sha256 = \"abc\" }"),
          ONE("zoo-sound\": sha256 = \"abc\" is no SHA-256: 64 hexadecimal digits are needed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(sound_modules_load),
        FOLDER_TEST(abi_must_fit),
        FOLDER_TEST(descriptor_must_fit),
        FOLDER_TEST(files_must_be_there),
        FOLDER_TEST(tables_must_be_sound),
        FOLDER_TEST(ops_go_together),
        FOLDER_TEST(garbage_is_named),
        FOLDER_TEST(other_files_are_no_modules),
        FOLDER_TEST(what_a_module_lacks_is_named),
        FOLDER_TEST(links_lead_to_the_file),
        FOLDER_TEST(several_faults_of_a_file_come_at_once),
        FOLDER_TEST(linked_modules_have_no_file),
        FOLDER_TEST(modules_of_abi_1_0_run),
        FOLDER_TEST(what_others_can_write_is_refused),
        FOLDER_TEST(pin_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
