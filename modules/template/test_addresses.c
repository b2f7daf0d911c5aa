/* SPDX-License-Identifier: Apache-2.0
 *
 * The list alone, without a node: `ctest` in the build folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unibus/error.h>

#include "addresses.h"

#define CHECK(is_true)                                                                             \
    do {                                                                                           \
        if (!(is_true)) {                                                                          \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #is_true);                  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void test_networks(void)
{
    static const char *const texts[] = {"10.0.0.0/8", "192.0.2.7", "2001:db8::/33", "::1"};
    static const char *const inside[] = {"10.255.0.1", "192.0.2.7", "::ffff:192.0.2.7",
                                         "2001:db8:7fff::1", "::1"};
    static const char *const outside[] = {
        "11.0.0.1", "192.0.2.6",    "2001:db8:8000::1",  "::2",
        "",         "admin-socket", "10.0.0.1 and more", "10.0.0"};
    struct template_addresses list = {.count = 0};
    struct ub_err err = UB_ERR_INIT;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK(template_addresses_add(&list, texts[i], &err) == UB_OK);
    }
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        CHECK(template_addresses_has(&list, inside[i]));
    }
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        CHECK(!template_addresses_has(&list, outside[i]));
    }
    template_addresses_fini(&list);
    CHECK(!template_addresses_has(&list, "10.255.0.1"));
}

static void test_faults(void)
{
    static const char *const texts[] = {"",       "10.0.0.256",  "10.0.0.0/33", "10.0.0.0/",
                                        "::/129", "10.0.0.0/8x", "10.0.0.1/8",  "2001:db8::1/64",
                                        "a name", "::/-1",       "10.0.0.0/+8", "10.0.0.0/8/8"};
    struct template_addresses list = {.count = 0};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ub_err err = UB_ERR_INIT;
        CHECK(template_addresses_add(&list, texts[i], &err) == UB_EINVAL);
        CHECK(strstr(err.message, texts[i]) != NULL);
    }
    CHECK(list.count == 0);
    template_addresses_fini(&list);
}

static void test_file(void)
{
    char good[] = "# refused\n\n 10.0.0.0/8  # all of it\r\n\t::1\n192.0.2.7";
    char bad[] = "10.0.0.0/8\n\nnonsense # here\n";
    struct template_addresses list = {.count = 0};
    struct ub_err err = UB_ERR_INIT;
    CHECK(template_addresses_read(&list, "list", good, &err) == UB_OK);
    CHECK(list.count == 3);
    CHECK(template_addresses_read(&list, "list", bad, &err) == UB_EINVAL);
    CHECK(strncmp(err.message, "list:3: \"nonsense\" is no address", 32) == 0);
    template_addresses_fini(&list);
}

int main(void)
{
    test_networks();
    test_faults();
    test_file();
    return 0;
}
