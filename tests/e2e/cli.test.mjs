// SPDX-License-Identifier: Apache-2.0
// Every command of docs/cli.md: its JSON, exit codes and words, and what it leaves on the disk.
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { cast } from './lib/cast.mjs';
import { Cli } from './lib/cli.mjs';
import { startNode } from './lib/node.mjs';
import { cliMember, listen, newRoom } from './lib/people.mjs';
import { contentOf, findForms } from './lib/recorder.mjs';
import { REPOSITORY, buildFolder } from './lib/process.mjs';
import * as u from './lib/ubr1/index.mjs';

/** An operator by `init`, and bob on the allowlist, both with the CLI. */
async function office(t) {
  const node = await startNode(t);
  const op = await Cli.create(t, { env: { UNIBUS_SERVER: node.url } });
  const init = await op.ok(
    ['init', '--handle', 'olga', '--admin-socket', node.adminSocket, '--json']);
  const bob = await Cli.create(t, { env: { UNIBUS_SERVER: node.url } });
  const made = (await bob.ok(['id', 'new', '--json'])).json;
  const file = join(op.home, 'bob.json');
  await writeFile(file, (await bob.ok(['id', 'show', '--json'])).stdout);
  return { node, op, bob, init: init.json, made, file };
}

test('every command that prints data takes --json, and every one in the docs exists', async (t) => {
  const { op, bob, init, made, file, node } = await office(t);
  const run = async (cli, line, ...more) =>
    (await cli.ok([...line.split(' '), ...more, '--json'])).json;
  const seen = ['init', 'id new'];
  const check = async (cli, line, keys, ...more) => {
    const json = await run(cli, line, ...more);
    seen.push(line);
    const first = Array.isArray(json) ? json[0] : json;
    assert.ok(first !== null && typeof first === 'object', `${line}: no JSON`);
    for (const key of keys.split(' ')) assert.ok(key in first, `${line}: no "${key}"`);
    return json;
  };
  assert.match(init.recovery_key, /^ubsec1/);
  assert.equal(init.role, 'operator');
  assert.match(made.recovery_key, /^ubsec1/);
  const card = await check(bob, 'id show', 'id kid account_pk sign_pk box_pk nats_pk nkey records');
  assert.match((await check(bob, 'id fingerprint', 'fingerprint')).fingerprint,
    /^([a-z2-7]{4} ){7}[a-z2-7]{4}$/);
  assert.equal((await check(op, 'identity add bob', 'id handle role devices', file)).id, card.id);
  const handles = (await check(op, 'identity ls', 'id handle role')).map(({ handle }) => handle);
  assert.deepEqual(handles.sort(), ['bob', 'olga']);
  assert.equal((await check(op, 'identity show bob', 'id handle chain')).id, card.id);
  const room = await check(op, 'room new ops', 'id name mode seq head invite');
  const { invite } = await check(op, 'room add ops bob', 'invite');
  assert.equal((await check(bob, 'room join', 'id verified', invite)).id, room.id);
  assert.equal((await check(op, 'room role ops bob', 'seq', 'admin')).id, room.id);
  assert.equal((await check(op, 'room rotate ops', 'epoch')).epoch, 2);
  await check(op, 'room ls', 'id name verified');
  assert.equal((await check(op, 'room show ops', 'id epoch members')).members, 2);
  await check(op, 'room members ops', 'handle role');
  assert.equal((await check(op, 'room log ops', 'seq type author', '--verify')).length, 5);
  await check(op, 'room permissions ops', 'role actions subject');
  assert.match((await check(op, 'room invite ops', 'invite')).invite, /^unibus:room\/1\//);
  const ear = await listen(t, bob, 'ops', '--count', '2');
  await check(op, 'pub ops chat', 'room subject', 'hello');
  const blob = await check(op, 'blob put ops', 'blob key size osize', file);
  await ear.running.gone;
  assert.deepEqual(ear.of('message').map(({ channel }) => channel), ['chat', 'files']);
  assert.deepEqual(ear.running.exit, { code: 0, signal: null });
  seen.push('sub ops');
  await check(op, 'bench pub', 'url publishers verified', '--room', 'ops', '--msgs', '5');
  await check(op, 'bench fanout', 'publishers subscribers', '--room', 'ops', '--msgs', '5');
  await check(op, 'bench sub', 'subscribers verified', '--room', 'ops', '--duration', '100ms');
  await check(op, 'bench req', 'answerers', '--room', 'ops', '--reply', '--duration', '100ms');
  const out = join(bob.home, 'got.json');
  await bob.ok(['blob', 'get', 'ops', JSON.stringify(blob), '-o', out, '--json']);
  assert.deepEqual(await readFile(out), await readFile(file));
  seen.push('blob get');
  await check(op, 'info', 'cluster_id version server');
  await check(op, 'errors ls', 'code meaning');
  assert.equal((await check(op, 'errors lookup E-SIG', 'code meaning')).code, 'E-SIG');
  await check(op, 'version', 'version');
  const denied = await bob.run(['identity', 'add', 'eve', file]);
  const [, decision] = /unibus why (d-[a-z2-7]+)/.exec(denied.stderr);
  assert.equal((await check(bob, 'why', 'id code change', decision)).id, decision);
  await check(op, 'config show', 'name text origin live');
  assert.equal((await check(op, 'config diff', 'ok summary changes')).ok, true);
  assert.equal((await check(op, 'config reload', 'ok summary changes')).applied, true);
  await check(op, 'reload', 'ok summary changes');
  await check(op, 'module ls', 'name state provides');
  await check(op, 'explain', 'id sets connected', '>', '--as', 'bob');
  const script = join(op.home, 'site.lua');
  await writeFile(script, 'policy "1"\nfunction on_action() return default() end\ntest("none", function(t) t.ok(true) end)\n');
  await writeFile(`${script}.jsonl`, '');
  await check(op, 'policy check', 'ok tests', script);
  await check(op, 'policy test', 'ok tests', script);
  await check(op, 'policy explain', 'verdict place', 'room.list', '--as', 'bob', '--script', script);
  await check(op, 'policy diff', 'count differences', script, '--replay', `${script}.jsonl`);
  await check(op, 'module new', 'name files', 'demo');
  const store = join(buildFolder(), 'modules', 'kv-sqlite.so');
  await check(op, 'module inspect', 'name provides settings', store);
  await check(op, 'module check', 'ok module cases', store, '--case', 'put_is_read_back');
  await op.ok(['passwd', '--json'], { stdin: 'a long word\n' });
  seen.push('passwd');
  await check(op, 'policy decisions', 'id allowed principal', '--since', '1h');
  await check(op, 'room remove ops bob', 'epoch');
  const mine = await newRoom(bob, 'bobs');
  await check(bob, 'room add bobs olga', 'id', '--role', 'owner');
  await run(bob, 'room leave bobs');
  seen.push('room leave', 'identity rm', 'help');
  assert.equal((await op.ok(['room', 'ls', '--json'])).json.some(({ id }) => id === mine.id), true);
  await run(op, 'identity rm bob', '--yes');
  assert.equal((await bob.run(['identity', 'ls'])).code, 3, 'his key is not accepted any more');
  assert.match((await op.ok(['help'])).stdout, /room new/);
  const ctl = new Cli(op.home, { program: 'membershipctl' });
  const all = await ctl.ok(['identity', 'ls', '--json'], { cwd: node.dir });
  assert.equal(all.json.some(({ handle }) => handle === 'olga'), true);

  const docs = await readFile(join(REPOSITORY, 'docs', 'cli.md'), 'utf8');
  const table = docs.slice(docs.indexOf('| command |'));
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  assert.ok(rows.length >= 20, 'the table is found');
  for (const row of rows) {
    for (const [, command] of row.split('|')[1].matchAll(/`([a-z]+(?: [a-z-]+)?)/g)) {
      const isSeen = seen.some((line) => line.startsWith(command))
        || ['room trust-head', 'policy show'].includes(command); // policy_cli.test.mjs
      assert.ok(isSeen, `docs/cli.md has "${command}", which is not run here`);
    }
  }
});

describe('exit codes, and errors with a code and a fix', () => {
  async function refuses(cli, args, code, pattern, options) {
    const run = await cli.run(args, options);
    assert.equal(run.code, code, `${args.join(' ')}: ${run.stderr}`);
    assert.equal(run.stdout, '', args.join(' '));
    assert.match(run.stderr, /^unibus: .+\n {2}\S.*/, `a sentence and a fix: ${run.stderr}`);
    assert.match(run.stderr, pattern);
  }

  test('2 usage', async (t) => {
    const cli = await Cli.create(t);
    const wrong = [
      [['romm', 'new', 'x'], /room/], [['room', 'nwe', 'x'], /new/], [['room'], /room/],
      [['pub', 'x'], /pub/], [['room', 'new', 'x', '--hisotry', 'all'], /history/],
      [['version', '--json=1'], /json/], [['sub', 'x', '--count', 'many'], /count/],
      [['room', 'new', 'a', 'b'], /room new/],
    ];
    for (const [args, pattern] of wrong) {
      const run = await cli.run(args);
      assert.equal(run.code, 2, `${args}: ${run.stderr}`);
      assert.match(run.stderr, pattern);
    }
  });

  test('3 denied, 4 not found, 5 conflict', async (t) => {
    const { op, bob, file, node } = await office(t);
    await refuses(bob, ['identity', 'ls'], 3, /\[unauthenticated\]/);
    await op.ok(['identity', 'add', 'bob', file]);
    const carol = await cliMember(t, node, 'carol');
    const other = join(bob.home, 'x.json');
    const stranger = await Cli.create(t);
    await stranger.ok(['id', 'new']);
    await writeFile(other, (await stranger.ok(['id', 'show', '--json'])).stdout);
    await refuses(bob, ['identity', 'add', 'x', other], 3, /\[forbidden\]/);
    await refuses(op, ['identity', 'add', 'carol', other], 5, /\[handle-taken\]/);
    await refuses(op, ['identity', 'show', 'nobody'], 4, /\[not-found\]/);
    await newRoom(op, 'ops');
    await refuses(carol, ['room', 'show', 'ops'], 4, /ops/);
    await refuses(op, ['room', 'remove', 'ops', 'carol'], 4, /carol/);
    await refuses(op, ['errors', 'lookup', 'E-NONSENSE'], 4, /E-NONSENSE/);
    const again = await Cli.create(t);
    await refuses(again, ['init', '--admin-socket', node.adminSocket], 5, /\[exists\]/);
    await op.ok(['room', 'add', 'ops', 'bob', '--role', 'reader']);
    await bob.ok(['room', 'join', (await op.ok(['room', 'invite', 'ops'])).stdout.trim()]);
    await refuses(bob, ['pub', 'ops', 'chat', 'x'], 3, /./);
    await refuses(bob, ['room', 'rotate', 'ops'], 3, /./);
  });

  test('6 unreachable, 124 time-out', async (t) => {
    const cli = await Cli.create(t, { env: { UNIBUS_SERVER: 'http://127.0.0.1:1' } });
    await refuses(cli, ['info'], 6, /127\.0\.0\.1/);
    const deaf = net.createServer((socket) => socket.on('error', () => {}));
    await new Promise((done) => { deaf.listen(0, '127.0.0.1', done); });
    t.after(() => deaf.close());
    const server = `http://127.0.0.1:${deaf.address().port}`;
    await refuses(cli, ['info', '--server', server, '--timeout', '300ms'], 124, /./);
    await refuses(cli, ['info', '--server', 'gopher://x'], 6, /gopher/);
  });

  test('7 verification failed: a log of which the pin is not part', async (t) => {
    const { op, bob, file } = await office(t);
    await op.ok(['identity', 'add', 'bob', file]);
    await newRoom(op, 'ops');
    const { invite } = (await op.ok(['room', 'add', 'ops', 'bob', '--json'])).json;
    const bent = invite.replace(/h=(\d+)\.(.)/, (all, n, c) => `h=${n}.${c === '0' ? '1' : '0'}`);
    await refuses(bob, ['room', 'join', bent], 7, /\[E-[A-Z-]+\]/);
    await bob.ok(['room', 'join', invite]);
  });

  test('an init on a node that is taken changes nothing', async (t) => {
    const { node } = await cast(t, ['alice']);
    const cli = await Cli.create(t);
    await cli.run(['init', '--admin-socket', node.adminSocket]);
    assert.equal((await node.admin().list('/v1/identities')).length, 1);
  });
});

describe('the home', () => {
  test('is private, and one that others can read is refused', async (t) => {
    const cli = await Cli.create(t);
    const home = join(cli.home, '.unibus');
    await cli.ok(['id', 'new']);
    assert.equal((await stat(home)).mode & 0o777, 0o700);
    for (const name of await readdir(home)) {
      assert.equal((await stat(join(home, name))).mode & 0o077, 0, name);
    }
    await chmod(home, 0o755);
    const run = await cli.run(['id', 'show']);
    assert.equal(run.code, 3, run.stderr);
    assert.match(run.stderr, /may be read by others \(mode 0755\)\n {2}.*chmod/);
    await chmod(home, 0o700);
    await cli.ok(['id', 'show']);
    const open = await Cli.create(t);
    await mkdir(join(open.home, '.unibus'), { mode: 0o755 });
    await chmod(join(open.home, '.unibus'), 0o755);
    assert.notEqual((await open.run(['id', 'new'])).code, 0);
    assert.deepEqual(await readdir(join(open.home, '.unibus')), [], 'no key is written into it');
  });

  test('keeps an identity: a second `id new` does not replace it', async (t) => {
    const cli = await Cli.create(t);
    await cli.ok(['id', 'new']);
    const { json } = await cli.ok(['id', 'show', '--json']);
    const again = await cli.run(['id', 'new']);
    assert.equal(again.code, 5, again.stderr);
    assert.deepEqual((await cli.ok(['id', 'show', '--json'])).json, json);
  });

  test('keeps the account key nowhere; the recovery key is shown once', async (t) => {
    const cli = await Cli.create(t);
    const { stdout, stderr } = await cli.ok(['id', 'new']);
    const [key, ...more] = (stdout + stderr).match(/ubsec1[a-z0-9-]+/g);
    assert.deepEqual(more, []);
    const seed = u.parseRecoveryKey(key);
    const { account, backupKey } = u.accountFromSeed(seed);
    const shown = await cli.ok(['id', 'show', '--json']);
    const home = await contentOf(cli.home);
    home['id show'] = Buffer.from(shown.stdout + shown.stderr);
    const secrets = [seed, account.secretKey.slice(0, 32), account.seed, u.utf8(key), backupKey];
    for (const [place, bytes] of Object.entries(home)) {
      for (const secret of secrets) assert.deepEqual(findForms(bytes, secret), [], place);
    }
    const all = Buffer.concat(Object.values(home));
    assert.ok(findForms(all, account.publicKey).length > 0, 'control: the public key is found');
  });
});
