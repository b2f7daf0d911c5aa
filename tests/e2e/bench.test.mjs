// SPDX-License-Identifier: Apache-2.0
// `unibus bench`: what it counts is what happened, and what a bad server does makes the run fail.
// No figure is judged here: how fast it was depends on the machine.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { until } from './lib/cast.mjs';
import { Cli } from './lib/cli.mjs';
import { startBadProxy, startNatsServer } from './lib/natsserver.mjs';
import { startNode } from './lib/node.mjs';
import { cliMember, newRoom } from './lib/people.mjs';

async function bench(cli, url, line, ...more) {
  return (await cli.ok(['bench', ...line.split(' '), ...(url ? ['--url', url] : []), '--json', ...more])).json;
}

function checkLatency(latency, count) {
  assert.equal(latency.count, count);
  const { min, p50, p90, p99, p999, max } = latency;
  assert.ok(min > 0 && min <= p50 && p50 <= p90 && p90 <= p99 && p99 <= p999 && p999 <= max,
    JSON.stringify(latency));
  assert.ok(latency.mean >= min && latency.mean <= max);
}

function checkGroup(group, clients, messages) {
  assert.equal(group.clients, clients);
  assert.equal(group.messages, messages);
  assert.ok(group.msgs_per_s > 0 && group.bytes_per_s > group.msgs_per_s);
  const { min, avg, max, stddev } = group.client_msgs_per_s;
  assert.ok(min > 0 && min <= avg && avg <= max && stddev <= max, JSON.stringify(group));
}

/** A bench that goes on until its time or a signal: it has said that it listens. */
async function startBench(t, cli, args) {
  const running = cli.start(['bench', ...args]);
  t.after(async () => {
    if (running.exit === null) process.kill(running.pid, 'SIGTERM');
    await running.gone;
  });
  await until(() => running.exit !== null || / on .* at nats:/.test(running.stderr), 'ready', 10000);
  assert.equal(running.exit, null, running.log);
  return running;
}

describe('against a nats-server', () => {
  test('pub, fanout: all messages, from all clients, to all clients', async (t) => {
    const cli = await Cli.create(t);
    const { url } = await startNatsServer(t);
    const pub = await bench(cli, url, 'pub --msgs 10001 --clients 3 --size 1KiB');
    checkGroup(pub.publishers, 3, 10001);
    assert.equal(pub.verified, 'none');
    assert.equal(pub.latency_us, undefined);
    const csv = join(cli.home, 'clients.csv');
    const fan = await bench(cli, url, 'fanout some.where --msgs 3000 --pub 2 --sub 3', '--csv', csv);
    checkGroup(fan.publishers, 2, 3000);
    checkGroup(fan.subscribers, 3, 9000);
    checkLatency(fan.latency_us, 9000);
    assert.equal(fan.verified, 'order');
    assert.equal(fan.subject, 'some.where');
    assert.equal(fan.encrypted, false);
    const lines = (await readFile(csv, 'utf8')).trim().split('\n');
    assert.equal(lines[0], 'who,client,messages,bytes,seconds,msgs_per_s');
    assert.deepEqual(lines.slice(1).map((line) => line.split(',').slice(0, 4).join()),
      ['publishers,1,1500,192000', 'publishers,2,1500,192000', 'subscribers,1,3000,384000',
        'subscribers,2,3000,384000', 'subscribers,3,3000,384000']);
  });

  test('a size without room for a number is counted only; big ones arrive whole', async (t) => {
    const cli = await Cli.create(t);
    const { url } = await startNatsServer(t);
    const tiny = await bench(cli, url, 'fanout --msgs 500 --sub 2 --size 8');
    assert.equal(tiny.verified, 'count');
    assert.equal(tiny.subscribers.messages, 1000);
    const none = await bench(cli, url, 'fanout --msgs 50 --sub 1 --size 0');
    assert.equal(none.subscribers.messages, 50);
    const big = await bench(cli, url, 'fanout --msgs 40 --sub 2 --size 1MiB');
    assert.equal(big.subscribers.messages, 80);
    assert.equal(big.verified, 'order');
    const more = await cli.run(['bench', 'pub', '--url', url, '--size', '2MiB', '--msgs', '1']);
    assert.equal(more.code, 1);
    assert.match(more.stderr, /2097152 bytes are more than the bus takes/);
  });

  test('a rate: latency from the time when each was due, and a time to end', async (t) => {
    const cli = await Cli.create(t);
    const { url } = await startNatsServer(t);
    const paced = await bench(cli, url, 'fanout --msgs 200 --rate 1000 --sub 1');
    assert.equal(paced.rate, 1000);
    checkLatency(paced.latency_us, 200);
    assert.equal(paced.send_delay_us.count, 200);
    assert.ok(paced.publishers.seconds >= 0.19, 'the last of 200 is due after 199 ms');
    const timed = await bench(cli, url, 'pub --duration 300ms --rate 500');
    assert.ok(timed.publishers.messages > 0 && timed.publishers.messages <= 151,
      `${timed.publishers.messages}`);
  });

  test('req: each is answered once; without anybody who answers it says so', async (t) => {
    const cli = await Cli.create(t);
    const { url } = await startNatsServer(t);
    const alone = await cli.run(['bench', 'req', 'echo', '--url', url]);
    assert.equal(alone.code, 6, alone.stderr);
    assert.match(alone.stderr, /nobody answers on echo \[no-responders\]\n {2}.*--reply echo/);
    const side = await startBench(t, cli, ['req', 'echo', '--reply', '--url', url, '--json']);
    const one = await bench(cli, url, 'req echo --msgs 300');
    checkGroup(one.requesters, 1, 300);
    checkLatency(one.latency_us, 300);
    assert.equal(one.verified, 'once');
    const many = await bench(cli, url, 'req echo --msgs 1000 --inflight 32 --clients 2');
    checkGroup(many.requesters, 2, 1000);
    process.kill(side.pid, 'SIGINT');
    assert.deepEqual(await side.exited(5000), { code: 0, signal: null });
    const said = JSON.parse(side.stdout);
    assert.equal(said.answerers.messages, 1300);
    assert.equal(said.interrupted, true);
  });

  test('sub in another process; Ctrl-C shows what was measured so far', async (t) => {
    const cli = await Cli.create(t);
    const { url } = await startNatsServer(t);
    const sub = await startBench(t, cli,
      ['sub', 'far', '--clients', '2', '--msgs', '400', '--url', url, '--json']);
    await bench(cli, url, 'pub far --clients 2 --msgs 400');
    assert.deepEqual(await sub.exited(10000), { code: 0, signal: null }, sub.log);
    const got = JSON.parse(sub.stdout);
    checkGroup(got.subscribers, 2, 800);
    assert.equal(got.verified, 'order');
    const long = cli.start(['bench', 'fanout', '--msgs', '1M', '--rate', '1000', '--sub', '2',
      '--url', url, '--json']);
    await new Promise((done) => { setTimeout(done, 700); });
    process.kill(long.pid, 'SIGINT');
    assert.deepEqual(await long.exited(10000), { code: 0, signal: null }, long.log);
    const part = JSON.parse(long.stdout);
    assert.equal(part.interrupted, true);
    assert.ok(part.publishers.messages > 0 && part.publishers.messages < 1000000);
    assert.equal(part.subscribers.messages, 2 * part.publishers.messages);
  });

  test('user and password in the address: they work, and are shown nowhere', async (t) => {
    const cli = await Cli.create(t);
    const { port } = await startNatsServer(t, ['--user', 'olga', '--pass', 'swordfish']);
    const good = await cli.ok(['bench', 'pub', '--msgs', '10', '--url', `nats://olga:swordfish@127.0.0.1:${port}`]);
    const bad = await cli.run(['bench', 'pub', '--url', `nats://olga:sesame@127.0.0.1:${port}`]);
    assert.equal(bad.code, 3, bad.stderr);
    assert.match(bad.stderr, /does not let this user in: .*\n {2}put user and password/);
    const all = good.stdout + good.stderr + bad.stdout + bad.stderr;
    assert.doesNotMatch(all, /swordfish|sesame|olga:/);
    const away = await cli.run(['bench', 'pub', '--url', 'nats://127.0.0.1:1']);
    assert.equal(away.code, 6, away.stderr);
  });

  test('for people: a table, and the sentence that says what was verified', async (t) => {
    const cli = await Cli.create(t);
    const { url } = await startNatsServer(t);
    const { stdout } = await cli.ok(['bench', 'fanout', '--msgs', '2000', '--url', url]);
    assert.match(stdout, /^fanout on bench at nats:\/\/127\.0\.0\.1:\d+ \(NOT encrypted\)\n\n/);
    assert.match(stdout, /\nsubscribers +10 +20,000 +[\d,]+ +[\d.]+ [KMG]iB\/s +[\d,]+ +[\d,]+ /);
    assert.match(stdout, /\nlatency +p50 [\d.]+ (us|ms), p99 [\d.]+ (us|ms|s), p99\.9 /);
    assert.match(stdout, /\nverified +none lost, none twice, in order\n$/);
  });
});

describe('control: a run through a server that treats one message badly fails', () => {
  const change = (bytes) => {
    bytes[bytes.length - 10] ^= 1;
    return [bytes];
  };
  const cases = [
    ['loses one', () => [], /subscriber 1 got 499 of 500 messages: 1 lost \[lost\]\n {2}.*number 299 of publisher 1/],
    ['sends one twice', (bytes) => [bytes, bytes], /subscriber 1 got 1 messages more than once \[doubled\]/],
    ['turns two round', () => 'hold', /subscriber 1 got 1 messages after later ones \[disordered\]/],
    ['changes one', change, /messages|lost/],
  ];
  for (const [name, treat, pattern] of cases) {
    test(name, async (t) => {
      const cli = await Cli.create(t);
      const { port } = await startNatsServer(t);
      const proxy = await startBadProxy(t, port, { nth: 300, treat });
      const args = ['bench', 'fanout', '--sub', '1', '--msgs', '500', '--timeout', '700ms', '--url', proxy.url, '--json'];
      const run = await cli.run(args);
      assert.equal(run.code, 1, run.stderr);
      assert.match(run.stderr, pattern);
      assert.ok(proxy.seen >= 500, 'the proxy was in the way');
      assert.equal(JSON.parse(run.stdout).bench, 'fanout', 'what was measured is shown');
      proxy.seen = 1000; // from now on it does nothing
      await cli.ok(args);
    });
  }

  test('the last message twice, the last message not at all', async (t) => {
    const cli = await Cli.create(t);
    const { port } = await startNatsServer(t);
    for (const [treat, pattern] of [[(bytes) => [bytes, bytes], /doubled/], [() => [], /lost/]]) {
      const proxy = await startBadProxy(t, port, { nth: 500, treat });
      const run = await cli.run(['bench', 'fanout', '--sub', '1', '--msgs', '500', '--timeout',
        '700ms', '--url', proxy.url]);
      assert.equal(run.code, 1, run.stderr);
      assert.match(run.stderr, pattern);
    }
  });

  test('without numbers the count betrays it', async (t) => {
    const cli = await Cli.create(t);
    const { port } = await startNatsServer(t);
    for (const treat of [(bytes) => [bytes, bytes], () => []]) {
      const proxy = await startBadProxy(t, port, { nth: 50, treat });
      const run = await cli.run(['bench', 'fanout', '--sub', '1', '--msgs', '100', '--size', '4',
        '--timeout', '700ms', '--url', proxy.url]);
      assert.equal(run.code, 1, run.stderr);
    }
  });

  test('sub, and req with an answer that is lost or doubled', async (t) => {
    const cli = await Cli.create(t);
    const { port, url } = await startNatsServer(t);
    const first = await startBadProxy(t, port, { nth: 50, treat: () => [] });
    const sub = await startBench(t, cli, ['sub', 'x', '--msgs', '100', '--timeout', '700ms', '--url', first.url]);
    await cli.ok(['bench', 'pub', 'x', '--msgs', '100', '--url', url]);
    assert.equal((await sub.exited(10000)).code, 1);
    assert.match(sub.stderr, /subscriber 1 got 99 of 100 messages: 1 lost/);
    await startBench(t, cli, ['req', 'y', '--reply', '--url', url]);
    for (const [treat, pattern] of [[() => [], /requester 1 got 49 of 50|1 lost/],
      [(bytes) => [bytes, bytes], /requester 1 got 1 messages more than once/]]) {
      const proxy = await startBadProxy(t, port, { nth: 30, treat });
      const run = await cli.run(['bench', 'req', 'y', '--msgs', '50', '--timeout', '700ms', '--url', proxy.url]);
      assert.equal(run.code, 1, run.stderr);
      assert.match(run.stderr, pattern);
    }
  });

  test('a server that closes the connection', async (t) => {
    const cli = await Cli.create(t);
    const { port } = await startNatsServer(t);
    const proxy = await startBadProxy(t, port, { nth: 300, treat: () => 'close' });
    const run = await cli.run(['bench', 'fanout', '--sub', '1', '--msgs', '500', '--url', proxy.url]);
    assert.equal(run.code, 6, run.stderr);
    assert.match(run.stderr, /the bus closed the connection/);
  });
});

describe('at a node', () => {
  async function office(t) {
    const node = await startNode(t);
    const op = await Cli.create(t, { env: { UNIBUS_SERVER: node.url } });
    await op.ok(['init', '--admin-socket', node.adminSocket]);
    return { node, op };
  }

  test('in a room: sealed and opened, and what that costs', async (t) => {
    const { node, op } = await office(t);
    await newRoom(op, 'ops');
    const ear = op.start(['sub', 'ops', 'load', '--raw', '--count', '20', '--json']);
    await until(() => ear.stdout.includes('"ready"'), 'ready', 10000);
    const fan = await bench(op, null, 'fanout load --room ops --msgs 300 --sub 3');
    await ear.gone;
    assert.match(ear.stdout, /"event":"envelope".*"epoch":1/, 'what travels is an envelope');
    assert.equal(fan.encrypted, true);
    assert.match(fan.subject, /^ub\.r\.[a-z2-7]+\.load$/);
    checkGroup(fan.publishers, 1, 300);
    checkGroup(fan.subscribers, 3, 900);
    assert.equal(fan.verified, 'order');
    assert.ok(fan.sealing_us > 0 && fan.opening_us > 0);
    for (const args of [['fanout', '--pub', '2'], ['pub', '--clients', '2'], ['req', '--clients', '2']]) {
      const mixed = await op.run(['bench', ...args, '--room', 'ops', '--msgs', '10']);
      assert.equal(mixed.code, 2, `${args}: ${mixed.stderr}`);
      assert.match(mixed.stderr, /one order.*\n {2}--/);
    }
    const side = await startBench(t, op, ['req', 'ask', '--reply', '--room', 'ops']);
    const req = await bench(op, null, 'req ask --room ops --msgs 20 --inflight 4');
    checkGroup(req.requesters, 1, 20);
    assert.equal(req.encrypted, true);
    process.kill(side.pid, 'SIGINT');
    await side.gone;
    const reader = await cliMember(t, node, 'rita');
    const { invite } = (await op.ok(['room', 'add', 'ops', 'rita', '--role', 'reader', '--json'])).json;
    await reader.ok(['room', 'join', invite]);
    const refused = await reader.run(['bench', 'pub', 'load', '--room', 'ops', '--msgs', '10']);
    assert.equal(refused.code, 3, refused.stderr);
  });

  test('raw as an identity: a plain room, and a subject that is not his', async (t) => {
    const { op } = await office(t);
    await newRoom(op, 'open', '--plain');
    const plain = await bench(op, null, 'fanout load --room open --msgs 500 --sub 2');
    assert.equal(plain.encrypted, false);
    checkGroup(plain.subscribers, 2, 1000);
    assert.equal(plain.sealing_us, undefined);
    const pub = await bench(op, null, 'pub', `${plain.subject}`, '--msgs', '100');
    checkGroup(pub.publishers, 1, 100);
    for (const verb of ['pub', 'sub']) {
      const run = await op.run(['bench', verb, 'not.mine', '--msgs', '10']);
      assert.equal(run.code, 3, run.stderr);
      assert.match(run.stderr, /Permissions Violation.*not\.mine/i);
    }
  });

  test('an epoch that is used up is not gone over', async (t) => {
    const { op } = await office(t);
    const { id } = await newRoom(op, 'ops');
    await bench(op, null, 'pub --room ops --msgs 10');
    const file = join(op.home, '.unibus', 'counters', `${id}.json`);
    const counters = JSON.parse(await readFile(file, 'utf8'));
    assert.equal(counters.used, 10, 'each message is counted');
    await writeFile(file, JSON.stringify({ ...counters, used: 100000 - 15 }));
    await bench(op, null, 'pub --room ops --msgs 10 --batch 10');
    const run = await op.run(['bench', 'pub', '--room', 'ops', '--msgs', '6', '--batch', '6']);
    assert.equal(run.code, 3, run.stderr);
    assert.match(run.stderr, /\[E-STALE\]\n {2}.*rotate/);
    await op.ok(['room', 'rotate', 'ops']);
    await bench(op, null, 'pub --room ops --msgs 10');
  });
});

test('usage: each wrong amount is refused with an example', async (t) => {
  const cli = await Cli.create(t);
  const wrong = [
    ['pub', '--size', '16K'], ['pub', '--size', '-1'], ['pub', '--msgs', '0'], ['pub', '--msgs', 'x'],
    ['pub', '--rate', '0'], ['pub', '--clients', '1001'], ['pub', '--duration', 'soon'],
    ['req', '--size', '15'], ['req', '--inflight', '0'], ['pub', '--clients', '4', '--msgs', '3'],
    ['fanout', '--sub', '0'], ['fanout', '--batch', '10001'],
  ];
  for (const [verb, ...args] of wrong) {
    const run = await cli.run(['bench', verb, '--url', 'nats://127.0.0.1:1', ...args]);
    assert.equal(run.code, 2, `${args}: ${run.stderr}`);
    assert.match(run.stderr, /^unibus: .+\n {2}--/, `${args}: ${run.stderr}`);
  }
  const blank = await cli.run(['bench', 'pub', 'a b', '--url', 'nats://127.0.0.1:1']);
  assert.equal(blank.code, 2, blank.stderr);
});
