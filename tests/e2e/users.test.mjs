// SPDX-License-Identifier: Apache-2.0
// Static users of the config, as the stock npm client meets them: every way to log in, permissions with the words of
// nats-server, side by side with membership, and the sample of a plain NATS server.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  connect, nkeyAuthenticator, nkeys, tokenAuthenticator, usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { collect, settled, until } from './lib/cast.mjs';
import { Cli } from './lib/cli.mjs';
import { lua, luaValue } from './lib/lua.mjs';
import { Member } from './lib/member.mjs';
import { Node } from './lib/node.mjs';

// "worker-pw", hashed by a program that is not ours
const WORKER_BCRYPT = '$2b$10$abcdefghijklmnopqrstuuW9uBXubNOjTsPrqlgGV5sHmkruzBguq';

const USERS = (nkey) => [
  { user: 'alice', password: lua('secret "alice.pw"') },
  { user: 'worker', bcrypt: WORKER_BCRYPT,
    permissions: {
      publish: { allow: ['a.>'], deny: ['a.secret'] },
      subscribe: { allow: ['b.*', 'q.> workers'] },
      allow_responses: { max: 1, ttl: '1 min' },
    } },
  { nkey, role: 'service' },
  { token: lua('secret "t.token"'), name: 'ci' },
];

const password = (name, word) => usernamePasswordAuthenticator(name, word);

async function nodeWithUsers(t, users, options = {}) {
  const node = new Node({ modules: { users: { users } }, ...options });
  t.after(() => node.dispose());
  await node.prepare();
  await writeFile(join(node.dir, 'alice.pw'), 'alice-pw\n', { mode: 0o600 });
  await writeFile(join(node.dir, 't.token'), 'the-token\n', { mode: 0o600 });
  await node.up();
  return node;
}

async function login(t, node, authenticator, options = {}) {
  const bus = await connect({ servers: node.natsUrl, reconnect: false, timeout: 5000, authenticator, ...options });
  t.after(() => bus.close());
  return bus;
}

/** The errors that the server sends while a client goes on. */
function errorsOf(bus) {
  const errors = [];
  (async () => {
    for await (const status of bus.status()) {
      if (status.type === 'error') errors.push(status.error.message);
    }
  })();
  return errors;
}

describe('static users', () => {
  test('log in by password, bcrypt hash, token and nkey; nobody else does', async (t) => {
    const key = nkeys.createUser();
    const node = await nodeWithUsers(t, USERS(key.getPublicKey()));
    const good = {
      password: password('alice', 'alice-pw'), bcrypt: password('worker', 'worker-pw'),
      token: tokenAuthenticator('the-token'), nkey: nkeyAuthenticator(key.getSeed()),
    };
    for (const authenticator of Object.values(good)) await settled(await login(t, node, authenticator));
    const bad = {
      'wrong password': password('alice', 'worker-pw'), 'the hash itself': password('worker', WORKER_BCRYPT),
      'unknown user': password('eve', 'alice-pw'), 'wrong token': tokenAuthenticator('the-toke'),
      'unknown nkey': nkeyAuthenticator(nkeys.createUser().getSeed()), nothing: undefined,
    };
    for (const [what, authenticator] of Object.entries(bad)) {
      await assert.rejects(login(t, node, authenticator), /authorization violation/i, what);
    }
    for (const secret of ['alice-pw', 'worker-pw', 'the-token', WORKER_BCRYPT]) {
      assert.ok(!node.log.includes(secret), 'a secret is in the log');
    }
  });

  test('do what their permissions say, refused in the words of nats-server', async (t) => {
    const key = nkeys.createUser();
    const node = await nodeWithUsers(t, USERS(key.getPublicKey()));
    const alice = await login(t, node, password('alice', 'alice-pw'));
    const worker = await login(t, node, password('worker', 'worker-pw'));
    const errors = errorsOf(worker);
    const heard = collect(alice, '>');
    await settled(alice);
    worker.publish('a.x', '1');
    worker.publish('a.secret', '2');
    worker.publish('c', '3');
    await settled(worker);
    await settled(alice);
    assert.deepEqual(heard.map((msg) => msg.subject), ['a.x']);
    const refused = [['b.>'], ['q.x'], ['q.x', 'others'], ['_INBOX.>'], ['ub.r.>'], ['$SYS.>']];
    for (const [subject, queue] of refused) {
      worker.subscribe(subject, { queue, callback: () => {} });
      const tail = queue ? ` using queue "${queue}"` : '';
      await until(() => errors.some((text) => text.includes(
        `Permissions Violation for Subscription to "${subject}"${tail}`)), `${subject} is refused`);
    }
    for (const subject of ['a.secret', 'c']) {
      assert.ok(errors.some((text) => text.includes(`Permissions Violation for Publish to "${subject}"`)), subject);
    }
    assert.equal(worker.isClosed(), false);
  });

  test('allow_responses: one answer to each request, and no other publishing', async (t) => {
    const key = nkeys.createUser();
    const node = await nodeWithUsers(t, USERS(key.getPublicKey()));
    const alice = await login(t, node, password('alice', 'alice-pw'));
    const worker = await login(t, node, password('worker', 'worker-pw'));
    const errors = errorsOf(worker);
    const asked = [];
    worker.subscribe('q.>', { queue: 'workers', callback: (_, msg) => {
      asked.push(msg.reply);
      msg.respond('first');
      msg.respond('second');
    } });
    await settled(worker);
    for (let n = 0; n < 5; n += 1) assert.equal((await alice.request(`q.${n}`)).string(), 'first');
    await until(() => errors.length >= 5, 'each second answer is refused');
    for (const reply of asked) {
      assert.ok(errors.some((text) => text.includes(`Permissions Violation for Publish to "${reply}"`)), reply);
    }
    const before = errors.length;
    worker.publish('_INBOX.somebody.1', 'x');
    await until(() => errors.length > before, 'an inbox that asked nothing is refused');
  });
});

describe('a reload', () => {
  test('changes the rights of open connections, and closes those of users that are gone', async (t) => {
    const before = [
      { user: 'alice', password: lua('secret "alice.pw"') },
      { user: 'worker', bcrypt: WORKER_BCRYPT },
      { token: lua('secret "t.token"'), name: 'ci' },
    ];
    const node = await nodeWithUsers(t, before);
    const alice = await login(t, node, password('alice', 'alice-pw'));
    const worker = await login(t, node, password('worker', 'worker-pw'));
    const ci = await login(t, node, tokenAuthenticator('the-token'));
    const errors = errorsOf(worker);
    const heard = collect(worker, 'a.>');
    await settled(worker);
    const text = await readFile(node.config, 'utf8');
    const after = [before[0], { ...before[1], permissions: { subscribe: 'b' } }];
    await writeFile(node.config, text.replace(luaValue(before), luaValue(after)));
    node.reload();
    await ci.closed();
    await until(() => errors.some((error) => /Subscription to "a\.>"/.test(error)), 'the subscription is dropped');
    alice.publish('a.x');
    await settled(alice);
    await settled(worker);
    assert.equal(heard.filter((msg) => msg.subject === 'a.x').length, 0);
    assert.equal(worker.isClosed() || alice.isClosed(), false);
    await assert.rejects(login(t, node, tokenAuthenticator('the-token')), /authorization violation/i);
    // A faulty file changes nothing.
    await writeFile(node.config, text.replace(luaValue(before), luaValue([{ user: 'alice' }])));
    node.reload();
    await node.waitLog(/exactly one says how the user logs in/);
    await settled(await login(t, node, password('alice', 'alice-pw')));
  });
});

describe('users and membership in one node', () => {
  test('each knows its own; a static user stays out of rooms', async (t) => {
    const key = nkeys.createUser();
    const node = await nodeWithUsers(t, USERS(key.getPublicKey()));
    const ann = await Member.create('ann').register(node.admin(), node.http);
    const room = await ann.createRoom({ plain: true });
    const hers = await ann.bus(node.nats);
    t.after(() => hers.close());
    const alice = await login(t, node, password('alice', 'alice-pw'));
    const errors = errorsOf(alice);
    const all = collect(alice, '>');
    const own = collect(hers, room.subject('>'));
    await settled(alice);
    await settled(hers);
    hers.publish(room.subject('chat'), 'for members');
    alice.publish(room.subject('chat'), 'from outside');
    alice.publish('outside', 'x');
    await settled(alice);
    await settled(hers);
    await until(() => own.length === 1 && all.length === 1, 'each hears its own');
    assert.equal(own[0].string(), 'for members');
    assert.equal(all[0].subject, 'outside');
    assert.ok(errors.some((text) => text.includes(`Publish to "${room.subject('chat')}"`)), errors.join());
    await assert.rejects(login(t, node, password('ann', 'alice-pw')), /authorization violation/i);
  });
});

describe('a plain NATS server', () => {
  test('etc/plain-nats.lua, without anything of rooms', async (t) => {
    const sample = await readFile(new URL('../../etc/plain-nats.lua', import.meta.url), 'utf8');
    const node = new Node({ ready: false, config: ({ natsPort }) => sample.replaceAll(':4250', `:${natsPort}`) });
    t.after(() => node.dispose());
    await node.prepare();
    await node.up();
    await node.waitLog(/the node is up/);
    const alice = await login(t, node, password('alice', 'change me'));
    const worker = await login(t, node, password('worker', 'change me'));
    worker.subscribe('jobs.new.>', { queue: 'workers', callback: (_, msg) => msg.respond(msg.data) });
    await settled(worker);
    assert.equal((await alice.request('jobs.new.1', 'x')).string(), 'x');
    await assert.rejects(login(t, node, password('alice', 'changed')), /authorization violation/i);
  });

  test('guests come in where posture dev allows it, with the rights of their user', async (t) => {
    const config = ({ natsPort }) => `unibus "1"\nposture { require = "dev" }
module "users" { no_auth_user = "guest", users = { { user = "guest", bcrypt = "${WORKER_BCRYPT}",
  permissions = { publish = "g.>" } } } }
module "nats" { listen = "127.0.0.1:${natsPort}" }\n`;
    const node = new Node({ ready: false, config });
    t.after(() => node.dispose());
    await node.prepare();
    await node.up();
    await node.waitLog(/the node is up/);
    const guest = await login(t, node, undefined);
    const errors = errorsOf(guest);
    const heard = collect(guest, 'g.x');
    await settled(guest);
    guest.publish('g.x');
    guest.publish('other');
    await until(() => heard.length === 1 && errors.length === 1, 'one comes through, one is refused');
  });
});

describe('unibus passwd', () => {
  test('makes a hash that the module takes, and never shows the password', async (t) => {
    const cli = await Cli.create(t);
    const made = await cli.ok(['passwd', '--json'], { stdin: 'a long word\n' });
    assert.match(made.json.bcrypt, /^\$2b\$11\$[./A-Za-z0-9]{53}$/);
    const again = await cli.ok(['passwd'], { stdin: 'a long word' });
    assert.notEqual(again.stdout.trim(), made.json.bcrypt, 'salted');
    const node = await nodeWithUsers(t, [{ user: 'x', bcrypt: made.json.bcrypt }, { user: 'y', bcrypt: again.stdout.trim() }]);
    await settled(await login(t, node, password('x', 'a long word')));
    await settled(await login(t, node, password('y', 'a long word')));
    await assert.rejects(login(t, node, password('x', 'a long wor')), /authorization violation/i);
    const cheap = await cli.ok(['passwd', '--cost', '10'], { stdin: 'w' });
    assert.match(cheap.stdout, /^\$2b\$10\$/);
    for (const [args, stdin, words] of [
      [['passwd'], '', /no password/], [['passwd'], `${'x'.repeat(73)}\n`, /72 bytes/],
      [['passwd', '--cost', '9'], 'w', /10 to 14/], [['passwd'], 'a\0b', /NUL/],
      [['passwd'], 'two\nlines\n', /one line/],
    ]) {
      const refused = await cli.run(args, { stdin });
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, words);
      assert.equal(refused.stdout, '');
    }
  });
});
