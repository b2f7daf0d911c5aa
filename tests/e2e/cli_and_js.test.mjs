// SPDX-License-Identifier: Apache-2.0
// The CLI in C and the member in JavaScript, two implementations of UBR1, in rooms of each other.
import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { busOf, collect, settled, until } from './lib/cast.mjs';
import { cliMember, listen, newRoom, people } from './lib/people.mjs';
import * as u from './lib/ubr1/index.mjs';

const textOf = (said) => Buffer.from(said.content).toString();

describe('a room that C made', () => {
  async function made(t) {
    const all = await people(t);
    const { carol, alice, node } = all;
    const { id } = await newRoom(carol, 'ops');
    const { invite } = (await carol.ok(['room', 'add', 'ops', 'alice', '--json'])).json;
    const joined = await alice.joinRoom(invite);
    return { ...all, id, joined, bus: await busOf(t, alice, node) };
  }

  test('is verified by JS, entry by entry', async (t) => {
    const { carol, joined, id } = await made(t);
    assert.equal(joined.id, id);
    assert.equal(joined.state.name, 'ops');
    const { json: log } = await carol.ok(['room', 'log', 'ops', '--verify', '--json']);
    assert.deepEqual(log.map(({ hash }) => hash),
      joined.log.states.map(({ entryHash }) => u.hex(entryHash)));
    assert.deepEqual(log.map(({ type }) => type), ['create', 'epoch', 'add']);
    const { json: members } = await carol.ok(['room', 'members', 'ops', '--json']);
    assert.deepEqual(members.map(({ handle, role }) => `${handle}: ${role}`).sort(),
      ['alice: writer', 'carol: owner']);
  });

  test('carries what C says to JS, and what JS says to C', async (t) => {
    const { carol, joined, bus } = await made(t);
    const heard = collect(bus, joined.subject('>'));
    await settled(bus);
    const said = ['hello', 'Grüße, 世界', '', 'x'.repeat(100000)];
    for (const text of said) await carol.ok(['pub', 'ops', 'chat', '-'], { stdin: text });
    await carol.ok(['pub', 'ops', 'a.b', '{"n":1}', '--type', 'application/json']);
    await until(() => heard.length === said.length + 1, 'all of it');
    for (const [n, text] of said.entries()) {
      assert.equal(textOf(await joined.openMsg(heard[n])), text);
    }
    assert.equal(heard.at(-1).subject, joined.subject('a.b'));
    assert.equal(textOf(await joined.openMsg(heard.at(-1))), '{"n":1}');

    const ear = await listen(t, carol, 'ops');
    joined.publish(bus, 'chat', { content: 'from JS' });
    joined.publish(bus, 'raw', { content: Uint8Array.of(0xff, 0, 0xfe) });
    joined.publish(bus, 'chat', { content: 'padded', isPadded: true });
    await until(() => ear.of('message').length === 3, 'C hears');
    const [first, bytes, padded] = ear.of('message');
    assert.deepEqual([first.text, first.channel, first.from.handle, first.from.kid],
      ['from JS', 'chat', 'alice', joined.member.kidHex]);
    assert.deepEqual([bytes.text, Buffer.from(bytes.base64, 'base64')],
      [undefined, Buffer.from([0xff, 0, 0xfe])]);
    assert.equal(padded.text, 'padded');
  });

  test('rejects what is forged: C names it and goes on', async (t) => {
    const { carol, joined, bus } = await made(t);
    const ear = await listen(t, carol, 'ops');
    const good = joined.publish(bus, 'chat', { content: 'once' });
    const subject = joined.subject('chat');
    const bent = Buffer.from(joined.seal(subject, { content: 'bent' }).wire);
    bent[bent.length - 1] ^= 1;
    const elsewhere = joined.seal(joined.subject('other'), { content: 'moved' }).wire;
    for (const wire of [good.wire, bent, elsewhere]) bus.publish(subject, Buffer.from(wire));
    joined.publish(bus, 'chat', { content: 'last' });
    await until(() => ear.of('message').length === 2 && ear.of('rejected').length === 3, 'judged');
    assert.deepEqual(ear.of('message').map(({ text }) => text), ['once', 'last']);
    for (const { code } of ear.of('rejected')) assert.match(code, /^E-[A-Z-]+$/);
  });

  test('blobs both ways; a wrong key or address gives no file', async (t) => {
    const { carol, joined, bus } = await made(t);
    const heard = collect(bus, joined.subject('files'));
    await settled(bus);
    const plain = Buffer.from(u.randomBytes(200000));
    const source = join(carol.home, 'photo.raw');
    await writeFile(source, plain);
    const { json: reference } = await carol.ok(['blob', 'put', 'ops', source, '--json']);
    const mine = u.referenceFromJson(JSON.stringify(reference));
    assert.ok(u.equal(await joined.getBlob(mine), plain));
    const posted = await until(() => heard[0], 'the reference is posted');
    const { blob } = u.referenceFromJson(textOf(await joined.openMsg(posted)));
    assert.equal(blob, reference.blob);

    const his = u.referenceToJson(await joined.putBlob(new Uint8Array(plain), { name: 'x.raw' }));
    const text = typeof his === 'string' ? his : JSON.stringify(his);
    const out = join(carol.home, 'out.raw');
    await carol.ok(['blob', 'get', 'ops', text, '-o', out]);
    assert.deepEqual(await readFile(out), plain);
    const other = JSON.parse(text);
    const bad = [
      [{ ...other, key: Buffer.alloc(32).toString('base64url') }, 7],
      [{ ...other, size: other.size - 1 }, 7],
      [{ ...other, blob: `b2-${'0'.repeat(64)}` }, 4],
    ];
    for (const [given, code] of bad) {
      const path = join(carol.home, 'never');
      const run = await carol.run(['blob', 'get', 'ops', '-', '-o', path],
        { stdin: JSON.stringify(given) });
      assert.equal(run.code, code, `${JSON.stringify(given)}\n${run.stderr}`);
      assert.equal(await stat(path).catch(() => null), null, 'no file');
    }
  });

  test('removal by C cuts JS on its open connection', async (t) => {
    const { carol, joined, bus } = await made(t);
    const heard = collect(bus, joined.subject('>'));
    await settled(bus);
    await carol.ok(['pub', 'ops', 'chat', 'before']);
    await until(() => heard.length === 1, 'the control');
    await carol.ok(['room', 'remove', 'ops', 'alice']);
    await until(() => heard.some((one) => one instanceof Error), 'the refusal');
    await carol.ok(['pub', 'ops', 'chat', 'after']);
    await settled(bus);
    assert.equal(heard.filter((one) => !(one instanceof Error)).length, 1);
    assert.equal(bus.isClosed(), false);
  });

  test('rotation, roles and leaving are understood by JS', async (t) => {
    const { carol, joined, bus } = await made(t);
    const epoch = async () => { await joined.sync(); return joined.state.epoch; };
    await carol.ok(['room', 'rotate', 'ops']);
    assert.equal(await epoch(), 2);
    await joined.fetchSecrets();
    const heard = collect(bus, joined.subject('chat'));
    await settled(bus);
    await carol.ok(['pub', 'ops', 'chat', 'in epoch 2']);
    await until(() => heard.length === 1, 'a message');
    const said = await joined.openMsg(heard[0]);
    assert.deepEqual([said.epoch, textOf(said)], [2, 'in epoch 2']);
    await carol.ok(['room', 'role', 'ops', 'alice', 'owner']);
    await joined.sync();
    assert.equal(joined.state.member(joined.member.accountPk).role, u.ROLE.owner);
    await carol.ok(['room', 'leave', 'ops']);
    await joined.sync();
    assert.equal(joined.state.members.size, 1);
    assert.equal(joined.state.stale, true, 'somebody must re-key');
    await joined.rotate(u.CAUSE.removed);
    joined.publish(bus, 'chat', { content: 'alone' });
    assert.deepEqual((await carol.run(['pub', 'ops', 'chat', 'ghost'])).code > 0, true);
  });
});

describe('a room that JS made', () => {
  async function made(t) {
    const all = await people(t);
    const { alice, carol, node } = all;
    const room = await alice.createRoom({ name: 'theirs' });
    await room.add(await alice.lookUp('carol'));
    return { ...all, room, bus: await busOf(t, alice, node), carol };
  }

  test('is joined by C with its invite, and verified', async (t) => {
    const { carol, room } = await made(t);
    const { json } = await carol.ok(['room', 'join', room.invite(), '--json']);
    assert.deepEqual([json.id, json.verified, json.role, json.epoch, json.has_key],
      [room.id, true, 'writer', 1, true]);
    assert.equal(json.head, room.headHex);
    const { json: log } = await carol.ok(['room', 'log', 'theirs', '--verify', '--json']);
    assert.deepEqual(log.map(({ hash }) => hash),
      room.log.states.map(({ entryHash }) => u.hex(entryHash)));
  });

  test('is refused by C when the invite does not fit, and nothing is pinned', async (t) => {
    const { carol, room } = await made(t);
    const invite = room.invite();
    const other = invite.replace(/h=(\d+)\.(..)/, (all, seq, two) =>
      `h=${seq}.${two === 'ab' ? 'cd' : 'ab'}`);
    const founder = invite.replace(/f=(.)/, (all, c) => `f=${c === 'a' ? 'b' : 'a'}`);
    for (const [text, code] of [[other, 7], [founder, 7], ['unibus:room/1/nonsense', 2]]) {
      const run = await carol.run(['room', 'join', text]);
      assert.ok(run.code === code || (code === 2 && run.code === 7), `${run.code} ${run.stderr}`);
    }
    const { json } = await carol.ok(['room', 'ls', '--json']);
    assert.ok(json.every(({ verified }) => verified !== true), JSON.stringify(json));
  });

  test('is unverified without an invite, and C sends nothing into it', async (t) => {
    const { carol, room, bus } = await made(t);
    const heard = collect(bus, room.subject('>'));
    await settled(bus);
    const [listed] = (await carol.ok(['room', 'ls', '--json'])).json;
    assert.deepEqual([listed.id, listed.verified], [room.id, false]);
    const run = await carol.run(['pub', room.id, 'chat', 'hello']);
    assert.notEqual(run.code, 0);
    assert.match(run.stderr, /E-HEAD-UNPROVEN|unverified/);
    await settled(bus);
    assert.equal(heard.length, 0);
    await carol.ok(['room', 'join', room.invite()]);
    await carol.ok(['pub', room.id, 'chat', 'hello']);
    await until(() => heard.length === 1, 'control: after joining it does');
  });

  test('removal by JS cuts the sub of C, whose process stays', async (t) => {
    const { carol, room, bus } = await made(t);
    await carol.ok(['room', 'join', room.invite()]);
    const ear = await listen(t, carol, 'theirs', '--for', '60s');
    room.publish(bus, 'chat', { content: 'before' });
    await until(() => ear.of('message').length === 1, 'the control');
    await room.remove(u.unbase64url(carol.card.account_pk));
    const [refused] = await until(() => ear.of('refused').length > 0 && ear.of('refused'), 'told');
    assert.match(refused.text, /Permissions Violation for Subscription to "ub\.r\./);
    room.publish(bus, 'chat', { content: 'after' });
    await settled(bus);
    await new Promise((done) => { setTimeout(done, 200); });
    assert.equal(ear.running.exit, null, 'the process stays');
    assert.equal(ear.of('message').length, 1);
  });

  test('changes of JS are followed by C by itself', async (t) => {
    const { carol, room, bus } = await made(t);
    await carol.ok(['room', 'join', room.invite()]);
    const ear = await listen(t, carol, 'theirs');
    await room.rotate();
    room.publish(bus, 'chat', { content: 'in epoch 2' });
    const message = await until(() => ear.of('message')[0], 'C hears');
    assert.deepEqual([message.text, message.epoch], ['in epoch 2', 2]);
    const heard = collect(bus, room.subject('chat'));
    await settled(bus);
    await carol.ok(['pub', 'theirs', 'chat', 'me too']);
    await until(() => heard.length === 1, 'JS hears');
    assert.equal((await room.openMsg(heard[0])).epoch, 2);
    await carol.ok(['room', 'leave', 'theirs']);
    await room.sync();
    assert.equal(room.state.members.size, 1);
  });

  test('plain only when the user of C says so', async (t) => {
    const { carol, alice, node } = await people(t);
    const dave = await cliMember(t, node, 'dave');
    const room = await alice.createRoom({ plain: true, name: 'open' });
    for (const { handle } of [carol, dave]) await room.add(await alice.lookUp(handle));
    const bus = await busOf(t, alice, node);
    const heard = collect(bus, room.subject('>'));
    await settled(bus);
    await dave.run(['room', 'join', room.invite()]);
    assert.notEqual((await dave.run(['pub', room.id, 'chat', 'not in the clear'])).code, 0);
    const sealedWay = await carol.run(['room', 'join', room.invite()]);
    assert.equal(sealedWay.code, 7, 'not encrypted, and nobody said so');
    assert.match(sealedWay.stderr, /join it with --plain/);
    await carol.ok(['room', 'join', room.invite(), '--plain']);
    await carol.ok(['pub', room.id, 'chat', 'in the clear']);
    await until(() => heard.length === 1, 'a message');
    assert.equal(heard[0].string(), 'in the clear');
    const sealed = await alice.createRoom();
    await sealed.add(await alice.lookUp('carol'));
    const run = await carol.run(['room', 'join', sealed.invite(), '--plain']);
    assert.equal(run.code, 7, `a sealed room does not become plain: ${run.stderr}`);
  });
});
