// SPDX-License-Identifier: Apache-2.0
// Who listens on the wire and reads the disk: a TCP proxy that keeps every byte, all files of a
// folder, and a search for secrets in the forms in which they would be written.
import { readdir, readFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';

/** A proxy in front of `to` until test `t` ends: {host, port, sent(), received()} as bytes. */
export async function startRecorder(t, to) {
  const parts = { up: [], down: [] };
  const sockets = new Set();
  const server = net.createServer((client) => {
    const upstream = net.connect(to);
    for (const [from, into, kept] of [[client, upstream, parts.up],
      [upstream, client, parts.down]]) {
      sockets.add(from);
      from.on('data', (part) => { kept.push(part); into.write(part); });
      from.on('end', () => into.end());
      from.on('error', () => into.destroy());
      from.on('close', () => { sockets.delete(from); into.destroy(); });
    }
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  t.after(() => new Promise((done) => {
    sockets.forEach((socket) => socket.destroy());
    server.close(done);
  }));
  return {
    host: '127.0.0.1',
    port: server.address().port,
    sent: () => Buffer.concat(parts.up),
    received: () => Buffer.concat(parts.down),
  };
}

/** The content of every regular file below a folder, by path. */
export async function contentOf(dir) {
  const all = {};
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) Object.assign(all, await contentOf(path));
    else if (entry.isFile()) all[path] = await readFile(path);
  }
  return all;
}

/** The middle of base64 of `bytes`, at each of the three places where it may begin. */
function base64Forms(bytes, name) {
  return [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString(name);
    const start = [0, 2, 3][offset];
    const whole = Math.floor(((offset + bytes.length) * 8) / 6);
    return Buffer.from(text.slice(start, whole));
  });
}

/** The bytes as they stand, and as hex, base64 and base64url would write them. */
export function formsOf(bytes) {
  const raw = Buffer.from(bytes);
  const hex = raw.toString('hex');
  return {
    raw: [raw],
    hex: [Buffer.from(hex), Buffer.from(hex.toUpperCase())],
    base64: base64Forms(raw, 'base64'),
    base64url: base64Forms(raw, 'base64url'),
  };
}

/** Names of the forms of `bytes` that stand in `haystack`. */
export function findForms(haystack, bytes) {
  return Object.entries(formsOf(bytes))
    .filter(([, needles]) => needles.some((needle) => haystack.includes(needle)))
    .map(([form]) => form);
}
