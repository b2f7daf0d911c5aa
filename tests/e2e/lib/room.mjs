// SPDX-License-Identifier: Apache-2.0
// A room as a verifying client has it: the log, the secrets, changes, messages and blobs.
import { headers as natsHeaders } from '@nats-io/transport-node';
import { performance } from 'node:perf_hooks';
import { Draft } from './draft.mjs';
import * as u from './ubr1/index.mjs';

const PAGE = 500;
const CHANGE_TRIES = 5;

export const REQUEST_MS = 5000;

export class Room {
  static async create(member, options = {}) {
    const {
      name = '', history = 1, unsigned = false, rotateSecs = 604800, rotateMsgs = 100000,
      plain = false,
    } = options;
    const room = new Room(member, { isPlain: plain });
    room.records.addAll(member.records);
    const draft = new Draft(member, room.log, room.secrets);
    draft.add('create', {
      suite: 1, random: u.randomBytes(16), policy: history | (unsigned ? u.POLICY_UNSIGNED : 0),
      rotateSecs, rotateMsgs, handle: member.handle, head: member.chain.head, name,
    });
    if (!plain) draft.epoch(u.CAUSE.first);
    await member.api.expect(201, 'POST', '/v1/rooms', {
      json: { ...draft.toJson(), mode: plain ? 'plain' : 'sealed' },
    });
    room.#take(draft);
    room.isConfirmed = true;
    return room;
  }

  /** `invite`: its text, or {roomId} for a room that is known by the server's word only. */
  static async join(member, invite, { plain = false, pin = null } = {}) {
    const known = typeof invite === 'string' ? u.parseInvite(invite) : invite;
    const room = new Room(member, { roomId: known.roomId, isPlain: plain });
    room.pin = pin;
    await room.sync();
    if (known.founder) room.#checkInvite(known);
    if (pin) room.isConfirmed = true;
    await room.fetchSecrets();
    return room;
  }

  constructor(member, { roomId = null, isPlain = false } = {}) {
    this.member = member;
    this.records = new u.RecordPool();
    this.log = new u.RoomLog({ records: this.records, roomId });
    this.secrets = new Map(); // epoch → secret
    this.isPlain = isPlain;
    this.isConfirmed = false; // 12.3: id, founder and head known by a way around the server
    this.pin = null; // {seq, head} of a back-up
    this.claim = null; // an unproven head claim: {kid, account, seq, headHash}
    this.broken = null; // the refusal at which the log ends
    this.windows = new Map(); // kid → ReplayWindow
    this.verifiedAt = new Map(); // epoch → monotonic ms
    this.sentIn = new Map(); // epoch → messages sent or accepted
    this.reports = []; // {code, …}: what a client tells its user
  }

  get id() {
    return u.base32(this.log.roomId ?? this.log.expectedRoomId);
  }

  get state() {
    return this.log.state;
  }

  get path() {
    return `/v1/rooms/${this.id}`;
  }

  get headHex() {
    return u.hex(this.state.entryHash);
  }

  #checkInvite({ seq, head, founder }) {
    const first = this.log.entries[0];
    const isFounder = u.equal(u.fingerprintOf(first.authorPk), founder);
    u.must(isFounder, 'E-INVITE', 'another founder');
    u.must(seq <= this.log.seq, 'E-ROLLBACK', `the log ends at ${this.log.seq}, invited at ${seq}`);
    u.must(u.equal(this.log.states[seq].entryHash, head), 'E-FORK', `at ${seq}`);
    this.isConfirmed = true;
  }

  invite(nodes = []) {
    const { roomId, seq, entryHash } = this.state;
    const founder = u.fingerprintOf(this.log.entries[0].authorPk);
    return u.inviteText({ roomId, seq, head: entryHash, founder, nodes });
  }

  /** Brings the verified log up to the server's; throws E-ROLLBACK, E-FORK or an entry's code. */
  async sync() {
    let from = Math.max(this.log.seq, 0);
    while (from !== null) {
      const answer = await this.member.api.expect(
        [200, 416], 'GET', `${this.path}/log?from=${from}&limit=${PAGE}`);
      const items = answer.status === 200 ? answer.json.items : [];
      u.must(items.length > 0 || this.log.seq < 0, 'E-ROLLBACK', `nothing from ${from} on`);
      await this.#appendAll(items.map(u.entryFromJson), from);
      from = answer.json.next_seq ?? null;
    }
    this.#checkPin();
    return this.state;
  }

  #checkPin() {
    if (!this.pin) return;
    const { seq, head } = this.pin;
    u.must(seq <= this.log.seq, 'E-ROLLBACK', `the log ends at ${this.log.seq}, pinned at ${seq}`);
    u.must(u.equal(this.log.states[seq].entryHash, head), 'E-FORK', `at the pin ${seq}`);
  }

  async #appendAll(entries, from) {
    for (const [n, entry] of entries.entries()) {
      const own = this.log.entries[from + n];
      if (own) {
        u.must(u.equal(own.body, entry.body), 'E-FORK', `another entry at ${from + n}`);
        continue;
      }
      try {
        await this.#append(entry);
      } catch (error) {
        if (error instanceof u.Refusal) this.broken = { code: error.code, seq: this.log.seq + 1 };
        throw error;
      }
    }
  }

  async #append(entry) {
    await this.#fetchRecordsFor(entry);
    this.log.append(entry);
    this.#noteEntry();
  }

  /** Side effects of a verified entry: the clock of an epoch, the pins of device chains. */
  #noteEntry() {
    const entry = this.log.entries.at(-1);
    if (entry.name === 'epoch') this.verifiedAt.set(entry.fields.epoch, performance.now());
    this.#pinChainOf(entry);
  }

  #pinChainOf({ name, fields, authorPk }) {
    if (!['create', 'add', 'device'].includes(name)) return;
    const accountPk = fields.accountPk ?? authorPk;
    this.member.pinChain(this.records.chainTo(accountPk, fields.head));
  }

  async #fetchRecordsFor({ body }) {
    let entry;
    let fields;
    try {
      entry = u.parseEntryBody(body);
      fields = u.parsePayload(entry.type, entry.payload);
    } catch {
      return; // the log says what is wrong with it
    }
    if (!fields.head || this.records.has(fields.head)) return;
    const accountPk = fields.accountPk ?? entry.authorPk;
    this.records.addAll(await this.member.fetchRecords(accountPk));
  }

  /**
   * Appends what `build(draft)` adds, under compare-and-set: after a 412 the log is read and the
   * change is decided and signed again.
   */
  async change(build) {
    for (let tries = 1; ; tries += 1) {
      const draft = new Draft(this.member, this.log, this.secrets);
      build(draft);
      for (const [commit, boxes] of draft.staged()) {
        await this.member.api.expect(204, 'PUT', `${this.path}/staged/${commit}`,
          { json: { boxes } });
      }
      draft.log.entries.slice(this.log.seq + 1).forEach((entry) => this.#pinChainOf(entry));
      const answer = await this.member.api.request('POST', `${this.path}/log`, {
        json: draft.toJson(), ifMatch: this.headHex,
      });
      if (answer.status === 200) {
        this.#take(draft);
        return answer.json;
      }
      if (answer.status !== 412 || tries === CHANGE_TRIES) {
        throw Object.assign(
          new Error(`append: ${answer.status} ${answer.text}`),
          { status: answer.status, code: answer.code, rule: answer.json?.rule, answer });
      }
      await this.sync();
      await this.fetchSecrets(); // a link and late boxes want the newest
    }
  }

  #take(draft) {
    for (const entry of draft.entries) {
      this.log.append(entry);
      this.#noteEntry();
    }
    draft.newSecrets.forEach((secret, epoch) => this.secrets.set(epoch, secret));
  }

  #mayRekey(draft) {
    const role = draft.state.member(this.member.accountPk)?.role ?? 0;
    return !this.isPlain && role >= u.ROLE.writer;
  }

  /** Adds {accountPk, handle, head} and sees to the secret that history lets it have. */
  async add(card, role = u.ROLE.writer) {
    await this.#haveRecords(card);
    const { accountPk, handle, head } = card;
    const answer = await this.change((draft) => {
      draft.add('add', { role, accountPk, handle, head });
      if (!this.isPlain && draft.state.history === 0) draft.epoch(u.CAUSE.added);
    });
    if (!this.isPlain && this.state.history !== 0) await this.sendBoxes(accountPk);
    return answer;
  }

  async #haveRecords({ accountPk, head }) {
    if (this.records.has(head)) return;
    this.records.addAll(await this.member.fetchRecords(accountPk));
  }

  remove(accountPk, reason = u.REASON.removed) {
    return this.change((draft) => {
      draft.add('remove', { accountPk, reason });
      if (!this.isPlain) draft.epoch(u.CAUSE.removed);
    });
  }

  leave() {
    return this.change((draft) =>
      draft.add('remove', { accountPk: this.member.accountPk, reason: u.REASON.left }));
  }

  setRole(accountPk, role) {
    return this.change((draft) => draft.add('role', { accountPk, role }));
  }

  rotate(cause = u.CAUSE.scheduled) {
    return this.change((draft) => draft.epoch(cause));
  }

  /** Pins the newest chain of an account (default: the own one), with an epoch where one is due. */
  async announceDevices(card = this.member.card) {
    if (card.accountPk === this.member.accountPk) this.records.addAll(this.member.records);
    await this.#haveRecords(card);
    return this.change((draft) => {
      const before = draft.state.member(card.accountPk)?.devices ?? new Map();
      draft.add('device', { accountPk: card.accountPk, head: card.head });
      if (!draft.state.stale || !this.#mayRekey(draft)) return;
      const after = draft.state.member(card.accountPk).devices;
      draft.epoch(u.takesKidAway(before, after) ? u.CAUSE.revoked : u.CAUSE.scheduled);
    });
  }

  setPolicy({ history = this.state.history, unsigned = this.state.allowsUnsigned, ...rest }) {
    const { rotateSecs, rotateMsgs, name } = { ...this.state, ...rest };
    return this.change((draft) => {
      const isLowered = history < draft.state.history;
      const policy = history | (unsigned ? u.POLICY_UNSIGNED : 0);
      draft.add('policy', { policy, rotateSecs, rotateMsgs, name });
      if (isLowered && !this.isPlain) draft.epoch(u.CAUSE.manual);
    });
  }

  close(reason = 1) {
    return this.change((draft) => draft.add('close', { reason }));
  }

  #boxPath(epoch, kid = this.member.kidHex) {
    return `${this.path}/epochs/${epoch}/boxes/${kid}`;
  }

  /** Secrets of the current epoch and, by links, of what lies before; acknowledges good boxes. */
  async fetchSecrets() {
    if (this.isPlain || this.state.epoch === 0) return this.secrets;
    if (!this.secrets.has(this.state.epoch)) await this.fetchSecret(this.state.epoch);
    this.#followLinks();
    return this.secrets;
  }

  /** The good one among the boxes for this device, or null; bad ones are reported. */
  async fetchSecret(epoch) {
    const path = this.#boxPath(epoch);
    const answer = await this.member.api.expect([200, 404], 'GET', path);
    if (answer.status === 404) return null;
    const entry = this.log.epochsBetween(epoch - 1, epoch)[0];
    const { roomId } = this.log;
    const context = { roomId, epoch, kid: this.member.kid, commit: entry.fields.commit };
    for (const { uploader, box } of answer.json.items) {
      const secret = this.#tryBox(u.unbase64url(box), context, uploader);
      if (secret) {
        this.secrets.set(epoch, secret);
        await this.member.api.expect([204, 404], 'DELETE', path);
        return secret;
      }
    }
    return null;
  }

  #tryBox(box, context, uploader) {
    let refusal;
    for (const key of this.member.boxKeys) {
      try {
        return u.openBox(box, key, context);
      } catch (error) {
        refusal = error;
      }
    }
    this.reports.push({ code: refusal.code, uploader, epoch: context.epoch });
    return null;
  }

  #followLinks() {
    for (let epoch = this.state.epoch; epoch > 1; epoch -= 1) {
      const entry = this.log.epochsBetween(epoch - 1, epoch)[0];
      const secret = this.secrets.get(epoch);
      if (!secret || entry.fields.link.length === 0) continue;
      if (this.secrets.has(epoch - 1)) continue;
      const { commit } = this.log.epochsBetween(epoch - 2, epoch - 1)[0].fields;
      try {
        const old = u.openLink(this.log.roomId, epoch, secret, entry.fields.link, commit);
        this.secrets.set(epoch - 1, old);
      } catch (error) {
        this.reports.push({ code: error.code, author: u.identityOf(entry.authorPk), epoch });
        return;
      }
    }
  }

  /** Late boxes of the current epoch for the live devices of an account. */
  async sendBoxes(accountPk, epoch = this.state.epoch) {
    for (const { kid, live } of this.state.member(accountPk).devices.values()) {
      if (live) await this.sendBox(epoch, kid);
    }
  }

  /** A late box, after the verified log has said that the kid is entitled (6.4). */
  async sendBox(epoch, kid, status = [201, 409]) {
    const { boxPk } = u.mustBeEntitled(this.log, epoch, kid);
    const recipient = { kid: u.unhex(kid), boxPk };
    const box = u.sealBox(this.log.roomId, epoch, recipient, this.secrets.get(epoch));
    const json = { box: u.base64url(box) };
    return this.member.api.expect(status, 'PUT', this.#boxPath(epoch, kid), { json });
  }

  requestBox(epoch) {
    return this.member.api.expect(202, 'POST', `${this.#boxPath(epoch)}:request`);
  }

  /** Answers those who asked, as far as the verified log entitles them: [{epoch, kid, code}]. */
  async answerBoxRequests() {
    const { json } = await this.member.api.expect(200, 'GET', `${this.path}/boxes:requested`);
    const done = [];
    for (const { epoch, kid } of json.items) {
      if (!this.secrets.has(epoch) || kid === this.member.kidHex) continue;
      try {
        await this.sendBox(epoch, kid);
        done.push({ epoch, kid, code: 'ok' });
      } catch (error) {
        done.push({ epoch, kid, code: error.code });
      }
    }
    return done;
  }

  /** 9.7: refuses where a client must not send. */
  mustBeSendable() {
    const { state } = this;
    u.must(!this.broken, this.broken?.code, `the log ends at ${this.log.seq}`);
    u.must(!state.closed, 'E-CLOSED');
    u.must(!state.stale, 'E-STALE', 'somebody must re-key first');
    u.must(this.isConfirmed, 'E-HEAD-UNPROVEN', 'no confirmed head');
    u.must(!this.#hasOpenClaim(), 'E-HEAD-UNPROVEN', `claim of ${this.claim?.seq}`);
    u.must(this.secrets.has(state.epoch), 'E-MSG-EPOCH', `no secret of epoch ${state.epoch}`);
    const ageSecs = (performance.now() - this.verifiedAt.get(state.epoch)) / 1000;
    const used = this.sentIn.get(state.epoch) ?? 0;
    u.must(state.rotateSecs === 0 || ageSecs <= state.rotateSecs, 'E-STALE', 'epoch is old');
    u.must(state.rotateMsgs === 0 || used < state.rotateMsgs, 'E-STALE', 'epoch is used up');
    for (const { accountPk, devices } of state.members.values()) {
      const pinned = this.member.pins.get(u.hex(accountPk));
      const isRevoked = pinned && u.takesKidAway(devices, pinned.devices);
      u.must(!isRevoked, 'E-DEVICE-REVOKED', 'append the device entry first');
    }
  }

  /** A claim is open until the log proves it or its claimant is removed (9.6). */
  #hasOpenClaim() {
    if (!this.claim) return false;
    const { account, seq, headHash } = this.claim;
    if (seq <= this.log.seq) {
      const proven = this.log.states[seq].entryHash.subarray(0, 16);
      u.must(u.equal(proven, headHash), 'E-FORK', `at ${seq}, claimed by a member`);
      this.claim = null;
    } else if (!this.state.members.has(account)) {
      this.claim = null;
    }
    return this.claim !== null;
  }

  /** The user dismisses an unproven claim, or confirms a head (`room trust-head`). */
  trustHead() {
    this.claim = null;
    this.isConfirmed = true;
  }

  subject(channel) {
    return u.subjectOf(this.log.roomId, channel);
  }

  /**
   * Wire bytes for a subject: {wire, nonce, counter}. `message` = {content (text or bytes) or
   * records, extensions, isPadded, unsigned}.
   */
  seal(subject, message) {
    this.mustBeSendable();
    const { member, state } = this;
    const counter = member.nextCounter(state.roomId);
    const content = typeof message.content === 'string' ? u.utf8(message.content)
      : message.content ?? new Uint8Array();
    const sealed = u.sealMessage({
      state, secret: this.secrets.get(state.epoch), signKey: message.unsigned ? null : member.sign,
      kid: member.kid, subject, counter, timeMs: message.timeMs ?? Date.now(),
    }, { ...message, content });
    this.#count(state.epoch);
    return { ...sealed, counter };
  }

  #count(epoch) {
    this.sentIn.set(epoch, (this.sentIn.get(epoch) ?? 0) + 1);
  }

  /**
   * Judges wire bytes by 9.4 and gives what is said, or throws the refusal. `delivery`: see
   * acceptMessage; `options` (isHistory, nowMs, maxAgeMs …) override the receiver's defaults.
   */
  async open(wire, delivery, options = {}) {
    const receiver = {
      log: this.log,
      secrets: this.secrets,
      msSinceSuperseded: (epoch) => this.#msSince(epoch + 1),
      windowOf: (kid) => this.#windowOf(kid),
      fetchLog: async (rx) => {
        await this.sync();
        await this.fetchSecrets();
        rx.head = this.log.seq;
      },
      ...options,
    };
    try {
      const said = await u.acceptMessage(receiver, wire, delivery);
      this.#noteAccepted(said);
      return said;
    } catch (error) {
      if (error.claim) {
        this.claim = error.claim;
        this.reports.push({ code: error.code, claimant: error.claim.kid, seq: error.claim.seq });
      }
      throw error;
    }
  }

  #msSince(epoch) {
    const at = this.verifiedAt.get(epoch);
    return at === undefined ? null : performance.now() - at;
  }

  #windowOf(kid) {
    if (!this.windows.has(kid)) this.windows.set(kid, new u.ReplayWindow());
    return this.windows.get(kid);
  }

  #noteAccepted({ epoch, accountPk, isSigned }) {
    this.#count(epoch);
    const isAnother = !u.equal(accountPk, this.member.accountPk);
    if (isSigned && isAnother) this.isConfirmed = true;
  }

  /** Publishes to a channel of the room on a bus connection. */
  publish(bus, channel, message) {
    const subject = this.subject(channel);
    const sealed = this.seal(subject, message);
    bus.publish(subject, sealed.wire, { headers: this.#headers(subject, sealed) });
    return sealed;
  }

  #headers(subject, { nonce }) {
    const headers = natsHeaders();
    if (!subject.startsWith('_INBOX.')) headers.set('Ub-Subject', subject);
    headers.set('Nats-Msg-Id', u.base64url(nonce));
    return headers;
  }

  /** What a delivered NATS message says, or throws the refusal. */
  openMsg(msg, options) {
    return this.open(msg.data, deliveryOf(msg), options);
  }

  /** Yields {said, msg} or {refusal, msg} for each message of a channel. */
  async* subscribe(bus, channel, { sub = bus.subscribe(this.subject(channel)), ...options } = {}) {
    for await (const msg of sub) {
      try {
        yield { msg, said: await this.openMsg(msg, options) };
      } catch (refusal) {
        yield { msg, refusal };
      }
    }
  }

  /** A request with expiry; gives the reply, which must name this request (9.5). */
  async request(bus, channel, message, timeoutMs = REQUEST_MS) {
    const subject = this.subject(channel);
    const extensions = new Map(message.extensions);
    extensions.set(u.EXT.expiry, u.u64(Date.now() + timeoutMs));
    const sealed = this.seal(subject, { ...message, extensions });
    const msg = await bus.request(subject, sealed.wire, {
      timeout: timeoutMs, headers: this.#headers(subject, sealed),
    });
    const said = await this.openMsg(msg);
    const reference = u.concat(this.member.kid, u.u64(sealed.counter));
    const named = said.extensions.get(u.EXT.replyTo);
    u.must(named && u.equal(named, reference), 'E-EXT', 'the reply is not to this request');
    return said;
  }

  /** Answers a request that was opened with openMsg; one without expiry is refused. */
  reply(bus, msg, said, message) {
    u.must(said.extensions.has(u.EXT.expiry), 'E-EXT', 'a request without expiry');
    const extensions = new Map(message.extensions);
    extensions.set(u.EXT.replyTo, u.concat(u.unhex(said.kid), u.u64(said.counter)));
    const sealed = this.seal(msg.reply, { ...message, extensions });
    bus.publish(msg.reply, sealed.wire, { headers: this.#headers(msg.reply, sealed) });
    return sealed;
  }

  /** Encrypts and uploads; the reference belongs into a message. */
  async putBlob(plain, { name, type } = {}) {
    const { object, reference } = u.sealBlob(this.log.roomId, plain, { name, type });
    const { blob: addr, osize } = reference;
    const { json } = await this.member.api.expect(200, 'POST', `${this.path}/blobs`,
      { json: { addr, osize } });
    u.must(json.offset === 0, 'E-BLOB-SIZE', `offset ${json.offset} of a new blob`);
    await this.member.api.expect([200, 201], 'PUT', `${this.path}/blobs/${addr}`, { body: object });
    return reference;
  }

  /** Downloads and opens; nothing is given out before all is verified. */
  async getBlob(reference) {
    u.checkReference(reference);
    const { body } = await this.member.api.expect(200, 'GET', `/v1/blobs/${reference.blob}`);
    return u.openBlob(this.log.roomId, reference, new Uint8Array(body));
  }

  backupItems() {
    const { roomId, seq, entryHash: head } = this.state;
    const pin = { roomId, seq, head };
    if (this.secrets.size === 0) return [{ ...pin, epoch: 0, secret: u.filled(32, 0) }];
    return [...this.secrets].map(([epoch, secret]) => ({ ...pin, epoch, secret }));
  }
}

/** How a NATS message came (9.3): its subjects, KV operation and place in a stream. */
export function deliveryOf(msg) {
  const header = (name) => (msg.headers?.has(name) ? msg.headers.get(name) : null);
  const stream = header('Nats-Stream');
  return {
    subject: header('Nats-Subject') ?? msg.subject,
    ubSubject: header('Ub-Subject'),
    kvOperation: header('KV-Operation'),
    isRollup: header('Nats-Rollup') !== null,
    place: stream === null ? null : `${stream}:${header('Nats-Sequence')}`,
  };
}
