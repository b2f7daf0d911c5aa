// SPDX-License-Identifier: Apache-2.0
// membershipd --print-effective: every setting with its origin, as a config that means the same.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Place } from './lib/refused.mjs';

async function effective(place, args = []) {
  const run = await place.leavesNoTrace(() => place.run(['--print-effective', ...args]));
  assert.deepEqual([run.code, run.stderr], [0, '']);
  return run.stdout;
}

test('the text reads as the same config; the JSON says the same', async (t) => {
  const place = await Place.create(t);
  await mkdir(join(place.dir, 'conf.d'));
  await writeFile(join(place.dir, 'conf.d', '10-log.lua'), 'log {\n  level = "warn" }\n');
  await place.write({ extra: 'include "conf.d"' });
  const sets = ['--set', 'kv-sqlite.readers=7'];
  const text = await effective(place, sets);
  assert.match(text, /^ {2}level {2}= "warn", {2}-- conf\.d\/10-log\.lua:2$/m);
  assert.match(text, /^ {2}readers {7}= 7, +-- --set$/m);
  assert.match(text, /^ {2}file {10}= "unibus\.db", +-- node\.lua:4$/m);
  assert.match(text, /^ {2}queue_max {5}= 1024, +-- default$/m);
  const { settings } = JSON.parse(await effective(place, ['--json', ...sets]));
  const level = settings.find(({ name }) => name === 'log.level');
  assert.deepEqual([level.value, level.origin, level.live], ['warn', 'conf.d/10-log.lua:2', true]);

  await place.write({ text });
  const again = JSON.parse(await effective(place, ['--json']));
  const values = (list) => list.map(({ name, value }) => [name, value]);
  assert.deepEqual(values(again.settings), values(settings));
});

test('a faulty config prints its faults and nothing else', async (t) => {
  const place = await Place.create(t);
  await place.write({ modules: { http: { lsten: 'x' } } });
  const run = await place.run(['--print-effective']);
  assert.deepEqual([run.code, run.stdout], [1, '']);
  assert.match(run.stderr, /unknown setting "lsten" \(did you mean "listen"\?\)\n1 error, nothing/);
});
