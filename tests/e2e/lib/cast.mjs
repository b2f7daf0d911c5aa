// SPDX-License-Identifier: Apache-2.0
// A real node with members on its allowlist: how most end-to-end tests begin.
import assert from 'node:assert/strict';
import { Member } from './member.mjs';
import { startNode } from './node.mjs';

const WAIT_MS = 5000;

/** {node, admin, …members by handle}. `options` as of startNode, and roles {handle: role}. */
export async function cast(t, handles, { roles = {}, ...options } = {}) {
  const node = await startNode(t, options);
  const admin = node.admin();
  const members = {};
  for (const handle of handles) {
    members[handle] = await Member.create(handle).register(admin, node.http, roles[handle]);
  }
  return { node, admin, ...members };
}

/** A member's bus connection that is closed after the test, with the refusals that it was told. */
export async function busOf(t, member, node, options) {
  const bus = await member.bus(node.nats, options);
  t.after(() => bus.close());
  const told = [];
  (async () => {
    for await (const status of bus.status()) {
      if (status.type === 'error') told.push(String(status.error?.message ?? status.data));
    }
  })();
  return Object.assign(bus, { told });
}

/** Waits until `read()` is truthy and gives it. */
export async function until(read, what, timeoutMs = WAIT_MS) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (value) return value;
    assert.ok(Date.now() < deadline, `not within ${timeoutMs} ms: ${what}`);
    await new Promise((done) => { setTimeout(done, 10); });
  }
}

/** All that a subscription delivers, as texts or bytes, in an array that grows. */
export function collect(bus, subject, options) {
  const heard = [];
  const sub = bus.subscribe(subject, {
    ...options,
    callback: (error, msg) => { heard.push(error ?? msg); },
  });
  return Object.assign(heard, { sub });
}

/** Resolves when everything sent so far has been judged by the server. */
export const settled = (bus) => bus.flush();
