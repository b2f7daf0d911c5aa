// SPDX-License-Identifier: Apache-2.0
// A short run of fuzz/against-nats-server with a fixed seed: the same streams to Debian's nats-server and to ours.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { compare } from '../../fuzz/differ/run.mjs';

const SEED = 20260101;
const peer = [process.env.UNIBUS_NATS_SERVER, '/usr/sbin/nats-server', '/usr/bin/nats-server'].find((path) => path && existsSync(path));

describe('the same bytes to nats-server and to us', () => {
  test('nats-server is there', () => assert.ok(peer, 'deploy/install-packages test'));

  test('the same answers, or a difference with a reason', async () => {
    const summary = await compare({ seed: SEED, count: 1200, untilMs: Date.now() + 12000, peer });
    assert.deepEqual(summary.differences.map(({ n, pieces, theirs, ours }) => ({ n, sent: pieces.map((piece) => piece.toString('latin1')), theirs, ours })), []);
    assert.ok(summary.compared >= 100, `only ${summary.compared} streams`);
    // Most streams need no reason.
    assert.ok(Object.values(summary.known).reduce((a, b) => a + b, 0) < summary.compared / 2);
  });

  test('control: one PONG too few is seen', async () => {
    const bend = (answer) => ({ ...answer, text: answer.text.replace(/^PONG\n/m, '') });
    const summary = await compare({ seed: SEED, count: 40, lanes: 1, peer, bend });
    assert.ok(summary.differences.length > 0);
  });
});
