/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_LIB_CLIENT_H
#define UNIBUS_CLIENT_LIB_CLIENT_H

#include <unibus-client/client.h>

#include "contacts.h"

struct unibus_client {
    struct unibus_home *home;
    struct unibus_node *node;
    struct unibus_identity identity;
    bool has_identity;
    struct contacts contacts;
    void (*notice)(void *arg, const char *text);
    void *notice_arg;
};

#endif
