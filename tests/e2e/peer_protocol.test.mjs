// SPDX-License-Identifier: Apache-2.0
// The same raw conversations with Debian's nats-server and with us: the replies must be equal, but
// for the differences that are listed with their reason. INFO is left out of the comparison: it
// names the server; what clients rely on in it has tests of its own.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startNatsServer } from './lib/natsserver.mjs';
import { startNode } from './lib/node.mjs';
import { RawConnection } from './lib/raw.mjs';

const C = (options = {}) => `CONNECT ${JSON.stringify({
  verbose: false, pedantic: false, headers: true, no_responders: true, protocol: 1, ...options,
})}\r\n`;
const PUB = (subject, n = 1) => `PUB ${subject} 1\r\nx\r\n`.repeat(n);
const HEAD = 'NATS/1.0\r\n\r\n';
const many = (before_, after_, list) => list.map((item) => `${before_} ${item} ${after_}`).join('');
const NO_SUBJECTS = ['.', 'a..b', 'a.', '.a'];
const PATTERNS = ['>', 'a.*', 'a.>', '*'];

// name → what one client says; a list is said by several, in turn, each on a connection of its own
const EQUAL = {
  'PING before CONNECT': 'PING\r\n',
  'verbs in any case': `${C().toLowerCase()}sUb foo 1\r\npub foo 1\r\nx\r\nuNSUB 1\r\nPing\r\n`,
  'blanks behind PING': 'PING  \r\nPING \t\r\n',
  'tabs': `${C()}SUB\tfoo\t1\r\nPUB\tfoo\t2\r\nhi\r\n`,
  'several blanks': `${C()}SUB   foo  \t1  \r\nPUB   foo   2  \r\nhi\r\n`,
  'lines that end in LF': `${C()}SUB foo 1\nPUB foo 2\r\nhi\r\nPING\n`,
  'a payload that ends in LF': `${C()}SUB foo 1\r\nPUB foo 2\r\nhi\n`,
  'without CONNECT: verbose and pedantic': `SUB foo 1\r\nPUB foo 2\r\nhi\r\nUNSUB 1\r\nUNSUB 9\r\n`,
  'verbose': `${C({ verbose: true })}SUB foo 1\r\nSUB foo 1\r\n${PUB('foo')}UNSUB 1 5\r\nUNSUB 1\r\n`,
  'verbose with headers': `${C({ verbose: true })}SUB foo 1\r\nHPUB foo 12 14\r\n${HEAD}hi\r\n`,
  'without echo': `${C({ echo: false })}SUB foo 1\r\n${PUB('foo')}`,
  'echo reaches others': [[0, `${C()}SUB foo 1\r\n`], [1, `${C({ echo: false })}SUB foo 2\r\n${PUB('foo')}`]],
  'CONNECT twice': [[0, `${C()}SUB foo 1\r\n`], [0, C({ verbose: true })], [0, PUB('foo')]],
  'UNSUB with max': `${C()}SUB foo 1\r\nUNSUB 1 2\r\n${PUB('foo', 4)}`,
  'UNSUB with a max that is over': `${C()}SUB foo 1\r\n${PUB('foo', 3)}UNSUB 1 2\r\n${PUB('foo')}`,
  'UNSUB max counts from the start': `${C()}SUB foo 1\r\n${PUB('foo', 3)}UNSUB 1 5\r\n${PUB('foo', 4)}`,
  'UNSUB with max 0': `${C()}SUB foo 1\r\nUNSUB 1 0\r\n${PUB('foo')}`,
  'UNSUB max, then again': `${C()}SUB foo 1\r\nUNSUB 1 1\r\n${PUB('foo')}SUB foo 1\r\n${PUB('foo', 2)}`,
  'UNSUB max in a queue group': `${C()}SUB foo q 1\r\nUNSUB 1 2\r\n${PUB('foo', 5)}`,
  'UNSUB without sid': `${C()}UNSUB\r\n`,
  'patterns to subscribe': `${C()}${many('SUB', '1\r\n', ['.', 'a..b', 'a.', '.a', '>.a', 'a.>.b'])}${many('SUB', '2\r\n', ['a*', 'f>o', '*', '>'])}`,
  'what looks like a wildcard': `${C()}SUB a* 1\r\n${PUB('a*')}${PUB('ab')}`,
  'no subjects, pedantic': `${C({ pedantic: true })}${many('PUB', '1\r\nx\r\n', [...NO_SUBJECTS, ...PATTERNS])}`,
  'quotes in a subject': `${C()}SUB foo"bar 1\r\n${PUB('foo"bar')}`,
  'UTF-8 in a subject': `${C()}SUB foo\xc3\xa9 1\r\n${PUB('foo\xc3\xa9')}`,
  'payload above the limit': `${C()}PUB foo 1048577\r\n`,
  'payload at the limit': `${C()}PUB foo 1048576\r\n${'x'.repeat(1048576)}\r\n`,
  'payload of line ends': `${C()}SUB foo 1\r\nPUB foo 4\r\n\r\n\r\n\r\n`,
  'payload longer than said': `${C()}SUB foo 1\r\nPUB foo 3\r\nabcdef\r\n`,
  'empty payload': `${C()}SUB foo 1\r\nPUB foo 0\r\n\r\n`,
  'headers': `${C()}SUB foo 1\r\nHPUB foo 12 14\r\n${HEAD}hi\r\nHPUB foo bar 12 14\r\n${HEAD}hi\r\n`,
  'headers to one without': [[0, `${C({ headers: false, no_responders: false })}SUB foo 1\r\n`],
    [1, `${C()}HPUB foo 12 14\r\n${HEAD}hi\r\n`]],
  'no responders without headers': C({ headers: false }),
  'protocol 2': C({ protocol: 2 }),
  'protocol -1': C({ protocol: -1 }),
  'unknown members of CONNECT': C({ lang: 'x', version: '1', unknown: { a: [1] } }),
  'an empty CONNECT': 'CONNECT {}\r\n',
  'no responders, off': `${C({ no_responders: false })}SUB r 1\r\nPUB nobody r 1\r\nx\r\n`,
  'no responders without subscription': `${C()}PUB nobody r 1\r\nx\r\n`,
  'no responders, but a queue group hears': `${C()}SUB r 1\r\nSUB foo q 2\r\nPUB foo r 1\r\nx\r\n`,
  'a control line at the limit': `${C()}SUB ${'a'.repeat(4090)} 1\r\n`,
  'a control line above it': `${C()}SUB ${'a'.repeat(4100)} 1\r\n`,
  'a PUB line above it': `${C()}PUB ${'a'.repeat(5000)} 1\r\nx\r\n`,
  'a line without an end': `${C()}SUB ${'a'.repeat(4200)}`,
  'a CONNECT above it': `CONNECT {"verbose":false,"name":"${'a'.repeat(4080)}"}\r\n`,
  'a long name': `CONNECT {"verbose":false,"name":"${'a'.repeat(4000)}"}\r\n`,
  'INFO, +OK from a client': `${C()}INFO {}\r\n+OK\r\n`,
  '-ERR from a client': `${C()}-ERR 'x'\r\n`,
  'MSG from a client': `${C()}MSG foo 1 2\r\nhi\r\n`,
  'route verbs': `${C()}RS+ $G foo\r\n`,
  'leaf verbs': `${C()}LS+ foo\r\n`,
  'account verbs': `${C()}A+ foo\r\n`,
  'RMSG': `${C()}RMSG $G foo 2\r\nhi\r\n`,
  'no verb': `${C()}HELLO\r\n`,
  'HTTP': 'GET / HTTP/1.1\r\n\r\n',
  'an empty line': `${C()}\r\n`,
  'PONG unasked': `${C()}PONG\r\nPONG\r\n`,
  'a sid twice': `${C()}SUB foo 1\r\nSUB bar 1\r\n${PUB('foo')}${PUB('bar')}`,
  'a sid of letters': `${C()}SUB foo abc.$\r\n${PUB('foo')}`,
  'a queue group': `${C()}SUB foo q 1\r\nSUB foo q 2\r\nUNSUB 2\r\n${PUB('foo', 2)}`,
  'a queue group and a plain one': `${C()}SUB foo 1\r\nSUB foo q 2\r\n${PUB('foo', 2)}`,
  'replies of servers': `${C()}SUB foo 1\r\nPUB foo _R_.x 1\r\nx\r\nPUB foo _R_x 1\r\ny\r\n`,
};

const WORDS = 'the fault is the same and the connection is closed by both; we say why, they say nothing';
const STRICT = 'what cannot be meant is refused; theirs takes some of it';
const BYTES = 'no control characters, no invalid UTF-8: neither logs nor other parsers have to cope';
const UNKNOWN = "-ERR 'Unknown Protocol Operation'\r\n<closed>";

// name → [why, what the client says, what we answer instead of their answer, theirs]
const DIFFERENT = {
  'two words in SUB': [WORDS, `${C()}SUB foo\r\n`, UNKNOWN, '<closed>'],
  'four words in SUB': [WORDS, `${C()}SUB foo bar 1 2\r\n`, UNKNOWN, '<closed>'],
  'a word in PUB': [WORDS, `${C()}PUB foo\r\n`, UNKNOWN, '<closed>'],
  'five words in PUB': [WORDS, `${C()}PUB foo bar 1 2\r\n`, UNKNOWN, '<closed>'],
  'PUB of -1': [WORDS, `${C()}PUB foo -1\r\n`, UNKNOWN, '<closed>'],
  'PUB of 2^31': [WORDS, `${C()}PUB foo 2147483648\r\n`, UNKNOWN, '<closed>'],
  'PUB of 2^63': [WORDS, `${C()}PUB foo 9223372036854775808\r\n`, UNKNOWN, '<closed>'],
  'PUB of 5x': [WORDS, `${C()}PUB foo 5x\r\n`, UNKNOWN, '<closed>'],
  'a size of eleven digits': [WORDS, `${C()}PUB foo 00000000005\r\nhello\r\n`, UNKNOWN, '<closed>'],
  'headers longer than all': [WORDS, `${C()}HPUB foo 14 12\r\n${HEAD}\r\n`, UNKNOWN, '<closed>'],
  'one word in HPUB': [WORDS, `${C()}HPUB foo\r\n`, UNKNOWN, '<closed>'],
  'six words in HPUB': [WORDS, `${C()}HPUB a b 1 2 3\r\n`, UNKNOWN, '<closed>'],
  'headers of -1': [WORDS, `${C()}HPUB a -1 2\r\n`, UNKNOWN, '<closed>'],
  'four words in UNSUB': [WORDS, `${C()}UNSUB 1 2 3\r\n`, UNKNOWN, '<closed>'],
  'HPUB without headers': [WORDS, `${C({ headers: false, no_responders: false })}HPUB foo 12 12\r\n${HEAD}\r\n`,
    "-ERR 'message headers not supported'\r\n<closed>", '<closed>'],
  'CONNECT without JSON': [WORDS, 'CONNECT\r\n', UNKNOWN, '<closed>'],
  'CONNECT with a word': [WORDS, 'CONNECT hello\r\n', UNKNOWN, '<closed>'],
  'CONNECT with an array': [WORDS, 'CONNECT []\r\n', UNKNOWN, '<closed>'],
  'CONNECT with wrong types': [WORDS, 'CONNECT {"verbose":"yes"}\r\n', UNKNOWN, '<closed>'],
  'a protocol in quotes': [WORDS, C({ protocol: '1' }), UNKNOWN, '<closed>'],
  'CONNECT null': [STRICT, 'CONNECT null\r\n', UNKNOWN, '+OK\r\nPONG\r\n'],
  'a member twice': [STRICT, 'CONNECT {"verbose":true,"verbose":false}\r\n', UNKNOWN, 'PONG\r\n'],
  'words behind PING': [STRICT, `${C()}PING foo\r\n`, UNKNOWN, 'PONG\r\nPONG\r\n'],
  'letters behind PING': [STRICT, `${C()}PINGX\r\n`, UNKNOWN, 'PONG\r\nPONG\r\n'],
  'a max that is no number': [STRICT, `${C()}SUB foo 1\r\nUNSUB 1 abc\r\n`, UNKNOWN, 'PONG\r\n'],
  'a max of -1': [STRICT, `${C()}SUB foo 1\r\nUNSUB 1 -1\r\n`, UNKNOWN, 'PONG\r\n'],
  'a max of 10^20': [STRICT, `${C()}SUB foo 1\r\nUNSUB 1 99999999999999999999\r\n`, UNKNOWN, 'PONG\r\n'],
  'no header block': [STRICT, `${C()}SUB foo 1\r\nHPUB foo 5 5\r\nhello\r\n`,
    "-ERR 'bad message header detected'\r\n<closed>", 'HMSG foo 1 5 5\r\nhello\r\nPONG\r\n'],
  'no subjects': ['they are told, pedantic or not; theirs forwards or forgets them in silence',
    `${C()}${many('PUB', '1\r\nx\r\n', NO_SUBJECTS)}`,
    `${"-ERR 'Invalid Publish Subject'\r\n".repeat(4)}PONG\r\n`, 'PONG\r\n'],
  'no subject, verbose': ['after -ERR comes no +OK', PUB('f..o'),
    "-ERR 'Invalid Publish Subject'\r\nPONG\r\n", "-ERR 'Invalid Publish Subject'\r\n+OK\r\nPONG\r\n"],
  'a pattern as reply': ['nobody could answer there', `${C()}SUB foo 1\r\nPUB foo a.* 1\r\nx\r\n`,
    "-ERR 'Permissions Violation for Publish with Reply of \"a.*\"'\r\nPONG\r\n",
    'MSG foo 1 a.* 1\r\nx\r\nPONG\r\n'],
  'a control character': [BYTES, `${C()}SUB foo\x01bar 1\r\n${PUB('foo\x01bar')}`,
    "-ERR 'Invalid Subject'\r\n-ERR 'Invalid Publish Subject'\r\nPONG\r\n", 'MSG foo\x01bar 1 1\r\nx\r\nPONG\r\n'],
  'invalid UTF-8': [BYTES, `${C()}SUB foo\xff 1\r\n${PUB('foo\xff')}`,
    "-ERR 'Invalid Subject'\r\n-ERR 'Invalid Publish Subject'\r\nPONG\r\n", 'MSG foo\xff 1 1\r\nx\r\nPONG\r\n'],
  '301 tokens': ['a subject has at most 256 tokens here', `${C()}SUB ${'a.'.repeat(300)}b 1\r\n`,
    "-ERR 'Invalid Subject'\r\nPONG\r\n", 'PONG\r\n'],
  'a size with zeros before it': ['it is forwarded as a number, not as it was written',
    `${C()}SUB foo 1\r\nPUB foo 000000005\r\nhello\r\n`, 'MSG foo 1 5\r\nhello\r\nPONG\r\n',
    'MSG foo 1 000000005\r\nhello\r\nPONG\r\n'],
  'no responders': ['Nats-Subject, as nats-server has it since 2.12', `${C()}SUB r.* 1\r\nPUB nobody r.a 1\r\nx\r\n`,
    'HMSG r.a 1 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\nPONG\r\n',
    'HMSG r.a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nPONG\r\n'],
};

let ours;
let peer;
before(async () => {
  const modules = ({ http, nats }) => ({ http, nats: { ...nats, auth: 'off', threads: 1 } });
  [ours, peer] = await Promise.all([startNode(null, { posture: 'dev', modules }), startNatsServer({ after: () => {} })]);
});
after(async () => {
  await ours?.dispose();
  await peer?.stop();
});

/** What one connection was told after its first INFO; later INFO is left out. */
const heardBy = ({ text, ended }) => text.slice(text.indexOf('\r\n') + 2)
  .replace(/^INFO \{.*\} ?\r\n/gm, '') + (ended ? '<closed>' : '');

/**
 * A conversation as the text that each connection heard. A PING ends each turn, so nothing is missed;
 * it goes with the rest, because who writes to a closed connection may lose its last words.
 */
async function converse(server, talk) {
  const connections = [];
  for (const [who, bytes] of typeof talk === 'string' ? [[0, talk]] : talk) {
    connections[who] ??= Object.assign(await RawConnection.open(server.nats ?? server), { pings: 0 });
    await connections[who].expectText('\r\n');
    await say(connections[who], bytes);
  }
  for (const connection of connections.slice(0, -1)) await say(connection, '');
  const heard = connections.map(heardBy);
  connections.forEach((connection) => connection.close());
  return heard;
}

/** Waits for as many PONGs as there were PINGs, or for the end. */
async function say(connection, bytes) {
  const whole = bytes === '' || bytes.endsWith('\n') ? `${bytes}PING\r\n` : bytes;
  connection.pings += whole.match(/^ping/gim)?.length ?? 0;
  await connection.send(whole);
  await connection.waitFor(({ text }) => whole.endsWith('\n')
    && (text.match(/^PONG\r$/gm)?.length ?? 0) >= connection.pings);
}

describe('equal', () => {
  for (const [name, talk] of Object.entries(EQUAL)) {
    test(name, async () => {
      const [mine, theirs] = await Promise.all([converse(ours, talk), converse(peer, talk)]);
      assert.deepEqual(mine, theirs);
    });
  }
  test('control: an answer that differs is seen', async () => {
    const [one, other] = await Promise.all([converse(ours, `${C()}SUB foo 1\r\n${PUB('foo')}`),
      converse(peer, `${C()}SUB foo 2\r\n${PUB('foo')}`)]);
    assert.notDeepEqual(one, other);
  });
});

describe('different, on purpose', () => {
  for (const [name, [why, talk, mine, theirs]] of Object.entries(DIFFERENT)) {
    test(`${name}: ${why}`, async () => {
      const heard = await Promise.all([converse(ours, talk), converse(peer, talk)]);
      assert.deepEqual(heard.map(([text]) => text), [mine, theirs]);
    });
  }
});
