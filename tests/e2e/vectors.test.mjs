// SPDX-License-Identifier: Apache-2.0
// Every vector of tests/vectors against the JavaScript implementation, and controls that must fail.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fault, GROUPS, loadGroup, Scenarios } from './lib/vectors.mjs';

const TOTAL = 303;

/** Scenarios as a group needs them: the log group fills them itself, messages want them whole. */
const scenariosFor = (group) => (group === 'log' ? new Scenarios() : Scenarios.complete());

for (const [group, { count, refused }] of Object.entries(GROUPS)) {
  describe(`vectors ${group}`, () => {
    const vectors = loadGroup(group);
    const scenarios = scenariosFor(group);

    test('the file holds what the specification says', () => {
      assert.equal(vectors.length, count);
      assert.equal(vectors.filter(({ expect }) => expect !== 'ok').length, refused);
    });
    for (const vector of vectors) {
      test(`${vector.name}: ${vector.expect}`, async () => {
        assert.equal(await fault(group, vector, scenarios), null);
      });
    }
  });
}

test('the groups add up', () => {
  const sum = Object.values(GROUPS).reduce((all, { count }) => all + count, 0);
  assert.equal(sum, TOTAL);
});

/** The value with one hexadecimal digit of its first string changed, wherever that is. */
function flipped(value) {
  let isDone = false;
  return JSON.parse(JSON.stringify(value), (key, part) => {
    if (isDone || typeof part !== 'string' || !/[0-9a-f]/.test(part)) return part;
    isDone = true;
    return part.replace(/[0-9a-f]/, (digit) => (digit === '0' ? '1' : '0'));
  });
}

describe('controls: the same check reports what is wrong', () => {
  for (const group of Object.keys(GROUPS)) {
    const vectors = loadGroup(group);
    const scenarios = Scenarios.complete();
    const good = vectors.find(({ name, expect }) => expect === 'ok' && !/records|create/.test(name)
      && !name.startsWith('x25519'));

    test(`${group}: an output changed`, async () => {
      assert.equal(await fault(group, good, scenarios), null);
      const outputs = group === 'ed25519' ? { key_valid: false } : flipped(good.outputs);
      assert.notDeepEqual(outputs, good.outputs);
      assert.notEqual(await fault(group, { ...good, outputs }, scenarios), null);
    });

    test(`${group}: an expectation changed`, async () => {
      assert.notEqual(await fault(group, { ...good, expect: 'E-PARSE' }, scenarios), null);
      const bad = vectors.find(({ expect }) => !['ok', 'E-PARSE'].includes(expect));
      if (!bad) return;
      assert.notEqual(await fault(group, { ...bad, expect: 'E-PARSE' }, scenarios), null);
      assert.notEqual(await fault(group, { ...bad, expect: 'ok' }, scenarios), null);
    });
  }
});
