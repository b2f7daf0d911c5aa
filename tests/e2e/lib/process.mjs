// SPDX-License-Identifier: Apache-2.0
// The programs under test: where they are, how one is run, and what their logs must not contain.
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

const SANITIZER_EXIT = 99;
const SANITIZER_REPORT = new RegExp('ERROR: (?:Address|Leak|Memory|Thread)Sanitizer'
  + '|WARNING: ThreadSanitizer|SUMMARY: \\w+Sanitizer|:\\d+:\\d+: runtime error: ');

/** Read at each call, so that a test may point at a build of its own. */
export function buildFolder() {
  return resolve(REPOSITORY, process.env.UNIBUS_BUILD ?? 'build');
}

/** The environment of a program under test: sanitizers report and say so by their exit code. */
export function testEnvironment(extra = {}) {
  return {
    ASAN_OPTIONS: `exitcode=${SANITIZER_EXIT}:detect_leaks=1:detect_stack_use_after_return=1`,
    UBSAN_OPTIONS: 'print_stacktrace=1',
    TSAN_OPTIONS: `exitcode=${SANITIZER_EXIT}`,
    ...process.env,
    ...extra,
  };
}

/** The first lines of a sanitizer's report in `text`, or null. */
export function sanitizerReport(text) {
  const at = text.search(SANITIZER_REPORT);
  if (at < 0) return null;
  const start = text.lastIndexOf('\n', at) + 1;
  return text.slice(start, start + 4000);
}

/** A program that runs, with all it has printed. */
export class Running {
  constructor(command, args, { cwd, env, stdin } = {}) {
    this.stdout = '';
    this.stderr = '';
    this.exit = null; // {code, signal} once it is gone
    this.child = spawn(command, args, {
      cwd,
      env: testEnvironment(env),
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    if (stdin !== undefined) {
      this.child.stdin.on('error', () => {}); // a program may end before it has read all
      this.child.stdin.end(stdin);
    }
    for (const stream of ['stdout', 'stderr']) {
      this.child[stream].setEncoding('utf8');
      this.child[stream].on('data', (text) => { this[stream] += text; });
    }
    this.gone = new Promise((done, fail) => {
      this.child.on('error', fail);
      this.child.on('close', (code, signal) => {
        this.exit = { code, signal };
        done(this.exit);
      });
    });
    this.gone.catch(() => {}); // whoever waits for it sees the error
  }

  get pid() {
    return this.child.pid;
  }

  get log() {
    return this.stdout + this.stderr;
  }

  /** Its exit, or null when it still runs after `timeoutMs`. */
  async exited(timeoutMs) {
    let timer;
    const late = new Promise((done) => { timer = setTimeout(done, timeoutMs, null); });
    try {
      return await Promise.race([this.gone, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
