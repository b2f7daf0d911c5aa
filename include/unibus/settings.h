/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings are declared, not parsed. A module lists its fields; the core reads the Lua config,
 * checks kind, range and choice, refuses unknown names with "did you mean", reports every fault at
 * once with file:line, and fills the module's struct. Docs and `membershipd explain` come from the
 * same table. Nothing is ever clamped.
 *
 *     struct demo_settings { int64_t workers; const char *dir; int mode; };
 *
 *     static const struct ub_field demo_fields[] = {
 *         UB_FIELD_INT(struct demo_settings, workers, "8", 1, 512, 0, "threads that …"),
 *         UB_FIELD_STATE_PATH(struct demo_settings, dir, "demo", 0, "where the files lie"),
 *         UB_FIELD_CHOICE(struct demo_settings, mode, "safe", "safe|fast", 0, "…"),
 *     };
 *
 * A field of the wrong C type does not compile. A list of records, such as the users of a module,
 * has a table of its own:
 *
 *     struct demo_peer { const char *name; struct { int64_t port; } tls; };
 *
 *     static const struct ub_field peer_fields[] = {
 *         UB_FIELD_STRING(struct demo_peer, name, NULL, UB_REQUIRED, "…"),
 *         UB_FIELD_INT(struct demo_peer, tls.port, "443", 1, 65535, 0, "…"),
 *     };
 *     static const struct ub_record peer_record = UB_RECORD(struct demo_peer, peer_fields);
 *     … UB_FIELD_RECORDS(struct demo_settings, peers, peer_record, 0, "…") …
 */
#ifndef UNIBUS_SETTINGS_H
#define UNIBUS_SETTINGS_H

#include <unibus/abi.h>

/* Kind                    Lua value                           C type of the field */
enum ub_kind {
    UB_KIND_BOOL = 1,   /* true, false                         bool */
    UB_KIND_INT,        /* 42                                  int64_t */
    UB_KIND_SIZE,       /* "64 MiB", 65536                     int64_t, bytes */
    UB_KIND_DURATION,   /* "5 min", "250 ms", "2 s"            int64_t, milliseconds */
    UB_KIND_STRING,     /* "text"                              const char * */
    UB_KIND_CHOICE,     /* "one" of "zero|one|two"             int, index of the choice */
    UB_KIND_PATH,       /* relative to the file that names it  const char *, absolute */
    UB_KIND_STATE_PATH, /* relative to node.state              const char *, absolute */
    UB_KIND_SECRET,     /* secret "file"                       struct ub_secret * (host.h) */
    UB_KIND_LISTEN,     /* "127.0.0.1:8470" or a list          struct ub_listens */
    UB_KIND_STRINGS,    /* "one" or { "one", "two" }           struct ub_strings */
    UB_KIND_SERVICE,    /* name of a module                    const char * */
    UB_KIND_RECORDS     /* { { a = 1 }, { a = 2 } }            struct ub_records; since 1.1 */
};

/* Flags of a field. */
#define UB_REQUIRED 0x1u /* there is no default; leaving it out is an error */
#define UB_LIVE     0x2u /* may change on reload; without it a change needs a restart */
#define UB_HIDDEN                                                                                  \
    0x4u /* never shown, in no message and no report: a hash of a password; since 1.1 */

struct ub_record;

struct ub_field {
    uint32_t size;
    const char *name; /* as in the config; nested tables are written "tls.cert" */
    enum ub_kind kind;
    uint32_t flags;
    size_t offset;            /* of the C field in the settings struct */
    const char *default_text; /* as an operator would write it; NULL = empty, zero or absent */
    int64_t min, max;         /* INT, SIZE, DURATION; both 0 = any value >= 0, max 0 = none */
    const char *choices;      /* CHOICE: "a|b|c"; SERVICE: the interface, e.g. "ub.kv" */
    const char *doc;          /* one line for people */
    /* since 1.1 */
    const struct ub_record *record; /* RECORDS: what each of them holds */
};

/* The fields of one record, as a descriptor's for a whole module; no RECORDS among them. */
struct ub_record {
    uint32_t size;
    const struct ub_field *fields;
    uint32_t field_count, field_stride;
    size_t record_size; /* of the C struct that the fields describe */
};

/* One address to listen on. `text` is as written, for messages. */
struct ub_listen {
    const char *host; /* IPv4, IPv6 without brackets, or "localhost" */
    uint16_t port;    /* 0 = any free port */
    bool is_loopback;
    const char *text;
};

struct ub_listens {
    size_t count;
    const struct ub_listen *items;
};

struct ub_strings {
    size_t count;
    const char *const *items;
};

/* An array of the record's C struct, in the order of the config, and where each of them was said.
 * Messages call the first one "users[1]", as Lua does. */
struct ub_records {
    size_t count;
    const void *items;
    const struct ub_where *wheres;
};

struct ub_secret;

/* Compile-time check: the C field must have exactly the type that its kind fills. */
#define UB_FIELD_OF_(T, m, ctype) (offsetof(T, m) + 0 * _Generic(((T *)0)->m, ctype : 1))

#define UB_FIELD_(T, m, k, ctype, def, lo, hi, ch, fl, text)                                       \
    {                                                                                              \
        sizeof(struct ub_field), #m, k, fl, UB_FIELD_OF_(T, m, ctype), def, lo, hi, ch, text, NULL \
    }

#define UB_FIELD_BOOL(T, m, def, fl, text)                                                         \
    UB_FIELD_(T, m, UB_KIND_BOOL, bool, def, 0, 0, NULL, fl, text)
#define UB_FIELD_INT(T, m, def, lo, hi, fl, text)                                                  \
    UB_FIELD_(T, m, UB_KIND_INT, int64_t, def, lo, hi, NULL, fl, text)
#define UB_FIELD_SIZE(T, m, def, lo, hi, fl, text)                                                 \
    UB_FIELD_(T, m, UB_KIND_SIZE, int64_t, def, lo, hi, NULL, fl, text)
#define UB_FIELD_DURATION(T, m, def, lo, hi, fl, text)                                             \
    UB_FIELD_(T, m, UB_KIND_DURATION, int64_t, def, lo, hi, NULL, fl, text)
#define UB_FIELD_STRING(T, m, def, fl, text)                                                       \
    UB_FIELD_(T, m, UB_KIND_STRING, const char *, def, 0, 0, NULL, fl, text)
#define UB_FIELD_CHOICE(T, m, def, ch, fl, text)                                                   \
    UB_FIELD_(T, m, UB_KIND_CHOICE, int, def, 0, 0, ch, fl, text)
#define UB_FIELD_PATH(T, m, def, fl, text)                                                         \
    UB_FIELD_(T, m, UB_KIND_PATH, const char *, def, 0, 0, NULL, fl, text)
#define UB_FIELD_STATE_PATH(T, m, def, fl, text)                                                   \
    UB_FIELD_(T, m, UB_KIND_STATE_PATH, const char *, def, 0, 0, NULL, fl, text)
#define UB_FIELD_SECRET(T, m, fl, text)                                                            \
    UB_FIELD_(T, m, UB_KIND_SECRET, struct ub_secret *, NULL, 0, 0, NULL, fl, text)
#define UB_FIELD_LISTEN(T, m, def, fl, text)                                                       \
    UB_FIELD_(T, m, UB_KIND_LISTEN, struct ub_listens, def, 0, 0, NULL, fl, text)
#define UB_FIELD_STRINGS(T, m, def, fl, text)                                                      \
    UB_FIELD_(T, m, UB_KIND_STRINGS, struct ub_strings, def, 0, 0, NULL, fl, text)
/* Names the module that provides `iface` to this one. Left out, it must be the only provider. */
#define UB_FIELD_SERVICE(T, m, iface, fl, text)                                                    \
    UB_FIELD_(T, m, UB_KIND_SERVICE, const char *, NULL, 0, 0, iface, fl, text)
/* `record_` is a const struct ub_record, made by UB_RECORD. A list of records cannot be given by
 * --set and has no default. */
#define UB_FIELD_RECORDS(T, m, record_, fl, text)                                                  \
    {                                                                                              \
        sizeof(struct ub_field), #m, UB_KIND_RECORDS, fl, UB_FIELD_OF_(T, m, struct ub_records),   \
            NULL, 0, 0, NULL, text, &(record_)                                                     \
    }
#define UB_RECORD(T, fields_)                                                                      \
    {                                                                                              \
        sizeof(struct ub_record), fields_, (uint32_t)(sizeof(fields_) / sizeof((fields_)[0])),     \
            (uint32_t)sizeof((fields_)[0]), sizeof(T)                                              \
    }

#endif
