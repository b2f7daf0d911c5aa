// SPDX-License-Identifier: Apache-2.0
// The login of the CLI on a bus that chooses the nonce.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeBus } from './lib/fakebus.mjs';
import { newRoom, people } from './lib/people.mjs';
import sodium from './lib/ubr1/sodium.mjs';
import * as u from './lib/ubr1/index.mjs';

/** A node that names a fake bus as its own, and the CLI of a member of a room. */
async function withFakeBus(t) {
  const bus = await FakeBus.start(t);
  const modules = (defaults) => ({
    ...defaults,
    membership: { ...defaults.membership, nats_url: `nats://127.0.0.1:${bus.to.port}` },
  });
  const { carol } = await people(t, { modules });
  await newRoom(carol, 'ops');
  return { bus, carol };
}

// libnats 3.4 leaves out a signature whose first byte is zero: one login in 256 would be refused.
test('a signature that begins with zero is not sent: the next nonce is signed', async (t) => {
  const { bus, carol } = await withFakeBus(t);
  const { nats_seed: text } = (await carol.ok(['id', 'show', '--nats-seed', '--json'])).json;
  const seed = u.unbase32(text.toLowerCase()).subarray(2, 34);
  const { privateKey, publicKey } = sodium.crypto_sign_seed_keypair(seed);
  assert.equal(u.nkeyOf(publicKey), carol.card.nkey, 'the seed is taken apart rightly');
  const nonces = Array.from({ length: 5000 }, (_, n) => `nonce_${String(n).padStart(9, '0')}`);
  const isUnlucky = (nonce) => sodium.crypto_sign_detached(nonce, privateKey)[0] === 0;
  const unlucky = nonces.find(isUnlucky);
  const lucky = nonces.find((nonce) => !isUnlucky(nonce));
  let asked = 0;
  Object.defineProperty(bus, 'nonce', {
    get() {
      asked += 1;
      return asked < 3 ? unlucky : lucky;
    },
  });
  await carol.ok(['pub', 'ops', 'chat', 'hello']);
  assert.deepEqual(bus.connects.map(({ nkey, sig }) => [nkey, sig]), [[carol.card.nkey,
    u.base64url(sodium.crypto_sign_detached(lucky, privateKey))]]);
  assert.equal(asked, 3);
  assert.equal(bus.published.length, 1, 'control: the message is sent');
});

test('what is no nonce is not signed: the server chose a text of value', async (t) => {
  const { bus, carol } = await withFakeBus(t);
  for (const nonce of ['POST /v1/rooms', 'ubr1/device x', 'a'.repeat(500), 'short']) {
    bus.nonce = nonce;
    bus.connects.length = 0;
    const run = await carol.run(['pub', 'ops', 'chat', 'hello']);
    assert.notEqual(run.code, 0, nonce);
    assert.deepEqual(bus.connects.filter(({ sig }) => sig), [], nonce);
  }
  assert.equal(bus.published.length, 0);
});
