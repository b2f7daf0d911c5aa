/* SPDX-License-Identifier: Apache-2.0 */
#include "thread.h"

#include <signal.h>

/* Address space only; pages are taken when they are touched. */
#define THREAD_STACK_BYTES (1024u * 1024u)

static int thread_create(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc != 0) {
        return rc;
    }
    rc = pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    if (rc == 0) {
        rc = pthread_create(thread, &attr, fn, arg);
    }
    pthread_attr_destroy(&attr);
    return rc;
}

enum ub_status thread_start(const char *name, void *(*fn)(void *arg), void *arg,
                            pthread_t *thread_out, struct ub_err *err)
{
    /* The new thread inherits the mask of its maker, so it is set before, not inside. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = thread_create(thread_out, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        return ub_fail(err, UB_EIO, "cannot start thread \"%s\": %s", name, strerror(rc));
    }
    char shown[16];
    snprintf(shown, sizeof(shown), "%.15s", name);
    pthread_setname_np(*thread_out, shown);
    return UB_OK;
}
