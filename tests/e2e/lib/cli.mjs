// SPDX-License-Identifier: Apache-2.0
// The CLI `unibus` (and `membershipctl`) as one person runs it: a home of its own each.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFolder, Running, sanitizerReport } from './process.mjs';

const TIMEOUT_MS = 30000;

/** The JSON in `text`: one value, or the values of JSON lines; null when it is neither. */
export function jsonOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    try {
      const lines = text.split('\n').filter((line) => line.trim() !== '');
      return lines.length > 0 ? lines.map((line) => JSON.parse(line)) : null;
    } catch {
      return null;
    }
  }
}

export class Cli {
  constructor(home, { program = 'unibus', env = {} } = {}) {
    this.home = home;
    this.program = program;
    this.env = env;
  }

  /** A home folder that goes after test `t`. `env` is added to every run. */
  static async create(t, options) {
    const home = await mkdtemp(join(tmpdir(), 'ub-home-'));
    t?.after(() => rm(home, { recursive: true, force: true }));
    return new Cli(home, options);
  }

  #start(args, { stdin, env, cwd } = {}) {
    return new Running(join(buildFolder(), this.program), args, {
      cwd: cwd ?? this.home,
      stdin,
      env: {
        HOME: this.home,
        UNIBUS_HOME: join(this.home, '.unibus'),
        XDG_CONFIG_HOME: join(this.home, '.config'),
        NO_COLOR: '1',
        ...this.env,
        ...env,
      },
    });
  }

  /** Runs to the end: {code, signal, stdout, stderr, json}. A sanitizer's report throws. */
  async run(args, { timeoutMs = TIMEOUT_MS, ...options } = {}) {
    const running = this.#start(args, options);
    const what = `${this.program} ${args.join(' ')}`;
    const exit = await running.exited(timeoutMs);
    if (exit === null) {
      process.kill(running.pid, 'SIGKILL');
      await running.gone;
      assert.fail(`${what} did not end within ${timeoutMs} ms\n${running.log}`);
    }
    const report = sanitizerReport(running.log);
    assert.equal(report, null, `${what}: sanitizer report:\n${report}`);
    const { stdout, stderr } = running;
    return { ...exit, stdout, stderr, json: jsonOf(stdout) };
  }

  /** Runs and wants exit code 0. */
  async ok(args, options) {
    const result = await this.run(args, options);
    assert.equal(result.code, 0,
      `${this.program} ${args.join(' ')}: exit ${result.code}\n${result.stderr}${result.stdout}`);
    return result;
  }

  /** Starts a command that goes on (sub, tail, chat); the caller ends it by its pid. */
  start(args, options) {
    return this.#start(args, options);
  }
}
