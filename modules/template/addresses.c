/* SPDX-License-Identifier: Apache-2.0 */
#include "addresses.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <unibus/error.h>

#define ADDRESS_TEXT_MAX 64 /* INET6_ADDRSTRLEN, a slash and the bits; more is no address */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* The address as 16 bytes, and how many bits it had as written. */
static bool address_read(const char *text, uint8_t bytes[16], unsigned *bits_out)
{
    memcpy(bytes, mapped, sizeof(mapped));
    *bits_out = 32;
    if (inet_pton(AF_INET, text, bytes + sizeof(mapped)) == 1) {
        return true;
    }
    *bits_out = 128;
    return inet_pton(AF_INET6, text, bytes) == 1;
}

/* The digits behind the slash; -1 = no number from 0 to most. */
static int bits_read(const char *text, unsigned most)
{
    char *end;
    unsigned long bits = strtoul(text, &end, 10);
    bool is_number = *text >= '0' && *text <= '9' && *end == '\0';
    return is_number && bits <= most ? (int)bits : -1;
}

static bool bit_is_set(const uint8_t bytes[16], unsigned bit)
{
    return (bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

static bool has_bits_beyond(const struct template_network *network)
{
    for (unsigned bit = network->bits; bit < 128; bit++) {
        if (bit_is_set(network->bytes, bit)) {
            return true;
        }
    }
    return false;
}

static bool network_read(const char *text, struct template_network *network_out)
{
    char address[ADDRESS_TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    unsigned width;
    if (len >= sizeof(address)) {
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    if (!address_read(address, network_out->bytes, &width)) {
        return false;
    }
    int bits = slash != NULL ? bits_read(slash + 1, width) : (int)width;
    network_out->bits = 128 - width + (unsigned)bits;
    return bits >= 0;
}

static bool make_room(struct template_addresses *list)
{
    if (list->count < list->room) {
        return true;
    }
    size_t room = list->room == 0 ? 16 : list->room * 2;
    struct template_network *networks = reallocarray(list->networks, room, sizeof(*networks));
    if (networks == NULL) {
        return false;
    }
    list->networks = networks;
    list->room = room;
    return true;
}

enum ub_status template_addresses_add(struct template_addresses *list, const char *text,
                                      struct ub_err *err)
{
    struct template_network network;
    if (!network_read(text, &network)) {
        return ub_fail(err, UB_EINVAL,
                       "\"%.64s\" is no address and no network; write 10.1.2.3, 10.0.0.0/8 or "
                       "2001:db8::/32",
                       text);
    }
    if (has_bits_beyond(&network)) {
        return ub_fail(err, UB_EINVAL,
                       "\"%.64s\" has bits beyond its prefix; write the network's own address",
                       text);
    }
    if (list->count == TEMPLATE_ADDRESSES_MAX) {
        return ub_fail(err, UB_ELIMIT, "more than %zu networks; write larger ones",
                       TEMPLATE_ADDRESSES_MAX);
    }
    if (!make_room(list)) {
        return ub_fail(err, UB_ENOMEM, "no memory for %zu networks", list->count + 1);
    }
    list->networks[list->count++] = network;
    return UB_OK;
}

/* Without comment and blanks around it. */
static char *line_trim(char *line)
{
    line[strcspn(line, "#")] = '\0';
    line += strspn(line, " \t\r");
    size_t len = strlen(line);
    while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL) {
        line[--len] = '\0';
    }
    return line;
}

enum ub_status template_addresses_read(struct template_addresses *list, const char *file,
                                       char *text, struct ub_err *err)
{
    unsigned number = 1;
    for (char *line = text, *next; line != NULL; line = next, number++) {
        struct ub_err why = UB_ERR_INIT;
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        char *entry = line_trim(line);
        enum ub_status status = *entry == '\0' ? UB_OK : template_addresses_add(list, entry, &why);
        if (status != UB_OK) {
            return ub_fail(err, status, "%s:%u: %s", file, number, why.message);
        }
    }
    return UB_OK;
}

static bool network_has(const struct template_network *network, const uint8_t bytes[16])
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    return memcmp(network->bytes, bytes, whole) == 0 &&
           (rest == 0 || (network->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

bool template_addresses_has(const struct template_addresses *list, const char *address)
{
    uint8_t bytes[16];
    unsigned width;
    if (!address_read(address, bytes, &width)) {
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (network_has(&list->networks[i], bytes)) {
            return true;
        }
    }
    return false;
}

void template_addresses_fini(struct template_addresses *list)
{
    free(list->networks);
    *list = (struct template_addresses){.count = 0};
}
