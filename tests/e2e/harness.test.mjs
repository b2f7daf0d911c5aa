// SPDX-License-Identifier: Apache-2.0
// The harness itself, on a stand-in for the programs: what it starts, how it stops, and that it
// fails a test when it must.
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cli, jsonOf } from './lib/cli.mjs';
import { HttpClient } from './lib/http.mjs';
import { lua, luaConfig } from './lib/lua.mjs';
import { freePort, Node, startNode } from './lib/node.mjs';
import { sanitizerReport } from './lib/process.mjs';
import { exchange, parseAnswers, RawConnection } from './lib/raw.mjs';

const DAEMON = `
const { mkdirSync, readFileSync, rmSync } = require('node:fs');
const http = require('node:http');
const config = readFileSync(process.argv[process.argv.indexOf('-c') + 1], 'utf8');
const port = Number(/module "http" .*127\\.0\\.0\\.1:(\\d+)/.exec(config)[1]);
const { FAKE_EXIT = '0', FAKE_PRINT = '', FAKE_DEAF } = process.env;
let asked = 0;
const serve = (request, response) => {
  asked += 1;
  response.statusCode = asked < 3 ? 503 : 200;
  response.end(asked < 3 ? 'waiting for a store' : JSON.stringify({
    url: request.url, cwd: process.cwd(), headers: request.rawHeaders }));
};
mkdirSync('local_files', { recursive: true });
rmSync('local_files/admin.sock', { force: true });
http.createServer(serve).listen(port, '127.0.0.1', () => console.log('listening'));
http.createServer(serve).listen('local_files/admin.sock');
console.error(FAKE_PRINT);
process.on('SIGTERM', () => { if (!FAKE_DEAF) process.exit(Number(FAKE_EXIT)); });
`;

const CLI = `
const { HOME, UNIBUS_HOME, FAKE_PRINT = '' } = process.env;
let stdin = '';
process.stdin.on('data', (part) => { stdin += part; });
process.stdin.on('end', () => {
  console.log(JSON.stringify({ HOME, UNIBUS_HOME, args: process.argv.slice(2), stdin }));
  console.error(FAKE_PRINT);
  process.exitCode = process.argv.includes('--fail') ? 3 : 0;
});
`;

let build;
let given;

before(async () => {
  build = await mkdtemp(join(tmpdir(), 'ub-build-'));
  for (const [name, text] of [['membershipd', DAEMON], ['unibus', CLI]]) {
    await writeFile(join(build, name), `#!${process.execPath}\n${text}`);
    await chmod(join(build, name), 0o755);
  }
  given = process.env.UNIBUS_BUILD;
  process.env.UNIBUS_BUILD = build;
});

after(async () => {
  if (given === undefined) delete process.env.UNIBUS_BUILD;
  else process.env.UNIBUS_BUILD = given;
  await rm(build, { recursive: true });
});

describe('a node', () => {
  test('starts, waits for /readyz, answers on both listeners, stops with 0', async (t) => {
    const node = await startNode(t, { name: 'beta' });
    const answer = await node.client().get('/v1/x?a=%20b');
    const seen = JSON.parse(answer.text);
    assert.equal(seen.url, '/v1/x?a=%20b');
    assert.equal(seen.cwd, node.dir);
    assert.equal((await node.admin().get('/v1/identities')).status, 200);
    const config = await readFile(node.config, 'utf8');
    assert.match(config, /node \{ name = "beta", state = "local_files" \}/);
    assert.match(config, new RegExp(`module "nats" \\{ listen = "127.0.0.1:${node.natsPort}" \\}`));
    await node.waitLog(/listening/);
  });

  test('keeps its ports and its folder over a restart and a kill', async (t) => {
    const node = await startNode(t);
    const { httpPort, dir } = node;
    await node.restart();
    await node.kill();
    await node.up();
    assert.deepEqual([node.httpPort, node.dir], [httpPort, dir]);
    assert.equal(node.log.match(/listening/g).length, 3);
  });

  test('modules may be changed or left out', async (t) => {
    const node = await startNode(t, {
      posture: 'dev',
      modules: ({ http, membership }, { natsPort }) =>
        ({ http, membership, nats: { listen: `127.0.0.1:${natsPort}`, auth: 'off' } }),
      extra: '-- the end',
    });
    const config = await readFile(node.config, 'utf8');
    assert.doesNotMatch(config, /kv-sqlite" \{/);
    assert.match(config, /auth = "off"/);
    assert.match(config, /-- the end/);
  });

  async function stopFails(options, pattern, stop) {
    const node = await startNode(null, options);
    try {
      await assert.rejects(node.stop(stop), pattern);
    } finally {
      await rm(node.dir, { recursive: true });
    }
  }

  test('control: a sanitizer report fails the stop', () => stopFails(
    { env: { FAKE_PRINT: '==1==ERROR: AddressSanitizer: heap-use-after-free' } },
    /sanitizer report[^]*heap-use-after-free/));
  test('control: an exit code fails the stop', () =>
    stopFails({ env: { FAKE_EXIT: '1' } }, /exit of membershipd/));
  test('control: a node that does not stop fails, and is gone', () =>
    stopFails({ env: { FAKE_DEAF: '1' } }, /did not stop/, { timeoutMs: 300 }));
  test('an expected exit code is no failure', async () => {
    const node = await startNode(null, { env: { FAKE_EXIT: '7' } });
    await node.stop({ expectCode: 7 });
    await rm(node.dir, { recursive: true });
  });

  test('control: a node that ends at once is reported with its log', async () => {
    const node = new Node({ config: () => 'nothing' });
    await node.prepare();
    await assert.rejects(node.up(), /not ready: it ended with[^]*TypeError/);
    await node.kill();
    await rm(node.dir, { recursive: true });
  });

  test('control: a build that is not there is named', async () => {
    process.env.UNIBUS_BUILD = '/nonexistent';
    try {
      const node = new Node({});
      await node.prepare();
      await assert.rejects(node.up(), /\/nonexistent\/membershipd does not exist/);
      await rm(node.dir, { recursive: true });
    } finally {
      process.env.UNIBUS_BUILD = build;
    }
  });
});

test('what counts as a sanitizer report', () => {
  for (const line of [
    '==12==ERROR: AddressSanitizer: SEGV', '==3==ERROR: LeakSanitizer: detected memory leaks',
    'WARNING: ThreadSanitizer: data race', 'core/loop.c:12:5: runtime error: signed overflow',
  ]) {
    assert.ok(sanitizerReport(`before\n${line}\nafter`).startsWith(line));
  }
  assert.equal(sanitizerReport('policy.lua:3: runtime error in on_connect'), null);
});

test('Lua config from objects', () => {
  const text = luaConfig({
    blocks: { node: { name: 'a"\\\n' } },
    modules: {
      http: { listen: ['127.0.0.1:1', '[::1]:2'], body_max: 5, tls: { 'a-b': true } },
      x: { key: lua('secret "f"'), absent: undefined },
      left_out: null,
    },
  });
  assert.equal(text, [
    'unibus "1"', 'node { name = "a\\"\\\\\\n" }',
    'module "http" { listen = { "127.0.0.1:1", "[::1]:2" }, body_max = 5, '
      + 'tls = { ["a-b"] = true } }',
    'module "x" { key = secret "f" }', '', '',
  ].join('\n'));
});

describe('the CLI', () => {
  test('has a home of its own and gives code, output and JSON', async (t) => {
    const [alice, bob] = [await Cli.create(t), await Cli.create(t)];
    const { code, json } = await alice.run(['room', 'ls', '--json'], { stdin: 'in' });
    assert.equal(code, 0);
    assert.deepEqual(json, {
      HOME: alice.home, UNIBUS_HOME: join(alice.home, '.unibus'), args: ['room', 'ls', '--json'],
      stdin: 'in',
    });
    assert.notEqual(alice.home, bob.home);
    assert.equal((await bob.run(['--fail'], { stdin: '' })).code, 3);
    await assert.rejects(bob.ok(['--fail'], { stdin: '' }), /exit 3/);
  });

  test('control: a sanitizer report throws', async (t) => {
    const cli = await Cli.create(t, { env: { FAKE_PRINT: 'a.c:1:2: runtime error: x' } });
    await assert.rejects(cli.run(['x'], { stdin: '' }), /sanitizer report/);
  });

  test('JSON and JSON lines', () => {
    assert.deepEqual(jsonOf('{"a":1}\n{"a":2}\n'), [{ a: 1 }, { a: 2 }]);
    assert.deepEqual(jsonOf('[1]'), [1]);
    assert.equal(jsonOf('HANDLE  ROLE'), null);
    assert.equal(jsonOf(''), null);
  });
});

describe('raw connections', () => {
  async function serve(t, onSocket) {
    const server = net.createServer(onSocket);
    await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
    t.after(() => server.close());
    return { port: server.address().port };
  }

  test('bytes go and come unchanged; an end, a reset and a silence are told apart', async (t) => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
    const echo = await serve(t, (socket) => socket.on('data', (part) => socket.end(part)));
    const echoed = await exchange(echo, all);
    assert.deepEqual(echoed.bytes, all);
    assert.equal(echoed.ended, 'end');
    const reset = await serve(t, (socket) => socket.once('data', () => socket.resetAndDestroy()));
    assert.equal((await exchange(reset, 'x')).ended, 'reset');
    const deaf = await serve(t, (socket) => socket.on('error', () => {}));
    assert.equal((await exchange(deaf, ['x', 'y'], { timeoutMs: 100, pauseMs: 5 })).ended, null);
  });

  test('waits for text, and says what came instead', async (t) => {
    const to = await serve(t, (socket) => {
      socket.on('error', () => {});
      socket.write('INFO {}\r\n');
      socket.on('data', () => socket.write('PONG\r\n'));
    });
    const connection = await RawConnection.open(to);
    await connection.expectText('INFO');
    const from = connection.text.length;
    await connection.send('PING\r\n');
    await connection.expectText('PONG\r\n', { from });
    await assert.rejects(connection.expectText('+OK', { timeoutMs: 50 }), /did not come.*INFO/);
    connection.close();
  });

  test('a port where nobody listens is an error', async () => {
    const port = await freePort();
    await assert.rejects(RawConnection.open({ port }), { code: 'ECONNREFUSED' });
    await assert.rejects(new HttpClient({ port }).get('/'), { code: 'ECONNREFUSED' });
  });

  test('answers are taken apart by their length', () => {
    const one = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    const two = 'HTTP/1.1 400 Bad Request\r\n\r\n';
    assert.deepEqual(parseAnswers(one + two).map(({ status, body }) => [status, body]),
      [[200, 'ok'], [400, '']]);
  });
});

test('an answer that does not come in time is an error', async (t) => {
  const server = net.createServer((socket) => socket.on('error', () => {}));
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  t.after(() => server.close());
  const client = new HttpClient({ port: server.address().port });
  await assert.rejects(client.get('/x', { timeoutMs: 50 }), /no answer within 50 ms/);
});
