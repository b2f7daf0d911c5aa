/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker does with a request. It holds a reference from the queue to the end. */
#include "exchange.h"

static void work_end(struct http_exchange *x)
{
    http_auth_finish(x);
    http_exchange_release(x);
}

static bool is_gone(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    bool gone = x->is_gone;
    pthread_mutex_unlock(&x->lock);
    return gone;
}

void http_handler_run(struct http_exchange *x)
{
    bool is_stream = (x->route->pub.flags & UB_HTTP_STREAM_BODY) != 0;
    if (!is_stream || http_transfer_begin(x)) {
        x->route->pub.handler(x->route->pub.arg, &x->pub);
        http_reply_after(x);
    }
    http_transfer_end(x);
}

static void handle_work(void *arg)
{
    struct http_exchange *x = arg;
    bool is_stream = (x->route->pub.flags & UB_HTTP_STREAM_BODY) != 0;
    /* Nobody waits for the answer any more: better no effect than one nobody learns of. */
    if (!is_gone(x) && (is_stream || http_body_whole(x))) {
        http_handler_run(x);
    }
    work_end(x);
}

static void post_admitted(struct http_exchange *x)
{
    http_exchange_ref(x);
    x->server->host->loop->post(x->server->loop, http_admitted_task, x);
}

/* After the authenticator the same worker goes on, unless a whole body must be waited for. */
static void authenticate_work(void *arg)
{
    struct http_exchange *x = arg;
    bool is_stream = (x->route->pub.flags & UB_HTTP_STREAM_BODY) != 0;
    bool has_body = http_head_has_body(&x->head);
    if (is_gone(x) || !http_auth_check(x)) {
        work_end(x);
        return;
    }
    bool goes_on = (is_stream || !has_body) && http_length_judge(x) == UB_P_NONE;
    x->is_worked_on = goes_on;
    post_admitted(x);
    if (goes_on) {
        handle_work(x);
    } else {
        http_exchange_release(x); /* with its ticket */
    }
}

static void submit(struct http_exchange *x, ub_task_fn work)
{
    struct ub_http_server *server = x->server;
    http_exchange_ref(x);
    if (server->host->pool->submit(server->pool, work, x) != UB_OK) {
        http_problem_reply(x, UB_P_MODULE_UNAVAILABLE, NULL,
                           "all workers are busy and the queue is full");
        http_exchange_unref(x);
    }
}

void http_work_authenticate(struct http_exchange *x)
{
    submit(x, authenticate_work);
}

void http_work_handle(struct http_exchange *x)
{
    submit(x, handle_work);
}
