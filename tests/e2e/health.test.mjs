// SPDX-License-Identifier: Apache-2.0
// What a node says of itself, to whom, and how it stops; and a smoke test under load.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cast, busOf, collect, settled, until } from './lib/cast.mjs';
import { Member } from './lib/member.mjs';
import { freePort, startNode } from './lib/node.mjs';
import { exchange, RawConnection } from './lib/raw.mjs';

const ENFORCED = { level: 'enforce', auth: 'enforce', acl: 'on', tls: 'loopback', codes: [] };

/** `given` has the members of `wanted`, with the same values. */
function includes(given, wanted) {
  const picked = Object.fromEntries(Object.keys(wanted).map((name) => [name, given[name]]));
  assert.deepEqual(picked, wanted);
}

test('/livez and /readyz: one word of text, for everybody', async (t) => {
  const node = await startNode(t);
  for (const [path, word] of [['/livez', 'ok'], ['/readyz', 'ready']]) {
    for (const client of [node.client(), node.admin()]) {
      const answer = await client.get(path);
      assert.deepEqual([answer.status, answer.text.trim()], [200, word], path);
      assert.match(answer.headers['content-type'], /^text\/plain/);
      assert.equal(answer.headers['cache-control'], 'no-store');
    }
    for (const [method, wanted] of [['POST', 405], ['DELETE', 405], ['HEAD', 200]]) {
      const { status } = await node.client().request(method, path);
      assert.ok(status === wanted || (method === 'HEAD' && status === 405), `${method} ${path}`);
    }
  }
});

test('/v1/info: what the docs list, and the same cluster after a restart', async (t) => {
  const node = await startNode(t);
  const { json } = await node.client().expect(200, 'GET', '/v1/info');
  assert.match(json.cluster_id, /^[A-Za-z0-9_-]{8,}$/);
  assert.match(json.nonce_epoch, /^[0-9a-f]{32}$/);
  includes(json, { api: ['v1'], suites: [1], nats: [node.natsUrl] });
  assert.ok(Math.abs(json.time_ms - Date.now()) < 5000);
  const names = ['entry_append_max_bytes', 'append_record_max_bytes', 'blob_max_bytes'];
  for (const name of names) assert.ok(Number.isSafeInteger(json.limits[name]), name);
  await node.restart();
  const again = (await node.client().expect(200, 'GET', '/v1/info')).json;
  includes(again, { cluster_id: json.cluster_id, nonce_epoch: json.nonce_epoch });
  const other = await startNode(t);
  const elsewhere = (await other.client().expect(200, 'GET', '/v1/info')).json;
  assert.notEqual(elsewhere.cluster_id, json.cluster_id, 'another node is another cluster');
});

describe('/healthz', () => {
  test('enforce: the posture for everybody, details on the admin socket only', async (t) => {
    const { node, alice } = await cast(t, ['alice'], { name: 'beta' });
    const everyone = (await node.client().expect(200, 'GET', '/healthz')).json;
    includes(everyone, { status: 'ok', node: 'beta' });
    includes(everyone.posture, ENFORCED);
    assert.match(everyone.version, /^\d+\.\d+\.\d+/);
    assert.ok(Number.isSafeInteger(everyone.generation) && everyone.generation > 0);
    assert.ok(everyone.uptime_s >= 0 && everyone.uptime_s < 60);
    const admin = (await node.admin().expect(200, 'GET', '/healthz')).json;
    includes(admin, { status: 'ok', node: 'beta' });
    assert.deepEqual(admin.modules.map(({ name }) => name).sort(),
      ['blob-fs', 'http', 'kv-sqlite', 'membership', 'nats']);
    const addresses = admin.listeners.map(({ address }) => address);
    for (const port of [node.httpPort, node.natsPort]) {
      assert.ok(addresses.includes(`127.0.0.1:${port}`), `${addresses}`);
    }
    for (const detail of ['modules', 'listeners', 'facts']) {
      assert.equal(everyone[detail], undefined, `${detail} is not for everybody`);
    }
    const member = (await alice.api.get('/healthz')).json;
    assert.equal(member?.modules, undefined, 'a signed member is not an admin');
    assert.doesNotMatch(JSON.stringify(everyone), new RegExp(node.dir), 'no path');
  });

  test('dev: says that it is, and why', async (t) => {
    const node = await startNode(t, {
      posture: 'dev',
      modules: (defaults) => ({ ...defaults, nats: { ...defaults.nats, auth: 'off' } }),
    });
    const { posture } = (await node.client().expect(200, 'GET', '/healthz')).json;
    includes(posture, { level: 'dev', auth: 'off', tls: 'loopback' });
    assert.ok(posture.codes.length > 0);
    for (const code of posture.codes) assert.match(code, /^E-POSTURE-\d{3}$/);
    assert.equal((await node.client().get('/v1/rooms')).status >= 400, true, 'HTTP stays signed');
  });

  test('the generation grows with a change and survives a restart', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const read = async () => (await node.client().get('/healthz')).json.generation;
    const before = await read();
    const room = await alice.createRoom();
    const { headers } = await alice.api.expect(200, 'GET', room.path);
    const generation = Number(headers['unibus-generation']);
    assert.ok(generation > before, `${generation} after ${before}`);
    await until(async () => await read() >= generation, '/healthz follows');
    await node.restart();
    assert.ok(await read() >= generation);
    const reached = await alice.api.get(`${room.path}?min_generation=${generation}`);
    assert.equal(reached.status, 200);
    const ahead = await alice.api.get(`${room.path}?min_generation=${generation + 1000}`);
    assert.deepEqual([ahead.status, ahead.code], [503, 'behind']);
  });
});

describe('the admin socket', () => {
  test('is for its owner only, and an operator', async (t) => {
    const { node, admin, alice } = await cast(t, ['alice']);
    const { statSync } = await import('node:fs');
    assert.equal(statSync(node.adminSocket).mode & 0o777, 0o600);
    assert.equal(statSync(node.state).mode & 0o777, 0o700);
    assert.equal((await admin.expect(200, 'GET', '/v1/identities')).json.items.length, 1);
    const room = await alice.createRoom();
    assert.deepEqual((await admin.expect(200, 'GET', '/v1/rooms')).json.items.map(({ id }) => id),
      [room.id]);
    const unsigned = await node.client().get('/v1/identities');
    assert.ok([400, 401].includes(unsigned.status), 'over TCP nobody is one');
  });
});

describe('SIGTERM', () => {
  test('exits 0 with idle and busy clients, and releases ports and folder', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const bus = await busOf(t, alice, node);
    const idle = await RawConnection.open(node.http);
    const half = await RawConnection.open(node.http);
    await half.send('GET /livez HTTP/1.1\r\nHost: x\r\n');
    t.after(() => [idle, half].forEach((connection) => connection.close()));
    const room = await alice.createRoom();
    const started = Date.now();
    await node.stop();
    assert.ok(Date.now() - started < 11000, 'within the time to drain');
    await until(() => bus.isClosed(), 'the bus connection is closed');
    await node.up();
    assert.equal((await alice.api.get(room.path)).status, 200, 'what was acknowledged is there');
  });

  test('under load: every request that was answered with 201 is kept', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const done = [];
    let isStopping = false;
    const work = Array.from({ length: 4 }, async () => {
      while (!isStopping) {
        const room = await alice.createRoom().catch(() => null);
        if (room) done.push(room.id);
        else if (!isStopping) await new Promise((resolve) => { setTimeout(resolve, 5); });
      }
    });
    await until(() => done.length >= 10, 'some rooms');
    const stopped = node.stop();
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    isStopping = true;
    await Promise.all([stopped, ...work]);
    await node.up();
    const kept = new Set((await alice.api.list('/v1/rooms?limit=500')).map(({ id }) => id));
    assert.deepEqual(done.filter((id) => !kept.has(id)), []);
  });

  test('a second one stops at once', async (t) => {
    const node = await startNode(t);
    process.kill(node.process.pid, 'SIGTERM');
    process.kill(node.process.pid, 'SIGTERM');
    await node.stop();
  });
});

test('several listeners, IPv4 and IPv6', async (t) => {
  const port = await freePort();
  const node = await startNode(t, { modules: (defaults, { httpPort }) => ({
    ...defaults, http: { listen: [`127.0.0.1:${httpPort}`, `[::1]:${port}`] } }) });
  const { text } = await exchange({ host: '::1', port },
    'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.match(text, /^HTTP\/1.1 200/);
  assert.equal((await node.client().get('/livez')).status, 200);
});

test('50 rooms at once by two members, each found, none twice', async (t) => {
  const { node, admin, alice, bob } = await cast(t, ['alice', 'bob']);
  const rooms = await Promise.all(Array.from({ length: 50 },
    (_, n) => [alice, bob][n % 2].createRoom({ name: `room ${n}` })));
  const ids = rooms.map(({ id }) => id).sort();
  assert.equal(new Set(ids).size, 50);
  assert.deepEqual((await admin.list('/v1/rooms')).map(({ id }) => id).sort(), ids);
  await Promise.all(rooms.map((room, n) => room.add([bob, alice][n % 2].card)));
  assert.equal((await alice.api.list('/v1/rooms?limit=7')).length, 50, 'in pages');
  const [bus, his] = [await busOf(t, alice, node), await busOf(t, bob, node)];
  const joined = await Promise.all(rooms.filter((_, n) => n % 2 === 0)
    .map((room) => bob.joinRoom(room.invite())));
  const heard = joined.map((room) => collect(his, room.subject('chat')));
  await settled(his);
  rooms.filter((_, n) => n % 2 === 0).forEach((room, n) =>
    room.publish(bus, 'chat', { content: `hello ${n}` }));
  await until(() => heard.every(({ length }) => length === 1), 'a message in each');
  for (const [n, room] of joined.entries()) {
    const said = await room.openMsg(heard[n][0]);
    assert.equal(Buffer.from(said.content).toString(), `hello ${n}`);
  }
});

test('the same handle, 20 times at once: one wins', async (t) => {
  const { admin } = await cast(t, []);
  const answers = await Promise.all(Array.from({ length: 20 }, () =>
    admin.post('/v1/identities', Member.create('only-one').registration())));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [201, ...Array(19).fill(409)]);
  assert.ok(answers.every(({ status, code }) => status === 201 || code === 'handle-taken'));
  assert.equal((await admin.list('/v1/identities')).length, 1);
});
