// SPDX-License-Identifier: Apache-2.0
// What a node, its disk, its logs and the wire get to see of a sealed room: nothing that is said in
// it, and no key. What is visible by design is found, so the search can find.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { busOf, cast, collect, settled, until } from './lib/cast.mjs';
import { contentOf, findForms, formsOf, startRecorder } from './lib/recorder.mjs';
import * as u from './lib/ubr1/index.mjs';

const SAID = 'the quick brown fox meets at dawn by the northern gate';
const ASKED = 'which of the seven lanterns is the one that burns blue';
const ANSWERED = 'it is the third from the left, behind the old cooper';
const FILE = 'ledger of the year: received nine barrels of smoked herring; ';
const FILE_NAME = 'a-very-private-ledger-of-herring.txt';
const ROOM = 'visible-name-of-the-room';
const PLAIN = 'this plain room may be read by the node that serves it';

/** Every secret of a member, by name. */
function secretsOf(member, rooms) {
  const secrets = {
    seed: member.seed, 'account key': member.account.secretKey.slice(0, 32),
    'account seed': member.account.seed, 'back-up key': member.backupKey,
    'recovery key': u.utf8(u.recoveryKey(member.seed)),
    'sign key': member.sign.secretKey.slice(0, 32),
    'NATS key': member.nats.secretKey.slice(0, 32), 'NATS seed': u.utf8(u.nkeySeedOf(member.nats)),
  };
  member.boxKeys.forEach((key, n) => { secrets[`box key ${n}`] = key.secretKey; });
  for (const room of rooms) {
    for (const [epoch, secret] of room.secrets) {
      secrets[`secret of epoch ${epoch}`] = secret;
      secrets[`message key of epoch ${epoch}`] = u.messageKey(secret);
      secrets[`link key of epoch ${epoch}`] = u.linkKey(secret);
    }
  }
  return Object.entries(secrets).map(([name, bytes]) => [`${member.handle}: ${name}`, bytes]);
}

/** Two members through a recorder on both ports, at log level debug. */
async function recorded(t) {
  const all = await cast(t, ['alice', 'bob'], { blocks: { log: { level: 'debug' } } });
  const { node, alice, bob } = all;
  const [http, nats] = [await startRecorder(t, node.http), await startRecorder(t, node.nats)];
  [alice, bob].forEach((member) => member.attach({ host: http.host, port: http.port }));
  const buses = [];
  for (const member of [alice, bob]) buses.push(await busOf(t, member, { nats }));
  return { ...all, http, nats, buses };
}

/** Messages, a request, a blob, a rotation, a removal, a second device: a whole life. */
async function live({ node, admin, alice, bob, buses: [aliceBus, bobBus] }) {
  const room = await alice.createRoom({ name: ROOM });
  await room.add(bob.card);
  const joined = await bob.joinRoom(room.invite());
  const heard = collect(bobBus, joined.subject('>'));
  await settled(bobBus);
  room.publish(aliceBus, 'chat', { content: SAID });
  await until(() => heard.length === 1, 'the message');
  assert.equal(Buffer.from((await joined.openMsg(heard[0])).content).toString(), SAID);
  const answer = room.request(aliceBus, 'ask', { content: ASKED });
  await until(() => heard.length === 2, 'the request');
  joined.reply(bobBus, heard[1], await joined.openMsg(heard[1]), { content: ANSWERED });
  assert.equal(Buffer.from((await answer).content).toString(), ANSWERED);

  const file = u.utf8(FILE.repeat(3000));
  const reference = await room.putBlob(file, { name: FILE_NAME });
  assert.ok(u.equal(await joined.getBlob(reference), file));
  await room.rotate();
  await joined.sync();
  await joined.fetchSecrets();
  await bob.rotateBox();
  await joined.announceDevices();
  await room.sync();
  await room.fetchSecrets();
  const second = await alice.addDevice();
  await room.announceDevices();
  const elsewhere = await second.joinRoom(room.invite());
  await room.remove(bob.accountPk);
  await admin.expect(200, 'GET', `/v1/identities/${bob.id}`);

  const plain = await alice.createRoom({ plain: true });
  aliceBus.publish(plain.subject('chat'), PLAIN);
  await settled(aliceBus);
  assert.equal((await node.client().get('/healthz')).status, 200);
  return { rooms: [room, joined, elsewhere], second, fileKey: reference.key };
}

test('nothing that is said, and no key, reaches disk, wire, log or process table', async (t) => {
  const all = await recorded(t);
  const { node, alice, bob } = all;
  const { rooms, second, fileKey } = await live(all);
  const { pid } = node.process;
  const places = {
    'HTTP, to the node': all.http.sent(), 'HTTP, from the node': all.http.received(),
    'NATS, to the node': all.nats.sent(), 'NATS, from the node': all.nats.received(),
    'command line': await readFile(`/proc/${pid}/cmdline`),
    environment: await readFile(`/proc/${pid}/environ`),
    ...await contentOf(node.state),
  };
  await node.stop();
  const after = await contentOf(node.state);
  for (const [path, bytes] of Object.entries(after)) places[`${path}, stopped`] = bytes;
  places.log = Buffer.from(node.log);
  assert.ok(Object.keys(after).some((path) => path.includes('/blobs/')), 'the blob is on the disk');
  assert.match(node.log, /debug/, 'the log is at level debug');

  const texts = Object.entries({ SAID, ASKED, ANSWERED, FILE, FILE_NAME })
    .map(([name, text]) => [name, u.utf8(text)]);
  const secrets = [...secretsOf(alice, rooms.slice(0, 1)), ...secretsOf(bob, rooms.slice(1, 2)),
    ...secretsOf(second, rooms.slice(2)), ['key of the blob', fileKey]];
  assert.ok(secrets.length > 30, `${secrets.length} secrets`);
  const found = [];
  for (const [place, bytes] of Object.entries(places)) {
    for (const [name, secret] of [...texts, ...secrets]) {
      const forms = findForms(bytes, secret);
      if (forms.length > 0) found.push(`${name} in ${place} as ${forms}`);
    }
  }
  assert.deepEqual(found, []);

  /** What is visible by design: where it must be found, and in which form. */
  const visible = [
    [PLAIN, 'NATS, to the node', 'raw'], [ROOM, 'HTTP, to the node', 'base64url'],
    [alice.sign.publicKey, 'HTTP, from the node', 'base64url'],
    [rooms[0].id, 'NATS, from the node', 'raw'],
  ];
  for (const [what, place, form] of visible) {
    const bytes = typeof what === 'string' ? u.utf8(what) : what;
    assert.ok(findForms(places[place], bytes).includes(form), `control: ${what} in ${place}`);
  }
  const disk = Buffer.concat(Object.values(after));
  for (const shown of [u.utf8(ROOM), alice.accountPk]) {
    assert.ok(findForms(disk, shown).includes('raw'), 'control: on the disk');
  }
});

describe('the search', () => {
  const needle = u.utf8('a secret of thirty-two bytes, so');
  for (const form of Object.keys(formsOf(needle))) {
    test(`control: finds ${form} wherever it begins`, () => {
      for (let offset = 0; offset < 6; offset += 1) {
        const around = Buffer.concat([Buffer.alloc(offset, 0x5a), needle, Buffer.from('zz')]);
        const bytes = Buffer.concat([Buffer.from('x'.repeat(offset)),
          form === 'raw' ? around : Buffer.from(around.toString(form)), Buffer.from('y')]);
        assert.ok(findForms(bytes, needle).includes(form), `${offset}`);
      }
    });
  }
  test('control: finds nothing in noise', () => {
    assert.deepEqual(findForms(Buffer.from(u.randomBytes(100000)), needle), []);
  });
});
