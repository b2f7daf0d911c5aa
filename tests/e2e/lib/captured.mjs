// SPDX-License-Identifier: Apache-2.0
// Signed requests as an attacker on the wire has them: made once, sent as often as one likes.
import { sendRequest } from './http.mjs';
import { signRequest } from './signature.mjs';

/** A signed request of a member, not sent. `by` overrides what signRequest takes. */
export async function capture(member, method, target, options = {}, by = {}) {
  const { json, body, type = 'application/json', headers = {}, ifMatch } = options;
  const { api } = member;
  if (api.nonceEpoch === null) await api.info();
  const bytes = json !== undefined ? Buffer.from(JSON.stringify(json)) : body ?? null;
  const all = Object.entries(headers);
  if (bytes) all.push(['Content-Type', json !== undefined ? 'application/json' : type]);
  if (ifMatch !== undefined) all.push(['If-Match', `"${ifMatch}"`]);
  return signRequest({ method, target, headers: all, body: bytes }, {
    ...member.identity, audience: `${api.clusterId}.${api.nonceEpoch}`, ...by,
  });
}

export const send = (node, request) => sendRequest(node.http, request);

/** The body with which a member would make a room, and that room; nothing is sent. */
export async function roomDraft(member, options) {
  const { api } = member;
  let json;
  member.api = { expect: (status, method, target, given) => { ({ json } = given); } };
  try {
    const room = await member.createRoom(options);
    return { room, json };
  } finally {
    member.api = api;
  }
}

/** [status, code] of an answer. */
export const verdict = (answer) => [answer.status, answer.code];

/** How often each status and code came. */
export function tally(answers) {
  const counts = {};
  for (const { status, code } of answers) {
    const name = code ? `${status} ${code}` : `${status}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** A copy of a request with one header changed, added (was absent) or removed (value null). */
export function withHeader(request, name, value) {
  const others = request.headers.filter(([given]) => given.toLowerCase() !== name.toLowerCase());
  return { ...request, headers: value === null ? others : [...others, [name, value]] };
}
