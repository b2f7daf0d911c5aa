/* SPDX-License-Identifier: Apache-2.0
 *
 * What every case of a suite is written with.
 *
 * A case runs in a process of its own: a failure writes its sentence into the pipe to the runner
 * and ends the process, so it may happen on any thread, and nothing needs to be tidied up. */
#ifndef CONFORMANCE_CASE_H
#define CONFORMANCE_CASE_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unibus/abi.h>

struct subject;
struct kv_test;
struct blob_test;

/* One row of a table that ends with a NULL name. Exactly one of the functions is set: which, says
 * the suite (suite.h). */
struct check_case {
    const char *name, *doc;
    void (*kv)(struct kv_test *t);
    void (*blob)(struct blob_test *t);
    void (*life)(struct subject *s);
    /* "queue_max=1": the module gets this setting. When it has no such setting, the case is
     * skipped. */
    const char *set;
};

/* `KV_CASE(put_is_read_back, "what was put is what get answers"),` */
#define KV_CASE(fn, text)                                                                          \
    {                                                                                              \
        .name = #fn, .doc = (text), .kv = (fn)                                                     \
    }
#define BLOB_CASE(fn, text)                                                                        \
    {                                                                                              \
        .name = #fn, .doc = (text), .blob = (fn)                                                   \
    }
#define LIFE_CASE(fn, text)                                                                        \
    {                                                                                              \
        .name = #fn, .doc = (text), .life = (fn)                                                   \
    }

/* Where the words of a case go: an inherited pipe. */
void case_report_to(int fd);

/* End this process: the case has failed, or cannot be run on this module. Threads: any. */
_Noreturn void case_fail(const char *file, int line, const char *format, ...) UB_PRINTF(3, 4);
_Noreturn void case_skip(const char *format, ...) UB_PRINTF(1, 2);

#define fail(...) case_fail(__FILE__, __LINE__, __VA_ARGS__)

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail("not true: %s", #condition);                                                      \
        }                                                                                          \
    } while (0)

#define expect_int(got, wanted)                                                                    \
    do {                                                                                           \
        int64_t got_ = (int64_t)(got), wanted_ = (int64_t)(wanted);                                \
        if (got_ != wanted_) {                                                                     \
            fail("%s is %" PRId64 ", not %" PRId64, #got, got_, wanted_);                          \
        }                                                                                          \
    } while (0)

#define expect_text(got, wanted)                                                                   \
    do {                                                                                           \
        const char *got_ = (got), *wanted_ = (wanted);                                             \
        if (strcmp(got_, wanted_) != 0) {                                                          \
            fail("%s is \"%.300s\", not \"%.300s\"", #got, got_, wanted_);                         \
        }                                                                                          \
    } while (0)

#define expect_bytes(got, wanted, len) expect(memcmp((got), (wanted), (len)) == 0)

/* A status, told by its word. err: what the provider said, or NULL. */
void case_expect_status(const char *file, int line, const char *what, enum ub_status got,
                        enum ub_status wanted, const struct ub_err *err);
#define expect_status(got, wanted)                                                                 \
    case_expect_status(__FILE__, __LINE__, #got, (got), (wanted), NULL)

/* Zeroed; ends the case when there is no memory. */
void *case_alloc(size_t count, size_t size);

/* Runs fn(arg, 0) … fn(arg, count - 1) on so many threads and waits for all. */
void case_threads(size_t count, void (*fn)(void *arg, size_t number), void *arg);

/* Monotonic, real time. */
int64_t case_now_ms(void);
void case_sleep_ms(int64_t ms);

/* What a child of a killing case says over its pipe: `size` bytes (less than PIPE_BUF) at a time,
 * until it is killed after `acks_max` of them. Answers how many came; the child is gone. */
struct case_victim {
    int pipe; /* of the child: where it writes; of the parent: where it reads */
    int pid;  /* 0 in the child */
};
struct case_victim case_fork(void);
void case_tell(const struct case_victim *victim, const void *ack, size_t size);
size_t case_kill_after(struct case_victim *victim, void *acks, size_t size, size_t acks_max,
                       size_t room);

#endif
