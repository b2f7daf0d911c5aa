/* SPDX-License-Identifier: Apache-2.0 */
#include "lang.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every address has 16 bytes; IPv4 is ::ffff:a.b.c.d, whichever way it was written. */
#define MAPPED_BITS 96

static bool address_parse(const char *text, uint8_t out[16], bool *is_v4_out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    *is_v4_out = inet_pton(AF_INET, text, out + 12) == 1;
    if (*is_v4_out) {
        memcpy(out, mapped, sizeof(mapped));
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

static bool is_mapped(const uint8_t *bytes)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(bytes, prefix, sizeof(prefix)) == 0;
}

/* "10.80.0.0/16"; bits outside of the mask must be zero, or the writer meant something else. */
static bool net_parse(const char *text, uint8_t out[16], unsigned *bits_out)
{
    char host[64];
    bool is_v4;
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(host)) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (!address_parse(host, out, &is_v4)) {
        return false;
    }
    *bits_out = 128;
    if (slash == NULL) {
        return true;
    }
    char *end;
    size_t digits = strspn(slash + 1, "0123456789");
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (digits == 0 || digits > 3 || *end != '\0' || bits > (is_v4 ? 32u : 128u)) {
        return false;
    }
    *bits_out = (unsigned)bits + (is_v4 ? MAPPED_BITS : 0);
    return true;
}

static bool bit_at(const uint8_t *bytes, unsigned bit)
{
    return (bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

enum ubp_ip ubp_ip_in(const char *address, const char *net)
{
    uint8_t here[16], base[16];
    unsigned bits;
    bool is_v4;
    if (!net_parse(net, base, &bits)) {
        return UBP_IP_BAD_NET;
    }
    for (unsigned bit = bits; bit < 128; bit++) {
        if (bit_at(base, bit)) {
            return UBP_IP_BAD_NET;
        }
    }
    if (!address_parse(address, here, &is_v4)) {
        return UBP_IP_BAD_ADDRESS;
    }
    if (is_mapped(here) != is_mapped(base)) { /* ::/0 is every IPv6 address and no other */
        return UBP_IP_OUT;
    }
    for (unsigned bit = 0; bit < bits; bit++) {
        if (bit_at(here, bit) != bit_at(base, bit)) {
            return UBP_IP_OUT;
        }
    }
    return UBP_IP_IN;
}
