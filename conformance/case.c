/* SPDX-License-Identifier: Apache-2.0 */
#include "case.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <unibus/error.h>

#define WORDS_MAX 1024

static int report_fd = 2;

void case_report_to(int fd)
{
    report_fd = fd;
}

/* One write: the words of two threads do not mix. */
UB_PRINTF(4, 0)
static _Noreturn void leave(char kind, int code, const char *place, const char *format,
                            va_list args)
{
    char words[WORDS_MAX];
    int len = snprintf(words, sizeof(words), "%c%s", kind, place);
    vsnprintf(words + len, sizeof(words) - (size_t)len, format, args);
    ssize_t written = write(report_fd, words, strlen(words) + 1);
    (void)written;
    fflush(NULL);
    _exit(code);
}

void case_fail(const char *file, int line, const char *format, ...)
{
    char place[128];
    va_list args;
    const char *slash = strrchr(file, '/');
    snprintf(place, sizeof(place), "%s:%d: ", slash != NULL ? slash + 1 : file, line);
    va_start(args, format);
    leave('F', 1, place, format, args);
}

void case_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    leave('S', 0, "", format, args);
}

void case_expect_status(const char *file, int line, const char *what, enum ub_status got,
                        enum ub_status wanted, const struct ub_err *err)
{
    if (got != wanted) {
        case_fail(file, line, "%s answers \"%s\", not \"%s\"%s%s", what, ub_status_name(got),
                  ub_status_name(wanted), err != NULL && err->message[0] != '\0' ? ": " : "",
                  err != NULL ? err->message : "");
    }
}

void *case_alloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    expect(memory != NULL);
    return memory;
}

struct thread_arg {
    void (*fn)(void *arg, size_t number);
    void *arg;
    size_t number;
    pthread_t thread;
};

static void *thread_main(void *arg)
{
    struct thread_arg *thread = arg;
    thread->fn(thread->arg, thread->number);
    return NULL;
}

void case_threads(size_t count, void (*fn)(void *arg, size_t number), void *arg)
{
    struct thread_arg *threads = case_alloc(count, sizeof(*threads));
    for (size_t i = 0; i < count; i++) {
        threads[i] = (struct thread_arg){.fn = fn, .arg = arg, .number = i};
        expect_int(pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i].thread, NULL);
    }
    free(threads);
}

int64_t case_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void case_sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

struct case_victim case_fork(void)
{
    int pipes[2];
    expect_int(pipe(pipes), 0);
    fflush(NULL);
    pid_t pid = fork();
    expect(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pipes[0]);
        return (struct case_victim){pipes[1], 0};
    }
    close(pipes[1]);
    return (struct case_victim){pipes[0], pid};
}

void case_tell(const struct case_victim *victim, const void *ack, size_t size)
{
    if (write(victim->pipe, ack, size) != (ssize_t)size) {
        _exit(1);
    }
}

size_t case_kill_after(struct case_victim *victim, void *acks, size_t size, size_t acks_max,
                       size_t room)
{
    size_t count = 0;
    int status = 0;
    while (count < room && read(victim->pipe, (char *)acks + count * size, size) == (ssize_t)size) {
        if (++count == acks_max) {
            kill(victim->pid, SIGKILL);
        }
    }
    kill(victim->pid, SIGKILL);
    close(victim->pipe);
    expect_int(waitpid(victim->pid, &status, 0), victim->pid);
    if (count < acks_max) {
        fail("the process to be killed ended after %zu of %zu writes", count, acks_max);
    }
    return count;
}
