/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/home.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

struct unibus_home {
    char *path;
    int dir_fd;
    int lock_fd;
    unsigned locks;
};

#define JSON_READ_FLAGS JSON_REJECT_DUPLICATES

static char *default_path(void)
{
    const char *given = getenv("UNIBUS_HOME");
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *user = getenv("HOME");
    char *path = NULL;
    int len = -1;
    if (given != NULL && given[0] != '\0') {
        return strdup(given);
    }
    if (config != NULL && config[0] == '/') {
        len = asprintf(&path, "%s/unibus", config);
    } else if (user != NULL && user[0] == '/') {
        len = asprintf(&path, "%s/.config/unibus", user);
    }
    return len < 0 ? NULL : path;
}

/* Makes the folder and those above it. */
static int make_folders(const char *path)
{
    char partial[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(partial)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, 0700) != 0 && errno != EEXIST) {
            return -1;
        }
    }
    return 0;
}

static enum unibus_status check_folder(const struct unibus_home *home, struct unibus_err *err)
{
    struct stat stat;
    if (fstat(home->dir_fd, &stat) != 0) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot look at %s: %s", home->path,
                           strerror(errno));
    }
    if (stat.st_uid != geteuid()) {
        unibus_fail(err, UNIBUS_DENIED, "%s belongs to uid %u, not to you (uid %u)", home->path,
                    stat.st_uid, geteuid());
        return unibus_fix(err, "choose another folder with --home or UNIBUS_HOME");
    }
    if ((stat.st_mode & 077) != 0) {
        unibus_fail(err, UNIBUS_DENIED, "%s may be read by others (mode %04o)", home->path,
                    stat.st_mode & 07777);
        return unibus_fix(err, "chmod 700 %s", home->path);
    }
    return UNIBUS_OK;
}

static enum unibus_status open_folder(struct unibus_home *home, struct unibus_err *err)
{
    if (make_folders(home->path) != 0) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot make %s: %s", home->path, strerror(errno));
    }
    home->dir_fd = open(home->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (home->dir_fd < 0) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot open %s: %s", home->path, strerror(errno));
    }
    enum unibus_status status = check_folder(home, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    home->lock_fd = openat(home->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (home->lock_fd < 0) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot open %s/lock: %s", home->path,
                           strerror(errno));
    }
    return UNIBUS_OK;
}

enum unibus_status unibus_home_open(const char *path, struct unibus_home **home_out,
                                    struct unibus_err *err)
{
    struct unibus_home *home = calloc(1, sizeof(*home));
    if (home == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    home->dir_fd = home->lock_fd = -1;
    home->path = path != NULL ? strdup(path) : default_path();
    if (home->path == NULL) {
        unibus_home_close(&home);
        unibus_fail(err, UNIBUS_USAGE, "there is no HOME to keep keys in");
        return unibus_fix(err, "say where with --home DIR or UNIBUS_HOME");
    }
    enum unibus_status status = open_folder(home, err);
    if (status != UNIBUS_OK) {
        unibus_home_close(&home);
        return status;
    }
    *home_out = home;
    return UNIBUS_OK;
}

void unibus_home_close(struct unibus_home **home)
{
    if (*home == NULL) {
        return;
    }
    if ((*home)->lock_fd >= 0) {
        close((*home)->lock_fd);
    }
    if ((*home)->dir_fd >= 0) {
        close((*home)->dir_fd);
    }
    free((*home)->path);
    free(*home);
    *home = NULL;
}

const char *unibus_home_path(const struct unibus_home *home)
{
    return home->path;
}

enum unibus_status unibus_home_read(struct unibus_home *home, const char *name, json_t **doc_out,
                                    struct unibus_err *err)
{
    int fd = openat(home->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return unibus_fail(err, errno == ENOENT ? UNIBUS_NOT_FOUND : UNIBUS_FAILED,
                           "cannot read %s/%s: %s", home->path, name, strerror(errno));
    }
    json_error_t fault;
    json_t *doc = json_loadfd(fd, JSON_READ_FLAGS, &fault);
    close(fd);
    if (doc == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "%s/%s:%d: %s", home->path, name, fault.line,
                           fault.text);
    }
    *doc_out = doc;
    return UNIBUS_OK;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, text, len);
        if (written < 0 && errno != EINTR) {
            return -1;
        }
        if (written > 0) {
            text += written;
            len -= (size_t)written;
        }
    }
    return 0;
}

/* The folder of a name, and a name beside it that nobody else uses. */
static int write_beside(int dir_fd, const char *name, const char *temporary, const char *text)
{
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -1;
    }
    int failed = write_all(fd, text, strlen(text)) != 0 || fsync(fd) != 0;
    failed = close(fd) != 0 || failed;
    if (!failed) {
        failed = renameat(dir_fd, temporary, dir_fd, name) != 0;
    }
    if (failed) {
        int cause = errno;
        unlinkat(dir_fd, temporary, 0);
        errno = cause;
        return -1;
    }
    return fsync(dir_fd);
}

/* Opens the folder that holds name, making it; *last_out is the part after it. */
static int open_parent(const struct unibus_home *home, const char *name, const char **last_out)
{
    const char *slash = strrchr(name, '/');
    *last_out = slash == NULL ? name : slash + 1;
    if (slash == NULL) {
        return dup(home->dir_fd);
    }
    char folder[128];
    if ((size_t)(slash - name) >= sizeof(folder)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, name, (size_t)(slash - name));
    folder[slash - name] = '\0';
    if (mkdirat(home->dir_fd, folder, 0700) != 0 && errno != EEXIST) {
        return -1;
    }
    return openat(home->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

enum unibus_status unibus_home_write(struct unibus_home *home, const char *name, const json_t *doc,
                                     struct unibus_err *err)
{
    char *text = json_dumps(doc, JSON_INDENT(1) | JSON_SORT_KEYS);
    if (text == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory to write %s", name);
    }
    const char *last;
    int parent = open_parent(home, name, &last);
    char temporary[64];
    snprintf(temporary, sizeof(temporary), ".new-%08x", randombytes_random());
    int failed = parent < 0 || write_beside(parent, last, temporary, text) != 0;
    if (failed) {
        unibus_fail(err, UNIBUS_FAILED, "cannot write %s/%s: %s", home->path, name,
                    strerror(errno));
    }
    if (parent >= 0) {
        close(parent);
    }
    sodium_memzero(text, strlen(text));
    free(text);
    return failed ? UNIBUS_FAILED : UNIBUS_OK;
}

enum unibus_status unibus_home_remove(struct unibus_home *home, const char *name,
                                      struct unibus_err *err)
{
    if (unlinkat(home->dir_fd, name, 0) != 0 && errno != ENOENT) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot remove %s/%s: %s", home->path, name,
                           strerror(errno));
    }
    return UNIBUS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_t *sorted_array(char **names, size_t count)
{
    json_t *array = json_array();
    if (count > 0) {
        qsort(names, count, sizeof(*names), by_text);
    }
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, json_string(names[i]));
        free(names[i]);
    }
    free(names);
    return array;
}

json_t *unibus_home_list(struct unibus_home *home, const char *folder)
{
    int fd = openat(home->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return json_array();
    }
    char **names = NULL;
    size_t count = 0;
    struct dirent *item;
    while ((item = readdir(dir)) != NULL) {
        size_t len = strlen(item->d_name);
        char **more =
            item->d_name[0] == '.' || len < 6 || strcmp(item->d_name + len - 5, ".json") != 0
                ? NULL
                : reallocarray(names, count + 1, sizeof(*names));
        if (more != NULL) {
            names = more;
            names[count] = strndup(item->d_name, len - 5);
            count += names[count] != NULL;
        }
    }
    closedir(dir);
    return sorted_array(names, count);
}

enum unibus_status unibus_home_lock(struct unibus_home *home, struct unibus_err *err)
{
    while (home->locks == 0 && flock(home->lock_fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return unibus_fail(err, UNIBUS_FAILED, "cannot lock %s: %s", home->path,
                               strerror(errno));
        }
    }
    home->locks++;
    return UNIBUS_OK;
}

void unibus_home_unlock(struct unibus_home *home)
{
    if (--home->locks == 0) {
        flock(home->lock_fd, LOCK_UN);
    }
}
