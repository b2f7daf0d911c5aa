/* SPDX-License-Identifier: Apache-2.0
 *
 * What only blob-fs does: files, modes, locks, damage, limits of the folder. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>

#include <unibus/blob.h>

#include "conformance/rig.h"
#include "core/kit.h"

extern const struct ub_module unibus_module_blob_fs;

struct own {
    struct rig rig;
    const struct ub_blob_ops *ops;
    struct ub_err err;
    char path[4096]; /* of the last file_path */
};

static void start(struct own *own)
{
    if (rig_start(&own->rig, &own->err) != UB_OK) {
        fail_msg("start: %s", own->err.message);
    }
}

static int setup(void **state)
{
    struct own *own = calloc(1, sizeof(*own));
    assert_non_null(own);
    own->err = (struct ub_err)UB_ERR_INIT;
    rig_init(&own->rig, &unibus_module_blob_fs);
    own->ops = rig_ops(&own->rig, UB_BLOB_IFACE);
    *state = own;
    return 0;
}

static int teardown(void **state)
{
    struct own *own = *state;
    rig_fini(&own->rig);
    free(own);
    return 0;
}

static struct ub_blob_hash hash_of(const char *text)
{
    struct ub_blob_hash hash;
    crypto_generichash(hash.bytes, sizeof(hash.bytes), (const uint8_t *)text, strlen(text), NULL,
                       0);
    return hash;
}

static enum ub_status put(struct own *own, const char *text)
{
    struct ub_blob_writer *writer = NULL;
    struct ub_blob_hash hash = hash_of(text);
    struct ub_bytes bytes = {(const uint8_t *)text, strlen(text)};
    enum ub_status status = own->ops->begin(own->rig.self, -1, &writer, &own->err);
    if (status == UB_OK) {
        (void)own->ops->append(writer, bytes, &own->err);
        status = own->ops->commit(&writer, &hash, &own->err);
    }
    return status;
}

static enum ub_status read_all(struct own *own, const char *text, size_t *got_out)
{
    struct ub_blob_reader *reader = NULL;
    struct ub_blob_hash hash = hash_of(text);
    char out[256];
    *got_out = 0;
    enum ub_status status = own->ops->open(own->rig.self, &hash, &reader, NULL, &own->err);
    if (status == UB_OK) {
        status = own->ops->read(reader, 0, out, sizeof(out), got_out, &own->err);
        own->ops->close(&reader);
    }
    return status;
}

static const char *below_state(struct own *own, const char *below)
{
    snprintf(own->path, sizeof(own->path), "%s/%s", own->rig.host->node->state_dir(own->rig.host),
             below);
    return own->path;
}

static const char *file_path(struct own *own, const char *text)
{
    struct ub_blob_hash hash = hash_of(text);
    char hex[65], below[96];
    sodium_bin2hex(hex, sizeof(hex), hash.bytes, sizeof(hash.bytes));
    snprintf(below, sizeof(below), "blobs/%.2s/%s", hex, hex + 2);
    return below_state(own, below);
}

static void files_are_private_and_named_by_hash(void **state)
{
    struct own *own = *state;
    struct stat st;
    start(own);
    assert_int_equal(put(own, "hello"), UB_OK);
    assert_int_equal(stat(file_path(own, "hello"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(below_state(own, "blobs"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void unfinished_files_go_at_start(void **state)
{
    struct own *own = *state;
    start(own);
    rig_stop(&own->rig);
    int fd = open(below_state(own, "blobs/tmp/left-over"), O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    start(own);
    assert_int_equal(access(own->path, F_OK), -1);
}

static void flip_bit(const char *path, off_t offset)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void flipped_bit_is_damage_and_upload_repairs(void **state)
{
    struct own *own = *state;
    size_t got;
    start(own);
    assert_int_equal(put(own, "precious"), UB_OK);
    flip_bit(file_path(own, "precious"), 3);
    assert_int_equal(read_all(own, "precious", &got), UB_EDAMAGED);
    assert_int_equal(got, 0);
    assert_string_equal(own->err.code, "E-BLOB-001");
    assert_non_null(strstr(rig_health(&own->rig), "problem E-BLOB-001"));
    assert_non_null(strstr(kit_log(own->rig.host), "blob-damaged"));
    assert_int_equal(put(own, "precious"), UB_OK);
    assert_int_equal(read_all(own, "precious", &got), UB_OK);
    assert_int_equal(got, 8);
}

static void shortened_file_is_damage(void **state)
{
    struct own *own = *state;
    size_t got;
    start(own);
    assert_int_equal(put(own, "precious"), UB_OK);
    assert_int_equal(truncate(file_path(own, "precious"), 5), 0);
    assert_int_equal(read_all(own, "precious", &got), UB_EDAMAGED);
    assert_int_equal(truncate(own->path, 0), 0);
    assert_int_equal(read_all(own, "precious", &got), UB_EDAMAGED);
}

/* In place of the file or its folder: a link, a folder, a fifo. Nothing is followed or opened. */
static void links_are_not_followed(void **state)
{
    struct own *own = *state;
    size_t got;
    start(own);
    assert_int_equal(put(own, "target"), UB_OK);
    assert_int_equal(unlink(file_path(own, "target")), 0);
    assert_int_equal(symlink("/etc/passwd", own->path), 0);
    assert_int_not_equal(read_all(own, "target", &got), UB_OK);
    assert_int_equal(unlink(own->path), 0);
    assert_int_equal(mkfifo(own->path, 0600), 0);
    assert_int_equal(read_all(own, "target", &got), UB_ENOTFOUND);
    *strrchr(own->path, '/') = '\0';
    char moved[4200];
    snprintf(moved, sizeof(moved), "%s-moved", own->path);
    assert_int_equal(rename(own->path, moved), 0);
    assert_int_equal(symlink(moved, own->path), 0);
    assert_int_not_equal(read_all(own, "target", &got), UB_OK);
    assert_int_not_equal(put(own, "target"), UB_OK);
}

static bool count_one(void *arg, const struct ub_blob_hash *hash, const struct ub_blob_stat *stat)
{
    (void)hash;
    (void)stat;
    ++*(int *)arg;
    return true;
}

static void foreign_files_are_not_listed(void **state)
{
    struct own *own = *state;
    int count = 0;
    char other[4200];
    start(own);
    assert_int_equal(put(own, "one"), UB_OK);
    const char *path = file_path(own, "one");
    snprintf(other, sizeof(other), "%s.bak", path);
    close(open(other, O_CREAT | O_WRONLY, 0600));
    snprintf(other, sizeof(other), "%s", path);
    other[strlen(other) - 1] = 'G';
    close(open(other, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(own->ops->list(own->rig.self, NULL, count_one, &count, &own->err), UB_OK);
    assert_int_equal(count, 1);
}

static void second_opener_is_refused_with_the_pid(void **state)
{
    struct own *own = *state;
    struct rig second;
    char pid[32];
    start(own);
    rig_init(&second, &unibus_module_blob_fs);
    rig_set(&second, "dir", below_state(own, "blobs"));
    assert_int_equal(rig_start(&second, &own->err), UB_EUNAVAILABLE);
    snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
    assert_non_null(strstr(own->err.message, pid));
    rig_stop(&own->rig);
    assert_int_equal(rig_start(&second, &own->err), UB_OK);
    rig_fini(&second);
}

static void second_process_is_refused_with_the_pid(void **state)
{
    struct own *own = *state;
    int pipes[2], status;
    char pid[32], is_open;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        is_open = rig_start(&own->rig, &own->err) == UB_OK;
        _exit(write(pipes[1], &is_open, 1) == 1 && pause() == -1);
    }
    assert_int_equal(read(pipes[0], &is_open, 1), 1);
    assert_int_equal(is_open, 1);
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EUNAVAILABLE);
    snprintf(pid, sizeof(pid), "pid %d", (int)child);
    assert_non_null(strstr(own->err.message, pid));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    start(own); /* the lock ended with its process */
    close(pipes[0]);
    close(pipes[1]);
}

static void refuse_folder(struct own *own, mode_t mode, uid_t owner, const char *const *words)
{
    const char *dir = below_state(own, "blobs");
    assert_true(mkdir(dir, 0700) == 0 || access(dir, F_OK) == 0);
    assert_int_equal(chown(dir, owner, (gid_t)-1), 0);
    assert_int_equal(chmod(dir, mode), 0);
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EDENIED);
    for (; *words != NULL; words++) {
        assert_non_null(strstr(own->err.message, *words));
    }
    assert_non_null(strstr(own->err.message, dir));
}

static void unsafe_folders_are_refused(void **state)
{
    struct own *own = *state;
    if (geteuid() != 0) {
        skip();
    }
    refuse_folder(own, 0500, 0, (const char *const[]){"mode 0500", "uid 0", NULL});
    refuse_folder(own, 0777, 0, (const char *const[]){"mode 0777", NULL});
    refuse_folder(own, 0700, 1234, (const char *const[]){"uid 1234", "0700", NULL});
}

static void total_limit(void **state)
{
    struct own *own = *state;
    size_t got;
    rig_set(&own->rig, "max_total", "10");
    start(own);
    assert_int_equal(put(own, "12345678"), UB_OK);
    assert_int_equal(put(own, "abc"), UB_ELIMIT);
    assert_int_equal(put(own, "ab"), UB_OK);
    rig_stop(&own->rig);
    start(own); /* counts what is there */
    assert_int_equal(put(own, "c"), UB_ELIMIT);
    struct ub_blob_hash hash = hash_of("12345678");
    assert_int_equal(own->ops->remove(own->rig.self, &hash, &own->err), UB_OK);
    assert_int_equal(put(own, "abc"), UB_OK);
    assert_int_equal(put(own, "abc"), UB_OK); /* replaces itself */
    assert_int_equal(put(own, "12345"), UB_OK);
    assert_int_equal(read_all(own, "abc", &got), UB_OK);
}

/* EFBIG of RLIMIT_FSIZE stands for a write that the disk fails. */
static void failed_write_makes_the_store_read_only(void **state)
{
    struct own *own = *state;
    size_t got;
    struct rlimit old, small = {4, 0};
    start(own);
    assert_int_equal(put(own, "ok"), UB_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum ub_status failed = put(own, "too much for the disk");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(failed, UB_EIO);
    assert_int_equal(put(own, "later"), UB_EUNAVAILABLE);
    assert_string_equal(own->err.code, "E-BLOB-002");
    assert_int_equal(read_all(own, "ok", &got), UB_OK);
    assert_non_null(strstr(rig_health(&own->rig), "problem E-BLOB-002"));
    rig_stop(&own->rig);
    start(own);
    assert_int_equal(put(own, "later"), UB_OK);
}

static void posture_is_stated(void **state)
{
    struct own *own = *state;
    start(own);
    assert_string_equal(rig_posture(&own->rig), "fact blob-durability disk\n");
    assert_string_equal(rig_health(&own->rig), "number damaged 0\n");
}

/* A stranger who opens connections until there are no descriptors must not stop uploads for good.
 */
static void running_out_of_descriptors_passes(void **state)
{
    struct own *own = *state;
    struct ub_blob_writer *writer = NULL;
    struct ub_blob_hash hash = hash_of("x");
    struct rlimit before, few;
    start(own);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(own->ops->begin(own->rig.self, 1, &writer, &own->err), UB_OK);
    assert_int_equal(
        own->ops->append(writer, (struct ub_bytes){(const uint8_t *)"x", 1}, &own->err), UB_OK);
    few = (struct rlimit){3, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    enum ub_status status = own->ops->commit(&writer, &hash, &own->err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, UB_EIO);
    assert_int_equal(own->ops->begin(own->rig.self, 1, &writer, &own->err), UB_OK);
    assert_int_equal(
        own->ops->append(writer, (struct ub_bytes){(const uint8_t *)"x", 1}, &own->err), UB_OK);
    assert_int_equal(own->ops->commit(&writer, &hash, &own->err), UB_OK);
}

int main(void)
{
#define OWN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        OWN(running_out_of_descriptors_passes),
        OWN(files_are_private_and_named_by_hash),
        OWN(unfinished_files_go_at_start),
        OWN(flipped_bit_is_damage_and_upload_repairs),
        OWN(shortened_file_is_damage),
        OWN(links_are_not_followed),
        OWN(foreign_files_are_not_listed),
        OWN(second_opener_is_refused_with_the_pid),
        OWN(second_process_is_refused_with_the_pid),
        OWN(unsafe_folders_are_refused),
        OWN(total_limit),
        OWN(failed_write_makes_the_store_read_only),
        OWN(posture_is_stated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
