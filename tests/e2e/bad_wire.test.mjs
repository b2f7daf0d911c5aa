// SPDX-License-Identifier: Apache-2.0
// Hostile bytes on the NATS port of a real node: each is refused in its words, and nothing of it
// reaches a member.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startNode } from './lib/node.mjs';
import { Member } from './lib/member.mjs';
import {
  answerTo, connectLine, errorsIn, greeted, hpub, loggedIn, pub, strangerSays,
} from './lib/wire.mjs';
import * as u from './lib/ubr1/index.mjs';

let node;
let alice;
let bob;
let room;

before(async () => {
  node = await startNode(null);
  [alice, bob] = await Promise.all(['alice', 'bob'].map((handle) =>
    Member.create(handle).register(node.admin(), node.http)));
  room = await alice.createRoom({ plain: true });
  await room.add(bob.card);
});
after(() => node.dispose());

const AUTH = 'Authorization Violation';
const UNKNOWN = 'Unknown Protocol Operation';

describe('before a login', () => {
  const early = {
    SUB: 'SUB > 1\r\n', PUB: 'PUB x 1\r\ny\r\n', HPUB: 'HPUB x 12 12\r\nNATS/1.0\r\n\r\n\r\n',
    UNSUB: 'UNSUB 1\r\n', MSG: 'MSG x 1 1\r\ny\r\n', 'RS+': 'RS+ $G x\r\n', 'LS+': 'LS+ x\r\n',
    'a second INFO': 'INFO {}\r\n', 'A+': 'A+ x\r\n', 'HTTP': 'GET / HTTP/1.1\r\n\r\n',
    'TLS': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'NUL': '\0\0\0\0\r\n',
  };
  test('only CONNECT, PING and PONG are taken', async () => {
    for (const [name, bytes] of Object.entries(early)) {
      const { errors, ended, text } = await strangerSays(node, bytes);
      assert.equal(errors.length, 1, `${name}: ${text}`);
      assert.ok([AUTH, UNKNOWN].includes(errors[0]), `${name}: ${errors[0]}`);
      assert.ok(ended, `${name}: closed`);
    }
    const { text } = await strangerSays(node, 'PING\r\nPONG\r\nPING\r\n', { timeoutMs: 300 });
    assert.equal(text.match(/PONG\r\n/g)?.length, 2, 'control');
  });

  test('lines that are too long are cut at the limit', async () => {
    const long = {
      'a CONNECT of 4,097 bytes': `CONNECT {"name":"${'x'.repeat(4080)}"}\r\n`,
      'a CONNECT without an end': `CONNECT ${'{'.repeat(60000)}`,
      'a name without an end': 'A'.repeat(60000),
    };
    for (const [name, bytes] of Object.entries(long)) {
      const { errors, ended } = await strangerSays(node, bytes);
      assert.match(errors[0] ?? '',
        /^(maximum control line exceeded|Authorization Violation|Unknown Protocol Operation)/, name);
      assert.ok(ended, name);
    }
  });

  const json = {
    'no JSON': 'nonsense', 'nothing': '', 'an array': '[]', 'a NUL': '{"name":"a\0b"}',
    'an escaped NUL in the key': '{"nkey\\u0000":"x"}', 'a key twice': '{"nkey":"a","nkey":"b"}',
    'a depth of 1,500': `{"x":${'['.repeat(1500)}${']'.repeat(1500)}}`,
    '1e400': '{"protocol":1e400}',
    'a protocol of 2': '{"protocol":2}', 'a number as key': '{"nkey":5}',
    'an object as signature': '{"nkey":"U","sig":{}}', 'a text as flag': '{"verbose":"yes"}',
    'bad UTF-8': '{"name":"\xff\xfe"}', 'no credentials': '{}',
    'user and password': '{"user":"admin","pass":"admin"}', 'a token': '{"auth_token":"x"}',
    'a JWT of alg none': '{"jwt":"eyJhbGciOiJub25lIn0.e30.","sig":""}',
  };
  test('CONNECT with bad JSON, or with nothing that proves a key', async () => {
    for (const [name, text] of Object.entries(json)) {
      const { errors, ended } = await strangerSays(node, `CONNECT ${text}\r\nPING\r\n`);
      assert.equal(errors.length, 1, name);
      assert.match(errors[0],
        /^(Authorization Violation|Unknown Protocol Operation|invalid client protocol)$/, name);
      assert.ok(ended, name);
    }
  });

  const otherEnd = (text) => text.slice(0, -1) + (text.endsWith('A') ? 'B' : 'A');

  /** (good CONNECT fields) → what a liar sends. */
  const keys = {
    'a signature of 63 bytes': ({ sig }) => ({ sig: sig.slice(0, 84) }),
    'an empty signature': () => ({ sig: '' }),
    'a signature of zeros': () => ({ sig: 'A'.repeat(86) }),
    'the signature of another nonce': (_, info) =>
      u.answerNatsNonce(alice.nats, otherEnd(info.nonce)),
    "another's key": () => ({ nkey: u.nkeyOf(bob.nats.publicKey) }),
    'the key of nobody': (_, info) => u.answerNatsNonce(Member.create('x').nats, info.nonce),
    'the signing key instead of the NATS key': (_, info) => u.answerNatsNonce(alice.sign, info.nonce),
    'a key of 31 bytes': ({ nkey }) => ({ nkey: nkey.slice(0, -2) }),
    'a key of 33 bytes': ({ nkey }) => ({ nkey: `${nkey}AA` }),
    'a key of zeros': () => ({ nkey: u.nkeyOf(new Uint8Array(32)), sig: 'A'.repeat(86) }),
    'the low-order key 1': () => ({ nkey: u.nkeyOf(Uint8Array.from({ length: 32 },
      (_, n) => (n === 0 ? 1 : 0))), sig: `AQ${'A'.repeat(84)}` }),
    'another prefix': ({ nkey }) => ({ nkey: `A${nkey.slice(1)}` }),
    'a wrong check sum': ({ nkey }) => ({ nkey: otherEnd(nkey) }),
    'lower case': ({ nkey }) => ({ nkey: nkey.toLowerCase() }),
  };
  test('logins that do not prove an allowlisted key', async () => {
    for (const [name, lie] of Object.entries(keys)) {
      const { connection, info } = await greeted(node);
      const good = u.answerNatsNonce(alice.nats, info.nonce);
      await connection.send(`${connectLine(alice, info, lie(good, info))}PING\r\n`);
      assert.ok(await connection.isClosedWithin(), `${name}: closed`);
      assert.deepEqual(errorsIn(connection.text), [AUTH], name);
      assert.doesNotMatch(connection.text, /PONG/, name);
    }
    const { connection, info } = await greeted(node);
    await connection.send(`${connectLine(alice, info)}PING\r\n`);
    await connection.expectText('PONG\r\n');
    connection.close();
    const again = await greeted(node);
    await again.connection.send(`${connectLine(alice, info)}PING\r\n`);
    assert.ok(await again.connection.isClosedWithin(), 'a login that was recorded');
    assert.deepEqual(errorsIn(again.connection.text), [AUTH]);
  });
});

describe('after a login', () => {
  const here = (name) => room.subject(name);
  const head = (lines) => `NATS/1.0\r\n${lines}\r\n`;

  /** Sends as bob while alice listens; then a good message, which must be all that she hears. */
  async function isNotHeard(t, name, bytes) {
    const hears = await loggedIn(t, node, alice);
    await answerTo(hears, `SUB ${here('>')} 1\r\n`);
    const from = hears.text.length;
    const bad = await loggedIn(t, node, bob);
    const said = await answerTo(bad, bytes, 3000);
    if (bad.ended === null) bad.close();
    const good = await loggedIn(t, node, bob);
    await answerTo(good, pub(here('end'), 'good'));
    await hears.waitFor(({ text }) => text.includes(' 4\r\ngood\r\n', from));
    const heard = hears.text.slice(from).replace(/PING\r\n/g, '');
    assert.match(heard, /^MSG \S+\.end 1 4\r\ngood\r\n$/, `${name}: heard\n${heard}`);
    for (const connection of [hears, good, bad]) connection.close();
    return { errors: errorsIn(said), isClosed: !said.endsWith('PONG\r\n'), said };
  }

  const closing = {
    'a size of -1': [() => `PUB ${here('x')} -1\r\n`, UNKNOWN],
    'a size of 2^31': [() => `PUB ${here('x')} 2147483648\r\n`, /Maximum Payload|Unknown/],
    'a size of 2^63': [() => `PUB ${here('x')} 9223372036854775808\r\n`, /Maximum Payload|Unknown/],
    'a size of 2^64 + 5': [() => `PUB ${here('x')} 18446744073709551621\r\nhello\r\n`,
      /Maximum Payload|Unknown/],
    'a size of 5x': [() => `PUB ${here('x')} 5x\r\nhello\r\n`, UNKNOWN],
    'no size': [() => `PUB ${here('x')}\r\nhello\r\n`, UNKNOWN],
    'too many words': [() => `PUB ${here('x')} a b 5\r\nhello\r\n`, UNKNOWN],
    'a payload above the limit': [() => `PUB ${here('x')} 1048577\r\n`, 'Maximum Payload Violation'],
    'a payload longer than said': [() => `PUB ${here('x')} 2\r\nhello\r\n`, UNKNOWN],
    'a header longer than the whole': [() => `HPUB ${here('x')} 20 12\r\n${head('')}\r\n`,
      /Unknown|bad message header/],
    'a header without NATS/1.0': [() => hpub(here('x'), 'HTTP/1.1\r\n\r\n'),
      /Unknown|bad message header/],
    'a header without an end': [() => hpub(here('x'), 'NATS/1.0\r\nA: b\r\n'),
      /Unknown|bad message header/],
    'CR in a header': [() => hpub(here('x'), head('A: b\rc\r\n')), /Unknown|bad message header/],
    'NUL in a header name': [() => hpub(here('x'), head('A\0: b\r\n')), /Unknown|bad message header/],
    'a header without a colon': [() => hpub(here('x'), head('nonsense\r\n')),
      /Unknown|bad message header/],
    'an unknown verb': [() => 'PUBLISH x 0\r\n\r\n', UNKNOWN],
    'a NUL': [() => '\0', UNKNOWN],
    'a subject of 16 KiB': [() => `PUB ${'a'.repeat(16384)} 0\r\n\r\n`,
      /^maximum control line exceeded|Unknown/],
  };
  for (const [name, [bytes, wanted]] of Object.entries(closing)) {
    test(`closes on ${name}`, async (t) => {
      const { errors, isClosed, said } = await isNotHeard(t, name, bytes());
      assert.ok(isClosed, said);
      assert.equal(errors.length, 1, said);
      if (wanted instanceof RegExp) assert.match(errors[0], wanted);
      else assert.equal(errors[0], wanted);
    });
  }

  test('a size with zeros before it is a number', async (t) => {
    const both = await loggedIn(t, node, alice);
    await answerTo(both, `SUB ${here('zeros')} 1\r\n`);
    const said = await answerTo(both, `PUB ${here('zeros')} 00000000005\r\nhello\r\n`);
    assert.match(said, /^(MSG \S+ 1 5\r\nhello\r\nPONG|-ERR)/);
  });

  const subjects = ['', 'a..b', '.a', 'a.', 'a.>.b', 'a.*', '>', 'a\x7fb', 'a\x01b', 'a\xffb',
    'a\xc0\xafb', 'a\xed\xa0\x80b'].map((tail) => [tail, () => here(tail)]);
  for (const [tail, subject] of subjects) {
    test(`refuses to publish to …${JSON.stringify(tail)}, and stays`, async (t) => {
      const { errors, isClosed, said } = await isNotHeard(t, tail, pub(subject(), 'x'));
      assert.equal(isClosed, false, said);
      assert.equal(errors.length, 1, said);
      assert.match(errors[0], /^(Invalid Publish Subject|Permissions Violation for Publish)/);
    });
  }

  test('refuses subscriptions to no subject, and stays', async (t) => {
    const connection = await loggedIn(t, node, bob);
    const bad = ['a..b', '.a', 'a.', 'a.>.b', 'a\x01b', 'a\xffb', `${'a.'.repeat(1000)}a`];
    for (const tail of bad) {
      const said = await answerTo(connection, `SUB ${here(tail)} 9\r\n`);
      assert.equal(connection.ended, null, tail);
      assert.match(errorsIn(said).join(), /^(Invalid Subject|Permissions Violation for Sub)/, tail);
    }
    assert.deepEqual(errorsIn(await answerTo(connection, `SUB ${here('fine')} 9\r\n`)), []);
  });

  test('many headers, and one that the server reserves', async (t) => {
    const both = await loggedIn(t, node, alice);
    await answerTo(both, `SUB ${here('h')} 1\r\n`);
    const lines = 'A: b\r\n'.repeat(10000);
    const many = await answerTo(both, hpub(here('h'), head(lines), 'x'));
    assert.ok(many.includes(lines) || errorsIn(many).length === 1, 'whole or refused');
    const other = await loggedIn(t, node, alice);
    await answerTo(other, `SUB ${here('h')} 1\r\n`);
    const forged = 'Nats-Request-Info: {"acc":"$SYS"}\r\nNats-Trace-Dest: _INBOX.x\r\nX: y\r\n';
    const said = await answerTo(other, hpub(here('h'), head(forged), 'x'));
    assert.match(said, /X: y\r\n/);
    assert.doesNotMatch(said, /Nats-Request-Info|Nats-Trace-Dest/i);
  });
});
