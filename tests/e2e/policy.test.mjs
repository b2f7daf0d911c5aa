// SPDX-License-Identifier: Apache-2.0
// A site policy on a real node: who may connect, what is narrowed and granted, which calls are
// refused; no Lua on the data plane; and scripts that attack the node that runs them.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { busOf, cast, collect, settled, until } from './lib/cast.mjs';
import { Node } from './lib/node.mjs';

const SCRIPT = `policy "1"
function on_connect(who, conn)
  if who.handle == "mallory" then return deny("mallory stays out", "keep-out") end
  if who.handle == "bob" then
    return allow {
      publish = { "site.>" },
      subscribe = { allow = { "site.>" }, deny = { "ub.r.*.secret" } },
    }
  end
  return default()
end
function on_action(who, action, target, conn)
  if who.handle == "evil" then while true do end end
  if action == "room.create" and target.mode == "plain" then return deny "rooms here are sealed" end
  return default()
end
test("plain rooms", function(t)
  t.denied(on_action({}, "room.create", { mode = "plain" }))
end)
`;

/** Options of a node with this script. */
function withPolicy(script = SCRIPT, settings = {}) {
  const file = join(mkdtempSync(join(tmpdir(), 'ub-policy-')), 'site.lua');
  writeFileSync(file, script, { mode: 0o600 });
  return {
    file,
    modules: (defaults) => ({
      ...defaults,
      membership: { ...defaults.membership, max_nonces: 200000, max_nonces_per_identity: 100000 },
      policy: { script: file, ...settings },
    }),
  };
}


const policyState = async (admin) => (await admin.expect(200, 'GET', '/v1/policy')).json;

describe('a policy', () => {
  test('keeps somebody out, and says in the decision which line did', async (t) => {
    const { node, admin, alice, mallory } = await cast(t, ['alice', 'mallory'], withPolicy());
    await busOf(t, alice, node);
    await assert.rejects(mallory.bus(node.nats), /Authorization/i);
    const { items } = (await admin.expect(200, 'GET', '/v1/decisions')).json;
    const refusals = items.filter((one) => !one.allowed && one.action === 'connect');
    assert.equal(refusals.length, 1, `one login, one decision: ${JSON.stringify(refusals, null, 1)}`);
    const [found] = refusals;
    assert.equal(found.principal.handle, 'mallory');
    assert.equal(found.provider, 'policy');
    assert.equal(found.code, 'keep-out');
    assert.match(found.place, /site\.lua:3$/);
    assert.equal(found.digest, (await policyState(admin)).digest);
    assert.equal(found.input.principal.handle, 'mallory');
  });

  test('refuses calls of the control plane, but not those of the admin socket', async (t) => {
    const { admin, alice } = await cast(t, ['alice'], withPolicy());
    await assert.rejects(alice.createRoom({ plain: true }), (error) => {
      assert.equal(error.status, 403);
      assert.match(String(error.message), /sealed/);
      return true;
    });
    await alice.createRoom({ name: 'ops' });
    const state = await policyState(admin);
    assert.equal(state.state, 'active');
    assert.deepEqual(state.tests.map(({ name, passed }) => [name, passed]), [['plain rooms', true]]);
    assert.ok(state.counters.calls > 0 && state.counters.denials > 0);
    assert.equal(state.counters.failures, 0);
  });

  test('narrows inside a room and grants outside of the reserved names only', async (t) => {
    const { node, alice, bob } = await cast(t, ['alice', 'bob'], withPolicy());
    const room = await alice.createRoom();
    await room.add(bob.card);
    const joined = await bob.joinRoom(room.invite());
    const [aliceBus, bobBus] = [await busOf(t, alice, node), await busOf(t, bob, node)];
    const site = collect(bobBus, 'site.news');
    const chat = collect(bobBus, joined.subject('chat'));
    const secret = collect(bobBus, joined.subject('secret'));
    await settled(bobBus);
    await until(() => bobBus.told.some((one) => /Permissions Violation.*secret/.test(one)),
      'the refusal');
    assert.ok(secret.every((one) => one instanceof Error));
    room.publish(aliceBus, 'chat', { content: 'hello' });
    bobBus.publish('site.news', 'good');
    await until(() => chat.length === 1 && site.length === 1, 'both messages');
    aliceBus.publish('site.news', 'alice has no such right');
    await until(() => aliceBus.told.length === 1, 'her refusal');
    assert.match(aliceBus.told[0], /Permissions Violation/);
    assert.equal(site.length, 1);
  });

  test('is not asked about messages: 0 calls while 100,000 flow', async (t) => {
    const { node, admin, bob } = await cast(t, ['bob'], withPolicy());
    const bus = await busOf(t, bob, node);
    let count = 0;
    bus.subscribe('site.flow', { callback: () => { count += 1; } });
    await settled(bus);
    const before = (await policyState(admin)).counters.calls;
    assert.ok(before > 0, 'the control: it was asked when bob connected');
    for (let i = 0; i < 100000; i += 1) {
      bus.publish('site.flow', 'x');
      if (i % 5000 === 4999) await settled(bus);
    }
    await until(() => count === 100000, 'all messages', 30000);
    assert.equal((await policyState(admin)).counters.calls, before);
  });
});

describe('a reload', () => {
  test('reads the script again: open connections change, and stay', async (t) => {
    const options = withPolicy();
    const { node, admin, bob, carol } = await cast(t, ['bob', 'carol'], options);
    const [bus, other] = [await busOf(t, bob, node), await busOf(t, carol, node)];
    const news = collect(bus, 'site.news');
    await settled(bus);
    const before = await policyState(admin);
    writeFileSync(options.file, SCRIPT.replace(/site\.>/g, 'town.>')
      .replace('"mallory"', '"carol"'));
    node.reload();
    await until(() => bus.told.some((one) => /site\.news/.test(one)), 'the dropped subscription');
    await other.closed();
    await assert.rejects(carol.bus(node.nats), /Authorization/i);
    const town = collect(bus, 'town.news');
    bus.publish('town.news', 'x');
    await until(() => town.length === 1, 'the new right');
    assert.equal(bus.isClosed(), false);
    assert.ok(news.every((one) => one instanceof Error));
    const after = await policyState(admin);
    assert.notEqual(after.digest, before.digest);
    assert.equal(after.counters.activations, before.counters.activations + 1);
  });

  test('of a script whose tests fail: the old one stays, and the log says which test', async (t) => {
    const options = withPolicy();
    const { node, admin, bob } = await cast(t, ['bob'], options);
    const bus = await busOf(t, bob, node);
    const before = await policyState(admin);
    writeFileSync(options.file, SCRIPT.replace('t.denied', 't.allowed'));
    node.reload();
    await node.waitLog(/site\.lua:18: test "plain rooms": wanted allow, got deny/);
    assert.equal((await policyState(admin)).digest, before.digest);
    const site = collect(bus, 'site.news');
    bus.publish('site.news', 'x');
    await until(() => site.length === 1, 'the old right');
  });
});

describe('what an admin may try out', () => {
  const PARC = { action: 'room.create', principal: { handle: 'carol' }, context: { mode: 'plain' } };

  test('a question, with verdict, line and trace', async (t) => {
    const { node, admin, alice, carol } = await cast(t, ['alice', 'carol'],
      { ...withPolicy(), roles: { alice: 'admin' } });
    const { json } = await alice.api.expect(200, 'POST', '/v1/policy:explain', { json: PARC });
    assert.equal(json.verdict, 'deny');
    assert.equal(json.reason, 'rooms here are sealed');
    assert.match(json.place, /site\.lua:14$/);
    assert.deepEqual(json.trace, [13, 14]);
    const connect = { action: 'connect', principal: { handle: 'bob' } };
    const shown = (await admin.expect(200, 'POST', '/v1/policy:explain', { json: connect })).json;
    assert.equal(shown.verdict, 'allow');
    assert.equal(shown.permissions.lines.length, 3);
    const wrong = [{}, { action: 'room.crate' }, { action: 'connect', principal: { role: 'guest' } },
      { action: 'room.list', context: { a: [] } }, { action: 'connect', conn: { tls: 'yes' } }];
    for (const json of wrong) {
      await admin.expect(400, 'POST', '/v1/policy:explain', { json });
    }
    await admin.expect(400, 'POST', '/v1/policy:explain', { json: { ...PARC, more: 1 } });
    for (const path of ['/v1/policy:explain', '/v1/policy:test']) {
      await carol.api.expect(403, 'POST', path, { json: PARC });
    }
    const { json: { decision } } = await carol.api.expect(403, 'GET', '/v1/policy');
    const why = (await carol.api.expect(200, 'GET', `/v1/decisions/${decision}`)).json;
    assert.deepEqual([why.action, why.provider, why.code, why.principal.role],
      ['policy.read', 'policy', 'role', 'member']);
    await node.client().expect(401, 'GET', '/v1/policy');
  });

  test('another script, which does not become the active one', async (t) => {
    const { admin } = await cast(t, [], withPolicy());
    const before = await policyState(admin);
    const good = 'policy "1" function on_action() return deny "all" end';
    const tested = await admin.expect(200, 'POST', '/v1/policy:test', { json: { script: good } });
    assert.deepEqual(tested.json.tests, []);
    assert.notEqual(tested.json.digest, before.digest);
    const { json } = await admin.expect(200, 'POST', '/v1/policy:explain',
      { json: { ...PARC, script: good } });
    assert.equal(json.reason, 'all');
    const bad = `${good}\ntest("no", function(t) t.ok(false) end)`;
    const refused = await admin.expect(422, 'POST', '/v1/policy:test', { json: { script: bad } });
    assert.equal(refused.code, 'tests-failed');
    assert.match(refused.json.detail, /script:2: test "no": not true/);
    assert.equal(refused.json.tests[0].passed, false);
    await admin.expect(422, 'POST', '/v1/policy:test', { json: { script: 'while true do end' } });
    const again = await admin.expect(200, 'POST', '/v1/policy:test');
    assert.equal(again.json.tests.length, 1);
    assert.equal((await policyState(admin)).digest, before.digest);
  });
});

describe('a bad script', () => {
  const bad = {
    'a failing test': [SCRIPT.replace('t.denied', 't.allowed'),
      /site\.lua:18: test "plain rooms": wanted allow, got deny/],
    'a misspelt action': [SCRIPT.replace('room.create', 'room.crate'),
      /site\.lua:14: "room\.crate" is no action \(did you mean "room\.create"\?\)/],
    'no Lua': ['policy "1"\nfunction', /site\.lua:2: /],
    'bytecode': ['\x1bLua', /binary chunk/],
    'a loop without an end': ['policy "1"\nwhile true do end', /site\.lua:2: more than/],
  };
  for (const [name, [script, said]] of Object.entries(bad)) {
    test(`${name}: the node does not start`, async (t) => {
      const node = await Node.start(t, { ...withPolicy(script), ready: false });
      const exit = await node.process.exited(10000);
      assert.equal(exit?.code, 1, node.log);
      assert.match(node.log, said);
      node.process = null;
    });
  }
});

describe('a script that attacks its node', () => {
  const percentile = (times, part) => times.toSorted?.((a, b) => a - b)[Math.floor(times.length * part)]
    ?? [...times].sort((a, b) => a - b)[Math.floor(times.length * part)];

  /** Round trips on the bus and on HTTP while `evil` calls as often as it can. */
  async function underAttack(t, settings) {
    const { node, admin, alice, bob, evil } = await cast(t, ['alice', 'bob', 'evil'],
      withPolicy(SCRIPT, settings));
    const bus = await busOf(t, bob, node);
    let isOver = false;
    const verdicts = new Set();
    const attack = Promise.all(Array.from({ length: 4 }, async () => {
      while (!isOver) verdicts.add((await evil.api.get('/v1/rooms')).status);
    }));
    const times = [];
    const end = Date.now() + 2000;
    while (Date.now() < end) {
      const start = performance.now();
      await bus.flush();
      times.push(performance.now() - start);
      await node.client().expect(200, 'GET', '/livez');
    }
    isOver = true;
    await attack;
    return { node, admin, alice, verdicts, times };
  }

  test('by its budget: denied, and the loops answer', async (t) => {
    const { admin, alice, verdicts, times } = await underAttack(t, {});
    assert.deepEqual([...verdicts], [403]);
    assert.ok(percentile(times, 0.5) < 50, `a ping took ${percentile(times, 0.5)} ms`);
    const state = await policyState(admin);
    assert.equal(state.abandoned_threads, 0);
    assert.ok(state.counters.failures > 0);
    await alice.createRoom();
  });

  test('by time: four threads abandoned, then everything is denied, and said so', async (t) => {
    const { node, admin, alice, verdicts, times } = await underAttack(t, { budget: 1000000000 });
    assert.deepEqual([...verdicts], [403]);
    assert.ok(percentile(times, 0.5) < 50, `a ping took ${percentile(times, 0.5)} ms`);
    const state = await policyState(admin);
    assert.equal(state.state, 'denies-everything');
    assert.equal(state.abandoned_threads, 4);
    await assert.rejects(alice.createRoom(), (error) => error.status === 403);
    const health = await until(async () => {
      const answer = await admin.expect([200, 503], 'GET', '/healthz');
      return answer.text.includes('E-POLICY-DEAD') && answer;
    }, 'health says so');
    assert.equal(health.status, 503);
    assert.match(health.text, /denies everything/);
    await node.client().expect(200, 'GET', '/livez');
  });
});
