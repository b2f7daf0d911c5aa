/* SPDX-License-Identifier: Apache-2.0
 *
 * What one call of a policy costs: the samples, asked without the module. bench_policy [SECONDS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ubp/script.h>

static const struct ubp_who who = {"ap7fidentity", "carol", "member",
                                   "00112233445566778899aabbccddeeff"};
static const struct ubp_who program = {"ap7fprogram", "pump", "service", ""};
static const struct ubp_conn conn = {
    .transport = "nats", .ip = "10.80.3.4", .has_tls = true, .client = "bench"};
static const struct ubp_field mode = {.name = "mode", .text = "sealed"};
static const struct ubp_action create = {"room.create", "", "", 1, &mode};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct ubp_script *load(const char *path)
{
    static char text[UBP_TEXT_MAX];
    struct ubp_fault fault;
    FILE *file = fopen(path, "r");
    size_t len = file != NULL ? fread(text, 1, sizeof(text), file) : 0;
    struct ubp_script *script = ubp_script_load(path, text, len, NULL, &fault);
    if (file == NULL || script == NULL) {
        fprintf(stderr, "%s cannot be loaded\n", path);
        exit(1);
    }
    fclose(file);
    return script;
}

static void measure(const char *path, const char *what, const struct ubp_who *asker, bool is_action,
                    double seconds)
{
    struct ubp_script *script = load(path);
    struct ubp_decision decision;
    long calls = 0;
    int64_t steps = 0;
    double start = now_s(), end = start;
    while (end - start < seconds) {
        for (int i = 0; i < 1000; i++, calls++) {
            if (is_action) {
                ubp_on_action(script, asker, &create, &conn, NULL, &decision);
            } else {
                ubp_on_connect(script, asker, &conn, NULL, &decision);
            }
            steps = decision.steps;
            ubp_decision_fini(&decision);
        }
        end = now_s();
    }
    printf("%-28s %-22s %8.2f us a call, %5lld steps, %zu KiB\n", path, what,
           (end - start) / (double)calls * 1e6, (long long)steps, ubp_script_memory(script) / 1024);
    ubp_script_free(&script);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    measure("etc/policy/site.lua", "on_connect", &who, false, seconds);
    measure("etc/policy/site.lua", "on_action", &who, true, seconds);
    measure("etc/policy/office.lua", "on_connect, 3 lines", &program, false, seconds);
    measure("etc/policy/office.lua", "on_action", &who, true, seconds);
    return 0;
}
