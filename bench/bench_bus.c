/* SPDX-License-Identifier: Apache-2.0
 *
 * How many acknowledged messages a second ub.bus carries: a real membershipd with nats and the test
 * module acker (tests/modules/acker), and raw NATS clients here that keep a window of messages
 * outstanding. Every acknowledgement is checked to be the next of its connection: one that is lost,
 * double or out of order ends the run. Not a test: prints, judges no speed.
 *
 *     cmake --build build --target bench_bus
 *     build/tests/bench_bus [seconds a round] [rounds] [rights|open] [io threads of the server]
 *
 * rights (the default): each connection is a member with rights that are checked, inbox rules
 * included. open: auth = "off".
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define DIGITS          8
#define READ_ROOM       (256 * 1024)
#define INBOX_TOKEN     22 /* as stock clients have it */

struct shape {
    const char *verb;
    int connections;
    uint32_t window; /* outstanding on each connection */
    size_t size;     /* of a payload */
};

struct conn {
    int fd;
    char prefix[64]; /* "MSG _INBOX.<token>." */
    size_t prefix_len;
    char next[DIGITS + 1]; /* number of the acknowledgement that must come next */
    uint64_t sent, acked;
    char *message; /* what is sent `window` times over, and where its number stands */
    size_t message_len, number_at;
    char *out;
    size_t out_len, out_at;
    char *in;
    size_t in_len;
};

struct round {
    double acks_per_s, server_us, client_us;
};

#define CONFIG                                                                                     \
    "unibus \"1\"\n"                                                                               \
    "node    { name = \"bench\", state = \"state\" }\n"                                            \
    "posture { require = \"dev\" }\n"                                                              \
    "log     { level = \"error\" }\n"                                                              \
    "module \"guest\" { path = \"%s/tests/modules/guest.so\" }\n"                                  \
    "module \"nats\"  { listen = \"127.0.0.1:%u\", auth = \"%s\", threads = %d }\n"                \
    "module \"acker\" { path = \"%s/tests/modules/acker.so\" }\n"

static void die(const char *what)
{
    fprintf(stderr, "bench_bus: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds_of(struct timespec time)
{
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return seconds_of(time);
}

/* ---- the server -------------------------------------------------------------------------------
 */

static pid_t server;
static uint16_t port;
static char folder[] = "/tmp/bench-bus-XXXXXX";

static void server_stop(void)
{
    char command[64];
    if (server > 0) {
        kill(server, SIGTERM);
        waitpid(server, NULL, 0);
    }
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0) {
        fprintf(stderr, "bench_bus: %s is left behind\n", folder);
    }
}

static int loopback_socket(uint16_t to, bool is_listener)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(to), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = is_listener ? bind(fd, (struct sockaddr *)&address, sizeof(address))
                         : connect(fd, (struct sockaddr *)&address, sizeof(address));
    if (fd >= 0 && rc != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int fd = loopback_socket(0, true);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        die("no free port");
    }
    close(fd);
    return ntohs(address.sin_port);
}

static void server_start(const char *build, const char *auth, int threads)
{
    char path[4096];
    if (mkdtemp(folder) == NULL) {
        die(folder);
    }
    port = free_port();
    snprintf(path, sizeof(path), "%s/node.lua", folder);
    FILE *file = fopen(path, "w");
    if (file == NULL || fprintf(file, CONFIG, build, port, auth, threads, build) < 0 ||
        fclose(file) != 0) {
        die(path);
    }
    atexit(server_stop);
    server = fork();
    if (server == 0) {
        char program[4096];
        snprintf(program, sizeof(program), "%s/membershipd", build);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (chdir(folder) == 0) {
            execl(program, program, "-c", path, (char *)NULL);
        }
        _exit(127);
    }
}

/* From /proc: it has not ended, so its rusage is not ours yet. */
static double server_cpu(void)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)server);
    FILE *file = fopen(path, "r");
    size_t len = file == NULL ? 0 : fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    if (file != NULL) {
        fclose(file);
    }
    const char *at = strrchr(text, ')');
    if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                             &system) != 2) {
        die(path);
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double own_cpu(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return seconds_of(time);
}

/* ---- a client ---------------------------------------------------------------------------------
 */

static void count_up(char *digits)
{
    for (int at = DIGITS - 1; at >= 0 && ++digits[at] > '9'; at--) {
        digits[at] = '0';
    }
}

static int connect_patiently(void)
{
    for (int attempt = 0; attempt < 500; attempt++) {
        int fd = loopback_socket(port, false);
        if (fd >= 0) {
            return fd;
        }
        if (waitpid(server, NULL, WNOHANG) != 0) {
            server = 0;
            errno = ECHILD;
            die("membershipd ended");
        }
        usleep(10000);
    }
    die("membershipd does not listen");
    return -1;
}

static void expect_pong(int fd)
{
    char text[4096];
    size_t len = 0;
    while (len < sizeof(text) - 1) {
        ssize_t got = read(fd, text + len, sizeof(text) - 1 - len);
        if (got <= 0) {
            die("login");
        }
        len += (size_t)got;
        text[len] = '\0';
        if (strstr(text, "PONG\r\n") != NULL) {
            return;
        }
    }
}

static void make_message(struct conn *conn, const struct shape *shape, const char *token)
{
    size_t room = 256 + shape->size;
    conn->message = calloc(1, room);
    size_t head =
        (size_t)snprintf(conn->message, room, "PUB acker.%s _INBOX.%s.", shape->verb, token);
    conn->number_at = head;
    head +=
        (size_t)snprintf(conn->message + head, room - head, "%0*d %zu\r\n", DIGITS, 0, shape->size);
    memset(conn->message + head, 'x', shape->size);
    memcpy(conn->message + head + shape->size, "\r\n", 2);
    conn->message_len = head + shape->size + 2;
    conn->out = malloc(conn->message_len * shape->window);
    conn->in = malloc(READ_ROOM);
    if (conn->out == NULL || conn->in == NULL) {
        die("memory");
    }
}

static void conn_open(struct conn *conn, const struct shape *shape)
{
    static int number; /* an inbox belongs to its first owner for a while: never the same again */
    char token[INBOX_TOKEN + 1], login[256];
    int one = 1;
    memset(conn, 0, sizeof(*conn));
    snprintf(token, sizeof(token), "bench%017d", number++);
    memset(conn->next, '0', DIGITS);
    conn->prefix_len =
        (size_t)snprintf(conn->prefix, sizeof(conn->prefix), "MSG _INBOX.%s.", token);
    make_message(conn, shape, token);
    conn->fd = connect_patiently();
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    int len = snprintf(login, sizeof(login),
                       "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n"
                       "SUB _INBOX.%s.* 1\r\nPING\r\n",
                       token);
    if (write(conn->fd, login, (size_t)len) != len) {
        die("login");
    }
    expect_pong(conn->fd);
    fcntl(conn->fd, F_SETFL, O_NONBLOCK);
}

static void conn_close(struct conn *conn)
{
    close(conn->fd);
    free(conn->message);
    free(conn->out);
    free(conn->in);
}

/* Fills the window and writes as much of it as the socket takes. */
static void conn_send(struct conn *conn, const struct shape *shape, bool may_start)
{
    if (conn->out_at == conn->out_len) {
        conn->out_at = conn->out_len = 0;
        for (; may_start && conn->sent - conn->acked < shape->window; conn->sent++) {
            memcpy(conn->out + conn->out_len, conn->message, conn->message_len);
            conn->out_len += conn->message_len;
            count_up(conn->message + conn->number_at);
        }
    }
    if (conn->out_at < conn->out_len) {
        ssize_t put = write(conn->fd, conn->out + conn->out_at, conn->out_len - conn->out_at);
        if (put < 0 && errno != EAGAIN) {
            die("write");
        }
        conn->out_at += put > 0 ? (size_t)put : 0;
    }
}

/* The length of the acknowledgement at `at`, 0 = not whole yet. */
static size_t ack_len(const struct conn *conn, const char *at, size_t len)
{
    size_t head = conn->prefix_len + DIGITS;
    const char *end = len < head ? NULL : memchr(at + head, '\n', len - head);
    if (end == NULL) {
        return 0;
    }
    if (memcmp(at, conn->prefix, conn->prefix_len) != 0 ||
        memcmp(at + conn->prefix_len, conn->next, DIGITS) != 0) {
        fprintf(stderr, "bench_bus: %s%s was expected, this came: %.*s\n", conn->prefix, conn->next,
                (int)(end - at), at);
        exit(1);
    }
    size_t size = strtoul(at + head + 3, NULL, 10); /* behind " 1 " */
    size_t whole = (size_t)(end + 1 - at) + size + 2;
    return whole <= len ? whole : 0;
}

static void conn_receive(struct conn *conn)
{
    ssize_t got = read(conn->fd, conn->in + conn->in_len, READ_ROOM - conn->in_len);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        die("read");
    }
    conn->in_len += got > 0 ? (size_t)got : 0;
    size_t at = 0, len;
    while ((len = ack_len(conn, conn->in + at, conn->in_len - at)) > 0) {
        at += len;
        conn->acked++;
        count_up(conn->next);
    }
    memmove(conn->in, conn->in + at, conn->in_len - at);
    conn->in_len -= at;
}

/* ---- a round ----------------------------------------------------------------------------------
 */

static uint64_t all_of(const struct conn *conns, int count, bool is_sent)
{
    uint64_t sum = 0;
    for (int i = 0; i < count; i++) {
        sum += is_sent ? conns[i].sent : conns[i].acked;
    }
    return sum;
}

/* Until the time is over and every message is acknowledged. */
static void exchange(int epoll, struct conn *conns, const struct shape *shape, double until)
{
    struct epoll_event events[CONNECTIONS_MAX];
    bool may_start = true;
    while (may_start ||
           all_of(conns, shape->connections, true) != all_of(conns, shape->connections, false)) {
        int count = epoll_wait(epoll, events, CONNECTIONS_MAX, 5000);
        may_start = may_start && now() < until;
        if (count <= 0) {
            errno = ETIMEDOUT;
            die("messages were not acknowledged");
        }
        for (int i = 0; i < count; i++) {
            struct conn *conn = events[i].data.ptr;
            conn_receive(conn);
            conn_send(conn, shape, may_start);
            uint32_t wanted = conn->out_at < conn->out_len ? EPOLLIN | EPOLLOUT : EPOLLIN;
            struct epoll_event event = {.events = wanted, .data = {.ptr = conn}};
            if ((events[i].events & EPOLLOUT) != (wanted & EPOLLOUT)) {
                epoll_ctl(epoll, EPOLL_CTL_MOD, conn->fd, &event);
            }
        }
    }
}

static struct round run_round(const struct shape *shape, double seconds)
{
    static struct conn conns[CONNECTIONS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < shape->connections; i++) {
        conn_open(&conns[i], shape);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data = {.ptr = &conns[i]}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &event);
    }
    double start = now(), server_start_cpu = server_cpu(), own_start_cpu = own_cpu();
    exchange(epoll, conns, shape, start + seconds);
    double acks = (double)all_of(conns, shape->connections, false);
    struct round round = {acks / (now() - start), (server_cpu() - server_start_cpu) / acks * 1e6,
                          (own_cpu() - own_start_cpu) / acks * 1e6};
    for (int i = 0; i < shape->connections; i++) {
        conn_close(&conns[i]);
    }
    close(epoll);
    return round;
}

static void run_shape(const struct shape *shape, double seconds, int rounds)
{
    struct round best = {0, 0, 0};
    double worst = 0;
    for (int i = 0; i < rounds; i++) {
        struct round round = run_round(shape, seconds);
        best = round.acks_per_s > best.acks_per_s ? round : best;
        worst = i == 0 || round.acks_per_s < worst ? round.acks_per_s : worst;
    }
    printf("%-5s %6d %8u %9u %7zu %12.0f %12.0f %9.2f %9.2f\n", shape->verb, shape->connections,
           shape->window, shape->window * (unsigned)shape->connections, shape->size,
           best.acks_per_s, worst, best.server_us, best.client_us);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        {"ack", 1, 256, 16},  {"ack", 4, 64, 16},    {"ack", 16, 16, 16},
        {"ack", 4, 256, 16},  {"ack", 16, 256, 16},  {"ack", 1, 4096, 16},
        {"ack", 4, 256, 128}, {"ack", 4, 256, 1024}, {"echo", 4, 256, 128},
    };
    char build[4096];
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    ssize_t len = readlink("/proc/self/exe", build, sizeof(build) - 1);
    build[len > 0 ? len : 0] = '\0';
    for (int i = 0; i < 2; i++) { /* BUILD/tests/bench_bus */
        char *slash = strrchr(build, '/');
        *(slash != NULL ? slash : build) = '\0';
    }
    signal(SIGPIPE, SIG_IGN);
    bool is_open = argc > 3 && strcmp(argv[3], "open") == 0;
    server_start(build, is_open ? "off" : "enforce", argc > 4 ? atoi(argv[4]) : 0);
    printf("%-5s %6s %8s %9s %7s %12s %12s %9s %9s\n", "verb", "conns", "window", "in flight",
           "bytes", "best acks/s", "worst", "server us", "client us");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        run_shape(&shapes[i], seconds, rounds);
    }
    return 0;
}
