// SPDX-License-Identifier: Apache-2.0
// TLS as the stock npm client and the openssl command meet it: modes, certificates of clients, IPv6, a new certificate
// under traffic, and what the posture says of a listener.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import tls from 'node:tls';
import { describe, test } from 'node:test';
import { connect, usernamePasswordAuthenticator } from '@nats-io/transport-node';
import { collect, settled, until } from './lib/cast.mjs';
import { makeCa, makeCert } from './lib/certs.mjs';
import { Cli } from './lib/cli.mjs';
import { lua } from './lib/lua.mjs';
import { Node } from './lib/node.mjs';
import { CRLF, greeted } from './lib/wire.mjs';

const USERS = [
  { user: 'alice', password: lua('secret "alice.pw"') },
  { cert_subject: 'CN=worker,O=Plant', name: 'worker', permissions: { publish: { allow: ['done.>'] } } },
];

/** A node with users whose `nats` has these settings of TLS; its folder has all certificates. */
async function nodeWithTls(t, settings, { up = true, listen, posture } = {}) {
  const node = new Node({
    posture,
    modules: (defaults, { natsPort }) => ({
      ...defaults,
      users: { users: USERS },
      nats: {
        listen: listen?.(natsPort) ?? `127.0.0.1:${natsPort}`,
        tls: { mode: 'upgrade', cert: 'node.crt', key: lua('secret "node.key"'), ...settings },
      },
    }),
  });
  t.after(() => node.dispose());
  await node.prepare();
  await writeFile(join(node.dir, 'alice.pw'), 'alice-pw\n', { mode: 0o600 });
  await makeCa(node.dir, 'ca');
  await makeCert(node.dir, 'node', 'ca');
  node.path = (name) => join(node.dir, name);
  if (up) await node.up();
  return node;
}

/** The stock client; its options of TLS beside the CA, or null: in clear, also where TLS is available. */
async function login(t, node, tlsOptions = {}, options = {}) {
  const bus = await connect({
    servers: `127.0.0.1:${node.natsPort}`,
    reconnect: false,
    timeout: 5000,
    authenticator: usernamePasswordAuthenticator('alice', 'alice-pw'),
    tls: tlsOptions === null ? null : { caFile: node.path('ca.crt'), ...tlsOptions },
    ...options,
  });
  t.after(() => bus.close());
  return bus;
}

/** Messages of all sizes arrive whole. */
async function talks(bus) {
  const heard = collect(bus, 'talk.>');
  const bodies = [0, 5, 16384, 70000, 1000000].map((size) => Buffer.alloc(size, `${size} `));
  for (const body of bodies) bus.publish('talk.a', body);
  await until(() => heard.length === bodies.length, 'all messages');
  bodies.forEach((body, i) => assert.ok(body.equals(Buffer.from(heard[i].data)), `${body.length} bytes`));
}

/** The CN that the server shows in a handshake before INFO. */
function shownCn(node, host = '127.0.0.1') {
  return new Promise((done, fail) => {
    const socket = tls.connect({ host, port: node.natsPort, rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', fail);
  });
}

/** What `openssl s_client` prints: `input` goes in, the connection is held until `pattern` came out. */
function sClient(node, args, input, pattern) {
  return new Promise((done, fail) => {
    const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${node.natsPort}`,
      '-CAfile', node.path('ca.crt'), '-verify_return_error', '-ign_eof', ...args]);
    const timer = setTimeout(() => child.kill(), 10000);
    let out = '';
    const take = (chunk) => {
      out += chunk;
      if (pattern.test(out)) child.kill();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', fail);
    child.on('close', () => { clearTimeout(timer); done(out); });
    child.stdin.on('error', () => {});
    child.stdin.write(input);
  });
}

describe('modes', () => {
  test('upgrade: INFO in clear, then TLS; a client that knows no CA does not come in', async (t) => {
    const node = await nodeWithTls(t, {});
    const { connection, info } = await greeted(node);
    assert.equal(info.tls_required, true);
    assert.equal(info.tls_verify, undefined);
    connection.close();
    await talks(await login(t, node));
    await assert.rejects(login(t, node, { caFile: undefined }), /certificate|self.signed|unable to verify/i);
    await connectInClear(t, node, /Secure Connection - TLS Required/);
  });

  test('first: TLS before INFO', async (t) => {
    const node = await nodeWithTls(t, { mode: 'first' });
    await talks(await login(t, node, { handshakeFirst: true }));
    await assert.rejects(login(t, node, {}, { timeout: 500 }));
  });

  test('auto: both on one port, and the openssl command with 1.2 and 1.3', async (t) => {
    const node = await nodeWithTls(t, { mode: 'auto' });
    await talks(await login(t, node, { handshakeFirst: true }));
    await talks(await login(t, node));
    const hello = `CONNECT {"verbose":false,"user":"alice","pass":"alice-pw"}${CRLF}PING${CRLF}`;
    for (const version of ['1_2', '1_3']) {
      const said = await sClient(node, [`-tls${version}`], hello, /PONG/);
      assert.match(said, /PONG\r\n/, said);
      assert.match(said, new RegExp(`TLSv${version.replace('_', '.')}`));
    }
    const old = await sClient(node, ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'], hello, /PONG/);
    assert.doesNotMatch(old, /PONG/);
  });

  test('plain = "loopback": clients of this machine go on in clear, others with TLS', async (t) => {
    const node = await nodeWithTls(t, { mode: 'auto', plain: 'loopback' });
    const { connection, info } = await greeted(node);
    assert.deepEqual([info.tls_required, info.tls_available], [undefined, true]);
    connection.close();
    await talks(await login(t, node, null));
    await talks(await login(t, node, { handshakeFirst: true }));
  });
});

async function connectInClear(t, node, pattern) {
  const { connection } = await greeted(node);
  t.after(() => connection.close());
  await connection.send(`CONNECT {"user":"alice","pass":"alice-pw"}${CRLF}`);
  await connection.waitFor(({ text }) => pattern.test(text), 5000);
}

test('IPv4 and IPv6 listeners in one list', async (t) => {
  const node = await nodeWithTls(t, { mode: 'auto' }, {
    listen: (port) => [`0.0.0.0:${port}`, `[::]:${port}`],
  });
  assert.equal(await shownCn(node, '127.0.0.1'), 'node');
  assert.equal(await shownCn(node, '::1'), 'node');
  await talks(await login(t, node, {}, { servers: `[::1]:${node.natsPort}` }));
  const { posture } = (await node.client().expect(200, 'GET', '/healthz')).json;
  assert.deepEqual([posture.level, posture.tls], ['enforce', 'on']);
  const details = (await node.admin().expect(200, 'GET', '/healthz')).json;
  assert.deepEqual(details.listeners.filter((one) => one.module === 'nats').map((one) => one.tls), [true, true]);
});

test('posture "enforce" refuses a listener off loopback without TLS for all', async (t) => {
  for (const settings of [{ mode: 'off', cert: undefined, key: undefined }, { mode: 'auto', plain: 'all' }]) {
    const node = await nodeWithTls(t, settings, {
      up: false, listen: (port) => [`127.0.0.1:${port}`, `0.0.0.0:${port + 1}`],
    });
    await assert.rejects(node.up(), /E-POSTURE-003|without TLS/);
    node.process = null;
  }
});

test('a client\'s certificate is a user: its subject, its permissions; no other certificate comes in', async (t) => {
  const node = await nodeWithTls(t, { mode: 'auto', verify: 'require', ca: 'ca.crt' });
  await makeCert(node.dir, 'worker', 'ca', '/O=Plant/CN=worker');
  await makeCert(node.dir, 'nobody', 'ca', '/O=Plant/CN=nobody');
  await makeCa(node.dir, 'other');
  await makeCert(node.dir, 'forged', 'other', '/O=Plant/CN=worker');
  const by = (name, more) => ({ certFile: node.path(`${name}.crt`), keyFile: node.path(`${name}.key`), ...more });
  const asCert = (name, more) => login(t, node, by(name, more), { authenticator: undefined });
  const { connection, info } = await greeted(node);
  assert.equal(info.tls_verify, true);
  connection.close();
  for (const more of [{}, { handshakeFirst: true }]) {
    const worker = await asCert('worker', more);
    const heard = collect(worker, '>');
    worker.publish('done.a');
    worker.publish('other.a');
    await until(() => heard.length > 0, 'a message');
    await settled(worker);
    assert.deepEqual(heard.map((msg) => msg.subject ?? msg.message), ['done.a']);
  }
  await assert.rejects(asCert('nobody'), /authorization violation/i);
  await settled(await login(t, node, by('nobody'))); // the certificate and alice's password
  await assert.rejects(asCert('forged'));
  await assert.rejects(login(t, node, {}));
  await until(() => /peer did not return a certificate/.test(node.log), 'the refusal in the log');
});

test('a new certificate under traffic: nobody is dropped, nothing is lost, a broken one is refused', async (t) => {
  const node = await nodeWithTls(t, { mode: 'auto' });
  await makeCert(node.dir, 'next', 'ca');
  const reader = await login(t, node);
  const writer = await login(t, node, { handshakeFirst: true });
  const heard = collect(reader, 't');
  await settled(reader);
  let sent = 0;
  const timer = setInterval(() => { for (let i = 0; i < 50; i += 1) writer.publish('t', String(sent++)); }, 1);
  t.after(() => clearInterval(timer));
  assert.equal(await shownCn(node), 'node');
  await copyFile(node.path('next.crt'), node.path('node.crt'));
  node.reload(); // the key is still the old one
  await node.waitLog(/reload-refused/);
  assert.match(node.log, /tls\.key is not the key of tls\.cert/);
  assert.match(node.log, /E-NATS-TLS/);
  assert.equal(await shownCn(node), 'node');
  await copyFile(node.path('next.key'), node.path('node.key'));
  node.reload();
  await until(async () => await shownCn(node) === 'next', 'the new certificate');
  await login(t, node);
  clearInterval(timer);
  await settled(writer);
  await until(() => heard.length === sent, `all ${sent} messages`);
  assert.ok(sent > 100);
  heard.forEach((msg, i) => assert.equal(msg.string(), String(i)));
});

test('the CLI trusts the CA in SSL_CERT_FILE, and says what to do without it', async (t) => {
  const node = await nodeWithTls(t, { mode: 'auto' });
  const cli = await Cli.create(t);
  const args = ['bench', 'pub', '--url', `tls://alice:alice-pw@127.0.0.1:${node.natsPort}`, '--msgs', '100', '--no-progress'];
  const trusting = await cli.run(args, { env: { SSL_CERT_FILE: node.path('ca.crt') } });
  assert.equal(trusting.code, 0, trusting.stderr);
  const doubting = await cli.run(args);
  assert.notEqual(doubting.code, 0);
  assert.match(doubting.stderr, /no TLS with tls:\/\/127\.0\.0\.1:.*\n.*SSL_CERT_FILE/);
  assert.ok(!doubting.stderr.includes('alice-pw'));
});

test('a key that others can read is refused like any secret', async (t) => {
  const node = await nodeWithTls(t, {}, { up: false });
  await chmod(node.path('node.key'), 0o644);
  await assert.rejects(node.up(), /can be read by others \(mode 0644\): run chmod 600/);
  node.process = null;
});
