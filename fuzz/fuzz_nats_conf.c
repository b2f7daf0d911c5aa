/* SPDX-License-Identifier: Apache-2.0
 *
 * A nats.conf of any bytes, with a file to include and an environment, down to the config of a
 * node: nothing is read beyond its end, every fault has a place in the text, a faulty text gives at
 * least one fault, and the same bytes give the same config twice. */
#include <stdlib.h>
#include <string.h>

#include "into.h"
#include "must.h"

struct input {
    const uint8_t *bytes;
    size_t len;
};

/* The first line of the input is also the file "x" and the variable $x. */
static bool read_input(void *ctx, const char *path, char **bytes_out, size_t *len_out,
                       const char **why)
{
    const struct input *input = ctx;
    bool is_part = strcmp(path, "x") == 0;
    const uint8_t *line = input->len > 0 ? memchr(input->bytes, '\n', input->len) : NULL;
    if (!is_part && strcmp(path, "c") != 0) {
        *why = "not here";
        return false;
    }
    *len_out = is_part && line != NULL ? (size_t)(line - input->bytes) : input->len;
    *bytes_out = malloc(*len_out > 0 ? *len_out : 1); /* exact, so that ASan sees its end */
    MUST(*bytes_out != NULL);
    if (*len_out > 0) {
        memcpy(*bytes_out, input->bytes, *len_out);
    }
    return true;
}

static const char *env_of_input(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "x") == 0 ? "[1, $y]" : strcmp(name, "y") == 0 ? "{a: $y}" : NULL;
}

static size_t load_once(const struct conf_reader *reader)
{
    struct options options = {.config = "c"};
    struct front_settings settings = {.note_count = 0};
    struct config config;
    struct report report = {.items = NULL};
    config_init(&config);
    into_load(&options, reader, &settings, &config, &report);
    for (size_t i = 0; i < report.count; i++) {
        MUST(report.items[i].file != NULL && report.items[i].message[0] != '\0');
        MUST(report.items[i].column == 0 || report.items[i].line > 0);
    }
    size_t sum = report.count + report.dropped;
    for (size_t i = 0; i < config.module_count; i++) {
        sum = sum * 31 + config.modules[i].count;
    }
    front_settings_fini(&settings);
    config_fini(&config);
    report_fini(&report);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    const struct conf_reader reader = {read_input, env_of_input, &input};
    MUST(load_once(&reader) == load_once(&reader));
    return 0;
}
