// SPDX-License-Identifier: Apache-2.0
// The NATS port under what is legal but hostile: sessions in pieces, floods of subscriptions,
// patterns that overlap what is forbidden, readers that do not read, clients that never log in.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cast, until } from './lib/cast.mjs';
import { RawConnection } from './lib/raw.mjs';
import {
  answerTo, connectLine, CRLF, errorsIn, greeted, hpub, loggedIn, pub,
} from './lib/wire.mjs';

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function plainRooms(t, options) {
  const all = await cast(t, ['alice', 'bob'], options);
  const [hers, theirs] = [await all.alice.createRoom({ plain: true }),
    await all.alice.createRoom({ plain: true })];
  await theirs.add(all.bob.card);
  return { ...all, hers, theirs };
}

/** Message limits of the nats module on top of the default settings. */
const nats = (settings) => ({
  modules: (defaults) => ({ ...defaults, nats: { ...defaults.nats, ...settings } }),
});

test('a session split at any byte has the same result as in one piece', async (t) => {
  const { node, alice, theirs } = await plainRooms(t);
  const sessionOf = ([x, y, star]) => [
    `SUB ${x} 1${CRLF}`, `sub ${star} group 2${CRLF}`, pub(x, 'one\r\nPUB two'),
    hpub(y, 'NATS/1.0\r\nA: b\r\n\r\n', 'three'), `UNSUB 2 2${CRLF}`, pub(y, '', x),
    `UNSUB 1${CRLF}`,
    pub(x, 'unheard'), `PUB forbidden 2${CRLF}ab${CRLF}`, `PING${CRLF}`,
  ].join('');

  let runs = 1000; // sessions of the same length that do not hear each other
  async function run(cut) {
    runs += 1;
    const place = theirs.subject(`run${runs}`);
    const { connection, info } = await greeted(node);
    const session = sessionOf(['x', 'y', '*'].map((end) => `${place}.${end}`));
    const bytes = Buffer.from(connectLine(alice, info, { name: 'cut' }) + session);
    const from = connection.text.length;
    if (cut === 'each') {
      for (const byte of bytes) await connection.send(Buffer.from([byte]));
    } else {
      await connection.send(bytes.subarray(0, cut));
      await pause(1);
      if (cut < bytes.length) await connection.send(bytes.subarray(cut));
    }
    await connection.expectText(`PONG${CRLF}`, { from });
    connection.close();
    return { said: connection.text.slice(from).replaceAll(place, 'here'), size: bytes.length };
  }

  const { said: whole, size } = await run(Infinity);
  assert.match(whole, /^MSG \S+x 1 12\r\none\r\nPUB two\r\n/m);
  assert.match(whole, /^HMSG \S+y 2 18 23\r\nNATS\/1.0\r\nA: b\r\n\r\nthree\r\n/m);
  assert.doesNotMatch(whole, /unheard/);
  assert.equal(errorsIn(whole).length, 1, 'the forbidden publish');
  assert.equal((await run('each')).said, whole, 'byte by byte');
  for (let cut = 1; cut < size; cut += 8) {
    const cuts = Array.from({ length: Math.min(8, size - cut) }, (_, n) => cut + n);
    const all = await Promise.all(cuts.map(run));
    all.forEach(({ said }, n) => assert.equal(said, whole, `split before byte ${cuts[n]}`));
  }
});

describe('subscriptions', () => {
  test('too many are refused one by one; the others go on, and room comes back', async (t) => {
    const { node, bob, theirs } = await plainRooms(t, nats({ max_subscriptions: 1000 }));
    const connection = await loggedIn(t, node, bob);
    const lines = (count) => Array.from({ length: count },
      (_, n) => `SUB ${theirs.subject(`s.${n}`)} ${n}${CRLF}`).join('');
    assert.deepEqual(errorsIn(await answerTo(connection, lines(1000))), []);
    const more = await answerTo(connection, `SUB ${theirs.subject('more')} a${CRLF}`.repeat(3));
    assert.deepEqual(errorsIn(more), Array(3).fill('maximum subscriptions exceeded'));
    const last = await answerTo(connection, pub(theirs.subject('s.999'), 'x'));
    assert.match(last, /^MSG \S+ 999 1\r\n/);
    assert.doesNotMatch(await answerTo(connection, pub(theirs.subject('more'), 'x')), /^MSG/);
    assert.deepEqual(errorsIn(await answerTo(connection,
      `UNSUB 5${CRLF}SUB ${theirs.subject('more')} a${CRLF}`)), []);
  });

  test('100,000 in one connection, all gone with it', async (t) => {
    const { node, bob, theirs } = await plainRooms(t);
    const connection = await loggedIn(t, node, bob);
    const lines = Array.from({ length: 100000 },
      (_, n) => `SUB ${theirs.subject(`many.${n}`)} ${n}${CRLF}`).join('');
    assert.deepEqual(errorsIn(await answerTo(connection, lines, 60000)), []);
    assert.match(await answerTo(connection, pub(theirs.subject('many.77777'), 'x')),
      /^MSG \S+ 77777 1\r\n/);
    connection.close();
    const next = await loggedIn(t, node, bob);
    assert.match(await answerTo(next, pub(theirs.subject('many.77777'), 'x')), /^PONG/);
  });

  test('a sid twice, an unknown sid, an UNSUB without measure', async (t) => {
    const { node, bob, theirs } = await plainRooms(t);
    const connection = await loggedIn(t, node, bob);
    const subject = theirs.subject('s');
    const odd = `SUB ${subject} 1${CRLF}SUB ${subject} 1${CRLF}UNSUB 77${CRLF}`
      + `UNSUB 1 99999999999999999999${CRLF}`;
    await answerTo(connection, odd);
    if (connection.ended !== null) return; // refusing all of it is fine as well
    const heard = await answerTo(connection, pub(subject, 'x'));
    assert.ok(heard.split('MSG ').length - 1 <= 1, `delivered twice: ${heard}`);
  });
});

test('patterns and queue groups that overlap what is forbidden hear nothing of it', async (t) => {
  const { node, alice, bob, hers, theirs } = await plainRooms(t);
  const spy = await loggedIn(t, node, bob);
  const [secret, shared] = [hers.subject('work'), theirs.subject('work')];
  const tail = secret.slice('ub.r.'.length);
  const patterns = ['>', '*', '*.>', 'ub.>', 'ub.*.>', 'ub.r.>', 'ub.r.*', 'ub.r.*.work', 'ub.r.*.>',
    'ub.r.*.*', '*.r.>', `*.*.${tail}`, `ub.*.${tail}`, `ub.r.${hers.id}.>`, `ub.r.${hers.id}.*`,
    secret, `ub.r.${hers.id}`, `UB.R.${tail}`, `ub.r.${hers.id.toUpperCase()}.work`, '_INBOX.>',
    '_INBOX.*', '_INBOX.*.*', `ub.r.${theirs.id}.>`, shared];
  const groups = ['', 'workers', 'spies'];
  let sid = 0;
  const refused = new Set();
  for (const pattern of patterns) {
    for (const group of groups) {
      sid += 1;
      const said = await answerTo(spy, `SUB ${pattern} ${group && `${group} `}${sid}${CRLF}`);
      if (errorsIn(said).length > 0) refused.add(pattern);
      assert.equal(spy.ended, null, pattern);
    }
  }
  const allowed = [`ub.r.${theirs.id}.>`, shared];
  const open = patterns.filter((pattern) => !refused.has(pattern));
  assert.deepEqual(open.filter((pattern) => !/^UB\.R|[A-Z2-7]{32}/.test(pattern)), allowed);

  const worker = await loggedIn(t, node, alice);
  await answerTo(worker, `SUB ${secret} workers 1${CRLF}`);
  const from = spy.text.length;
  const boss = await loggedIn(t, node, alice);
  for (let n = 0; n < 50; n += 1) await boss.send(pub(secret, `secret ${n}`));
  await answerTo(boss, pub(shared, 'shared'));
  await until(() => (worker.text.match(/secret \d+\r\n/g) ?? []).length === 50,
    'the worker of the same group name gets every message');
  await answerTo(spy, '');
  const heard = spy.text.slice(from);
  assert.doesNotMatch(heard, /secret/);
  assert.equal(heard.match(/\r\nshared\r\n/g)?.length, 4,
    'control: two plain subscriptions, and one of each group');
});

test('a reader that stops is cut; a fast one beside it hears all', async (t) => {
  const { node, alice, bob, theirs } = await plainRooms(t, nats({ max_pending: '1 MiB' }));
  const subject = theirs.subject('flood');
  const [slow, fast, source] = [await loggedIn(t, node, bob), await loggedIn(t, node, bob),
    await loggedIn(t, node, alice)];
  for (const one of [slow, fast]) await answerTo(one, `SUB ${subject} 1${CRLF}`);
  let received = 0;
  fast.socket.on('data', (part) => { received += part.length; });
  slow.socket.pause();
  const message = pub(subject, 'x'.repeat(65536));
  const size = `MSG ${subject} 1 65536${CRLF}`.length + 65536 + CRLF.length;
  const count = 512;
  for (let n = 1; n <= count; n += 1) {
    await source.send(message);
    if (n % 8 === 0) await until(() => received >= n * size, `message ${n}`);
  }
  const pings = fast.text.match(/^PING\r$/gm)?.length ?? 0; // the one that measures the way
  assert.equal(received - pings * 'PING\r\n'.length, count * size);
  assert.equal(fast.ended, null);
  slow.socket.resume();
  assert.ok(await slow.isClosedWithin(10000), 'the slow one is closed');
  assert.ok(slow.bytes.length < count * size / 2, `${slow.bytes.length} bytes were held for it`);
});

test('clients that never log in are cut after auth_timeout, and keep nobody out', async (t) => {
  const { node, bob } = await plainRooms(t);
  const started = Date.now();
  const idle = await Promise.all(
    Array.from({ length: 500 }, () => RawConnection.open(node.nats)));
  t.after(() => idle.forEach((connection) => connection.close()));
  const bytes = [...`CONNECT {"name":"${'s'.repeat(100)}`];
  const drip = setInterval(() => {
    const byte = bytes.shift();
    idle.slice(0, 50).forEach((connection) => connection.send(byte));
  }, 100);
  t.after(() => clearInterval(drip));
  const connection = await loggedIn(t, node, bob);
  assert.ok(Date.now() - started < 2000, 'a member comes in meanwhile');
  await until(() => idle.every(({ ended }) => ended !== null), 'all are cut', 8000);
  const took = Date.now() - started;
  assert.ok(took >= 1900, `not before the time: ${took} ms`);
  const told = idle.slice(50).filter(({ text }) => text.includes("-ERR 'Authentication Timeout'"));
  assert.equal(told.length, 450);
  assert.match(await answerTo(connection, ''), /PONG/, 'the member stays');
});
