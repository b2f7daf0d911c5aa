// SPDX-License-Identifier: Apache-2.0
// `unibus why` and its relatives: a refusal explains itself to whom it concerns.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from './lib/cast.mjs';
import { Cli } from './lib/cli.mjs';
import { startNode } from './lib/node.mjs';
import { exchange } from './lib/raw.mjs';

/** A node, its operator olga, and members by handle, all with the CLI. */
async function office(t, handles, options) {
  const node = await startNode(t, options);
  const person = () => Cli.create(t, { env: { UNIBUS_SERVER: node.url } });
  const op = await person();
  await op.ok(['init', '--handle', 'olga', '--admin-socket', node.adminSocket]);
  const people = {};
  for (const handle of handles) {
    const cli = await person();
    await cli.ok(['id', 'new']);
    cli.card = join(cli.home, 'card.json');
    await writeFile(cli.card, (await cli.ok(['id', 'show', '--json'])).stdout);
    await op.ok(['identity', 'add', handle, cli.card]);
    people[handle] = cli;
  }
  return { node, op, ...people };
}

/** A refused command; its message must name the decision. */
async function denied(cli) {
  const run = await cli.run(['identity', 'add', 'eve', cli.card]);
  assert.equal(run.code, 3);
  const [, id] = /^ {2}unibus why (d-[a-z2-7]{24})$/m.exec(run.stderr) ?? [];
  assert.ok(id, run.stderr);
  return id;
}

const line = (text, name) =>
  new RegExp(`^${name} +(.*)$`, 'm').exec(text)?.[1];

test('a refusal names its decision, and why tells the rest', async (t) => {
  const { op, bob } = await office(t, ['bob']);
  const id = await denied(bob);
  const { stdout } = await bob.ok(['why', id]);
  const expected = {
    decision: id, verdict: 'refused', asked: 'identity.create identity', decided: 'membership',
    code: 'role', because: 'only for an admin (for admins and operators: an operator)',
  };
  for (const [name, text] of Object.entries(expected)) assert.equal(line(stdout, name), text);
  assert.match(line(stdout, 'by'), /^bob \([a-z2-7]{32}\), member, from 127\.0\.0\.1$/);
  assert.match(line(stdout, 'input'), /"context": \{"role": "member"\}/);
  assert.match(line(stdout, 'would change'), /role/);
  assert.equal((await bob.ok(['why'])).stdout, stdout, 'without an id: the latest');
  assert.equal((await op.ok(['why', id, '--json'])).json.principal.handle, 'bob');
  const none = await op.run(['why']);
  assert.deepEqual([none.code, /keeps no refusal/.test(none.stderr)], [4, true]);
});

test('others’ decisions are not found, whoever asks how', async (t) => {
  const { op, bob, carol } = await office(t, ['bob', 'carol']);
  const id = await denied(bob);
  const foreign = await carol.run(['why', id]);
  const unknown = await carol.run(['why', `d-${'a'.repeat(24)}`]);
  assert.equal(foreign.code, 4);
  assert.equal(foreign.stderr.replaceAll(id, ''),
    unknown.stderr.replaceAll(`d-${'a'.repeat(24)}`, ''));
  assert.deepEqual((await carol.ok(['policy', 'decisions', '--json'])).json ?? [], []);
  const other = await carol.run(['policy', 'decisions', '--as', 'bob']);
  assert.equal(other.code, 3);
  const lines = (await op.ok(['policy', 'decisions', '--as', 'bob', '--json'])).stdout;
  assert.deepEqual(lines.trim().split('\n').map((text) => JSON.parse(text).id), [id]);
  const table = (await op.ok(['policy', 'decisions'])).stdout;
  assert.match(table, /^WHEN +VERDICT +WHO +ASKED +WHOSE +WHY +ID$/m);
  assert.match(table, new RegExp(`refused +bob +identity.create identity +membership .*${id}`));
});

test('since: a decision, a time ago, or what was meant', async (t) => {
  const { op, bob } = await office(t, ['bob']);
  const first = await denied(bob);
  const second = await denied(bob);
  const ids = async (...args) => {
    const { stdout } = await op.ok(['policy', 'decisions', '--json', ...args]);
    return stdout.trim().split('\n').filter(Boolean).map((text) => JSON.parse(text))
      .filter(({ allowed }) => !allowed).map(({ id }) => id);
  };
  assert.deepEqual(await ids(), [first, second]);
  assert.deepEqual(await ids('--since', first), [second]);
  assert.deepEqual(await ids('--since', '1h'), [first, second]);
  await new Promise((done) => { setTimeout(done, 1100); });
  assert.deepEqual(await ids('--since', '1s'), []);
  for (const args of [['policy', 'decisions', '--since', 'soon'], ['why', 'x'], ['why', 'd-../x'],
    ['why', 'd-%61']]) {
    const run = await op.run(args);
    assert.equal(run.code, 2, args.join(' '));
    assert.match(run.stderr, /^unibus: .+\n {2}\S/);
  }
});

test('what a stranger claims reaches no terminal as a command', async (t) => {
  const { node, op } = await office(t, []);
  await exchange(node.nats, 'CONNECT {"user":"\\u001b[2J\\u202eroot","name":"\\u0007x"}\r\n');
  const text = await until(async () => {
    const { stdout } = await op.ok(['policy', 'decisions']);
    return /connect/.test(stdout) && stdout;
  }, 'the login is recorded');
  const id = /d-[a-z2-7]{24}/.exec(text)[0];
  const shown = text + (await op.ok(['why', id])).stdout + node.log;
  // eslint-disable-next-line no-control-regex
  assert.doesNotMatch(shown, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  assert.match((await op.ok(['why', id])).stdout, /somebody unknown, from 127\.0\.0\.1/);
});
