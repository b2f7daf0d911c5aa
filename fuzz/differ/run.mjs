// SPDX-License-Identifier: Apache-2.0
// The same streams to a nats-server and to ours; see fuzz/against-nats-server.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { buildFolder, Running } from '../../tests/e2e/lib/process.mjs';
import { reasonFor } from './known.mjs';
import { stream } from './streams.mjs';
import { SENTINEL, talk } from './talk.mjs';

const CONF = 'listen: "127.0.0.1:-1"\nmax_payload: 1024\nmax_control_line: 512\n';
const QUIET_MS = 25;
const SURE_MS = 400;

async function start(program, dir, name) {
  const conf = join(dir, `${name}.conf`);
  await writeFile(conf, CONF);
  const running = new Running(program, ['-c', conf], { cwd: dir });
  for (let waited = 0; waited < 10000; waited += 20) {
    const at = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(running.log);
    if (at && /Server is ready/.test(running.log)) return { running, port: Number(at[1]) };
    if (running.exit) break;
    await pause(20);
  }
  throw new Error(`${program} did not start:\n${running.log}`);
}

const isSame = (a, b) => a.text === b.text && a.isClosed === b.isClosed;

async function both(lane, pieces, quietMs) {
  return Promise.all([talk(lane.theirs.port, pieces, quietMs), talk(lane.ours.port, pieces, quietMs).then(lane.bend)]);
}

/** The answers of both, theirs first, when they differ however often one asks; else null. */
async function difference(lane, pieces) {
  let answers = await both(lane, pieces, QUIET_MS);
  for (let again = 0; again < 3 && !isSame(...answers); again++) answers = await both(lane, pieces, SURE_MS);
  return isSame(...answers) ? null : answers;
}

/** Each lane has two servers of its own, so that no stream hears another. */
async function withLanes({ lanes: count, peer, bend }, fn) {
  const dir = await mkdtemp(join(tmpdir(), 'ub-differ-'));
  const lanes = [];
  try {
    for (let i = 0; i < count; i++) {
      lanes.push({ bend, theirs: await start(peer, dir, `theirs-${i}`), ours: await start(join(buildFolder(), 'unibus-nats-server'), dir, `ours-${i}`) });
    }
    return await fn(lanes);
  } finally {
    for (const { running } of lanes.flatMap(({ theirs, ours }) => [theirs, ours])) {
      if (running.exit === null) process.kill(running.pid, 'SIGTERM');
      await running.exited(8000);
    }
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Streams `first` to `first + count` of a seed. Resolves with the number compared, those that differ
 * without a reason, and how often each known reason was met. `bend` is for the control: it changes our answers.
 */
export async function compare({ seed, first = 0, count, lanes = 2, peer, untilMs = Infinity, onDifference = () => {}, bend = (answer) => answer }) {
  const summary = { seed, compared: 0, differences: [], known: {} };
  await withLanes({ lanes, peer, bend }, async (all) => {
    let next = first;
    await Promise.all(all.map(async (lane) => {
      while (next < first + count && Date.now() < untilMs) {
        const n = next++;
        const pieces = stream(seed, n);
        const answers = await difference(lane, pieces);
        summary.compared += 1;
        const [theirs, ours] = answers ?? [];
        const reason = answers && reasonFor(Buffer.concat([...pieces, SENTINEL]).toString('latin1'), theirs, ours);
        if (reason) summary.known[reason] = (summary.known[reason] ?? 0) + 1;
        if (answers && !reason) {
          summary.differences.push({ n, pieces, theirs, ours });
          onDifference(summary.differences.at(-1));
        }
        if (lane.ours.running.exit) throw new Error(`ours ended at stream ${n}:\n${lane.ours.running.log}`);
      }
    }));
  });
  return summary;
}
