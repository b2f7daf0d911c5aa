// SPDX-License-Identifier: Apache-2.0
// Device records and the chain of an account (4.5-4.8).
import { must, refuse, Refusal } from './refusal.mjs';
import {
  base64url, concat, equal, filled, hex, isZero, Reader, str8, u32, u64, u8, U64_LIMIT, unbase64url,
  utf8,
} from './bytes.mjs';
import { DS, H, isSignedBy, sign } from './hash.mjs';
import { checkDeviceKeys, kidOf } from './key.mjs';

export const RECORD_BYTES = 174;
export const LIVE_DEVICES_MAX = 16;
export const RECORD_SEQ_MAX = 1023;
export const FLAG_REVOKED = 1;

const VERSION = 1;
const NO_HASH = filled(32, 0);

export function deviceHash(body) {
  return H(DS('device-hash'), body);
}

/** Body from {seq, prev, accountPk, signPk, boxPk, natsPk, timeMs, revoked}. */
export function recordBody(fields) {
  return concat(
    u8(VERSION), u8(fields.revoked ? FLAG_REVOKED : 0), u32(fields.seq), fields.prev ?? NO_HASH,
    fields.accountPk, fields.signPk, fields.boxPk, fields.natsPk, u64(fields.timeMs),
  );
}

/** The fields of a body; its bounds other than form are the chain's matter. */
export function parseRecordBody(body) {
  must(body.length === RECORD_BYTES, 'E-PARSE', `record of ${body.length} bytes`);
  const reader = new Reader(body);
  return {
    version: reader.u8(),
    flags: reader.u8(),
    seq: reader.u32(),
    prev: reader.take(32),
    accountPk: reader.take(32),
    signPk: reader.take(32),
    boxPk: reader.take(32),
    natsPk: reader.take(32),
    timeMs: reader.u64Big(),
  };
}

/** A record signed with the account key; `keys` {sign, nats} prove possession, absent to revoke. */
export function signRecord(fields, accountKey, keys) {
  const body = recordBody(fields);
  const record = { body, sig: sign(accountKey.secretKey, DS('device'), body) };
  if (!fields.revoked) {
    record.pop = sign(keys.sign.secretKey, DS('device-pop'), body);
    record.natsPop = sign(keys.nats.secretKey, DS('nats-pop'), body);
  }
  return record;
}

export function recordToJson(record) {
  const json = { body: base64url(record.body), sig: base64url(record.sig) };
  if (record.pop) json.pop = base64url(record.pop);
  if (record.natsPop) json.nats_pop = base64url(record.natsPop);
  return json;
}

export function recordFromJson(json) {
  const record = { body: unbase64url(json.body), sig: unbase64url(json.sig) };
  if (json.pop !== undefined && json.pop !== null) record.pop = unbase64url(json.pop);
  if (json.nats_pop !== undefined && json.nats_pop !== null) {
    record.natsPop = unbase64url(json.nats_pop);
  }
  for (const name of ['sig', 'pop', 'natsPop']) {
    must(record[name] === undefined || record[name].length === 64, 'E-PARSE', `length of ${name}`);
  }
  return record;
}

/** The verified records of one account. `devices` is kid (hex) → its last keys and `live`. */
export class DeviceChain {
  constructor(accountPk, hashes = [], devices = new Map()) {
    this.accountPk = accountPk;
    this.hashes = hashes;
    this.devices = devices;
  }

  get head() {
    return this.hashes.at(-1) ?? NO_HASH;
  }

  has(head) {
    return this.hashes.some((hash) => equal(hash, head));
  }

  live() {
    return [...this.devices.values()].filter((device) => device.live);
  }

  /** The chain with one more record, by the checks of 4.6 in their order; this one is unchanged. */
  extended(record) {
    const fields = parseRecordBody(record.body);
    this.#checkHeader(fields);
    checkDeviceKeys(fields);
    must(fields.timeMs < BigInt(U64_LIMIT), 'E-RANGE', 'time_ms');
    const kid = hex(kidOf(fields.signPk));
    const isRevocation = (fields.flags & FLAG_REVOKED) !== 0;
    this.#checkEffect(fields, kid, isRevocation);
    this.#checkSignatures(fields, record, isRevocation);

    const { signPk, boxPk, natsPk } = fields;
    const devices = new Map(this.devices);
    devices.set(kid, { kid, signPk, boxPk, natsPk, live: !isRevocation });
    return new DeviceChain(this.accountPk, [...this.hashes, deviceHash(record.body)], devices);
  }

  #checkHeader(fields) {
    must(fields.version === VERSION, 'E-VERSION', `record version ${fields.version}`);
    must((fields.flags & ~FLAG_REVOKED) === 0, 'E-FLAG', `record flags ${fields.flags}`);
    must(fields.seq === this.hashes.length, 'E-DEVICE-CHAIN', `seq ${fields.seq}`);
    must(equal(fields.prev, this.head), 'E-DEVICE-CHAIN', 'prev');
    must(equal(fields.accountPk, this.accountPk), 'E-DEVICE-CHAIN', 'account_pk');
    must(fields.seq <= RECORD_SEQ_MAX, 'E-LIMIT', 'records in the chain');
  }

  #checkEffect(fields, kid, isRevocation) {
    const known = this.devices.get(kid);
    if (known && !known.live) refuse('E-DEVICE-REVOKED', kid);
    const isSameBox = known && equal(known.boxPk, fields.boxPk);
    const isSameNats = known && equal(known.natsPk, fields.natsPk);
    if (isRevocation) {
      must(known, 'E-DEVICE-CHAIN', 'revocation of an unknown device');
      must(isSameBox && isSameNats, 'E-DEVICE-CHAIN', 'revocation changes keys');
    } else if (known) {
      must(!(isSameBox && isSameNats), 'E-DEVICE-CHAIN', 'rotation without change');
    } else {
      must(this.live().length < LIVE_DEVICES_MAX, 'E-LIMIT', 'live devices');
    }
  }

  #checkSignatures(fields, { body, sig, pop, natsPop }, isRevocation) {
    must(isSignedBy(fields.accountPk, sig, DS('device'), body), 'E-SIG', 'device record');
    if (isRevocation) {
      must(!pop && !natsPop, 'E-PARSE', 'a revocation has no proofs of possession');
      return;
    }
    must(isSignedBy(fields.signPk, pop, DS('device-pop'), body), 'E-POP', 'pop');
    must(isSignedBy(fields.natsPk, natsPop, DS('nats-pop'), body), 'E-POP', 'nats_pop');
  }
}

/** A whole chain from its records in order. */
export function verifyChain(records, accountPk = parseRecordBody(records[0].body).accountPk) {
  return records.reduce((chain, record) => chain.extended(record), new DeviceChain(accountPk));
}

/** The records at hand, found by hash; nothing in it is trusted before a head is asked for. */
export class RecordPool {
  #records = new Map();

  #chains = new Map();

  constructor(records = []) {
    this.addAll(records);
  }

  add(record) {
    this.#records.set(hex(deviceHash(record.body)), record);
  }

  addAll(records) {
    records.forEach((record) => this.add(record));
  }

  has(head) {
    return this.#records.has(hex(head));
  }

  /** The chain that `head` fixes, as a room log judges it (5.5, chain). */
  chainTo(accountPk, head) {
    const key = hex(accountPk) + hex(head);
    let chain = this.#chains.get(key);
    if (chain === undefined) {
      chain = this.#verified(accountPk, head);
      this.#chains.set(key, chain);
    }
    return chain;
  }

  #verified(accountPk, head) {
    const records = this.#recordsTo(head);
    try {
      return verifyChain(records, accountPk);
    } catch (error) {
      const isNewer = error instanceof Refusal && ['E-VERSION', 'E-FLAG'].includes(error.code);
      throw isNewer ? new Refusal('E-UPGRADE', error.detail) : error;
    }
  }

  #recordsTo(head) {
    const records = [];
    let hash = head;
    do {
      const record = this.#records.get(hex(hash));
      must(record, 'E-DEVICE-CHAIN', `record ${hex(hash)} is not at hand`);
      records.unshift(record);
      if (record.body.length !== RECORD_BYTES) break; // its own code comes from the chain
      hash = parseRecordBody(record.body).prev;
    } while (!isZero(hash));
    return records;
  }
}

/** Proof of an enrolment (4.8); the token counts as the bytes typed. */
export function enrollProof(accountKey, token, clusterId, headHash) {
  return sign(accountKey.secretKey, DS('enroll'), H(token), str8(utf8(clusterId)), headHash);
}
