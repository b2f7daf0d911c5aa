// SPDX-License-Identifier: Apache-2.0
// The effective permission set of an identity, as the bus has it: who may see it, and that it is
// what the bus then does.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { busOf, cast, settled, until } from './lib/cast.mjs';
import { Cli } from './lib/cli.mjs';
import { lua } from './lib/lua.mjs';
import { Room } from './lib/room.mjs';
import * as u from './lib/ubr1/index.mjs';

const path = (member, subject) => `/v1/identities/${member.id}/permissions${
  subject === undefined ? '' : `/${encodeURIComponent(subject)}`}`;

/** alice's sealed room with bob as reader. */
async function roomOf(t, options) {
  const all = await cast(t, ['alice', 'bob', 'mallory', 'arthur'],
    { roles: { arthur: 'auditor' }, ...options });
  const room = await Room.create(all.alice, { name: 'ops' });
  await room.add(all.bob.card, u.ROLE.reader);
  return { ...all, room };
}

test('what is explained is what happens, before and after a change, connected or not', async (t) => {
  const { node, admin, bob, alice, room } = await roomOf(t);
  const subject = `ub.r.${room.id}.chat`;
  const ask = async (member, of = subject) => {
    const { json } = await admin.expect(200, 'GET', path(member, of));
    assert.equal(json.sets.length, 1);
    const [{ publish, subscribe, rules }] = json.sets;
    return { connected: json.connected, publish, subscribe, rules };
  };
  const absent = await ask(bob);
  assert.deepEqual([absent.connected, absent.publish.allowed, absent.subscribe.allowed],
    [false, false, true]);
  assert.match(absent.publish.why, /as reader: .* may subscribe only/);
  const bus = await busOf(t, bob, node);
  bus.publish(subject, 'x');
  bus.subscribe(subject);
  await settled(bus);
  const present = await ask(bob);
  assert.deepEqual({ ...present, connected: false }, absent, 'the same set');
  assert.equal(present.connected, true);
  assert.deepEqual(present.rules.map(({ provider, verdict, actions }) =>
    `${provider} ${verdict} ${actions}`), Array(3).fill('membership allow subscribe'));
  await until(() => bus.told.length > 0, 'the publish was refused, as explained');
  assert.match(bus.told.join(), /Publish to/);
  assert.doesNotMatch(bus.told.join(), /Subscription to/);

  const writer = await ask(alice);
  assert.deepEqual([writer.publish.allowed, /only a sealed envelope/.test(writer.publish.condition)],
    [true, true]);
  await room.remove(bob.accountPk);
  const after = await ask(bob);
  assert.deepEqual([after.rules, after.publish.allowed, after.subscribe.allowed],
    [[], false, false]);
  await until(() => /Subscription to/.test(bus.told.join()), 'the subscription was dropped');
});

test('rights: oneself, auditors, admins and operators; others learn nothing', async (t) => {
  const { admin, bob, mallory, arthur, room } = await roomOf(t);
  await bob.api.expect(200, 'GET', path(bob));
  await arthur.api.expect(200, 'GET', path(bob));
  await admin.expect(200, 'GET', path(bob));
  const strip = ({ status, json: { instance, decision, ...rest } }) => ({ status, ...rest });
  const refused = await mallory.api.get(path(bob));
  assert.deepEqual([refused.status, refused.code], [403, 'forbidden']);
  assert.match(refused.json.decision, /^d-[a-z2-7]{24}$/);
  assert.doesNotMatch(refused.text, new RegExp(room.id));
  assert.deepEqual(strip(await mallory.api.get(path({ id: 'nobody' }))), strip(refused));
  assert.equal((await mallory.api.get('/v1/identities/%20/permissions')).status, 403);
  assert.equal((await admin.get(path({ id: 'nobody' }))).status, 404);
});

test('subjects that are none are refused, odd ones answered', async (t) => {
  const { node, admin, bob } = await roomOf(t);
  for (const subject of ['a b', '.a', 'a..b', 'a.>.b', 'x'.repeat(2000) + ' ']) {
    const answer = await admin.get(path(bob, subject));
    assert.deepEqual([answer.status, answer.code], [400, 'bad-request'], subject);
  }
  for (const subject of ['>', '*', '_INBOX.>', '$JS.API.>', 'ä', 'a/b', '$SYS.>']) {
    const { json } = await admin.expect(200, 'GET', path(bob, subject));
    assert.equal(json.subject, subject);
    assert.deepEqual([json.sets[0].publish.allowed, json.sets[0].subscribe.allowed],
      [false, false], subject);
  }
  const inbox = (await admin.expect(200, 'GET', path(bob, '_INBOX.abc'))).json.sets[0];
  assert.match(inbox.publish.condition, /only as the reply/);
  assert.equal(node.process.exit, null);
});

test('a user of the config: the same route, the module users as provider', async (t) => {
  const { node, admin } = await cast(t, [], {
    modules: (defaults, { dir }) => {
      writeFileSync(join(dir, 'dave.pw'), 'a password of dave', { mode: 0o600 });
      const dave = lua('{ user = "dave", password = secret "dave.pw", permissions = '
        + '{ publish = "orders.>", subscribe = { deny = "orders.secret" } } }');
      return { ...defaults, users: { users: [dave] } };
    },
  });
  const ask = async () =>
    (await admin.expect(200, 'GET', path({ id: 'user:dave' }, 'orders.new'))).json;
  const absent = await ask();
  assert.deepEqual([absent.connected, absent.sets[0].provider, absent.sets[0].publish.allowed],
    [false, 'users', true]);
  const bus = await connect({ servers: node.natsUrl, user: 'dave', pass: 'a password of dave' });
  t.after(() => bus.close());
  const present = await ask();
  const [{ devices, ...set }] = present.sets;
  assert.equal(devices.length, 1);
  assert.deepEqual([present.connected, set], [true, { ...absent.sets[0] }]);
  const other = (await admin.expect(200, 'GET', path({ id: 'user:dave' }, 'elsewhere'))).json;
  assert.equal(other.sets[0].publish.allowed, false);
});

test('auth = "off": everything, and why', async (t) => {
  const { admin, bob } = await cast(t, ['bob'], {
    posture: 'dev',
    modules: (defaults) => ({ ...defaults, nats: { ...defaults.nats, auth: 'off' } }),
  });
  const { json } = await admin.expect(200, 'GET', path(bob));
  assert.equal(json.auth, 'off');
  assert.equal(json.sets[0].rules[0].why, 'auth = "off"');
});

test('a node that stops while it explains', async (t) => {
  const { node, admin, bob } = await roomOf(t);
  let goes = true;
  const askers = Array.from({ length: 4 }, async () => {
    while (goes) await admin.get(path(bob)).catch(() => {});
  });
  await new Promise((done) => { setTimeout(done, 200); });
  await node.stop();
  goes = false;
  await Promise.all(askers);
});

test('unibus explain: the table and the verdicts', async (t) => {
  const { node, room, bob } = await roomOf(t);
  const ctl = await Cli.create(t, { env: { UNIBUS_ADMIN_SOCKET: node.adminSocket } });
  const { stdout } = await ctl.ok(['explain', '--as', 'bob', `ub.r.${room.id}.chat`]);
  assert.match(stdout, /^not connected now/);
  assert.match(stdout, /^PROVIDER +VERDICT +ACTIONS +SUBJECT +QUEUE +ONLY +WHY$/m);
  assert.match(stdout, new RegExp(
    `^membership +allow +subscribe +ub\\.r\\.${room.id}\\.> .* as reader$`, 'm'));
  assert.match(stdout, new RegExp(`^publish ub\\.r\\.${room.id}\\.chat: refused; room `, 'm'));
  assert.match(stdout, new RegExp(`^subscribe ub\\.r\\.${room.id}\\.chat: allowed; room `, 'm'));
  const json = (await ctl.ok(['explain', '--as', bob.id, '--json'])).json;
  assert.equal(json.id, bob.id);
  const nobody = await ctl.run(['explain', '--as', 'zoe']);
  assert.deepEqual([nobody.code, /identity ls/.test(nobody.stderr)], [4, true]);
  assert.equal((await ctl.run(['explain'])).code, 4, 'nobody of this home');
});
