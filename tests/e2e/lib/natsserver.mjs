// SPDX-License-Identifier: Apache-2.0
// Debian's nats-server as a test wants it, and a proxy before it that treats one message badly.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { freePort } from './node.mjs';
import { Running } from './process.mjs';

const READY_MS = 10000;
const PLACES = ['/usr/sbin/nats-server', '/usr/bin/nats-server', '/usr/local/bin/nats-server'];

function answers(port) {
  return new Promise((done) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('data', () => { socket.destroy(); done(true); });
    socket.once('error', () => done(false));
  });
}

/** {port, url, stop}: a nats-server on loopback, ended after test `t`. */
export async function startNatsServer(t, args = []) {
  const program = PLACES.find((place) => existsSync(place));
  assert.ok(program, 'nats-server is not installed: deploy/packages names it');
  const port = await freePort();
  const running = new Running(program, ['-a', '127.0.0.1', '-p', `${port}`, ...args]);
  const stop = async () => {
    if (running.exit === null) process.kill(running.pid, 'SIGKILL');
    await running.gone;
  };
  t.after(stop);
  for (const end = Date.now() + READY_MS; !(await answers(port));) {
    assert.ok(running.exit === null && Date.now() < end, `nats-server: ${running.log}`);
    await new Promise((done) => { setTimeout(done, 20); });
  }
  return { port, url: `nats://127.0.0.1:${port}`, stop };
}

/** Splits what a server sends into whole protocol units; gives each to `take`. */
function splitter(take) {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      const end = rest.indexOf('\r\n');
      if (end < 0) return;
      const line = rest.toString('latin1', 0, end);
      const isMessage = /^H?MSG /.test(line);
      const length = end + 2 + (isMessage ? Number(line.split(' ').at(-1)) + 2 : 0);
      if (rest.length < length) return;
      take(rest.subarray(0, length), isMessage);
      rest = rest.subarray(length);
    }
  };
}

/**
 * A TCP proxy to `port`; over all connections the message number `nth` to clients goes through
 * `treat(bytes)`, which returns what is sent in its place: [] loses it, [bytes, bytes] doubles it,
 * 'hold' sends it after the next one, 'close' ends the connection. {port, url, seen}.
 */
export async function startBadProxy(t, port, { nth = Infinity, treat = (bytes) => [bytes] } = {}) {
  const state = { seen: 0 };
  const open = new Set();
  const server = net.createServer((client) => {
    const behind = net.connect(port, '127.0.0.1');
    let held = null;
    for (const socket of [client, behind]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => { client.destroy(); behind.destroy(); open.delete(socket); });
    }
    client.pipe(behind);
    behind.on('data', splitter((bytes, isMessage) => {
      let out = [bytes];
      if (isMessage) {
        state.seen += 1;
        if (held) { out = [bytes, held]; held = null; }
        if (state.seen === nth) out = treat(Buffer.from(bytes));
      }
      if (out === 'close') client.destroy();
      else if (out === 'hold') held = Buffer.from(bytes);
      else for (const one of out) client.write(one);
    }));
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  t.after(() => { for (const socket of open) socket.destroy(); server.close(); });
  return Object.assign(state, { url: `nats://127.0.0.1:${server.address().port}` });
}
