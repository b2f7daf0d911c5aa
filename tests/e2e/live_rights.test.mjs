// SPDX-License-Identifier: Apache-2.0
// Membership that changes under open connections: what is subscribed, published, delivered and answered follows at once,
// and nobody is disconnected.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, nkeyAuthenticator } from '@nats-io/transport-node';
import { busOf, cast, collect, settled, until } from './lib/cast.mjs';
import { cliMember } from './lib/people.mjs';
import * as u from './lib/ubr1/index.mjs';

const texts = (heard) => heard.filter((one) => !(one instanceof Error)).map((one) => one.string());
const count = (heard) => texts(heard).length;

async function openRoom(t, handles) {
  const all = await cast(t, ['alice', ...handles]);
  const room = await all.alice.createRoom({ plain: true });
  const buses = {};
  for (const handle of ['alice', ...handles]) buses[handle] = await busOf(t, all[handle], all.node);
  return { ...all, room, buses };
}

describe('a member', () => {
  test('who is added may use the room on the connection that he has', async (t) => {
    const { room, bob, buses } = await openRoom(t, ['bob']);
    const before = collect(buses.bob, room.subject('chat'));
    await settled(buses.bob);
    await until(() => buses.bob.told.length === 1, 'refused before');
    assert.match(buses.bob.told[0], /Permissions Violation for Subscription/);
    await room.add(bob.card);
    const heard = collect(buses.bob, room.subject('chat'));
    const back = collect(buses.alice, room.subject('back'));
    await Promise.all([settled(buses.bob), settled(buses.alice)]);
    buses.alice.publish(room.subject('chat'), 'welcome');
    buses.bob.publish(room.subject('back'), 'thanks');
    await until(() => count(heard) === 1 && count(back) === 1, 'both ways');
    assert.equal(count(before), 0);
    assert.equal(buses.bob.told.length, 1);
  });

  test('who is removed hears nothing more, his work goes to the others, and he stays connected', async (t) => {
    const { room, bob, carol, buses } = await openRoom(t, ['bob', 'carol']);
    await room.add(bob.card);
    await room.add(carol.card);
    const plain = collect(buses.bob, room.subject('>'));
    const work = { bob: collect(buses.bob, room.subject('work'), { queue: 'q' }),
      carol: collect(buses.carol, room.subject('work'), { queue: 'q' }) };
    await Promise.all(Object.values(buses).map(settled));
    for (let n = 0; n < 60; n++) buses.alice.publish(room.subject('work'), `before ${n}`);
    await until(() => count(work.bob) + count(work.carol) === 60, 'work for both');
    assert.ok(count(work.bob) > 0 && count(work.carol) > 0);

    // While messages flow: what is sent after the answer is not for him any more, also not what waited for his loop.
    let isFlowing = true;
    const flow = (async () => {
      while (isFlowing) {
        for (let n = 0; n < 50; n++) buses.alice.publish(room.subject('flow'), 'x');
        await settled(buses.alice);
      }
    })();
    await room.remove(bob.accountPk);
    isFlowing = false;
    await flow;
    for (let n = 0; n < 60; n++) buses.alice.publish(room.subject('work'), `after ${n}`);
    await until(() => texts(work.carol).filter((text) => text.startsWith('after')).length === 60, 'all work for her');
    await settled(buses.bob);
    assert.deepEqual([...texts(plain), ...texts(work.bob)].filter((text) => text.startsWith('after')), []);

    await until(() => buses.bob.told.filter((text) => /Permissions Violation for Subscription/.test(text)).length >= 2, 'both dropped');
    const heard = collect(buses.alice, room.subject('chat'));
    await settled(buses.alice);
    const told = buses.bob.told.length;
    buses.bob.publish(room.subject('chat'), 'still here');
    collect(buses.bob, room.subject('again'));
    await settled(buses.bob);
    await until(() => buses.bob.told.length === told + 2, 'refused to publish and to subscribe');
    await settled(buses.alice);
    assert.equal(count(heard), 0);
    assert.equal(buses.bob.isClosed(), false);
  });

  test('of another role publishes or not, and hears all the time', async (t) => {
    const { room, bob, buses } = await openRoom(t, ['bob']);
    await room.add(bob.card);
    const heard = collect(buses.bob, room.subject('chat'));
    const back = collect(buses.alice, room.subject('back'));
    await Promise.all(Object.values(buses).map(settled));
    for (const role of [u.ROLE.reader, u.ROLE.writer, u.ROLE.reader]) {
      await room.setRole(bob.accountPk, role);
      const [told, before, said] = [buses.bob.told.length, count(heard), count(back)];
      buses.bob.publish(room.subject('back'), 'x');
      buses.alice.publish(room.subject('chat'), 'x');
      await until(() => count(heard) === before + 1, 'he hears');
      if (role === u.ROLE.writer) await until(() => count(back) === said + 1, 'she hears him');
      else await until(() => buses.bob.told.length === told + 1, 'he is refused');
      await settled(buses.alice);
      assert.equal(count(back), role === u.ROLE.writer ? said + 1 : said);
    }
  });

  test('who was asked before he was removed may answer that, and nothing else', async (t) => {
    const { room, bob, buses } = await openRoom(t, ['bob']);
    await room.add(bob.card);
    const asked = collect(buses.bob, room.subject('ask'));
    const answers = collect(buses.alice, '_INBOX.hers.*');
    await Promise.all(Object.values(buses).map(settled));
    buses.alice.publish(room.subject('ask'), '?', { reply: '_INBOX.hers.1' });
    await until(() => count(asked) === 1, 'the question');
    await room.remove(bob.accountPk);
    const told = buses.bob.told.length;
    buses.bob.publish('_INBOX.hers.1', 'late, but asked for');
    buses.bob.publish('_INBOX.hers.2', 'never asked for');
    await until(() => count(answers) === 1, 'the answer');
    await until(() => buses.bob.told.slice(told).some((text) => /_INBOX\.hers\.2/.test(text)), 'the other is refused');
    assert.deepEqual(texts(answers), ['late, but asked for']);
  });
});

test('unibus why: a refusal on the bus', async (t) => {
  const { node } = await cast(t, ['alice']);
  const carol = await cliMember(t, node, 'carol');
  const seed = (await carol.ok(['id', 'show', '--nats-seed'])).stdout.trim();
  const bus = await connect({ servers: node.natsUrl, reconnect: false, authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) });
  t.after(() => bus.close());
  bus.publish('not.hers', 'x');
  await bus.flush();
  const { json } = await until(async () => {
    const run = await carol.run(['why', '--json']);
    return run.code === 0 && { json: JSON.parse(run.stdout) };
  }, 'the decision');
  assert.deepEqual([json.action, json.resource.id, json.code, json.principal.handle], ['publish', 'not.hers', 'publish-refused', 'carol']);
  const { stdout } = await carol.ok(['why', json.decision ?? json.id]);
  assert.match(stdout, /not\.hers/);
  assert.match(stdout, /no rule covers it/);
});
