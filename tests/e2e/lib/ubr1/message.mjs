// SPDX-License-Identifier: Apache-2.0
// Sealing a message, and the acceptance of one (9.3-9.6, 9.8).
import { must, Refusal } from './refusal.mjs';
import { equal, hex, Reader } from './bytes.mjs';
import { randomBytes } from './hash.mjs';
import { CAUSE, ROLE } from './entry.mjs';
import { takesKidAway } from './log.mjs';
import {
  aadOf, contentBytes, EXT, FLAG, headerBytes, innerBytes, isMessageSignedBy, KV_OPERATION,
  openEnvelope, parseContent, parseExtensions, parseHeader, parseInner, sealEnvelope, signMessage,
} from './envelope.mjs';

export const MAX_AGE_MS = 300000;
export const GRACE_MS = 60000;
export const HEAD_CLAIM_MAX = 4096;
export const WINDOW = 1024;

const OPERATION_OF_HEADER = { DEL: KV_OPERATION.delete, PURGE: KV_OPERATION.purge };
const HARMLESS_CAUSES = [CAUSE.scheduled, CAUSE.manual, CAUSE.added];

/** Counters accepted from one kid in one room (9.5). Its base is the first one, if not given. */
export class ReplayWindow {
  constructor(base = null, accepted = []) {
    this.base = base;
    this.places = new Map(accepted.map((counter) => [counter, null]));
  }

  isBelow(counter) {
    return this.base !== null && counter < this.base;
  }

  /** 'new', 'redelivery' (the same stream and stream sequence) or 'replay'. */
  judge(counter, place) {
    if (!this.places.has(counter)) return 'new';
    return place !== null && this.places.get(counter) === place ? 'redelivery' : 'replay';
  }

  accept(counter, place) {
    this.base ??= counter;
    this.places.set(counter, place);
    const base = counter - WINDOW + 1;
    if (base <= this.base) return;
    this.base = base;
    for (const old of this.places.keys()) if (old < base) this.places.delete(old);
  }
}

/**
 * Wire bytes of a message. `at` = {state (the sender's verified head), secret, signKey (null for
 * unsigned), kid, subject, counter, timeMs}, `message` = {content | records, extensions, isPadded}.
 */
export function sealMessage(at, message) {
  const nonce = at.nonce ?? randomBytes(24);
  const flags = (at.signKey ? FLAG.signed : 0) | (message.isPadded ? FLAG.padded : 0)
    | (message.records ? FLAG.batch : 0);
  const header = headerBytes({ ...at, flags, epoch: at.state.epoch, nonce });
  const aad = aadOf(at.state.roomId, header, at.subject);
  const content = contentBytes(message);
  const extensions = message.extensions ?? new Map();
  const inner = innerBytes(at.state.seq, at.state.entryHash, extensions, content);
  const sig = at.signKey ? signMessage(at.signKey, aad, inner) : new Uint8Array();
  return { wire: sealEnvelope(at.secret, header, nonce, aad, sig, inner), nonce };
}

/** A receiver's knowledge, with the defaults of a live subscriber who holds nothing yet. */
function receiverOf(given) {
  return {
    head: given.log.seq, // c, the verified head
    secrets: new Map(), // epoch → secret
    isHistory: false,
    maxAgeMs: MAX_AGE_MS,
    msSinceSuperseded: () => null, // epoch → ms since its successor was verified here
    windowOf: () => new ReplayWindow(), // kid (hex) → ReplayWindow
    mayBeRerouted: false,
    fetchLog: async () => {}, // brings log entries (and `head`, `secrets`) up to date
    nowMs: Date.now(),
    ...given,
  };
}

/**
 * Judges a message by 9.4 and gives what it says, or refuses with the first failure's code.
 * `receiver`: see receiverOf, with `log`. `delivery` = {subject, ubSubject, kvOperation ('DEL',
 * 'PURGE' or null), isRollup, place (stream and sequence as text, or null)}.
 */
export async function acceptMessage(receiver, wire, delivery) {
  const isMarker = Boolean(delivery.kvOperation || delivery.isRollup);
  must(!(isMarker && wire.length === 0), 'E-KV-UNSIGNED-DELETE', 'marker without envelope');
  const at = { rx: receiverOf(receiver), wire, delivery, hasFetched: false };
  at.headAtReceipt = at.rx.head;
  at.header = parseHeader(wire);
  at.kid = hex(at.header.kid);
  await open(at);
  await verify(at);
  placeInLog(at);
  checkSubject(at);
  readContent(at);
  const window = at.rx.windowOf(at.kid);
  if (!at.rx.isHistory) checkFreshness(at, window);
  const place = delivery.place ?? null;
  const verdict = window.judge(at.header.counter, place);
  must(verdict !== 'replay', 'E-MSG-REPLAY', `counter ${at.header.counter}`);
  checkKvMarker(at);
  window.accept(at.header.counter, place);
  return saidBy(at, verdict === 'redelivery');
}

function saidBy(at, isRedelivery) {
  const { accountPk, handle } = at.member;
  const { isSigned, epoch, counter, timeMs } = at.header;
  const { kid, headSeq, subject, sig, aad, extensions, content, records } = at;
  return {
    accountPk, handle, kid, isSigned, epoch, counter, timeMs, headSeq, subject, sig, aad,
    extensions, content, records, isRedelivery, operation: operationOf(extensions),
  };
}

/** Fetches the log once a message (9.6); the receiver's head may have moved afterwards. */
async function fetchOnce(at) {
  if (at.hasFetched) return;
  at.hasFetched = true;
  await at.rx.fetchLog(at.rx);
}

const stateAt = (at, seq = at.rx.head) => at.rx.log.states[seq];

/** Steps 2 and 3. */
async function open(at) {
  const { header, delivery } = at;
  if (header.epoch > stateAt(at).epoch) await fetchOnce(at);
  must(header.epoch <= stateAt(at).epoch, 'E-LOG-BEHIND', `epoch ${header.epoch}`);
  const secret = at.rx.secrets.get(header.epoch);
  must(secret, 'E-MSG-EPOCH', `no secret of epoch ${header.epoch}`);
  at.subject = delivery.ubSubject ?? delivery.subject;
  at.aad = aadOf(at.rx.log.roomId, header.bytes, at.subject);
  const opened = openEnvelope(secret, header, at.aad, at.wire);
  must(opened, 'E-MSG-OPEN');
  Object.assign(at, opened, parseInner(opened.inner));
}

/** Steps 4, 5 and 6. */
async function verify(at) {
  const { header, headSeq } = at;
  if (!stateAt(at).kids.has(at.kid)) await fetchOnce(at);
  const known = stateAt(at).kids.get(at.kid);
  must(known, 'E-KID-UNKNOWN', at.kid);
  at.account = known.account;
  if (header.isSigned) {
    must(isMessageSignedBy(known.signPk, at.sig, at.aad, at.inner), 'E-MSG-SIG');
  } else {
    checkUnsignedAllowed(at);
  }
  if (headSeq <= at.rx.head) return;

  await fetchOnce(at);
  if (headSeq > at.rx.head) refuseHead(at);
  if (!header.isSigned) checkUnsignedAllowed(at);
}

/** A signed head that is not too far away is a claim, which the refusal carries (9.6). */
function refuseHead({ header, headSeq, headHash, kid, account, rx }) {
  const isClaim = header.isSigned && headSeq <= rx.head + HEAD_CLAIM_MAX;
  const refusal = new Refusal(isClaim ? 'E-HEAD-UNPROVEN' : 'E-LOG-BEHIND', `head ${headSeq}`);
  if (isClaim) refusal.claim = { kid, account, seq: headSeq, headHash };
  throw refusal;
}

function checkUnsignedAllowed(at) {
  for (let seq = Math.min(at.headSeq, at.rx.head); seq <= at.rx.head; seq += 1) {
    must(stateAt(at, seq).allowsUnsigned, 'E-MSG-UNSIGNED', `not allowed at ${seq}`);
  }
}

/** Steps 7, 8 and 9: everything is judged at the sender's head h. */
function placeInLog(at) {
  const state = stateAt(at, at.headSeq);
  must(equal(state.entryHash.subarray(0, 16), at.headHash), 'E-FORK', `at ${at.headSeq}`);
  must(state.epoch === at.header.epoch, 'E-MSG-EPOCH', 'not in force at the head');
  at.member = state.members.get(at.account);
  must(at.member, 'E-NOT-MEMBER');
  const device = at.member.devices.get(at.kid);
  must(device, 'E-KID-UNKNOWN', 'not pinned yet at the head');
  must(device.live, 'E-DEVICE-REVOKED');
  must(at.member.role >= ROLE.writer, 'E-ROLE', 'readers do not write');
}

/** Step 10. */
function checkSubject(at) {
  const isSame = at.subject === at.delivery.subject;
  must(isSame || at.rx.mayBeRerouted, 'E-MSG-REROUTED', at.delivery.subject);
}

/** Step 11. */
function readContent(at) {
  const { extensions, content } = parseExtensions(at.body);
  Object.assign(at, { extensions, ...parseContent(at.header.flags, content) });
}

export function operationOf(extensions) {
  return extensions.get(EXT.operation)?.[0] ?? KV_OPERATION.put;
}

/** Step 12: what is late for a live subscription (9.5). */
function checkFreshness(at, window) {
  checkAuthorNow(at);
  checkNothingTakenAway(at);
  checkEpochInForce(at);
  checkAge(at);
  must(!window.isBelow(at.header.counter), 'E-MSG-LATE', 'below the window');
}

function checkAuthorNow(at) {
  const now = stateAt(at).members.get(at.account);
  must(now && now.role >= ROLE.writer, 'E-MSG-LATE', 'the author may not write any more');
  must(now.devices.get(at.kid)?.live, 'E-MSG-LATE', 'the device is revoked by now');
}

function checkNothingTakenAway(at) {
  const { log } = at.rx;
  for (let seq = at.headSeq + 1; seq <= at.headAtReceipt; seq += 1) {
    const { name, fields } = log.entries[seq];
    must(name !== 'remove', 'E-MSG-LATE', `a removal at ${seq}`);
    if (name === 'device') {
      const account = hex(fields.accountPk);
      const before = log.states[seq - 1].members.get(account).devices;
      const after = log.states[seq].members.get(account).devices;
      must(!takesKidAway(before, after), 'E-MSG-LATE', `a device was revoked at ${seq}`);
    }
  }
}

function checkEpochInForce(at) {
  const { rx, header } = at;
  const newer = rx.log.epochsBetween(header.epoch, stateAt(at).epoch, rx.head);
  if (newer.length === 0) return;
  const isHarmless = newer.every(({ seq, fields }) => HARMLESS_CAUSES.includes(fields.cause)
    && !rx.log.states[Number(seq) - 1].stale);
  must(isHarmless, 'E-MSG-LATE', 'the epoch was superseded for a cause');
  const ms = rx.msSinceSuperseded(header.epoch);
  must(ms !== null && ms <= GRACE_MS, 'E-MSG-LATE', 'the epoch was superseded');
}

function checkAge(at) {
  const { rx, header, extensions } = at;
  must(Math.abs(rx.nowMs - header.timeMs) <= rx.maxAgeMs, 'E-MSG-LATE', 'max_age');
  const expiry = extensions.get(EXT.expiry);
  must(!expiry || rx.nowMs <= new Reader(expiry).u64(), 'E-MSG-LATE', 'expired');
}

/** After all else: a marker counts only if the envelope says the same (9.8). */
function checkKvMarker(at) {
  const { kvOperation } = at.delivery;
  if (!kvOperation) return;
  const isSame = operationOf(at.extensions) === OPERATION_OF_HEADER[kvOperation];
  must(isSame, 'E-KV-UNSIGNED-DELETE', `header ${kvOperation}`);
}
