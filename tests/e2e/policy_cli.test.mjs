// SPDX-License-Identifier: Apache-2.0
// The commands about policy scripts: without a node on files, with one beside what it decides.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Cli } from './lib/cli.mjs';
import { startNode } from './lib/node.mjs';

const SITE = `policy "1"
function on_connect(who, conn)
  if conn.ip == "192.0.2.66" then return deny "not from there" end
  return allow{ publish = {"site.>"} }
end
function on_action(who, action, target)
  if action == "room.create" and target.mode == "plain" then
    return deny("sealed rooms only", "no-plain-rooms")
  end
  return default()
end
test("plain rooms", function(t)
  t.denied(on_action({}, "room.create", {mode = "plain"}))
end)
`;
const RULE = 8; // the line of the deny
const OPEN = SITE.replace('target.mode == "plain"', 'target.mode == "pink"')
  .replace(/test\([^]*/, 'test("all", function(t) t.ok(true) end)\n');

async function files(t, texts) {
  const cli = await Cli.create(t);
  for (const [name, text] of Object.entries(texts)) await writeFile(join(cli.home, name), text);
  return cli;
}

async function fails(cli, args, code, pattern) {
  const run = await cli.run(args);
  assert.equal(run.code, code, `${args.join(' ')}: ${run.stderr}`);
  assert.match(run.stderr, pattern);
  return run;
}

describe('on files', () => {
  test('check: good, or where it is not', async (t) => {
    const cli = await files(t, {
      'site.lua': SITE, 'syntax.lua': 'policy "1"\nfunction (\n', 'typo.lua':
        'policy "1"\nfunction on_action(who, action)\n if action == "room.crate" then end\nend\n',
      'none.lua': 'x = 1\n', 'long.lua': `policy "1"\n${'-- x\n'.repeat(60000)}`,
    });
    assert.match((await cli.ok(['policy', 'check', 'site.lua'])).stdout,
      /^site\.lua: good; on_connect, on_action, 1 test\n/);
    assert.deepEqual((await cli.ok(['policy', 'check', 'site.lua', '--json'])).json,
      { file: 'site.lua', ok: true, on_connect: true, on_action: true, tests: 1 });
    await fails(cli, ['policy', 'check', 'syntax.lua'], 1, /syntax\.lua:2: .*\[policy-syntax\]/);
    await fails(cli, ['policy', 'check', 'typo.lua'], 1, /typo\.lua:3: .*room\.crate.*room\.create/);
    const { json: code } = await cli.ok(['errors', 'lookup', 'policy-syntax', '--json']);
    assert.match(code.meaning, /not valid Lua/);
    const all = (await cli.ok(['errors', 'ls', '--json'])).json.map((row) => row.code);
    assert.equal(new Set(all).size, all.length, 'each code once');
    assert.ok(all.includes('policy-timeout'));
    await fails(cli, ['policy', 'check', 'none.lua'], 1, /none\.lua/);
    await fails(cli, ['policy', 'check', 'long.lua'], 1, /at most 256 KiB/);
    await fails(cli, ['policy', 'check', 'absent.lua'], 4, /absent\.lua/);
    await fails(cli, ['policy', 'check', '.'], 1, /cannot read/);
    const stdin = await cli.run(['policy', 'check', '-'], { stdin: SITE });
    assert.equal(stdin.code, 0, stdin.stderr);
  });

  test('test: each with its place; one that fails is exit 1', async (t) => {
    const bad = `${SITE}test("wrong", function(t)\n  t.allowed(on_action({}, "room.create", {mode = "plain"}))\nend)\n`;
    const cli = await files(t, { 'site.lua': SITE, 'bad.lua': bad });
    assert.match((await cli.ok(['policy', 'test', 'site.lua'])).stdout, /^1 of 1 tests passed\n$/);
    assert.match((await cli.ok(['policy', 'test', 'site.lua', '-v'])).stdout,
      /^ok +plain rooms +1 +\d+ +site\.lua:12/m);
    const run = await fails(cli, ['policy', 'test', 'bad.lua'], 1, /1 of 2 tests failed.*tests-failed/);
    assert.match(run.stdout, /^FAILED +wrong .*bad\.lua:1\d/m);
    assert.match(run.stdout, /^1 of 2 tests passed$/m);
    const { json } = await fails(cli, ['policy', 'test', 'bad.lua', '--json'], 1, /tests failed/);
    assert.deepEqual([json.ok, json.tests.map(({ result }) => result)], [false, ['ok', 'FAILED']]);
  });

  test('a script that never ends or eats memory is ended', async (t) => {
    const cli = await files(t, {
      'loop.lua': 'policy "1"\nwhile true do end\n',
      'call.lua': 'policy "1"\nfunction on_action() while true do end end\n'
        + 'test("x", function(t) t.denied(on_action({}, "room.create", {})) end)\n',
      'eat.lua': 'policy "1"\nlocal t = {}\nfor i = 1, 1e9 do t[i] = {i} end\n',
    });
    await fails(cli, ['policy', 'check', 'loop.lua'], 1, /policy-steps/);
    await fails(cli, ['policy', 'check', 'eat.lua'], 1, /policy-(memory|steps)/);
    await fails(cli, ['policy', 'test', 'call.lua'], 1, /tests failed/);
    const asked = await cli.ok(['policy', 'explain', 'room.create', '--as', 'bob', '--script',
      'call.lua', '--json']);
    assert.deepEqual([asked.json.verdict, asked.json.code, asked.json.failed],
      ['deny', 'policy-steps', true]);
  });

  test('explain: verdict, rule and trace', async (t) => {
    const cli = await files(t, { 'site.lua': SITE });
    const ask = async (...args) => (await cli.ok(
      ['policy', 'explain', ...args, '--as', 'bob', '--script', 'site.lua', '--json'])).json;
    const plain = await ask('room.create', '--context', '{"mode":"plain"}');
    assert.deepEqual([plain.verdict, plain.code, plain.reason, plain.place],
      ['deny', 'no-plain-rooms', 'sealed rooms only', `site.lua:${RULE}`]);
    assert.ok(plain.trace.includes(RULE));
    assert.equal((await ask('room.create', '--context', '{"mode":"sealed"}')).verdict, 'abstain');
    assert.equal((await ask('connect', '--from', '192.0.2.66')).verdict, 'deny');
    const here = await ask('connect');
    assert.deepEqual([here.verdict, here.permissions.lines.map(({ subject }) => subject)],
      ['allow', ['site.>']]);
    const { stdout } = await cli.ok(['policy', 'explain', 'room.create', '--as', 'bob', '--script',
      'site.lua', '--context', '{"mode":"plain"}']);
    assert.match(stdout, /^verdict +deny\nbecause +sealed rooms only\n/);
    for (const [args, pattern] of [
      [['room.crate'], /no action "room\.crate" \(did you mean "room\.create"/],
      [['room.create', '--context', '[1]'], /no JSON object/],
      [['room.create', '--context', '{"a":{}}'], /no flat object/],
      [['room.create', '--role', 'king'], /no role "king"/],
    ]) {
      await fails(cli, ['policy', 'explain', ...args, '--as', 'bob', '--script', 'site.lua'], 2,
        pattern);
    }
    await fails(cli, ['policy', 'explain', 'room.create', '--script', 'site.lua'], 2, /--as WHO/);
  });

  test('diff: a file that is none, and hostile lines', async (t) => {
    const decision = (more) => `${JSON.stringify({
      id: 'd-a', allowed: true, action: 'room.create', provider: 'membership',
      principal: { id: 'x', handle: 'eve\u001b[2J\u202e' },
      input: {
        action: 'room.create', principal: { id: 'x', handle: 'eve', role: 'member' },
        context: { mode: 'plain' }, conn: {}, ...more,
      },
    })}\n`;
    const cli = await files(t, {
      'site.lua': SITE, 'none.jsonl': 'hello\n', 'array.jsonl': '[]\n', 'empty.jsonl': '\n\n',
      'deep.jsonl': `${'['.repeat(100000)}\n`,
      'odd.jsonl': decision({}) + decision({ context: { a: {} } }) + decision({ action: 7 })
        + decision({ principal: {} }) + '{}\n{"input":[]}\n' + decision({ conn: [] }),
    });
    for (const file of ['none', 'array', 'deep']) {
      await fails(cli, ['policy', 'diff', 'site.lua', '--replay', `${file}.jsonl`], 1,
        new RegExp(`${file}\\.jsonl:1: this is no decision`));
    }
    assert.match((await cli.ok(['policy', 'diff', 'site.lua', '--replay', 'empty.jsonl'])).stdout,
      /^0 of 0 decisions differ\n$/);
    const run = await fails(cli, ['policy', 'diff', 'site.lua', '--replay', 'odd.jsonl'], 1,
      /decides 2 of 2 otherwise/);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(run.stdout, /[\u0000-\u0009\u000b-\u001f\u202e]/);
    await fails(cli, ['policy', 'diff', 'site.lua'], 2, /which decisions/);
    await fails(cli, ['policy', 'diff', 'site.lua', '--replay', 'absent'], 4, /absent/);
  });
});

test('with a node: refused by a rule, explained by its line, replayed on another script', async (t) => {
  const node = await startNode(t, {
    blocks: { decisions: { sample: 1 } },
    modules: (defaults, { dir }) => {
      writeFileSync(join(dir, 'site.lua'), SITE);
      return { ...defaults, policy: { script: 'site.lua' } };
    },
  });
  const person = () => Cli.create(t, { env: { UNIBUS_SERVER: node.url } });
  const op = await person();
  await op.ok(['init', '--handle', 'olga', '--admin-socket', node.adminSocket]);
  const bob = await person();
  await bob.ok(['id', 'new']);
  await writeFile(join(op.home, 'bob.json'), (await bob.ok(['id', 'show', '--json'])).stdout);
  await op.ok(['identity', 'add', 'bob', join(op.home, 'bob.json')]);
  await writeFile(join(op.home, 'open.lua'), OPEN);
  await writeFile(join(op.home, 'site.lua'), SITE);

  const denied = await bob.run(['room', 'new', 'open', '--plain']);
  assert.equal(denied.code, 3);
  const [, id] = /^ {2}unibus why (d-\S+)$/m.exec(denied.stderr);
  const why = (await bob.ok(['why', id, '--json'])).json;
  assert.deepEqual([why.provider, why.code, why.text], ['policy', 'no-plain-rooms',
    'sealed rooms only']);
  assert.match(why.place, new RegExp(`site\\.lua:${RULE}$`));
  assert.match(why.change, /the rule at .*site\.lua:8/);
  await bob.ok(['room', 'new', 'sealed']);

  const asked = (await op.ok(['policy', 'explain', 'room.create', '--as', 'bob', '--context',
    '{"mode":"plain"}', '--json'])).json;
  assert.deepEqual([asked.verdict, asked.code], ['deny', 'no-plain-rooms']);
  assert.match(asked.place, /site\.lua:8$/);
  await fails(bob, ['policy', 'explain', 'room.create', '--as', 'bob'], 3, /admin/);
  assert.equal((await op.ok(['policy', 'show', '--json'])).json.state, 'active');

  const { stdout } = await op.ok(['policy', 'decisions', '--json']);
  await writeFile(join(op.home, 'decisions.jsonl'), stdout);
  const diff = (...args) => op.run(
    ['policy', 'diff', ...args, '--replay', 'decisions.jsonl', '--json'], { cwd: op.home });
  const same = await diff('site.lua');
  assert.deepEqual([same.code, same.json.count, same.json.asked > 3], [0, 0, true], same.stderr);
  const other = await diff('open.lua');
  assert.equal(other.code, 1);
  assert.deepEqual(other.json.differences.map(({ decision, was, now }) => [decision, was, now]),
    [[id, 'deny', 'abstain']]);
  const beside = await diff('open.lua', '--old', 'site.lua');
  assert.deepEqual(beside.json.differences.map(({ decision, was }) => [decision, was]),
    [[id, 'deny']]);
  assert.match((await op.run(['policy', 'diff', 'open.lua', '--replay', 'decisions.jsonl'],
    { cwd: op.home })).stdout, /^room\.create +bob +deny +abstain +open\.lua:?/m);
});

test('a node without a policy says so', async (t) => {
  const node = await startNode(t);
  const ctl = await Cli.create(t, { env: { UNIBUS_ADMIN_SOCKET: node.adminSocket } });
  await fails(ctl, ['policy', 'show'], 4, /no site policy/);
  const op = await Cli.create(t, { env: { UNIBUS_SERVER: node.url } });
  await op.ok(['init', '--handle', 'olga', '--admin-socket', node.adminSocket]);
  await fails(op, ['policy', 'explain', 'room.create', '--as', 'olga'], 4, /no site policy/);
});
