// SPDX-License-Identifier: Apache-2.0
// Captured requests that are sent again, byte for byte: at most one effect, whatever happens to the
// node in between.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { cast } from './lib/cast.mjs';
import { capture, roomDraft, send, tally, verdict } from './lib/captured.mjs';
import { Draft } from './lib/draft.mjs';
import { Member } from './lib/member.mjs';
import * as u from './lib/ubr1/index.mjs';
import sodium from './lib/ubr1/sodium.mjs';

const REPLAYED = [401, 'nonce-replayed'];
const TIMES = 20;

const roomsOf = async (member) => (await member.api.list('/v1/rooms')).map(({ id }) => id);

/** What has an effect: name → the captured request and the status of its first answer. */
const EFFECTS = {
  'a room': async ({ alice }) => {
    const { room, json } = await roomDraft(alice);
    const request = await capture(alice, 'POST', '/v1/rooms', { json });
    const isDone = async () => {
      assert.deepEqual(await roomsOf(alice), [room.id]);
    };
    return { request, status: 201, isDone };
  },
  'an append, which signed anew would be answered with 200': async ({ alice }) => {
    const room = await alice.createRoom();
    const draft = new Draft(alice, room.log, room.secrets);
    draft.add('policy', { policy: 1, rotateSecs: 0, rotateMsgs: 0, name: 'renamed' });
    const options = { json: draft.toJson(), ifMatch: room.headHex };
    const request = await capture(alice, 'POST', `${room.path}/log`, options);
    const isDone = async () => {
      assert.equal((await room.sync()).seq, 2);
      const anew = await capture(alice, 'POST', `${room.path}/log`, options);
      assert.equal((await send({ http: alice.api.to }, anew)).status, 200, 'control: signed anew');
    };
    return { request, status: 200, isDone };
  },
  'a blob': async ({ alice }) => {
    const room = await alice.createRoom();
    const { object, reference } = u.sealBlob(room.log.roomId, u.randomBytes(70000));
    const path = `${room.path}/blobs/${reference.blob}`;
    await alice.api.expect(200, 'POST', `${room.path}/blobs`,
      { json: { addr: reference.blob, osize: reference.osize } });
    const request = await capture(alice, 'PUT', path,
      { body: Buffer.from(object), type: 'application/octet-stream' });
    const isDone = () => alice.api.expect(200, 'GET', `/v1/blobs/${reference.blob}`);
    return { request, status: 201, isDone };
  },
  'a read': async ({ alice }) => ({
    request: await capture(alice, 'GET', '/v1/rooms?limit=10'), status: 200, isDone() {},
  }),
};

describe('a captured request has one effect', () => {
  for (const [name, prepare] of Object.entries(EFFECTS)) {
    test(`one after the other: ${name}`, async (t) => {
      const all = await cast(t, ['alice']);
      const { request, status, isDone } = await prepare(all);
      assert.equal((await send(all.node, request)).status, status);
      for (let n = 0; n < 3; n += 1) {
        assert.deepEqual(verdict(await send(all.node, request)), REPLAYED);
      }
      await isDone();
    });

    test(`${TIMES} times at once: ${name}`, async (t) => {
      const all = await cast(t, ['alice']);
      const { request, status, isDone } = await prepare(all);
      const answers = await Promise.all(
        Array.from({ length: TIMES }, () => send(all.node, request)));
      assert.deepEqual(tally(answers), { [status]: 1, '401 nonce-replayed': TIMES - 1 });
      await isDone();
    });
    if (name === 'a read') continue; // its nonce is not stored: a read may be repeated by a restart

    for (const stop of ['kill', 'stop']) {
      test(`after a ${stop} and a new start: ${name}`, async (t) => {
        const all = await cast(t, ['alice']);
        const { request, status, isDone } = await prepare(all);
        assert.equal((await send(all.node, request)).status, status);
        await all.node[stop]();
        await all.node.up();
        const answers = await Promise.all([1, 2, 3].map(() => send(all.node, request)));
        assert.deepEqual(tally(answers), { '401 nonce-replayed': 3 });
        await isDone();
      });
    }
  }

  test('killed while it is under way: either done or not, and never twice', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    for (let round = 0; round < 6; round += 1) {
      const { room, json } = await roomDraft(alice);
      const request = await capture(alice, 'POST', '/v1/rooms', { json });
      const answer = send(node, request).catch(() => null);
      await new Promise((done) => { setTimeout(done, round); });
      await node.kill();
      const wasDone = (await answer)?.status === 201;
      await node.up();
      const isThere = (await roomsOf(alice)).includes(room.id);
      assert.ok(isThere || !wasDone, `round ${round}: acknowledged and lost`);
      const again = await send(node, request);
      assert.deepEqual(verdict(again), isThere ? REPLAYED : [201, undefined], `round ${round}`);
      assert.deepEqual(verdict(await send(node, request)), REPLAYED);
    }
    assert.equal((await roomsOf(alice)).length, 6);
  });
});

describe('an answer that is an error spends the nonce', () => {
  const over = (json) => ({ json });
  const failing = {
    'not-found': ['DELETE', `/v1/rooms/${'a'.repeat(32)}/blobs/b2-${'0'.repeat(64)}`, {}, 404],
    'unknown-field': ['POST', '/v1/rooms', over({ entires: [] }), 400],
    forbidden: ['POST', '/v1/identities', over(Member.create('x').registration()), 403],
    'precondition-required': ['PATCH', ({ alice }) => `/v1/identities/${alice.id}`,
      over({ note: 'x' }), [403, 428]],
  };
  for (const [code, [method, target, options, status]] of Object.entries(failing)) {
    test(`${code}, also after a kill`, async (t) => {
      const all = await cast(t, ['alice']);
      const path = typeof target === 'function' ? target(all) : target;
      const request = await capture(all.alice, method, path, options);
      const first = await send(all.node, request);
      assert.ok([status].flat().includes(first.status), `${first.status} ${first.text}`);
      assert.deepEqual(verdict(await send(all.node, request)), REPLAYED);
      await all.node.kill();
      await all.node.up();
      assert.deepEqual(verdict(await send(all.node, request)), REPLAYED);
    });
  }

  test('digest-mismatch, and the true body does not help afterwards', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const { json } = await roomDraft(alice);
    const request = await capture(alice, 'POST', '/v1/rooms', { json });
    const bent = { ...request, body: Buffer.from(request.body) };
    bent.body[bent.body.length - 2] ^= 1;
    assert.deepEqual(verdict(await send(node, bent)), [400, 'digest-mismatch']);
    assert.deepEqual(verdict(await send(node, request)), REPLAYED);
    assert.deepEqual(await roomsOf(alice), []);
  });

  test('but a bad signature does not: nobody can spend the nonces of others', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const { json } = await roomDraft(alice);
    const request = await capture(alice, 'POST', '/v1/rooms', { json });
    const bent = { ...request, target: '/v1/rooms?x=1' };
    assert.deepEqual(verdict(await send(node, bent)), [401, 'unauthenticated']);
    assert.equal((await send(node, request)).status, 201);
  });
});

test('a nonce belongs to its kid: another member may have the same', async (t) => {
  const { node, alice, bob } = await cast(t, ['alice', 'bob']);
  const nonce = u.randomBytes(16);
  for (const member of [alice, bob]) {
    const request = await capture(member, 'GET', '/v1/rooms', {}, { nonce });
    assert.equal((await send(node, request)).status, 200);
    const other = await capture(member, 'GET', '/v1/identities', {}, { nonce });
    assert.deepEqual(verdict(await send(node, other)), REPLAYED, 'another request, the same nonce');
  }
});

/** The sums at the end of each page, as kv-sqlite writes them (modules/kv-sqlite/pages.c). */
async function sealPages(file) {
  const bytes = await readFile(file);
  for (let at = 0; at < bytes.length; at += 4096) {
    const offset = Buffer.alloc(8);
    offset.writeBigUInt64LE(BigInt(at));
    const page = Buffer.concat([offset, bytes.subarray(at, at + 4080)]);
    bytes.set(sodium.crypto_generichash(16, page, null), at + 4080);
  }
  await writeFile(file, bytes);
}

describe('the nonce epoch', () => {
  test('goes on over restarts; when the nonces are lost, every older request is dead',
    async (t) => {
      const { node, alice } = await cast(t, ['alice']);
      const { json } = await roomDraft(alice);
      const [sent, kept] = [await capture(alice, 'POST', '/v1/rooms', { json }),
        await capture(alice, 'POST', '/v1/rooms', { json: (await roomDraft(alice)).json })];
      assert.equal((await send(node, sent)).status, 201);
      const before = (await alice.api.info()).nonce_epoch;
      await node.restart();
      assert.equal((await alice.api.info()).nonce_epoch, before);

      await node.stop();
      const db = join(node.state, 'unibus.db');
      const { stdout } = await promisify(execFile)('sqlite3',
        [db, "DELETE FROM record WHERE bucket LIKE 'nonce%'; SELECT changes();"]);
      assert.ok(Number(stdout) >= 2, `rows of nonces: ${stdout}`);
      await sealPages(db);
      await node.up();
      for (const request of [sent, kept]) {
        const answer = await send(node, request);
        assert.deepEqual(verdict(answer), [401, 'nonce-epoch']);
        assert.match(answer.json.nonce_epoch, /^[0-9a-f]{32}$/);
        assert.notEqual(answer.json.nonce_epoch, before);
      }
      assert.equal((await roomsOf(alice)).length, 1, 'a client signs again by itself');
      const { nonce_epoch: now, cluster_id: cluster } = await alice.api.info();
      assert.notEqual(now, before);
      assert.equal(cluster, alice.api.clusterId);
    });
});

describe('Idempotency-Key', () => {
  const keyed = (member, json, key) =>
    capture(member, 'POST', '/v1/rooms', { json, headers: { 'Idempotency-Key': key } });

  test('the same request, signed anew, gets the first answer; also after a kill', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const { json } = await roomDraft(alice);
    const first = await send(node, await keyed(alice, json, 'k1'));
    assert.equal(first.status, 201);
    assert.equal(first.headers['idempotency-replayed'], undefined);
    for (const round of ['running', 'restarted']) {
      const again = await send(node, await keyed(alice, json, 'k1'));
      assert.equal(again.status, 201, round);
      assert.equal(again.headers['idempotency-replayed'], 'true');
      assert.deepEqual(again.json, first.json);
      assert.equal(again.headers.location, first.headers.location);
      if (round === 'restarted') break;
      await node.kill();
      await node.up();
    }
    const control = await send(node, await capture(alice, 'POST', '/v1/rooms', { json }));
    assert.equal(control.status, 200, 'without the key it is judged: there already');
    assert.equal(control.headers['idempotency-replayed'], undefined);
  });

  test('another body is a mismatch; another member has keys of his own', async (t) => {
    const { node, alice, bob } = await cast(t, ['alice', 'bob']);
    const [one, two] = [(await roomDraft(alice)).json, (await roomDraft(alice)).json];
    assert.equal((await send(node, await keyed(alice, one, 'k'))).status, 201);
    assert.deepEqual(verdict(await send(node, await keyed(alice, two, 'k'))),
      [422, 'idempotency-mismatch']);
    const his = await send(node, await keyed(bob, (await roomDraft(bob)).json, 'k'));
    assert.equal(his.status, 201);
    assert.equal(his.headers['idempotency-replayed'], undefined);
    assert.equal((await roomsOf(alice)).length, 1);
  });

  test(`${TIMES} at once: one effect, all others its answer or in-progress`, async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const { json } = await roomDraft(alice);
    const requests = await Promise.all(
      Array.from({ length: TIMES }, () => keyed(alice, json, 'k')));
    const answers = await Promise.all(requests.map((request) => send(node, request)));
    const isFirst = ({ status, headers }) => status === 201 && !headers['idempotency-replayed'];
    assert.equal(answers.filter(isFirst).length, 1);
    for (const answer of answers) {
      const isFine = answer.status === 201 || answer.code === 'in-progress';
      assert.ok(isFine, `${answer.status} ${answer.text}`);
    }
    assert.equal((await roomsOf(alice)).length, 1);
  });
});

test('open nonces are limited by identity, and full refuses instead of forgetting', async (t) => {
  const { node, alice, bob } = await cast(t, ['alice', 'bob'], {
    modules: { membership: { kv: 'kv-sqlite', blob: 'blob-fs', max_nonces_per_identity: 10 } } });
  const first = await capture(alice, 'GET', '/v1/rooms');
  assert.equal((await send(node, first)).status, 200);
  const answers = [];
  for (let n = 0; n < 12; n += 1) {
    answers.push(await send(node, await capture(alice, 'GET', '/v1/rooms')));
  }
  assert.deepEqual(tally(answers), { 200: 9, '429 nonce-quota': 3 });
  assert.ok(answers.at(-1).headers['retry-after'], 'says when to try again');
  const again = await send(node, first);
  assert.ok([429, 401].includes(again.status), 'the oldest is not forgotten');
  assert.equal((await send(node, await capture(bob, 'GET', '/v1/rooms'))).status, 200);
});
