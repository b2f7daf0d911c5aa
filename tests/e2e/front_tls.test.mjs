// SPDX-License-Identifier: Apache-2.0
// unibus-nats-server with TLS from a nats.conf and from flags, met by the stock npm client.
import assert from 'node:assert/strict';
import { chmod, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeCa, makeCert } from './lib/certs.mjs';
import { settled } from './lib/cast.mjs';
import { Front } from './lib/front.mjs';

const prepare = async (dir) => {
  await makeCa(dir, 'ca');
  await makeCert(dir, 'node', 'ca');
  await makeCert(dir, 'worker', 'ca');
  await chmod(join(dir, 'node.key'), 0o644); // nats-server takes it so
};

const over = (front, more = {}) => ({ tls: { caFile: join(front.dir, 'ca.crt'), ...more } });
const own = (front) => ({ certFile: join(front.dir, 'worker.crt'), keyFile: join(front.dir, 'worker.key') });

describe('TLS', () => {
  test('of a nats.conf: upgrade; a reload takes the new certificate and drops nobody', async (t) => {
    const front = await Front.start(t, {
      prepare, conf: 'tls { cert_file: node.crt, key_file: "node.key", timeout: 3 }\nauthorization { token: t }' });
    const bus = await front.connect(t, { ...over(front), token: 't' });
    assert.equal(bus.info.tls_required, true);
    await settled(bus);
    await assert.rejects(front.connect(t, { tls: null, token: 't' }));
    await makeCert(front.dir, 'next', 'ca');
    await rename(join(front.dir, 'next.crt'), join(front.dir, 'node.crt'));
    front.signal('SIGHUP'); // the key does not fit yet
    await front.waitLog(/\[ERR\] .*tls\.key is not the key of tls\.cert/);
    await rename(join(front.dir, 'next.key'), join(front.dir, 'node.key'));
    front.signal('SIGHUP');
    await front.waitLog(/Reloaded server configuration/);
    await settled(await front.connect(t, { ...over(front), token: 't' }));
    await settled(bus);
  });

  test('by flags, with certificates of clients', async (t) => {
    const front = await Front.start(t, {
      prepare, args: ['--tlsverify', '--tlscert', 'node.crt', '--tlskey', 'node.key', '--tlscacert', 'ca.crt'] });
    await settled(await front.connect(t, over(front, own(front))));
    await assert.rejects(front.connect(t, over(front)));
  });

  test('from the first byte', async (t) => {
    const front = await Front.start(t, {
      prepare, conf: 'tls { cert_file: "node.crt", key_file: "node.key", handshake_first: true }' });
    await settled(await front.connect(t, over(front, { handshakeFirst: true })));
    await assert.rejects(front.connect(t, { ...over(front), timeout: 1000 }));
  });
});
