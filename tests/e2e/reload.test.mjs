// SPDX-License-Identifier: Apache-2.0
// Reload of a running node: by SIGHUP, membershipctl and HTTP; all or nothing; traffic goes on.
import assert from 'node:assert/strict';
import { readdir, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { busOf, cast, collect, settled, until } from './lib/cast.mjs';
import { Cli } from './lib/cli.mjs';
import { luaValue } from './lib/lua.mjs';
import { Member } from './lib/member.mjs';
import { startNode } from './lib/node.mjs';
import { buildFolder } from './lib/process.mjs';
import { CRLF, greeted, strangerSays } from './lib/wire.mjs';

const GOOD = join(buildFolder(), 'tests', 'modules', 'good.so');

/** A whole node with the test module "good" beside the others; `good` are its settings. */
function withGood(good, more = {}) {
  return {
    ...more,
    modules: (defaults) => ({ ...defaults, ...more.modules, good: { path: GOOD, ...good } }),
  };
}

/** Writes the config anew, changed by `change` (text → text). */
async function rewrite(node, change) {
  await writeFile(node.config, change(node.configText()));
}

const setting = async (node, name) =>
  (await node.admin().expect(200, 'GET', '/v1/config')).json.settings
    .find((one) => one.name === name);

const filesOf = async ({ process: { pid } }) => (await readdir(`/proc/${pid}/fd`)).length;
const threadsOf = async ({ process: { pid } }) => (await readdir(`/proc/${pid}/task`)).length;

async function ctl(t, node) {
  return Cli.create(t, { program: 'membershipctl', env: { UNIBUS_ADMIN_SOCKET: node.adminSocket } });
}

test('SIGHUP: live changes are applied, and the log says which', async (t) => {
  const node = await startNode(t, withGood({ workers: 2 }));
  await rewrite(node, (text) => `${text.replace('workers = 2', 'workers = 3')}\nlog { level = "debug" }\n`);
  node.reload();
  await node.waitLog(/reloaded: 2 changes: 2 live \(log\.level, good\.workers\): applied/);
  assert.equal((await setting(node, 'good.workers')).value, 3);
  const health = (await node.admin().expect(200, 'GET', '/healthz')).json;
  assert.equal(health.config.generation, 2);
  assert.equal(health.config.last_reload.applied, true);
  assert.match(health.config.last_reload.summary, /^2 changes/);
  const everyone = (await node.client().expect(200, 'GET', '/healthz')).json;
  assert.equal(everyone.config, undefined);
});

describe('HTTP', () => {
  test('the outcome of check and reload: applied, restart-needed, config-invalid', async (t) => {
    const node = await startNode(t, withGood({ workers: 2 }));
    const admin = node.admin();
    const same = (await admin.expect(200, 'POST', '/v1/config:reload')).json;
    assert.deepEqual([same.ok, same.changes, same.summary], [true, [], 'no change: nothing to do']);
    await rewrite(node, (text) => text.replace('workers = 2', 'workers = 4'));
    const check = (await admin.expect(200, 'POST', '/v1/config:check')).json;
    assert.deepEqual([check.ok, check.applied, check.dry], [true, false, true]);
    assert.equal((await setting(node, 'good.workers')).value, 2);
    const done = (await admin.expect(200, 'POST', '/v1/config:reload')).json;
    assert.deepEqual([done.applied, done.changes[0].name, done.changes[0].from, done.changes[0].to],
      [true, 'good.workers', '2', '4']);
    await rewrite(node, (text) => text.replace('workers = 2', 'workers = 5, max_item = "1 MiB"'));
    const restart = await admin.expect(409, 'POST', '/v1/config:reload');
    assert.equal(restart.code, 'restart-needed');
    assert.equal(restart.json.errors[0].code, 'E-RELOAD-001');
    assert.match(restart.json.errors[0].message, /max_item = "1 MiB" .* needs a restart/);
    assert.equal((await setting(node, 'good.workers')).value, 4, 'the live half was not applied');
    await rewrite(node, (text) => text.replace('workers = 2', 'wrokers = 5'));
    const faulty = await admin.expect(422, 'POST', '/v1/config:reload');
    assert.deepEqual([faulty.code, faulty.json.errors[0].code], ['config-invalid', 'E-CONFIG-009']);
    assert.match(faulty.json.errors[0].message, /did you mean "workers"/);
    const told = (await admin.expect(200, 'POST', '/v1/config:check')).json;
    assert.deepEqual([told.ok, told.errors.length], [false, 1]);
  });

  test('is for operators: signed, and refused to others with a decision', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const routes = [['GET', '/v1/config'], ['POST', '/v1/config:check'],
      ['POST', '/v1/config:reload'], ['GET', '/v1/modules']];
    for (const [method, path] of routes) {
      const refused = await alice.api.request(method, path);
      assert.deepEqual([refused.status, refused.code], [403, 'forbidden'], path);
      const why = (await alice.api.expect(200, 'GET', `/v1/decisions/${refused.json.decision}`)).json;
      assert.deepEqual([why.provider, why.code, why.principal.role], ['http', 'role', 'member']);
      assert.equal((await node.client().request(method, path)).status, 401, `unsigned ${path}`);
    }
    await assert.rejects(node.waitLog(/reload-asked/, 200), 'nothing was asked of the node');
  });

  test('modules: who serves whom, and their state', async (t) => {
    const node = await startNode(t);
    const { modules } = (await node.admin().expect(200, 'GET', '/v1/modules')).json;
    const membership = modules.find(({ name }) => name === 'membership');
    assert.deepEqual(membership.provides.map((text) => text.split(' ')[0]), ['ub.authz']);
    assert.deepEqual(membership.requires.map(({ module }) => module).sort(),
      ['blob-fs', 'http', 'kv-sqlite']);
    assert.ok(modules.every(({ state }) => state === 'running'));
  });
});

test('membershipctl: reload waits for the outcome; config show and diff; module ls', async (t) => {
  const node = await startNode(t, withGood({ workers: 2 }));
  const cli = await ctl(t, node);
  assert.match((await cli.ok(['config', 'show'])).stdout, /good\.workers +2 +.*node\.lua:\d+ +reload/);
  assert.match((await cli.ok(['module', 'ls'])).stdout, /membership +\d\S* +\S+ +running +ub\.authz/);
  await rewrite(node, (text) => text.replace('workers = 2', 'workers = 6'));
  const diff = await cli.ok(['config', 'diff']);
  assert.match(diff.stdout, /good\.workers +2 +6 .*a reload/);
  assert.match((await cli.ok(['reload'])).stdout, /1 live \(good\.workers\): applied/);
  assert.equal((await cli.ok(['config', 'reload', '--json'])).json.summary, 'no change: nothing to do');
  await rewrite(node, (text) => text.replace('workers = 2', 'workers = 0'));
  const failed = await cli.run(['reload']);
  assert.notEqual(failed.code, 0);
  assert.match(failed.stderr, /node\.lua:\d+: module "good": workers = 0 is too small/);
  assert.match(failed.stderr, /nothing was applied/);
  assert.notEqual((await cli.run(['config', 'diff'])).code, 0);
  assert.equal((await setting(node, 'good.workers')).value, 6);
});

test('limits of http and nats are live: for the next request and client, open ones stay', async (t) => {
  const node = await startNode(t);
  const open = await greeted(node);
  t.after(() => open.connection.close());
  await rewrite(node, (text) => text
    .replace(/module "http" {/, 'module "http" { max_target = 300, max_header_count = 20,')
    .replace(/module "nats" {/, 'module "nats" { max_connections = 1,'));
  const { changes } = (await node.admin().expect(200, 'POST', '/v1/config:reload')).json;
  assert.deepEqual(changes.map(({ name }) => name),
    ['http.max_target', 'http.max_header_count', 'nats.max_connections']);
  const long = await node.client().get(`/livez?${'x'.repeat(400)}`);
  assert.deepEqual([long.status, long.code], [414, 'uri-too-long']);
  assert.equal((await node.client().get(`/livez?${'x'.repeat(200)}`)).status, 200);
  assert.deepEqual((await strangerSays(node, '')).errors, ['maximum connections exceeded']);
  await open.connection.send(`CONNECT {"verbose":false}${CRLF}`);
  await open.connection.expectText("-ERR 'Authorization Violation'");
  await writeFile(node.config, node.configText());
  assert.equal((await node.admin().expect(200, 'POST', '/v1/config:reload')).json.applied, true);
  assert.equal((await node.client().get(`/livez?${'x'.repeat(400)}`)).status, 200);
});

/** One live limit at a time: what it then refuses, with which answer. */
const LIMITS = {
  'membership.max_rooms': { value: 1, refused: [507, 'quota'], act: ({ alice }) => alice.createRoom() },
  'membership.max_rooms_per_identity': { value: 1, refused: [507, 'quota'], act: ({ alice }) => alice.createRoom() },
  'membership.max_identities': { value: 2, refused: [507, 'quota'],
    act: ({ admin, turn }) => admin.expect(201, 'POST', '/v1/identities',
      { json: Member.create(`new-${turn}`).registration() }) },
  'membership.max_room_blobs': { value: '4 KiB', refused: [507, 'quota'], act: putBlob },
  // Admins of a room are not limited, so it is Bob who appends.
  'membership.append_rate_per_hour': { value: 1, refused: [429, 'rate-limited'],
    act: ({ joined }) => joined.rotate() },
  'blob-fs.max_item': { value: '4 KiB', refused: [413, 'too-large'], act: putBlob },
};

function putBlob({ room, turn }) {
  return room.putBlob(Buffer.alloc(8192, turn), { name: `blob ${turn}` });
}

test('limits of membership and blob-fs are live, each by itself, and taken back again', async (t) => {
  const { node, admin, alice, bob } = await cast(t, ['alice', 'bob']);
  const room = await alice.createRoom();
  await room.add(bob.card);
  const joined = await bob.joinRoom(room.invite());
  let turn = 0;
  const act = (limit) => {
    turn += 1;
    return limit.act({ admin, alice, room, joined, turn }).then(() => null, (error) => error);
  };
  for (const [name, limit] of Object.entries(LIMITS)) {
    assert.equal(await act(limit), null, `${name}: before`);
    const [module, key] = name.split('.');
    await rewrite(node, (text) => text.replace(new RegExp(`, ${key} = "[^"]*"`), '')
      .replace(`module "${module}" {`, `module "${module}" { ${key} = ${luaValue(limit.value)},`));
    const { json } = await admin.expect(200, 'POST', '/v1/config:reload');
    assert.deepEqual(json.changes.map((change) => change.name), [name]);
    const error = await act(limit);
    assert.deepEqual([error?.status, error?.code], limit.refused, `${name}: ${error?.stack}`);
    await writeFile(node.config, node.configText());
    await admin.expect(200, 'POST', '/v1/config:reload');
    assert.equal(await act(limit), null, `${name}: after`);
  }
});

/** Each leaves the node as it was. */
const FAILURES = {
  'a syntax error': (node) => rewrite(node, (text) => `${text}\nmodule "`),
  'an unknown key': (node) => rewrite(node, (text) => text.replace('workers = 2', 'wrokers = 2')),
  'a change that needs a restart': (node) =>
    rewrite(node, (text) => text.replace('workers = 2', 'workers = 3, mode = "fast"')),
  'a weaker posture': (node) =>
    rewrite(node, (text) => text.replace('workers = 2', 'workers = 3, auth = "off"')),
  'a module that refuses': (node) =>
    rewrite(node, (text) => text.replace('workers = 2', 'workers = 3, fails = "prepare"')),
  'a module that is gone': (node) =>
    rewrite(node, (text) => text.replace(/module "good"[^}]*}/, '')),
  'a file that is gone': (node) => unlink(node.config),
};

test('a hundred failing reloads under traffic change nothing', async (t) => {
  const { node, alice, bob } = await cast(t, ['alice', 'bob'], withGood({ workers: 2 }));
  const room = await alice.createRoom();
  await room.add(bob.card);
  const [bus, his] = [await busOf(t, alice, node), await busOf(t, bob, node)];
  const joined = await bob.joinRoom(room.invite());
  const heard = collect(his, joined.subject('chat'));
  await settled(his);
  const admin = node.admin();
  const before = (await admin.expect(200, 'GET', '/v1/config')).text;
  await admin.request('POST', '/v1/config:reload');
  const [files, threads] = [await filesOf(node), await threadsOf(node)];
  let sent = 0;
  const names = Object.keys(FAILURES);
  for (let i = 0; i < 100; i += 1) {
    const name = names[i % names.length];
    await FAILURES[name](node);
    const { status, json } = await admin.request('POST', '/v1/config:reload');
    assert.ok(status === 409 || status === 422, `${name}: ${status}`);
    assert.equal(json.applied, false, name);
    room.publish(bus, 'chat', { content: `message ${sent}` });
    sent += 1;
  }
  await until(() => heard.length === sent, 'every message arrived');
  assert.ok(!bus.isClosed() && !his.isClosed(), 'nobody was disconnected');
  assert.equal((await admin.expect(200, 'GET', '/v1/config')).text, before);
  await until(async () => await filesOf(node) <= files, 'the last connections are closed');
  assert.equal(await threadsOf(node), threads);
  assert.equal((await admin.expect(200, 'GET', '/healthz')).json.config.last_reload.applied, false);
  await rewrite(node, (text) => text.replace('workers = 2', 'workers = 9'));
  assert.equal((await admin.expect(200, 'POST', '/v1/config:reload')).json.applied, true, 'control');
  assert.equal((await setting(node, 'good.workers')).value, 9);
});

test('many reloads at once: each has an outcome, at most one runs', async (t) => {
  const node = await startNode(t, withGood({ workers: 2 }));
  const answers = await Promise.all(Array.from({ length: 20 }, () =>
    node.admin().request('POST', '/v1/config:reload')));
  assert.ok(answers.some(({ status }) => status === 200));
  for (const { status, code } of answers) {
    assert.ok(status === 200 || (status === 409 && code === 'in-progress'), `${status} ${code}`);
  }
});

test('SIGHUP during a stop is no harm', async (t) => {
  const node = await startNode(t, withGood({ drain_polls: 50 }));
  process.kill(node.process.pid, 'SIGTERM');
  await node.waitLog(/core draining/);
  node.reload();
  await node.waitLog(/reload-refused/);
  await node.stop();
});

test('waiting: not ready and says for what; NATS clients are refused; a reload ends it', async (t) => {
  const node = await startNode(t, { ...withGood({ waiting: 'a quorum' }), ready: false });
  await node.waitLog(/core ready/);
  const readyz = await node.client().get('/readyz');
  assert.deepEqual([readyz.status, readyz.text.trim()], [503, 'waiting for a quorum']);
  const { modules } = (await node.admin().expect(200, 'GET', '/v1/modules')).json;
  assert.deepEqual(modules.find(({ name }) => name === 'good').waiting, ['a quorum']);
  const connect = `CONNECT {"verbose":false}${CRLF}`;
  assert.deepEqual((await strangerSays(node, connect)).errors,
    ['Not Ready: waiting for "a quorum"']);
  const config = `${node.config}.new`;
  await writeFile(config, node.configText().replace(/, *waiting = "a quorum"|waiting = "a quorum",? */, ''));
  await rename(config, node.config);
  node.reload();
  await node.waitReady();
  assert.deepEqual((await strangerSays(node, connect)).errors, ['Authorization Violation']);
});

test('a module that holds up the node in its start is named while it does', async (t) => {
  const node = await startNode(t, {
    ...withGood({ slow: 'start', slow_for: '6 s' }), ready: false });
  await node.waitLog(/module-slow: module "good" has been in start for 5\.\d s/, 9000);
  await node.waitReady();
  assert.match(node.log, /module-back/);
});
