// SPDX-License-Identifier: Apache-2.0
// The JavaScript member on a control plane and a bus in memory, honest first and then hostile. It
// proves the client that the end-to-end tests rely on, and the codes that need a running system.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeBus } from './lib/fakebus.mjs';
import { FakePlane } from './lib/fakeplane.mjs';
import { HttpClient } from './lib/http.mjs';
import { Member } from './lib/member.mjs';
import * as u from './lib/ubr1/index.mjs';

const withCode = (code) => (error) => {
  assert.equal(error.code, code, error.stack);
  return true;
};

/** A plane with these members registered, by handle. */
async function cast(t, ...handles) {
  const plane = await FakePlane.start(t);
  const admin = new HttpClient(plane.http);
  const members = {};
  for (const handle of handles) {
    members[handle] = await Member.create(handle).register(admin, plane.http);
  }
  return { plane, admin, ...members };
}

const said = (room, wire, subject = room.subject('chat'), options = {}) =>
  room.open(wire, { subject }, options);

async function exchangeText(from, to, content) {
  const { wire } = from.seal(from.subject('chat'), { content });
  return Buffer.from((await said(to, wire)).content).toString();
}

describe('an honest server', () => {
  test('create, invite, add, join, talk both ways', async (t) => {
    const { alice, bob } = await cast(t, 'alice', 'bob');
    const room = await alice.createRoom({ name: 'ops' });
    await room.add(bob.card);
    const joined = await bob.joinRoom(room.invite(['https://node.example:8470']));
    assert.equal(joined.state.name, 'ops');
    assert.deepEqual(joined.state.hash(), room.state.hash());
    assert.equal(await exchangeText(room, joined, 'hello'), 'hello');
    assert.equal(await exchangeText(joined, room, 'wörld'), 'wörld');
  });

  test('a good box is acknowledged, and the server erases it', async (t) => {
    const { plane, alice, bob } = await cast(t, 'alice', 'bob');
    const room = await alice.createRoom();
    await room.add(bob.card);
    await bob.joinRoom(room.invite());
    assert.equal(plane.rooms.get(room.id).boxes.has(`1/${bob.kidHex}`), false);
    assert.equal(plane.rooms.get(room.id).boxes.has(`1/${alice.kidHex}`), true);
  });

  test('a removal and its epoch are one append; the removed one is late', async (t) => {
    const { alice, bob, carol } = await cast(t, 'alice', 'bob', 'carol');
    const room = await alice.createRoom();
    await room.add(bob.card);
    await room.add(carol.card);
    const atBob = await bob.joinRoom(room.invite());
    const atCarol = await carol.joinRoom(room.invite());
    const { wire } = atBob.seal(atBob.subject('chat'), { content: 'before' });
    await room.remove(bob.accountPk);
    assert.equal(room.state.epoch, 2);
    assert.equal(room.state.stale, false);
    await assert.rejects(said(room, wire), withCode('E-MSG-LATE'));
    assert.equal(Buffer.from((await said(room, wire, undefined, { isHistory: true })).content)
      .toString(), 'before');
    assert.equal(await exchangeText(room, atCarol, 'after'), 'after');
    const { wire: later } = room.seal(room.subject('chat'), { content: 'after' });
    await assert.rejects(said(atBob, later), withCode('not-found')); // he reads no log any more
  });

  test('a removal that only the fetch for this message brings does not make it late', async (t) => {
    const { alice, bob, carol, dave } = await cast(t, 'alice', 'bob', 'carol', 'dave');
    const room = await alice.createRoom();
    await room.add(bob.card);
    await room.add(carol.card);
    const atBob = await bob.joinRoom(room.invite());
    const atCarol = await carol.joinRoom(room.invite());
    await room.add(dave.card);
    const atDave = await dave.joinRoom(room.invite());
    const { wire: first } = atDave.seal(atDave.subject('chat'), { content: 'first' });
    const { wire: second } = atDave.seal(atDave.subject('chat'), { content: 'second' });
    await atBob.sync();
    await atBob.leave();
    const { content } = await said(atCarol, first); // dave's kid is new to carol: she reads the log
    assert.equal(Buffer.from(content).toString(), 'first');
    assert.equal(atCarol.log.seq, 5);
    await assert.rejects(said(atCarol, second), withCode('E-MSG-LATE'));
  });

  test('leaving makes the room stale: nobody sends before the next epoch', async (t) => {
    const { alice, bob } = await cast(t, 'alice', 'bob');
    const room = await alice.createRoom();
    await room.add(bob.card);
    const atBob = await bob.joinRoom(room.invite());
    await atBob.leave();
    await room.sync();
    assert.throws(() => room.seal(room.subject('chat'), { content: 'x' }), withCode('E-STALE'));
    await room.rotate(u.CAUSE.removed);
    room.seal(room.subject('chat'), { content: 'x' });
  });

  test('history 2: one box and the links open all epochs', async (t) => {
    const { alice, bob } = await cast(t, 'alice', 'bob');
    const room = await alice.createRoom({ history: 2 });
    const { wire } = room.seal(room.subject('chat'), { content: 'old' });
    await room.rotate();
    await room.rotate();
    await room.add(bob.card);
    const atBob = await bob.joinRoom(room.invite());
    assert.deepEqual([...atBob.secrets.keys()].sort(), [1, 2, 3]);
    const old = await said(atBob, wire, undefined, { isHistory: true });
    assert.equal(Buffer.from(old.content).toString(), 'old');
  });

  test('history 0: the newcomer reads from the next epoch, E-BOX-HISTORY before', async (t) => {
    const { alice, bob } = await cast(t, 'alice', 'bob');
    const room = await alice.createRoom({ history: 0 });
    await room.add(bob.card);
    assert.equal(room.state.epoch, 2);
    const atBob = await bob.joinRoom(room.invite());
    assert.deepEqual([...atBob.secrets.keys()], [2]);
    await atBob.requestBox(1);
    const done = await room.answerBoxRequests();
    assert.deepEqual(done, [{ epoch: 1, kid: bob.kidHex, code: 'E-BOX-HISTORY' }]);
  });

  test('a second device asks for a box and gets it; a revoked one is cut off', async (t) => {
    const { alice, bob } = await cast(t, 'alice', 'bob');
    const room = await alice.createRoom();
    await room.add(bob.card);
    const atBob = await bob.joinRoom(room.invite());
    const second = await bob.addDevice();
    await atBob.announceDevices();
    await room.sync();
    const atSecond = await second.joinRoom(room.invite());
    assert.equal(atSecond.secrets.size, 0);
    await atSecond.requestBox(1);
    assert.equal((await room.answerBoxRequests())[0].code, 'ok');
    await atSecond.fetchSecrets();
    assert.equal(await exchangeText(room, atSecond, 'hi'), 'hi');

    await bob.revokeDevice(second.kidHex);
    await atBob.announceDevices();
    assert.equal(atBob.state.epoch, 2);
    assert.equal(atBob.log.entries.at(-1).fields.cause, u.CAUSE.revoked);
    await room.sync();
    await assert.rejects(room.sendBox(2, second.kidHex), withCode('E-DEVICE-REVOKED'));
  });

  test('a revoked device that is still live in the room stops sending', async (t) => {
    const { alice, bob } = await cast(t, 'alice', 'bob');
    const [room, other] = [await alice.createRoom(), await alice.createRoom()];
    await room.add(bob.card);
    await other.add(bob.card);
    const second = await bob.addDevice();
    const atBob = await bob.joinRoom(room.invite());
    const atOther = await bob.joinRoom(other.invite());
    await atBob.announceDevices();
    await atOther.announceDevices();
    await bob.revokeDevice(second.kidHex);
    await atBob.announceDevices();
    assert.throws(() => atOther.seal('x', { content: '' }), withCode('E-DEVICE-REVOKED'));
  });

  test('a box key is rotated: record, entry, epoch; old secrets stay readable', async (t) => {
    const { alice } = await cast(t, 'alice');
    const room = await alice.createRoom();
    await alice.rotateBox();
    await room.announceDevices();
    assert.deepEqual(room.log.entries.slice(2).map(({ name }) => name), ['device', 'epoch']);
    alice.eraseOldBoxKeys();
    room.secrets.delete(2);
    await room.fetchSecrets();
    assert.deepEqual([...room.secrets.keys()], [1, 2]);
  });

  test('two appends at once: one loses with 412, reads and decides again', async (t) => {
    const { alice, bob, carol } = await cast(t, 'alice', 'bob', 'carol');
    const room = await alice.createRoom();
    await room.add(bob.card, u.ROLE.admin);
    const atBob = await bob.joinRoom(room.invite());
    await Promise.all([room.rotate(), atBob.add(carol.card)]);
    await Promise.all([room.sync(), atBob.sync()]);
    assert.deepEqual(room.state.hash(), atBob.state.hash());
    assert.equal(room.state.members.size, 3);
  });

  test('a new nonce epoch: signed again once, by itself', async (t) => {
    const { plane, alice } = await cast(t, 'alice');
    await alice.createRoom();
    plane.nonceEpoch = '11'.repeat(16);
    await alice.createRoom();
    assert.equal(alice.api.nonceEpoch, plane.nonceEpoch);
  });

  test('another cluster at the same address is refused', async (t) => {
    const { plane, alice } = await cast(t, 'alice');
    await alice.createRoom();
    plane.clusterId = 'cluster-2';
    await assert.rejects(alice.createRoom(), { status: 401, code: 'wrong-cluster' });
    await assert.rejects(alice.api.info(), /pinned cluster-1/);
  });

  test('a request repeated byte for byte is refused', async (t) => {
    const { alice } = await cast(t, 'alice');
    const signature = { nonce: u.filled(16, 1) };
    const ask = () => alice.api.get(`/v1/identities/${alice.id}/devices`, { signature });
    assert.equal((await ask()).status, 200);
    assert.equal((await ask()).code, 'nonce-replayed');
  });

  test('blobs, the log in pages, look-up by handle and the back-up', async (t) => {
    const { plane, alice, bob } = await cast(t, 'alice', 'bob');
    const room = await alice.createRoom();
    const found = await alice.lookUp('bob');
    assert.deepEqual(found.head, bob.chain.head);
    await room.add(found);
    plane.pageMax = 1;
    const atBob = await bob.joinRoom(room.invite());
    const plain = u.randomBytes(200000);
    const reference = await room.putBlob(plain, { name: 'x' });
    const { wire } = room.seal(room.subject('files'), { content: u.referenceToJson(reference) });
    const { content } = await said(atBob, wire, room.subject('files'));
    const got = await atBob.getBlob(u.referenceFromJson(Buffer.from(content).toString()));
    assert.deepEqual(got, plain);

    assert.equal(await bob.saveBackup([atBob]), 1);
    assert.equal(await bob.saveBackup([atBob], 1), 2);
    const { items } = await bob.loadBackup(2);
    assert.deepEqual(items, atBob.backupItems());
    await assert.rejects(bob.loadBackup(3), withCode('E-BACKUP-OLD'));
    const [{ roomId, seq, head }] = items;
    assert.equal((await bob.joinRoom({ roomId }, { pin: { seq, head } })).isConfirmed, true);
  });

  test('more boxes than one record holds are staged', async (t) => {
    const { alice, plane } = await cast(t, 'alice');
    const room = await alice.createRoom();
    await room.change((draft) => {
      draft.epoch(u.CAUSE.manual);
      const extra = { get: () => 524289 };
      Object.defineProperty(draft, 'storedBytes', extra);
    });
    assert.equal(plane.served.filter((line) => line.includes('/staged/')).length, 1);
    assert.equal(room.state.epoch, 2);
  });
});

describe('a hostile server', () => {
  async function pair(t) {
    const all = await cast(t, 'alice', 'bob');
    const room = await all.alice.createRoom();
    await room.add(all.bob.card);
    const atBob = await all.bob.joinRoom(room.invite());
    return { ...all, room, atBob };
  }

  test('a room by its word alone: nothing is sent before a head is confirmed', async (t) => {
    const { bob, room } = await pair(t);
    const unverified = await bob.joinRoom({ roomId: room.log.roomId });
    assert.throws(() => unverified.seal('x', { content: '' }), withCode('E-HEAD-UNPROVEN'));
    unverified.secrets = new Map(room.secrets);
    assert.equal(await exchangeText(room, unverified, 'confirms'), 'confirms');
    unverified.seal('x', { content: '' });
  });

  test('a shorter log is E-ROLLBACK, for the pin, the invite and the log', async (t) => {
    const { plane, alice, bob, room, atBob } = await pair(t);
    await alice.rotateBox();
    await room.announceDevices();
    await atBob.sync();
    const invite = room.invite();
    const held = plane.rooms.get(room.id);
    held.log = held.log.fork();
    held.log.entries.splice(3);
    held.log.states.splice(3);
    await assert.rejects(atBob.sync(), withCode('E-ROLLBACK'));
    await assert.rejects(bob.joinRoom(invite), withCode('E-ROLLBACK'));
    const { seq, entryHash: head, roomId } = room.state;
    await assert.rejects(bob.joinRoom({ roomId }, { pin: { seq, head } }), withCode('E-ROLLBACK'));
  });

  test('another log under the same heads is E-FORK', async (t) => {
    const { plane, bob, room, atBob } = await pair(t);
    await room.rotate();
    const invite = room.invite();
    await atBob.sync();
    const held = plane.rooms.get(room.id);
    const fork = held.log.fork();
    fork.entries.splice(3);
    fork.states.splice(3);
    held.log = fork;
    room.log = fork.fork();
    await room.setPolicy({ name: 'forked' });
    await assert.rejects(atBob.sync(), withCode('E-FORK'));
    await assert.rejects(bob.joinRoom(invite), withCode('E-FORK'));
  });

  test('two members on two logs notice when they talk', async (t) => {
    const { room, atBob } = await pair(t);
    const fork = room.log.fork();
    await room.setPolicy({ name: 'one' });
    await atBob.sync();
    room.log = fork;
    room.log.append(signedPolicy(room, 'two'));
    const { wire } = room.seal(room.subject('chat'), { content: 'x' });
    await assert.rejects(said(atBob, wire), withCode('E-FORK'));
  });

  test('a head that the server hides is a claim: sending pauses until it is settled', async (t) => {
    const { room, atBob } = await pair(t);
    room.log.append(signedPolicy(room, 'hidden'));
    const { wire } = room.seal(room.subject('chat'), { content: 'x' });
    await assert.rejects(said(atBob, wire), withCode('E-HEAD-UNPROVEN'));
    assert.equal(atBob.reports[0].seq, 3);
    assert.throws(() => atBob.seal('x', { content: '' }), withCode('E-HEAD-UNPROVEN'));
    atBob.trustHead();
    atBob.seal('x', { content: '' });
  });

  function signedPolicy(room, name) {
    const { state } = room;
    const { policy, rotateSecs, rotateMsgs } = state;
    const payload = u.payloadBytes('policy', { policy, rotateSecs, rotateMsgs, name });
    return u.signEntry(room.member.sign, u.entryBody({
      name: 'policy', roomId: state.roomId, seq: state.seq + 1, prev: state.entryHash,
      timeMs: 1, authorPk: room.member.accountPk, kid: room.member.kid, payload,
    }));
  }

  test('an entry of its own ends the log; sending stops with that code', async (t) => {
    const { plane, room, atBob } = await pair(t);
    plane.twist = (name, answer) => {
      if (name === 'readLog' && answer.json.next_seq === null) {
        const body = u.unbase64url(answer.json.items.at(-1).body);
        body[29] += 1; // the next seq
        body.set(room.state.entryHash, 30);
        const sig = u.base64url(u.filled(64, 0));
        answer.json.items.push({ seq: 3, body: u.base64url(body), sig });
      }
      return answer;
    };
    await assert.rejects(atBob.sync(), withCode('E-DUP-MEMBER'));
    assert.deepEqual(atBob.broken, { code: 'E-DUP-MEMBER', seq: 3 });
    assert.throws(() => atBob.seal('x', { content: '' }), withCode('E-DUP-MEMBER'));
  });

  test('device records of its own are not believed', async (t) => {
    const { plane, alice, bob, room } = await pair(t);
    const mallory = Member.create('bob');
    plane.twist = (name, answer) => {
      if (name === 'devices') answer.json.items = mallory.records.map(u.recordToJson);
      return answer;
    };
    await assert.rejects(alice.lookUp('bob'), withCode('E-DEVICE-CHAIN'));
    await assert.rejects(bob.joinRoom(room.invite()), withCode('E-DEVICE-CHAIN'));
  });

  test('two device chains of one account in two rooms are E-DEVICE-FORK', async (t) => {
    const { plane, alice, bob, room } = await pair(t);
    const keys = { ...bob, box: u.boxKeyFromSeed(u.filled(32, 1)) };
    const fork = new Member('bob', keys, bob.chain, [...bob.records]);
    fork.addRecord(fork.ownFields());
    await bob.rotateBox();
    await room.announceDevices(bob.card);
    const held = plane.chains.get(bob.id);
    plane.chains.set(bob.id, { ...held, chain: fork.chain, records: fork.records });
    const other = await alice.createRoom();
    await assert.rejects(other.add(fork.card), withCode('E-DEVICE-FORK'));
    assert.equal(other.state.members.size, 1);
  });

  test('garbage boxes do not displace a good one, and are reported', async (t) => {
    const { plane, bob, room } = await pair(t);
    await room.rotate();
    const box = plane.rooms.get(room.id).boxes.get(`2/${bob.kidHex}`);
    const wrong = u.sealBox(room.log.roomId, 2, { kid: bob.kid, boxPk: bob.box.publicKey },
      u.filled(32, 9));
    box.unshift({ uploader: 'aa'.repeat(16), box: u.base64url(u.filled(141, 1)) });
    box.unshift({ uploader: 'bb'.repeat(16), box: u.base64url(wrong) });
    const atBob = await bob.joinRoom(room.invite());
    assert.deepEqual(atBob.reports.map(({ code, uploader }) => `${code} ${uploader.slice(0, 2)}`),
      ['E-BOX-COMMIT bb', 'E-BOX-OPEN aa']);
    assert.deepEqual(atBob.secrets.get(2), room.secrets.get(2));
  });

  test('an append without a box for somebody is refused: E-BOX-MISSING', async (t) => {
    const { room } = await pair(t);
    await assert.rejects(room.change((draft) => draft.epoch(4).boxes.pop()),
      (error) => error.code === 'box-invalid' && error.rule === 'E-BOX-MISSING');
  });

  test('a blob that was changed is refused before anything is given out', async (t) => {
    const { plane, room } = await pair(t);
    const reference = await room.putBlob(u.utf8('text'));
    plane.blobs.get(reference.blob)[30] ^= 1;
    await assert.rejects(room.getBlob(reference), withCode('E-BLOB-HASH'));
  });
});

describe('on the bus', () => {
  async function two(t) {
    const { plane, alice, bob } = await cast(t, 'alice', 'bob');
    const room = await alice.createRoom();
    await room.add(bob.card);
    const atBob = await bob.joinRoom(room.invite());
    const bus = await FakeBus.start(t);
    const connections = [await alice.bus(bus.to), await bob.bus(bus.to)];
    t.after(() => Promise.all(connections.map((one) => one.close())));
    const [ofAlice, ofBob] = connections;
    return { plane, alice, bob, room, atBob, bus, ofAlice, ofBob };
  }

  test('nkey login: the key of the record, a signature over the nonce', async (t) => {
    const { alice, bus } = await two(t);
    const [{ nkey, sig }] = bus.connects;
    assert.equal(nkey, u.nkeyOf(alice.nats.publicKey));
    assert.ok(u.isSignedBy(alice.nats.publicKey, u.unbase64url(sig), u.utf8(bus.nonce)));
  });

  test('publish, rerouted, redelivered, replayed', async (t) => {
    const { room, atBob, bus, ofAlice, ofBob } = await two(t);
    const stream = atBob.subscribe(ofBob, '>');
    const first = stream.next();
    await ofBob.flush();
    const { nonce } = room.publish(ofAlice, 'chat', { content: 'one' });
    const { value: { msg, said: one } } = await first;
    assert.equal(Buffer.from(one.content).toString(), 'one');
    assert.equal(msg.headers.get('Nats-Msg-Id'), u.base64url(nonce));
    assert.equal(msg.headers.get('Ub-Subject'), room.subject('chat'));

    bus.deliver(bus.published.at(-1));
    assert.equal((await stream.next()).value.refusal.code, 'E-MSG-REPLAY');
    bus.relay = (message) => [{ ...message, subject: room.subject('elsewhere') }];
    room.publish(ofAlice, 'chat', { content: 'two' });
    assert.equal((await stream.next()).value.refusal.code, 'E-MSG-REROUTED');
    bus.relay = (message) => [{ ...message, body: message.body.subarray(0, 200) }];
    room.publish(ofAlice, 'chat', { content: 'three'.repeat(20) });
    assert.equal((await stream.next()).value.refusal.code, 'E-MSG-OPEN');
  });

  test('request and reply: each names the other, on the own inbox', async (t) => {
    const { bob, alice, room, atBob, bus, ofAlice, ofBob } = await two(t);
    const sub = ofBob.subscribe(atBob.subject('rpc'));
    await ofBob.flush();
    const served = (async () => {
      for await (const msg of sub) {
        const asked = await atBob.openMsg(msg);
        atBob.reply(ofBob, msg, asked, { content: 'pong' });
      }
    })();
    const reply = await room.request(ofAlice, 'rpc', { content: 'ping' });
    assert.equal(Buffer.from(reply.content).toString(), 'pong');
    assert.equal(reply.kid, bob.kidHex);
    const inbox = `_INBOX.${u.inboxTokenOf(alice.nats.publicKey)}.`;
    assert.ok(bus.published.at(-1).subject.startsWith(inbox));
    assert.ok(!bus.published.at(-1).head.includes('Ub-Subject'));
    sub.unsubscribe();
    await served;
  });

  test('a request without expiry is refused', async (t) => {
    const { room, atBob, ofBob } = await two(t);
    const { wire } = room.seal(room.subject('rpc'), { content: 'x' });
    const asked = await said(atBob, wire, room.subject('rpc'));
    assert.throws(() => atBob.reply(ofBob, { reply: '_INBOX.x.1' }, asked, { content: '' }),
      withCode('E-EXT'));
  });

  test('no signature over what is not a nonce (4.4)', async (t) => {
    const { alice } = await cast(t, 'alice');
    const labels = ['device', 'room-entry', 'msg-sig', 'enroll'].map((label) =>
      Buffer.from(u.DS(label)).toString('latin1'));
    const others = ['short', 'x'.repeat(65), 'abc def ghi jkl', 'abcdefghijk\n', ''];
    for (const nonce of [...labels, ...others]) {
      const bus = await FakeBus.start(t, { nonce });
      const refused = alice.bus(bus.to, { timeout: 500 });
      await assert.rejects(refused);
      assert.ok(bus.connects.every(({ sig }) => !sig), JSON.stringify(nonce));
    }
    const good = await FakeBus.start(t, { nonce: 'abcdefghijk' });
    await (await alice.bus(good.to)).close();
    assert.ok(good.connects[0].sig);
  });
});
