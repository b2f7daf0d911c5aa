// SPDX-License-Identifier: Apache-2.0
// A real unibus-nats-server in a folder of its own, on a free port that it tells by its ports file.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { buildFolder, Running, sanitizerReport } from './process.mjs';

const READY_MS = 5000;
const STOP_MS = 8000;

export const frontProgram = () => join(buildFolder(), 'unibus-nats-server');

export class Front {
  /** `conf`: text of nats.conf; `args`: more flags; `log`: file instead of what it prints; `prepare(dir)`. */
  static async start(t, { conf = null, args = [], env, files = {}, log = null, prepare } = {}) {
    const front = new Front();
    t.after(() => front.dispose());
    front.dir = await mkdtemp(join(tmpdir(), 'ub-front-'));
    front.conf = join(front.dir, 'nats.conf');
    for (const [name, text] of Object.entries(files)) await writeFile(join(front.dir, name), text);
    await prepare?.(front.dir);
    if (conf !== null) await writeFile(front.conf, conf);
    const own = ['-a', '127.0.0.1', '-p', '-1', '--ports_file_dir', front.dir];
    front.process = new Running(frontProgram(), [...own, ...(conf === null ? [] : ['-c', front.conf]),
      ...(log === null ? [] : ['-l', log]), ...args],
      { cwd: front.dir, env });
    await front.waitLog(/Server is ready\n/, log === null ? undefined : () => readFile(log, 'utf8').catch(() => ''));
    front.portsFile = join(front.dir, `unibus-nats-server_${front.process.pid}.ports`);
    front.ports = JSON.parse(await readFile(front.portsFile, 'utf8'));
    [front.url] = front.ports.nats;
    return front;
  }

  get log() {
    return this.process.log;
  }

  /** Waits until `pattern` stands in what it has printed, or `read()` gives. */
  async waitLog(pattern, read = () => this.log) {
    const deadline = Date.now() + READY_MS;
    for (;;) {
      const text = await read();
      if (pattern.test(text)) return;
      if (this.process.exit || Date.now() > deadline) throw new Error(`${pattern} is not in the log:\n${text}`);
      await pause(20);
    }
  }

  /** A stock client, closed after the test. */
  async connect(t, options = {}) {
    const bus = await connect({ servers: this.url, reconnect: false, timeout: 5000, ...options });
    t.after(() => bus.close());
    return bus;
  }

  signal(name) {
    process.kill(this.process.pid, name);
  }

  /** The exit after a signal, with the checks that every stop makes. */
  async stop(signal = 'SIGTERM') {
    if (this.process.exit === null) this.signal(signal);
    const exit = await this.process.exited(STOP_MS);
    if (exit === null) {
      this.signal('SIGKILL');
      assert.fail(`unibus-nats-server did not stop\n${this.log}`);
    }
    assert.equal(sanitizerReport(this.log), null);
    return exit;
  }

  async dispose() {
    if (this.process?.exit === null) assert.deepEqual(await this.stop(), { code: 0, signal: null });
    if (this.dir) await rm(this.dir, { recursive: true, force: true });
  }
}

/** Runs the program to its end. */
export async function runFront(args, { cwd, env } = {}) {
  const running = new Running(frontProgram(), args, { cwd, env });
  const exit = await running.exited(STOP_MS);
  assert.notEqual(exit, null, `it runs on: ${args.join(' ')}\n${running.log}`);
  assert.equal(sanitizerReport(running.log), null);
  return { code: exit.code, stdout: running.stdout, stderr: running.stderr };
}
