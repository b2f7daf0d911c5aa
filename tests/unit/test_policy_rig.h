/* SPDX-License-Identifier: Apache-2.0
 *
 * Scripts of a line or two, loaded and asked. */
#ifndef TEST_POLICY_RIG_H
#define TEST_POLICY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <ubp/actions.h>
#include <ubp/script.h>

static const struct ubp_who rig_alice = {"alice-id", "alice", "member", ""};
static const struct ubp_conn rig_office = {.transport = "nats", .ip = "10.80.1.2", .has_tls = true};

/* The text after `policy "1"` on its first line; NULL with a fault. */
static inline struct ubp_script *rig_try(const char *text, struct ubp_fault *fault)
{
    static char whole[UBP_TEXT_MAX + 64];
    snprintf(whole, sizeof(whole), "policy \"1\" %s", text);
    return ubp_script_load("test.lua", whole, strlen(whole), NULL, fault);
}

static inline struct ubp_script *rig_load(const char *text)
{
    struct ubp_fault fault;
    struct ubp_script *script = rig_try(text, &fault);
    if (script == NULL) {
        fail_msg("%s\n:%u: %s", text, fault.line, fault.text);
    }
    return script;
}

/* The text cannot be loaded, on this line, with this in the message. */
static inline void rig_refused(const char *text, enum ubp_error error, uint32_t line,
                               const char *part)
{
    struct ubp_fault fault;
    struct ubp_script *script = rig_try(text, &fault);
    if (script != NULL || fault.error != error || fault.line != line ||
        strstr(fault.text, part) == NULL) {
        fail_msg("%s\nloaded %d, error %d line %u: %s", text, script != NULL, fault.error,
                 fault.line, fault.text);
    }
}

static inline void rig_connect(struct ubp_script *script, struct ubp_decision *decision)
{
    ubp_on_connect(script, &rig_alice, &rig_office, NULL, decision);
}

/* The body of on_connect(who, conn) gives this verdict. */
static inline struct ubp_decision rig_body(const char *body)
{
    static char text[UBP_TEXT_MAX];
    struct ubp_decision decision;
    snprintf(text, sizeof(text), "function on_connect(who, conn) %s end", body);
    struct ubp_script *script = rig_load(text);
    rig_connect(script, &decision);
    ubp_script_free(&script);
    return decision;
}

static inline void rig_fails(const char *body, enum ubp_error error, const char *part)
{
    struct ubp_decision decision = rig_body(body);
    if (decision.verdict != UBP_DENY || decision.error != error ||
        strstr(decision.text, part) == NULL) {
        fail_msg("%s\nverdict %d error %d: %s", body, decision.verdict, decision.error,
                 decision.text);
    }
    ubp_decision_fini(&decision);
}

/* The expression is true in a script. */
static inline void rig_true(const char *expression)
{
    char body[1024];
    snprintf(body, sizeof(body), "if %s then return allow() end return deny \"it is false\"",
             expression);
    struct ubp_decision decision = rig_body(body);
    if (decision.verdict != UBP_ALLOW) {
        fail_msg("%s: %s", expression, decision.text);
    }
    ubp_decision_fini(&decision);
}

static inline int64_t rig_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
