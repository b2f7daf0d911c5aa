// SPDX-License-Identifier: Apache-2.0
// Every config that membershipd must refuse: exit 1, the exact sentence, nothing started.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { lua } from './lib/lua.mjs';
import { buildFolder } from './lib/process.mjs';
import { Place } from './lib/refused.mjs';

const KV = 'node.lua:4: module "kv-sqlite": ';
const goodModule = () => join(buildFolder(), 'tests', 'modules', 'good.so');

/** name → what is changed in a sound config, and what membershipd says to it. */
const CASES = {
  'an unknown setting': {
    modules: { 'kv-sqlite': { fle: 'x' } },
    errors: [`${KV}unknown setting "fle" (did you mean "file"?)`],
  },
  'an unknown setting that resembles nothing': {
    modules: { 'blob-fs': { zzz: 1 } },
    errors: ['node.lua:5: module "blob-fs": unknown setting "zzz" (known: dir, max_item, '
      + 'max_total)'],
  },
  'a setting of the node that is unknown': {
    node: { stat: 'x' },
    errors: ['node.lua:2: node: unknown setting "stat" (did you mean "state"?)'],
  },
  'a text where a number belongs': {
    modules: { 'kv-sqlite': { readers: 'four' } },
    errors: [`${KV}readers = "four": a whole number is needed`],
  },
  'a fraction where a whole number belongs': {
    modules: { 'kv-sqlite': { readers: 1.5 } },
    errors: [`${KV}readers = 1.5: a whole number is needed`],
  },
  'a number below its range': {
    modules: { 'kv-sqlite': { queue_max: 0 } },
    errors: [`${KV}queue_max = 0 is too small: 1 to 65536 (default 1024)`],
  },
  'a number above its range': {
    modules: { 'kv-sqlite': { queue_max: 65537 } },
    errors: [`${KV}queue_max = 65537 is too large: 1 to 65536 (default 1024)`],
  },
  'a size with a unit that there is not': {
    modules: { 'blob-fs': { max_item: '64 Mb' } },
    errors: ['node.lua:5: module "blob-fs": max_item = "64 Mb" is no size: write a whole number '
      + 'with B, KiB, MiB, GiB or TiB, as in "64 MiB"'],
  },
  'a choice that there is not': {
    posture: { require: 'enfroce' },
    errors: ['node.lua:3: posture: require = "enfroce" is not among the choices: "dev", "enforce" '
      + 'or "cluster" (did you mean "enforce"?)'],
  },
  'a state path that leaves node.state': {
    modules: { 'kv-sqlite': { file: '../unibus.db' } },
    errors: (place) => [`${KV}file = "../unibus.db" leaves node.state: write a path below `
      + `${place.state}, without ".."`],
  },
  'an address without a port': {
    modules: { http: { listen: '127.0.0.1' } },
    errors: ['node.lua:7: module "http": listen = "127.0.0.1": an address and a port are needed, '
      + 'as in "127.0.0.1:8470" or "[::1]:8470"'],
  },
  'a node name with a path in it': {
    node: { name: '../x' },
    errors: ['node.lua:2: node: name = "../x" is no name: 1 to 63 letters, digits, "-" or "_"'],
  },
  'a module that there is not': {
    modules: { 'kv-sqlite': null, 'kv-sqlit': {} , membership: { kv: 'kv-sqlit' } },
    errors: [`node.lua:8: module "kv-sqlit": there is no file ${join(buildFolder(), 'modules')}`
      + '/kv-sqlit.so (did you mean "kv-sqlite"?)'],
  },
  'a service that nobody provides': {
    modules: { 'blob-fs': null, membership: { blob: undefined } },
    errors: ['node.lua:5: module "membership" needs ub.blob 1.x, and no module of this config '
      + 'provides it: add one that does'],
  },
  'a service of a module that is not named': {
    modules: { membership: { kv: 'kv-sqlit' } },
    errors: ['node.lua:6: module "membership": kv = "kv-sqlit" names no module of this config '
      + '(did you mean "kv-sqlite"?)'],
  },
  'a module given twice': {
    extra: 'module "nats" {}',
    errors: ['node.lua:9: module "nats" is given twice (first on line 8)'],
  },
  'a block that is assigned': {
    extra: 'log = { level = "debug" }',
    errors: ['node.lua:9: "log" cannot be assigned: write it without "="'],
  },
  'a name outside of the language': {
    extra: 'os.execute("touch escaped")', // leavesNoTrace would see the file
    errors: ['node.lua:9: unknown name "os"'],
  },
  'no version of the language': {
    text: 'module "kv-sqlite" { file = "unibus.db" }\n',
    errors: ['node.lua: the version of the config language is missing: begin with unibus "1"'],
  },
  'another version of the language': {
    text: 'unibus "2"\nmodule "kv-sqlite" { file = "unibus.db" }\n',
    errors: ['node.lua:1: config language "2" is unknown: this membershipd understands unibus "1"'],
  },
  'no module': {
    text: 'unibus "1"\n',
    errors: ['node.lua: no module is named, so nothing would run'],
  },
  'broken syntax': {
    text: 'unibus "1"\nmodule "kv-sqlite" { file = \n',
    errors: ["node.lua:3: unexpected symbol near <eof>"],
  },
  'an endless loop': {
    text: 'unibus "1"\nwhile true do end\n',
    errors: [/^node\.lua:2: the config runs too long: more than \d+ (steps \(an endless loop\?\)|ms)/],
  },
  'an endless tail call': {
    text: 'unibus "1"\nlocal function f() return f() end\nf()\n',
    errors: [/^node\.lua:2: the config runs too long/],
  },
  'a memory bomb': {
    text: 'unibus "1"\nlocal s = "0123456789abcdef"\nwhile true do s = s .. s end\n',
    errors: [/^node\.lua(:3)?: the config needs more than \d+ MiB of memory$/],
  },
  'byte code': {
    text: '\x1bLua\x54\0\x19\x93\r\n\x1a\n',
    errors: ['node.lua: is compiled Lua (byte code): a config is read as text only'],
  },
  'two faults at once, sorted by line': {
    modules: { 'blob-fs': { dirr: 'x' }, 'kv-sqlite': { queue_max: -1 } },
    errors: [`${KV}queue_max = -1 is too small: 1 to 65536 (default 1024)`,
      'node.lua:5: module "blob-fs": unknown setting "dirr" (did you mean "dir"?)'],
  },
  'an authentication that is off under "enforce"': {
    modules: { nats: { auth: 'off' } },
    errors: ['node.lua:3: posture "enforce" is required, but module '
      + '"nats" (line 8) has auth = "off"'],
  },
  'a listener for everybody without TLS under "enforce"': {
    modules: (place) => ({ http: { listen: `0.0.0.0:${place.httpPort}` } }),
    errors: (place) => ['node.lua:3: posture "enforce" is required, but module "http" (line 7) '
      + `listens on 0.0.0.0:${place.httpPort} without TLS`],
  },
  'a listener for everybody under "dev"': {
    posture: { require: 'dev' },
    modules: (place) => ({ nats: { listen: [`127.0.0.1:${place.natsPort}`, '[::]:4250'] } }),
    errors: ['node.lua:3: posture "dev" allows loopback listeners only, but module "nats" '
      + '(line 8) listens on [::]:4250: require "enforce" and meet it, or listen on 127.0.0.1'],
  },
  'a secret that others can read': {
    files: { 'node.key': ['the key', 0o640] },
    modules: { good: { path: goodModule(), key: lua('secret "node.key"') } },
    errors: (place) => [`node.lua:9: module "good": key: secret "${place.dir}/node.key" can be `
      + `read by others (mode 0640): run chmod 600 ${place.dir}/node.key`],
  },
  'a secret that is written into the config': {
    modules: { good: { path: goodModule(), key: 'hunter2' } },
    errors: ['node.lua:9: module "good": key = …: secret "file" is needed'],
  },
  'an environment variable that is not set': {
    modules: { 'kv-sqlite': { file: lua('env.UNIBUS_NOT_SET') } },
    errors: ['node.lua:4: environment variable UNIBUS_NOT_SET is not set: set it, or write '
      + 'env("UNIBUS_NOT_SET", "default")'],
  },
  '--set of an unknown module': {
    args: ['--set', 'htp.listen=127.0.0.1:1'],
    errors: ['--set: htp.listen=127.0.0.1:1: the config has no module "htp" (did you mean '
      + '"http"?)'],
  },
  '--set of an unknown setting': {
    args: ['--set', 'kv-sqlite.fle=x'],
    errors: ['--set: module "kv-sqlite": unknown setting "fle" (did you mean "file"?)'],
  },
  '--set of a wrong type': {
    args: ['--set', 'kv-sqlite.readers=many'],
    errors: ['--set: module "kv-sqlite": readers = "many": a whole number is needed'],
  },
  '--set in another form': {
    args: ['--set', 'nonsense'],
    errors: ['--set: nonsense is not of the form module.key=value'],
  },
  '--set that lowers the posture': {
    args: ['--set', 'nats.auth=off'],
    errors: ['node.lua:3: posture "enforce" is required, but module '
      + '"nats" (--set) has auth = "off"'],
  },
};

describe('a config is refused, and nothing is started, for', () => {
  for (const [name, one] of Object.entries(CASES)) {
    test(name, async (t) => {
      const place = await Place.create(t);
      const given = (value) => (typeof value === 'function' ? value(place) : value);
      for (const [file, [text, mode]] of Object.entries(one.files ?? {})) {
        await writeFile(join(place.dir, file), text);
        await chmod(join(place.dir, file), mode);
      }
      await place.write({ ...one, modules: given(one.modules) });
      const errors = given(one.errors);
      const found = await place.refuses(errors, one);
      for (const { code, fix, doc } of found) {
        assert.match(code, /^E-(CONFIG|MODULE|POSTURE)-\d{3}$/);
        assert.ok(fix.length > 0 && doc.length > 0, `${code} has a fix and a place in the docs`);
      }
    });
  }

  test('a file that others can write', async (t) => {
    const place = await Place.create(t);
    await place.write();
    await chmod(join(place.dir, 'node.lua'), 0o646);
    await place.refuses(
      ['node.lua: can be written by others (mode 0646): run chmod o-w node.lua']);
  });

  test('a folder that others can write', async (t) => {
    const place = await Place.create(t);
    await place.write();
    await chmod(place.dir, 0o777);
    await place.refuses(['node.lua: lies in folder ., which can be written by others (mode 0777): '
      + 'run chmod o-w .']);
  });

  test('what is no file: a pipe, a device, a folder', async (t) => {
    const place = await Place.create(t);
    execFileSync('mkfifo', [join(place.dir, 'node.lua')]);
    await place.refuses(['node.lua: is a pipe (FIFO), not a file']);
    for (const [path, what] of [['/dev/zero', 'device'], ['/', 'folder']]) {
      const run = await place.runBare(['-c', path, '--check']);
      assert.equal(run.code, 1);
      assert.equal(run.stderr, `${path}: is a ${what}, not a file\n1 error, nothing was started.\n`);
    }
  });

  test('every file of several, at once', async (t) => {
    const place = await Place.create(t);
    await mkdir(join(place.dir, 'conf.d'));
    await writeFile(join(place.dir, 'conf.d', '10.lua'), 'log { levl = "info" }\n');
    await writeFile(join(place.dir, 'conf.d', '20.lua'), '\nlog {\n');
    await writeFile(join(place.dir, 'nodes.env'), 'A=1\nB\n');
    await place.write({ modules: { 'blob-fs': { dirr: 'x' } },
      extra: 'include "conf.d"\nlocal n = envfile "nodes.env"\nmodule "nats" {}' });
    await place.refuses([
      'conf.d/10.lua:1: log: unknown setting "levl" (did you mean "level"?)',
      'conf.d/20.lua:3: unexpected symbol near <eof>',
      'node.lua:5: module "blob-fs": unknown setting "dirr" (did you mean "dir"?)',
      'node.lua:11: module "nats" is given twice (first on line 8)',
      'nodes.env:2: no "=" on this line: write NAME=value, or # before a comment',
    ]);
  });

  test('a file that is not there', async (t) => {
    const place = await Place.create(t);
    await place.refuses(['node.lua: cannot be read: No such file or directory']);
  });
});

test('control: the config without the fault passes --check, and makes nothing', async (t) => {
  const place = await Place.create(t);
  await place.write();
  const plain = await place.leavesNoTrace(() => place.run(['--check']));
  assert.deepEqual(plain, { code: 0, signal: null, stdout: 'node.lua: ok\n', stderr: '' });
  const { stdout } = await place.leavesNoTrace(() => place.run(['--check', '--json']));
  const { ok, errors, posture, modules, file } = JSON.parse(stdout);
  assert.deepEqual({ ok, errors, posture, file },
    { ok: true, errors: [], posture: { required: 'enforce', level: 'enforce' }, file: 'node.lua' });
  assert.deepEqual(modules.sort(), ['blob-fs', 'http', 'kv-sqlite', 'membership', 'nats']);
  await writeFile(join(place.dir, 'node.key'), 'the key');
  await chmod(join(place.dir, 'node.key'), 0o600);
  await place.write({ modules: { good: { path: goodModule(), key: lua('secret "node.key"') } } });
  assert.equal((await place.run(['--check'])).code, 0, 'a secret that nobody else can read');
});
