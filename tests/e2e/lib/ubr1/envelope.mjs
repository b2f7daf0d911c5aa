// SPDX-License-Identifier: Apache-2.0
// A message as bytes: header, extensions, padding, batch (9.1, 9.2). Acceptance is message.mjs.
import { must } from './refusal.mjs';
import {
  concat, equal, filled, isZero, Reader, u16, u32, u64, u8, U64_LIMIT, utf8,
} from './bytes.mjs';
import { aeadOpen, aeadSeal, DS, H, isSignedBy, sign } from './hash.mjs';
import { parseText } from './text.mjs';
import { messageKey } from './epoch.mjs';
import { EPOCH_LIMIT } from './entry.mjs';

export const HEADER_BYTES = 64;
export const MESSAGE_MAX_BYTES = 8 * 1024 * 1024;
export const FLAG = Object.freeze({ signed: 1, padded: 2, batch: 4 });
export const EXT = Object.freeze({
  mediaType: 1, replyTo: 2, revision: 3, expiry: 4, operation: 5, previous: 6,
});
export const KV_OPERATION = Object.freeze({ put: 1, delete: 2, purge: 3 });

const MAGIC = utf8('UB');
const VERSION = 1;
const LENGTH_MIN_SIGNED = 166;
const LENGTH_MIN_UNSIGNED = 102;
const EXT_MAX_BYTES = 1024;
const EXT_CRITICAL_BELOW = 128;
const BATCH_MAX_RECORDS = 65535;

export function headerBytes({ flags, epoch, kid, counter, timeMs, nonce }) {
  return concat(MAGIC, u8(VERSION), u8(flags), u32(epoch), kid, u64(counter), u64(timeMs), nonce);
}

/** Step 1 of 9.4: form and bounds of the header and of the whole length. */
export function parseHeader(wire) {
  must(wire.length >= HEADER_BYTES && equal(wire.subarray(0, 2), MAGIC), 'E-PARSE', 'no envelope');
  must(wire.length <= MESSAGE_MAX_BYTES, 'E-LIMIT', 'message length');
  const reader = new Reader(wire);
  reader.take(2);
  must(reader.u8() === VERSION, 'E-VERSION', 'envelope');
  const flags = reader.u8();
  must((flags & ~(FLAG.signed | FLAG.padded | FLAG.batch)) === 0, 'E-FLAG', `flags ${flags}`);
  const header = { flags, epoch: reader.u32(), kid: reader.take(16) };
  must(header.epoch >= 1 && header.epoch < EPOCH_LIMIT, 'E-RANGE', 'epoch');
  header.counter = reader.u64();
  must(header.counter >= 1, 'E-RANGE', 'counter');
  header.timeMs = reader.u64();
  header.nonce = reader.take(24);
  header.isSigned = (flags & FLAG.signed) !== 0;
  const least = header.isSigned ? LENGTH_MIN_SIGNED : LENGTH_MIN_UNSIGNED;
  must(wire.length >= least, 'E-PARSE', `message of ${wire.length} bytes`);
  header.bytes = wire.subarray(0, HEADER_BYTES);
  return header;
}

export function aadOf(roomId, header, subject) {
  const name = utf8(subject);
  return concat(DS('msg'), roomId, header, u16(name.length), name);
}

function toBeSigned(aad, inner) {
  return concat(DS('msg-sig'), H(DS('msg-tbs'), u32(aad.length), aad, inner));
}

export function signMessage(signKey, aad, inner) {
  return sign(signKey.secretKey, toBeSigned(aad, inner));
}

export function isMessageSignedBy(signPk, sig, aad, inner) {
  return isSignedBy(signPk, sig, toBeSigned(aad, inner));
}

/** The wire bytes; `sig` is empty in an unsigned message. */
export function sealEnvelope(secret, header, nonce, aad, sig, inner) {
  return concat(header, aeadSeal(messageKey(secret), nonce, aad, concat(sig, inner)));
}

/** {sig, inner}, or null when the AEAD does not open. */
export function openEnvelope(secret, header, aad, wire) {
  const plain = aeadOpen(messageKey(secret), header.nonce, aad, wire.subarray(HEADER_BYTES));
  if (plain === null) return null;
  const at = header.isSigned ? 64 : 0;
  return { sig: plain.subarray(0, at), inner: plain.subarray(at) };
}

/** The start of `inner`: the sender's head. Extensions and content stay bytes until step 11. */
export function parseInner(inner) {
  const reader = new Reader(inner);
  return { headSeq: reader.u32(), headHash: reader.take(16), body: reader.rest() };
}

export function innerBytes(headSeq, headHash, extensions, content) {
  const ext = extensionBytes(extensions);
  return concat(u32(headSeq), headHash.subarray(0, 16), u16(ext.length), ext, content);
}

/** Extensions from a Map of type → value bytes. */
export function extensionBytes(extensions) {
  const sorted = [...extensions].sort(([a], [b]) => a - b);
  return concat(...sorted.map(([type, value]) => concat(u8(type), u16(value.length), value)));
}

const isBelow2To53 = (bytes) => new Reader(bytes).u64Big() < BigInt(U64_LIMIT);

const EXT_RULES = {
  [EXT.mediaType](value) {
    must(value.length >= 1 && value.length <= 255, 'E-EXT', 'media type');
    parseText(value, 'E-EXT');
  },
  [EXT.replyTo]: (value) =>
    must(value.length === 24 && isBelow2To53(value.subarray(16)), 'E-EXT', 'reply to'),
  [EXT.revision]: (value) => mustBeU64(value, 'revision'),
  [EXT.expiry]: (value) => mustBeU64(value, 'expiry'),
  [EXT.operation]: (value) =>
    must(value.length === 1 && value[0] >= 1 && value[0] <= 3, 'E-EXT', 'operation'),
  [EXT.previous]: (value) => mustBeU64(value, 'previous counter'),
};

function mustBeU64(value, what) {
  must(value.length === 8 && isBelow2To53(value), 'E-EXT', what);
}

/** {extensions: Map of known type → value, content} of what follows the head. */
export function parseExtensions(body) {
  const reader = new Reader(body);
  const length = reader.u16();
  must(length <= EXT_MAX_BYTES && length <= reader.left, 'E-EXT', `ext_len ${length}`);
  const ext = new Reader(reader.take(length));
  const extensions = new Map();
  let last = -1;
  while (ext.left > 0) {
    must(ext.left >= 3, 'E-EXT', 'torn extension');
    const type = ext.u8();
    const size = ext.u16();
    must(type > last, 'E-EXT', `type ${type} after ${last}`);
    must(size <= ext.left, 'E-EXT', `length of type ${type}`);
    const value = ext.take(size);
    const check = EXT_RULES[type];
    must(check || type >= EXT_CRITICAL_BELOW, 'E-EXT', `unknown type ${type}`);
    check?.(value);
    if (check) extensions.set(type, value);
    last = type;
  }
  return { extensions, content: reader.rest() };
}

/** Padmé: the length that hides all but O(log log L) bits of L. */
export function padme(length) {
  const e = 31 - Math.clz32(length);
  const s = 32 - Math.clz32(e);
  const unit = 2 ** (e - s);
  return Math.ceil(length / unit) * unit;
}

export function pad(content) {
  const whole = padme(4 + content.length);
  return concat(u32(content.length), content, filled(whole - 4 - content.length, 0));
}

export function unpad(padded) {
  const reader = new Reader(padded);
  const content = reader.take(reader.u32());
  must(padded.length === padme(4 + content.length), 'E-PARSE', 'padded length');
  must(isZero(reader.rest()), 'E-PARSE', 'padding is not zero');
  return content;
}

export function batchBytes(records) {
  return concat(...records.flatMap((record) => [u32(record.length), record]));
}

export function parseBatch(content) {
  const reader = new Reader(content);
  const records = [];
  while (reader.left > 0) {
    must(records.length < BATCH_MAX_RECORDS, 'E-PARSE', 'records in a batch');
    records.push(reader.take(reader.u32()));
  }
  must(records.length > 0, 'E-PARSE', 'empty batch');
  return records;
}

/** {content, records} by the flags; records is null outside a batch. */
export function parseContent(flags, bytes) {
  const content = flags & FLAG.padded ? unpad(bytes) : bytes;
  return { content, records: flags & FLAG.batch ? parseBatch(content) : null };
}

/** The content of a message as its flags have it. */
export function contentBytes({ content, records, isPadded }) {
  const bytes = records ? batchBytes(records) : content;
  return isPadded ? pad(bytes) : bytes;
}
