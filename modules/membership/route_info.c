/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /v1/info: what a client must know before it can sign anything. */
#include <stdlib.h>

#include "record.h"
#include "routes.h"
#include "view.h"

#define URL_MAX 1024

static json_t *view_nats(struct memb *memb)
{
    char url[URL_MAX] = "";
    const char *advertised = memb->settings->nats_url;
    json_t *urls = json_array();
    if (advertised == NULL || advertised[0] == '\0') {
        memb->host->node->read_fact(memb->host, "nats.url", url, sizeof url);
        advertised = url;
    }
    if (advertised[0] != '\0') {
        json_array_append_new(urls, json_string(advertised));
    }
    return urls;
}

static json_t *view_limits(struct memb *memb)
{
    return memb_view_object("entry_append_max_bytes", json_integer(MEMB_APPEND_BODY_MAX),
                            "append_record_max_bytes", json_integer(MEMB_RECORD_MAX),
                            "blob_max_bytes", json_integer(memb->settings->max_blob), NULL);
}

static void get_info(struct memb_call *call)
{
    struct memb *memb = call->memb;
    char epoch[MEMB_NONCE_EPOCH_LEN + 1];
    memb_nonce_epoch(memb, epoch, NULL);
    memb_reply(call, 200,
               memb_view_object("cluster_id", json_string(memb->cluster_id), "nonce_epoch",
                                json_string(epoch), "api", json_pack("[s]", "v1"), "suites",
                                json_pack("[i]", UBR_SUITE_1), "version",
                                json_string(memb->host->node->version(memb->host)), "nats",
                                view_nats(memb), "time_ms", json_integer(memb_now_ms(memb)),
                                "limits", view_limits(memb), NULL),
               NULL, NULL);
}

static const struct memb_route routes[] = {
    {"GET", "/v1/info", UB_HTTP_OPEN | UB_HTTP_PLAIN, 0, get_info},
};

const struct memb_route_table memb_info_routes = {routes, MEMB_COUNT(routes)};
