// SPDX-License-Identifier: Apache-2.0
// The NATS protocol by hand: what to send for a login, and what came back, as frames.
import { exchange, RawConnection } from './raw.mjs';
import * as u from './ubr1/index.mjs';

export const CRLF = '\r\n';

/** A connection that has read INFO: {connection, info}. */
export async function greeted(node) {
  const connection = await RawConnection.open(node.nats);
  await connection.expectText(CRLF);
  const info = JSON.parse(connection.text.slice(5, connection.text.indexOf(CRLF)));
  return { connection, info };
}

/**
 * CONNECT of a member; `options` are merged into its JSON. Protocol 0: no INFO later on, so that what
 * comes back is only what was asked for.
 */
export function connectLine(member, info, options = {}) {
  const { nkey, sig } = u.answerNatsNonce(member.nats, info.nonce);
  return `CONNECT ${JSON.stringify({
    verbose: false, pedantic: false, headers: true, no_responders: true, protocol: 0, nkey, sig,
    ...options,
  })}${CRLF}`;
}

/** A raw connection of a member that is logged in. */
export async function loggedIn(t, node, member, options) {
  const { connection, info } = await greeted(node);
  t.after(() => connection.close());
  await connection.send(`${connectLine(member, info, options)}PING${CRLF}`);
  await connection.expectText(`PONG${CRLF}`);
  return connection;
}

/** What came after position `from`, up to the answer of a PING that is sent now. */
export async function answerTo(connection, bytes, timeoutMs = 5000) {
  const from = connection.text.length;
  await connection.send(bytes);
  await connection.send(`PING${CRLF}`);
  await connection.waitFor(({ text }) => text.endsWith(`PONG${CRLF}`) && text.length > from,
    timeoutMs);
  return connection.text.slice(from);
}

/** Sends to a fresh port, after INFO, and reads until the end: {errors, ended, text}. */
export async function strangerSays(node, bytes, options) {
  const { text, ended } = await exchange(node.nats, bytes, options);
  return { text, ended, errors: errorsIn(text) };
}

export function errorsIn(text) {
  return [...text.matchAll(/^-ERR '(.*)'\r$/gm)].map((match) => match[1]);
}

export const pub = (subject, body = '', reply = '') =>
  `PUB ${subject}${reply && ` ${reply}`} ${Buffer.byteLength(body)}${CRLF}${body}${CRLF}`;

export const hpub = (subject, head, body = '') =>
  `HPUB ${subject} ${head.length} ${head.length + body.length}${CRLF}${head}${body}${CRLF}`;
