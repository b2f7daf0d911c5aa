// SPDX-License-Identifier: Apache-2.0
// What `cmake --install` makes: a tree that may be moved, from which an author builds a module
// elsewhere, and which loads it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Node } from './lib/node.mjs';
import { buildFolder, testEnvironment } from './lib/process.mjs';

const NAME = 'gate-keeper';
const BUILD = buildFolder();
const exec = promisify(execFile);

let root;
let prefix;
let source;

const run = (command, args, { cwd = root, env } = {}) => exec(command, args,
  { cwd, env: testEnvironment(env), timeout: 120000, maxBuffer: 1 << 24 });

/** Its exit code and what it said, when it should fail. */
const failing = async (command, args, options) => {
  const error = await run(command, args, options).then(() => null, (failure) => failure);
  assert.notEqual(error, null, `${command} ${args.join(' ')} did not fail`);
  return { code: error.code, text: error.stderr };
};

const unibus = (args, options) => run(join(prefix, 'bin', 'unibus'), args, options);

/** All that the bus says to a client that logs in. */
const loginTo = (port) => new Promise((resolve, reject) => {
  let text = '';
  const socket = net.connect(port, '127.0.0.1', () => socket.write('CONNECT {}\r\nPING\r\n'));
  socket.setEncoding('utf8');
  socket.on('data', (data) => { text += data; });
  socket.on('end', () => { socket.end(); resolve(text); });
  socket.on('error', reject);
});

/** A node of the installed program with the module, which refuses `deny`. */
async function startNode(t, deny, path) {
  process.env.UNIBUS_BUILD = join(prefix, 'bin'); // where Node looks for membershipd
  t.after(() => { process.env.UNIBUS_BUILD = BUILD; });
  const node = await Node.start(t, {
    ready: false,
    config: ({ natsPort }) => `unibus "1"
node    { name = "alpha", state = "local_files" }
posture { require = "dev" }
module "nats" { listen = "127.0.0.1:${natsPort}" }
module "${NAME}" { ${path ? `path = "${path}", ` : ''}deny = { "${deny}" } }
`,
  });
  await node.waitLog(/gate-closed/);
  await node.waitLog(/the node is up/);
  return node;
}

async function refusesByAddress(t, path) {
  const refusing = await startNode(t, '127.0.0.0/8', path);
  assert.match(await loginTo(refusing.natsPort), /-ERR 'Authorization Violation'/);
  await refusing.waitLog(/127\.0\.0\.1 is on the list of module \\?"gate-keeper\\?"/);
  // The control: not on the list, so another reason.
  const other = await startNode(t, '192.0.2.0/24', path);
  assert.match(await loginTo(other.natsPort), /-ERR 'Authorization Violation'/);
  await other.waitLog(/no module knows these credentials/);
  assert.doesNotMatch(other.log, /is on the list/);
  // Until a reload puts it there.
  await writeFile(other.config, other.configText().replace('192.0.2.0/24', '127.0.0.0/8'));
  other.reload();
  const deadline = Date.now() + 10000;
  while (!/is on the list/.test(other.log) && Date.now() < deadline) await loginTo(other.natsPort);
  assert.match(other.log, /127\.0\.0\.1 is on the list/);
}

describe('the installed tree', { concurrency: false }, () => {
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'ub-install-'));
    prefix = join(root, 'a place', 'unibus');
    source = join(root, 'my modules', NAME);
    await mkdir(join(root, 'my modules'));
    await run('cmake', ['--install', BUILD, '--prefix', join(root, 'first')]);
    await mkdir(join(root, 'a place'));
    await rename(join(root, 'first'), prefix); // it may be moved, also to a path with a space
  });
  after(() => rm(root, { recursive: true, force: true }));

  test('holds programs, modules, headers, libraries, samples and pages', async () => {
    const wanted = ['bin/membershipd', 'bin/unibus', 'bin/membershipctl', 'lib/unibus/modules/nats.so',
      'include/unibus/module.h', 'include/unibus-client/client.h', 'include/ubr/log.h',
      'lib/libunibus-client.a', 'lib/pkgconfig/unibus-module.pc', 'lib/cmake/Unibus/UnibusConfig.cmake',
      'share/unibus/template/module.c', 'share/unibus/etc/single.lua', 'share/doc/unibus/docs/modules.md'];
    for (const file of wanted) assert.ok(existsSync(join(prefix, file)), file);
    const modules = await readdir(join(prefix, 'lib/unibus/modules'));
    assert.ok(!modules.includes('template.so'), 'its source is what is installed');
    const { stdout } = await run(join(prefix, 'bin', 'membershipd'), ['explain', '--json']);
    for (const module of modules) {
      assert.ok(stdout.includes(`"${module.replace('.so', '')}"`), `explain shows ${module}`);
    }
  });

  test('goes below DESTDIR', async () => {
    await run('cmake', ['--install', BUILD, '--prefix', '/opt/unibus'], { env: { DESTDIR: join(root, 'dest') } });
    assert.ok(existsSync(join(root, 'dest/opt/unibus/lib/unibus/modules/nats.so')));
    assert.ok(!existsSync('/opt/unibus/lib/unibus/modules/nats.so'));
  });

  test('module new writes a module and overwrites nothing', async () => {
    const cwd = join(root, 'my modules');
    const { stdout } = await unibus(['module', 'new', NAME, '--json'], { cwd });
    const files = await readdir(source);
    assert.deepEqual(JSON.parse(stdout), { name: NAME, files: files.sort() });
    for (const file of files) {
      assert.doesNotMatch(await readFile(join(source, file), 'utf8'), /template/i, file);
    }
    await writeFile(join(source, 'module.c'), 'mine');
    const again = await failing(join(prefix, 'bin', 'unibus'), ['module', 'new', NAME], { cwd });
    assert.equal(again.code, 5);
    assert.match(again.text, /gate-keeper is there already, nothing was written/);
    assert.equal(await readFile(join(source, 'module.c'), 'utf8'), 'mine');
    await rm(source, { recursive: true });
    await unibus(['module', 'new', NAME], { cwd });
    for (const name of ['Gate', '../gate', '-gate', 'gate-', 'ga--te', '', 'g'.repeat(33)]) {
      const bad = await failing(join(prefix, 'bin', 'unibus'), ['module', 'new', '--', name], { cwd });
      assert.equal(bad.code, 2, name);
    }
    assert.deepEqual(await readdir(cwd), [NAME]);
  });

  test('by CMake: built, tested, installed, loaded by its name', async (t) => {
    const dir = join(source, 'build');
    await run('cmake', ['-S', source, '-B', dir, '-G', 'Ninja', `-DCMAKE_PREFIX_PATH=${prefix}`]);
    await run('cmake', ['--build', dir]);
    await run('ctest', ['--test-dir', dir, '--no-tests=error']);
    await run('cmake', ['--install', dir]);
    assert.ok(existsSync(join(prefix, 'lib/unibus/modules', `${NAME}.so`)));
    await refusesByAddress(t);
  });

  test('by one line of cc: loaded by its path', async (t) => {
    // pkg-config writes a blank as "\ ", for which this plain line would need eval.
    const plain = join(root, 'unibus');
    await rename(prefix, plain);
    prefix = plain;
    const line = `cc -shared $(pkg-config --cflags unibus-module) -o ${NAME}.so module.c gate.c addresses.c`;
    await run('sh', ['-c', line], { cwd: source, env: { PKG_CONFIG_PATH: join(prefix, 'lib/pkgconfig') } });
    const { stdout } = await run('nm', ['-D', '--defined-only', `${NAME}.so`], { cwd: source });
    assert.match(stdout, /^\S+ \S unibus_module\n$/);
    await refusesByAddress(t, join(source, `${NAME}.so`));
  });

  test('a program links the client library', async () => {
    const sanitize = /UNIBUS_SANITIZE:BOOL=ON/.test(await readFile(join(BUILD, 'CMakeCache.txt'), 'utf8'))
      ? '-fsanitize=address,undefined' : '';
    await writeFile(join(root, 'program.c'), `#include <stdio.h>
#include <unibus-client/client.h>
int main(void)
{
    struct unibus_err err = UNIBUS_ERR_INIT;
    struct unibus_client *client = NULL;
    const struct unibus_client_options options = {.home = "a home", .server = "http://127.0.0.1:1"};
    enum unibus_status status = unibus_client_open(&options, &client, &err);
    unibus_client_close(&client);
    printf("%d %s\\n", status, err.message);
    return status;
}
`);
    await run('sh', ['-c', `cc ${sanitize} -o program program.c $(pkg-config --cflags --libs unibus-client)`],
      { env: { PKG_CONFIG_PATH: join(prefix, 'lib/pkgconfig') } });
    await run(join(root, 'program'), []);
  });
});
