// SPDX-License-Identifier: Apache-2.0
// Reloads that change every live setting of every module, as fast as the node takes them, while
// clients of all kinds are at work. What still points into a config that is gone, or is read
// without its lock, is found by ASan (part e2e) and by TSan (part tsan runs this file too).
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from './lib/cast.mjs';
import { lua, luaConfig } from './lib/lua.mjs';
import { Member } from './lib/member.mjs';
import { Node } from './lib/node.mjs';
import { sanitizerReport } from './lib/process.mjs';
import { connectLine, CRLF, greeted, loggedIn, pub } from './lib/wire.mjs';

const RELOADS = 200;
const RELOADS_MIN = 8; // under a sanitizer on a slow machine
const STORM_MS = 12000;

const policyText = (turn) => `policy "1"
function on_connect(who, conn)
  if who.handle == "mallory" then return deny("turn ${turn}", "turn") end
  return default()
end
function on_action(who, action, target)
  if action == "room.create" then return deny "turn ${turn}" end
  return default()
end
test("it denies", function(t) t.denied(on_action({}, "room.create", {})) end)
`;

/** The config of one turn: each live setting has another value than in the turn before. */
function configText({ httpPort, natsPort }, turn) {
  const n = turn % 7;
  const users = [
    { user: 'worker', password: lua('secret "worker.pw"'),
      permissions: { publish: [`a.${n}`, 'b.>'], subscribe: ['a.>', '_INBOX.w.>'] } },
    { user: `guest-${n}`, password: lua('secret "worker.pw"'), role: 'auditor', max_payload: 1000 + n },
  ];
  return luaConfig({
    blocks: {
      node: { name: 'alpha', state: 'local_files' },
      posture: { require: n === 3 ? 'dev' : 'enforce' },
      log: { level: n % 2 ? 'debug' : 'info', format: n % 3 ? 'text' : 'json' },
    },
    modules: {
      'kv-sqlite': { file: 'unibus.db' },
      'kv-lmdb': { dir: 'unibus.lmdb' },
      'blob-fs': { dir: 'blobs', max_item: `${64 + n} MiB` },
      membership: { kv: 'kv-sqlite', blob: 'blob-fs', max_nonces: 200000,
        max_nonces_per_identity: 100000, append_rate_per_hour: 1000 + n,
        max_identities: 1000 + n, max_rooms: 1000 + n, max_rooms_per_identity: 100 + n,
        max_room_blobs: `${10 + n} MiB` },
      policy: { script: `site-${turn % 2}.lua`, call_timeout: `${990 + n} ms`, budget: 50000 + n,
        memory: `${1 + (n % 3)} MiB`, log_allows: n },
      users: { users, inboxes: n % 2 ? 'open' : 'private',
        default_permissions: { publish: ['b.>'], subscribe: [`c.${n}`, 'b.>'] } },
      template: { deny: [`192.0.2.${n}`, `10.${n}.0.0/16`] },
      http: { listen: `127.0.0.1:${httpPort}`, max_connections: 1000 + n, max_target: 8000 + n,
        max_headers: 16000 + n, max_header_count: 90 + n, head_timeout: `${10 + n} s`,
        idle_timeout: `${60 + n} s`, stall_timeout: `${30 + n} s` },
      nats: { listen: `127.0.0.1:${natsPort}`, max_pending: `${60 + n} MiB`,
        max_connections: 1000 + n, max_subscriptions: 1000 + n, ping_interval: `${1 + n} min`,
        ping_max: 2 + n, write_deadline: `${10 + n} s`, auth_timeout: `${2 + n} s` },
    },
  });
}

async function startStormNode(t) {
  const node = new Node({ config: (place) => configText(place, 0) });
  t.after(() => node.dispose());
  await node.prepare();
  await writeFile(join(node.dir, 'worker.pw'), 'pw\n', { mode: 0o600 });
  for (const turn of [0, 1]) await writeFile(join(node.dir, `site-${turn}.lua`), policyText(turn), { mode: 0o600 });
  await node.up();
  return node;
}

const answered = (allowed) => ({ status }) =>
  assert.ok(allowed.includes(status), `answered with ${status}`);

/** What each kind of client does again and again; name → one round of it. */
function clientsOf(t, node, { alice, mallory }) {
  const [admin, open] = [node.admin(), node.client()];
  const get = (client, path) => () => client.request('GET', path).then(answered([200]));
  const login = (user, pass = 'pw') => `CONNECT ${JSON.stringify({ verbose: false, user, pass })}${CRLF}`;
  const refused = async (line) => {
    const { connection, info } = await greeted(node);
    await connection.send(typeof line === 'string' ? line : connectLine(line, info));
    await connection.expectText("-ERR 'Authorization Violation'");
    connection.close();
  };
  return {
    healthz: get(open, '/healthz'),
    'healthz of the admin': get(admin, '/healthz'),
    config: get(admin, '/v1/config'),
    modules: get(admin, '/v1/modules'),
    decisions: get(admin, '/v1/decisions?limit=50'),
    policy: get(admin, '/v1/policy'),
    'rooms of a member': get(alice.api, '/v1/rooms'),
    'a refused action': () => alice.api
      .post('/v1/identities', Member.create('other').registration()).then(answered([403])),
    'own decisions': get(alice.api, '/v1/decisions'),
    'a check': () => admin.request('POST', '/v1/config:check').then(answered([200, 409, 422])),
    stranger: () => refused(login('nobody')),
    'wrong password': () => refused(login('worker', 'wrong')),
    'whom the policy refuses': () => refused(mallory),
    'static user': async () => {
      const { connection } = await greeted(node);
      await connection.send(`${login('worker')}SUB a.> 1${CRLF}SUB b.x 2${CRLF}`
        + `${pub('a.1', 'x')}${pub('b.x', 'y')}${pub('secret', 'z')}PING${CRLF}`);
      await connection.expectText(`PONG${CRLF}`);
      connection.close();
    },
    member: async () => (await loggedIn(t, node, alice)).close(),
  };
}

/** Runs every client until `isOver`; gives how many rounds each has done. */
async function storm(clients, isOver) {
  const rounds = Object.fromEntries(Object.keys(clients).map((name) => [name, 0]));
  await Promise.all(Object.entries(clients).map(async ([name, round]) => {
    while (!isOver()) {
      await round().catch((error) => { throw new Error(`${name}: ${error.message}`); });
      rounds[name] += 1;
    }
  }));
  return rounds;
}

/** One reload in five is of a config that is refused. */
async function reloadOnce(node, admin, turn) {
  const text = configText(node, turn);
  const isBad = turn % 5 === 4;
  const bad = turn % 2 ? text.replace('role = "auditor"', 'role = "king"') : `${text}\nmodule "gone" {}`;
  await writeFile(node.config, isBad ? bad : text);
  let json;
  do ({ json } = await admin.request('POST', '/v1/config:reload')); while (json.code === 'in-progress');
  assert.equal(json.applied, !isBad, `turn ${turn}: ${JSON.stringify(json)}`);
  return { applied: isBad ? 0 : 1, changes: isBad ? 0 : json.changes.length };
}

/** The reloads, one after the other, while the clients go round. */
async function reloadsUnder(clients, node) {
  const deadline = Date.now() + STORM_MS;
  let [isOver, applied, changes] = [false, 0, 0];
  const all = storm(clients, () => isOver);
  all.catch(() => { isOver = true; });
  try {
    for (let turn = 1; turn <= RELOADS && !isOver && Date.now() < deadline; turn += 1) {
      const outcome = await reloadOnce(node, node.admin(), turn);
      applied += outcome.applied;
      changes = Math.max(changes, outcome.changes);
    }
  } finally {
    isOver = true;
  }
  return { applied, changes, rounds: await all };
}

/** A client that was cut off says little: the sanitizer's report is the reason, or what the node refused last. */
async function told(node, error) {
  await node.process.exited(2000);
  const refused = node.log.split('\n').filter((line) => /refused/.test(line)).slice(-20).join('\n');
  throw new Error(sanitizerReport(node.log) ?? `${error.message}\n${refused}`, { cause: error });
}

test('reloads of all live settings under traffic', async (t) => {
  const node = await startStormNode(t);
  const admin = node.admin();
  const [alice, mallory] = await Promise.all(['alice', 'mallory'].map((handle) =>
    Member.create(handle).register(admin, node.http)));
  const still = await loggedIn(t, node, alice);
  const { applied, changes, rounds } = await reloadsUnder(clientsOf(t, node, { alice, mallory }), node)
    .catch((error) => told(node, error));
  assert.ok(applied >= RELOADS_MIN, `only ${applied} reloads were applied`);
  assert.ok(changes >= 30, `a reload changed only ${changes} settings`);
  for (const [name, count] of Object.entries(rounds)) assert.ok(count > 0, `no round of "${name}"`);
  await still.send(`PING${CRLF}`);
  await until(() => still.text.endsWith(`PONG${CRLF}`), 'the connection from before is open');
  t.diagnostic(`${applied} reloads, ${changes} changes at most, rounds: ${JSON.stringify(rounds)}`);
});
