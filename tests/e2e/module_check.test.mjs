// SPDX-License-Identifier: Apache-2.0
// `unibus module inspect|check` on the modules of this build, and on broken ones.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Running, buildFolder } from './lib/process.mjs';

const module = (name) => join(buildFolder(), 'modules', `${name}.so`);
const zoo = (name) => join(buildFolder(), 'tests', 'modules', `${name}.so`);
const MINUTES = 60_000;

async function unibus(...args) {
  const run = new Running(join(buildFolder(), 'unibus'), ['module', ...args]);
  const exit = await run.exited(10 * MINUTES);
  return { code: exit.code, out: run.stdout, err: run.stderr };
}

async function checked(file, ...args) {
  const { code, out, err } = await unibus('check', file, '--json', ...args);
  assert.notEqual(out, '', err);
  return { code, ...JSON.parse(out) };
}

const bad = (report) => report.cases.filter((c) => !['passed', 'skipped'].includes(c.outcome));

describe('inspect', () => {
  test('tells interfaces, settings and the sha256 to pin', async () => {
    const { code, out } = await unibus('inspect', module('kv-sqlite'), '--json');
    const about = JSON.parse(out);
    assert.equal(code, 0);
    assert.equal(about.name, 'kv-sqlite');
    assert.deepEqual(about.provides, [{ interface: 'ub.kv', version: '1.0' }]);
    assert.match(about.sha256, /^[0-9a-f]{64}$/);
    const queue = about.settings.find((s) => s.name === 'queue_max');
    assert.deepEqual([queue.kind, queue.default, queue.min, queue.max], ['int', '1024', 1, 65536]);
    assert.ok(about.settings.every((s) => s.doc.length > 0));
  });
  test('prints a table', async () => {
    const { code, out } = await unibus('inspect', module('membership'));
    assert.equal(code, 0);
    assert.match(out, /^requires +ub\.kv 1\.0, ub\.blob 1\.0, ub\.httpd 1\.0/m);
    assert.match(out, /^SETTING +KIND +DEFAULT +RANGE +WHAT$/m);
  });
  test('refuses what the loader refuses, with its words', async () => {
    const { code, err } = await unibus('inspect', zoo('zoo-major'));
    assert.equal(code, 1);
    assert.match(err, /was built for ABI 2\.0, but this membershipd has ABI 1\.\d+.*\[E-MODULE-009\]/);
  });
  test('says that loading it crashes', async () => {
    const { code, err } = await unibus('inspect', zoo('zoo-constructor'));
    assert.equal(code, 1);
    assert.match(err, /the process that loads it (crashed with SIGABRT|its process ended).*\[E-MODULE-006\]/);
  });
  test('a file that is not there', async () => {
    const { code, err } = await unibus('inspect', '/nowhere/x.so');
    assert.equal(code, 1);
    assert.match(err, /there is no file \/nowhere\/x\.so/);
  });
});

describe('check passes', { concurrency: 1 }, () => {
  const least = { 'kv-sqlite': 170, 'kv-lmdb': 170, 'blob-fs': 70 };
  for (const name of ['kv-sqlite', 'kv-lmdb', 'blob-fs', 'http', 'nats', 'membership', 'template',
    'users']) {
    test(name, async () => {
      const report = await checked(module(name));
      assert.deepEqual(bad(report), []);
      assert.equal(report.code, 0);
      assert.ok(report.counts.passed >= (least[name] ?? 15), JSON.stringify(report.counts));
    });
  }
  test('a module without a setting, and prints a table', async () => {
    const { code, out } = await unibus('check', zoo('zoo-sound'), '-v');
    assert.equal(code, 0);
    assert.match(out, /^INTERFACE +CASES +PASSED +SKIPPED +FAILED +TIME$/m);
    assert.match(out, /^start_stop_start +passed /m);
    assert.match(out, /\d+ cases, \d+ passed, \d+ skipped, 0 failed\n$/);
  });
});

describe('check fails', () => {
  test('a module that crashes: the signal and the case', async () => {
    const report = await checked(zoo('zoo-crash'));
    const one = report.cases.find((c) => c.name === 'start_stop_start');
    assert.equal(report.code, 1);
    assert.match(`${one.outcome} ${one.words}`, /^crashed (crashed with SIGSEGV|its process ended)/);
    assert.ok(report.counts.passed > 0); // the others have run all the same
  });
  test('a module that hangs: the case, after its time', async () => {
    const report = await checked(zoo('zoo-hang'), '--case', 'start_stop_start', '--case-timeout', '2');
    assert.equal(report.code, 1);
    assert.deepEqual([report.cases[0].outcome, report.cases[0].words],
      ['hung', 'has not ended after 2 s']);
  });
  test('a module that leaves something open', async () => {
    const report = await checked(zoo('zoo-leak'));
    const words = bad(report).map((c) => `${c.name}: ${c.words}`).join('\n');
    assert.equal(report.code, 1);
    assert.match(words, /^nothing_is_left_after_stop: .* 1 file descriptors are left open$/m);
  });
  test('a setting that does not exist: once, and nothing more is run', async () => {
    const report = await checked(module('http'), '--set', 'wrkers=4');
    assert.equal(report.cases.length, 1);
    assert.match(report.cases[0].words, /unknown setting "wrkers" \(did you mean "workers"\?\)/);
  });
  test('a case that does not exist', async () => {
    const { code, err } = await unibus('check', module('http'), '--case', 'no_such_case');
    assert.equal(code, 2);
    assert.match(err, /there is no case "no_such_case"/);
  });
  test('a module that the loader refuses', async () => {
    const { code, err } = await unibus('check', zoo('zoo-destroy'));
    assert.equal(code, 1);
    assert.match(err, /its ops table has no destroy/);
  });
});
