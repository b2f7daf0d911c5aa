// SPDX-License-Identifier: Apache-2.0
// The decision log over HTTP and in the log: who may see what, and what a flood does to it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { busOf, cast, settled, until } from './lib/cast.mjs';
import { Member } from './lib/member.mjs';
import { exchange } from './lib/raw.mjs';

const ID = /^d-[a-z2-7]{24}$/;

/** Ordinary objects: the strict reader's have no prototype. */
const plain = (json) => JSON.parse(JSON.stringify(json));

/** A refusal of `member`: the answer to creating an identity, which only admins may. */
async function refusal(member) {
  const answer = await member.api.post('/v1/identities', Member.create('other').registration());
  assert.equal(answer.status, 403, answer.text);
  assert.equal(answer.code, 'forbidden');
  assert.match(answer.json.decision, ID);
  return answer.json.decision;
}

test('a refused action: id in the problem, the whole story behind it, a line in the log', async (t) => {
  const { node, alice } = await cast(t, ['alice']);
  const id = await refusal(alice);
  const { json } = await alice.api.expect(200, 'GET', `/v1/decisions/${id}`);
  const { time_ms: time, took_us: took, ...rest } = plain(json);
  assert.deepEqual(rest, {
    id, node: 'alpha', allowed: false, action: 'identity.create',
    resource: { kind: 'identity', id: '' },
    principal: { id: alice.id, handle: 'alice', role: 'member' },
    address: '127.0.0.1', provider: 'membership', code: 'role',
    text: 'only for an admin (for admins and operators: an operator)', place: '', digest: '',
    input: {
      action: 'identity.create',
      principal: { id: alice.id, handle: 'alice', role: 'member', device: alice.kidHex },
      resource: { kind: 'identity', id: '' },
      context: { role: 'member' },
      conn: { transport: 'http', ip: '127.0.0.1', tls: false, loopback: true },
    },
  });
  assert.ok(Math.abs(time - Date.now()) < 10000 && took >= 0);
  await node.waitLog(new RegExp(`warn +membership refused: .*decision=${id} action=identity.create`));
});

describe('rights', () => {
  test('auditors, admins, operators and the admin socket see all, anybody else his own', async (t) => {
    const { admin, alice, bob, arthur, anna } = await cast(t, ['alice', 'bob', 'arthur', 'anna'],
      { roles: { arthur: 'auditor', anna: 'admin' } });
    const ofAlice = await refusal(alice);
    const ofBob = await refusal(bob);
    for (const client of [admin, arthur.api, anna.api]) {
      for (const id of [ofAlice, ofBob]) await client.expect(200, 'GET', `/v1/decisions/${id}`);
      const ids = (await client.expect(200, 'GET', '/v1/decisions')).json.items.map(({ id }) => id);
      assert.ok(ids.includes(ofAlice) && ids.includes(ofBob));
      const only = (await client.expect(200, 'GET', `/v1/decisions?principal=${bob.id}`)).json;
      assert.ok(only.items.length > 0);
      assert.deepEqual([...new Set(only.items.map(({ principal }) => principal.id))], [bob.id]);
    }
    const own = (await alice.api.expect(200, 'GET', '/v1/decisions')).json;
    assert.deepEqual(own.items.filter(({ allowed }) => !allowed).map(({ id }) => id), [ofAlice]);
    for (const item of own.items) assert.equal(item.principal.id, alice.id);
  });

  test("another's id answers as an unknown one, by status, body and every header", async (t) => {
    const { alice, bob } = await cast(t, ['alice', 'bob']);
    const ofAlice = await refusal(alice);
    const strip = ({ status, headers, json }) => {
      const { date, ...others } = headers;
      const { instance, ...body } = json;
      return { status, headers: Object.keys(others).sort(), length: headers['content-length'], body };
    };
    const foreign = await bob.api.get(`/v1/decisions/${ofAlice}`);
    const unknown = await bob.api.get(`/v1/decisions/d-${'a'.repeat(24)}`);
    assert.deepEqual(strip(foreign), strip(unknown));
    assert.equal(foreign.status, 404);
    // neither does it work as the beginning of a page
    const page = async (since) =>
      (await bob.api.expect(200, 'GET', `/v1/decisions?since=${since}`)).json;
    assert.deepEqual(await page(ofAlice), await page(`d-${'a'.repeat(24)}`));
  });

  test('nobody sees what strangers did but those who see all', async (t) => {
    const { node, admin, alice } = await cast(t, ['alice']);
    const answer = await exchange(node.nats, 'CONNECT {"user":"root","pass":"hunter2"}\r\n');
    assert.match(answer.text, /Authorization Violation/);
    const logins = await until(async () => {
      const { items } = (await admin.expect(200, 'GET', '/v1/decisions?principal=@127.0.0.1')).json;
      return items.length > 0 && items;
    }, 'the login is recorded');
    const [{ id, action, principal, resource, code, input }] = plain(logins);
    assert.deepEqual([action, principal.id, resource, code, input.conn.user],
      ['connect', '', { kind: 'user', id: 'root' }, 'login-refused', 'root']);
    assert.doesNotMatch(JSON.stringify(logins) + node.log, /hunter2/);
    assert.equal((await alice.api.get(`/v1/decisions/${id}`)).status, 404);
    for (const who of ['@127.0.0.1', '@', 'nobody']) {
      const refused = await alice.api.get(`/v1/decisions?principal=${encodeURIComponent(who)}`);
      assert.deepEqual([refused.status, refused.code], [403, 'forbidden']);
      assert.match(refused.json.decision, ID);
    }
    const own = (await alice.api.expect(200, 'GET', '/v1/decisions?principal=')).json;
    for (const item of own.items) assert.equal(item.principal.id, alice.id);
  });

  test('without a signature: nothing', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const id = await refusal(alice);
    for (const path of ['/v1/decisions', `/v1/decisions/${id}`]) {
      const answer = await node.client().get(path);
      assert.deepEqual([answer.status, answer.code], [401, 'unauthenticated'], path);
    }
  });

  test('an identity that was removed reads nothing any more', async (t) => {
    const { admin, alice } = await cast(t, ['alice']);
    const id = await refusal(alice);
    const { headers } = await admin.expect(200, 'GET', `/v1/identities/${alice.id}`);
    await admin.expect(200, 'DELETE', `/v1/identities/${alice.id}`,
      { headers: { 'If-Match': headers.etag } });
    assert.equal((await alice.api.get(`/v1/decisions/${id}`)).status, 401);
    await admin.expect(200, 'GET', `/v1/decisions/${id}`);
  });
});

test('bad questions are refused, hostile ones find nothing', async (t) => {
  const { admin, alice } = await cast(t, ['alice']);
  for (const limit of ['0', '501', '-1', 'x', '1e2', '99999999999999999999', '%00', '5%']) {
    const answer = await alice.api.get(`/v1/decisions?limit=${limit}`);
    assert.deepEqual([answer.status, answer.code], [400, 'bad-request'], limit);
  }
  for (const query of ['since=%ff', 'since=%0a', `since=${'a'.repeat(200)}`, 'principal=%zz']) {
    const answer = await alice.api.get(`/v1/decisions?${query}`);
    assert.deepEqual([answer.status, answer.code], [400, 'bad-request'], query);
  }
  for (const id of ['d-', 'x', '%22', '..%2f..', `d-${'a'.repeat(1000)}`]) {
    assert.equal((await admin.get(`/v1/decisions/${id}`)).status, 404, id);
  }
  for (const method of ['POST', 'PUT', 'DELETE']) {
    assert.equal((await admin.request(method, '/v1/decisions')).status, 405, method);
  }
});

test('pages: each decision once, in order, and `next` at every end', async (t) => {
  const { admin, alice } = await cast(t, ['alice']);
  const made = [];
  for (let i = 0; i < 7; i += 1) made.push(await refusal(alice));
  const seen = [];
  let since = '';
  for (;;) {
    const { json } = await admin.expect(200, 'GET',
      `/v1/decisions?limit=2&principal=${alice.id}&since=${since}`);
    assert.equal(json.gap, false);
    seen.push(...json.items.filter(({ allowed }) => !allowed).map(({ id }) => id));
    if (json.next === null) break;
    since = json.next;
  }
  assert.deepEqual(seen, made);
});

test('refusals on the bus: the text is nats-server’s, the decision names the rule', async (t) => {
  const { node, alice } = await cast(t, ['alice']);
  const bus = await busOf(t, alice, node);
  bus.publish('not.mine', 'x');
  await settled(bus);
  await until(() => bus.told.length > 0, 'the client is told');
  assert.match(bus.told[0], /^'?Permissions Violation for Publish to "not\.mine"/i);
  const item = await until(async () => {
    const { items } = (await alice.api.expect(200, 'GET', '/v1/decisions')).json;
    return items.find(({ action }) => action === 'publish');
  }, 'the refusal is in the log');
  assert.deepEqual([plain(item.resource), item.provider, item.code, item.text, item.principal.handle],
    [{ kind: 'subject', id: 'not.mine' }, 'membership', 'publish-refused', 'no rule covers it', 'alice']);
});

test('a flood by one identity pushes out its own, and gets no more lines than its share', async (t) => {
  const { node, admin, alice, mallory } = await cast(t, ['alice', 'mallory'],
    { blocks: { decisions: { keep: 32, log_per_minute: 3, sample: 0 } } });
  const ofAlice = await refusal(alice);
  const first = await refusal(mallory);
  for (let i = 0; i < 60; i += 1) await mallory.api.get('/v1/decisions?principal=someone');
  await admin.expect(200, 'GET', `/v1/decisions/${ofAlice}`);
  assert.equal((await admin.get(`/v1/decisions/${first}`)).status, 404);
  const { items, gap } = (await admin.expect(200, 'GET', `/v1/decisions?since=${first}`)).json;
  assert.deepEqual([items.length, gap], [32, true]);
  assert.equal(node.log.match(new RegExp(`refused: .*principal=${mallory.id}`, 'g')).length, 3);
  assert.equal(node.log.match(new RegExp(`refused: .*principal=${alice.id}`, 'g')).length, 1);
});
