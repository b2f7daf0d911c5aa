// SPDX-License-Identifier: Apache-2.0
// The main job on every store of ub.kv: what was answered is still there after a SIGKILL.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { busOf, cast, collect, settled, until } from './lib/cast.mjs';

const STORES = {
  'kv-sqlite': { file: 'unibus.db' },
  'kv-lmdb': { dir: 'unibus.lmdb' },
};

/** The modules of a whole node with this store in place of the default one. */
const withStore = (name) => (defaults) => {
  const { 'kv-sqlite': _, ...others } = defaults;
  return { [name]: STORES[name], ...others, membership: { ...others.membership, kv: name } };
};

async function say(room, joined, [fromBus, toBus], content) {
  const heard = collect(toBus, joined.subject('chat'));
  await settled(toBus);
  room.publish(fromBus, 'chat', { content });
  const [msg] = await until(() => heard.length === 1 && heard, content);
  assert.equal(Buffer.from((await joined.openMsg(msg)).content).toString(), content);
}

for (const name of Object.keys(STORES)) {
  describe(`a node on ${name}`, () => {
    test('keeps rooms, members and rights over SIGKILL', async (t) => {
      const { node, admin, alice, bob, carol } = await cast(t, ['alice', 'bob', 'carol'],
        { modules: withStore(name) });
      const room = await alice.createRoom({ name: 'ops' });
      await room.add(bob.card);
      const joined = await bob.joinRoom(room.invite());
      const buses = await Promise.all([alice, bob].map((member) => busOf(t, member, node)));
      await say(room, joined, buses, 'before');
      const hash = room.state.hash();

      for (let round = 0; round < 3; round += 1) {
        await node.kill();
        await node.up();
        const again = await bob.joinRoom(room.invite());
        assert.deepEqual(again.state.hash(), hash);
      }
      const report = (await admin.expect(200, 'GET', '/healthz')).text;
      assert.ok(report.includes(name), report);
      const later = await Promise.all([alice, bob].map((member) => busOf(t, member, node)));
      await say(room, joined, later, 'after');
      await room.add(carol.card);
      const third = await carol.joinRoom(room.invite());
      assert.deepEqual(third.state.hash(), room.state.hash());
      assert.notDeepEqual(room.state.hash(), hash);
    });
  });
}
