// SPDX-License-Identifier: Apache-2.0
// One stream to one server: what came back, in a form that two servers can be compared by.
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Shows that all before it was read, unless that swallows it. */
export const SENTINEL = Buffer.from('SUB zz.end zz\r\nPUB zz.end 0\r\n\r\n');
const SENTINEL_SEEN = 'MSG zz.end zz 0\r\n';

/** Sends the pieces and what shows that all was read; resolves with { text, isClosed }. */
export async function talk(port, pieces, quietMs) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const got = [];
  let isClosed = false;
  let last = Date.now();
  let wake = () => {};
  socket.on('data', (data) => { got.push(data); last = Date.now(); wake(); });
  socket.on('close', () => { isClosed = true; wake(); });
  socket.on('error', () => {});
  const text = () => Buffer.concat(got).toString('latin1');
  const changed = (ms) => Promise.race([new Promise((done) => { wake = done; }), pause(ms)]);
  while (!isClosed && !text().includes('\r\n')) await changed(2000); // INFO
  for (const piece of [...pieces, SENTINEL]) {
    if (isClosed) break;
    socket.write(piece);
    await new Promise((done) => { setImmediate(done); });
  }
  last = Date.now();
  while (!isClosed && !text().includes(SENTINEL_SEEN) && Date.now() - last < quietMs) await changed(quietMs / 4 + 1);
  const result = { text: normal(text()), isClosed };
  socket.destroy();
  return result;
}

/** Frames without what may differ from one run to the next: INFO, PING, the order of receivers. */
export function normal(text) {
  const frames = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf('\r\n');
    if (end < 0) {
      frames.push(`cut: ${rest}`);
      break;
    }
    let line = rest.slice(0, end);
    rest = rest.slice(end + 2);
    if (/^H?MSG /.test(line)) {
      const size = Number(line.slice(line.lastIndexOf(' ') + 1)) + 2;
      // nats-server says the subject in the 503 since 2.11 only; we say it always.
      const body = rest.slice(0, size).replace(/^(NATS\/1\.0 503\r\n)Nats-Subject: [^\r]*\r\n/, '$1');
      if (body.startsWith('NATS/1.0 503\r\n\r\n')) line = line.replace(/ \S+ \d+ \d+$/, ' 503'); // any one of those who listen there
      rest = rest.slice(size);
      line = `${line}\r\n${body}`;
    }
    if (!/^(INFO |PING$)/.test(line)) frames.push(line);
  }
  for (let at = 0; at < frames.length;) {
    let end = at;
    while (end < frames.length && /^H?MSG /.test(frames[end])) end++;
    frames.splice(at, end - at, ...frames.slice(at, end).sort());
    at = end + 1;
  }
  return frames.join('\n');
}
