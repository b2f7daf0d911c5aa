/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS of client connections, by OpenSSL. A connection of a server with TLS begins in the state
 * NATS_CONN_SECURING: nothing of OpenSSL is made before its first byte says that it talks TLS, and
 * one that may and does talk plain loses all trace of it (conn->tls is NULL again).
 *
 * Bytes pass through blocks of the loop, not of the connection: what arrived is read in one piece
 * and decrypted to its end at once, what is to be sent is encrypted and sent in one piece; only
 * what the socket did not take stays with the connection. Threads: the connection's loop, but for
 * what says otherwise. */
#ifndef NATS_TLS_H
#define NATS_TLS_H

#include <sys/uio.h>

#include "conn.h"

/* ---- the certificate: tls_context.c -----------------------------------------------------------
 */

struct nats_tls_context;

/* NULL in *context_out when tls.mode is off. Reads the files; E-NATS-TLS when they or the settings
 * do not fit together. The main loop. */
enum ub_status nats_tls_context_new(const struct ub_host *host,
                                    const struct nats_settings *settings,
                                    struct nats_tls_context **context_out, struct ub_err *err);
void nats_tls_context_free(struct nats_tls_context **context);
/* Logs which certificate is in force. context may be NULL. */
void nats_tls_tell(const struct nats_tls_context *context);

/* Reload, the main loop: prepare reads the files anew and changes nothing, commit makes what it
 * made the one for handshakes from now on (open connections keep theirs), abort throws it away. */
struct nats_tls_change {
    const struct nats_settings *settings;
    struct nats_tls_cert *cert; /* NULL = there is no TLS */
};
enum ub_status nats_tls_prepare(const struct nats_tls_context *context,
                                const struct nats_settings *settings,
                                struct nats_tls_change **change_out, struct ub_err *err);
void nats_tls_commit(struct nats_tls_context *context, struct nats_tls_change **change);
void nats_tls_abort(struct nats_tls_change **change);

/* The main loop. context may be NULL. */
void nats_tls_health(const struct nats_tls_context *context, const struct ub_health_sink *sink);
/* Time for a handshake; context may be NULL. Threads: any. */
int64_t nats_tls_timeout_ms(const struct nats_tls_context *context);

/* ---- a connection: tls.c ----------------------------------------------------------------------
 */

/* Begins with a fresh connection; false: the server has no TLS, the caller greets. */
bool nats_tls_begin(struct nats_conn *conn);
/* Something came while it was in NATS_CONN_SECURING. */
void nats_tls_on_read(struct nats_conn *conn);
/* tls.timeout is over. */
void nats_tls_deadline(struct nats_conn *conn);
/* Members of INFO with a comma behind: does this client need TLS, may it use it? "" = there is
 * none. */
const char *nats_tls_info(const struct nats_conn *conn);
/* The subject of the client's verified certificate, RFC 2253; NULL = it showed none. */
const char *nats_tls_subject(const struct nats_conn *conn);
/* "1.3" and the standard's name of the cipher suite, for monitoring; NULL = no TLS, or not yet. */
const char *nats_tls_version(const struct nats_conn *conn);
const char *nats_tls_cipher(const struct nats_conn *conn);
/* Says that nothing more will be sent; of a connection that is lingering. */
void nats_tls_finish(struct nats_conn *conn);
void nats_tls_free(struct nats_conn *conn);

/* ---- its bytes: tls_io.c ----------------------------------------------------------------------
 */

/* Blocks of one loop; made with its first connection with TLS. */
struct nats_tls_room;
void nats_tls_room_free(struct nats_tls_room **room);

/* As read(2) and readv(2) of two pieces on a socket that does not block. What OpenSSL has decrypted
 * and the caller has no room for makes the read event active again. */
ssize_t nats_tls_read(struct nats_conn *conn, void *into, size_t room);
ssize_t nats_tls_readv(struct nats_conn *conn, const struct iovec iov[2]);
/* Reading goes on: the same for what was decrypted before it stopped. */
void nats_tls_resume(struct nats_conn *conn);
/* As nats_out_write, for a connection with TLS in any stage. */
enum nats_written nats_tls_write(struct nats_conn *conn, size_t *count_out);

#endif
