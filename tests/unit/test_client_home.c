/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include <unibus-client/home.h>
#include <unibus-client/identity.h>

#include "client_stub.h"

static int setup(void **state)
{
    *state = stub_folder_make();
    return sodium_init() < 0;
}

static int teardown(void **state)
{
    stub_folder_remove(*state);
    return 0;
}

static void makes_what_is_missing(void **state)
{
    char path[128];
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    struct stat stat;
    snprintf(path, sizeof(path), "%s/a/b", (char *)*state);
    assert_int_equal(unibus_home_open(path, &home, &err), UNIBUS_OK);
    assert_int_equal(lstat(path, &stat), 0);
    assert_int_equal(stat.st_mode & 0777, 0700);
    unibus_home_close(&home);
    assert_null(home);
}

static void refuses_a_folder_that_others_may_read(void **state)
{
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    assert_int_equal(chmod(*state, 0750), 0);
    assert_int_equal(unibus_home_open(*state, &home, &err), UNIBUS_DENIED);
    assert_non_null(strstr(err.message, "0750"));
    assert_non_null(strstr(err.fix, "chmod 700"));
}

static void refuses_a_folder_of_somebody_else(void **state)
{
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    if (chown(*state, 12345, 12345) != 0) {
        skip(); /* only root can give a folder away */
    }
    assert_int_equal(unibus_home_open(*state, &home, &err), UNIBUS_DENIED);
    assert_non_null(strstr(err.message, "12345"));
}

static void a_document_is_replaced_whole(void **state)
{
    char path[160];
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    struct stat first, second;
    json_t *doc = json_pack("{s:i}", "n", 1), *back;
    assert_int_equal(unibus_home_open(*state, &home, &err), UNIBUS_OK);
    assert_int_equal(unibus_home_write(home, "rooms/x.json", doc, &err), UNIBUS_OK);
    snprintf(path, sizeof(path), "%s/rooms/x.json", (char *)*state);
    assert_int_equal(lstat(path, &first), 0);
    assert_int_equal(first.st_mode & 0777, 0600);
    json_object_set_new(doc, "n", json_integer(2));
    assert_int_equal(unibus_home_write(home, "rooms/x.json", doc, &err), UNIBUS_OK);
    assert_int_equal(lstat(path, &second), 0);
    assert_true(first.st_ino != second.st_ino); /* renamed over, not written into */
    assert_int_equal(unibus_home_read(home, "rooms/x.json", &back, &err), UNIBUS_OK);
    assert_true(json_equal(doc, back));
    json_t *names = unibus_home_list(home, "rooms");
    assert_int_equal(json_array_size(names), 1); /* nothing is left beside it */
    assert_string_equal(json_string_value(json_array_get(names, 0)), "x");
    json_decref(names);
    json_decref(back);
    json_decref(doc);
    unibus_home_close(&home);
}

static void a_failed_write_leaves_the_old_document(void **state)
{
    char path[160];
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    json_t *doc = json_pack("{s:i}", "n", 1), *back;
    assert_int_equal(unibus_home_open(*state, &home, &err), UNIBUS_OK);
    assert_int_equal(unibus_home_write(home, "a.json", doc, &err), UNIBUS_OK);
    /* A folder of that name cannot be renamed over: the write fails after the new text is there. */
    snprintf(path, sizeof(path), "%s/b.json", (char *)*state);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(unibus_home_write(home, "b.json", doc, &err), UNIBUS_FAILED);
    assert_int_equal(unibus_home_read(home, "a.json", &back, &err), UNIBUS_OK);
    assert_true(json_equal(doc, back));
    assert_int_equal(unibus_home_read(home, "none.json", &back, &err), UNIBUS_NOT_FOUND);
    json_decref(back);
    json_decref(doc);
    unibus_home_close(&home);
}

static void refuses_doubled_keys(void **state)
{
    char path[160];
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    json_t *doc;
    snprintf(path, sizeof(path), "%s/x.json", (char *)*state);
    FILE *file = fopen(path, "w");
    fputs("{\"a\":1,\"a\":2}", file);
    fclose(file);
    assert_int_equal(unibus_home_open(*state, &home, &err), UNIBUS_OK);
    assert_int_equal(unibus_home_read(home, "x.json", &doc, &err), UNIBUS_FAILED);
    unibus_home_close(&home);
}

/* 50 processes-worth of read-modify-write by two processes: none is lost. */
static void add_many(const char *path)
{
    struct unibus_home *home;
    struct unibus_err err;
    unibus_home_open(path, &home, &err);
    for (int i = 0; i < 25; i++) {
        json_t *doc = NULL;
        unibus_home_lock(home, &err);
        if (unibus_home_read(home, "n.json", &doc, &err) != UNIBUS_OK) {
            doc = json_pack("{s:i}", "n", 0);
        }
        json_int_t n = json_integer_value(json_object_get(doc, "n"));
        json_object_set_new(doc, "n", json_integer(n + 1));
        unibus_home_write(home, "n.json", doc, &err);
        json_decref(doc);
        unibus_home_unlock(home);
    }
    unibus_home_close(&home);
}

static void the_lock_excludes_other_processes(void **state)
{
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    json_t *doc;
    pid_t child = fork();
    if (child == 0) {
        add_many(*state);
        _exit(0);
    }
    add_many(*state);
    waitpid(child, NULL, 0);
    assert_int_equal(unibus_home_open(*state, &home, &err), UNIBUS_OK);
    assert_int_equal(unibus_home_read(home, "n.json", &doc, &err), UNIBUS_OK);
    assert_int_equal(json_integer_value(json_object_get(doc, "n")), 50);
    json_decref(doc);
    unibus_home_close(&home);
}

static void an_identity_is_made_once_and_its_account_key_is_not_kept(void **state)
{
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    struct unibus_identity made, loaded, second;
    char recovery[UBR_RECOVERY_TEXT_LEN + 1], path[160];
    uint8_t seed[UBR_SEED_LEN];
    struct ubr_account_keys keys;
    assert_int_equal(unibus_home_open(*state, &home, &err), UNIBUS_OK);
    assert_int_equal(unibus_identity_load(home, &loaded, &err), UNIBUS_NOT_FOUND);
    assert_int_equal(unibus_identity_create(home, false, &made, recovery, &err), UNIBUS_OK);
    assert_int_equal(unibus_identity_create(home, false, &second, recovery, &err), UNIBUS_CONFLICT);
    assert_int_equal(unibus_identity_load(home, &loaded, &err), UNIBUS_OK);
    assert_memory_equal(loaded.sign.sk, made.sign.sk, sizeof(made.sign.sk));
    assert_memory_equal(loaded.head, made.head, UBR_HASH_LEN);
    assert_string_equal(loaded.id, made.id);
    assert_int_equal(ubr_recovery_decode(ubr_bytes_of_text(recovery), seed), UBR_OK);
    ubr_account_keys_derive(seed, &keys);
    assert_memory_equal(keys.account.pk, made.account_pk, UBR_KEY_LEN);
    /* Neither the seed nor the key stands in the file, in any of its spellings. */
    char text[65536], needle[64];
    snprintf(path, sizeof(path), "%s/identity.json", (char *)*state);
    FILE *file = fopen(path, "r");
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    sodium_bin2base64(needle, sizeof(needle), seed, 32, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    assert_null(strstr(text, needle));
    sodium_bin2base64(needle, sizeof(needle), keys.account.sk, 32,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    assert_null(strstr(text, needle));
    unibus_identity_clear(&made);
    unibus_identity_clear(&loaded);
    unibus_home_close(&home);
}

static void a_service_signs_with_its_account_key(void **state)
{
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    struct unibus_identity service;
    char recovery[UBR_RECOVERY_TEXT_LEN + 1];
    assert_int_equal(unibus_home_open(*state, &home, &err), UNIBUS_OK);
    assert_int_equal(unibus_identity_create(home, true, &service, recovery, &err), UNIBUS_OK);
    assert_memory_equal(service.sign.pk, service.account_pk, UBR_KEY_LEN);
    unibus_identity_clear(&service);
    unibus_home_close(&home);
}

static void a_damaged_record_is_refused(void **state)
{
    struct unibus_home *home;
    struct unibus_err err = UNIBUS_ERR_INIT;
    struct unibus_identity identity;
    char recovery[UBR_RECOVERY_TEXT_LEN + 1];
    json_t *doc;
    assert_int_equal(unibus_home_open(*state, &home, &err), UNIBUS_OK);
    assert_int_equal(unibus_identity_create(home, false, &identity, recovery, &err), UNIBUS_OK);
    unibus_identity_clear(&identity);
    assert_int_equal(unibus_home_read(home, "identity.json", &doc, &err), UNIBUS_OK);
    json_t *record = json_array_get(json_object_get(doc, "records"), 0);
    json_object_set(record, "pop", json_object_get(record, "sig"));
    assert_int_equal(unibus_home_write(home, "identity.json", doc, &err), UNIBUS_OK);
    assert_int_equal(unibus_identity_load(home, &identity, &err), UNIBUS_UNVERIFIED);
    assert_string_equal(err.code, "E-POP");
    json_decref(doc);
    unibus_home_close(&home);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(makes_what_is_missing),
        CASE(refuses_a_folder_that_others_may_read),
        CASE(refuses_a_folder_of_somebody_else),
        CASE(a_document_is_replaced_whole),
        CASE(a_failed_write_leaves_the_old_document),
        CASE(refuses_doubled_keys),
        CASE(the_lock_excludes_other_processes),
        CASE(an_identity_is_made_once_and_its_account_key_is_not_kept),
        CASE(a_service_signs_with_its_account_key),
        CASE(a_damaged_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
