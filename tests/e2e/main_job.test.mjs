// SPDX-License-Identifier: Apache-2.0
// Two identities exchange encrypted messages over one node; one is removed while it listens.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { busOf, cast, collect, settled, until } from './lib/cast.mjs';
import { Draft } from './lib/draft.mjs';
import * as u from './lib/ubr1/index.mjs';

const text = (said) => Buffer.from(said.content).toString();

describe('a sealed room', () => {
  test('carries messages both ways, a request and its reply', async (t) => {
    const { node, alice, bob } = await cast(t, ['alice', 'bob']);
    const room = await alice.createRoom({ name: 'ops' });
    await room.add(bob.card);
    const joined = await bob.joinRoom(room.invite());
    assert.deepEqual(joined.state.hash(), room.state.hash());
    const [aliceBus, bobBus] = [await busOf(t, alice, node), await busOf(t, bob, node)];

    const heard = collect(bobBus, joined.subject('chat'));
    await settled(bobBus);
    room.publish(aliceBus, 'chat', { content: 'hello' });
    const [first] = await until(() => heard.length === 1 && heard, 'one message');
    assert.equal(text(await joined.openMsg(first)), 'hello');

    const asked = collect(bobBus, joined.subject('ask'));
    await settled(bobBus);
    const answer = room.request(aliceBus, 'ask', { content: 'how are you?' });
    const [question] = await until(() => asked.length === 1 && asked, 'the request');
    joined.reply(bobBus, question, await joined.openMsg(question), { content: 'well' });
    assert.equal(text(await answer), 'well');
    assert.deepEqual([...aliceBus.told, ...bobBus.told], []);
  });

  test('carries a blob of 5 MiB, and only to members', async (t) => {
    const { alice, bob, carol } = await cast(t, ['alice', 'bob', 'carol']);
    const room = await alice.createRoom();
    await room.add(bob.card);
    const joined = await bob.joinRoom(room.invite());
    const plain = u.randomBytes(5 * 1024 * 1024);
    const reference = await room.putBlob(plain, { name: 'photo.raw' });
    assert.ok(u.equal(await joined.getBlob(reference), plain));
    const path = `/v1/blobs/${reference.blob}`;
    assert.equal((await carol.api.get(path)).status, 404);
    const part = await bob.api.expect(206, 'GET', path, { headers: { Range: 'bytes=10-19' } });
    const whole = await bob.api.expect(200, 'GET', path);
    assert.deepEqual(part.body, whole.body.subarray(10, 20));
    await room.remove(bob.accountPk);
    assert.equal((await bob.api.get(path)).status, 404);
  });

  test('closes to a removed member on his open connection, without closing it', async (t) => {
    const { node, alice, bob, carol } = await cast(t, ['alice', 'bob', 'carol']);
    const room = await alice.createRoom();
    for (const friend of [bob, carol]) await room.add(friend.card);
    const [joined, stays] = [await bob.joinRoom(room.invite()), await carol.joinRoom(room.invite())];
    const other = await alice.createRoom();
    await other.add(bob.card);
    await bob.joinRoom(other.invite());
    const [aliceBus, bobBus, carolBus] = await Promise.all(
      [alice, bob, carol].map((member) => busOf(t, member, node)));
    const bobHears = collect(bobBus, joined.subject('>'));
    const bobQueue = collect(bobBus, joined.subject('work'), { queue: 'workers' });
    const bobElsewhere = collect(bobBus, other.subject('>'));
    const carolHears = collect(carolBus, stays.subject('>'));
    await Promise.all([settled(bobBus), settled(carolBus)]);
    room.publish(aliceBus, 'chat', { content: 'before' });
    await until(() => bobHears.length === 1 && carolHears.length === 1, 'both hear');

    const { applied } = await room.remove(bob.accountPk);
    assert.equal(applied.connections_changed, 3); // his rights, and everybody's epoch
    room.publish(aliceBus, 'chat', { content: 'after' });
    room.publish(aliceBus, 'work', { content: 'after' });
    await settled(aliceBus);
    const last = await until(() => carolHears.at(-1) !== carolHears[0] && carolHears.at(-1),
      'carol hears the next');
    await stays.openMsg(last);
    await settled(bobBus);
    const told = (wanted) => bobBus.told.filter((line) => line.includes(wanted)).length;
    assert.equal(bobHears.filter((heard) => !(heard instanceof Error)).length, 1);
    assert.equal(bobQueue.filter((heard) => !(heard instanceof Error)).length, 0);
    await until(() => told('Permissions Violation for Subscription to') + bobHears
      .concat(bobQueue).filter((heard) => heard instanceof Error).length >= 2, 'two refusals');
    assert.equal(bobBus.isClosed(), false);
    other.publish(aliceBus, 'chat', { content: 'still here' });
    await until(() => bobElsewhere.length === 1, 'his other room goes on');

    // Neither does he hold the key of what came after.
    await assert.rejects(joined.openMsg(last), (error) => error.code !== undefined);
    // Nor may he write, or listen again.
    const before = carolHears.length;
    bobBus.publish(joined.subject('chat'), Buffer.from('junk'));
    const again = collect(bobBus, joined.subject('chat'));
    await settled(bobBus);
    await settled(carolBus);
    assert.equal(carolHears.length, before);
    assert.ok(again.length === 0 || again[0] instanceof Error);
  });

  test('a message already on its way to many members reaches none after the answer', async (t) => {
    const { node, alice, bob } = await cast(t, ['alice', 'bob']);
    const aliceBus = await busOf(t, alice, node);
    const bobBus = await busOf(t, bob, node);
    for (let round = 0; round < 10; round += 1) {
      const room = await alice.createRoom();
      await room.add(bob.card);
      const heard = collect(bobBus, room.subject('>'));
      await settled(bobBus);
      await room.remove(bob.accountPk);
      room.publish(aliceBus, 'chat', { content: 'late' });
      await settled(aliceBus);
      await settled(bobBus);
      assert.equal(heard.filter((one) => !(one instanceof Error)).length, 0, `round ${round}`);
    }
  });

  test('a role taken away: a reader no longer writes, but still reads', async (t) => {
    const { node, alice, bob } = await cast(t, ['alice', 'bob']);
    const room = await alice.createRoom();
    await room.add(bob.card, u.ROLE.writer);
    const joined = await bob.joinRoom(room.invite());
    const [aliceBus, bobBus] = [await busOf(t, alice, node), await busOf(t, bob, node)];
    const [aliceHears, bobHears] = [
      collect(aliceBus, room.subject('>')), collect(bobBus, joined.subject('>'))];
    await Promise.all([settled(aliceBus), settled(bobBus)]);
    joined.publish(bobBus, 'chat', { content: 'as writer' });
    await until(() => aliceHears.length === 1, 'the writer is heard');
    await room.setRole(bob.accountPk, u.ROLE.reader);
    joined.publish(bobBus, 'chat', { content: 'as reader' });
    await settled(bobBus);
    room.publish(aliceBus, 'chat', { content: 'to the reader' });
    await until(() => bobHears.length === 2, 'the reader reads');
    assert.equal(aliceHears.length, 2);
    assert.equal(text(await room.openMsg(aliceHears[1])), 'to the reader');
    await until(() => bobBus.told.some((line) => /Violation for Publish/.test(line)), 'a refusal');
  });

  test('an identity taken from the allowlist is cut, and its requests are refused', async (t) => {
    const { node, admin, alice, bob } = await cast(t, ['alice', 'bob']);
    const room = await alice.createRoom();
    await room.add(bob.card);
    const bobBus = await busOf(t, bob, node);
    const { headers } = await admin.expect(200, 'GET', `/v1/identities/${bob.id}`);
    const ifMatch = headers.etag.replaceAll('"', '');
    const { json } = await admin.expect(200, 'DELETE', `/v1/identities/${bob.id}`, { ifMatch });
    assert.equal(json.connections_cut, 1);
    assert.deepEqual(json.rooms, [room.id]);
    await until(() => bobBus.isClosed(), 'the connection is closed');
    assert.equal((await bob.api.get('/v1/rooms')).code, 'unauthenticated');
    await assert.rejects(bob.bus(node.nats));
    await room.sync(); // his chain is still served: logs refer to it
  });

  test('survives a restart: log, boxes, secrets and rights', async (t) => {
    const { node, alice, bob } = await cast(t, ['alice', 'bob']);
    const room = await alice.createRoom();
    await room.add(bob.card);
    const hash = room.state.hash();
    await node.kill();
    await node.up();
    const joined = await bob.joinRoom(room.invite());
    assert.deepEqual(joined.state.hash(), hash);
    const [aliceBus, bobBus] = [await busOf(t, alice, node), await busOf(t, bob, node)];
    const heard = collect(bobBus, joined.subject('>'));
    await settled(bobBus);
    room.publish(aliceBus, 'chat', { content: 'again' });
    const [msg] = await until(() => heard.length === 1 && heard, 'a message');
    assert.equal(text(await joined.openMsg(msg)), 'again');
  });
});

describe('what the server checks without keys', () => {
  test('a sealed room takes only envelopes of its epoch by a device of the connection',
    async (t) => {
      const { node, alice, bob } = await cast(t, ['alice', 'bob']);
      const room = await alice.createRoom();
      await room.add(bob.card);
      const joined = await bob.joinRoom(room.invite());
      const [aliceBus, bobBus] = [await busOf(t, alice, node), await busOf(t, bob, node)];
      const heard = collect(aliceBus, room.subject('>'));
      await settled(aliceBus);
      const subject = joined.subject('chat');
      const good = () => Buffer.from(joined.seal(subject, { content: 'x' }).wire);
      const bent = (at, value) => { const wire = good(); wire[at] = value; return wire; };
      const byAlice = Buffer.from(room.seal(subject, { content: 'x' }).wire);
      const refused = {
        'plain text': Buffer.from('hello'),
        'an empty payload': Buffer.alloc(0),
        'another magic': bent(0, 0x56),
        'another version': bent(2, 2),
        'a later epoch': bent(7, 9),
        'the kid of another member': byAlice,
        'a header cut short': good().subarray(0, 23),
      };
      for (const [what, payload] of Object.entries(refused)) {
        const before = bobBus.told.length;
        bobBus.publish(subject, payload);
        await settled(bobBus);
        await until(() => bobBus.told.length > before, `a refusal of ${what}`);
      }
      assert.equal(heard.length, 0);
      bobBus.publish(subject, good());
      await until(() => heard.length === 1, 'the control is delivered');
    });

  test('the epoch before is good for a while, the one before that is not', async (t) => {
    const { node, alice, bob } = await cast(t, ['alice', 'bob']);
    const room = await alice.createRoom();
    await room.add(bob.card);
    const joined = await bob.joinRoom(room.invite());
    const [aliceBus, bobBus] = [await busOf(t, alice, node), await busOf(t, bob, node)];
    const heard = collect(aliceBus, room.subject('>'));
    await settled(aliceBus);
    const subject = joined.subject('chat');
    const old = [1, 2].map((n) => Buffer.from(joined.seal(subject, { content: `${n}` }).wire));
    await room.rotate();
    bobBus.publish(subject, old[0]);
    await until(() => heard.length === 1, 'within the grace');
    await room.rotate();
    bobBus.publish(subject, old[1]);
    await until(() => bobBus.told.length === 1, 'a refusal');
    assert.equal(heard.length, 1);
  });

  test('an append is refused with the code of its fault', async (t) => {
    const { alice, bob } = await cast(t, ['alice', 'bob']);
    const room = await alice.createRoom();
    const send = (json, ifMatch = room.headHex) =>
      alice.api.post(`${room.path}/log`, json, ifMatch === null ? {} : { ifMatch });
    
    const made = (build) => {
      const one = new Draft(alice, room.log, room.secrets);
      build(one);
      return one.toJson();
    };
    const add = made((d) => {
      room.records.addAll(bob.records);
      d.log.records?.addAll?.(bob.records);
      d.add('add', { role: u.ROLE.writer, ...bob.card });
    });
    assert.equal((await send(add, null)).code, 'precondition-required');
    const stale = await send(add, '00'.repeat(32));
    assert.deepEqual([stale.status, stale.code], [412, 'head-conflict']);
    assert.equal(stale.json.head.hash, room.headHex);

    const bentSig = structuredClone(add);
    const { sig } = bentSig.entries[0];
    bentSig.entries[0].sig = (sig[0] === 'A' ? 'B' : 'A') + sig.slice(1);
    const bad = await send(bentSig);
    assert.deepEqual([bad.status, bad.code, bad.json.rule], [422, 'entry-invalid', 'E-SIG']);

    const rotation = made((d) => d.epoch(u.CAUSE.manual));
    const unboxed = await send({ ...rotation, boxes: [] });
    assert.deepEqual([unboxed.code, unboxed.json.rule], ['box-invalid', 'E-BOX-MISSING']);
    const typo = await send({ ...add, entires: [] });
    assert.deepEqual([typo.status, typo.code], [400, 'unknown-field']);

    assert.equal((await send(add)).status, 200);
    assert.equal((await send(add)).status, 200, 'the identical entries again');
    await room.sync();
    const alone = made((d) => d.add('remove', { accountPk: bob.accountPk, reason: 2 }));
    const needs = await send(alone);
    assert.deepEqual([needs.status, needs.code], [409, 'needs-epoch']);
    const by = await bob.api.post(`${room.path}/log`, alone, { ifMatch: room.headHex });
    assert.equal(by.status >= 400, true, 'entries of another signer');
  });

  test('a stranger sees neither the room nor its log, and takes the same answer', async (t) => {
    const { alice, carol } = await cast(t, ['alice', 'carol']);
    const room = await alice.createRoom();
    const nowhere = `/v1/rooms/${'a'.repeat(32)}`;
    for (const part of ['', '/log', '/members', '/permissions', '/boxes:requested']) {
      const [real, none] = [await carol.api.get(room.path + part), await carol.api.get(nowhere + part)];
      assert.deepEqual([real.status, real.code], [404, 'not-found'], part);
      assert.deepEqual([none.status, none.code], [404, 'not-found'], part);
      assert.equal(real.json.title, none.json.title);
    }
    assert.deepEqual(await carol.api.list('/v1/rooms'), []);
    assert.deepEqual((await alice.api.list('/v1/rooms')).map((one) => one.id), [room.id]);
  });

  test('the quota of founded rooms counts those that the founder has left', async (t) => {
    const { alice, bob } = await cast(t, ['alice', 'bob'], {
      modules: { membership: { kv: 'kv-sqlite', blob: 'blob-fs', max_rooms_per_identity: 1 } },
    });
    const room = await alice.createRoom();
    await room.add(bob.card, u.ROLE.owner);
    await room.leave();
    await assert.rejects(alice.createRoom(), { status: 507, code: 'quota' });
    await bob.createRoom();
  });
});
