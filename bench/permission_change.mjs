// SPDX-License-Identifier: Apache-2.0
// How long after the answer of HTTP a changed right holds on open connections: a real node, rooms with
// one member each and connections of those members that are subscribed; each member is removed from
// his room, and each of his connections must be told. Not a test: prints, judges no speed.
//
//     npm ci --prefix tests/e2e
//     UNIBUS_ROOT=$PWD UNIBUS_BUILD=build node bench/permission_change.mjs [rooms] [connections a member]
import { performance } from 'node:perf_hooks';
import { cast } from '../tests/e2e/lib/cast.mjs';
import { loggedIn } from '../tests/e2e/lib/wire.mjs';

const ROOMS = Number(process.argv[2] ?? 100);
const EACH = Number(process.argv[3] ?? 10);
const WAIT_MS = 10000;

const endings = [];
const scope = { after: (fn) => endings.push(fn), name: 'bench' };

/** Resolves with the time at which the connection is told that its subscription has ended. */
function toldAt(connection) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(
      `a connection was not told within ${WAIT_MS} ms`)), WAIT_MS);
    let text = '';
    connection.socket.on('data', (part) => {
      text += part.toString('latin1');
      if (text.includes("-ERR 'Permissions Violation for Subscription")) {
        clearTimeout(timer);
        resolve(performance.now());
      }
    });
  });
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

function line(what, values) {
  const sorted = values.toSorted((a, b) => a - b);
  const shown = [0.5, 0.99, 1].map((q) => quantile(sorted, q).toFixed(2));
  console.log(`${what}: p50 ${shown[0]} ms, p99 ${shown[1]} ms, most ${shown[2]} ms`);
}

/** The moment of the last answer 200 to a POST, whatever the client does with it afterwards. */
function watchAnswers(api) {
  const watched = { at: 0 };
  const { request } = api;
  api.request = async (method, ...rest) => {
    const answer = await request.call(api, method, ...rest);
    if (method === 'POST' && answer.status === 200) watched.at = performance.now();
    return answer;
  };
  return watched;
}

async function main() {
  const handles = Array.from({ length: ROOMS }, (_, i) => `m${i}`);
  const people = await cast(scope, ['alice', ...handles]);
  const { node, alice } = people;
  const rooms = [];
  for (const handle of handles) {
    const member = people[handle];
    const room = await alice.createRoom();
    await room.add(member.card);
    const connections = [];
    for (let i = 0; i < EACH; i += 1) {
      const connection = await loggedIn(scope, node, member);
      await connection.send(`SUB ${room.subject('chat')} 1\r\nPING\r\n`);
      await connection.waitFor(({ text }) => text.split('PONG').length === 3);
      connections.push(connection);
    }
    rooms.push({ room, member, connections });
  }
  console.log(`${rooms.length} rooms, ${rooms.length * EACH} connections`);
  const watched = watchAnswers(alice.api);
  const after = [];
  const whole = [];
  for (const { room, member, connections } of rooms) {
    const told = connections.map(toldAt);
    const begun = performance.now();
    await room.remove(member.accountPk);
    for (const at of await Promise.all(told)) {
      after.push(Math.max(0, at - watched.at));
      whole.push(at - begun);
    }
  }
  line('from HTTP 200 to the connection that is told', after);
  line('from the request to the connection that is told', whole);
}

try {
  await main();
} finally {
  for (const end of endings.reverse()) await end();
}
