/* SPDX-License-Identifier: Apache-2.0
 *
 * What only kv-lmdb does: its folder, its lock, the map that grows, readers that died, and files
 * that were cut or have flipped bits: it may refuse, it may name damage, it never gives a wrong
 * value, never calls a key absent that was written, never dies of a signal. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <lmdb.h>

#include "core/kit.h"
#include "kv_own.h"

#define DATA "unibus.lmdb/data.mdb"

/* ---- the folder -------------------------------------------------------------------------------
 */

static void files_are_private(void **state)
{
    struct own *own = *state;
    static const char *const files[] = {DATA, "unibus.lmdb/lock.mdb", "unibus.lmdb/unibus.lock"};
    struct stat st;
    own_start(own);
    own_put(own, "k", "v");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(stat(own_path(own, files[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    assert_int_equal(stat(own_path(own, "unibus.lmdb"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void second_opener_is_refused_with_the_pid(void **state)
{
    struct own *own = *state;
    struct rig second;
    char pid[32];
    own_start(own);
    rig_init(&second, &unibus_module_kv_lmdb);
    rig_set(&second, "dir", own_path(own, "unibus.lmdb"));
    assert_int_equal(rig_start(&second, &own->err), UB_EUNAVAILABLE);
    snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
    assert_non_null(strstr(own->err.message, pid));
    own_put(own, "k", "v"); /* the first was not disturbed */
    rig_fini(&second);
}

static void second_process_is_refused_with_the_pid(void **state)
{
    struct own *own = *state;
    int pipes[2], status;
    char pid[32], byte;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool is_open = rig_start(&own->rig, &own->err) == UB_OK;
        _exit(write(pipes[1], &is_open, 1) == 1 && pause() == -1);
    }
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EUNAVAILABLE);
    snprintf(pid, sizeof(pid), "pid %d", (int)child);
    assert_non_null(strstr(own->err.message, pid));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    own_start(own); /* the lock ended with its process */
    assert_non_null(strstr(kit_log(own->rig.host), "unclean"));
    close(pipes[0]);
    close(pipes[1]);
}

static void refuse(struct own *own, const char *below, mode_t mode, uid_t owner, const char *word)
{
    const char *path = own_path(own, below);
    assert_int_equal(chown(path, owner, (gid_t)-1), 0);
    assert_int_equal(chmod(path, mode), 0);
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EDENIED);
    assert_non_null(strstr(own->err.message, word));
    assert_non_null(strstr(own->err.message, path));
    assert_int_equal(chown(path, 0, (gid_t)-1), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static void unsafe_folders_and_files_are_refused(void **state)
{
    struct own *own = *state;
    if (geteuid() != 0) {
        skip();
    }
    own_start(own);
    rig_stop(&own->rig);
    refuse(own, "unibus.lmdb", 0500, 0, "mode 0500");
    refuse(own, "unibus.lmdb", 0770, 0, "mode 0770");
    refuse(own, "unibus.lmdb", 0700, 1234, "uid 1234");
    refuse(own, DATA, 0400, 0, "mode 0400");
    refuse(own, DATA, 0600, 1234, "uid 1234");
    own_start(own);
}

static void link_in_place_of_the_folder_is_refused(void **state)
{
    struct own *own = *state;
    assert_int_equal(symlink("/tmp", own_path(own, "unibus.lmdb")), 0);
    assert_int_not_equal(rig_start(&own->rig, &own->err), UB_OK);
    assert_int_equal(access("/tmp/data.mdb", F_OK), -1);
}

static void store_that_was_never_finished_is_made_anew(void **state)
{
    struct own *own = *state;
    own_start(own);
    rig_stop(&own->rig);
    int fd = open(own_path(own, "unibus.lmdb/unibus.new"), O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0 && truncate(own_path(own, DATA), 5000) == 0);
    close(fd);
    own_start(own);
    own_put(own, "k", "v");
    assert_int_equal(access(own_path(own, "unibus.lmdb/unibus.new"), F_OK), -1);
}

static void map_start_above_map_max_is_refused(void **state)
{
    struct own *own = *state;
    rig_set(&own->rig, "map_start", "2 MiB");
    rig_set(&own->rig, "map_max", "1 MiB");
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EINVAL);
    assert_non_null(strstr(own->err.message, "map_start"));
}

/* ---- what the file says -----------------------------------------------------------------------
 */

/* Opens the folder with LMDB itself, behind the module's back; the module is stopped. */
static MDB_txn *raw_begin(struct own *own, MDB_env **env_out)
{
    MDB_txn *txn = NULL;
    MDB_dbi dbi;
    assert_int_equal(mdb_env_create(env_out), 0);
    assert_int_equal(mdb_env_open(*env_out, own_path(own, "unibus.lmdb"), MDB_NOTLS, 0600), 0);
    assert_int_equal(mdb_txn_begin(*env_out, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    return txn;
}

static void commit_without_name(struct own *own, const char *text)
{
    static char name[] = "\0unibus";
    MDB_env *env = NULL;
    MDB_txn *txn = raw_begin(own, &env);
    MDB_val key = {sizeof(name) - 1, name}, value = {strlen(text), (void *)(uintptr_t)text};
    assert_int_equal(mdb_put(txn, 1, &key, &value, 0), 0);
    /* A commit of ours also names itself: without that the file is no whole store. */
    for (int copy = 0; copy < 2; copy++) {
        char fact[] = "\x01"
                      "commit";
        fact[0] = copy == 0 ? 0x01 : (char)0xf0;
        key = (MDB_val){7, fact};
        assert_int_equal(mdb_del(txn, 1, &key, NULL), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void commit_behind_our_back_is_noticed(void **state)
{
    struct own *own = *state;
    own_start(own);
    rig_stop(&own->rig);
    commit_without_name(own, "ub.kv 1");
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EINVAL);
    assert_non_null(strstr(own->err.message, "no unibus store"));
}

/* The version stands in the file as text and under no checksum. */
static void set_version(struct own *own, char from, char to)
{
    static char bytes[1 << 20];
    int fd = open(own_path(own, DATA), O_RDWR);
    ssize_t len = read(fd, bytes, sizeof(bytes));
    int found = 0;
    assert_true(len > 0);
    for (ssize_t i = 0; i + 7 <= len; i++) {
        if (memcmp(bytes + i, "ub.kv ", 6) == 0 && bytes[i + 6] == from) {
            assert_int_equal(pwrite(fd, &to, 1, i + 6), 1);
            found++;
        }
    }
    close(fd);
    assert_true(found > 0);
}

static void newer_format_is_refused_with_both_versions(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "k", "v");
    rig_stop(&own->rig);
    set_version(own, '1', '7');
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EUNSUPPORTED);
    assert_non_null(strstr(own->err.message,
                           "has format version 7 and this program knows 1: a newer "
                           "program wrote it"));
    set_version(own, '7', '1');
    own_start(own);
    own_expect(own, "k", "v");
}

static void folder_of_another_program_is_refused(void **state)
{
    struct own *own = *state;
    MDB_env *env = NULL;
    assert_int_equal(mkdir(own_path(own, "unibus.lmdb"), 0700), 0);
    MDB_txn *txn = raw_begin(own, &env);
    MDB_val key = {1, (void *)(uintptr_t) "k"}, value = {1, (void *)(uintptr_t) "v"};
    assert_int_equal(mdb_put(txn, 1, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EINVAL);
    assert_non_null(strstr(own->err.message, "no unibus store"));
}

/* ---- damaged files ----------------------------------------------------------------------------
 */

#define RECORDS    300
#define VALUE_SIZE 300

struct image {
    uint8_t *bytes;
    size_t len;
};

/* Shared with the children that read. */
struct tally {
    int images, refused_starts, right, damaged, signals;
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

/* Everything is written twice, so that there are free pages too; a few values are big. */
static struct image make_image(struct own *own)
{
    struct image image;
    struct stat st;
    char *big = malloc(20001);
    assert_non_null(big);
    memset(big, 'b', 20000);
    big[20000] = '\0';
    own_start(own);
    for (int i = 0; i < 2 * RECORDS; i++) {
        char key[32], value[VALUE_SIZE + 1];
        record_of(i % RECORDS, key, value);
        own_put(own, key, value);
        if (i % 50 == 0) {
            snprintf(key, sizeof(key), "zbig/%d", i);
            own_put(own, key, big);
        }
    }
    free(big);
    rig_stop(&own->rig);
    int fd = open(own_path(own, DATA), O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    image.len = (size_t)st.st_size;
    image.bytes = malloc(image.len);
    assert_non_null(image.bytes);
    assert_int_equal(read(fd, image.bytes, image.len), st.st_size);
    close(fd);
    return image;
}

static void write_image(struct own *own, const uint8_t *bytes, size_t len)
{
    int fd = open(own_path(own, DATA), O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
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
        return;
    }
    tally->missing += status == UB_ENOTFOUND;
    tally->damaged += status == UB_EDAMAGED;
    tally->created_again += own_try(own, UB_KV_CREATE, key, "again", 0) == UB_OK;
}

static bool count_small(void *arg, const struct ub_kv_entry *entry)
{
    *(int *)arg += entry->value.len == VALUE_SIZE;
    return true;
}

static void list_all(struct own *own, struct tally *tally)
{
    struct ub_kv_key all = {0};
    int count = 0;
    enum ub_status status =
        own->ops->list(own->bucket, &all, &all, 0, count_small, &count, &own->err);
    tally->short_lists += status == UB_OK && count != RECORDS;
}

static void read_image(struct own *own, struct tally *tally)
{
    int before = tally->right;
    if (own_try_start(own) != UB_OK) {
        tally->refused_starts++;
        tally->silent += own->err.message[0] == '\0';
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

/* In a child, so that a signal is counted and not ours. */
static void read_in_child(struct own *own, struct tally *tally)
{
    int status;
    tally->images++;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        read_image(own, tally);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    tally->signals += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static struct tally *tally_new(void)
{
    struct tally *tally =
        mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(tally != MAP_FAILED);
    return tally;
}

static void expect_honest(const char *what, struct tally *t)
{
    printf("%s: %d images, %d starts refused, %d right, %d damaged, %d signals, %d wrong, "
           "%d missing, %d created again, %d short lists, %d silent\n",
           what, t->images, t->refused_starts, t->right, t->damaged, t->signals, t->wrong,
           t->missing, t->created_again, t->short_lists, t->silent);
    assert_int_equal(t->signals, 0);
    assert_int_equal(t->wrong, 0);
    assert_int_equal(t->missing, 0);
    assert_int_equal(t->created_again, 0);
    assert_int_equal(t->short_lists, 0);
    assert_int_equal(t->silent, 0);
    munmap(t, sizeof(*t));
}

/* The control: does LMDB alone end in a signal on this file? */
static bool dies_with_lmdb_alone(struct own *own)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        MDB_env *env = NULL;
        MDB_cursor *cursor = NULL;
        MDB_val key, value;
        signal(SIGBUS, SIG_DFL);
        MDB_txn *txn = raw_begin(own, &env);
        volatile uint8_t sum = 0;
        int rc = mdb_cursor_open(txn, 1, &cursor);
        while (rc == 0 && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
            sum = (uint8_t)(sum + ((uint8_t *)value.mv_data)[value.mv_size - 1]);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void cut_files(void **state)
{
    struct own *own = *state;
    struct tally *tally = tally_new();
    struct image image = make_image(own);
    int control = 0;
    srand(4711);
    for (int i = 0; i < 40; i++) {
        size_t len = i < 8 ? image.len - (size_t)i * 1000 - 1 : (size_t)rand() % image.len;
        write_image(own, image.bytes, len);
        read_in_child(own, tally);
        write_image(own, image.bytes, len);
        control += len > 8192 && dies_with_lmdb_alone(own);
    }
    free(image.bytes);
    printf("control: LMDB alone died by a signal in %d of 40\n", control);
    assert_true(control > 5);
    expect_honest("cut files", tally);
}

static void flipped_bits(void **state)
{
    struct own *own = *state;
    struct tally *tally = tally_new();
    struct image image = make_image(own);
    srand(20260726);
    for (int i = 0; i < 264; i++) { /* the first 64 in the meta pages */
        size_t at =
            i < 64 ? (size_t)(i % 2) * 4096 + (size_t)rand() % 152 : (size_t)rand() % image.len;
        uint8_t bit = (uint8_t)(1 << rand() % 8);
        image.bytes[at] ^= bit;
        write_image(own, image.bytes, image.len);
        read_in_child(own, tally);
        image.bytes[at] ^= bit;
    }
    free(image.bytes);
    assert_true(tally->refused_starts + tally->damaged > 20);
    expect_honest("flipped bits", tally);
}

static void zeroed_pages(void **state)
{
    struct own *own = *state;
    struct tally *tally = tally_new();
    struct image image = make_image(own);
    uint8_t page[4096];
    for (size_t at = 0; at + 4096 <= image.len; at += 4096) {
        memcpy(page, image.bytes + at, 4096);
        memset(image.bytes + at, 0, 4096);
        write_image(own, image.bytes, image.len);
        read_in_child(own, tally);
        memcpy(image.bytes + at, page, 4096);
    }
    free(image.bytes);
    expect_honest("zeroed pages", tally);
}

/* A byte of the value that stands in the file. */
static void change_in_file(struct own *own, const char *from, const char *to)
{
    static char bytes[1 << 20];
    int fd = open(own_path(own, DATA), O_RDWR), found = 0;
    ssize_t len = read(fd, bytes, sizeof(bytes));
    for (ssize_t i = 0; i + (ssize_t)strlen(from) <= len; i++) {
        if (memcmp(bytes + i, from, strlen(from)) == 0) {
            assert_int_equal(pwrite(fd, to, strlen(to), i), strlen(to));
            found++;
        }
    }
    close(fd);
    assert_true(found > 0);
}

static void changed_value_is_named_and_can_be_written_anew(void **state)
{
    struct own *own = *state;
    char got[64];
    own_start(own);
    own_put(own, "a/b", "the right value");
    own_put(own, "other", "right");
    rig_stop(&own->rig);
    change_in_file(own, "the right value", "the wrong value");
    own_start(own);
    assert_int_equal(own_get(own, "a/b", got, sizeof(got)), UB_EDAMAGED);
    assert_string_equal(own->err.code, "E-KV-001");
    assert_non_null(strstr(own->err.message, "bucket main, key a/b, revision 1"));
    assert_non_null(strstr(rig_health(&own->rig), "problem E-KV-001 record damaged: bucket main"));
    assert_int_equal(own_try(own, UB_KV_CREATE, "a/b", "w", 0), UB_EDAMAGED);
    assert_int_equal(own_try(own, UB_KV_UPDATE, "a/b", "w", 1), UB_EDAMAGED);
    assert_int_equal(own_try(own, UB_KV_DELETE, "a/b", "", 1), UB_EDAMAGED);
    own_expect(own, "other", "right");
    own_put(own, "a/b", "anew");
    own_expect(own, "a/b", "anew");
}

static void changed_name_makes_nothing_absent(void **state)
{
    struct own *own = *state;
    char got[64];
    own_start(own);
    own_put(own, "alpha-key", "v");
    own_put(own, "other", "right");
    rig_stop(&own->rig);
    change_in_file(own, "alpha-key", "alpha-kez");
    own_start(own);
    assert_int_equal(own_get(own, "alpha-key", got, sizeof(got)), UB_EDAMAGED);
    assert_int_equal(own_get(own, "never-there", got, sizeof(got)), UB_EDAMAGED);
    assert_int_equal(own_try(own, UB_KV_CREATE, "alpha-key", "w", 0), UB_EDAMAGED);
    own_expect(own, "other", "right");
    assert_non_null(strstr(rig_health(&own->rig), "no key can be called absent"));
}

/* ---- growth -----------------------------------------------------------------------------------
 */

struct load {
    struct own *own;
    atomic_bool is_over;
    _Atomic int reads, faults;
};

static void *read_all_the_time(void *arg)
{
    struct load *load = arg;
    struct ub_kv_key key = own_key("fixed");
    while (!atomic_load(&load->is_over)) {
        struct ub_kv_value value = {.size = sizeof(value)};
        enum ub_status status =
            load->own->ops->get(load->own->bucket, &key, UB_KV_NEWEST, &value, NULL);
        bool is_right =
            status == UB_OK && value.bytes.len == 5 && memcmp(value.bytes.ptr, "stays", 5) == 0;
        atomic_fetch_add(is_right ? &load->reads : &load->faults, 1);
        load->own->ops->value_free(load->own->rig.self, &value);
    }
    return NULL;
}

static void map_grows_under_load(void **state)
{
    enum { THREADS = 3, VALUES = 160, BIG = 480 * 1024 };
    struct own *own = *state;
    struct load load = {.own = own};
    pthread_t threads[THREADS];
    char *big = malloc(BIG + 1);
    assert_non_null(big);
    memset(big, 'x', BIG);
    big[BIG] = '\0';
    rig_set(&own->rig, "map_start", "1 MiB");
    own_start(own);
    own_put(own, "fixed", "stays");
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &load), 0);
    }
    for (int i = 0; i < VALUES; i++) {
        char key[16];
        snprintf(key, sizeof(key), "big/%d", i);
        own_put(own, key, big);
    }
    atomic_store(&load.is_over, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    free(big);
    const char *map = strstr(rig_health(&own->rig), "number map_bytes ");
    assert_true(map != NULL && atol(map + strlen("number map_bytes ")) > 64 << 20);
    assert_int_equal(atomic_load(&load.faults), 0);
    assert_true(atomic_load(&load.reads) > 0);
    rig_stop(&own->rig);
    own_start(own);
    own_expect(own, "fixed", "stays");
}

static void map_max_is_said_and_ends(void **state)
{
    struct own *own = *state;
    char value[4001];
    memset(value, 'x', 4000);
    value[4000] = '\0';
    rig_set(&own->rig, "map_start", "1 MiB");
    rig_set(&own->rig, "map_max", "2 MiB");
    own_start(own);
    own_put(own, "first", "v");
    enum ub_status status = UB_OK;
    int written = 0;
    for (; status == UB_OK && written < 2000; written++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", written);
        status = own_try(own, UB_KV_PUT, key, value, 0);
    }
    assert_int_equal(status, UB_EUNAVAILABLE);
    assert_non_null(strstr(own->err.message, "map_max"));
    assert_non_null(strstr(rig_health(&own->rig), "problem E-KV-003"));
    own_expect(own, "first", "v");
    rig_stop(&own->rig);
    rig_set(&own->rig, "map_max", "8 MiB");
    own_start(own);
    own_put(own, "more", "v");
    assert_null(strstr(rig_health(&own->rig), "problem"));
}

/* ---- readers and writers that die -------------------------------------------------------------
 */

/* A backup program, say: opens the folder with LMDB, begins to read, tells and waits. */
static void hold_a_view(struct own *own, int pipe)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    char byte = mdb_env_create(&env) == 0 &&
                mdb_env_open(env, own_path(own, "unibus.lmdb"), MDB_RDONLY, 0600) == 0 &&
                mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0;
    _exit(write(pipe, &byte, 1) == 1 && pause() == -1);
}

static void slot_of_a_killed_reader_is_freed(void **state)
{
    struct own *own = *state;
    int pipes[2], status;
    char byte = 0;
    own_start(own);
    own_put(own, "k", "v");
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hold_a_view(own, pipes[1]);
    }
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    kit_fire_timers(own->rig.host);
    own_put(own, "k", "w");
    assert_non_null(strstr(rig_health(&own->rig), "number stale_readers 0\n"));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    kit_fire_timers(own->rig.host);
    for (int i = 0; i < 500; i++) {
        if (strstr(rig_health(&own->rig), "number stale_readers 1\n") != NULL) {
            break;
        }
        usleep(10000);
    }
    assert_non_null(strstr(rig_health(&own->rig), "number stale_readers 1\n"));
    own_expect(own, "k", "w");
    close(pipes[0]);
    close(pipes[1]);
}

static void write_until_killed(struct own *own, int pipe, int from)
{
    own_start(own);
    for (int i = from;; i++) {
        char key[32], value[VALUE_SIZE + 1];
        record_of(i, key, value);
        own_put(own, key, value);
        if (write(pipe, &i, sizeof(i)) != sizeof(i)) {
            _exit(1);
        }
    }
}

static int kill_a_writer(struct own *own, int from, int after)
{
    int pipes[2], last = from - 1, number, status;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pipes[0]);
        write_until_killed(own, pipes[1], from);
    }
    close(pipes[1]);
    while (read(pipes[0], &number, sizeof(number)) == sizeof(number)) {
        last = number;
        if (last == from + after) {
            kill(child, SIGKILL);
        }
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(pipes[0]);
    return last;
}

static void kill_9_in_a_loop_loses_nothing(void **state)
{
    struct own *own = *state;
    int next = 0;
    for (int round = 0; round < 25; round++) {
        next = kill_a_writer(own, next, round * 7 % 40) + 1;
        own_start(own);
        for (int i = 0; i < next; i++) {
            char key[32], value[VALUE_SIZE + 1], got[VALUE_SIZE + 100];
            record_of(i, key, value);
            assert_int_equal(own_get(own, key, got, sizeof(got)), UB_OK);
            assert_string_equal(got, value);
        }
        assert_null(strstr(rig_health(&own->rig), "problem"));
        rig_stop(&own->rig);
    }
    printf("25 kills, %d acknowledged, 0 lost\n", next);
}

/* ---- reports ----------------------------------------------------------------------------------
 */

static void posture_and_health(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "k", "v");
    assert_string_equal(rig_posture(&own->rig), "fact durability disk\n");
    const char *health = rig_health(&own->rig);
    assert_non_null(strstr(health, "number writes 2\n")); /* with the bucket */
    assert_non_null(strstr(health, "number damaged 0\n"));
    assert_null(strstr(health, "problem"));
}

static void expired_records_are_swept(void **state)
{
    struct own *own = *state;
    const struct ub_kv_bucket_options options = {sizeof(options), 1000};
    own_start(own);
    kit_clock_advance(own->rig.host, 0);
    assert_int_equal(
        own->ops->bucket_open(own->rig.self, "short", &options, &own->bucket, &own->err), UB_OK);
    for (int i = 0; i < 600; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i % 550); /* some are put again */
        own_put(own, key, "v");
    }
    kit_clock_advance(own->rig.host, 2000);
    kit_fire_timers(own->rig.host);
    for (int i = 0; i < 500 && strstr(rig_health(&own->rig), "swept 550\n") == NULL; i++) {
        usleep(10000);
    }
    assert_non_null(strstr(rig_health(&own->rig), "number swept 550\n"));
}

static void stopped_store_refuses(void **state)
{
    struct own *own = *state;
    own_start(own);
    unibus_module_kv_lmdb.ops->stop(own->rig.self);
    struct ub_kv_bucket *bucket = NULL;
    assert_int_equal(own->ops->bucket_open(own->rig.self, "main", NULL, &bucket, &own->err),
                     UB_EUNAVAILABLE);
    unibus_module_kv_lmdb.ops->destroy(own->rig.self);
    own->rig.self = NULL;
}

int main(void)
{
#define OWN(test) cmocka_unit_test_setup_teardown(test, own_setup, own_teardown)
    const struct CMUnitTest tests[] = {
        OWN(files_are_private),
        OWN(second_opener_is_refused_with_the_pid),
        OWN(second_process_is_refused_with_the_pid),
        OWN(unsafe_folders_and_files_are_refused),
        OWN(link_in_place_of_the_folder_is_refused),
        OWN(store_that_was_never_finished_is_made_anew),
        OWN(map_start_above_map_max_is_refused),
        OWN(commit_behind_our_back_is_noticed),
        OWN(newer_format_is_refused_with_both_versions),
        OWN(folder_of_another_program_is_refused),
        OWN(cut_files),
        OWN(flipped_bits),
        OWN(zeroed_pages),
        OWN(changed_value_is_named_and_can_be_written_anew),
        OWN(changed_name_makes_nothing_absent),
        OWN(map_grows_under_load),
        OWN(map_max_is_said_and_ends),
        OWN(slot_of_a_killed_reader_is_freed),
        OWN(kill_9_in_a_loop_loses_nothing),
        OWN(posture_and_health),
        OWN(expired_records_are_swept),
        OWN(stopped_store_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
