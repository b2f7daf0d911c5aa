/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include <unibus-client/bus.h>
#include <unibus-client/message.h>

#include "cmd_message.h"
#include "cmd_room.h"
#include "output.h"

#define STDIN_MAX (8 * 1024 * 1024)

/* Everything from stdin, up to what a message may hold. The caller frees. */
static enum unibus_status read_stdin(char **text_out, size_t *len_out, struct unibus_err *err)
{
    char *text = malloc(STDIN_MAX + 1);
    if (text == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    *len_out = fread(text, 1, STDIN_MAX + 1, stdin);
    if (ferror(stdin) || *len_out > STDIN_MAX) {
        free(text);
        return unibus_fail(err, UNIBUS_FAILED, "cannot read stdin, or it is more than 8 MiB");
    }
    *text_out = text;
    return UNIBUS_OK;
}

static char *base64_of(const uint8_t *bytes, size_t len)
{
    size_t cap = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(cap);
    if (text != NULL) {
        sodium_bin2base64(text, cap, bytes, len, sodium_base64_VARIANT_ORIGINAL);
    }
    return text;
}

static void set_base64(json_t *object, const char *key, struct ubr_bytes bytes)
{
    char *text = base64_of(bytes.ptr, bytes.len);
    json_object_set_new(object, key, json_string(text != NULL ? text : ""));
    free(text);
}

static void set_hex(json_t *object, const char *key, const uint8_t *bytes, size_t len)
{
    char text[65];
    sodium_bin2hex(text, sizeof(text), bytes, len);
    json_object_set_new(object, key, json_string(text));
}

/* "text" for UTF-8, else "base64". */
static void set_content(json_t *object, struct ubr_bytes content)
{
    json_t *text = json_stringn(content.len > 0 ? (const char *)content.ptr : "", content.len);
    if (text != NULL) {
        json_object_set_new(object, "text", text);
    } else {
        set_base64(object, "base64", content);
    }
}

/* The clear part of an envelope, and all of it. */
static json_t *envelope_json(const struct unibus_room *room, const char *subject,
                             struct ubr_bytes wire)
{
    struct ubr_msg_header header;
    json_t *line = json_object();
    json_object_set_new(line, "event", json_string("envelope"));
    json_object_set_new(line, "room", json_string(unibus_room_id(room)));
    json_object_set_new(line, "subject", out_json_text(subject));
    if (!unibus_room_is_plain(room) && ubr_msg_parse_header(wire, &header) == UBR_OK) {
        json_object_set_new(line, "epoch", json_integer(header.epoch));
        set_hex(line, "kid", header.id.kid, UBR_KID_LEN);
        json_object_set_new(line, "counter", json_integer((json_int_t)header.id.counter));
        json_object_set_new(line, "time_ms", json_integer((json_int_t)header.time_ms));
        json_object_set_new(line, "signed", json_boolean((header.flags & UBR_MSG_SIGNED) != 0));
    }
    set_base64(line, "base64", wire);
    return line;
}

static enum unibus_status send_wire(struct unibus_room *room, struct unibus_bus *bus,
                                    const char *subject, struct ubr_bytes wire,
                                    struct unibus_err *err)
{
    char nats_id[UBR_MSG_NATS_ID_LEN + 1];
    struct ubr_msg_header header;
    struct unibus_post post = {.subject = subject, .payload = wire};
    if (!unibus_room_is_plain(room)) {
        post.ub_subject = subject;
        if (ubr_msg_parse_header(wire, &header) == UBR_OK) {
            ubr_msg_nats_id(&header, nats_id);
            post.nats_id = nats_id;
        }
    }
    return unibus_bus_publish(bus, &post, err);
}

enum unibus_status cli_publish(struct unibus_room *room, const char *channel, const char *type,
                               struct ubr_bytes content, json_t **envelope_out,
                               struct unibus_err *err)
{
    char subject[512];
    struct unibus_bus *bus;
    enum unibus_status status = unibus_subject(room, channel, false, subject, err);
    if (status == UNIBUS_OK) {
        status = unibus_bus_open(unibus_room_client(room), &bus, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    const struct unibus_outgoing outgoing = {subject, type, &content};
    struct unibus_sealed sealed;
    status = unibus_messages_seal(room, &outgoing, 1, &sealed, err);
    if (status == UNIBUS_OK) {
        const struct ubr_bytes wire = ubr_bytes_of(sealed.wire, sealed.len);
        status = send_wire(room, bus, subject, wire, err);
        if (status == UNIBUS_OK && envelope_out != NULL) {
            *envelope_out = envelope_json(room, subject, wire);
        }
        unibus_messages_clear(&sealed, 1);
    }
    unibus_bus_close(&bus);
    return status;
}

static enum unibus_status publish(struct cli *cli, struct unibus_room *room,
                                  struct ubr_bytes content, struct unibus_err *err)
{
    json_t *envelope;
    enum unibus_status status =
        cli_publish(room, cli->args[1], cli_option(cli, "type"), content, &envelope, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    if (cli_option(cli, "raw") == NULL) {
        json_object_del(envelope, "base64");
    }
    json_object_set_new(envelope, "event", json_string("published"));
    if (out_is_json(cli)) {
        out_json_line(envelope);
        return UNIBUS_OK;
    }
    const char *raw = json_string_value(json_object_get(envelope, "base64"));
    if (raw != NULL) {
        puts(raw);
    }
    if (unibus_room_is_plain(room)) {
        unibus_client_notice(cli->client, "this room is not encrypted");
    }
    json_decref(envelope);
    return UNIBUS_OK;
}

enum unibus_status cli_pub(struct cli *cli, struct unibus_err *err)
{
    struct unibus_room *room;
    char *text = NULL;
    const char *given = cli->args_len > 2 ? cli->args[2] : "-";
    size_t len = strlen(given);
    enum unibus_status status = cli_room_open_fresh(cli, &room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    if (strcmp(given, "-") == 0) {
        status = read_stdin(&text, &len, err);
        given = text;
    }
    if (status == UNIBUS_OK) {
        status = publish(cli, room, ubr_bytes_of(given, len), err);
    }
    if (text != NULL) {
        sodium_memzero(text, len);
    }
    free(text);
    unibus_room_close(&room);
    return status;
}

/* Listening. */
struct listener {
    struct cli *cli;
    struct unibus_room *room;
    struct unibus_bus *bus;
    char subject[512];
    long long count_left; /* −1 = no end */
    long long end_ms;     /* of the monotonic clock; −1 = no end */
    long long tend_ms;
    char told[sizeof(((struct unibus_err *)NULL)->message)]; /* what failed last */
};

#define TEND_EVERY_MS 5000
#define WAIT_MS       200

static volatile sig_atomic_t is_stopped;

static void on_stop(int signal_number)
{
    (void)signal_number;
    is_stopped = 1;
}

static long long mono_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static json_t *event_json(const struct listener *listener, const char *event)
{
    return json_pack("{s:s, s:s}", "event", event, "room", unibus_room_id(listener->room));
}

/* The part of a subject after "ub.r.<room>.". */
static const char *channel_of(const char *subject)
{
    const size_t prefix = strlen("ub.r.") + UBR_ROOM32_LEN + 1;
    return strlen(subject) > prefix ? subject + prefix : subject;
}

static bool is_text(struct ubr_bytes content)
{
    json_t *text = json_stringn(content.len > 0 ? (const char *)content.ptr : "", content.len);
    json_decref(text);
    return text != NULL;
}

static void show_line(const char *who, const char *channel, struct ubr_bytes content)
{
    out_safe(stdout, who, strlen(who));
    fputs(" #", stdout);
    out_safe(stdout, channel, strlen(channel));
    fputs(": ", stdout);
    if (content.len > 0 && is_text(content)) {
        out_safe_lines(stdout, (const char *)content.ptr, content.len);
    } else {
        printf("(%zu bytes, not text)", content.len);
    }
    putchar('\n');
    fflush(stdout);
}

static void show_message(const struct listener *listener, const struct unibus_said *said)
{
    char subject[512];
    snprintf(subject, sizeof(subject), "%.*s", (int)said->msg.subject.len,
             (const char *)said->msg.subject.ptr);
    struct ubr_bytes record;
    for (size_t cursor = 0; ubr_msg_record_next(&said->msg, &cursor, &record);) {
        if (!out_is_json(listener->cli)) {
            show_line(said->msg.is_signed ? said->msg.handle : "a member", channel_of(subject),
                      record);
            continue;
        }
        json_t *line = event_json(listener, "message");
        json_object_set_new(line, "channel", out_json_text(channel_of(subject)));
        json_object_set_new(line, "epoch", json_integer(said->msg.header.epoch));
        json_object_set_new(line, "from",
                            json_pack("{s:s, s:s, s:s}", "handle", said->msg.handle, "id", said->id,
                                      "kid", said->kid_hex));
        json_object_set_new(line, "signed", json_boolean(said->msg.is_signed));
        json_object_set_new(line, "counter", json_integer((json_int_t)said->msg.header.id.counter));
        json_object_set_new(line, "time_ms", json_integer((json_int_t)said->msg.header.time_ms));
        if (ubr_ext_is_set(&said->msg.ext, UBR_EXT_MEDIA_TYPE)) {
            const struct ubr_bytes type = said->msg.ext.media_type;
            json_object_set_new(line, "type", json_stringn((const char *)type.ptr, type.len));
        }
        set_content(line, record);
        out_json_line(line);
    }
}

static void show_rejected(const struct listener *listener, const char *code, const char *subject,
                          const struct unibus_said *said)
{
    if (out_is_json(listener->cli)) {
        json_t *line = json_pack("{s:s, s:s}", "event", "rejected", "code", code);
        json_object_set_new(line, "subject", out_json_text(subject));
        if (said->kid_hex[0] != '\0') {
            json_object_set_new(line, "kid", json_string(said->kid_hex));
        }
        out_json_line(line);
    } else {
        fprintf(stderr, "rejected: %s on ", code);
        out_safe(stderr, subject, strlen(subject));
        fputc('\n', stderr);
    }
}

static void take_plain(struct listener *listener, const struct unibus_bus_event *event)
{
    if (!out_is_json(listener->cli)) {
        show_line("(not encrypted)", channel_of(event->subject), event->payload);
        return;
    }
    json_t *line = event_json(listener, "message");
    json_object_set_new(line, "channel", out_json_text(channel_of(event->subject)));
    json_object_set_new(line, "encrypted", json_false());
    set_content(line, event->payload);
    out_json_line(line);
}

/* True when it counts. */
static bool take_message(struct listener *listener, const struct unibus_bus_event *event)
{
    if (cli_option(listener->cli, "raw") != NULL) {
        out_json_line(envelope_json(listener->room, event->subject, event->payload));
        return true;
    }
    if (unibus_room_is_plain(listener->room)) {
        take_plain(listener, event);
        return true;
    }
    const struct unibus_incoming incoming = {event->subject, event->ub_subject, event->payload};
    struct unibus_said said;
    struct unibus_err err = UNIBUS_ERR_INIT;
    bool is_good = unibus_message_open(listener->room, &incoming, &said, &err) == UNIBUS_OK;
    if (is_good) {
        show_message(listener, &said);
    } else {
        show_rejected(listener, err.code, event->subject, &said);
    }
    unibus_said_clear(&said);
    return is_good;
}

static void show_event(const struct listener *listener, const char *event, const char *text)
{
    if (out_is_json(listener->cli)) {
        json_t *line = json_pack("{s:s}", "event", event);
        if (text[0] != '\0') {
            json_object_set_new(line, "text", out_json_text(text));
        }
        out_json_line(line);
    } else {
        fprintf(stderr, "%s: ", event);
        out_safe(stderr, text, strlen(text));
        fputc('\n', stderr);
    }
}

/* One event. UNIBUS_OK to go on. */
static enum unibus_status take_event(struct listener *listener,
                                     const struct unibus_bus_event *event, struct unibus_err *err)
{
    switch (event->type) {
    case UNIBUS_BUS_MESSAGE:
        if (take_message(listener, event) && listener->count_left > 0) {
            listener->count_left--;
        }
        return UNIBUS_OK;
    case UNIBUS_BUS_REFUSED:
        show_event(listener, "refused", event->text);
        return UNIBUS_OK;
    case UNIBUS_BUS_LOST:
        show_event(listener, "lost", "the connection broke; trying again");
        return UNIBUS_OK;
    case UNIBUS_BUS_BACK:
        show_event(listener, "back", "connected again");
        return UNIBUS_OK;
    case UNIBUS_BUS_CLOSED:
        show_event(listener, "closed", event->text);
        return unibus_fail(err, UNIBUS_DENIED, "the node closed the connection: %s", event->text);
    default:
        return UNIBUS_OK;
    }
}

/* What cannot be done now is tried again; that the node shows a false log is said, once. */
static void tell_once(struct listener *listener, enum unibus_status status,
                      const struct unibus_err *err)
{
    if (status == UNIBUS_OK) {
        listener->told[0] = '\0';
    } else if (status == UNIBUS_UNVERIFIED && strcmp(listener->told, err->message) != 0) {
        unibus_client_notice_error(listener->cli->client, "the log", err);
        snprintf(listener->told, sizeof(listener->told), "%s", err->message);
    }
}

/* A member who is online answers for others now and then. */
static void tend(struct listener *listener)
{
    if (mono_ms() >= listener->tend_ms && cli_option(listener->cli, "raw") == NULL) {
        struct unibus_err err = UNIBUS_ERR_INIT;
        tell_once(listener, unibus_room_tend(listener->room, &err), &err);
        unibus_messages_flush(listener->room, &err);
        listener->tend_ms = mono_ms() + TEND_EVERY_MS;
    }
}

static enum unibus_status listen_on(struct listener *listener, struct unibus_err *err)
{
    enum unibus_status status = UNIBUS_OK;
    while (!is_stopped && status == UNIBUS_OK && listener->count_left != 0) {
        long long left = listener->end_ms >= 0 ? listener->end_ms - mono_ms() : WAIT_MS;
        if (left <= 0) {
            break;
        }
        struct unibus_bus_event event;
        unibus_bus_next(listener->bus, left < WAIT_MS ? left : WAIT_MS, &event);
        status = take_event(listener, &event, err);
        unibus_bus_event_clear(&event);
        tend(listener);
    }
    struct unibus_err second = UNIBUS_ERR_INIT;
    unibus_messages_flush(listener->room, &second);
    if (status == UNIBUS_OK && !is_stopped && listener->count_left > 0) {
        status = unibus_fail(err, UNIBUS_TIMEOUT, "the time has passed: %lld messages are missing",
                             listener->count_left);
    }
    return status;
}

static enum unibus_status start(struct listener *listener, struct unibus_err *err)
{
    const char *channel = listener->cli->args_len > 1 ? listener->cli->args[1] : ">";
    enum unibus_status status =
        unibus_subject(listener->room, channel, true, listener->subject, err);
    if (status == UNIBUS_OK) {
        status = unibus_bus_open(listener->cli->client, &listener->bus, err);
    }
    if (status == UNIBUS_OK) {
        status = unibus_bus_subscribe(listener->bus, listener->subject, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    if (out_is_json(listener->cli)) {
        json_t *line = event_json(listener, "ready");
        json_object_set_new(line, "subject", json_string(listener->subject));
        json_object_set_new(line, "encrypted", json_boolean(!unibus_room_is_plain(listener->room)));
        out_json_line(line);
    } else {
        fprintf(stderr, "listening on %s (%s)\n", listener->subject,
                unibus_room_is_plain(listener->room) ? "NOT encrypted" : "encrypted");
    }
    return UNIBUS_OK;
}

static enum unibus_status parse_ends(const struct cli *cli, struct listener *listener,
                                     struct unibus_err *err)
{
    const char *count = cli_option(cli, "count"), *duration = cli_option(cli, "for");
    listener->count_left = listener->end_ms = -1;
    if (count != NULL) {
        char *end;
        listener->count_left = strtoll(count, &end, 10);
        if (*end != '\0' || listener->count_left <= 0) {
            return unibus_fail(err, UNIBUS_USAGE, "--count %s: it must be 1 or more", count);
        }
    }
    if (duration != NULL) {
        long long ms = cli_duration_ms(duration);
        if (ms < 0) {
            return unibus_fail(err, UNIBUS_USAGE, "--for %s is not a duration (500ms, 10s, 2m)",
                               duration);
        }
        listener->end_ms = mono_ms() + ms;
    }
    return UNIBUS_OK;
}

enum unibus_status cli_sub(struct cli *cli, struct unibus_err *err)
{
    struct listener listener = {.cli = cli};
    const struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    enum unibus_status status = parse_ends(cli, &listener, err);
    if (status == UNIBUS_OK) {
        status = cli_room_open_fresh(cli, &listener.room, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    listener.tend_ms = mono_ms() + TEND_EVERY_MS;
    status = start(&listener, err);
    if (status == UNIBUS_OK) {
        status = listen_on(&listener, err);
    }
    unibus_bus_close(&listener.bus);
    unibus_room_close(&listener.room);
    return status;
}
