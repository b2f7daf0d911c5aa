// SPDX-License-Identifier: Apache-2.0
// Resident memory of membershipd: at its start (etc/single.lua, all modules; and nats alone), for each
// idle connection with one subscription, for each of 100,000 subscriptions, and after a burst to many
// subscribers. Not a test: prints, judges nothing.
//
//     UNIBUS_ROOT=$PWD UNIBUS_BUILD=build node bench/memory.mjs [connections] [subscriptions]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = path.resolve(process.env.UNIBUS_ROOT ?? '.');
const BUILD = path.resolve(process.env.UNIBUS_BUILD ?? 'build');
const CONNECTIONS = Number(process.argv[2] ?? 10000);
const SUBSCRIPTIONS = Number(process.argv[3] ?? 100000);
const CONNECT = 'CONNECT {"verbose":false,"pedantic":false}\r\n';

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A node with this config, {port, rss(), stop()}. */
async function started(config) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-memory-'));
  const [nats, http] = [await freePort(), await freePort()];
  const file = path.join(dir, 'node.lua');
  fs.writeFileSync(file, config.replaceAll('4250', nats).replaceAll('8470', http));
  if (config.includes('policy/site.lua')) {
    fs.cpSync(path.join(ROOT, 'etc/policy'), path.join(dir, 'policy'), { recursive: true });
  }
  const child = spawn(path.join(BUILD, 'membershipd'), ['-c', file], { cwd: dir, stdio: 'ignore' });
  const over = once(child, 'exit');
  const rss = () => 1024 * Number(
    /VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]);
  for (let tries = 0; ; tries += 1) {
    try {
      (await client(nats)).destroy();
      break;
    } catch (error) {
      if (tries === 200 || child.exitCode !== null) throw error;
      await sleep(50);
    }
  }
  await sleep(1500);
  const stop = async () => {
    child.kill('SIGTERM');
    await over;
    fs.rmSync(dir, { recursive: true });
  };
  return { port: nats, rss, stop };
}

/** A socket that has sent `text` and seen what ends with `end`. */
async function client(port, text = '', end = '\r\n') {
  const socket = net.connect(port, '127.0.0.1');
  let tail = '';
  const seen = new Promise((resolve, reject) => {
    socket.on('data', (part) => {
      tail = (tail + part.toString('latin1')).slice(-64);
      if (tail.includes(end)) resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed by the server')));
  });
  socket.write(text);
  await seen;
  return socket;
}

const megabytes = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;

async function atStart() {
  const single = await started(fs.readFileSync(path.join(ROOT, 'etc/single.lua'), 'utf8'));
  console.log(`start, etc/single.lua: ${megabytes(single.rss())}`);
  await single.stop();
}

async function idle(node) {
  const before = node.rss();
  const sockets = [];
  while (sockets.length < CONNECTIONS) {
    const some = Array.from({ length: Math.min(100, CONNECTIONS - sockets.length) },
      (_, i) => client(node.port, `${CONNECT}SUB idle.${sockets.length + i} 1\r\nPING\r\n`, 'PONG'));
    sockets.push(...await Promise.all(some));
  }
  const each = (node.rss() - before) / CONNECTIONS;
  console.log(`${CONNECTIONS} idle connections, a subscription each: ${each.toFixed(0)} bytes each`);
  sockets.forEach((socket) => socket.destroy());
  await sleep(4000);
  console.log(`when they have gone: ${megabytes(node.rss())}, before: ${megabytes(before)}`);
}

async function subscribed(node) {
  const before = node.rss();
  const each = SUBSCRIPTIONS / 10;
  const sockets = [];
  for (let c = 0; c < 10; c += 1) {
    const subs = Array.from({ length: each }, (_, i) => {
      const group = (c * each + i) / 10 | 0; // nine literal ones and a wildcard
      const leaf = i % 10 < 9 ? i % 10 : '*';
      return `SUB ms.${group / 100 | 0}.${group % 100}.${leaf} ${i + 1}\r\n`;
    });
    sockets.push(await client(node.port, `${CONNECT}${subs.join('')}PING\r\n`, 'PONG'));
  }
  const size = (node.rss() - before) / SUBSCRIPTIONS;
  console.log(`${SUBSCRIPTIONS} subscriptions on 10 connections: ${size.toFixed(0)} bytes each`);
  sockets.forEach((socket) => socket.destroy());
}

async function burst(node) {
  const subs = await Promise.all(Array.from({ length: 100 },
    () => client(node.port, `${CONNECT}SUB burst 1\r\nPING\r\n`, 'PONG')));
  const before = node.rss();
  subs.forEach((socket) => socket.pause());
  const message = `PUB burst 128\r\n${'x'.repeat(128)}\r\n`;
  const publisher = await client(node.port, `${CONNECT}${message.repeat(20000)}PING\r\n`, 'PONG');
  console.log(`burst of 20,000 messages to 100 that do not read: ${megabytes(node.rss())}`);
  subs.forEach((socket) => socket.resume());
  await sleep(6000);
  console.log(`when they have read: ${megabytes(node.rss())}, before: ${megabytes(before)}`);
  [publisher, ...subs].forEach((socket) => socket.destroy());
}

await atStart();
const CONFIG = `unibus "1"
node    { name = "bench", state = "state" }
posture { require = "dev" }
module "nats" { listen = "127.0.0.1:4250", auth = "off" }
`;
for (const part of [idle, subscribed, burst]) {
  const node = await started(CONFIG);
  if (part === idle) console.log(`start, nats alone: ${megabytes(node.rss())}`);
  try {
    await part(node);
  } finally {
    await node.stop();
  }
}
