// SPDX-License-Identifier: Apache-2.0
// The CLI against a control plane and a bus that lie: nothing false is believed, the code of what
// is wrong is said, and nothing is sent.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { cast, collect, settled, busOf, until } from './lib/cast.mjs';
import { Cli } from './lib/cli.mjs';
import { Draft } from './lib/draft.mjs';
import { FakeBus } from './lib/fakebus.mjs';
import { Liar, problem } from './lib/liar.mjs';
import * as u from './lib/ubr1/index.mjs';

const UNVERIFIED = 7;

/** A person at the CLI, on the allowlist, whose node is the liar's. */
async function person(t, { admin, liar, handle, helper }) {
  const cli = await Cli.create(t, { env: { UNIBUS_SERVER: liar.url } });
  await cli.ok(['id', 'new']);
  const { json: card } = await cli.ok(['id', 'show', '--json']);
  const json = { handle, role: 'member', device: card.records[0] };
  await admin.expect(201, 'POST', '/v1/identities', { json });
  return { cli, id: card.id, kid: card.kid, card: await helper.lookUp(handle) };
}

/** A node, a liar before it, JS members, and bob at the CLI in a room of alice's. */
async function place(t, { history = 1 } = {}) {
  const { node, admin, ...members } = await cast(t, ['alice', 'carol', 'mallory']);
  const bus = await FakeBus.start(t);
  const liar = await Liar.start(t, node);
  const bob = await person(t, { admin, liar, handle: 'bob', helper: members.alice });
  const room = await members.alice.createRoom({ name: 'ops', history });
  await room.add(bob.card);
  const onFakeBus = () => { liar.nats = `nats://127.0.0.1:${bus.to.port}`; };
  return { node, admin, liar, bus, onFakeBus, bob, room, ...members };
}

/** The same with bob joined by an invite. */
async function joined(t, options) {
  const all = await place(t, options);
  await all.bob.cli.ok(['room', 'join', all.room.invite()]);
  return all;
}

async function refused(cli, args, code, exit = UNVERIFIED) {
  const result = await cli.run(args);
  const what = `unibus ${args.join(' ')}: exit ${result.code}\n${result.stderr}${result.stdout}`;
  assert.equal(result.code, exit, what);
  if (code) assert.ok(result.stderr.includes(code), `${what}: no ${code}`);
  return result;
}

const logOf = ({ id }) => new RegExp(`^GET /v1/rooms/${id}/log`);

/** The liar shows these entries as the room's log. */
function showLog(liar, room, entries) {
  liar.lie(logOf(room), (answer, { url }) => {
    const from = Number(url.searchParams.get('from'));
    if (from > entries.length) return problem(416, 'range', { next_seq: entries.length });
    const items = entries.slice(from).map((entry, n) => ({ seq: from + n, ...u.entryToJson(entry) }));
    const hash = u.hex(u.entryHash(entries.at(-1).body));
    return { status: 200, json: { items, next_seq: null, head: { seq: entries.length - 1, hash } } };
  });
}

/** Entries of a branch that `member` signs on a copy of the log up to `seq`. */
function branch(room, seq, member, build) {
  const log = room.log.fork();
  log.entries.splice(seq + 1);
  log.states.splice(seq + 1);
  const draft = new Draft(member, log, room.secrets);
  build(draft);
  return [...log.entries, ...draft.entries];
}

function policy(draft, name) {
  const { policy: bits, rotateSecs, rotateMsgs } = draft.state;
  draft.add('policy', { policy: bits, rotateSecs, rotateMsgs, name });
}

/** Nobody hears anything of bob while `act` runs. */
async function nothingIsSent(t, { alice, room, node }, act) {
  const bus = await busOf(t, alice, node);
  const heard = collect(bus, room.subject('>'));
  await settled(bus);
  await act();
  await settled(bus);
  assert.equal(heard.length, 0, 'something was sent');
}

const events = (running) => running.stdout.split('\n').filter((line) => line !== '')
  .map((line) => JSON.parse(line));

/** bob listens with --json; gives the running program once it is ready. */
async function listening(t, { cli }, args = []) {
  const running = cli.start(['sub', 'ops', '--json', ...args]);
  t.after(async () => {
    if (running.exit === null) process.kill(running.pid, 'SIGKILL');
    await running.gone;
  });
  await until(() => events(running).length > 0, 'ready', 15000);
  return running;
}

async function next(running, count) {
  return (await until(() => events(running).length >= count && events(running),
    `${count} events\n${running.log}`, 15000)).at(count - 1);
}

async function ended(running) {
  process.kill(running.pid, 'SIGINT');
  return running.exited(15000);
}

test('control: the same proxy without lies changes nothing', async (t) => {
  const all = await joined(t);
  const { alice, bob, room, node } = all;
  const bus = await busOf(t, alice, node);
  const heard = collect(bus, room.subject('>'));
  await settled(bus);
  await bob.cli.ok(['pub', 'ops', 'chat', 'hello']);
  await until(() => heard.length === 1, 'the message');
  assert.equal(Buffer.from((await room.openMsg(heard[0])).content).toString(), 'hello');
  const reference = await room.putBlob(u.utf8('a file'));
  const ref = u.referenceToJson(reference);
  await bob.cli.ok(['blob', 'get', 'ops', ref, '-o', 'out']);
  const { json } = await bob.cli.ok(['room', 'show', 'ops', '--json']);
  assert.deepEqual([json.verified, json.mode, json.seq], [true, 'sealed', room.log.seq]);
  await bob.cli.ok(['room', 'log', 'ops', '--verify']);
  const running = await listening(t, bob);
  room.publish(bus, 'chat', { content: 'and back' });
  assert.equal((await next(running, 2)).text, 'and back');
  assert.equal((await ended(running)).code, 0);
});

describe('the log', () => {
  test('shorter than what was verified is E-ROLLBACK, however it is shown', async (t) => {
    const all = await joined(t);
    const { liar, bob, room } = all;
    await room.rotate();
    await bob.cli.ok(['room', 'show', 'ops']);
    const short = room.log.entries.slice(0, 3);
    const invite = room.invite();
    const ways = {
      'the log cut': () => showLog(liar, room, short),
      'out of range': () => liar.lie(logOf(room), () => problem(416, 'range', { next_seq: 1 })),
      'an empty page': () => liar.lie(logOf(room), () => ({ json: { items: [], next_seq: null } })),
      'no items at all': () => liar.lie(logOf(room), () => ({ json: {} })),
    };
    for (const [what, lie] of Object.entries(ways)) {
      lie();
      await nothingIsSent(t, all, () => refused(bob.cli, ['pub', 'ops', 'chat', what], 'E-ROLLBACK'));
      liar.honest();
    }
    showLog(liar, room, short);
    for (const args of [['room', 'log', 'ops', '--verify'], ['room', 'show', 'ops'],
      ['room', 'rotate', 'ops'], ['room', 'join', invite], ['sub', 'ops', '--for', '1s']]) {
      await refused(bob.cli, args, 'E-ROLLBACK');
    }
    liar.honest();
    await bob.cli.ok(['pub', 'ops', 'chat', 'honest again']);
  });

  test('an invite newer than the log that is shown: E-ROLLBACK, and nothing is kept', async (t) => {
    const { liar, bob, room } = await place(t);
    await room.rotate();
    showLog(liar, room, room.log.entries.slice(0, 3));
    await refused(bob.cli, ['room', 'join', room.invite()], 'E-ROLLBACK');
    assert.equal((await bob.cli.run(['room', 'show', 'ops'])).code, 4, 'a room was kept');
    liar.honest();
    await bob.cli.ok(['room', 'join', room.invite()]);
  });

  test('another entry in a place that was verified is E-FORK', async (t) => {
    const all = await joined(t);
    const { alice, liar, bob, room } = all;
    await room.rotate();
    await bob.cli.ok(['room', 'show', 'ops']);
    const invite = room.invite();
    showLog(liar, room, branch(room, 2, alice, (d) => { policy(d, 'x'); policy(d, 'y'); }));
    await nothingIsSent(t, all, async () => {
      for (const args of [['pub', 'ops', 'chat', 'x'], ['room', 'show', 'ops'],
        ['room', 'log', 'ops', '--verify'], ['room', 'join', invite]]) {
        await refused(bob.cli, args, 'E-FORK');
      }
    });
    liar.honest();
    await bob.cli.ok(['pub', 'ops', 'chat', 'honest again']);
  });

  test('two processes of one home on two logs: the pin of one holds for the other', async (t) => {
    const { node, alice, liar, bob, room } = await joined(t);
    const running = await listening(t, bob);
    const seen = branch(room, room.log.seq, alice, (d) => { policy(d, 'a'); policy(d, 'b'); });
    await room.rotate();
    await bob.cli.ok(['room', 'show', 'ops', '--server', node.url]);
    showLog(liar, room, seen);
    await until(() => /E-FORK/.test(running.stderr), 'the listener says so', 20000);
    await ended(running);
    const { json } = await bob.cli.ok(['room', 'show', 'ops', '--json', '--server', node.url]);
    assert.deepEqual([json.head, json.name], [room.headHex, 'ops']);
  });

  test('an entry with a wrong signature ends it: E-SIG, and sending stops', async (t) => {
    const all = await joined(t);
    const { alice, liar, bob, room } = all;
    const entries = branch(room, room.log.seq, alice, (d) => policy(d, 'evil'));
    const sig = Uint8Array.from(entries.at(-1).sig);
    sig[0] ^= 1;
    const forged = [...room.log.entries, { ...entries.at(-1), sig }];
    showLog(liar, room, forged);
    await nothingIsSent(t, all, async () => {
      for (const args of [['pub', 'ops', 'chat', 'x'], ['room', 'show', 'ops'],
        ['room', 'rotate', 'ops'], ['room', 'log', 'ops', '--verify'],
        ['sub', 'ops', '--for', '1s']]) {
        const { stderr } = await refused(bob.cli, args, '[E-SIG]');
        assert.match(stderr, new RegExp(`entry ${room.log.seq + 1}\\b`));
      }
    });
    liar.honest();
    const { json } = await bob.cli.ok(['room', 'show', 'ops', '--json']);
    assert.deepEqual([json.seq, json.name], [room.log.seq, 'ops']);
  });

  test('the server cannot add a member: his entry is refused', async (t) => {
    const { mallory, liar, bob, room } = await joined(t);
    const { state } = room;
    const body = u.entryBody({
      name: 'add', roomId: state.roomId, seq: state.seq + 1, prev: state.entryHash, timeMs: 1,
      authorPk: mallory.accountPk, kid: mallory.kid,
      payload: u.payloadBytes('add', { role: u.ROLE.owner, ...mallory.card }),
    });
    showLog(liar, room, [...room.log.entries, u.signEntry(mallory.sign, body)]);
    await refused(bob.cli, ['room', 'members', 'ops'], 'E-NOT-MEMBER');
    await refused(bob.cli, ['pub', 'ops', 'chat', 'x'], 'E-NOT-MEMBER');
  });

  test('a listener says what the server shows it', async (t) => {
    const { alice, liar, bob, room } = await joined(t);
    const running = await listening(t, bob);
    showLog(liar, room, room.log.entries.slice(0, 2));
    await until(() => /E-ROLLBACK/.test(running.stderr), 'E-ROLLBACK', 20000);
    liar.honest();
    showLog(liar, room, branch(room, 1, alice, (d) => { policy(d, 'a'); policy(d, 'b'); }));
    await until(() => /E-FORK/.test(running.stderr), 'E-FORK', 20000);
    assert.equal((await ended(running)).code, 0);
  });
});

describe('who is who', () => {
  test('two device chains of one account are E-DEVICE-FORK', async (t) => {
    const { alice, liar, bob, room } = await joined(t);
    await alice.rotateBox();
    await room.announceDevices();
    await bob.cli.ok(['room', 'show', 'ops']);
    const { json } = await bob.cli.ok(['room', 'new', 'mine', '--json']);
    const forked = await fork(alice);
    liar.lie(new RegExp(`^GET /v1/identities/${alice.id}/devices`),
      () => ({ json: { items: forked, head: '00'.repeat(32) } }));
    await refused(bob.cli, ['room', 'add', json.id, 'alice'], 'E-DEVICE-FORK');
    const { json: members } = await bob.cli.ok(['room', 'members', json.id, '--json']);
    assert.deepEqual(members.map(({ handle }) => handle), ['bob']);
    liar.honest();
    await bob.cli.ok(['room', 'add', json.id, 'alice']);
  });

  /** alice's records with another second one, signed by her own account key. */
  async function fork(alice) {
    const first = alice.records[0];
    const chain = u.verifyChain([first], alice.accountPk);
    const box = u.boxKeyFromSeed(u.filled(32, 1));
    const other = u.signRecord({
      seq: 1, prev: chain.head, accountPk: alice.accountPk, timeMs: 1,
      ...alice.ownFields(), boxPk: box.publicKey,
    }, alice.account, { sign: alice.sign, nats: alice.nats });
    return [first, other].map(u.recordToJson);
  }

  test('records of somebody else, or damaged ones, are not taken', async (t) => {
    const { alice, mallory, liar, bob, room } = await place(t);
    const path = new RegExp(`^GET /v1/identities/${alice.id}/devices`);
    const lies = [
      () => ({ json: { items: mallory.records.map(u.recordToJson) } }),
      () => ({ json: { items: [] } }),
      ({ json }) => ({ json: { ...json, items: [{ ...json.items[0], pop: json.items[0].sig }] } }),
      ({ json }) => ({ json: { ...json, items: [{ ...json.items[0], sig: json.items[0].pop }] } }),
    ];
    for (const lie of lies) {
      liar.lie(path, lie);
      await refused(bob.cli, ['room', 'join', room.invite()], '[E-');
      liar.honest();
    }
    await bob.cli.ok(['room', 'join', room.invite()]);
  });

  test('another key for an id, or another handle than was asked for, is refused', async (t) => {
    const { alice, mallory, liar, bob } = await joined(t);
    await bob.cli.ok(['room', 'new', 'mine']);
    const identity = (who) => bob.cli.ok(['identity', 'show', who, '--json']);
    const { json: hers } = await identity('alice');
    const { json: other } = await identity('mallory');
    liar.lie(/^GET \/v1\/identities\/[a-z2-7]{32}$/, () => ({ json: other }));
    await refused(bob.cli, ['room', 'add', 'mine', alice.id]);
    liar.honest();
    liar.lie(/^GET \/v1\/identities\?handle=/,
      () => ({ json: { items: [{ ...hers, account_pk: other.account_pk }], next: null } }));
    await refused(bob.cli, ['room', 'add', 'mine', 'alice']);
    liar.honest();
    liar.lie(/^GET \/v1\/identities\?handle=/, () => ({ json: { items: [other], next: null } }));
    await refused(bob.cli, ['room', 'add', 'mine', 'alice']);
    liar.honest();
    const { json: members } = await bob.cli.ok(['room', 'members', 'mine', '--json']);
    assert.equal(members.length, 1);
    // A handle is the node's word alone: whose key it was is shown, to be compared.
    liar.lie(/^GET \/v1\/identities\?handle=/,
      () => ({ json: { items: [{ ...other, handle: 'alice' }], next: null } }));
    const { stderr } = await bob.cli.ok(['room', 'add', 'mine', 'alice']);
    assert.ok(stderr.replaceAll(' ', '').includes(mallory.id), stderr);
  });

  test('the list of members, and views of entries, are not read', async (t) => {
    const { mallory, liar, bob, room } = await joined(t);
    liar.lie(/\/members$/, ({ json }) => ({ json: { items: [...json.items, {
      id: mallory.id, account_pk: u.base64url(mallory.accountPk), handle: 'mallory', role: 'owner',
      device_head: u.hex(mallory.chain.head) }] } }));
    liar.lie(logOf(room), ({ json }) => ({ json: { ...json, items: json.items.map((item) => ({
      ...item, view: { type: 'add', handle: 'mallory', author: mallory.id } })) } }));
    const { json } = await bob.cli.ok(['room', 'members', 'ops', '--json']);
    assert.deepEqual(json.map(({ handle, role }) => `${handle} ${role}`).sort(),
      ['alice owner', 'bob writer']);
    const { stdout } = await bob.cli.ok(['room', 'log', 'ops', '--verify', '--json']);
    assert.doesNotMatch(stdout, /mallory/);
  });

  test('another cluster behind the address is refused before anything is signed', async (t) => {
    const { liar, bob } = await joined(t);
    liar.lie(/^GET \/v1\/info$/, ({ json }) => ({ json: { ...json, cluster_id: 'ab'.repeat(16) } }));
    const before = liar.served.length;
    for (const args of [['info'], ['room', 'show', 'ops'], ['pub', 'ops', 'chat', 'x']]) {
      await refused(bob.cli, args, 'wrong-cluster');
    }
    assert.deepEqual([...new Set(liar.served.slice(before))], ['GET /v1/info']);
  });

  test('a time far away is not signed, a small one is', async (t) => {
    const { liar, bob } = await joined(t);
    let far = 30 * 86400e3;
    liar.lie(/^GET \/v1\/rooms\?/, () => problem(401, 'clock-skew',
      { server_time_ms: Date.now() + far, skew_seconds: 1 }));
    const { stderr } = await bob.cli.run(['room', 'ls']);
    assert.equal(liar.served.filter((line) => /rooms\?/.test(line)).length, 1, stderr);
    assert.match(stderr, /clock/);
    far = 100e3;
    await bob.cli.run(['room', 'ls']);
    assert.equal(liar.served.filter((line) => /rooms\?/.test(line)).length, 3);
    for (const time of [-(2 ** 63), 2 ** 62, 1e300, 'now']) {
      liar.honest();
      liar.lie(/^GET \/v1\/rooms\?/, () => problem(401, 'clock-skew', { server_time_ms: time }));
      await bob.cli.run(['room', 'ls']);
      liar.lie(/^GET \/v1\/info$/, ({ json }) => ({ json: { ...json, time_ms: time } }));
      const { code, stderr: said } = await bob.cli.run(['info', '--json']);
      assert.ok(code <= 1, `${time}: ${code} ${said}`);
    }
  });
});

describe('the key of an epoch', () => {
  /** What bob is told when the boxes that he gets are these. */
  async function withBoxes(all, make) {
    const { liar, bob } = all;
    const uploader = '11'.repeat(16);
    liar.lie(/^GET \/v1\/rooms\/[^/]+\/epochs\/\d+\/boxes\//, () => (
      { status: 200, json: { items: make().map((box) => ({ uploader, box })) } }));
    const { stderr } = await bob.cli.run(['room', 'join', all.room.invite()]);
    const sent = await bob.cli.run(['pub', 'ops', 'chat', 'x']);
    liar.honest();
    assert.notEqual(sent.code, 0);
    assert.match(sent.stderr, /E-MSG-EPOCH/);
    return stderr;
  }

  test('a box that does not open, of another room, of another secret', async (t) => {
    const all = await place(t);
    const { alice, bob, room } = all;
    const other = await alice.createRoom({ name: 'other' });
    const kid = u.unhex(bob.kid);
    const { boxPk } = bob.card.chain.devices.get(bob.kid);
    const sealed = (roomId, epoch, secret, to = kid) =>
      u.base64url(u.sealBox(roomId, epoch, { kid: to, boxPk }, secret));
    const { roomId } = room.log;
    const secret = room.secrets.get(1);
    const lies = {
      'E-BOX-OPEN': [u.base64url(u.filled(141, 7)), u.base64url(u.filled(3, 7)), 'ä', 5],
      'E-BOX-CONTEXT': [sealed(other.log.roomId, 1, other.secrets.get(1)), sealed(roomId, 2, secret),
        sealed(roomId, 1, secret, alice.kid)],
      'E-BOX-COMMIT': [sealed(roomId, 1, u.filled(32, 9))],
    };
    for (const [code, boxes] of Object.entries(lies)) {
      for (const box of boxes) {
        const said = await withBoxes(all, () => [box]);
        assert.ok(said.includes(code), `${code}: ${said}`);
      }
    }
    await nothingIsSent(t, all, async () => {
      const said = await withBoxes(all, () => Object.values(lies).flat());
      for (const code of Object.keys(lies)) assert.ok(said.includes(code), said);
    });
    await bob.cli.ok(['pub', 'ops', 'chat', 'with the good box']);
  });

  test('garbage before the good box does not displace it', async (t) => {
    const { liar, bob, room } = await place(t);
    liar.lie(/^GET \/v1\/rooms\/[^/]+\/epochs\/\d+\/boxes\//, ({ json }) => ({
      json: { items: [{ uploader: '\u001b[31m', box: u.base64url(u.filled(141, 1)) }, ...json.items] },
    }));
    const { stderr } = await bob.cli.ok(['room', 'join', room.invite()]);
    assert.match(stderr, /E-BOX-OPEN/);
    assert.ok(!stderr.includes('\u001b'));
    await bob.cli.ok(['pub', 'ops', 'chat', 'x']);
  });
});

describe('what a room is', () => {
  test('one that only the server knows: nothing is sent into it', async (t) => {
    const { mallory, liar, bob, room, alice, node } = await joined(t);
    const fake = await mallory.createRoom({ name: 'ops' });
    await fake.add(bob.card);
    const { json: rows } = await bob.cli.ok(['room', 'ls', '--json']);
    assert.equal(rows.find(({ id }) => id === fake.id).verified, false);
    for (const word of ['sealed', 'plain']) {
      liar.lie(/^GET \/v1\/rooms/, ({ json }) => ({ json: json?.items
        ? { ...json, items: json.items.map((item) => ({ mode: word, ...item })) }
        : { ...json, mode: word } }));
      await nothingIsSent(t, { alice: mallory, room: fake, node }, async () => {
        await refused(bob.cli, ['pub', fake.id, 'chat', 'secret'], 'E-HEAD-UNPROVEN');
        await refused(bob.cli, ['blob', 'put', fake.id, '/etc/hostname'], 'E-HEAD-UNPROVEN');
      });
      liar.honest();
    }
    // Its name does not take the place of the room that was joined.
    const { stderr } = await bob.cli.run(['room', 'show', 'ops']);
    assert.doesNotMatch(stderr, /unverified/);
    const heard = collect(await busOf(t, alice, node), room.subject('>'));
    await bob.cli.ok(['pub', room.id, 'chat', 'x']);
    await until(() => heard.length === 1, 'the right room');
    await bob.cli.ok(['room', 'join', fake.invite()]);
    await bob.cli.ok(['pub', fake.id, 'chat', 'by an invite']);
  });

  test('"plain" by the server\'s word: sealed all the same', async (t) => {
    const { liar, bob, bus, onFakeBus, room } = await place(t);
    onFakeBus();
    liar.lie(/^GET \/v1\/rooms/, ({ json }) => ({ json: { ...json, mode: 'plain', encryption: false,
      items: json?.items?.map((item) => ({ ...item, mode: 'plain' })) } }));
    await refused(bob.cli, ['room', 'join', room.invite(), '--plain']);
    await bob.cli.ok(['room', 'join', room.invite()]);
    const { json } = await bob.cli.ok(['room', 'show', 'ops', '--json']);
    assert.equal(json.mode, 'sealed');
    await bob.cli.ok(['pub', 'ops', 'chat', 'a secret']);
    assert.equal(bus.published.length, 1);
    assert.equal(bus.published[0].body.toString('latin1', 0, 3), 'UB\x01');
    assert.ok(!bus.published[0].body.includes('a secret'));
  });

  test('clear text in a sealed room is no message', async (t) => {
    const { bob, bus, onFakeBus, room } = await joined(t);
    onFakeBus();
    const running = await listening(t, bob);
    for (const body of ['hello', '', 'UB\x01', `UB\x01${'\0'.repeat(163)}`]) {
      bus.deliver({ subject: room.subject('chat'), head: Buffer.alloc(0), body: Buffer.from(body) });
    }
    const codes = [2, 3, 4, 5].map((count) => next(running, count).then(({ event, code }) => {
      assert.equal(event, 'rejected');
      return code;
    }));
    assert.deepEqual(await Promise.all(codes), ['E-PARSE', 'E-PARSE', 'E-PARSE', 'E-RANGE']);
  });
});

describe('messages on the bus', () => {
  async function talking(t) {
    const all = await joined(t);
    all.onFakeBus();
    const running = await listening(t, all.bob);
    const post = (content, options) => {
      const subject = all.room.subject('chat');
      const { wire } = all.room.seal(subject, { content, ...options });
      return { subject, head: headOf(subject), body: Buffer.from(wire) };
    };
    return { ...all, running, post };
  }

  const headOf = (subject) => Buffer.from(`NATS/1.0\r\nUb-Subject: ${subject}\r\n\r\n`);

  test('replayed, re-routed, bit-flipped, cut: each is dropped and named', async (t) => {
    const { bob, bus, room, running, post } = await talking(t);
    const first = post('one');
    bus.deliver(first);
    assert.equal((await next(running, 2)).text, 'one');
    const elsewhere = room.subject('orders');
    const flipped = (at) => {
      const body = Buffer.from(post('two').body);
      body[at] ^= 1;
      return body;
    };
    const cases = [
      ['E-MSG-REPLAY', first],
      ['E-MSG-REROUTED', { ...post('two'), subject: elsewhere }],
      ['E-MSG-OPEN', { ...post('two'), subject: elsewhere, head: headOf(elsewhere) }],
      ['E-MSG-OPEN', { ...post('two'), subject: elsewhere, head: Buffer.alloc(0) }],
      ['E-MSG-OPEN', { ...first, body: flipped(70) }],
      ['E-MSG-OPEN', { ...first, body: flipped(31) }], // the counter
      ['E-MSG-OPEN', { ...first, body: flipped(39) }], // the time
      ['E-MSG-OPEN', { ...first, body: flipped(8) }], // the kid
      ['E-PARSE', { ...first, body: post('two').body.subarray(0, 100) }],
      ['E-FLAG', { ...first, body: Buffer.from(post('two').body).fill(0x81, 3, 4) }],
      ['E-LOG-BEHIND', { ...first, body: Buffer.from(post('two').body).fill(9, 7, 8) }],
    ];
    for (const [n, [code, message]] of cases.entries()) {
      bus.deliver(message);
      const event = await next(running, n + 3);
      assert.deepEqual([event.event, event.code], ['rejected', code], JSON.stringify(event));
    }
    bus.deliver(post('three'));
    assert.equal((await next(running, cases.length + 3)).text, 'three');
    assert.equal((await ended(running)).code, 0);

    // The next process of the same home knows what this one has accepted.
    const again = await listening(t, bob);
    bus.deliver(first);
    assert.equal((await next(again, 2)).code, 'E-MSG-REPLAY');
  });

  test('as somebody else, unsigned, or old: dropped', async (t) => {
    const { alice, carol, bus, room, running, post } = await talking(t);
    const subject = room.subject('chat');
    const forged = u.sealMessage({
      state: room.state, secret: room.secrets.get(1), signKey: carol.sign, kid: alice.kid, subject,
      counter: 100, timeMs: Date.now(),
    }, { content: u.utf8('as alice') });
    const stranger = u.sealMessage({
      state: room.state, secret: room.secrets.get(1), signKey: carol.sign, kid: carol.kid, subject,
      counter: 100, timeMs: Date.now(),
    }, { content: u.utf8('as carol') });
    const cases = [
      ['E-MSG-SIG', { subject, head: headOf(subject), body: Buffer.from(forged.wire) }],
      ['E-KID-UNKNOWN', { subject, head: headOf(subject), body: Buffer.from(stranger.wire) }],
      ['E-MSG-UNSIGNED', post('x', { unsigned: true })],
      ['E-MSG-LATE', post('x', { timeMs: Date.now() - 400e3 })],
      ['E-MSG-LATE', post('x', { timeMs: Date.now() + 400e3 })],
    ];
    for (const [n, [code, message]] of cases.entries()) {
      bus.deliver(message);
      const event = await next(running, n + 2);
      assert.deepEqual([event.event, event.code], ['rejected', code]);
    }
  });

  test('a head that the server hides stops sending; a forked one is E-FORK', async (t) => {
    const { liar, bus, alice, bob, room, running, post } = await talking(t);
    const shown = [...room.log.entries];
    showLog(liar, room, shown);
    const fork = branch(room, room.log.seq, alice, (d) => { policy(d, 'a'); policy(d, 'b'); });
    await room.setPolicy({ name: 'ops' });
    bus.deliver(post('from a newer head'));
    assert.equal((await next(running, 2)).code, 'E-HEAD-UNPROVEN');
    await refused(bob.cli, ['pub', 'ops', 'chat', 'x'], 'E-HEAD-UNPROVEN', 3);
    // What the server then shows is not what alice has signed.
    liar.honest();
    showLog(liar, room, fork);
    await refused(bob.cli, ['pub', 'ops', 'chat', 'x'], 'E-FORK', 3);
    bus.deliver(post('again'));
    const heard = await next(running, 3);
    assert.equal(heard.code, 'E-FORK');
    await ended(running);
  });

  test('a hidden head that is shown later opens sending again, also of a large message',
    async (t) => {
      const { liar, bus, bob, room, running, post } = await talking(t);
      showLog(liar, room, [...room.log.entries]);
      await room.setPolicy({ name: 'ops' });
      bus.deliver(post('x'.repeat(100e3)));
      assert.equal((await next(running, 2)).code, 'E-HEAD-UNPROVEN');
      await refused(bob.cli, ['pub', 'ops', 'chat', 'x'], 'E-HEAD-UNPROVEN', 3);
      liar.honest();
      await bob.cli.ok(['pub', 'ops', 'chat', 'x']);
    });

  test('subjects that are no text still give JSON', async (t) => {
    const { bus, room, running } = await talking(t);
    const { socket, sid } = [...bus.subs][0];
    socket.write(Buffer.concat([Buffer.from(`MSG ${room.subject('a')}`), Buffer.from([0xff, 0x9b]),
      Buffer.from(` ${sid} 2\r\nhi\r\n`)]));
    assert.equal((await next(running, 2)).event, 'rejected');
  });
});

describe('a blob', () => {
  test('with other bytes is E-BLOB-HASH, and nothing stands at the output', async (t) => {
    const { liar, bob, room } = await joined(t);
    const plain = u.randomBytes(200e3);
    const reference = await room.putBlob(plain);
    const ref = u.referenceToJson(reference);
    const other = await room.putBlob(u.randomBytes(200e3));
    const otherBytes = (await room.member.api.expect(200, 'GET', `/v1/blobs/${other.blob}`)).body;
    const flip = (at) => ({ body }) => {
      const bytes = Buffer.from(body);
      bytes[at < 0 ? bytes.length + at : at] ^= 1;
      return { body: bytes };
    };
    const lies = {
      'a flipped header': ['E-BLOB-HASH', flip(0)],
      'a flipped first chunk': ['E-BLOB-', flip(30)],
      'a flipped last byte': ['E-BLOB-', flip(-1)],
      'another blob': ['E-BLOB-', () => ({ body: otherBytes })],
      'cut short': ['E-BLOB-', ({ body }) => ({ body: body.subarray(0, 70000) })],
      'one byte more': ['E-BLOB-SIZE', ({ body }) => ({ body: Buffer.concat([body, Buffer.alloc(1)]) })],
      nothing: ['E-BLOB-', () => ({ body: Buffer.alloc(0) })],
    };
    const before = (await readdir(bob.cli.home)).sort();
    for (const [what, [code, lie]] of Object.entries(lies)) {
      liar.lie(/^GET \/v1\/blobs\//, lie);
      await refused(bob.cli, ['blob', 'get', 'ops', ref, '-o', 'out'], code);
      await refused(bob.cli, ['blob', 'get', 'ops', ref], code);
      liar.honest();
      assert.deepEqual((await readdir(bob.cli.home)).sort(), before, what);
    }
    await bob.cli.ok(['blob', 'get', 'ops', ref, '-o', 'out']);
  });

  test('that does not end is not read to its end', async (t) => {
    const { liar, bob, room } = await joined(t);
    const reference = await room.putBlob(u.utf8('small'));
    let sent = 0;
    liar.lie(/^GET \/v1\/blobs\//, () => ({ stream: (response) => {
      response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
      const more = () => {
        while (!response.destroyed && sent < 256e6 && response.write(Buffer.alloc(65536))) sent += 65536;
        if (sent >= 256e6) response.end();
      };
      response.on('drain', more);
      more();
    } }));
    await refused(bob.cli, ['blob', 'get', 'ops', u.referenceToJson(reference)], 'E-BLOB-SIZE');
    assert.ok(sent < 64e6, `${sent} bytes were taken`);
  });
});

describe('a bus that asks for signatures', () => {
  /** A server that says INFO with these bytes as nonce, and what it is sent. */
  async function asking(t, nonce) {
    const heard = [];
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        heard.push(bytes);
        if (bytes.includes('PING')) socket.write('PONG\r\n');
      });
      socket.write(Buffer.concat([
        Buffer.from('INFO {"server_id":"X","version":"2.11.0","proto":1,"headers":true,'
          + '"max_payload":1048576,"auth_required":true,"nonce":"'),
        nonce, Buffer.from('"}\r\n')]));
    });
    await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
    t.after(() => new Promise((done) => { server.close(done); }));
    const said = () => Buffer.concat(heard).toString('latin1');
    return { url: `nats://127.0.0.1:${server.address().port}`, said };
  }

  test('gets none over what is no nonce', async (t) => {
    const { liar, bob } = await joined(t);
    const raw = (text) => Buffer.from(text, 'latin1');
    const label = Buffer.from(u.DS('room-entry'));
    const nonces = {
      'a label as it is signed': label,
      'a label as text': Buffer.from(label.toString('latin1')),
      'a label, escaped': raw('\\u00ffunibus/1/room-entry\\u0000abcdefghijk'),
      'the label without its ends': raw('unibus/1/room-entry'),
      'binary': Buffer.from(Array.from({ length: 32 }, (_, n) => 128 + n)),
      'too long': raw('x'.repeat(65)),
      'far too long': raw('x'.repeat(100000)),
      'too short': raw('x'.repeat(10)),
      'a blank in it': raw('abcdefg hijklmnop'),
      'a line end in it': raw('abcdefghijk\\n'),
      'a signature base': raw('\\"@method\\": DELETE'),
    };
    for (const [what, nonce] of Object.entries(nonces)) {
      const bus = await asking(t, nonce);
      liar.nats = bus.url;
      for (const args of [['pub', 'ops', 'chat', 'x'], ['sub', 'ops', '--for', '1s']]) {
        const { code, stderr } = await bob.cli.run(args);
        assert.notEqual(code, 0, what);
        assert.notEqual(stderr, '', what);
      }
      assert.doesNotMatch(bus.said(), /"sig"\s*:\s*"[^"]/, what);
      assert.doesNotMatch(bus.said(), /PUB /, what);
    }
    const good = await asking(t, raw('abcdefghijk'));
    liar.nats = good.url;
    await bob.cli.ok(['pub', 'ops', 'chat', 'x']);
    assert.match(good.said(), /"sig"\s*:\s*"[^"]/);
  });
});

describe('answers that are no answers', () => {
  const routes = {
    '^GET /v1/info$': ['info', '--json'],
    '^GET /v1/rooms\\?': ['room', 'ls', '--json'],
    '/log\\?': ['room', 'log', 'ops', '--verify'],
    '/devices$': ['room', 'add', 'mine', 'carol'],
    '^GET /v1/identities\\?handle': ['identity', 'show', 'carol'],
    '^GET /v1/identities\\?limit': ['identity', 'ls'],
    '/permissions$': ['room', 'permissions', 'ops'],
    '^POST /v1/rooms$': ['room', 'new', 'another', '--json'],
  };
  const garbage = ['', 'null', '[]', '"text"', '{', '<html>', '{"items":{}}', '{"items":[null,5]}',
    '{"items":[{"body":5,"sig":null}]}', '{"items":[{"body":"AA","sig":"AA"}],"next":"x y\\r\\nz"}',
    `{"items":${'['.repeat(100000)}`, '{"items":[],"items":[]}',
    '{"cluster_id":"a\\r\\nX: y","nonce_epoch":"b","time_ms":-9223372036854775808}',
    '{"roles":{"reader":[{"actions":"x","subject":7}]}}', '{"id":"\\u0000"}',
    '{"next":"aaaaaaaa","items":[]}'];

  for (const [route, args] of Object.entries(routes)) {
    test(`${route} as garbage: an exit code, no crash`, async (t) => {
      const { liar, bob } = await joined(t);
      await bob.cli.ok(['room', 'new', 'mine']);
      for (const text of garbage) {
        for (const status of [200, 500]) {
          let served = 0;
          liar.lie(new RegExp(route), () => {
            served += 1;
            return served > 20 ? problem(503, 'store-away')
              : { status, json: undefined, body: Buffer.from(text) };
          });
          const { code, signal } = await bob.cli.run(args);
          const what = `${text.slice(0, 60)} (${status}): ${code} ${signal}`;
          assert.ok([0, 1, 2, 3, 4, 5, 6, 7, 124].includes(code), what);
          if (status === 500 && route !== '^GET /v1/rooms\\?') assert.notEqual(code, 0, what);
          liar.honest();
        }
      }
      await bob.cli.ok(['pub', 'ops', 'chat', join('still', 'good')]);
    });
  }
});
