// SPDX-License-Identifier: Apache-2.0
// Hostile bytes and hostile JSON on the HTTP port of a real node. The server of the unit tests
// takes more of the first (tests/unit/test_http_hostile.c).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { capture, roomDraft, send, verdict } from './lib/captured.mjs';
import { Member } from './lib/member.mjs';
import { startNode } from './lib/node.mjs';
import { exchange, parseAnswers, RawConnection } from './lib/raw.mjs';

const SMUGGLED = 'GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n';
const get = (lines = '', path = '/livez') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`;
const post = (lines, body = '') => `POST /v1/rooms HTTP/1.1\r\nHost: x\r\n${lines}\r\n${body}`;
const chunked = (body) => post('Transfer-Encoding: chunked\r\n', body);

let node;
let admin;
let alice;

before(async () => {
  node = await startNode(null);
  admin = node.admin();
  alice = await Member.create('alice').register(admin, node.http);
});
after(() => node.dispose());

/** What is refused with one answer and a close; nothing behind it is read as a request. */
const REFUSED = {
  'a request line of 64 KiB': [get('', `/${'a'.repeat(65536)}`), [400, 414, 431]],
  '1,000 header lines': [get('X: y\r\n'.repeat(1000)), [431]],
  'a header of 64 KiB': [get(`X: ${'y'.repeat(65536)}\r\n`), [431]],
  'a header without a name': [get(': y\r\n'), [400]],
  'a header without a colon': [get('nonsense\r\n'), [400]],
  'a space before the colon': [get('X : y\r\n'), [400]],
  'NUL in a header': [get('X: a\0b\r\n'), [400]],
  'NUL in the path': [get('', '/live\0z'), [400]],
  'a bare CR': [get('X: a\rb\r\n'), [400]],
  'a bare LF': ['GET /livez HTTP/1.1\nHost: x\n\n', [400]],
  'a folded line': [get('X: a\r\n b\r\n'), [400]],
  'no Host': ['GET /livez HTTP/1.1\r\n\r\n', [400]],
  'two Hosts': [get('Host: y\r\n'), [400]],
  'another version': ['GET /livez HTTP/3.0\r\nHost: x\r\n\r\n', [400, 505]],
  'the start of TLS': ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', [400]],
  'Transfer-Encoding and Content-Length':
    [post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'), [400]],
  'Content-Length and Transfer-Encoding':
    [post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), [400]],
  'Transfer-Encoding: gzip, chunked':
    [post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), [400, 501]],
  'Transfer-Encoding: identity': [post('Transfer-Encoding: identity\r\n'), [400, 501]],
  'two Content-Lengths': [post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello'), [400]],
  'a Content-Length of 2^64 + 5': [post('Content-Length: 18446744073709551621\r\n', 'x'), [400, 413]],
  'a negative Content-Length': [post('Content-Length: -5\r\n', 'hello'), [400]],
};

/** The same, where the server must have read the head: not before a signature is checked. */
const UNSIGNED_BODIES = {
  'an overflowing chunk': chunked('10000000000000005\r\nhello\r\n0\r\n\r\n'),
  'an endless chunk': chunked(`fffffff\r\n${'x'.repeat(4096)}`),
  'a declared body': post('Content-Length: 1000\r\n', 'x'),
  'Expect: 100-continue': post('Content-Length: 1000\r\nExpect: 100-continue\r\n'),
};

test('raw bytes: one refusal, then the end', async () => {
  for (const [name, [bytes, statuses]] of Object.entries(REFUSED)) {
    const { text, ended } = await exchange(node.http, bytes + SMUGGLED);
    const answers = parseAnswers(text);
    assert.equal(answers.length, 1, `${name}: ${text.slice(0, 300)}`);
    assert.ok(statuses.includes(answers[0].status), `${name}: ${answers[0].head}`);
    assert.match(answers[0].head, /content-type: application\/problem\+json/i, name);
    assert.notEqual(ended, null, `${name}: the connection ends`);
  }
});

test('controls: good bytes are answered, whole, in pieces, one behind the other', async () => {
  const pair = get() + get('', '/v1/info') + get('Connection: close\r\n');
  for (const chunks of [[pair], pair.match(/[^]{1,7}/g), [...pair].slice(0, 0).concat(pair)]) {
    const { text } = await exchange(node.http, chunks);
    assert.deepEqual(parseAnswers(text).map(({ status }) => status), [200, 200, 200]);
  }
});

test('no signature: refused before the body is read, without 100', async () => {
  for (const [name, bytes] of Object.entries(UNSIGNED_BODIES)) {
    const { text } = await exchange(node.http, bytes, { timeoutMs: 3000 });
    const [answer, ...more] = parseAnswers(text);
    assert.ok([400, 401].includes(answer?.status), `${name}: ${text.slice(0, 300)}`);
    assert.deepEqual(more, [], name);
    assert.doesNotMatch(text, /HTTP\/1.1 100/, name);
  }
});

/** The head of a signed request as bytes, with lines for its framing. */
function headOf(request, lines) {
  const given = request.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${request.method} ${request.target} HTTP/1.1\r\nHost: x\r\n${given}${lines}\r\n`;
}

async function firstAnswer(bytes) {
  const connection = await RawConnection.open(node.http);
  await connection.send(bytes);
  await connection.waitFor(({ text }) => parseAnswers(text).length > 0 || /^HTTP\S+ 100/.test(text));
  const { text } = connection;
  return { text, answer: parseAnswers(text)[0], connection };
}

describe('a signed body', () => {
  const json = { entries: [] };
  const made = (body) => capture(alice, 'POST', '/v1/rooms', body);

  test('larger than the limit: 413 before it is read, and the nonce is spent', async () => {
    for (const lines of ['', 'Expect: 100-continue\r\n']) {
      const request = await made({ json });
      const bytes = headOf(request, `Content-Length: ${1 << 30}\r\n${lines}`);
      const { answer, text, connection } = await firstAnswer(bytes);
      assert.equal(answer?.status, 413, text);
      assert.equal(JSON.parse(answer.body).code, 'too-large');
      assert.ok(await connection.isClosedWithin(), 'the body is not awaited');
      connection.close();
      assert.deepEqual(verdict(await send(node, request)), [401, 'nonce-replayed']);
    }
  });

  test('endless in chunks: 413 at the limit', async () => {
    const request = await made({ json });
    const connection = await RawConnection.open(node.http);
    await connection.send(headOf(request, 'Transfer-Encoding: chunked\r\n'));
    const chunk = Buffer.from(`10000\r\n${'x'.repeat(65536)}\r\n`);
    let sent = 0;
    while (connection.ended === null && sent < 4096 && !connection.text.includes('\r\n\r\n')) {
      await connection.send(chunk);
      sent += 1;
    }
    await connection.isClosedWithin();
    assert.ok(sent < 4096, `still read after ${sent} chunks of 64 KiB`);
    if (connection.ended === 'end') assert.match(connection.text, /^HTTP\/1.1 413/);
    connection.close();
  });

  test('of another length than said: no effect', async () => {
    const { room, json: good } = await roomDraft(alice);
    const request = await made({ json: good });
    const { length } = request.body;
    const long = await firstAnswer(
      Buffer.concat([Buffer.from(headOf(request, `Content-Length: ${length - 1}\r\n`)),
        request.body]));
    assert.equal(JSON.parse(long.answer.body).code, 'digest-mismatch');
    long.connection.close();
    const cut = await RawConnection.open(node.http);
    const other = await made({ json: good });
    await cut.send(headOf(other, `Content-Length: ${length}\r\n`));
    await cut.send(other.body.subarray(0, length - 1));
    cut.close();
    assert.equal((await alice.api.get(room.path)).status, 404);
  });

  test('control: Expect gets its 100, then the answer', async () => {
    const { json: good } = await roomDraft(alice);
    const request = await made({ json: good });
    const head = headOf(request,
      `Content-Length: ${request.body.length}\r\nExpect: 100-continue\r\n`);
    const { text, connection } = await firstAnswer(head);
    assert.match(text, /^HTTP\/1.1 100 /);
    await connection.send(request.body);
    await connection.expectText('HTTP/1.1 201');
    connection.close();
  });
});

test('paths: tricks are refused or unknown, and nothing is told', async () => {
  const { httpPort } = node;
  const tricks = ['/v1/../v1/info', '/v1/%2e%2e/info', '/%2e%2e/%2e%2e/etc/passwd', '/livez%00',
    '/v1/info%2f', '/%252e%252e/etc/passwd', '/%c0%ae%c0%ae/', '/v1//info', '/livez/', '/LIVEZ',
    '/v1/identities/%2e%2e%2fx', '/v1/identities/..', '/v1/rooms/%0d%0aX:%20y', '//livez',
    '/v1/blobs/b2-..%2f..%2funibus.db', '/admin.sock', '/%', '/%zz', '/.'];
  for (const path of tricks) {
    for (const to of [{ port: httpPort }, { socketPath: node.adminSocket }]) {
      const { text } = await exchange(to, get('Connection: close\r\n', path));
      const answers = parseAnswers(text);
      assert.equal(answers.length, 1, `${path}: ${text.slice(0, 200)}`);
      const isFine = [400, 404].includes(answers[0].status)
        || (answers[0].status === 401 && to.port !== undefined);
      assert.ok(isFine, `${path}: ${answers[0].head}`);
      assert.doesNotMatch(answers[0].head, /^x:/im, 'no header is made');
    }
  }
  const absolute = await exchange(node.http, 'GET http://x/livez HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.equal(parseAnswers(absolute.text)[0].status, 400);
});

test('handles with a path, a control character or nothing in them are refused', async () => {
  const bad = ['../x', 'a/b', '..', '', 'a b', 'A\u0000', 'x\n', 'é', 'a'.repeat(200), '-x', 'a\u202eb'];
  for (const handle of bad) {
    const json = { ...Member.create('x').registration(), handle };
    const answer = await admin.post('/v1/identities', json);
    assert.ok([400, 422].includes(answer.status), `${JSON.stringify(handle)}: ${answer.text}`);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
  }
  const control = Member.create('fine-1').registration();
  assert.equal((await admin.post('/v1/identities', control)).status, 201);
});

describe('JSON is read strictly', () => {
  const record = () => Member.create('x').registration();
  const text = (change) => change(JSON.stringify(record()));
  const bodies = {
    'no JSON': ['nonsense', 'bad-request'],
    'an empty body': ['', 'bad-request'],
    'an array': ['[]', 'bad-request'],
    'text behind the value': [text((all) => `${all}x`), 'bad-request'],
    'a key twice': [text((all) => all.replace('{', '{"handle":"y",')), 'unknown-field'],
    'a key twice, escaped': [text((all) => all.replace('{', '{"h\\u0061ndle":"y",')),
      'unknown-field'],
    'a key twice, inside': [text((all) => all.replace('"device":{', '"device":{"sig":"",')),
      'unknown-field'],
    'an unknown key': [text((all) => all.replace('{', '{"rôle":"x",')), 'unknown-field', '/rôle'],
    'an unknown key inside': [text((all) => all.replace('"device":{', '"device":{"x":1,')),
      'unknown-field', '/device/x'],
    'a depth of 8,000': [`${'['.repeat(8000)}${']'.repeat(8000)}`, 'bad-request'],
    'a depth of 2,500 in a field':
      [`{"handle":${'{"a":'.repeat(2500)}1${'}'.repeat(2501)}`, 'bad-request'],
    'a lone surrogate': [text((all) => all.replace('"x"', '"\\ud800"')), 'bad-request'],
    'a low surrogate first': [text((all) => all.replace('"x"', '"\\udc00\\ud800"')), 'bad-request'],
    'bytes that are no UTF-8': [Buffer.concat([Buffer.from('{"handle":"'), Buffer.from([0xff]),
      Buffer.from('"}')]), 'bad-request'],
    'an overlong encoding': [Buffer.concat([Buffer.from('{"handle":"'), Buffer.from([0xc0, 0xaf]),
      Buffer.from('"}')]), 'bad-request'],
    'NUL, escaped': [text((all) => all.replace('"x"', '"a\\u0000"')), 'bad-request'],
    NaN: [text((all) => all.replace('"x"', 'NaN')), 'bad-request'],
    'a number for a text': [text((all) => all.replace('"x"', '5')), 'bad-request', '/handle'],
    'null for an object': ['{"handle":"y","role":"member","device":null}', 'bad-request', '/device'],
    'base64 with padding': [text((all) => all.replace(/"sig":"[^"]*/, '$&=')), 'bad-request',
      '/device/sig'],
    'a field missing': ['{"handle":"y","role":"member"}', 'bad-request', '/device'],
    'a role that there is not': [text((all) => all.replace('"member"', '"king"')), 'bad-request',
      '/role'],
  };
  for (const [name, [body, code, pointer]] of Object.entries(bodies)) {
    test(name, async () => {
      const answer = await admin.request('POST', '/v1/identities',
        { body: Buffer.from(body), type: 'application/json' });
      assert.deepEqual(verdict(answer), [400, code], answer.text);
      if (pointer) assert.equal(answer.json.errors?.[0]?.pointer, pointer, answer.text);
    });
  }

  test('numbers: fractions, 2^53 + 1, 1e400 and texts are no sizes', async () => {
    const room = await alice.createRoom();
    const announce = (osize) => alice.api.request('POST', `${room.path}/blobs`, {
      type: 'application/json',
      body: Buffer.from(`{"addr":"b2-${'0'.repeat(64)}","osize":${osize}}`) });
    for (const size of ['9007199254740993', '1e400', '1.5', '-1', '"70000"', 'true', '1e3', '007']) {
      const answer = await announce(size);
      assert.ok([400, 413].includes(answer.status), `${size}: ${answer.text}`);
    }
    assert.equal((await announce('41')).status, 200, 'control');
  });

  test('another content type than JSON', async () => {
    const answer = await admin.request('POST', '/v1/identities',
      { body: Buffer.from(JSON.stringify(record())), type: 'text/plain' });
    assert.ok([400, 415, 201].includes(answer.status), answer.text);
  });
});
