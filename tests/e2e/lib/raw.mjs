// SPDX-License-Identifier: Apache-2.0
// Bytes to a port and back, for what no well-behaved client would send.
import net from 'node:net';

const TIMEOUT_MS = 5000;

/** One TCP (or Unix socket) connection that remembers all it received and how it ended. */
export class RawConnection {
  #parts = [];

  #waiters = new Set();

  constructor(socket) {
    this.socket = socket;
    this.ended = null; // 'end' (the peer closed), 'reset' (an error), 'closed' (we did)
    this.error = null;
    socket.on('data', (part) => {
      this.#parts.push(part);
      this.#wake();
    });
    socket.on('end', () => this.#finish('end'));
    socket.on('error', (error) => {
      this.error = error;
      this.#finish('reset');
    });
    socket.on('close', () => this.#finish('closed'));
  }

  /** `to` = {host, port} or {socketPath}. */
  static open(to, timeoutMs = TIMEOUT_MS) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(to.socketPath
        ? { path: to.socketPath } : { host: to.host ?? '127.0.0.1', port: to.port });
      const timer = setTimeout(
        () => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
      socket.setNoDelay(true);
      socket.once('error', reject);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', reject);
        resolve(new RawConnection(socket));
      });
      socket.once('close', () => clearTimeout(timer));
    });
  }

  get bytes() {
    return Buffer.concat(this.#parts);
  }

  get text() {
    return this.bytes.toString('latin1');
  }

  /** Resolves when the bytes are with the kernel, or the connection is gone. */
  send(bytes) {
    const given = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    return new Promise((resolve) => {
      if (this.ended) resolve();
      else this.socket.write(given, resolve);
    });
  }

  /** Waits until `done(this)`; false when the connection ended or the time was up before. */
  async waitFor(done, timeoutMs = TIMEOUT_MS) {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      if (done(this)) return true;
      const left = deadline - Date.now();
      if (this.ended || left <= 0) return false;
      await this.#change(left);
    }
  }

  /** Waits for `text` after position `from` of all that was received; throws if it never comes. */
  async expectText(text, { from = 0, timeoutMs = TIMEOUT_MS } = {}) {
    const isThere = await this.waitFor(() => this.text.includes(text, from), timeoutMs);
    if (!isThere) {
      throw new Error(`${JSON.stringify(text)} did not come (${this.ended ?? 'still open'}): `
        + JSON.stringify(this.text.slice(from, from + 500)));
    }
    return this.text;
  }

  /** True when the peer closed or reset within the time. */
  async isClosedWithin(timeoutMs = TIMEOUT_MS) {
    await this.waitFor(() => this.ended !== null, timeoutMs);
    return this.ended !== null;
  }

  /** Closes our sending side only. */
  end() {
    this.socket.end();
  }

  close() {
    this.socket.destroy();
  }

  #finish(how) {
    this.ended ??= how;
    this.#wake();
  }

  #wake() {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #change(timeoutMs) {
    return new Promise((resolve) => {
      const waiter = () => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve();
      };
      const timer = setTimeout(waiter, timeoutMs);
      this.#waiters.add(waiter);
    });
  }
}

/**
 * Sends `chunks` (bytes or latin1 text, one or many, `pauseMs` between them) and reads until the
 * peer closes or `timeoutMs` has passed: {bytes, text, ended (null = still open), ms}.
 */
export async function exchange(to, chunks, { timeoutMs = TIMEOUT_MS, pauseMs = 0 } = {}) {
  const started = Date.now();
  const connection = await RawConnection.open(to, timeoutMs);
  for (const chunk of [chunks].flat()) {
    await connection.send(chunk);
    if (pauseMs > 0) await new Promise((resolve) => { setTimeout(resolve, pauseMs); });
  }
  await connection.isClosedWithin(timeoutMs);
  const { bytes, text, ended } = connection;
  connection.close();
  return { bytes, text, ended, ms: Date.now() - started };
}

/** The HTTP answers in what was received: [{status, head, body}], by Content-Length. */
export function parseAnswers(text) {
  const answers = [];
  let rest = text;
  while (rest.startsWith('HTTP/')) {
    const split = rest.indexOf('\r\n\r\n');
    if (split < 0) break;
    const head = rest.slice(0, split);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    const body = rest.slice(split + 4, split + 4 + length);
    answers.push({ status: Number(head.split(' ')[1]), head, body });
    rest = rest.slice(split + 4 + length);
  }
  return answers;
}
