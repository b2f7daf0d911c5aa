// SPDX-License-Identifier: Apache-2.0
// membershipd on a config that it must refuse: its exact words, and that nothing has been started.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { luaConfig } from './lua.mjs';
import { defaultModules, freePort } from './node.mjs';
import { buildFolder, Running, sanitizerReport } from './process.mjs';

const TIMEOUT_MS = 20000;

/** All names below a folder, sorted. */
async function namesIn(dir) {
  const entries = await readdir(dir, { withFileTypes: true });
  const below = await Promise.all(entries.filter((entry) => entry.isDirectory())
    .map(async ({ name }) => (await namesIn(join(dir, name))).map((inner) => `${name}/${inner}`)));
  return [...entries.map(({ name }) => name), ...below.flat()].sort();
}

/** Whether somebody accepts connections at an address. */
export function isListening(port, host = '127.0.0.1') {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.on('connect', () => { socket.destroy(); resolve(true); });
    socket.on('error', () => resolve(false));
  });
}

/** A folder with node.lua in it and two free ports: where the daemon is to refuse. */
export class Place {
  static async create(t) {
    const place = new Place();
    place.dir = await mkdtemp(join(tmpdir(), 'ub-refused-'));
    t.after(() => rm(place.dir, { recursive: true, force: true }));
    place.httpPort = await freePort();
    do place.natsPort = await freePort(); while (place.natsPort === place.httpPort);
    place.state = join(place.dir, 'local_files');
    return place;
  }

  /**
   * Writes node.lua. The blocks of `options` change those of a sound config (luaConfig): line 2 is
   * node, 3 posture, 4 kv-sqlite, 5 blob-fs, 6 membership, 7 http, 8 nats. `text` is the whole.
   */
  async write({ text, node, posture, modules = {}, blocks, extra } = {}) {
    const config = text ?? luaConfig({
      blocks: {
        node: { name: 'alpha', state: 'local_files', ...node },
        posture: { require: 'enforce', ...posture },
        ...blocks,
      },
      modules: this.#modules(modules),
      extra,
    });
    await writeFile(join(this.dir, 'node.lua'), config);
  }

  #modules(changes) {
    const all = defaultModules(this);
    for (const [name, settings] of Object.entries(changes)) {
      all[name] = settings === null ? null : { ...all[name], ...settings };
    }
    return all;
  }

  /** membershipd -c node.lua `args`, to its end: {code, signal, stdout, stderr}. */
  run(args = [], env = {}) {
    return this.runBare(['-c', 'node.lua', ...args], env);
  }

  async runBare(args, env = {}) {
    const daemon = new Running(join(buildFolder(), 'membershipd'), args, { cwd: this.dir, env });
    const exit = await daemon.exited(TIMEOUT_MS);
    if (exit === null) {
      process.kill(daemon.pid, 'SIGKILL');
      await daemon.gone;
      assert.fail(`membershipd ${args.join(' ')} did not end\n${daemon.log}`);
    }
    const report = sanitizerReport(daemon.log);
    assert.equal(report, null, `sanitizer report:\n${report}`);
    return { ...exit, stdout: daemon.stdout, stderr: daemon.stderr };
  }

  names() {
    return namesIn(this.dir);
  }

  /** `act()`, after which no file has come or gone and nobody listens on the node's ports. */
  async leavesNoTrace(act) {
    const before = await this.names();
    const result = await act();
    assert.deepEqual(await this.names(), before, 'files made or removed');
    for (const port of [this.httpPort, this.natsPort]) {
      assert.equal(await isListening(port), false, `somebody listens on ${port}`);
    }
    return result;
  }

  /**
   * Refused with exactly these lines (texts or patterns), by --check, by --check --json and by a
   * start; gives the errors of the JSON.
   */
  async refuses(lines, { args = [], env } = {}) {
    for (const how of [['--check'], []]) {
      const run = await this.leavesNoTrace(() => this.run([...how, ...args], env));
      assert.equal(run.code, 1, `${how}: ${JSON.stringify(run)}`);
      assert.equal(run.stdout, '');
      const count = `${lines.length} error${lines.length === 1 ? '' : 's'}, nothing was started.`;
      sameLines(run.stderr.split('\n'), [...lines, count, '']);
    }
    const run = await this.leavesNoTrace(() => this.run(['--check', '--json', ...args], env));
    assert.deepEqual([run.code, run.stderr], [1, '']);
    const { ok, errors } = JSON.parse(run.stdout);
    assert.equal(ok, false);
    sameLines(errors.map(lineOf), lines);
    return errors;
  }
}

function sameLines(given, wanted) {
  const matching = given.map((line, n) =>
    (wanted[n] instanceof RegExp && wanted[n].test(line) ? wanted[n] : line));
  assert.deepEqual(matching, wanted);
}

function lineOf({ file, line, message }) {
  if (file === undefined) return message;
  return line > 0 ? `${file}:${line}: ${message}` : `${file}: ${message}`;
}
