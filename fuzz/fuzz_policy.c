/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a policy script: loaded, tested and asked, all within the caps. */
#include <stdint.h>
#include <stdlib.h>

#include <ubp/script.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* As in fuzz_config.c: Lua lives on realloc, whose hooks libFuzzer miscounts. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void check(struct ubp_script *script, struct ubp_decision *decision)
{
    must(decision->error == UBP_OK || decision->verdict == UBP_DENY);
    must(decision->permissions.count <= UBP_LINES_MAX);
    must(ubp_script_memory(script) <= UBP_MEMORY_DEFAULT);
    ubp_decision_fini(decision);
}

static void ask(struct ubp_script *script)
{
    static const struct ubp_field field = {.name = "mode", .text = "plain"};
    const struct ubp_who who = {"id", "alice", "member", ""};
    const struct ubp_conn conn = {.transport = "nats", .ip = "192.0.2.1"};
    const struct ubp_action action = {"room.create", "", "", 1, &field};
    struct ubp_decision decision;
    struct ubp_trace trace;
    ubp_on_connect(script, &who, &conn, &trace, &decision);
    check(script, &decision);
    ubp_on_action(script, &who, &action, &conn, NULL, &decision);
    check(script, &decision);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ubp_limits limits = {5000, UBP_MEMORY_DEFAULT};
    struct ubp_fault fault;
    struct ubp_script *script =
        ubp_script_load("fuzz.lua", (const char *)data, size, &limits, &fault);
    if (script == NULL) {
        must(fault.error != UBP_OK && fault.text[0] != '\0');
        return 0;
    }
    ubp_script_test(script, NULL, NULL, &fault);
    ask(script);
    ask(script);
    ubp_script_free(&script);
    return 0;
}
