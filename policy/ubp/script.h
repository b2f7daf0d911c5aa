/* SPDX-License-Identifier: Apache-2.0
 *
 * A site policy: a Lua script in a sandbox that can compute a verdict and nothing else.
 *
 *     struct ubp_fault fault;
 *     struct ubp_script *script = ubp_script_load("site.lua", text, len, NULL, &fault);
 *     if (script == NULL || !ubp_script_test(script, NULL, NULL, &fault)) …fault.line, fault.text…
 *     ubp_on_connect(script, &who, &conn, NULL, &decision);
 *
 * No threads, no I/O, no clock, no randomness: the same script and question give the same answer.
 * A script is used by one thread at a time; only ubp_script_stop may be called from another. */
#ifndef UBP_SCRIPT_H
#define UBP_SCRIPT_H

#include <ubp/ask.h>

#define UBP_TEXT_MAX         (256u * 1024u) /* bytes of a script */
#define UBP_TESTS_MAX        256
#define UBP_STEPS_DEFAULT    50000
#define UBP_STEPS_MIN        1000
#define UBP_MEMORY_DEFAULT   (1024u * 1024u)
#define UBP_MEMORY_MIN       (256u * 1024u)
#define UBP_LOAD_STEPS_TIMES 20 /* loading may take so many times the steps of a call … */
#define UBP_TEST_STEPS_TIMES 10 /* … and one test so many */

struct ubp_limits {
    int64_t steps;     /* VM instructions of one call, and what bounded helpers cost */
    size_t memory_max; /* bytes of the whole Lua state */
};

/* What is wrong with a script, where. */
struct ubp_fault {
    enum ubp_error error;
    uint32_t line;  /* 0 = unknown */
    char test[128]; /* the test that failed, "" = none */
    char text[384]; /* what, which value, what to do */
};

/* Loads the text: Lua source only, checked against the known actions, top level executed, then
 * frozen. `name` is for messages of the caller (ubp_script_name). limits NULL = the defaults. NULL
 * with a filled fault when it cannot be used. No test has run yet. */
struct ubp_script *ubp_script_load(const char *name, const char *text, size_t len,
                                   const struct ubp_limits *limits, struct ubp_fault *fault_out);
void ubp_script_free(struct ubp_script **script);

const char *ubp_script_name(const struct ubp_script *script);
bool ubp_script_has_on_connect(const struct ubp_script *script);
bool ubp_script_has_on_action(const struct ubp_script *script);
/* Bytes that the Lua state holds now. */
size_t ubp_script_memory(const struct ubp_script *script);

/* Ends a call that is running, or the next one, with UBP_E_STOPPED; the script is then of no more
 * use but to be freed. Threads: any, while the script exists. */
void ubp_script_stop(struct ubp_script *script);

/* ---- the tests in the script ------------------------------------------------------------------
 */

struct ubp_test_result {
    const char *name;
    uint32_t line; /* of the test */
    bool is_good;
    struct ubp_fault fault; /* when not good */
    uint32_t checks;        /* how many t.… were called */
    int64_t steps;
};

typedef void (*ubp_test_fn)(void *arg, const struct ubp_test_result *result);

size_t ubp_script_test_count(const struct ubp_script *script);
/* Runs every test block, tells each result (fn may be NULL), and answers whether all are good; the
 * first fault goes to fault_out (may be NULL). A test without a check is a fault. */
bool ubp_script_test(struct ubp_script *script, ubp_test_fn fn, void *arg,
                     struct ubp_fault *fault_out);

#endif
