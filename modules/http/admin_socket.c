/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static enum ub_status path_read(const char *path, struct sockaddr_un *out, struct ub_err *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(out->sun_path)) {
        return ub_fail(err, UB_EINVAL,
                       "admin_socket \"%s\": a socket path has at most %zu bytes; use a shorter "
                       "node.state or admin_socket",
                       path, sizeof(out->sun_path) - 1);
    }
    memcpy(out->sun_path, path, strlen(path) + 1);
    return UB_OK;
}

static bool is_answered(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true;
    }
    int rc = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    bool is_refused = rc != 0 && errno == ECONNREFUSED;
    close(fd);
    return !is_refused;
}

/* A socket file without a listener is what a killed node leaves behind. */
static enum ub_status stale_remove(const struct sockaddr_un *address, struct ub_err *err)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0) {
        return UB_OK;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return ub_fail(err, UB_EEXISTS,
                       "admin_socket \"%s\": a file of that name is there, and it is no socket",
                       address->sun_path);
    }
    if (is_answered(address)) {
        return ub_fail(
            err, UB_EEXISTS,
            "admin_socket \"%s\": another process listens on it; is the node running already?",
            address->sun_path);
    }
    unlink(address->sun_path);
    return UB_OK;
}

/* The mode of the socket before bind is the mode of the file, so it is never open to others. */
static enum ub_status admin_bind(int fd, const struct sockaddr_un *address, struct ub_err *err)
{
    if (fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        chmod(address->sun_path, 0600) != 0 || listen(fd, BACKLOG) != 0) {
        return ub_fail(err, UB_EIO, "admin_socket \"%s\": %s", address->sun_path, strerror(errno));
    }
    return UB_OK;
}

enum ub_status http_admin_open(struct http_listener *listener, const char *path, struct ub_err *err)
{
    struct sockaddr_un address;
    enum ub_status status = path_read(path, &address, err);
    if (status == UB_OK) {
        status = stale_remove(&address, err);
    }
    if (status != UB_OK) {
        return status;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return ub_fail(err, UB_EIO, "admin_socket \"%s\": %s", path, strerror(errno));
    }
    status = admin_bind(fd, &address, err);
    if (status != UB_OK) {
        close(fd);
        return status;
    }
    listener->fd = fd;
    listener->is_admin = true;
    listener->is_loopback = true;
    snprintf(listener->address, sizeof(listener->address), "%s", path);
    return UB_OK;
}

bool http_admin_is_peer(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof(peer)) {
        return false;
    }
    return peer.uid == 0 || peer.uid == geteuid();
}
