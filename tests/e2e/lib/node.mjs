// SPDX-License-Identifier: Apache-2.0
// A real membershipd in a folder of its own, on free loopback ports, as long as a test wants it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpClient, sendRequest } from './http.mjs';
import { luaConfig } from './lua.mjs';
import { buildFolder, Running, sanitizerReport } from './process.mjs';

const READY_MS = 20000;
const STOP_MS = 15000;
const START_TRIES = 3;

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** A loopback port that nobody listens on at this moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** The modules of a whole node (DESIGN 4), before a test changes them. */
export function defaultModules({ httpPort, natsPort }) {
  return {
    'kv-sqlite': { file: 'unibus.db' },
    'blob-fs': { dir: 'blobs', max_item: '64 MiB' },
    membership: { kv: 'kv-sqlite', blob: 'blob-fs' },
    http: { listen: `127.0.0.1:${httpPort}` },
    nats: { listen: `127.0.0.1:${natsPort}` },
  };
}

export class Node {
  #options;

  constructor(options) {
    this.#options = options;
    this.process = null;
    this.oldLogs = '';
  }

  /**
   * Starts a node and stops it after test `t`, which then fails on a bad exit code or a
   * sanitizer's report. `options`: name; posture; blocks, modules, extra (see luaConfig; a function
   * of {httpPort, natsPort, dir} in place of `modules` gets the defaults too); config (whole text,
   * a function of the same); args; env; program (in place of membershipd); ready (false: do not wait for /readyz).
   */
  static async start(t, options = {}) {
    const node = new Node(options);
    t?.after(() => node.dispose());
    await node.prepare();
    await node.up();
    return node;
  }

  async prepare() {
    this.dir = this.#options.dir ?? await mkdtemp(join(tmpdir(), 'ub-'));
    this.state = join(this.dir, 'local_files');
    this.config = join(this.dir, 'node.lua');
  }

  get http() {
    return { host: '127.0.0.1', port: this.httpPort };
  }

  get nats() {
    return { host: '127.0.0.1', port: this.natsPort };
  }

  get natsUrl() {
    return `nats://127.0.0.1:${this.natsPort}`;
  }

  get url() {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  get adminSocket() {
    return join(this.state, 'admin.sock');
  }

  /** All that the daemon has printed, over restarts too. */
  get log() {
    return this.oldLogs + (this.process?.log ?? '');
  }

  /** A client of the admin socket: role operator, no signature. */
  admin() {
    return new HttpClient({ socketPath: this.adminSocket });
  }

  /** A client over TCP; `identity` = {kid, signKey} or null. */
  client(identity = null) {
    return new HttpClient({ ...this.http, identity });
  }

  async #choosePorts() {
    this.httpPort = await freePort();
    do this.natsPort = await freePort(); while (this.natsPort === this.httpPort);
  }

  configText() {
    const { name = 'alpha', posture = 'enforce', blocks = {}, extra } = this.#options;
    const place = { httpPort: this.httpPort, natsPort: this.natsPort, dir: this.dir };
    if (this.#options.config) return this.#options.config(place);
    const defaults = defaultModules(place);
    const given = this.#options.modules ?? {};
    const modules = typeof given === 'function'
      ? given(defaults, place) : { ...defaults, ...given };
    return luaConfig({
      blocks: { node: { name, state: 'local_files' }, posture: { require: posture }, ...blocks },
      modules,
      extra,
    });
  }

  /** Starts the daemon; another port is tried when someone took the free one meanwhile. */
  async up() {
    const isFirst = this.httpPort === undefined;
    for (let tries = 1; ; tries += 1) {
      if (isFirst) await this.#choosePorts();
      await writeFile(this.config, this.configText());
      this.spawn();
      if (this.#options.ready === false) return;
      try {
        await this.waitReady();
        return;
      } catch (error) {
        const isTaken = /address already in use/i.test(this.process.log);
        if (!isFirst || !isTaken || tries === START_TRIES) throw error;
        await this.process.gone;
      }
    }
  }

  spawn() {
    const program = this.#options.program ?? join(buildFolder(), 'membershipd');
    if (!existsSync(program)) {
      throw new Error(`${program} does not exist: build it, or set UNIBUS_BUILD`);
    }
    if (this.process) this.oldLogs += this.process.log;
    const { args = [], env } = this.#options;
    this.process = new Running(program, ['-c', this.config, ...args], { cwd: this.dir, env });
  }

  async waitReady(timeoutMs = READY_MS) {
    const deadline = Date.now() + timeoutMs;
    let last = 'no answer';
    while (Date.now() < deadline) {
      if (this.process.exit) break;
      try {
        const request = { method: 'GET', target: '/readyz', headers: [], body: null };
        const answer = await sendRequest(this.http, request, 2000);
        if (answer.status === 200) return;
        last = `${answer.status} ${answer.text}`;
      } catch (error) {
        last = error.message;
      }
      await pause(25);
    }
    const end = this.process.exit ? `it ended with ${JSON.stringify(this.process.exit)}` : last;
    throw new Error(`membershipd is not ready: ${end}\n${this.process.log}`);
  }

  /** SIGTERM by pid, then the checks that every stop makes. */
  async stop({ expectCode = 0, timeoutMs = STOP_MS } = {}) {
    const { process: running } = this;
    if (!running) return;
    if (running.exit === null) process.kill(running.pid, 'SIGTERM');
    const exit = await running.exited(timeoutMs);
    if (exit === null) {
      process.kill(running.pid, 'SIGKILL');
      await running.gone;
      assert.fail(`membershipd did not stop within ${timeoutMs} ms\n${running.log}`);
    }
    this.process = null;
    this.oldLogs += running.log;
    const report = sanitizerReport(running.log);
    assert.equal(report, null, `sanitizer report:\n${report}`);
    const wanted = { code: expectCode, signal: null };
    assert.deepEqual(exit, wanted, `exit of membershipd\n${running.log}`);
  }

  /** SIGKILL: the crash of a test that wants one. */
  async kill() {
    if (this.process.exit === null) process.kill(this.process.pid, 'SIGKILL');
    await this.process.gone;
    this.oldLogs += this.process.log;
    this.process = null;
  }

  async restart() {
    await this.stop();
    await this.up();
  }

  /** SIGHUP, which reloads. */
  reload() {
    process.kill(this.process.pid, 'SIGHUP');
  }

  /** Waits until `pattern` stands in the log. */
  async waitLog(pattern, timeoutMs = 5000) {
    const deadline = Date.now() + timeoutMs;
    while (!pattern.test(this.log)) {
      if (Date.now() > deadline) throw new Error(`${pattern} is not in the log:\n${this.log}`);
      await pause(20);
    }
  }

  /** Stop with all checks, then the folder goes; a failing stop leaves it for inspection. */
  async dispose() {
    await this.stop();
    if (!this.#options.dir && !process.env.UNIBUS_KEEP) {
      await rm(this.dir, { recursive: true, force: true });
    }
  }
}

export const startNode = Node.start;
