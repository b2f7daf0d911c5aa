/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of networks, read from text and asked about an address. It knows nothing of unibus but its
 * errors and takes no lock: that makes it easy to test (test_addresses.c), and to fuzz. */
#ifndef TEMPLATE_ADDRESSES_H
#define TEMPLATE_ADDRESSES_H

#include <unibus/abi.h>

#define TEMPLATE_ADDRESSES_MAX ((size_t)65536)

/* IPv4 stands as ::ffff:a.b.c.d, so that there is one kind of address. */
struct template_network {
    uint8_t bytes[16];
    unsigned bits;
};

/* Zeroed = empty. */
struct template_addresses {
    struct template_network *networks;
    size_t count, room;
};

/* "10.1.2.3", "10.0.0.0/8", "2001:db8::/32". UB_EINVAL: no address, or bits beyond the prefix. */
enum ub_status template_addresses_add(struct template_addresses *list, const char *text,
                                      struct ub_err *err);

/* One network a line; blanks around it, empty lines and what follows a # do not count. Errors name
 * `file` and the line. The text is changed. */
enum ub_status template_addresses_read(struct template_addresses *list, const char *file,
                                       char *text, struct ub_err *err);

/* Does it hold the address? What is no address ("admin-socket") is in no network. */
bool template_addresses_has(const struct template_addresses *list, const char *address);

void template_addresses_fini(struct template_addresses *list);

#endif
