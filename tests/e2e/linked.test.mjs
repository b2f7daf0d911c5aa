// SPDX-License-Identifier: Apache-2.0
// The same program with its modules linked in: alone in a folder, on the sample config.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cli } from './lib/cli.mjs';
import { busOf, cast, collect, settled, until } from './lib/cast.mjs';
import { buildFolder, Running } from './lib/process.mjs';

const sampleFile = new URL('../../etc/single.lua', import.meta.url);
const policyFile = new URL('../../etc/policy/site.lua', import.meta.url);

/** membershipd-linked without anything beside it. */
async function alone(t) {
  const dir = await mkdtemp(join(tmpdir(), 'ub-linked-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const program = join(dir, 'membershipd');
  await copyFile(join(buildFolder(), 'membershipd-linked'), program);
  return program;
}

async function outputOf(program, args) {
  const running = new Running(program, args);
  assert.deepEqual(await running.exited(20000), { code: 0, signal: null }, running.stderr);
  return running.stdout;
}

test('etc/single.lua runs without a module file, and a message goes round', async (t) => {
  const sample = await readFile(sampleFile, 'utf8');
  const config = ({ httpPort, natsPort }) => sample
    .replace('127.0.0.1:8470', `127.0.0.1:${httpPort}`)
    .replace('127.0.0.1:4250', `127.0.0.1:${natsPort}`)
    .replace('policy/site.lua', fileURLToPath(policyFile));
  const { node, alice, bob } = await cast(t, ['alice', 'bob'],
    { program: await alone(t), config });
  const { modules } = (await node.admin().expect(200, 'GET', '/v1/modules')).json;
  assert.ok(modules.length >= 5 && modules.every(({ file }) => file === null), 'no module has a file');
  const cli = await Cli.create(t, { program: 'membershipctl' });
  const listed = (await cli.ok(['module', 'ls', '--admin-socket', node.adminSocket])).stdout;
  assert.equal(listed.match(/ linked in /g).length, modules.length, listed);
  const room = await alice.createRoom({ name: 'ops' });
  await room.add(bob.card);
  const joined = await bob.joinRoom(room.invite());
  const [from, to] = await Promise.all([alice, bob].map((member) => busOf(t, member, node)));
  const heard = collect(to, joined.subject('chat'));
  await settled(to);
  room.publish(from, 'chat', { content: 'linked' });
  const [msg] = await until(() => heard.length === 1 && heard, 'the message');
  assert.equal(Buffer.from((await joined.openMsg(msg)).content).toString(), 'linked');
});

test('--version and explain name what is linked in', async (t) => {
  const program = await alone(t);
  const version = await outputOf(program, ['--version']);
  for (const name of ['blob-fs', 'http', 'kv-lmdb', 'kv-sqlite', 'membership', 'nats', 'policy', 'users']) {
    assert.match(version, new RegExp(`^linked in: ${name} \\d+\\.\\d+\\.\\d+, ABI 1\\.\\d+$`, 'm'));
  }
  const blocks = JSON.parse(await outputOf(program, ['explain', '--json']));
  assert.ok(blocks.some(({ name }) => name === 'kv-sqlite'));
  const plain = await outputOf(join(buildFolder(), 'membershipd'), ['--version']);
  assert.doesNotMatch(plain, /linked in/, 'control: the usual program loads files');
});
