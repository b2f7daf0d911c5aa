/* SPDX-License-Identifier: Apache-2.0
 *
 * Flipped bits, zeroed pages and cut files: a store may refuse, it may name damage, it never gives
 * a wrong value, never calls a key absent that was written, never creates it again. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "core/kit.h"
#include "kv_own.h"

#define RECORDS    300
#define VALUE_SIZE 200

/* The file of a store in good order. */
struct image {
    uint8_t *bytes;
    size_t len;
};

/* What readers got from all damaged images together. */
struct tally {
    int images, refused_starts, right, damaged;
    int wrong, missing, created_again, short_lists, silent;
};

static void record_of(int i, char key[32], char value[VALUE_SIZE + 1])
{
    snprintf(key, 32, "room/%d/%03d", i % 10, i);
    for (int j = 0; j < VALUE_SIZE; j++) {
        value[j] = (char)('a' + (i * 7 + j) % 26);
    }
    value[VALUE_SIZE] = '\0';
}

static struct image read_file(struct own *own, const char *name)
{
    struct image image = {NULL, 0};
    struct stat st;
    int fd = open(own_path(own, name), O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    image.len = (size_t)st.st_size;
    image.bytes = malloc(image.len + 1);
    assert_non_null(image.bytes);
    assert_int_equal(read(fd, image.bytes, image.len), st.st_size);
    close(fd);
    return image;
}

static struct image make_image(struct own *own)
{
    own_start(own);
    for (int i = 0; i < RECORDS; i++) {
        char key[32], value[VALUE_SIZE + 1];
        record_of(i, key, value);
        own_put(own, key, value);
    }
    rig_stop(&own->rig);
    return read_file(own, "unibus.db");
}

static void write_file(struct own *own, const char *name, const struct image *image)
{
    int fd = open(own_path(own, name), O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->bytes, image->len), (ssize_t)image->len);
    close(fd);
}

static void write_image(struct own *own, const uint8_t *bytes, size_t len)
{
    struct image image = {(uint8_t *)(uintptr_t)bytes, len};
    unlink(own_path(own, "unibus.db-wal"));
    unlink(own_path(own, "unibus.db-shm"));
    write_file(own, "unibus.db", &image);
}

static void read_one(struct own *own, int i, struct tally *tally)
{
    char key[32], value[VALUE_SIZE + 1], got[VALUE_SIZE + 100];
    record_of(i, key, value);
    enum ub_status status = own_get(own, key, got, sizeof(got));
    if (status == UB_OK) {
        bool is_right = strcmp(got, value) == 0;
        tally->right += is_right;
        tally->wrong += !is_right;
    } else {
        tally->missing += status == UB_ENOTFOUND;
        tally->damaged += status == UB_EDAMAGED;
    }
    if (status != UB_OK) {
        tally->created_again += own_try(own, UB_KV_CREATE, key, "again", 0) == UB_OK;
    }
}

struct listing {
    int count, wrong;
};

static bool check_entry(void *arg, const struct ub_kv_entry *entry)
{
    struct listing *listing = arg;
    char key[32], value[VALUE_SIZE + 1];
    int number = 0;
    if (entry->key.count == 3 && entry->key.segments[2].len == 3) {
        char digits[4] = {0}; /* a segment does not end with NUL */
        memcpy(digits, entry->key.segments[2].ptr, 3);
        number = atoi(digits);
    }
    record_of(number, key, value);
    listing->count++;
    listing->wrong +=
        entry->value.len != VALUE_SIZE || memcmp(entry->value.ptr, value, VALUE_SIZE) != 0;
    return true;
}

static void list_all(struct own *own, struct tally *tally)
{
    struct ub_kv_key all = {0};
    struct listing listing = {0, 0};
    enum ub_status status =
        own->ops->list(own->bucket, &all, &all, 0, check_entry, &listing, &own->err);
    tally->wrong += listing.wrong;
    tally->short_lists += status == UB_OK && listing.count != RECORDS;
}

static void read_image(struct own *own, struct tally *tally)
{
    int before = tally->right;
    tally->images++;
    if (own_try_start(own) != UB_OK) {
        tally->refused_starts++;
        assert_true(own->err.message[0] != '\0');
        rig_stop(&own->rig);
        return;
    }
    list_all(own, tally);
    for (int i = 0; i < RECORDS; i++) {
        read_one(own, i, tally);
    }
    bool is_named = strstr(rig_health(&own->rig), "problem E-KV-001") != NULL;
    tally->silent += tally->right - before != RECORDS && !is_named;
    rig_stop(&own->rig);
}

static void expect_honest(const char *what, const struct tally *tally)
{
    printf("%s: %d images, %d starts refused, %d right, %d damaged, %d wrong, %d missing, "
           "%d created again, %d short lists, %d silent\n",
           what, tally->images, tally->refused_starts, tally->right, tally->damaged, tally->wrong,
           tally->missing, tally->created_again, tally->short_lists, tally->silent);
    assert_int_equal(tally->wrong, 0);
    assert_int_equal(tally->missing, 0);
    assert_int_equal(tally->created_again, 0);
    assert_int_equal(tally->short_lists, 0);
    assert_int_equal(tally->silent, 0);
}

/* The control: SQLite alone serves flipped bits, so the harness can see wrong data. */
static int wrong_by_sqlite_alone(struct own *own)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int wrong = 0;
    sqlite3_open_v2(own_path(own, "unibus.db"), &db, SQLITE_OPEN_READONLY, NULL);
    sqlite3_prepare_v2(db, "SELECT value, revision FROM record", -1, &stmt, NULL);
    while (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW) {
        char key[32], value[VALUE_SIZE + 1];
        int64_t revision = sqlite3_column_int64(stmt, 1);
        record_of((int)((revision - 1) % RECORDS), key, value);
        wrong += sqlite3_column_bytes(stmt, 0) != VALUE_SIZE ||
                 memcmp(sqlite3_column_blob(stmt, 0), value, VALUE_SIZE) != 0;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return wrong;
}

static void flipped_bits(void **state)
{
    struct own *own = *state;
    struct tally tally = {0};
    struct image image = make_image(own);
    int control = 0;
    srand(20260726);
    for (int i = 0; i < 150; i++) {
        size_t at = (size_t)rand() % image.len;
        uint8_t bit = (uint8_t)(1 << rand() % 8);
        image.bytes[at] ^= bit;
        write_image(own, image.bytes, image.len);
        control += wrong_by_sqlite_alone(own) > 0;
        write_image(own, image.bytes, image.len);
        read_image(own, &tally);
        image.bytes[at] ^= bit;
    }
    free(image.bytes);
    printf("control: SQLite alone was wrong in %d of 150\n", control);
    assert_true(control > 10);
    expect_honest("flipped bits", &tally);
}

static void zeroed_pages(void **state)
{
    struct own *own = *state;
    struct tally tally = {0};
    struct image image = make_image(own);
    uint8_t *page = malloc(4096);
    assert_non_null(page);
    for (size_t at = 0; at + 4096 <= image.len; at += 4096) {
        memcpy(page, image.bytes + at, 4096);
        memset(image.bytes + at, 0, 4096);
        write_image(own, image.bytes, image.len);
        read_image(own, &tally);
        memcpy(image.bytes + at, page, 4096);
    }
    free(page);
    free(image.bytes);
    expect_honest("zeroed pages", &tally);
}

static void cut_files(void **state)
{
    struct own *own = *state;
    struct tally tally = {0};
    struct image image = make_image(own);
    srand(4711);
    for (int i = 0; i < 40; i++) {
        size_t len = i < 8 ? image.len - (size_t)i * 1000 - 1 : 1 + (size_t)rand() % image.len;
        write_image(own, image.bytes, len);
        read_image(own, &tally);
    }
    free(image.bytes);
    expect_honest("cut files", &tally);
}

/* ---- the WAL of a store that was killed -------------------------------------------------------
 */

#define WAL_RECORDS 40

/* Every record is a transaction of its own. */
static void write_and_be_killed(struct own *own)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        own_start(own);
        for (int i = 0; i < WAL_RECORDS; i++) {
            char key[32], value[VALUE_SIZE + 1];
            record_of(i, key, value);
            own_put(own, key, value);
        }
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

/* The last transaction may be gone: nothing on disk tells damage to it from an end that was under
 * way. Any other must be there, or the start refused. */
static void open_wal_image(struct own *own, struct tally *tally)
{
    tally->images++;
    if (own_try_start(own) != UB_OK) {
        tally->refused_starts++;
        assert_non_null(strstr(own->err.message, "-wal is damaged at byte"));
        rig_stop(&own->rig);
        return;
    }
    for (int i = 0; i < WAL_RECORDS - 1; i++) {
        read_one(own, i, tally);
    }
    rig_stop(&own->rig);
}

static void flipped_bits_in_the_wal(void **state)
{
    struct own *own = *state;
    struct tally tally = {0};
    write_and_be_killed(own);
    struct image file = read_file(own, "unibus.db"), wal = read_file(own, "unibus.db-wal");
    srand(1148);
    for (int i = 0; i < 120; i++) {
        size_t at = i < 32 ? (size_t)i : (size_t)rand() % wal.len;
        uint8_t bit = (uint8_t)(1 << rand() % 8);
        wal.bytes[at] ^= bit;
        unlink(own_path(own, "unibus.db-shm"));
        write_file(own, "unibus.db", &file);
        write_file(own, "unibus.db-wal", &wal);
        open_wal_image(own, &tally);
        wal.bytes[at] ^= bit;
    }
    free(file.bytes);
    free(wal.bytes);
    assert_true(tally.refused_starts > 60);
    expect_honest("flipped bits in the WAL", &tally);
}

/* A power cut leaves the end of the WAL cut or with old content: that is no damage. */
static void cut_wal_is_no_damage(void **state)
{
    struct own *own = *state;
    struct tally tally = {0};
    write_and_be_killed(own);
    struct image file = read_file(own, "unibus.db"), wal = read_file(own, "unibus.db-wal");
    for (size_t cut = 0; cut < 9000; cut += 777) {
        struct image shorter = {wal.bytes, wal.len - cut};
        unlink(own_path(own, "unibus.db-shm"));
        write_file(own, "unibus.db", &file);
        write_file(own, "unibus.db-wal", &shorter);
        assert_int_equal(own_try_start(own), UB_OK);
        tally.images++;
        rig_stop(&own->rig);
    }
    free(file.bytes);
    free(wal.bytes);
    expect_honest("cut WAL", &tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flipped_bits, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(zeroed_pages, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(cut_files, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(flipped_bits_in_the_wal, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(cut_wal_is_no_damage, own_setup, own_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
