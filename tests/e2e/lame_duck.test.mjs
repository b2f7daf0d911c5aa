// SPDX-License-Identifier: Apache-2.0
// SIGUSR2 on the real daemon: clients are told and sent away one after the other, and nothing that
// they had sent is lost.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { until } from './lib/cast.mjs';
import { freePort, startNode } from './lib/node.mjs';
import { RawConnection } from './lib/raw.mjs';

const CONNECT = `CONNECT ${JSON.stringify({ verbose: false, protocol: 1 })}\r\nPING\r\n`;
const PUBLISHERS = 20;

const lame = (duration, grace) => ({
  posture: 'dev',
  modules: ({ http, nats }) => ({
    http, nats: { ...nats, auth: 'off', lame_duck_duration: duration, lame_duck_grace: grace },
  }),
});

async function raw(node) {
  const connection = await RawConnection.open(node.nats);
  await connection.send(CONNECT);
  await connection.expectText('"connect_info":true');
  return connection;
}

const retire = (node) => process.kill(node.process.pid, 'SIGUSR2');

test('clients are told, then closed one after the other; what they sent arrives', async (t) => {
  const node = await startNode(t, lame('3 s', '500 ms'));
  const observer = await raw(node); // the first of its loop, so the last to be closed
  const beside = await raw(node); // the same on the other loop
  for (const one of [observer, beside]) await one.send('SUB n.> 1\r\n');
  const publishers = await Promise.all(Array.from({ length: PUBLISHERS }, () => raw(node)));
  const closedAt = [];
  const sent = publishers.map(() => 0);
  const timers = publishers.map(({ socket }, n) => {
    const timer = setInterval(() => {
      if (!socket.writable) return;
      const body = `${n}.${sent[n]}`;
      sent[n] += 1;
      socket.write(`PUB n.${n} ${body.length}\r\n${body}\r\n`);
    }, 1);
    socket.on('end', () => { clearInterval(timer); closedAt.push(Date.now()); });
    return timer;
  });
  t.after(() => timers.forEach(clearInterval));
  await until(() => sent.every((count) => count > 20), 'they publish');

  const started = Date.now();
  retire(node);
  retire(node); // once more changes nothing
  await Promise.all([observer, ...publishers].map((one) => one.expectText('"ldm":true')));
  assert.equal(observer.text.match(/"ldm":true/g).length, 1);
  assert.doesNotMatch(observer.text, /ldm.*connect_urls/);
  await assert.rejects(new Promise((done, failed) => {
    net.connect(node.nats).on('connect', done).on('error', failed);
  }), /ECONNREFUSED/);

  const exit = await node.process.exited(10000);
  const took = Date.now() - started;
  assert.deepEqual(exit, { code: 0, signal: null }, node.log);
  assert.equal(closedAt.length, PUBLISHERS);
  assert.ok(closedAt[0] - started >= 450, `the grace: ${closedAt[0] - started} ms`);
  assert.ok(closedAt.at(-1) - closedAt[0] >= 1000, 'spread over the time');
  assert.ok(took < 8000, `${took} ms`);
  const heard = new Set([observer, beside].flatMap(({ text }) => [...text.matchAll(/^(\d+\.\d+)\r$/gm)])
    .map(([, body]) => body));
  const lost = sent.flatMap((count, n) => Array.from({ length: count }, (_, i) => `${n}.${i}`))
    .filter((body) => !heard.has(body));
  assert.ok(sent.reduce((a, b) => a + b) > 1000, 'control: they went on meanwhile');
  assert.deepEqual(lost, []);
});

test('without clients the node stops at once', async (t) => {
  const node = await startNode(t, lame('2 min', '10 s'));
  const started = Date.now();
  retire(node);
  assert.deepEqual(await node.process.exited(5000), { code: 0, signal: null });
  assert.ok(Date.now() - started < 3000);
  assert.match(node.log, /retiring/);
  assert.match(node.log, /lame-duck/);
});

test('a client who does not close his side is not waited for; /readyz says 503; SIGTERM is sooner', async (t) => {
  const node = await startNode(t, lame('1500 ms', '100 ms'));
  const socket = net.connect({ ...node.nats, allowHalfOpen: true });
  t.after(() => socket.destroy());
  await new Promise((done) => { socket.once('data', done); });
  socket.on('data', () => {});
  socket.write(CONNECT);
  const started = Date.now();
  retire(node);
  await until(async () => (await node.client().get('/readyz')).status === 503, 'not ready any more');
  assert.deepEqual(await node.process.exited(8000), { code: 0, signal: null });
  assert.ok(Date.now() - started < 6000, `${Date.now() - started} ms`);

  const other = await startNode(t, lame('1 h', '10 s'));
  const held = await raw(other);
  t.after(() => held.close());
  retire(other);
  await held.expectText('"ldm":true');
  process.kill(other.process.pid, 'SIGTERM');
  assert.deepEqual(await other.process.exited(5000), { code: 0, signal: null });
});

test('a stock client hears of it and goes to the next server', async (t) => {
  const [old, next] = [await startNode(t, lame('1 s', '300 ms')), await startNode(t, lame('1 s', '300 ms'))];
  const client = await connect({ servers: [old.natsUrl, next.natsUrl], noRandomize: true,
    reconnectTimeWait: 50 });
  t.after(() => client.close());
  const events = [];
  (async () => { for await (const { type } of client.status()) events.push(type); })();
  retire(old);
  await until(() => events.includes('ldm'), 'ldm');
  await until(() => events.includes('reconnect'), 'the next server', 10000);
  await client.flush();
  assert.equal(client.info.port, next.natsPort);
});

test('monitoring tells who was sent away and who went by himself', async (t) => {
  const monitor = await freePort();
  const options = lame('4 s', '100 ms');
  const node = await startNode(t, { ...options, modules: (all, more) => {
    const { http, nats } = options.modules(all, more);
    return { http, nats: { ...nats, threads: 1, monitor: `127.0.0.1:${monitor}` } };
  } });
  const [first, , left] = [await raw(node), await raw(node), await raw(node)];
  left.close();
  const closed = async () => (await fetch(`http://127.0.0.1:${monitor}/connz?state=closed`)).json();
  await until(async () => (await closed()).total === 1, 'the one who went');
  retire(node);
  await first.expectText('"ldm":true');
  await until(async () => (await closed()).total === 2, 'one who was sent');
  assert.deepEqual((await closed()).connections.map(({ reason }) => reason).sort(), ['Client Closed', 'Server Shutdown']);
});
