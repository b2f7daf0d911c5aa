// SPDX-License-Identifier: Apache-2.0
// unibus-nats-server as those use it who have nats-server: its flags, its configuration, its lines, its signals, and
// stock clients.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { nkeyAuthenticator, nkeys, tokenAuthenticator, usernamePasswordAuthenticator } from '@nats-io/transport-node';
import { collect, settled, until } from './lib/cast.mjs';
import { Front, runFront } from './lib/front.mjs';

const WORKER_BCRYPT = '$2b$10$abcdefghijklmnopqrstuuW9uBXubNOjTsPrqlgGV5sHmkruzBguq'; // "worker-pw"
const LINE = /^\[\d+\] \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{6} \[(INF|WRN|ERR|DBG)\] .+$/;
const password = (name, word) => ({ authenticator: usernamePasswordAuthenticator(name, word) });

async function folder(t, files) {
  const dir = await mkdtemp(join(tmpdir(), 'ub-front-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  return dir;
}

async function roundTrip(bus, subject = 'a.b') {
  const sub = bus.subscribe(subject, { callback: (_, msg) => msg.respond(msg.data) });
  assert.equal((await bus.request(subject, 'x', { timeout: 2000 })).string(), 'x');
  sub.unsubscribe();
}

describe('without a configuration', () => {
  test('anybody publishes, subscribes and asks; lines, ports and pid are nats-server\'s', async (t) => {
    const front = await Front.start(t, { args: ['-P', 'pid', '-n', 'alpha'] });
    const bus = await front.connect(t, { user: 'who', pass: 'ever' });
    assert.equal(bus.info.server_name, 'alpha');
    await roundTrip(bus, 'ub.r.x'); // no rooms here: a subject like any other
    const heard = collect(bus, '>');
    bus.publish('ub.r.x', 'y');
    await settled(bus);
    assert.deepEqual(heard.map((msg) => msg.subject), ['ub.r.x']);
    assert.equal(await readFile(join(front.dir, 'pid'), 'utf8'), String(front.process.pid));
    assert.match(front.url, /^nats:\/\/127\.0\.0\.1:\d+$/);
    const address = front.url.slice('nats://'.length);
    assert.ok(front.log.includes(`[INF] Listening for client connections on ${address}\n`), front.log);
    for (const line of front.log.trimEnd().split('\n')) assert.match(line, LINE);
    assert.equal(front.log.includes('[WRN] whoever'), false, 'loopback is nobody else\'s');
  });

  for (const signal of ['SIGTERM', 'SIGINT']) {
    test(`${signal} ends it with 0, and the ports file goes`, async (t) => {
      const front = await Front.start(t);
      const bus = await front.connect(t);
      assert.deepEqual(await front.stop(signal), { code: 0, signal: null });
      await bus.closed();
      assert.match(front.log, /\[INF\] Initiating Shutdown\.\.\.\n.*\[INF\] Server Exiting\.\.\n$/s);
      assert.equal(existsSync(front.portsFile), false);
    });
  }

  test('on all addresses it warns; the ports file names each of them; ports are taken by one only', async (t) => {
    const front = await Front.start(t, { args: ['-a', '0.0.0.0'] });
    assert.match(front.log, /\[WRN\] whoever reaches this address/);
    assert.ok(front.ports.nats.some((url) => url.startsWith('nats://127.0.0.1:')), JSON.stringify(front.ports));
    const port = front.url.split(':').at(-1);
    const second = await runFront(['-p', port]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /cannot listen on 0\.0\.0\.0:\d+: Address already in use/);
  });
});

describe('flags', () => {
  test('-m serves monitoring, which the ports file names', async (t) => {
    const front = await Front.start(t, { args: ['-m', '-1'] });
    const [url] = front.ports.monitoring;
    assert.ok(front.log.includes(`[INF] Starting http monitor on ${url.slice('http://'.length)}\n`), front.log);
    const varz = await (await fetch(`${url}/varz`)).json();
    assert.equal(varz.port, Number(front.url.split(':').at(-1)));
  });

  test('users and tokens', async (t) => {
    const front = await Front.start(t, { args: ['--user', 'ann', '--pass=the-password-of-ann'] });
    await roundTrip(await front.connect(t, password('ann', 'the-password-of-ann')));
    await assert.rejects(front.connect(t, password('ann', 'the-password')), /authorization violation/i);
    await assert.rejects(front.connect(t), /authorization violation/i);
    const other = await Front.start(t, { args: ['-auth', 'tok'] });
    await roundTrip(await other.connect(t, { authenticator: tokenAuthenticator('tok') }));
    await assert.rejects(other.connect(t), /authorization violation/i);
    assert.match(other.log, /\[WRN\] Plaintext passwords detected, use nkeys or bcrypt/);
    assert.equal(front.log.includes('the-password'), false, 'a password is in the log');
  });

  test('-v, -h, and what is wrong', async (t) => {
    const dir = await folder(t, {});
    const version = await runFront(['-v']);
    assert.match(version.stdout, /^nats-server: v\d+\.\d+\.\d+ \(unibus \d/);
    const help = await runFront(['--help']);
    assert.equal(help.code, 0);
    for (const flag of ['--ports_file_dir DIR', '-a, --addr, --net HOST', '-sl, --signal COMMAND[=PID]']) {
      assert.ok(help.stdout.includes(flag), help.stdout);
    }
    for (const [args, code, words] of [
      [['--bogus'], 2, /unknown option "--bogus"/], [['go'], 2, /unknown command "go"/],
      [['-p'], 2, /-p needs a value/], [['-p', 'x'], 1, /the command line: "x" is no port/],
      [['-ms', '1'], 2, /-ms is not supported: .*-m on a loopback/], [['-t'], 1, /name it with -c/],
      [['-c', 'nope.conf'], 1, /nope\.conf cannot be read: No such file/],
      [['--signal', 'dance=1'], 1, /unknown signal "dance"/], [['--signal', 'term=x'], 1, /"x" is no process id/],
      [['--signal', 'reload=999999999'], 1, /No such process/],
      [['-a', '127.0.0.1', '-p', '-1', '-P', 'no/such/pid'], 1, /cannot write the pid file/],
      [['-a', '127.0.0.1', '-p', '-1', '--ports_file_dir', 'no'], 1, /cannot write the ports file/],
      [['-a', '127.0.0.1', '-p', '-1', '-l', 'no/such/log'], 1, /cannot open the log file/],
    ]) {
      const ran = await runFront(args, { cwd: dir });
      assert.equal(ran.code, code, `${args}: ${ran.stderr}`);
      assert.match(ran.stderr, words);
    }
  });
});

describe('a nats.conf', () => {
  const CONF = (nkey) => `
# what people have
include "who.conf"
server_name: "front"
max_payload: 64k
authorization {
  timeout: 1
  default_permissions { publish: "open.>", subscribe: ["open.>", "_INBOX.>"] }
  users = [
    { user: ann, password: $ANN, permissions: { publish: ">", subscribe: ">" } }
    { user: worker, password: "${WORKER_BCRYPT}", permissions: $WORKER }
    { nkey: ${nkey} }
  ]
}
`;
  const WHO = `WORKER {
    publish: { allow: "a.>", deny: ["a.secret"] }
    subscribe: { allow: ["b.*", "q.> workers"] }
    allow_responses: { max: 1, expires: "1m" }
  }`;

  test('logs in by password, hash and nkey; permissions, limits and variables mean what they mean there', async (t) => {
    const key = nkeys.createUser();
    const front = await Front.start(t, { conf: CONF(key.getPublicKey()), files: { 'who.conf': WHO }, env: { ANN: 'the-password-of-ann' } });
    const ann = await front.connect(t, password('ann', 'the-password-of-ann'));
    assert.equal(ann.info.max_payload, 64000);
    assert.equal(ann.info.server_name, 'front');
    const worker = await front.connect(t, password('worker', 'worker-pw'));
    const plain = await front.connect(t, { authenticator: nkeyAuthenticator(key.getSeed()) });
    const heard = collect(ann, '>');
    const errors = [];
    (async () => { for await (const s of worker.status()) if (s.type === 'error') errors.push(s.error.message); })();
    await settled(ann);
    worker.publish('a.x');
    worker.publish('a.secret');
    plain.publish('open.x');
    plain.publish('closed.x');
    await settled(worker);
    await settled(plain);
    await until(() => heard.length === 2 && errors.length === 1, 'what is allowed comes, what is not is refused');
    assert.deepEqual(heard.map((msg) => msg.subject).sort(), ['a.x', 'open.x']);
    assert.match(errors[0], /Permissions Violation for Publish to "a\.secret"/);
    worker.subscribe('q.>', { queue: 'workers', callback: (_, msg) => msg.respond('done') });
    await settled(worker);
    assert.equal((await ann.request('q.1')).string(), 'done');
    await assert.rejects(front.connect(t, password('ann', '$ANN')), /authorization violation/i);
    assert.ok(!front.log.includes(WORKER_BCRYPT) && !front.log.includes('the-password'), 'a secret is in the log');
  });

  test('one account and the system\'s; no_auth_user', async (t) => {
    const front = await Front.start(t, { conf: `
accounts {
  APP { users: [ { user: app, password: a }, { user: guest, password: g, permissions: { publish: "g.>" } } ] }
  "$SYS" { users: [ { user: admin, password: s } ] }
}
no_auth_user: guest` });
    const app = await front.connect(t, password('app', 'a'));
    const admin = await front.connect(t, password('admin', 's'));
    const guest = await front.connect(t);
    const heard = collect(app, '>');
    await settled(app);
    admin.publish('app.x');
    admin.publish('$SYS.x');
    guest.publish('g.1');
    guest.publish('app.y');
    await settled(admin);
    await settled(guest);
    await until(() => heard.length === 1, 'accounts are apart');
    assert.equal(heard[0].subject, 'g.1');
  });

  test('-t: every fault at once with its place, or that it is valid', async (t) => {
    const bad = 'listen: "127.0.0.1:-1"\nfoo: 1\nmax_paylod: 5\nmax_control_line: 9m\ncluster {}\n'
      + 'authorization { users = [ {user: a, password: secret1}, {user: a, password: secret2} ] }\n';
    const dir = await folder(t, {
      'bad.conf': bad, 'good.conf': 'jetstream: enabled\nauthorization { token: t }', 'broken.conf': 'a: 1\nport: [1 2\n',
      'who.conf': bad.replace('foo', 'bar'), 'outer.conf': 'include "who.conf"',
    });
    const ran = await runFront(['-c', 'bad.conf', '-t'], { cwd: dir });
    assert.equal(ran.code, 1);
    const lines = ran.stderr.trimEnd().split('\n');
    for (const start of [
      'bad.conf:2:1: unknown field "foo"', 'bad.conf:3:1: unknown field "max_paylod" (did you mean "max_payload"?)',
      'bad.conf:4: module "nats": max_control_line = 9000000 is too large', 'bad.conf:5:1: cluster is not supported: ',
      'bad.conf:6: module "users": users[2]: has the same name as users[1] on line 6', '5 errors, nothing was started.',
    ]) assert.ok(lines.some((line) => line.startsWith(start)), `${start}\n${ran.stderr}`);
    assert.equal(lines.length, 6, ran.stderr);
    assert.equal(/secret[12]/.test(ran.stderr), false);
    const good = await runFront(['-c', 'good.conf', '-t'], { cwd: dir });
    assert.equal(good.code, 0);
    assert.match(good.stderr, /good\.conf:1:1: jetstream is accepted and has no effect.*configuration file good\.conf is valid\n$/s);
    const broken = await runFront(['-c', 'broken.conf', '-t'], { cwd: dir });
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /^broken\.conf:2:10: ",", a new line or "\]" is expected/);
    const outer = await runFront(['-c', 'outer.conf'], { cwd: dir });
    assert.equal(outer.code, 1);
    assert.match(outer.stderr, /^who\.conf:2:1: unknown field "bar"/);
  });
});

describe('signals', () => {
  const CONF = (permissions, level = 'no') => `debug: ${level}
authorization { users = [ { user: a, password: p, permissions: ${permissions} }, { user: b, password: p } ] }`;

  test('HUP changes the rights of open connections; a faulty file changes nothing', async (t) => {
    const front = await Front.start(t, { conf: CONF('{ subscribe: ">" }') });
    const [a, b] = [await front.connect(t, password('a', 'p')), await front.connect(t, password('b', 'p'))];
    const errors = [];
    (async () => { for await (const s of a.status()) if (s.type === 'error') errors.push(s.error.message); })();
    const heard = collect(a, 'x.>');
    await settled(a);
    await writeFile(front.conf, CONF('{ subscribe: "y" }', 'yes'));
    front.signal('SIGHUP');
    await until(() => errors.some((text) => /Permissions Violation for Subscription to "x\.>"/.test(text)), 'dropped');
    await front.waitLog(/\[INF\] Reloaded server configuration: /);
    b.publish('x.1');
    await settled(b);
    await settled(a);
    assert.equal(heard.filter((msg) => msg?.subject === 'x.1').length, 0);
    await writeFile(front.conf, `${CONF('{ subscribe: ">" }')}\nfoo: 1`);
    front.signal('SIGHUP');
    await front.waitLog(/\[ERR\] \S*nats\.conf:3: unknown field "foo"\n.*\[ERR\] Failed to reload server configuration/s);
    a.subscribe('x.2', { callback: () => {} });
    await until(() => errors.some((text) => /"x\.2"/.test(text)), 'the old rights are in force');
    assert.equal(a.isClosed() || b.isClosed(), false);
    await writeFile(front.conf, 'port: -1'); // from users to none: what a running server cannot become
    front.signal('SIGHUP');
    await front.waitLog(/Failed to reload server configuration: .*\n.*Failed/s);
    await roundTrip(b);
  });

  test('USR2 sends clients away and then ends it with 0', async (t) => {
    const front = await Front.start(t, {
      conf: 'client_advertise: "front.example:4222"\nlame_duck_duration: "600ms"\nlame_duck_grace_period: "100ms"' });
    const bus = await front.connect(t);
    assert.deepEqual(bus.info.connect_urls, ['front.example:4222']);
    const seen = [];
    (async () => { for await (const s of bus.status()) seen.push(s.type); })();
    assert.equal((await runFront([`--signal=ldm=${front.process.pid}`])).code, 0);
    await bus.closed();
    assert.deepEqual(await front.process.exited(8000), { code: 0, signal: null });
    assert.ok(seen.includes('ldm'), seen.join());
    assert.match(front.log, /Entering lame duck mode, stop accepting new clients\n/);
  });

  test('USR1 opens the log again; --signal finds the process by pid and by file', async (t) => {
    const front = await Front.start(t, { args: ['-P', 'pid'] });
    const log = join(front.dir, 'log');
    const other = await Front.start(t, { log });
    const read = () => readFile(log, 'utf8').catch(() => '');
    await rename(log, `${log}.1`);
    assert.equal((await runFront(['--signal', `reopen=${other.process.pid}`])).code, 0);
    await other.waitLog(/File log re-opened/, read);
    assert.match(await readFile(`${log}.1`, 'utf8'), /Server is ready/);
    assert.equal((await runFront(['-sl', `reload=${join(front.dir, 'pid')}`])).code, 0);
    await front.waitLog(/Reloaded server configuration/);
    assert.equal((await runFront([`--signal=quit=${other.process.pid}`])).code, 0);
    assert.deepEqual(await other.process.exited(8000), { code: 0, signal: null });
    assert.match(await read(), /Server Exiting\.\./);
  });
});
