// SPDX-License-Identifier: Apache-2.0
// Entries of the room log as bytes (5.1-5.3). Whether one is valid is said by log.mjs.
import { must, refuse } from './refusal.mjs';
import {
  base64url, concat, filled, Reader, str8, u16, u32, u64, u8, unbase64url, utf8,
} from './bytes.mjs';
import { DS, H, sign } from './hash.mjs';
import { parseHandle, parseRoomName } from './text.mjs';

export const HEADER_BYTES = 120;
export const PAYLOAD_MAX_BYTES = 1024;
export const EPOCH_LIMIT = 2 ** 31;
export const LINK_BYTES = 72;

export const ROLE = Object.freeze({ reader: 1, writer: 2, admin: 3, owner: 4 });
export const REASON = Object.freeze({ left: 1, removed: 2, compromised: 3 });
export const CAUSE = Object.freeze({
  first: 1, removed: 2, revoked: 3, scheduled: 4, manual: 5, added: 6,
});
export const TYPE = Object.freeze({
  create: 1, add: 2, remove: 3, role: 4, epoch: 5, device: 6, policy: 7, close: 8,
});
const NAME_OF_TYPE = Object.fromEntries(Object.entries(TYPE).map(([name, n]) => [n, name]));

export const POLICY_HISTORY = 3;
export const POLICY_UNSIGNED = 4;

const NO_HASH = filled(32, 0);

export function entryHash(body) {
  return H(DS('room-entry-hash'), body);
}

export function roomIdOf(timeMs, authorPk, kid, payload) {
  return H(DS('room-id'), u64(timeMs), authorPk, kid, payload).slice(0, 20);
}

// One form a type: `write` fields → payload, `read` payload → fields (form and text, E-PARSE),
// `check` the values in the order of 5.5 step 3.
const FORMS = {
  create: {
    write: (p) => concat(u16(p.suite), p.random, policyFields(p), str8(utf8(p.handle)),
      p.head, str8(utf8(p.name))),
    read: (r) => ({
      suite: r.u16(), random: r.take(16), ...readPolicy(r), handle: r.str8(), head: r.take(32),
      name: r.str8(),
    }),
    check(p) {
      must(p.suite === 1, 'E-UPGRADE', `suite ${p.suite}`);
      checkPolicy(p);
    },
  },
  add: {
    write: (p) => concat(u8(p.role), p.accountPk, str8(utf8(p.handle)), p.head),
    read: (r) => ({
      role: r.u8(), accountPk: r.take(32), handle: r.str8(), head: r.take(32),
    }),
    check: (p) => checkRange(p.role, 4, 'role'),
  },
  remove: {
    write: (p) => concat(p.accountPk, u8(p.reason)),
    read: (r) => ({ accountPk: r.take(32), reason: r.u8() }),
    check: (p) => checkRange(p.reason, 3, 'reason'),
  },
  role: {
    write: (p) => concat(p.accountPk, u8(p.role)),
    read: (r) => ({ accountPk: r.take(32), role: r.u8() }),
    check: (p) => checkRange(p.role, 4, 'role'),
  },
  epoch: {
    write: (p) => concat(u32(p.epoch), p.commit, p.membersHash, p.recipientsHash,
      u32(p.recipients), u8(p.cause), str8(p.link)),
    read: (r) => ({
      epoch: r.u32(), commit: r.take(32), membersHash: r.take(32), recipientsHash: r.take(32),
      recipients: r.u32(), cause: r.u8(), link: r.str8(),
    }),
    check(p) {
      checkRange(p.cause, 6, 'cause');
      must([0, LINK_BYTES].includes(p.link.length), 'E-RANGE', 'link length');
      must(p.epoch < EPOCH_LIMIT, 'E-RANGE', 'epoch');
    },
  },
  device: {
    write: (p) => concat(p.accountPk, p.head),
    read: (r) => ({ accountPk: r.take(32), head: r.take(32) }),
    check() {},
  },
  policy: {
    write: (p) => concat(policyFields(p), str8(utf8(p.name))),
    read: (r) => ({ ...readPolicy(r), name: r.str8() }),
    check: checkPolicy,
  },
  close: {
    write: (p) => u8(p.reason),
    read: (r) => ({ reason: r.u8() }),
    check: (p) => checkRange(p.reason, 2, 'reason'),
  },
};

function policyFields(p) {
  return concat(u8(p.policy), u32(p.rotateSecs), u32(p.rotateMsgs));
}

function readPolicy(r) {
  return { policy: r.u8(), rotateSecs: r.u32(), rotateMsgs: r.u32() };
}

function checkPolicy(p) {
  must((p.policy & ~(POLICY_HISTORY | POLICY_UNSIGNED)) === 0, 'E-UPGRADE', 'policy bits');
  must((p.policy & POLICY_HISTORY) !== 3, 'E-POLICY', 'history 3');
  const isAgeGood = p.rotateSecs === 0 || (p.rotateSecs >= 3600 && p.rotateSecs <= 2 ** 31);
  must(isAgeGood, 'E-POLICY', 'rotate_secs');
  must(p.rotateMsgs === 0 || p.rotateMsgs >= 1000, 'E-POLICY', 'rotate_msgs');
}

function checkRange(value, last, what) {
  must(value >= 1 && value <= last, 'E-RANGE', `${what} ${value}`);
}

export function payloadBytes(name, fields) {
  return FORMS[name].write(fields);
}

/** Form of all fields, then text: E-PARSE. Values are checked by checkPayload. */
export function parsePayload(type, payload) {
  const reader = new Reader(payload);
  const fields = FORMS[NAME_OF_TYPE[type]].read(reader);
  reader.end();
  if (fields.handle) fields.handle = parseHandle(fields.handle);
  if (fields.name) fields.name = parseRoomName(fields.name);
  return fields;
}

export function checkPayload(type, fields) {
  FORMS[NAME_OF_TYPE[type]].check(fields);
}

/** Header and payload bytes; the form of 5.5 step 1 only. */
export function parseEntryBody(body) {
  must(body.length >= HEADER_BYTES, 'E-PARSE', `entry of ${body.length} bytes`);
  const reader = new Reader(body);
  const entry = {
    version: reader.u8(),
    type: reader.u8(),
    roomId: reader.take(20),
    seq: reader.u64Big(),
    prev: reader.take(32),
    timeMs: reader.u64Big(),
    authorPk: reader.take(32),
    kid: reader.take(16),
  };
  const length = reader.u16();
  must(length === reader.left, 'E-PARSE', `payload length ${length}, ${reader.left} bytes follow`);
  must(length <= PAYLOAD_MAX_BYTES, 'E-LIMIT', `payload of ${length} bytes`);
  entry.payload = reader.rest();
  entry.name = NAME_OF_TYPE[entry.type] ?? null;
  return entry;
}

/** Body of an entry from numbers and bytes; a create entry computes its own room id. */
export function entryBody({ name, roomId, seq, prev, timeMs, authorPk, kid, payload }) {
  const type = TYPE[name] ?? refuse('E-RANGE', `no entry type ${name}`);
  const id = name === 'create' ? roomIdOf(timeMs, authorPk, kid, payload) : roomId;
  return concat(u8(1), u8(type), id, u64(seq), prev ?? NO_HASH, u64(timeMs), authorPk, kid,
    u16(payload.length), payload);
}

export function signEntry(signKey, body) {
  return { body, sig: sign(signKey.secretKey, DS('room-entry'), body) };
}

export function entryToJson({ body, sig }) {
  return { body: base64url(body), sig: base64url(sig) };
}

/** Takes the exact bytes; `view` and everything else beside them is the server's word. */
export function entryFromJson(json) {
  const entry = { body: unbase64url(json.body), sig: unbase64url(json.sig) };
  must(entry.sig.length === 64, 'E-PARSE', 'signature length');
  return entry;
}
