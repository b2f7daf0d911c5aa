/* SPDX-License-Identifier: Apache-2.0
 *
 * The zoo of broken modules (tests/modules/zoo): each is refused with its own sentence. */
#include "test_core_node.h"

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

static void descriptor_must_fit(void **state)
{
    (void)state;
    char expected[512];
    FAILS(LUA("module \"zoo-symbol\" {}"),
          ONE("zoo-symbol\": " ZOO("zoo-symbol") " has no symbol \"unibus_module\", so it is not a "
                                                 "unibus module"));
    snprintf(expected, sizeof(expected),
             ONE("zoo-short\": its descriptor has 8 bytes, but ABI 1.0 has at least %zu: rebuild "
                 "the module"),
             sizeof(struct ub_module));
    FAILS(LUA("module \"zoo-short\" {}"), expected);
    snprintf(expected, sizeof(expected),
             ONE("zoo-long\": its descriptor claims 4096 bytes, but the file has %zu: rebuild the "
                 "module"),
             sizeof(struct ub_module));
    FAILS(LUA("module \"zoo-long\" {}"), expected);
    FAILS(
        LUA("module \"zoo-name\" {}"),
        ONE("zoo-name\": " ZOO("zoo-name") " calls itself \"somebody-else\", but the config names "
                                           "it \"zoo-name\""));
    snprintf(expected, sizeof(expected),
             ONE("zoo-ops\": its ops table has 16 bytes, but ABI 1.0 has at least %zu: rebuild the "
                 "module"),
             sizeof(struct ub_module_ops));
    FAILS(LUA("module \"zoo-ops\" {}"), expected);
    FAILS(LUA("module \"zoo-destroy\" {}"),
          ONE("zoo-destroy\": its ops table has no create or no destroy"));
    FAILS(LUA("module \"zoo-field\" {}"),
          ONE("zoo-field\": its setting 1 \"number\" lies outside of its settings"));
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

static void text_files_are_no_modules(void **state)
{
    (void)state;
    struct test_node node;
    char lua[256], start[256];
    file_write("text.so", "not an object\n", 0600);
    snprintf(lua, sizeof(lua), LUA("module \"text\" { path = \"%s/text.so\" }"), test_folder);
    snprintf(start, sizeof(start),
             "unibus.lua:2: module \"text\": cannot be loaded: %s/text.so: ", test_folder);
    node_open(&node, lua, NULL, 0);
    assert_false(boot_plan(&node.boot));
    assert_memory_equal(node_report(&node, ""), start, strlen(start));
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
        FOLDER_TEST(text_files_are_no_modules),
        FOLDER_TEST(what_others_can_write_is_refused),
        FOLDER_TEST(pin_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
