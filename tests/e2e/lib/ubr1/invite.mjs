// SPDX-License-Identifier: Apache-2.0
// Names of a room on the data plane (13.1) and the invite (12.1).
import { must, refuse } from './refusal.mjs';
import { base32, hex, unbase32, unhex, utf8 } from './bytes.mjs';
import { parseText } from './text.mjs';
import { SEQ_LIMIT } from './log.mjs';

const LENGTH_MAX = 2048;
const NODES_MAX = 8;
const FORM = new RegExp('^unibus:room/1/([a-z2-7]{32})'
  + '\\?h=(0|[1-9][0-9]{0,5})\\.([0-9a-f]{64})&f=([a-z2-7]{32})'
  + '((?:&n=(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+)*)$');
const UNRESERVED = /[A-Za-z0-9._~-]/;

export const room32Of = (roomId) => base32(roomId);
export const subjectOf = (roomId, channel) => `ub.r.${base32(roomId)}.${channel}`;
export const inboxOf = (token, rest) => `_INBOX.${token}.${rest}`;

export function streamOf(roomId, name) {
  const stream = `UB_R_${base32(roomId).toUpperCase()}`;
  return name === undefined ? stream : `${stream}_${name}`;
}

function escapeNode(node) {
  return [...utf8(node)].map((byte) => {
    const character = String.fromCharCode(byte);
    return UNRESERVED.test(character) ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

function parseNode(text) {
  const bytes = text.match(/%..|./g).map((part) =>
    (part.length === 3 ? parseInt(part.slice(1), 16) : part.charCodeAt(0)));
  const node = parseText(Uint8Array.from(bytes), 'E-INVITE');
  must(escapeNode(node) === text, 'E-INVITE', 'needless escape');
  return node;
}

export function inviteText({ roomId, seq, head, founder, nodes = [] }) {
  const link = `unibus:room/1/${base32(roomId)}?h=${seq}.${hex(head)}&f=${base32(founder)}`
    + nodes.map((node) => `&n=${escapeNode(node)}`).join('');
  must(nodes.length <= NODES_MAX && link.length <= LENGTH_MAX, 'E-INVITE', 'too long');
  return link;
}

export function parseInvite(link) {
  must(link.length <= LENGTH_MAX, 'E-INVITE', 'too long');
  const [, room, seq, head, founder, rest] = FORM.exec(link) ?? refuse('E-INVITE', 'form');
  const nodes = rest.split('&n=').slice(1);
  must(nodes.length <= NODES_MAX, 'E-INVITE', `${nodes.length} node addresses`);
  must(Number(seq) < SEQ_LIMIT, 'E-INVITE', 'seq');
  return {
    roomId: unbase32(room),
    seq: Number(seq),
    head: unhex(head),
    founder: unbase32(founder),
    nodes: nodes.map(parseNode),
  };
}
