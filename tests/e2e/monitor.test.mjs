// SPDX-License-Identifier: Apache-2.0
// Monitoring as operators meet it: HTTP on loopback and `$SYS` over the stock npm client, beside the real nats-server in the
// same situation, whose keys and types ours must have.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import { describe, test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { cast, settled, until } from './lib/cast.mjs';
import { freePort, Node } from './lib/node.mjs';
import { RawConnection } from './lib/raw.mjs';
import { Place } from './lib/refused.mjs';

const BCRYPT = '$2b$10$abcdefghijklmnopqrstuuW9uBXubNOjTsPrqlgGV5sHmkruzBguq'; // "worker-pw"

/** {status, type, text, json} of a GET. */
function get(port, path, headers = {}) {
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        const type = response.headers['content-type'];
        resolve({ status: response.statusCode, type, text,
          json: type === 'application/json' ? JSON.parse(text) : null });
      });
    }).on('error', reject);
  });
}

async function ask(bus, subject, body = {}) {
  const answer = await bus.request(subject, JSON.stringify(body), { timeout: 5000 });
  return answer.json();
}

async function openNode(t, options = {}) {
  const monitor = await freePort();
  const node = new Node({ posture: 'dev',
    modules: (all, { natsPort }) => ({
      nats: { listen: `127.0.0.1:${natsPort}`, monitor: `127.0.0.1:${monitor}`, auth: 'off' } }),
    ready: false, ...options });
  t.after(() => node.dispose());
  await node.prepare();
  await node.up();
  await until(() => get(monitor, '/healthz').then((r) => r.status === 200, () => false), 'the monitoring port');
  return { url: node.natsUrl, monitor, node };
}

/** The nats-server of this machine's distribution. */
async function openPeer(t) {
  const port = await freePort();
  const monitor = await freePort();
  const child = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-m', String(monitor)], { stdio: 'ignore',
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
  const failed = new Promise((_, reject) => { child.on('error', reject); });
  t.after(() => child.kill('SIGKILL'));
  await Promise.race([failed,
    until(() => get(monitor, '/healthz').then((r) => r.status === 200, () => false), 'nats-server')]);
  return { url: `nats://127.0.0.1:${port}`, monitor };
}

/** The same situation on both: one client left, two are there, messages went. */
async function populate(t, server) {
  const options = { servers: server.url, reconnect: false, timeout: 5000 };
  const gone = await connect({ ...options, name: 'gone' });
  gone.subscribe('gone.*', { callback: () => {} });
  await settled(gone);
  await gone.close();
  const [a, b] = [await connect({ ...options, name: 'a' }), await connect({ ...options, name: 'b' })];
  t.after(() => Promise.all([a.close(), b.close()]));
  a.subscribe('x.>', { callback: () => {} });
  a.subscribe('jobs', { queue: 'workers', max: 100, callback: () => {} });
  await settled(a);
  for (let i = 0; i < 5; i += 1) b.publish('x.y', 'hello');
  await settled(b);
  await until(async () => (await get(server.monitor, '/connz?state=closed')).json.num_connections === 1, 'one has left');
  return { a, b };
}

/** Every place in a JSON value with its type: {'connections[].cid': 'number', …}. */
function shape(value, at = '', out = {}) {
  if (Array.isArray(value)) {
    out[at] = 'list';
    value.forEach((item) => shape(item, `${at}[]`, out));
  } else if (value !== null && typeof value === 'object') {
    out[at] = 'object';
    Object.entries(value).forEach(([key, item]) => shape(item, at ? `${at}.${key}` : key, out));
  } else {
    out[at] = value === null ? 'null' : typeof value;
  }
  return out;
}

const SAME = ['/varz', '/connz', '/connz?state=any&sort=cid', '/connz?state=closed&sort=stop', '/connz?subs=1',
  '/connz?subs=detail', '/connz?limit=1&offset=1', '/connz?acc=nobody', '/subsz', '/subsz?subs=1',
  '/subsz?subs=1&test=x.y', '/routez', '/gatewayz', '/leafz', '/accountz', '/accstatz', '/jsz', '/healthz',
  '/healthz?js-enabled-only=true', '/healthz?js-server-only=1'];

const FAULTS = ['CONNECT {"protocol":7}', 'CONNECT {"protocol":1,"no_responders":true,"headers":false}', 'CONNECT []',
  'HELLO', "-ERR 'x'", `SUB ${'a'.repeat(5000)} 1`, 'CONNECT {}\r\nPUB a 1048577', 'CONNECT {}\r\nPUB a -1'];

// What differs, and why: newer than Debian 12's 2.9, or of ours.
const EXPLAINED = {
  slow_consumer_stats: 'since 2.10', 'slow_consumer_stats.clients': 'since 2.10', 'slow_consumer_stats.routes': 'since 2.10',
  'slow_consumer_stats.gateways': 'since 2.10', 'slow_consumer_stats.leafs': 'since 2.10',
  max_subscriptions: 'ours has a limit unless it is told otherwise', 'http_req_stats./': 'what was asked before', 'connections[].subscriptions_list_detail[].max': 'not all clients have sent it',
};

const isExplained = (key) => key in EXPLAINED || key.startsWith('http_req_stats.');

describe('monitoring beside nats-server', () => {
  test('has the keys and types of nats-server in the same situation', async (t) => {
    const [ours, peer] = await Promise.all([openNode(t), openPeer(t)]);
    await Promise.all([populate(t, ours), populate(t, peer)]);
    let compared = 0;
    const differences = [];
    for (const path of SAME) {
      const [mine, theirs] = [await get(ours.monitor, path), await get(peer.monitor, path)];
      assert.equal(mine.status, theirs.status, path);
      assert.equal(mine.type, theirs.type, path);
      const [left, right] = [shape(mine.json), shape(theirs.json)];
      for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
        if (left[key] !== right[key] && !isExplained(key)) differences.push(`${path} ${key}: ${left[key]}, not ${right[key]}`);
        compared += 1;
      }
    }
    assert.deepEqual(differences, []);
    assert.ok(compared > 300, `${compared} compared`);
  });

  test('says for the same fault the same reason of closing', async (t) => {
    const servers = await Promise.all([openNode(t), openPeer(t)]);
    const reasons = await Promise.all(servers.map(async ({ url, monitor }) => {
      for (const said of FAULTS) {
        const connection = await RawConnection.open({ host: '127.0.0.1', port: Number(new URL(url).port) });
        await connection.send(`${said}\r\n`);
        await connection.waitFor(({ ended }) => ended);
        connection.close();
      }
      const closed = async () => (await get(monitor, '/connz?state=closed&sort=cid')).json;
      await until(async () => (await closed()).total === FAULTS.length, 'all are closed');
      return (await closed()).connections.map(({ reason }) => reason);
    }));
    assert.deepEqual(reasons[0], reasons[1]);
    assert.deepEqual(reasons[0].slice(0, 2), ['Bad Client Protocol Version', 'No Responders Requires Headers']);
  });

  test('says the same figures of the same clients', async (t) => {
    const [ours, peer] = await Promise.all([openNode(t), openPeer(t)]);
    await Promise.all([populate(t, ours), populate(t, peer)]);
    const facts = async ({ monitor }) => {
      const { connections } = (await get(monitor, '/connz?state=any&sort=cid&subs=detail')).json;
      return connections.map(({ name, kind, type, ip, in_msgs, out_msgs, in_bytes, out_bytes, subscriptions, lang, version,
        reason, subscriptions_list_detail: subs = [] }) => ({ name, kind, type, ip, in_msgs, out_msgs, in_bytes, out_bytes,
        subscriptions, lang, version, reason, subs: reason ? [] : subs.map(({ subject, qgroup, sid, msgs, max }) => (
          { subject, qgroup, sid, msgs, max })).sort((a, b) => a.subject.localeCompare(b.subject)) }))
        .sort((a, b) => a.name.localeCompare(b.name));
    };
    assert.deepEqual(await facts(ours), await facts(peer));
    for (const path of ['/connz?sort=foo', '/connz?sort=stop', '/connz?sort=reason&state=any', '/nope']) {
      const [mine, theirs] = [await get(ours.monitor, path), await get(peer.monitor, path)];
      assert.deepEqual([mine.status, mine.text.trim()], [theirs.status, theirs.text.trim()], path);
    }
    for (const path of ['/connz?subs=foo', '/connz?limit=a', '/connz?cid=-1', '/connz?state=x']) {
      const [mine, theirs] = [await get(ours.monitor, path), await get(peer.monitor, path)];
      assert.deepEqual([mine.status, theirs.status], [400, 400], path);
    }
  });

  test('a control: another server is told apart', () => {
    assert.notDeepEqual(shape({ a: [{ b: 1 }] }), shape({ a: [{ b: '1' }] }));
    assert.deepEqual(shape({ a: [{ b: 1 }, { c: null }] }),
      { '': 'object', a: 'list', 'a[]': 'object', 'a[].b': 'number', 'a[].c': 'null' });
  });
});

describe('the monitoring port', () => {
  test('is for this machine: no foreign names, no methods that change, no address off loopback', async (t) => {
    const { monitor } = await openNode(t);
    assert.equal((await get(monitor, '/varz', { host: 'evil.example' })).status, 403);
    assert.equal((await get(monitor, '/varz', { host: 'localhost:1' })).status, 200);
    assert.equal((await get(monitor, '/varz?callback=steal')).text[0], '{');
    for (const level of ['dev', 'enforce']) {
      const place = await Place.create(t);
      await place.write({ posture: { require: level }, modules: { nats: { monitor: '0.0.0.0:8222' } } });
      await place.refuses([/nats.*0\.0\.0\.0:8222/]);
    }
  });

  test('pages through many and tells who has left and why', async (t) => {
    const { monitor, url } = await openNode(t);
    const all = await Promise.all(Array.from({ length: 30 }, (_, i) => connect({ servers: url, name: `c${i}` })));
    t.after(() => Promise.all(all.map((bus) => bus.close())));
    const seen = new Set();
    for (let offset = 0; offset < 30; offset += 7) {
      const { json } = await get(monitor, `/connz?limit=7&offset=${offset}&sort=start`);
      assert.equal(json.total, 30);
      json.connections.forEach(({ name }) => seen.add(name));
    }
    assert.equal(seen.size, 30);
    await Promise.all(all.map((bus) => bus.close()));
    await until(async () => (await get(monitor, '/connz?state=closed')).json.total === 30, 'all are in the ring');
    const { connections } = (await get(monitor, '/connz?state=closed&sort=reason&limit=3')).json;
    assert.deepEqual(connections.map(({ reason }) => reason), Array(3).fill('Client Closed'));
    assert.equal((await get(monitor, '/varz')).json.total_connections, 30);
  });
});

describe('$SYS', () => {
  test('operators and admins ask the server over the bus, members only for themselves', async (t) => {
    const { node, admin, ann, bob, carl } = await cast(t, ['ann', 'bob', 'carl'],
      { roles: { ann: 'operator', bob: 'admin' } });
    const [operator, second, member] = await Promise.all([ann, bob, carl].map((who) => who.bus(node.nats)));
    t.after(() => Promise.all([operator, second, member].map((bus) => bus.close())));
    const told = [];
    (async () => { for await (const status of member.status()) told.push(String(status.error?.message ?? '')); })();

    const { server, statsz } = await ask(operator, '$SYS.REQ.SERVER.PING');
    assert.equal(statsz.connections, 3);
    assert.equal((await ask(second, `$SYS.REQ.SERVER.${server.id}.CONNZ`, { auth: true })).data.connections.length, 3);
    const info = (await ask(member, '$SYS.REQ.USER.INFO')).data;
    assert.equal(info.user, 'carl');
    await assert.rejects(ask(member, '$SYS.REQ.SERVER.PING.CONNZ'), /permission/i);
    await until(() => told.some((text) => text.includes('$SYS.REQ.SERVER.PING.CONNZ')), 'the member is told');

    await assert.rejects(ask(second, `$SYS.REQ.SERVER.${server.id}.RELOAD`), /permission/i);
    assert.equal((await ask(operator, `$SYS.REQ.SERVER.${server.id}.RELOAD`)).error, undefined);

    const left = new Promise((resolve) => {
      operator.subscribe('$SYS.ACCOUNT.*.DISCONNECT', { callback: (_, msg) => resolve(msg.json()) });
    });
    await settled(operator);
    const { connections } = (await ask(operator, `$SYS.REQ.SERVER.${server.id}.CONNZ`, { user: 'carl' })).data;
    assert.equal((await ask(operator, `$SYS.REQ.SERVER.${server.id}.KICK`, { cid: connections[0].cid })).error, undefined);
    const event = await left;
    assert.deepEqual([event.reason, event.client.user], ['Kicked', 'carl']);

    // the role goes, and with it the right, on the open connection
    const { headers } = await admin.expect(200, 'GET', `/v1/identities/${bob.id}`);
    await admin.expect(200, 'PATCH', `/v1/identities/${bob.id}`, { json: { role: 'member' }, headers: { 'If-Match': headers.etag } });
    await assert.rejects(ask(second, '$SYS.REQ.SERVER.PING.VARZ'), /permission/i);
  });

  test('users of the config need lists that name $SYS', async (t) => {
    const node = new Node({ config: ({ natsPort }) => `unibus "1"
node { name = "n", state = "local_files" }
posture { require = "enforce" }
module "users" { users = {
  { user = "ops", bcrypt = "${BCRYPT}", permissions = { publish = { allow = { "$SYS.REQ.>", "_INBOX.>" } },
    subscribe = { allow = { "$SYS.>", "_INBOX.>" } } } },
  { user = "all", bcrypt = "${BCRYPT}" },
} }
module "nats" { listen = "127.0.0.1:${natsPort}" }
`, ready: false });
    t.after(() => node.dispose());
    await node.prepare();
    await node.up();
    const login = (user) => connect({ servers: node.natsUrl, user, pass: 'worker-pw', reconnect: false });
    await until(() => login('ops').then((bus) => bus.close().then(() => true), () => false), 'the node');
    const [ops, all] = [await login('ops'), await login('all')];
    t.after(() => Promise.all([ops.close(), all.close()]));
    assert.equal((await ask(ops, '$SYS.REQ.SERVER.PING.VARZ')).data.connections, 2);
    await assert.rejects(ask(all, '$SYS.REQ.SERVER.PING.VARZ'), /permission/i);
    assert.equal((await ask(all, '$SYS.REQ.USER.INFO')).data.user, 'all');
  });
});
