// SPDX-License-Identifier: Apache-2.0
// What the CLI takes care of: the terminal, damaged or full homes, several processes of one home,
// files that must not be left or replaced.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { busOf, cast, until } from './lib/cast.mjs';
import { Cli } from './lib/cli.mjs';
import { FakeBus } from './lib/fakebus.mjs';
import { Liar } from './lib/liar.mjs';
import { cliMember, listen } from './lib/people.mjs';
import { buildFolder, testEnvironment } from './lib/process.mjs';
import * as u from './lib/ubr1/index.mjs';

/** alice (JS) has a room, bob (CLI) has joined it, through a liar that may be told to lie. */
async function two(t) {
  const { node, alice } = await cast(t, ['alice']);
  const liar = await Liar.start(t, node);
  const bob = await cliMember(t, node, 'bob');
  bob.env.UNIBUS_SERVER = liar.url;
  const room = await alice.createRoom({ name: 'ops' });
  await room.add((await alice.lookUp('bob')));
  await bob.ok(['room', 'join', room.invite()]);
  return { node, alice, liar, bob, room, bus: await busOf(t, alice, node) };
}

/** What a command prints on a terminal. */
async function onTerminal(cli, args) {
  const quoted = [join(buildFolder(), 'unibus'), ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', quoted, '/dev/null'], {
    env: testEnvironment({ HOME: cli.home, UNIBUS_HOME: join(cli.home, '.unibus'), NO_COLOR: '1',
      ...cli.env }), stdio: ['ignore', 'pipe', 'inherit'] });
  const parts = [];
  child.stdout.on('data', (part) => parts.push(part));
  const code = await new Promise((done) => { child.on('close', done); });
  return { code, bytes: Buffer.concat(parts), text: Buffer.concat(parts).toString() };
}

const inHome = (cli, ...names) => join(cli.home, '.unibus', ...names);

describe('a terminal', () => {
  const evil = 'a\u001b[31m\u009b2J\u202eb\u061c\u2066c\u2028d\u0007\ralice #chat: x\nalice #chat: forged';
  const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

  test('is commanded by nobody, and no line is another\'s', async (t) => {
    const { bob, room, bus } = await two(t);
    for (const args of [['sub', 'ops', '--for', '4s'], ['sub', 'ops', '--for', '4s', '--json']]) {
      const shown = onTerminal(bob, args);
      await new Promise((done) => { setTimeout(done, 1500); });
      room.publish(bus, 'chat', { content: evil });
      room.publish(bus, 'chat', { content: Buffer.from([0x61, 0x9b, 0x32, 0x4a]) });
      const { text, bytes } = await shown;
      assert.doesNotMatch(text.replaceAll('\r\n', '\n').replaceAll('\r', '\u0001'), controls);
      assert.ok(!bytes.includes(Buffer.from([0x61, 0x9b])));
      assert.equal(text.split('\n').filter((line) => line.startsWith('alice #chat: forged')).length, 0);
      assert.match(text, /forged/);
    }
  });

  test('sees names of rooms and words of the node without controls', async (t) => {
    const { alice, liar, bob } = await two(t);
    const name = 'x\u202egnp\u2066';
    const room = await alice.createRoom({ name });
    await room.add(await alice.lookUp('bob'));
    const shown = [await onTerminal(bob, ['room', 'join', room.invite()])];
    for (const args of [['room', 'ls'], ['room', 'ls', '--json'], ['room', 'log', room.id],
      ['room', 'log', room.id, '--json']]) {
      shown.push(await onTerminal(bob, args));
    }
    liar.lie(/^GET \/v1\/identities\?/, () => ({ status: 403, json: {
      status: 403, code: 'no\u001b]0;x\u0007', title: 'x', detail: 'line\nunibus: all is well\u009b' } }));
    const refused = await onTerminal(bob, ['identity', 'ls']);
    assert.equal(refused.code, 3);
    assert.doesNotMatch(refused.text, /^unibus: all is well/m);
    for (const { text } of [...shown, refused]) {
      assert.doesNotMatch(text.replaceAll('\r\n', '\n'), controls);
    }
  });

  test('has a progress bar; what is no terminal has none', async (t) => {
    const { bob } = await two(t);
    const file = join(bob.home, 'file');
    await writeFile(file, Buffer.alloc(3e6));
    assert.match((await onTerminal(bob, ['blob', 'put', 'ops', file])).text, /\[#{30}\] 100% 2\.9 MiB/);
    assert.equal((await bob.ok(['blob', 'put', 'ops', file])).stderr, '');
  });
});

describe('a home', () => {
  test('that is damaged stops what would be unsafe without it', async (t) => {
    const { bob, room, bus } = await two(t);
    const heard = await listen(t, bob, 'ops', '--count', '1');
    room.publish(bus, 'chat', { content: 'x' });
    await heard.running.gone;
    await bob.ok(['pub', 'ops', 'chat', 'x']);
    const cases = {
      [`counters/${room.id}.json`]: ['pub', 'ops', 'chat', 'x'],
      [`windows/${room.id}.json`]: ['sub', 'ops', '--for', '100ms'],
      [`rooms/${room.id}.json`]: ['pub', room.id, 'chat', 'x'],
      'config.json': ['info'],
      'identity.json': ['id', 'show'],
    };
    for (const [name, args] of Object.entries(cases)) {
      const good = await readFile(inHome(bob, name));
      for (const bad of ['', '{', '[]', '{"counter":"x","windows":{"00":"A"},"version":1}']) {
        if (['config.json', `rooms/${room.id}.json`].includes(name) && bad.length > 1) continue;
        await writeFile(inHome(bob, name), bad);
        const { code, stderr } = await bob.run(args);
        assert.equal(code, 1, `${name} = ${bad}: ${code} ${stderr}`);
        assert.ok(stderr.includes(name), stderr);
      }
      await writeFile(inHome(bob, name), good);
      await bob.ok(args);
    }
  });

  test('of a newer program is not called damaged', async (t) => {
    const cli = await Cli.create(t);
    await cli.ok(['id', 'new']);
    const file = inHome(cli, 'identity.json');
    const doc = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...doc, version: 2 }));
    const { code, stderr } = await cli.run(['id', 'show']);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /identity\.json has version 2 and this program knows 1\n {2}a newer unibus/);
  });

  test('that is full: nothing is sent, and a message that came is shown', async (t) => {
    if (process.getuid() !== 0) { t.skip('needs root'); return; }
    const { bob, room, bus } = await two(t);
    const small = await mkdtemp(join(tmpdir(), 'ub-full-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=700', 'tmpfs', small], { stdio: 'ignore' });
    } catch { t.skip('cannot mount'); return; }
    t.after(() => execFileSync('umount', ['-l', small]) && rm(small, { recursive: true }));
    execFileSync('cp', ['-r', inHome(bob), join(small, 'home')]);
    const full = new Cli(bob.home, { env: { ...bob.env, UNIBUS_HOME: join(small, 'home') } });
    const heard = await listen(t, full, 'ops', '--count', '1');
    await writeFile(join(small, 'fill'), Buffer.alloc(400e3)).catch(() => {});
    room.publish(bus, 'chat', { content: 'to a full home' });
    await heard.running.gone;
    assert.equal(heard.of('message')[0]?.text, 'to a full home', heard.running.log);
    const own = await listen(t, bob, 'ops', '--for', '5s');
    const { code, stderr } = await full.run(['pub', 'ops', 'chat', 'from it']);
    assert.equal(code, 1);
    assert.match(stderr, /No space left/);
    await own.running.gone;
    assert.deepEqual(own.of('message'), []);
    const left = execFileSync('find', [small, '-name', '.new*']).toString();
    assert.equal(left, '');
  });

  test('of several processes: counters are unique, windows are of all', async (t) => {
    const { bob, room, bus, liar } = await two(t);
    const heard = [];
    bus.subscribe(room.subject('>'), { callback: (error, msg) => heard.push(msg) });
    await bus.flush();
    await Promise.all([1, 2, 3, 4].map(async (n) => {
      for (let i = 0; i < 5; i += 1) await bob.ok(['pub', 'ops', 'chat', `${n} ${i}`]);
    }));
    await until(() => heard.length === 20, '20 messages');
    const counters = heard.map(({ data }) => Buffer.from(data).readBigUInt64BE(24));
    assert.equal(new Set(counters).size, 20);

    const fake = await FakeBus.start(t);
    liar.nats = `nats://127.0.0.1:${fake.to.port}`;
    const listeners = [await listen(t, bob, 'ops', 'one'), await listen(t, bob, 'ops', 'two')];
    const messages = ['one', 'two'].map((channel) => {
      const subject = room.subject(channel);
      const head = Buffer.from(`NATS/1.0\r\nUb-Subject: ${subject}\r\n\r\n`);
      return { subject, head, body: Buffer.from(room.seal(subject, { content: channel }).wire) };
    });
    for (const message of messages) fake.deliver(message);
    for (const { of } of listeners) await until(() => of('message').length === 1, 'heard');
    for (const { running } of listeners) {
      process.kill(running.pid, 'SIGTERM');
      assert.deepEqual((await running.gone).code, 0);
    }
    const again = await listen(t, bob, 'ops');
    for (const message of messages) fake.deliver(message);
    await until(() => again.events().length === 3, 'both judged');
    assert.deepEqual(again.of('rejected').map(({ code }) => code), ['E-MSG-REPLAY', 'E-MSG-REPLAY']);
  });
});

describe('a file that is got', () => {
  test('leaves nothing when it is interrupted, and is not there before it is whole', async (t) => {
    const { bob, liar, room } = await two(t);
    const ref = u.referenceToJson(await room.putBlob(u.randomBytes(2e6)));
    liar.lie(/^GET \/v1\/blobs\//, ({ body }) => ({ stream: (response) => {
      response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': body.length });
      response.write(body.subarray(0, body.length - 1));
    } }));
    const before = await readdir(bob.home);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL']) {
      const running = bob.start(['blob', 'get', 'ops', ref, '-o', 'out']);
      await new Promise((done) => { setTimeout(done, 700); });
      assert.equal(running.exit, null);
      process.kill(running.pid, signal);
      await running.gone;
      assert.deepEqual(await readdir(bob.home), before, signal);
    }
  });

  test('replaces a file when it was named, and never what is no file', async (t) => {
    const { bob, room } = await two(t);
    const reference = await room.putBlob(u.utf8('content'), { name: '../../etc/x' });
    const ref = u.referenceToJson(reference);
    execFileSync('mkfifo', [join(bob.home, 'pipe')]);
    for (const path of ['pipe', '.', '/tmp']) {
      assert.equal((await bob.run(['blob', 'get', 'ops', ref, '-o', path])).code, 2, path);
    }
    assert.ok((await stat(join(bob.home, 'pipe'))).isFIFO());
    await writeFile(join(bob.home, 'out'), 'old');
    await bob.ok(['blob', 'get', 'ops', ref, '-o', 'out']);
    assert.equal(await readFile(join(bob.home, 'out'), 'utf8'), 'content');
    assert.equal((await stat(join(bob.home, 'out'))).mode & 0o777, 0o600);
    const { stdout } = await bob.ok(['blob', 'get', 'ops', ref]);
    assert.match(stdout, new RegExp(reference.blob));
    assert.equal((await bob.run(['blob', 'get', 'ops', ref])).code, 5);
    assert.deepEqual((await readdir(bob.home)).filter((name) => name[0] !== '.').sort(),
      ['out', 'pipe', reference.blob].sort());
  });
});

test('wrong words: exit 2, what was meant', async (t) => {
  const { bob } = await two(t);
  const cases = [
    [['frobnicate', '--help'], /no command "frobnicate"/],
    [['-x'], /no option -x\n/],
    [['pub', 'ops', 'chat', '-5 degrees'], /put -- before it/],
    [['room', 'ls', '--jsn'], /did you mean --json/],
    [['identity', 'add', 'BAD', '-'], /is not a handle/],
    [['identity', 'add', 'good', '-', '--role', 'king'], /no role "king"/],
    [['room', 'new', ''], /needs a name/],
  ];
  for (const [args, pattern] of cases) {
    const { code, stderr } = await bob.run(args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, pattern);
  }
  await bob.ok(['pub', 'ops', 'chat', '--', '-5 degrees']);
  await bob.ok(['room', 'new', 'mine']);
  assert.match((await bob.ok(['room', 'new', 'mine'])).stderr, /another room here/);
  const { json } = await bob.ok(['room', 'new', 'other', '--json']);
  await bob.ok(['room', 'add', json.id, 'alice']);
  assert.equal((await bob.run(['room', 'role', json.id, 'alice', 'writer'])).code, 5);
});
