// SPDX-License-Identifier: Apache-2.0
// Signed requests that were changed on the way, are of another shape, for another cluster or from
// another time.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { capture, roomDraft, send, verdict, withHeader } from './lib/captured.mjs';
import { cast } from './lib/cast.mjs';
import { contentDigest, headerValues } from './lib/signature.mjs';
import * as u from './lib/ubr1/index.mjs';

const UNAUTHENTICATED = [401, 'unauthenticated'];
const PROFILE = [400, 'sig-profile'];

/** A request with each of the headers that a signature covers. */
async function covered(alice) {
  const { room, json } = await roomDraft(alice);
  const request = await capture(alice, 'POST', '/v1/rooms?a=1', {
    json, headers: { 'Idempotency-Key': 'k', 'If-None-Match': '"x"', 'Upload-Offset': '0' },
    ifMatch: 'y',
  });
  return { room, request };
}

const value = (request, name) => headerValues(request, name.toLowerCase())[0];
const input = (change) => (request) =>
  withHeader(request, 'Signature-Input', change(value(request, 'signature-input')));
const header = (name, change) => (request) =>
  withHeader(request, name, change === null ? null : change(value(request, name) ?? ''));

function flipped(text, at) {
  return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
}

/** What is changed after signing → the answer. */
const TAMPERED = {
  'the method': [(r) => ({ ...r, method: 'GET', body: null }), UNAUTHENTICATED],
  'the path': [(r) => ({ ...r, target: '/v1/identities?a=1' }), UNAUTHENTICATED],
  'the path, by a percent-encoding': [(r) => ({ ...r, target: '/v1/%72ooms?a=1' }),
    [404, 'not-found']],
  'the query': [(r) => ({ ...r, target: '/v1/rooms?a=2' }), UNAUTHENTICATED],
  'the query, taken away': [(r) => ({ ...r, target: '/v1/rooms' }), UNAUTHENTICATED],
  'the query, emptied': [(r) => ({ ...r, target: '/v1/rooms?' }), UNAUTHENTICATED],
  'the body': [(r) => ({ ...r, body: Buffer.concat([r.body.subarray(1), Buffer.from(' ')]) }),
    [400, 'digest-mismatch']],
  'the body and its digest': [(r) => {
    const body = Buffer.from('{}');
    return { ...withHeader(r, 'Content-Digest', contentDigest(body)), body };
  }, UNAUTHENTICATED],
  'the content type': [header('Content-Type', () => 'text/plain'), UNAUTHENTICATED],
  'If-Match': [header('If-Match', () => '"z"'), UNAUTHENTICATED],
  'If-None-Match': [header('If-None-Match', () => '"z"'), UNAUTHENTICATED],
  'Idempotency-Key': [header('Idempotency-Key', () => 'k2'), UNAUTHENTICATED],
  'Upload-Offset': [header('Upload-Offset', () => '1'), UNAUTHENTICATED],
  'the nonce': [input((text) => text.replace(/nonce="(.)/, (all, c) =>
    `nonce="${c === 'A' ? 'B' : 'A'}`)), UNAUTHENTICATED],
  'the time': [input((text) => text.replace(/created=(\d+)/, (all, n) => `created=${n - 1}`)),
    UNAUTHENTICATED],
  'the expiry': [input((text) => text.replace(/expires=(\d+)/, (all, n) =>
    `expires=${Number(n) + 1}`)), UNAUTHENTICATED],
  'the signature': [header('Signature', (text) => flipped(text, 20)), UNAUTHENTICATED],
  'the cluster': [header('Unibus-Audience', (text) => flipped(text, 0)), [401, 'wrong-cluster']],
  'the nonce epoch': [header('Unibus-Audience', (text) => `${text.slice(0, -1)}`
    + (text.endsWith('0') ? '1' : '0')), [401, 'nonce-epoch']],
};

/** What does not have the one shape → a word that the reason contains. */
const MISSHAPEN = {
  ...Object.fromEntries(['Content-Digest', 'Content-Type', 'If-Match', 'If-None-Match',
    'Idempotency-Key', 'Upload-Offset'].map((name) =>
    [`covered and taken away: ${name}`, [header(name, null), name.toLowerCase()]])),
  ...Object.fromEntries(['If-Match', 'Idempotency-Key', 'Content-Type', 'Unibus-Audience'].map(
    (name) => [`twice: ${name}`, [(r) => ({ ...r, headers: [...r.headers, [name, 'x']] }),
      name.toLowerCase()]])),
  'no audience': [header('Unibus-Audience', null), 'unibus-audience'],
  'no Signature': [header('Signature', null), 'signature'],
  'no Signature-Input': [header('Signature-Input', null), 'signature-input'],
  'two signatures': [(r) => ({ ...r, headers: [...r.headers,
    ['Signature', value(r, 'signature').replace('ub', 'u2')]] }), 'signature'],
  'two labels': [input((text) => `${text}, ${text.replace('ub=', 'u2=')}`), ''],
  'another label': [input((text) => text.replace('ub=', 'sig1=')), ''],
  'a component missing': [input((text) => text.replace('"@query" ', '')), ''],
  'a component more': [input((text) => text.replace(')', ' "host")')), ''],
  'components in another order': [input((text) =>
    text.replace('"@method" "@path"', '"@path" "@method"')), ''],
  'a component with a parameter': [input((text) => text.replace('"@path"', '"@path";req')), ''],
  'another algorithm': [input((text) => text.replace('ed25519', 'hmac-sha256')), 'alg'],
  'another tag': [input((text) => text.replace('unibus-v1', 'unibus-v2')), 'tag'],
  'parameters in another order': [input((text) =>
    text.replace(/(;created=\d+)(;expires=\d+)/, '$2$1')), ''],
  'a parameter more': [input((text) => `${text};x=1`), ''],
  'a nonce of 15 bytes': [input((text) =>
    text.replace(/nonce="[^"]*"/, `nonce="${'A'.repeat(20)}"`)), 'nonce'],
  'a nonce with bits to spare': [input((text) =>
    text.replace(/nonce="[^"]*"/, `nonce="${'A'.repeat(21)}B"`)), 'nonce'],
  'a kid in capitals': [input((text) =>
    text.replace(/keyid="[^"]*"/, `keyid="${'AB'.repeat(16)}"`)), 'keyid'],
  'a time that is too long': [input((text) =>
    text.replace(/created=\d+/, `created=${'9'.repeat(30)}`)), 'created'],
  'a negative time': [input((text) => text.replace(/created=\d+/, 'created=-1')), 'created'],
  'a signature of 63 bytes': [header('Signature', () =>
    `ub=:${Buffer.alloc(63).toString('base64')}:`), 'signature'],
};

describe('changed after signing', () => {
  for (const [name, [change, wanted]] of Object.entries(TAMPERED)) {
    test(name, async (t) => {
      const { node, alice } = await cast(t, ['alice']);
      const { request } = await covered(alice);
      const answer = await send(node, change(request));
      const got = verdict(answer);
      if (name === 'the method') assert.ok(got[0] >= 400 && got[0] < 500, `${got}`);
      else assert.deepEqual(got, wanted, answer.text);
      assert.deepEqual(await alice.api.list('/v1/rooms'), []);
    });
  }

  test('control: unchanged it takes effect', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const { json } = await roomDraft(alice);
    const headers = { 'Idempotency-Key': 'k', 'Upload-Offset': '0' };
    const request = await capture(alice, 'POST', '/v1/rooms?a=1', { json, headers });
    const answer = await send(node, request);
    assert.equal(answer.status, 201, answer.text);
    const plain = await capture(alice, 'POST', '/v1/rooms', { json: (await roomDraft(alice)).json });
    assert.equal((await send(node, plain)).status, 201);
  });
});

test('of another shape: 400 sig-profile, with the reason', async (t) => {
  const { node, alice } = await cast(t, ['alice']);
  for (const [name, [change, word]] of Object.entries(MISSHAPEN)) {
    const { request } = await covered(alice);
    const answer = await send(node, change(request));
    assert.deepEqual(verdict(answer), PROFILE, `${name}: ${answer.text}`);
    assert.ok(answer.json.detail?.toLowerCase().includes(word), `${name}: ${answer.text}`);
  }
  assert.deepEqual(await alice.api.list('/v1/rooms'), []);
  for (const [lifetime, wanted] of [[120, 200], [121, 400], [0, 400], [-5, 400]]) {
    const request = await capture(alice, 'GET', '/v1/rooms', {}, { lifetime });
    assert.equal((await send(node, request)).status, wanted, `lifetime ${lifetime}`);
  }
});

test('an unknown key, another\'s key and a bad signature are told apart by nobody', async (t) => {
  const { node, alice, bob } = await cast(t, ['alice', 'bob']);
  const stranger = { ...alice.identity, kid: 'ab'.repeat(16) };
  const made = (by) => capture(alice, 'GET', '/v1/rooms', {}, by);
  const answers = [
    await send(node, await made(stranger)),
    await send(node, await made({ kid: bob.kidHex })),
    await send(node, header('Signature', (text) => flipped(text, 9))(await made({}))),
    await send(node, header('Signature', () =>
      `ub=:${Buffer.alloc(64).toString('base64')}:`)(await made({}))),
  ];
  const seen = answers.map(({ status, json, rawHeaders }) => {
    assert.match(json.instance, /^urn:unibus:request:[0-9A-Z]{26}$/);
    const names = rawHeaders.filter((_, n) => n % 2 === 0);
    return { status, json: { ...json, instance: '' }, names };
  });
  for (const one of seen) assert.deepEqual(one, seen[0]);
  assert.deepEqual([seen[0].status, seen[0].json.code], UNAUTHENTICATED);
  assert.equal((await send(node, await made({}))).status, 200, 'control');
});

test('keys that are no longer good: revoked device, removed identity', async (t) => {
  const { node, admin, alice, bob } = await cast(t, ['alice', 'bob']);
  const second = await alice.addDevice();
  assert.equal((await second.api.get('/v1/rooms')).status, 200, 'the second device works');
  const early = await capture(second, 'GET', '/v1/rooms');
  await alice.revokeDevice(second.kidHex);
  assert.deepEqual(verdict(await send(node, early)), UNAUTHENTICATED, 'signed before');
  assert.deepEqual(verdict(await second.api.get('/v1/rooms')), UNAUTHENTICATED);
  assert.equal((await alice.api.get('/v1/rooms')).status, 200, 'the first still does');
  const { headers } = await admin.expect(200, 'GET', `/v1/identities/${bob.id}`);
  await admin.expect(200, 'PATCH', `/v1/identities/${bob.id}`,
    { json: { disabled: true }, headers: { 'If-Match': headers.etag } });
  assert.deepEqual(verdict(await bob.api.get('/v1/rooms')), UNAUTHENTICATED);
});

test('clocks: 60 s are allowed, more is told with the time of the server', async (t) => {
  const { node, alice } = await cast(t, ['alice']);
  const now = () => Math.floor(Date.now() / 1000);
  const ask = (offset, lifetime = 120) => capture(alice, 'GET', '/v1/rooms', {},
    { created: now() + offset, lifetime });
  for (const offset of [0, -55, 55]) {
    assert.equal((await send(node, await ask(offset))).status, 200, `control: ${offset} s`);
  }
  for (const offset of [-61, 63, -86400, 86400, -1e9, 1e9]) {
    const answer = await send(node, await ask(offset));
    assert.deepEqual(verdict(answer), [401, 'clock-skew'], `${offset} s`);
    const { server_time_ms: serverMs, skew_seconds: skew } = answer.json;
    assert.ok(Math.abs(serverMs - Date.now()) < 5000, `server time ${serverMs}`);
    assert.ok(Math.abs(skew - offset) <= 2, `${offset} s: skew_seconds ${skew}`);
  }
  const expired = await send(node, await ask(-30, 20));
  assert.deepEqual(verdict(expired), [401, 'clock-skew'], 'in time, but expired');
});

test('the order of the checks: what is judged first answers', async (t) => {
  const { node, alice } = await cast(t, ['alice']);
  const made = (by) => capture(alice, 'GET', '/v1/rooms', {}, by);
  const cluster = alice.api.clusterId ?? (await alice.api.info()).cluster_id;
  const late = Math.floor(Date.now() / 1000) - 3600;
  const wrong = { kid: 'ab'.repeat(16), created: late, audience: `other.${alice.api.nonceEpoch}` };
  const steps = [
    ['wrong-cluster', wrong],
    ['nonce-epoch', { ...wrong, audience: `${cluster}.${'0'.repeat(32)}` }],
    ['clock-skew', { ...wrong, audience: undefined }],
    ['unauthenticated', { kid: wrong.kid }],
  ];
  for (const [code, by] of steps) {
    const given = { ...by };
    if (given.audience === undefined) delete given.audience;
    assert.equal((await send(node, await made(given))).code, code);
  }
  const { nonce_epoch: epoch } = await alice.api.info();
  const answer = await send(node, await made({ audience: `${cluster}.${u.hex(u.randomBytes(16))}` }));
  assert.equal(answer.json.nonce_epoch, epoch, 'says the present one');
});
