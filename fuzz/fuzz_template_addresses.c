/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of addresses of the module to copy: any text. What one reading of it says of an address,
 * a second reading says too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "addresses.h"
#include "must.h"

static bool read_and_ask(const char *text, size_t size, enum ub_status *status_out)
{
    struct template_addresses list = {.count = 0};
    char *copy = calloc(1, size + 1);
    MUST(copy != NULL);
    memcpy(copy, text, size);
    *status_out = template_addresses_read(&list, "list", copy, NULL);
    bool has = template_addresses_has(&list, "10.1.2.3") || template_addresses_has(&list, copy);
    template_addresses_fini(&list);
    free(copy);
    return has;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum ub_status first, second;
    bool has = read_and_ask((const char *)data, size, &first);
    MUST(has == read_and_ask((const char *)data, size, &second));
    MUST(first == second);
    return 0;
}
