// SPDX-License-Identifier: Apache-2.0
// Modules that the daemon must not load: its sentence, exit 1, nothing started. The files are built
// from tests/modules; what is wrong with a file itself is made here, on a copy.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, chown, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { buildFolder } from './lib/process.mjs';
import { Place } from './lib/refused.mjs';

const fileOf = (name) => join(buildFolder(), 'tests', 'modules', `${name}.so`);
const said = (name, words) => `node.lua:9: module "${name}"${words}`;
const sha256 = async (file) => createHash('sha256').update(await readFile(file)).digest('hex');

/** name in tests/modules → what the loader says of it. */
const ZOO = {
  'zoo-major': ' was built for ABI 2.0, but this membershipd has ABI 1.1: rebuild the module '
    + "against this version's include/unibus",
  'zoo-minor': ' needs ABI 1.7, but this membershipd has ABI 1.1: update membershipd, or take an '
    + 'older version of the module',
  'zoo-symbol': `: ${fileOf('zoo-symbol')} has no symbol "unibus_module", so it is not a unibus `
    + 'module: declare one with UB_MODULE = { … } (include/unibus/module.h)',
  'zoo-short': /: its descriptor has 8 bytes, but ABI 1\.0 has at least \d+: rebuild the module$/,
  'zoo-long': /: its descriptor claims 4096 bytes, but the file has \d+: rebuild the module with \.size = sizeof\(struct ub_module\)$/,
  'zoo-name': `: ${fileOf('zoo-name')} calls itself "somebody-else", but the config names it `
    + '"zoo-name": write module "somebody-else", or give the module\'s descriptor .name = '
    + '"zoo-name"',
  'zoo-ops': /: its ops table has 16 bytes, but ABI 1\.0 has at least \d+: rebuild the module$/,
  'zoo-destroy': ': its ops table has no destroy',
  'zoo-field': ': its setting 2 "number" lies outside of its settings',
  'zoo-undefined': `: cannot be loaded: ${fileOf('zoo-undefined')}: undefined symbol: `
    + 'zoo_nobody_has_this; link the library that has it into the module: nothing of membershipd '
    + 'itself can be called, only what create and bind hand over',
  'zoo-live': ': its setting 2 "number" is live, but its ops table has no prepare and commit',
};

function sentence(name, words) {
  return words instanceof RegExp
    ? new RegExp(`^node\\.lua:9: module "${name}"${words.source}`) : said(name, words);
}

async function refusesModule(t, name, settings, words, prepare = async () => {}) {
  const place = await Place.create(t);
  await prepare(place);
  const given = typeof settings === 'function' ? await settings(place) : settings;
  await place.write({ modules: { [name]: given } });
  const line = typeof words === 'function' ? await words(place) : words;
  const [error] = await place.refuses([sentence(name, line)]);
  assert.match(error.code, /^E-(MODULE|CONFIG)-\d{3}$/);
  return error;
}

describe('a module is refused for', () => {
  for (const [name, words] of Object.entries(ZOO)) {
    test(`its descriptor: ${name}`, (t) =>
      refusesModule(t, name, { path: fileOf(name) }, words));
  }

  test('a create that fails', (t) => refusesModule(t, 'good',
    { path: fileOf('good'), fails: 'create' }, ': fails = "create", so create fails'));

  /** What is done to a copy of a sound module, good.so in the test's folder. */
  const copies = {
    'being writable by all': [
      (file) => chmod(file, 0o757),
      (file) => `: ${file} can be written by others (mode 0757): run chmod go-w ${file}`],
    'lying in a folder that all can write': [
      (file) => chmod(join(file, '..'), 0o757),
      (file) => `: ${file} lies in folder ${join(file, '..')}, which can be written by others `
        + `(mode 0757): run chmod go-w ${join(file, '..')}`],
    'belonging to somebody else': [
      (file) => chown(file, 65534, 0),
      (file) => `: ${file} belongs to user 65534, but a module belongs to root or to user 0, who `
        + `runs this process: run chown root ${file}`],
    'being a folder': [
      async (file, place) => { place.other = join(file, '..'); },
      (file, place) => `: ${place.other} is not a regular file`],
    'being no library': [
      (file) => writeFile(file, 'not an ELF file'),
      (file) => `: ${file} is no shared library (not an ELF file): build the module with cc `
        + '-shared'],
    'being reached by a link to a file that all can write': [
      async (file, place) => {
        place.other = join(file, '..', 'link.so');
        await symlink(file, place.other);
        await chmod(file, 0o702);
      },
      (file) => `: ${file} can be written by others (mode 0702): run chmod go-w ${file}`],
  };
  for (const [name, [harm, words]] of Object.entries(copies)) {
    const skip = name.includes('somebody') && process.getuid() !== 0 && 'needs root for chown';
    test(name, { skip }, async (t) => {
      let file;
      await refusesModule(t, 'good', (place) => ({ path: place.other ?? file }),
        (place) => words(file, place), async (place) => {
          file = join(place.dir, 'mods', 'good.so');
          await mkdir(join(place.dir, 'mods'));
          await copyFile(fileOf('good'), file);
          await harm(file, place);
        });
    });
  }

  test('a relative path', (t) => refusesModule(t, 'good', { path: 'mods/good.so' },
    ': path = "mods/good.so" is not absolute: write the whole path, or leave it out to take '
      + `good.so from ${join(buildFolder(), 'modules')}`));
  test('a path that is a number', (t) => refusesModule(t, 'good', { path: 5 },
    ': path: a text is needed'));
  test('a file that is not there', (t) => refusesModule(t, 'good', { path: '/nowhere/good.so' },
    ': there is no file /nowhere/good.so'));
  test('another sha256 than the config pins', (t) => refusesModule(t, 'good',
    { path: fileOf('good'), sha256: 'ab'.repeat(32) },
    async () => `: ${fileOf('good')} has sha256 ${await sha256(fileOf('good'))}, but the config `
      + `pins ${'ab'.repeat(32)}`));
  test('a pin that is none', (t) => refusesModule(t, 'good', { path: fileOf('good'), sha256: 'ab' },
    ': sha256 = "ab" is no SHA-256: 64 hexadecimal digits are needed'));
});

test('every fault is told, not only the first', async (t) => {
  const place = await Place.create(t);
  await place.write({ modules: {
    'kv-sqlite': { fle: 'x' }, 'zoo-major': { path: fileOf('zoo-major') },
    'zoo-name': { path: fileOf('zoo-name') } } });
  await place.refuses([
    'node.lua:4: module "kv-sqlite": unknown setting "fle" (did you mean "file"?)',
    said('zoo-major', ZOO['zoo-major']),
    `node.lua:10: module "zoo-name"${ZOO['zoo-name']}`,
  ]);
});

test('a start that fails: what had started is stopped again, in reverse', async (t) => {
  const place = await Place.create(t);
  await place.write({ modules: { good: { path: fileOf('good'), fails: 'start' } } });
  assert.equal((await place.run(['--check'])).code, 0);
  const { code, stderr } = await place.run();
  assert.equal(code, 1);
  const lines = stderr.split('\n').filter((line) => !/^\d{4}-\d\d-\d\dT/.test(line));
  assert.deepEqual(lines, [said('good', ': fails = "start", so start fails'),
    '1 error, everything that had started was stopped again.', '']);
  const calls = [...stderr.matchAll(/ good life: .* call=(\w+)/g)].map((match) => match[1]);
  assert.deepEqual(calls, ['create', 'destroy']);
  await place.leavesNoTrace(() => {}); // nobody listens any more
  await place.write();
  assert.equal((await place.run(['--check'])).code, 0);
});

test('controls: a sound module loads, by path, by pin and by a link', async (t) => {
  const place = await Place.create(t);
  const link = join(place.dir, 'link.so');
  await symlink(fileOf('good'), link);
  const sound = [
    { path: fileOf('good') }, { path: link },
    { path: fileOf('good'), sha256: (await sha256(fileOf('good'))).toUpperCase() }];
  for (const settings of sound) {
    await place.write({ modules: { good: settings } });
    const { code, stdout, stderr } = await place.run(['--check']);
    assert.deepEqual([code, stdout], [0, 'node.lua: ok\n'], stderr);
  }
  await place.write({ modules: { 'zoo-sound': { path: fileOf('zoo-sound') } } });
  assert.equal((await place.run(['--check'])).code, 0, 'the zoo without a fault');
});
