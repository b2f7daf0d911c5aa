// SPDX-License-Identifier: Apache-2.0
// One device of one person or program: keys, device records, its way to the control plane and to
// the bus. Rooms are room.mjs.
import { connect } from '@nats-io/transport-node';
import { HttpClient } from './http.mjs';
import * as u from './ubr1/index.mjs';
import { Room } from './room.mjs';

export class Member {
  /** A new account with its first device; a `seed` makes a service identity from one seed. */
  static create(handle, { seed } = {}) {
    const keys = seed
      ? u.serviceFromSeed(seed)
      : { ...u.accountFromSeed(u.randomBytes(32)), ...u.randomDeviceKeys() };
    const member = new Member(handle, keys, new u.DeviceChain(keys.account.publicKey), []);
    member.isService = seed !== undefined;
    member.addRecord(member.ownFields());
    return member;
  }

  constructor(handle, keys, chain, records) {
    this.handle = handle;
    this.seed = keys.seed;
    this.account = keys.account;
    this.backupKey = keys.backupKey;
    this.sign = keys.sign;
    this.nats = keys.nats;
    this.boxKeys = [keys.box]; // newest first; older ones until erased
    this.chain = chain;
    this.records = records;
    this.pins = new Map(); // account (hex) → longest chain seen in any room (12.2)
    this.counters = new Map(); // room (hex) → last counter used
    this.api = null;
    this.isService = false;
  }

  get accountPk() {
    return this.account.publicKey;
  }

  get kid() {
    return u.kidOf(this.sign.publicKey);
  }

  get kidHex() {
    return u.hex(this.kid);
  }

  /** The identity's id in the HTTP API. */
  get id() {
    return u.identityOf(this.accountPk);
  }

  get box() {
    return this.boxKeys[0];
  }

  get identity() {
    return { kid: this.kidHex, signKey: this.sign };
  }

  ownFields() {
    return {
      signPk: this.sign.publicKey, boxPk: this.box.publicKey, natsPk: this.nats.publicKey,
    };
  }

  /** Signs the next record of the chain with the account key; keeps and gives it. */
  addRecord(fields, keys = { sign: this.sign, nats: this.nats }) {
    const record = u.signRecord({
      seq: this.chain.hashes.length, prev: this.chain.head, accountPk: this.accountPk,
      timeMs: Date.now(), ...fields,
    }, this.account, keys);
    this.chain = this.chain.extended(record);
    this.records.push(record);
    return record;
  }

  /** From now on talks to this node ({host, port}). */
  attach(http) {
    this.api = new HttpClient({ ...http, identity: this.identity });
    return this;
  }

  /** What an admin posts to /v1/identities for this member. */
  registration(role = this.isService ? 'service' : 'member') {
    return { handle: this.handle, role, device: u.recordToJson(this.records[0]) };
  }

  /** Into the allowlist by `admin` (a client with that right), then attached to `http`. */
  async register(admin, http, role) {
    await admin.expect(201, 'POST', '/v1/identities', { json: this.registration(role) });
    return this.attach(http);
  }

  /** Enrolment by a one-time token (4.8). */
  async enroll(http, token) {
    this.attach(http);
    const { cluster_id: cluster } = await this.api.info();
    const proof = u.enrollProof(this.account, u.utf8(token), cluster, this.chain.head);
    const device = u.recordToJson(this.records[0]);
    return this.api.expect(201, 'POST', '/v1/enrollments:claim', {
      signed: false, json: { token, device, proof: u.base64url(proof) },
    });
  }

  /** Posts the newest record; `client` may be another device of the account or an admin. */
  async postRecord(client = this.api) {
    const before = this.chain.hashes.at(-2);
    const { json } = await client.expect(201, 'POST', `/v1/identities/${this.id}/devices`, {
      json: u.recordToJson(this.records.at(-1)), ifMatch: u.hex(before),
    });
    return json;
  }

  /** A new box key; rooms follow with announceDevices. The old key stays until eraseOldBoxKeys. */
  async rotateBox() {
    this.boxKeys.unshift(u.boxKeyFromSeed(u.randomBytes(32)));
    this.addRecord(this.ownFields());
    return this.postRecord();
  }

  eraseOldBoxKeys() {
    this.boxKeys.splice(1);
  }

  /** A second device of this account, with its record posted by this one. */
  async addDevice(http = this.api.to) {
    const keys = { seed: this.seed, account: this.account, backupKey: this.backupKey };
    const second = new Member(this.handle, { ...keys, ...u.randomDeviceKeys() }, this.chain,
      [...this.records]);
    second.addRecord(second.ownFields());
    this.takeRecordsOf(second);
    await this.postRecord();
    return second.attach(http);
  }

  /** What another device of the account has signed meanwhile. */
  takeRecordsOf(other) {
    this.chain = other.chain;
    this.records = [...other.records];
  }

  async revokeDevice(kidHex) {
    const { signPk, boxPk, natsPk } = this.chain.devices.get(kidHex);
    this.addRecord({ signPk, boxPk, natsPk, revoked: true });
    return this.postRecord();
  }

  /** Chains of one account in two rooms are prefixes of one chain (8, E-DEVICE-FORK). */
  pinChain(chain) {
    const account = u.hex(chain.accountPk);
    const pinned = this.pins.get(account);
    if (pinned) {
      const isOne = chain.has(pinned.head) || pinned.has(chain.head);
      u.must(isOne, 'E-DEVICE-FORK', u.identityOf(chain.accountPk));
      if (pinned.has(chain.head)) return;
    }
    this.pins.set(account, chain);
  }

  /** The device records of an account; nothing in them is believed before a head pins them. */
  async fetchRecords(accountPk) {
    const path = `/v1/identities/${u.identityOf(accountPk)}/devices`;
    const { json } = await this.api.expect(200, 'GET', path);
    return json.items.map(u.recordFromJson);
  }

  /** {accountPk, handle, chain} of an identity found by handle: to be compared by people. */
  async lookUp(handle) {
    const [found] = await this.api.list(`/v1/identities?handle=${encodeURIComponent(handle)}`);
    u.must(found, 'E-NOT-MEMBER', handle);
    const accountPk = u.unbase64url(found.account_pk);
    const chain = u.verifyChain(await this.fetchRecords(accountPk), accountPk);
    return { accountPk, handle: found.handle, head: chain.head, chain };
  }

  /** What a room admin needs to add this member, by a trusted way. */
  get card() {
    return { accountPk: this.accountPk, handle: this.handle, head: this.chain.head };
  }

  /** A NATS connection with this device's nkey and its own inbox prefix. */
  async bus({ host = '127.0.0.1', port }, options = {}) {
    return connect({
      servers: `${host}:${port}`,
      inboxPrefix: `_INBOX.${u.inboxTokenOf(this.nats.publicKey)}`,
      authenticator: (nonce) => u.answerNatsNonce(this.nats, nonce),
      reconnect: false,
      name: this.handle,
      timeout: 5000,
      ...options,
    });
  }

  createRoom(options) {
    return Room.create(this, options);
  }

  /** By an invite (text), which pins id, founder and head; or {roomId} alone: unverified. */
  joinRoom(invite, options) {
    return Room.join(this, invite, options);
  }

  /** Counter of the next message in a room; used up before anything is sent (9.1). */
  nextCounter(roomId) {
    const room = u.hex(roomId);
    const counter = (this.counters.get(room) ?? 0) + 1;
    this.counters.set(room, counter);
    return counter;
  }

  /** Stores the key ring of `rooms`; `after` = the generation that the server holds (0: none). */
  async saveBackup(rooms, after = 0) {
    const items = rooms.flatMap((room) => room.backupItems());
    const generation = after + 1;
    const { backupKey, accountPk } = this;
    const body = u.sealBackup({ backupKey, accountPk, generation, items });
    const condition = after === 0 ? { headers: { 'If-None-Match': '*' } } : { ifMatch: after };
    await this.api.expect([200, 201, 204], 'PUT', '/v1/keybackup', { body, ...condition });
    return generation;
  }

  async loadBackup(seen = 0) {
    const { body } = await this.api.expect(200, 'GET', '/v1/keybackup');
    const { backupKey, accountPk } = this;
    return u.openBackup(new Uint8Array(body), { backupKey, accountPk, seen });
  }
}
