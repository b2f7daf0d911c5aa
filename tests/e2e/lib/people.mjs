// SPDX-License-Identifier: Apache-2.0
// A node with members of both kinds: some use the CLI in C, some are the member in JS.
import assert from 'node:assert/strict';
import { cast, until } from './cast.mjs';
import { Cli } from './cli.mjs';

/** The CLI of a new identity that is on the allowlist as `handle`; `card` = its `id show`. */
export async function cliMember(t, node, handle, role = 'member') {
  const cli = await Cli.create(t, { env: { UNIBUS_SERVER: node.url } });
  await cli.ok(['id', 'new']);
  const card = (await cli.ok(['id', 'show', '--json'])).json;
  await node.admin().expect(201, 'POST', '/v1/identities',
    { json: { handle, role, device: card.records[0] } });
  return Object.assign(cli, { card, handle });
}

/** {node, admin, carol (C), alice, bob (JS)}. */
export async function people(t, options) {
  const all = await cast(t, ['alice', 'bob'], options);
  return { ...all, carol: await cliMember(t, all.node, 'carol') };
}

/** The room of an invite in C's JSON, joined by a JS member. */
export async function newRoom(cli, name, ...options) {
  return (await cli.ok(['room', 'new', name, '--json', ...options])).json;
}

/** A `sub --json` that runs: its events in an array that grows; it has said `ready`. */
export async function listen(t, cli, ...args) {
  const running = cli.start(['sub', ...args, '--json']);
  t.after(async () => {
    if (running.exit === null) process.kill(running.pid, 'SIGTERM');
    await running.gone;
  });
  const events = () => running.stdout.split('\n').slice(0, -1).map((line) => JSON.parse(line));
  const of = (event) => events().filter((one) => one.event === event);
  await until(() => running.exit !== null || of('ready').length > 0, 'ready', 10000);
  assert.equal(running.exit, null, running.log);
  return { running, events, of };
}
