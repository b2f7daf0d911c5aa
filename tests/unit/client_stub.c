/* SPDX-License-Identifier: Apache-2.0 */
#include "client_stub.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROUTES_MAX  64
#define REQUEST_MAX 262144

struct route {
    char request[192];
    int status, count;
    char *body;
};

struct stub_node {
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    char socket[128];
    struct route routes[ROUTES_MAX];
    int route_n;
};

/* The lock is held. */
static struct route *route_of(struct stub_node *node, const char *request)
{
    for (int i = 0; i < node->route_n; i++) {
        if (strcmp(node->routes[i].request, request) == 0) {
            return &node->routes[i];
        }
    }
    if (node->route_n == ROUTES_MAX) {
        abort();
    }
    struct route *route = &node->routes[node->route_n++];
    snprintf(route->request, sizeof(route->request), "%s", request);
    route->status = 404;
    return route;
}

/* Reads a whole request; its first line without query and version stays in request_out. */
static bool read_request(int fd, char request_out[192])
{
    static char buffer[REQUEST_MAX + 1];
    size_t len = 0;
    for (;;) {
        ssize_t got = read(fd, buffer + len, REQUEST_MAX - len);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        buffer[len] = '\0';
        char *end = strstr(buffer, "\r\n\r\n");
        const char *length = end != NULL ? strcasestr(buffer, "content-length:") : NULL;
        size_t body = length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0;
        if (end != NULL && len >= (size_t)(end + 4 - buffer) + body) {
            break;
        }
    }
    size_t method = strcspn(buffer, " "), path = strcspn(buffer + method + 1, " ?");
    snprintf(request_out, 192, "%.*s", (int)(method + 1 + path), buffer);
    return true;
}

static void answer(struct stub_node *node, int fd)
{
    char request[192], head[256];
    if (!read_request(fd, request)) {
        return;
    }
    pthread_mutex_lock(&node->lock);
    struct route *route = route_of(node, request);
    route->count++;
    const char *body = route->body != NULL    ? route->body
                       : route->status == 404 ? "{\"code\":\"not-found\",\"title\":\"x\"}"
                                              : "";
    int len = snprintf(head, sizeof(head),
                       "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                       route->status, strlen(body));
    /* The client may have all it wants before the last byte: that is no SIGPIPE. */
    if (send(fd, head, (size_t)len, MSG_NOSIGNAL) == len && body[0] != '\0') {
        send(fd, body, strlen(body), MSG_NOSIGNAL);
    }
    pthread_mutex_unlock(&node->lock);
}

static void *serve_node(void *arg)
{
    struct stub_node *node = arg;
    for (;;) {
        int fd = accept(node->fd, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        answer(node, fd);
        close(fd);
    }
}

struct stub_node *stub_node_start(const char *folder)
{
    struct stub_node *node = calloc(1, sizeof(*node));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(node->socket, sizeof(node->socket), "%s/admin.sock", folder);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", node->socket);
    pthread_mutex_init(&node->lock, NULL);
    node->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(node->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(node->fd, 16) != 0 || pthread_create(&node->thread, NULL, serve_node, node) != 0) {
        abort();
    }
    return node;
}

void stub_node_stop(struct stub_node **node)
{
    shutdown((*node)->fd, SHUT_RDWR);
    pthread_join((*node)->thread, NULL);
    close((*node)->fd);
    for (int i = 0; i < (*node)->route_n; i++) {
        free((*node)->routes[i].body);
    }
    pthread_mutex_destroy(&(*node)->lock);
    free(*node);
    *node = NULL;
}

const char *stub_node_socket(const struct stub_node *node)
{
    return node->socket;
}

void stub_node_answer(struct stub_node *node, const char *request, int status, const json_t *body)
{
    pthread_mutex_lock(&node->lock);
    struct route *route = route_of(node, request);
    free(route->body);
    route->body = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    route->status = status;
    pthread_mutex_unlock(&node->lock);
}

int stub_node_count(struct stub_node *node, const char *request)
{
    pthread_mutex_lock(&node->lock);
    int count = route_of(node, request)->count;
    pthread_mutex_unlock(&node->lock);
    return count;
}

struct stub_nats {
    int fd, port;
    pthread_t thread;
    pthread_mutex_t lock;
    char *info;
    size_t info_len;
    bool was_signed;
};

static void note_connect(struct stub_nats *nats, const char *bytes)
{
    const char *sig = strstr(bytes, "\"sig\":\"");
    pthread_mutex_lock(&nats->lock);
    nats->was_signed = nats->was_signed || (sig != NULL && sig[7] != '"');
    pthread_mutex_unlock(&nats->lock);
}

static void talk(struct stub_nats *nats, int fd)
{
    char buffer[8192];
    size_t len = 0;
    if (send(fd, "INFO ", 5, MSG_NOSIGNAL) != 5 ||
        send(fd, nats->info, nats->info_len, MSG_NOSIGNAL) != (ssize_t)nats->info_len ||
        send(fd, "\r\n", 2, MSG_NOSIGNAL) != 2) {
        return;
    }
    for (ssize_t got; len < sizeof(buffer) - 1 &&
                      (got = read(fd, buffer + len, sizeof(buffer) - 1 - len)) > 0;) {
        len += (size_t)got;
        buffer[len] = '\0';
        note_connect(nats, buffer);
        if (strstr(buffer, "PING") != NULL && send(fd, "PONG\r\n", 6, MSG_NOSIGNAL) == 6) {
            len = 0;
        }
    }
}

static void *serve_nats(void *arg)
{
    struct stub_nats *nats = arg;
    for (;;) {
        int fd = accept(nats->fd, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        talk(nats, fd);
        close(fd);
    }
}

struct stub_nats *stub_nats_start(const char *info, size_t info_len)
{
    struct stub_nats *nats = calloc(1, sizeof(*nats));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    nats->info = malloc(info_len);
    memcpy(nats->info, info, info_len);
    nats->info_len = info_len;
    pthread_mutex_init(&nats->lock, NULL);
    nats->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(nats->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(nats->fd, 4) != 0 || getsockname(nats->fd, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&nats->thread, NULL, serve_nats, nats) != 0) {
        abort();
    }
    nats->port = ntohs(address.sin_port);
    return nats;
}

void stub_nats_stop(struct stub_nats **nats)
{
    shutdown((*nats)->fd, SHUT_RDWR);
    pthread_join((*nats)->thread, NULL);
    close((*nats)->fd);
    pthread_mutex_destroy(&(*nats)->lock);
    free((*nats)->info);
    free(*nats);
    *nats = NULL;
}

int stub_nats_port(const struct stub_nats *nats)
{
    return nats->port;
}

bool stub_nats_was_signed(struct stub_nats *nats)
{
    pthread_mutex_lock(&nats->lock);
    bool was_signed = nats->was_signed;
    pthread_mutex_unlock(&nats->lock);
    return was_signed;
}

char *stub_folder_make(void)
{
    char *folder = strdup("/tmp/ub-client-XXXXXX");
    if (folder == NULL || mkdtemp(folder) == NULL) {
        abort();
    }
    return folder;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

void stub_folder_remove(char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}
