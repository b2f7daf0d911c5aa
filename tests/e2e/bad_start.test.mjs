// SPDX-License-Identifier: Apache-2.0
// What is refused though the config is sound: the command line, the state folder, the ports.
import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Node } from './lib/node.mjs';
import { isListening, Place } from './lib/refused.mjs';

describe('usage', () => {
  const wrong = {
    'no config': [[], '-c FILE: is needed'],
    'an unknown option': [['--chekc'], '--chekc: unknown option'],
    'an option without its value': [['-c', 'x', '--set'], '--set: needs a value'],
    '--json alone': [['-c', 'x', '--json'], '--json: goes with --check or --print-effective'],
    'two things at once': [['-c', 'x', '--check', '--print-effective'],
      '--print-effective: cannot go with --check'],
  };
  for (const [name, [args, words]] of Object.entries(wrong)) {
    test(`${name}: exit 2`, async (t) => {
      const place = await Place.create(t);
      const { code, stdout, stderr } = await place.runBare(args);
      assert.deepEqual({ code, stdout, stderr }, {
        code: 2, stdout: '',
        stderr: `membershipd: ${words} (membershipd --help lists the options)\n` });
    });
  }
});

const UNDONE = 'everything that had started was stopped again';

describe('a start is refused, though the config is sound, for', () => {
  async function startFails(place, line) {
    const run = await place.run();
    assert.equal(run.code, 1);
    const said = run.stderr.split('\n').filter((one) => !/^\d{4}-\d\d-\d\dT/.test(one));
    assert.deepEqual(said, [line, `1 error, ${UNDONE}.`, '']);
  }

  const states = {
    'a state folder that others can use': [
      async (dir) => { await mkdir(dir); await chmod(dir, 0o755); },
      (dir) => `state folder ${dir} can be used by others (mode 0755): run chmod 700 ${dir}`],
    'a state folder of somebody else': [
      async (dir) => { await mkdir(dir, { mode: 0o700 }); await chown(dir, 65534, 65534); },
      (dir) => `state folder ${dir} belongs to user 65534, but this process runs as user 0: run `
        + `chown -R 0 ${dir}`],
    'a state folder that is a file': [
      (dir) => writeFile(dir, ''), (dir) => `state folder ${dir} is not a folder`],
  };
  for (const [name, [prepare, words]] of Object.entries(states)) {
    const skip = name.includes('somebody') && process.getuid() !== 0 && 'needs root for chown';
    test(name, { skip }, async (t) => {
      const place = await Place.create(t);
      await place.write();
      await prepare(place.state);
      await place.leavesNoTrace(
        () => startFails(place, `node.lua:2: node: ${words(place.state)}`));
      assert.equal((await place.run(['--check'])).code, 0, '--check does not look at the state');
    });
  }

  test('a state folder in use: the message names the process, and it is not disturbed',
    async (t) => {
      const place = await Place.create(t);
      const first = new Node({ dir: place.dir });
      t.after(() => first.dispose());
      await first.prepare();
      await first.up();
      const { pid } = first.process;
      assert.equal((await readFile(join(first.state, 'lock'), 'utf8')).trim(), String(pid));
      await place.write();
      await startFails(place, `node.lua:2: node: state folder ${place.state} is in use by `
        + `process ${pid}: stop it, or give this node another node.state`);
      assert.equal((await first.client().get('/livez')).status, 200);
      assert.ok((await stat(first.adminSocket)).isSocket(), 'its admin socket stays');
      assert.equal((await first.admin().get('/v1/rooms')).status, 200, 'and answers');
    });

  for (const name of ['http', 'nats']) {
    test(`a port in use: ${name}`, async (t) => {
      const place = await Place.create(t);
      const port = place[`${name}Port`];
      const squatter = createServer();
      await new Promise((done) => { squatter.listen(port, '127.0.0.1', done); });
      t.after(() => squatter.close());
      await place.write();
      const { code, stderr } = await place.run();
      assert.equal(code, 1);
      const line = name === 'http' ? 7 : 8;
      assert.match(stderr, new RegExp(`^node\\.lua:${line}: module "${name}": .*`
        + `127\\.0\\.0\\.1:${port}.*[Aa]ddress already in use`, 'm'));
      assert.match(stderr, new RegExp(`1 error, ${UNDONE}\\.\n$`));
      const other = name === 'http' ? place.natsPort : place.httpPort;
      assert.equal(await isListening(other), false);
      assert.equal(await stat(join(place.state, 'admin.sock')).catch(() => null), null,
        'the admin socket is gone again');
      squatter.close();
    });
  }
});
