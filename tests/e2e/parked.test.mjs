// SPDX-License-Identifier: Apache-2.0
// Requests that wait inside the node while the world changes: what they may still do when they wake
// up, and whom they keep waiting.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { capture } from './lib/captured.mjs';
import { cast } from './lib/cast.mjs';
import { Member } from './lib/member.mjs';
import * as u from './lib/ubr1/index.mjs';

describe('the rights of a request are those of its effect', () => {
  for (const [how, take] of Object.entries({
    disabled: (admin, id, etag) => admin.expect(200, 'PATCH', `/v1/identities/${id}`,
      { json: { disabled: true }, ifMatch: etag }),
    removed: (admin, id, etag) => admin.expect(200, 'DELETE', `/v1/identities/${id}`,
      { ifMatch: etag }),
    'no longer an admin': (admin, id, etag) => admin.expect(200, 'PATCH', `/v1/identities/${id}`,
      { json: { role: 'member' }, ifMatch: etag }),
  })) {
    test(`an admin who is ${how} while his request waits for a generation`, async (t) => {
      const { admin, mallory } = await cast(t, ['root', 'mallory'],
        { roles: { root: 'admin', mallory: 'admin' } });
      const { headers } = await admin.expect(200, 'GET', `/v1/identities/${mallory.id}`);
      const next = Number(headers['unibus-generation']) + 1;
      const backdoor = Member.create('backdoor');
      let isParked = true;
      const parked = mallory.api.post(`/v1/identities?min_generation=${next}`,
        backdoor.registration('member'));
      parked.finally(() => { isParked = false; });
      await sleep(300);
      assert.ok(isParked, 'control: it waits');
      await take(admin, mallory.id, headers.etag.replaceAll('"', ''));
      const answer = await parked;
      assert.ok([401, 403].includes(answer.status), `${answer.status} ${answer.text}`);
      assert.equal((await admin.get(`/v1/identities/${backdoor.id}`)).status, 404);
    });
  }
});

/** Sends the head of a captured request; give the body in pieces with `request.write`. */
function open(node, captured, headers) {
  const request = http.request({
    ...node.http, method: captured.method, path: captured.target, agent: false,
    headers: [['Host', 'x'], ...captured.headers, ...headers].flat(),
  });
  request.flushHeaders();
  const answer = once(request, 'response').then(async ([response]) => {
    const parts = [];
    for await (const part of response) parts.push(part);
    return { status: response.statusCode, text: Buffer.concat(parts).toString('latin1') };
  });
  answer.catch(() => {});
  return { request, answer };
}

const upload = async (member, room, bytes) => {
  const { object, reference } = u.sealBlob(room.log.roomId, new Uint8Array(bytes));
  const body = Buffer.from(object);
  const captured = await capture(member, 'PUT', `${room.path}/blobs/${reference.blob}`,
    { body, type: 'application/octet-stream' });
  return { captured, body, address: reference.blob };
};

const filesOf = (node) => readdirSync(join(node.state, 'blobs'), { recursive: true })
  .filter((name) => /[0-9a-f]{20}/.test(name));

describe('transfers under way', () => {
  test('an upload by somebody who is disabled before its end makes no reference', async (t) => {
    const { node, admin, alice, bob } = await cast(t, ['alice', 'bob']);
    const room = await alice.createRoom();
    await room.add(bob.card);
    const { captured, body, address } = await upload(bob, room, 200000);
    const { request, answer } = open(node, captured, [['Content-Length', `${body.length}`]]);
    request.write(body.subarray(0, 100000));
    await sleep(200);
    const { headers } = await admin.expect(200, 'GET', `/v1/identities/${bob.id}`);
    await admin.expect(200, 'PATCH', `/v1/identities/${bob.id}`,
      { json: { disabled: true }, ifMatch: headers.etag.replaceAll('"', '') });
    request.end(body.subarray(100000));
    assert.equal((await answer).status, 403);
    assert.equal((await alice.api.get(`/v1/blobs/${address}`)).status, 404);
    assert.deepEqual(filesOf(node), [], 'nothing is left');
  });

  test('a body of no announced length beyond the quota leaves nothing on the disk', async (t) => {
    const { node, alice } = await cast(t, ['alice'], {
      modules: (all) => ({ ...all, membership: { ...all.membership, max_room_blobs: '64 KiB' } }),
    });
    const room = await alice.createRoom();
    for (let i = 0; i < 3; i++) {
      const { captured, body } = await upload(alice, room, 100000);
      const { request, answer } = open(node, captured, [['Transfer-Encoding', 'chunked']]);
      request.end(body);
      assert.equal((await answer).status, 507);
    }
    assert.deepEqual(filesOf(node), []);
  });

  test('a download by a device that is revoked is cut', async (t) => {
    const { node, alice } = await cast(t, ['alice']);
    const room = await alice.createRoom();
    const phone = await alice.addDevice();
    const { captured, body, address } = await upload(alice, room, 30_000_000);
    const sent = open(node, captured, [['Content-Length', `${body.length}`]]);
    sent.request.end(body);
    assert.equal((await sent.answer).status, 201);
    const asked = await capture(phone, 'GET', `/v1/blobs/${address}`);
    const request = http.request({ ...node.http, path: asked.target, agent: false,
      headers: [['Host', 'x'], ...asked.headers].flat() });
    request.end();
    const [response] = await once(request, 'response');
    response.on('error', () => {});
    assert.equal(response.statusCode, 200);
    await sleep(300); // the socket's buffers are full: the rest waits in the node
    await alice.revokeDevice(phone.kidHex);
    let got = 0;
    response.on('data', (part) => { got += part.length; });
    await new Promise((done) => { response.on('close', done); });
    assert.ok(got < body.length, `${got} of ${body.length}`);
  });
});

describe('one member cannot keep all workers waiting', () => {
  const few = { modules: (all) => ({ ...all, http: { ...all.http, workers: 8 } }) };
  const inTime = async (admin) => {
    const started = Date.now();
    await admin.expect(200, 'GET', '/v1/identities', { timeoutMs: 5000 });
    assert.ok(Date.now() - started < 1000, `${Date.now() - started} ms`);
  };

  test('by uploads that do not go on', async (t) => {
    const { node, admin, bob } = await cast(t, ['bob'], few);
    const room = await bob.createRoom();
    const answers = [];
    for (let i = 0; i < 12; i++) {
      const { captured, body } = await upload(bob, room, 100000);
      const { request, answer } = open(node, captured, [['Content-Length', `${body.length}`]]);
      request.on('error', () => {});
      request.write(body.subarray(0, 1000));
      answers.push(answer);
      t.after(() => request.destroy());
    }
    await sleep(300);
    await inTime(admin);
    assert.equal((await Promise.race(answers)).status, 503);
  });

  test('by downloads that are not read', async (t) => {
    const { node, admin, bob } = await cast(t, ['bob'], few);
    const room = await bob.createRoom();
    const { captured, body, address } = await upload(bob, room, 30_000_000);
    const sent = open(node, captured, [['Content-Length', `${body.length}`]]);
    sent.request.end(body);
    assert.equal((await sent.answer).status, 201);
    for (let i = 0; i < 12; i++) {
      const asked = await capture(bob, 'GET', `/v1/blobs/${address}`);
      const request = http.request({ ...node.http, path: asked.target, agent: false,
        headers: [['Host', 'x'], ...asked.headers].flat() });
      request.on('error', () => {});
      request.end();
      t.after(() => request.destroy());
      const [response] = await Promise.race([once(request, 'response'), sleep(1000, [null])]);
      response?.on('error', () => {});
    }
    await inTime(admin);
  });

  test('by waits for a generation that does not come', async (t) => {
    const { admin, bob } = await cast(t, ['bob'], few);
    await bob.api.info();
    const waits = Array.from({ length: 32 },
      () => bob.api.get('/v1/rooms?min_generation=1000000'));
    await sleep(200);
    await inTime(admin);
    for (const { status, code } of await Promise.all(waits)) {
      assert.deepEqual([status, code], [503, 'behind']);
    }
  });
});

test('one member cannot fill the memory with bodies that do not end', async (t) => {
  const { node, alice, bob } = await cast(t, ['alice', 'bob']);
  const [room, mine] = [await bob.createRoom(), await alice.createRoom()];
  const body = Buffer.alloc(4_000_000, ' ');
  const answers = [];
  for (let i = 0; i < 40; i++) {
    const captured = await capture(bob, 'POST', `${room.path}/log`, { body, ifMatch: 'x' });
    const { request, answer } = open(node, captured, [['Content-Length', `${body.length}`]]);
    request.on('error', () => {});
    request.write(body.subarray(1));
    answers.push(Promise.race([answer, sleep(2000, { status: 'held' })]));
    t.after(() => request.destroy());
  }
  const held = (await Promise.all(answers)).filter(({ status }) => status === 'held');
  assert.equal(held.length, 8);
  await mine.add(bob.card); // and others go on
});
