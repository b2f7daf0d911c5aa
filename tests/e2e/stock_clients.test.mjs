// SPDX-License-Identifier: Apache-2.0
// Stock NATS clients in a plain room: the npm client with an nkey seed, and Debian's libnats in C.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect, headers, nkeyAuthenticator } from '@nats-io/transport-node';
import { cast, collect, settled, until } from './lib/cast.mjs';
import { buildFolder, Running, sanitizerReport } from './lib/process.mjs';
import * as u from './lib/ubr1/index.mjs';

const seedOf = (member) => u.nkeySeedOf(member.nats);

/** A client that knows nothing of unibus: a URL and an nkey seed. */
async function stock(t, member, node, options = {}) {
  const bus = await connect({
    servers: node.natsUrl, reconnect: false, timeout: 5000,
    authenticator: nkeyAuthenticator(new TextEncoder().encode(seedOf(member))), ...options,
  });
  t.after(() => bus.close());
  return bus;
}

async function plainRoom(t) {
  const all = await cast(t, ['alice', 'bob', 'carol']);
  const room = await all.alice.createRoom({ plain: true });
  await room.add(all.bob.card);
  return { ...all, room };
}

describe('npm @nats-io/transport-node', () => {
  test('publish, subscribe, queue groups, headers, request in a room of theirs', async (t) => {
    const { node, room, alice, bob } = await plainRoom(t);
    const [a, b] = [await stock(t, alice, node), await stock(t, bob, node)];
    const heard = collect(b, room.subject('chat.*'));
    const [one, two] = [1, 2].map(() => collect(b, room.subject('work'), { queue: 'q' }));
    await settled(b);
    const extra = headers();
    extra.append('Colour', 'blue');
    a.publish(room.subject('chat.x'), 'hello', { headers: extra });
    const [msg] = await until(() => heard.length === 1 && heard, 'a message');
    assert.equal(msg.string(), 'hello');
    assert.equal(msg.headers.get('Colour'), 'blue');
    for (let n = 0; n < 100; n += 1) a.publish(room.subject('work'), `${n}`);
    await until(() => one.length + two.length === 100, 'each work item once');
    assert.ok(one.length > 0 && two.length > 0);

    b.subscribe(room.subject('echo'), { callback: (_, request) => request.respond(request.data) });
    await settled(b);
    for (let n = 0; n < 20; n += 1) {
      assert.equal((await a.request(room.subject('echo'), `ping ${n}`)).string(), `ping ${n}`);
    }
    const single = await a.request(room.subject('echo'), 'own', { noMux: true, timeout: 5000 });
    assert.equal(single.string(), 'own');
    await assert.rejects(a.request(room.subject('nobody'), 'x'), /no responders/i);
    const limited = b.subscribe(room.subject('few'), { max: 2 });
    await settled(b);
    for (let n = 0; n < 5; n += 1) a.publish(room.subject('few'), `${n}`);
    const got = [];
    for await (const few of limited) got.push(few.string());
    assert.deepEqual(got, ['0', '1']);
  });

  const outside = [
    ['foo'], ['>'], ['*'], ['ub.>'], ['ub.r.>'], ['ub.r.*.chat'], ['$SYS.>'], ['$JS.API.>'],
    ['_INBOX.>'], ['_INBOX.*'], ['_INBOX.*.x'], ['ub.r.>', 'q'],
  ];
  for (const [subject, queue] of outside) {
    test(`refuses to subscribe to ${subject}${queue ? ` in queue ${queue}` : ''}`, async (t) => {
      const { node, bob } = await plainRoom(t);
      const bus = await stock(t, bob, node);
      const refusal = await new Promise((resolve) => {
        bus.subscribe(subject, { queue, callback: (error) => resolve(error) });
      });
      assert.match(refusal.message, /Permissions Violation for Subscription/);
      assert.equal(bus.isClosed(), false);
    });
  }

  test('refuses to publish outside, and delivers nothing', async (t) => {
    const { node, room, alice, bob, carol } = await plainRoom(t);
    const [a, b, c] = await Promise.all([alice, bob, carol].map((one) => stock(t, one, node)));
    const told = [];
    (async () => { for await (const s of c.status()) if (s.type === 'error') told.push(s); })();
    const heard = collect(b, room.subject('>'));
    const inbox = collect(a, '_INBOX.alicestoken.1');
    await Promise.all([settled(a), settled(b)]);
    const tries = [room.subject('chat'), 'foo', '$SYS.REQ.SERVER.PING', '_INBOX.alicestoken.1',
      '$JS.API.INFO', 'ub.r.x.y'];
    for (const subject of tries) c.publish(subject, 'intruder');
    await settled(c);
    await until(() => told.length === tries.length, `${tries.length} refusals`);
    a.publish(room.subject('chat'), 'a member');
    await until(() => heard.length === 1, 'the member is heard');
    assert.equal(heard[0].string(), 'a member');
    assert.equal(inbox.length, 0);
  });

  test('an inbox token belongs to who subscribed it first', async (t) => {
    const { node, alice, bob } = await plainRoom(t);
    const [a, b] = [await stock(t, alice, node), await stock(t, bob, node)];
    collect(a, '_INBOX.hers.*');
    await settled(a);
    const refusal = await new Promise((resolve) => {
      b.subscribe('_INBOX.hers.1', { callback: (error) => resolve(error) });
    });
    assert.match(refusal.message, /Permissions Violation/);
  });

  test('a wrong key is refused at login', async (t) => {
    const { node } = await plainRoom(t);
    const { Member } = await import('./lib/member.mjs');
    await assert.rejects(stock(t, Member.create('mallory'), node), /authorization/i);
    await assert.rejects(connect({ servers: node.natsUrl, reconnect: false }), /authorization/i);
  });
});

describe("Debian's libnats", () => {
  /** tests/clients/libnats_room: talks in a room and tries to get out; prints one line a step. */
  async function run(member, node, ...args) {
    const program = join(buildFolder(), 'tests', 'libnats_room');
    const running = new Running(program, [node.natsUrl, seedOf(member), ...args], {
      env: { ASAN_OPTIONS: 'detect_leaks=0:exitcode=99', NKEY: u.nkeyOf(member.nats.publicKey) },
    });
    const exit = await running.exited(20000);
    assert.equal(sanitizerReport(running.log), null, running.log);
    return { code: exit?.code, lines: running.stdout.trim().split('\n'), log: running.log };
  }

  test('publishes, subscribes and requests in the room; is refused outside', async (t) => {
    const { node, room, bob, carol } = await plainRoom(t);
    const inside = await run(bob, node, room.id);
    assert.equal(inside.code, 0, inside.log);
    assert.deepEqual(inside.lines, [
      'subscribe: ok', 'publish: received', 'queue: received', 'headers: received',
      'request: answered', 'no responders: told', 'outside publish: refused',
      'outside subscribe: refused', 'connection: open',
    ]);
    const stranger = await run(carol, node, room.id);
    assert.notEqual(stranger.code, 0, 'the control: a stranger gets nothing');
  });
});
