// SPDX-License-Identifier: Apache-2.0
// What a reader that stops costs the others: the time from PUB to MSG of small messages (1,000 a second,
// on connections of their own) while another process floods a subject, by turns with a reader that
// reads and with one that stops, until 64 MiB wait for it and it is cut. Not a test: prints, judges
// nothing. Control: each round says how many readers were cut, which must be 0 and 1 by turns.
//
//     UNIBUS_BUILD=build node bench/slow_reader.mjs [rounds] [seconds]
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BUILD = path.resolve(process.env.UNIBUS_BUILD ?? 'build');
const CONNECT = 'CONNECT {"verbose":false,"pedantic":false}\r\n';
const MIB = 1 << 20;

async function connected(port) {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'data');
  socket.write(CONNECT);
  return socket;
}

/** In the other process: a reader that reads or stops, and 100 MiB a second for it; tells when it was cut. */
async function flood(port, stops, seconds) {
  const [reader, source] = [await connected(port), await connected(port)];
  let cut = 0;
  reader.on('close', () => { cut += 1; });
  reader.write('SUB flood 1\r\n');
  reader.on('data', () => {});
  await sleep(100);
  if (stops) reader.pause();
  const message = Buffer.from(`PUB flood 65536\r\n${'x'.repeat(65536)}\r\n`);
  const begin = performance.now();
  for (let sent = 0; performance.now() - begin < seconds * 1000;) {
    for (; sent < (performance.now() - begin) / 1000 * 100 * MIB; sent += 65536) {
      if (!source.write(message)) await once(source, 'drain');
    }
    await sleep(1);
  }
  reader.resume();
  await sleep(300);
  process.send({ cut });
  [reader, source].forEach((socket) => socket.destroy());
  process.disconnect?.();
}

async function latencies(port, seconds) {
  const [hears, says] = [await connected(port), await connected(port)];
  const times = [];
  let rest = '';
  hears.on('data', (part) => {
    const now = performance.now();
    const lines = (rest + part).split('\r\n');
    rest = lines.pop();
    lines.filter((line) => /^[\d.]+$/.test(line)).forEach((line) => times.push(now - Number(line)));
  });
  hears.write('SUB tick 1\r\n');
  await sleep(200);
  for (let n = 0; n < seconds * 1000; n += 1) {
    const text = String(performance.now());
    says.write(`PUB tick ${text.length}\r\n${text}\r\n`);
    await sleep(1);
  }
  await sleep(200);
  [hears, says].forEach((socket) => socket.destroy());
  return times.sort((a, b) => a - b);
}

async function round(port, stops, seconds) {
  const other = fork(fileURLToPath(import.meta.url), ['flood', port, stops ? 1 : 0, seconds]);
  const [told, over] = [once(other, 'message'), once(other, 'exit')];
  const times = await latencies(port, seconds);
  const [{ cut }] = await told;
  await over;
  const at = (part) => times[Math.floor(times.length * part)].toFixed(2);
  console.log(`${stops ? 'stops' : 'reads'}  ${String(times.length).padStart(6)} messages  `
    + `p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  p99.9 ${at(0.999)} ms  readers cut: ${cut}`);
}

async function main(rounds, seconds) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-slow-reader-'));
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  const file = path.join(dir, 'node.lua');
  fs.writeFileSync(file, `unibus "1"\nposture { require = "dev" }\n`
    + `module "nats" { listen = "127.0.0.1:${port}", auth = "off", max_pending = "64 MiB" }\n`);
  const child = spawn(path.join(BUILD, 'membershipd'), ['-c', file], { cwd: dir, stdio: 'ignore' });
  const over = once(child, 'exit');
  await sleep(2000);
  for (let n = 0; n < rounds; n += 1) {
    await round(port, false, seconds);
    await round(port, true, seconds);
  }
  child.kill('SIGTERM');
  await over;
  fs.rmSync(dir, { recursive: true });
}

const [first, ...others] = process.argv.slice(2);
if (first === 'flood') {
  const [port, stops, seconds] = others.map(Number);
  await flood(port, stops === 1, seconds);
} else {
  await main(Number(first ?? 5), Number(others[0] ?? 4));
}
