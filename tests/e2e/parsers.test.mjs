// SPDX-License-Identifier: Apache-2.0
// Parsers of the JavaScript implementation on damaged bytes: each answer is a refusal with a code,
// never a crash, and what is accepted writes itself again byte for byte.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadGroup, Scenarios } from './lib/vectors.mjs';
import * as u from './lib/ubr1/index.mjs';

const { unhex } = u;
const ROUNDS = 40;

/** A small generator with a fixed seed: the same damage in every run. */
function generator(seed) {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function damaged(bytes, random) {
  const out = Uint8Array.from(bytes);
  const kind = random(4);
  if (kind === 0 || out.length === 0) return u.concat(out, Uint8Array.of(random(256)));
  if (kind === 1) return out.slice(0, random(out.length));
  if (kind === 2) return u.concat(out.slice(0, random(out.length)), out.slice(random(out.length)));
  out[random(out.length)] ^= 1 << random(8);
  return out;
}

/** Runs `parse` on damaged copies of each of `samples`; `again` makes the bytes of a result. */
async function torture(samples, parse, again) {
  const random = generator(42);
  let refused = 0;
  for (const sample of samples) {
    for (let round = 0; round < ROUNDS; round += 1) {
      const bytes = damaged(sample, random);
      try {
        const result = await parse(bytes);
        assert.deepEqual(Buffer.from(again(result)), Buffer.from(bytes), 'other bytes parse to it');
      } catch (error) {
        if (!(error instanceof u.Refusal)) throw error;
        assert.match(error.code, /^E-[A-Z0-9-]+$/);
        refused += 1;
      }
    }
  }
  assert.ok(refused > samples.length, `${refused} refusals of ${samples.length * ROUNDS}`);
}

const good = (group) => loadGroup(group).filter(({ expect }) => expect === 'ok');

describe('damaged bytes', () => {
  const entries = good('log').filter(({ inputs }) => inputs.body)
    .map(({ inputs }) => unhex(inputs.body));

  test('entries', () => torture(entries, (bytes) => {
    const entry = u.parseEntryBody(bytes);
    u.must(entry.name && entry.version === 1, 'E-UPGRADE');
    return { ...entry, fields: u.parsePayload(entry.type, entry.payload) };
  }, (entry) => {
    const payload = u.payloadBytes(entry.name, entry.fields);
    const body = u.entryBody({ ...entry, payload });
    // a create entry computes its room id; whether it is the one given is the log's matter
    return entry.name === 'create'
      ? u.concat(body.slice(0, 2), entry.roomId, body.slice(22)) : body;
  }));

  test('entries, judged by the log', async () => {
    const scenarios = Scenarios.complete();
    const random = generator(7);
    for (const { inputs } of good('log').filter((vector) => vector.inputs.body)) {
      const log = scenarios.log(inputs.scenario);
      for (let round = 0; round < 5; round += 1) {
        const body = damaged(unhex(inputs.body), random);
        if (u.hex(body) !== inputs.body) {
          assert.throws(() => log.judge({ body, sig: unhex(inputs.sig) }, inputs.after), u.Refusal);
        }
      }
    }
  });

  const records = good('devices').filter(({ inputs }) => inputs.records)
    .flatMap(({ inputs }) => inputs.records).map(({ body }) => unhex(body));
  test('device records', () => torture(records, u.parseRecordBody, (fields) => u.concat(
    Uint8Array.of(fields.version, fields.flags),
    u.recordBody({ ...fields, revoked: false }).slice(2))));

  test('envelopes', () => torture(good('messages').map(({ inputs }) => unhex(inputs.wire)),
    (wire) => ({ header: u.parseHeader(wire), wire }),
    ({ header, wire }) => u.concat(u.headerBytes(header), wire.slice(64))));

  test('messages, judged by the log', async () => {
    const scenarios = Scenarios.complete();
    const random = generator(9);
    for (const { inputs } of good('messages')) {
      const secrets = new Map(Object.entries(inputs.secrets)
        .map(([epoch, secret]) => [Number(epoch), unhex(secret)]));
      const receiver = { log: scenarios.log(inputs.scenario), head: inputs.head, secrets };
      for (let round = 0; round < 10; round += 1) {
        const wire = damaged(unhex(inputs.wire), random);
        await assert.rejects(
          u.acceptMessage(receiver, wire, { subject: inputs.delivered }), u.Refusal);
      }
    }
  });

  const [{ inputs: backup }] = good('backup');
  test('back-ups', () => torture([unhex(backup.file)], (file) => u.openBackup(
    file, { backupKey: unhex(backup.key), accountPk: unhex(backup.account_pk) }), () => []));

  const links = good('texts').filter(({ inputs }) => inputs.link);
  test('invites', () => torture(links.map(({ inputs }) => u.utf8(inputs.link)),
    (bytes) => u.parseInvite(Buffer.from(bytes).toString('latin1')),
    (invite) => u.utf8(u.inviteText(invite))));

  test('recovery keys', () => torture([u.utf8(u.recoveryKey(u.filled(32, 0xa1)))],
    (bytes) => u.parseRecoveryKey(Buffer.from(bytes).toString('latin1')),
    (seed) => u.utf8(u.recoveryKey(seed))));
});

describe('text forms', () => {
  const refused = (action) => assert.throws(action, { code: 'E-PARSE' });

  test('base64url is strict', () => {
    assert.deepEqual(u.unbase64url('AQM'), Uint8Array.of(1, 3));
    for (const text of ['AQM=', 'AQN', 'A', 'AQ+', 'AQ/', ' AQM', 'AQM\n', 5, null]) {
      refused(() => u.unbase64url(text));
    }
  });

  test('base32 is strict', () => {
    assert.deepEqual(u.unbase32('aebq'), Uint8Array.of(1, 3));
    for (const text of ['AEBQ', 'aebr', 'aebq=', 'a', 'ae1q']) refused(() => u.unbase32(text));
  });

  test('hex is lower case and even', () => {
    for (const text of ['A0', '0', 'g0', ' 00']) refused(() => u.unhex(text));
  });

  test('JSON refuses what JSON.parse lets pass', () => {
    const text = '{"a":[1,-0.5e3,true,false,null,"\\u00fc\\n"],"b":{"c":{}},"d":9007199254740991}';
    assert.deepEqual(JSON.parse(JSON.stringify(u.parseJson(text))), JSON.parse(text));
    assert.deepEqual(u.parseJson(' [ ] '), []);
    for (const bad of ['{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '9007199254740992', '[1,]',
      '{"a":1,}', '01', '+1', "'a'", '"\u0001"', '[1] 2', '', '{a:1}', 'nul', '['.repeat(40)]) {
      refused(() => u.parseJson(bad));
    }
    assert.equal(Object.getPrototypeOf(u.parseJson('{"__proto__":1}')), null);
  });

  test('text: well-formed UTF-8 without control characters', () => {
    assert.equal(u.parseText(u.utf8('wörld \u202e')), 'wörld \u202e');
    for (const bytes of [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0x1f], [0x7f], [0xc2, 0x80], [0xff]]) {
      refused(() => u.parseText(Uint8Array.from(bytes)));
    }
    assert.equal(u.parseText(u.utf8('\ufeffx')).length, 2);
  });

  test('Padmé, by the figures of the paper', () => {
    const rounded = [[4, 4], [9, 10], [17, 18], [33, 36], [65, 72], [101, 104], [1004, 1024]];
    for (const [length, padded] of rounded) {
      assert.equal(u.padme(length), padded, `padme(${length})`);
    }
    for (let length = 4; length < 5000; length += 1) {
      assert.ok(u.padme(length) >= length && u.padme(length) <= length * 1.12 + 1);
      assert.equal(u.padme(u.padme(length)), u.padme(length));
    }
  });

  test('an nkey is what the nkeys library says', async () => {
    const { createUser } = await import('@nats-io/nkeys');
    const user = createUser();
    const raw = u.unbase32(user.getPublicKey().toLowerCase()).slice(1, 33);
    assert.equal(u.nkeyOf(raw), user.getPublicKey());
  });
});
