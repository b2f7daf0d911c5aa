// SPDX-License-Identifier: Apache-2.0
// Runs the vectors of tests/vectors: one function a group gives the outputs of a vector or throws.
// What can be made anew (all signatures too: every key of the vectors is known) is made anew and
// compared in the same function.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as u from './ubr1/index.mjs';

const FOLDER = new URL('../../vectors/', import.meta.url);
const { hex, unhex } = u;

export function loadGroup(group) {
  const file = JSON.parse(readFileSync(fileURLToPath(new URL(`${group}.json`, FOLDER)), 'utf8'));
  assert.equal(file.suite, 'ubr1');
  assert.equal(file.group, group);
  return file.vectors;
}

const seedOf = (text) => u.H(u.utf8(text));

/** public key (hex) → key pair, for every Ed25519 key of the vectors. */
export function vectorKeys() {
  const keys = new Map();
  const keep = (key) => keys.set(hex(key.publicKey), key);
  for (const fill of [0xa1, 0xb2]) {
    const service = u.serviceFromSeed(u.filled(32, fill));
    [service.account, service.nats].forEach(keep);
  }
  // 'many' are carol's devices in the vectors of the limit
  for (const name of ['carol', 'dave', 'erin', 'frank', 'mallory', 'many']) {
    keep(u.accountFromSeed(seedOf(`ubr1-vector/${name}/seed`)).account);
    for (let n = 0; n <= 17; n += 1) {
      keep(u.signKeyFromSeed(seedOf(`ubr1-vector/${name}-${n}/sign`)));
      keep(u.signKeyFromSeed(seedOf(`ubr1-vector/${name}-${n}/nats`)));
    }
  }
  return keys;
}

const KEYS = vectorKeys();

function keyOf(publicKey) {
  const key = KEYS.get(hex(publicKey));
  assert(key, `no vector key ${hex(publicKey)}`);
  return key;
}

function sameBytes(made, given, what) {
  assert.equal(hex(made), typeof given === 'string' ? given : hex(given), `${what}, made anew`);
}

function runKeys({ inputs }) {
  if (inputs.text) {
    const seed = seedOf(inputs.text);
    return { seed: hex(seed), sign_pk: hex(u.signKeyFromSeed(seed).publicKey) };
  }
  if (inputs.a) {
    const [a, b] = [unhex(inputs.a), unhex(inputs.b)];
    assert.equal(u.safetyNumber(b, a), u.safetyNumber(a, b));
    return { text: u.safetyNumber(a, b), link: u.verifyLink(a, b) };
  }
  const seed = unhex(inputs.seed);
  if (inputs.id) {
    return { box_pk: hex(u.serviceFromSeed(seed, inputs.id - u.BOX_SEED_ID).box.publicKey) };
  }
  const keys = u.serviceFromSeed(seed);
  const signPk = keys.sign.publicKey;
  return {
    account_seed: hex(keys.account.seed),
    sign_pk: hex(signPk),
    nats_seed: hex(keys.nats.seed),
    nats_pk: hex(keys.nats.publicKey),
    backup_key: hex(keys.backupKey),
    box_seed_0: hex(keys.box.seed),
    box_pk: hex(keys.box.publicKey),
    kid: hex(u.kidOf(signPk)),
    fingerprint: hex(u.fingerprintOf(signPk)),
    fingerprint_text: u.identityOf(signPk),
    inbox_token: u.inboxTokenOf(keys.nats.publicKey),
  };
}

function runEd25519({ inputs, outputs }) {
  if (inputs.box_pk) {
    u.must(u.isBoxKeyValid(unhex(inputs.box_pk)), 'E-KEY-WEAK');
    return {};
  }
  const publicKey = unhex(inputs.pk);
  // judged apart from the signature: a refused vector has this output too
  assert.equal(u.isSignKeyValid(publicKey), outputs.key_valid, 'key_valid');
  u.must(u.isSignedBy(publicKey, unhex(inputs.sig), unhex(inputs.msg)), 'E-SIG');
  return { key_valid: u.isSignKeyValid(publicKey) };
}

function recordOf({ body, sig, pop, nats_pop: natsPop }) {
  const record = { body: unhex(body), sig: unhex(sig) };
  if (pop !== undefined) record.pop = unhex(pop);
  if (natsPop !== undefined) record.natsPop = unhex(natsPop);
  return record;
}

function remakeRecord(record) {
  const { timeMs, flags, ...fields } = u.parseRecordBody(record.body);
  const revoked = flags !== 0;
  const keys = revoked ? null : { sign: keyOf(fields.signPk), nats: keyOf(fields.natsPk) };
  const made = u.signRecord({ ...fields, timeMs, revoked }, keyOf(fields.accountPk), keys);
  sameBytes(made.body, record.body, 'record');
  sameBytes(made.sig, record.sig, 'sig');
  if (revoked) return;
  sameBytes(made.pop, record.pop, 'pop');
  sameBytes(made.natsPop, record.natsPop, 'nats_pop');
}

function runDevices({ inputs, expect }) {
  if (inputs.token) {
    const account = u.signKeyFromSeed(unhex(inputs.account_seed));
    const proof = u.enrollProof(
      account, unhex(inputs.token), inputs.cluster_id, unhex(inputs.device_hash));
    return { proof: hex(proof) };
  }
  const records = inputs.records.map(recordOf);
  const chain = records.slice(1).reduce((before, record) => before.extended(record),
    new u.DeviceChain(accountAt66(records[0])).extended(records[0]));
  if (expect === 'ok') records.forEach(remakeRecord);
  const devices = [...chain.devices.values()];
  return {
    hashes: chain.hashes.map(hex),
    live: Object.fromEntries(chain.live().map(({ kid, boxPk }) => [kid, hex(boxPk)])),
    revoked: devices.filter(({ live }) => !live).map(({ kid }) => kid),
  };
}

/** The account that the first record names; its length may be what the vector is about. */
function accountAt66({ body }) {
  return body.slice(38, 70);
}

/** Scenario (A, S, L) → its log, filled by runLog in file order. */
export class Scenarios {
  #logs = new Map();

  start(name, records) {
    this.#logs.set(name, new u.RoomLog({ records: new u.RecordPool(records) }));
  }

  log(name) {
    return this.#logs.get(name);
  }

  static complete() {
    const scenarios = new Scenarios();
    for (const vector of loadGroup('log')) {
      if (vector.expect === 'ok') runLog(vector, scenarios);
    }
    return scenarios;
  }
}

function remakeEntry({ entry }, { body, sig }) {
  const payload = u.payloadBytes(entry.name, entry.fields);
  sameBytes(payload, entry.payload, 'payload');
  const made = u.signEntry(signKeyOfEntry(entry), u.entryBody({ ...entry, payload }));
  sameBytes(made.body, body, 'entry');
  sameBytes(made.sig, sig, 'entry signature');
}

function signKeyOfEntry({ kid }) {
  const key = [...KEYS.values()].find(({ publicKey }) => u.equal(u.kidOf(publicKey), kid));
  assert(key, `no vector key with kid ${hex(kid)}`);
  return key;
}

function runLog({ name, inputs, expect }, scenarios) {
  if (inputs.records) {
    const records = inputs.records.map(recordOf);
    scenarios.start(name.split('/')[0], records);
    return { hashes: records.map(({ body }) => hex(u.deviceHash(body))) };
  }
  const log = scenarios.log(inputs.scenario);
  const signed = { body: unhex(inputs.body), sig: unhex(inputs.sig) };
  const judged = log.judge(signed, inputs.after);
  if (expect === 'ok') {
    remakeEntry(judged, signed);
    if (log.seq === inputs.after) log.append(signed);
    sameBytes(log.entries[inputs.after + 1].body, signed.body, 'entry applied in file order');
  }
  const { state } = judged;
  return {
    entry_hash: hex(state.entryHash),
    state_hash: hex(state.hash()),
    epoch: state.epoch,
    stale: Number(state.stale),
    link_due: Number(state.linkDue),
    members_hash: hex(state.membersHash()),
    recipients_hash: hex(state.recipientsHash()),
    recipients: state.recipients().length,
  };
}

function runBox({ inputs }) {
  const key = u.boxKeyFromSeed(unhex(inputs.box_seed));
  const box = unhex(inputs.box);
  if (inputs.plaintext) {
    const made = u.sealBoxFrom(
      unhex(inputs.ephemeral_seed), unhex(inputs.plaintext), key.publicKey);
    sameBytes(made, box, 'box');
  }
  const [roomId, kid, commit] = [inputs.room_id, inputs.kid, inputs.commit].map(unhex);
  const context = { roomId, epoch: inputs.epoch, kid, commit };
  const secret = u.openBox(box, key, context);
  sameBytes(u.boxPlaintext(roomId, inputs.epoch, kid, secret), inputs.plaintext, 'plaintext');
  const real = u.sealBox(roomId, inputs.epoch, { kid, boxPk: key.publicKey }, secret);
  sameBytes(u.openBox(real, key, context), secret, 'secret from a real box');
  return { secret: hex(secret) };
}

function runLink({ inputs }) {
  const [roomId, newSecret, link] = [inputs.room_id, inputs.new_secret, inputs.link].map(unhex);
  const oldCommit = unhex(inputs.old_commit);
  const old = u.openLink(roomId, inputs.new_epoch, newSecret, link, oldCommit);
  const made = u.sealLink(roomId, inputs.new_epoch, newSecret, old, unhex(inputs.nonce));
  sameBytes(made, link, 'link');
  return { old_secret: hex(old) };
}

function runEpochs(vector) {
  const { inputs } = vector;
  if (inputs.box !== undefined) return runBox(vector);
  if (inputs.link !== undefined) return runLink(vector);
  if (inputs.members) {
    const members = inputs.members.map((m) => ({ ...m, accountPk: unhex(m.account_pk) }));
    return { hash: hex(u.membersHash(members)) };
  }
  if (inputs.recipients) {
    const recipients = inputs.recipients.map(
      (r) => ({ kid: unhex(r.kid), boxPk: unhex(r.box_pk) }));
    return { hash: hex(u.recipientsHash(recipients)) };
  }
  const secret = unhex(inputs.secret);
  return {
    commit: hex(u.commitOf(unhex(inputs.room_id), inputs.epoch, secret)),
    msg_key: hex(u.messageKey(secret)),
    export_key: hex(u.exportKey(secret)),
    link_key: hex(u.linkKey(secret)),
  };
}

function remakeMessage({ inputs }, said, log, secrets) {
  const wire = unhex(inputs.wire);
  const header = u.parseHeader(wire);
  const inner = unhex(inputs.inner);
  const secret = secrets.get(header.epoch);
  const signKey = said.isSigned ? signKeyOfEntry(header) : null;
  const sig = signKey ? u.signMessage(signKey, said.aad, inner) : new Uint8Array();
  sameBytes(sig, said.sig, 'message signature');
  sameBytes(header.bytes, inputs.header, 'header');
  const sealed = u.sealEnvelope(secret, header.bytes, header.nonce, said.aad, sig, inner);
  sameBytes(sealed, wire, 'envelope');

  const given = u.parseExtensions(u.parseInner(inner).body);
  if (u.extensionBytes(said.extensions).length + given.content.length + 22 !== inner.length) {
    return; // an ignored extension, which our sender never writes
  }
  const at = { ...header, state: log.states[said.headSeq], secret, signKey, subject: said.subject };
  const isPadded = (header.flags & u.FLAG.padded) !== 0;
  sameBytes(u.sealMessage(at, { ...said, isPadded }).wire, wire, 'message');
}

async function runMessages(vector, scenarios) {
  const { inputs, expect } = vector;
  const log = scenarios.log(inputs.scenario);
  const secrets = new Map(Object.entries(inputs.secrets).map(([n, s]) => [Number(n), unhex(s)]));
  const receiver = {
    log,
    head: inputs.head,
    secrets,
    isHistory: inputs.history,
    nowMs: inputs.now_ms,
    msSinceSuperseded: () => inputs.ms_since_superseded,
    windowOf: () => new u.ReplayWindow(inputs.window_base, inputs.accepted),
  };
  const said = await u.acceptMessage(receiver, unhex(inputs.wire), {
    subject: inputs.delivered, ubSubject: inputs.ub_subject, kvOperation: inputs.kv_operation,
  });
  if (expect === 'ok') remakeMessage(vector, said, log, secrets);
  return {
    aad: hex(said.aad),
    sig: hex(said.sig),
    account: hex(said.accountPk),
    head_seq: said.headSeq,
    content: hex(said.content),
    records: said.records && said.records.map(hex),
    ext: Object.fromEntries([...said.extensions].map(([type, value]) => [type, hex(value)])),
  };
}

const plainOf = (size) => Uint8Array.from({ length: size }, (_, i) => (7 * i + 3) % 256);

/** Objects that are too large to print, by their rule. */
function objectOf({ object, object_rule: rule, room_id: room, key, header, size }) {
  if (object !== undefined) return unhex(object);
  const seal = (length) => u.sealBlob(
    unhex(room), plainOf(length), { key: unhex(key), header: unhex(header) }).object;
  const chunk = (whole, n) => whole.slice(24 + n * 65553, 24 + (n + 1) * 65553);
  if (rule === 'as written by the rules') return seal(size);
  const whole = seal(131082);
  const [first, second, last] = [0, 1, 2].map((n) => chunk(whole, n));
  if (rule.startsWith('chunks 0 and 1')) {
    return u.concat(whole.slice(0, 24), second, first, last);
  }
  assert.match(rule, /without its last chunk/);
  return u.concat(whole.slice(0, 24), first, second);
}

function runBlobs({ inputs, outputs, expect }) {
  const object = objectOf(inputs);
  assert.equal(hex(u.H(object)), outputs.object_hash, 'object_hash');
  const reference = {
    blob: inputs.address, key: unhex(inputs.key), size: inputs.size, osize: inputs.osize,
  };
  const roomId = unhex(inputs.room_id);
  const plain = u.openBlob(roomId, reference, object);
  if (expect === 'ok') {
    sameBytes(plain, plainOf(inputs.size), 'plaintext');
    const header = unhex(inputs.header);
    sameBytes(u.sealBlob(roomId, plain, { key: reference.key, header }).object, object, 'object');
    const real = u.sealBlob(roomId, plain);
    sameBytes(u.openBlob(roomId, real.reference, real.object), plain, 'real blob');
  }
  return { object_hash: hex(u.H(object)) };
}

async function runKeyfile({ inputs }) {
  const file = unhex(inputs.file);
  const passphrase = unhex(inputs.passphrase);
  const secret = await u.openKeyfile(file, passphrase);
  const { ops, mem } = inputs;
  const options = { ops, mem, salt: unhex(inputs.salt), nonce: unhex(inputs.nonce) };
  sameBytes(await u.sealKeyfile(secret, passphrase, options), file, 'key file');
  return { secret: hex(secret) };
}

function runBackup({ inputs }) {
  const file = unhex(inputs.file);
  const [backupKey, accountPk] = [inputs.key, inputs.account_pk].map(unhex);
  const { generation, items } = u.openBackup(
    file, { backupKey, accountPk, seen: inputs.seen_generation });
  assert.equal(generation, inputs.generation);
  const nonce = unhex(inputs.nonce);
  sameBytes(u.sealBackup({ backupKey, accountPk, generation, items, nonce }), file, 'back-up');
  return { items: items.map((item) => hex(u.itemBytes(item))) };
}

function runTexts({ inputs }) {
  if (inputs.recovery_key) {
    const seed = u.parseRecoveryKey(inputs.recovery_key);
    assert.equal(u.recoveryKey(seed), inputs.recovery_key, 'made anew');
    return { seed: hex(seed) };
  }
  if (inputs.link) {
    const invite = u.parseInvite(inputs.link);
    assert.equal(u.inviteText(invite), inputs.link, 'made anew');
    return {
      room: hex(invite.roomId), seq: invite.seq, head: hex(invite.head),
      founder: hex(invite.founder), nodes: invite.nodes,
    };
  }
  const roomId = unhex(inputs.room_id);
  sameBytes(u.unbase32(u.room32Of(roomId)), roomId, 'room id');
  return {
    room32: u.room32Of(roomId), subject: u.subjectOf(roomId, 'chat'), stream: u.streamOf(roomId),
  };
}

/** Group → how many vectors it must have, how many of them are refused, and what runs one. */
export const GROUPS = Object.freeze({
  keys: { count: 5, refused: 0, run: runKeys },
  ed25519: { count: 17, refused: 14, run: runEd25519 },
  devices: { count: 31, refused: 23, run: runDevices },
  log: { count: 117, refused: 70, run: runLog },
  epochs: { count: 17, refused: 11, run: runEpochs },
  messages: { count: 70, refused: 47, run: runMessages },
  blobs: { count: 12, refused: 8, run: runBlobs },
  keyfile: { count: 9, refused: 7, run: runKeyfile },
  backup: { count: 8, refused: 6, run: runBackup },
  texts: { count: 17, refused: 13, run: runTexts },
});

/** What is wrong with our answer to a vector, or null when it is the expected one. */
export async function fault(group, vector, scenarios) {
  let outputs;
  try {
    outputs = await GROUPS[group].run(vector, scenarios);
  } catch (error) {
    if (!(error instanceof u.Refusal)) return `${error.message}`;
    return error.code === vector.expect ? null : `${error.message}, expected ${vector.expect}`;
  }
  if (vector.expect !== 'ok') return `accepted, expected ${vector.expect}`;
  try {
    assert.deepEqual(outputs, vector.outputs);
    return null;
  } catch (error) {
    return error.message;
  }
}
