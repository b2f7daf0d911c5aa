// SPDX-License-Identifier: Apache-2.0
// A small NATS server in memory: enough of the protocol for the stock client, with a nonce of the
// test's choice and a hand on every message.
import net from 'node:net';

const NONCE = 'abcdefghijklmno';

function matches(pattern, subject) {
  const wanted = pattern.split('.');
  const given = subject.split('.');
  const rest = wanted.at(-1) === '>' ? wanted.length - 1 : null;
  if (rest === null ? wanted.length !== given.length : given.length < wanted.length) return false;
  return wanted.slice(0, rest ?? wanted.length)
    .every((token, n) => token === '*' || token === given[n]);
}

export class FakeBus {
  static async start(t, { nonce = NONCE } = {}) {
    const bus = new FakeBus(nonce);
    bus.server = net.createServer((socket) => bus.#accept(socket));
    await new Promise((done) => { bus.server.listen(0, '127.0.0.1', done); });
    t.after(() => new Promise((done) => {
      bus.sockets.forEach((socket) => socket.destroy());
      bus.server.close(done);
    }));
    return bus;
  }

  constructor(nonce) {
    this.nonce = nonce;
    this.sockets = new Set();
    this.subs = new Set();
    this.connects = []; // options of each CONNECT
    this.published = []; // {subject, reply, head, body} as they came
    this.relay = (message) => [message]; // what becomes of a message
  }

  get to() {
    return { host: '127.0.0.1', port: this.server.address().port };
  }

  #accept(socket) {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    socket.write(`INFO ${JSON.stringify({
      server_id: 'FAKE', version: '2.11.0', proto: 1, headers: true, max_payload: 8388608,
      auth_required: true, nonce: this.nonce,
    })}\r\n`);
    let held = Buffer.alloc(0);
    socket.on('data', (part) => {
      held = Buffer.concat([held, part]);
      for (let used = this.#take(socket, held); used > 0; used = this.#take(socket, held)) {
        held = held.subarray(used);
      }
    });
  }

  /** Handles one protocol line (with its payload); the bytes used, 0 when more must come. */
  #take(socket, bytes) {
    const end = bytes.indexOf('\r\n');
    if (end < 0) return 0;
    const [verb, ...args] = bytes.toString('latin1', 0, end).split(' ');
    if (verb !== 'PUB' && verb !== 'HPUB') {
      this.#control(socket, verb, args);
      return end + 2;
    }
    const size = Number(args.at(-1));
    if (bytes.length < end + 4 + size) return 0;
    const headSize = verb === 'HPUB' ? Number(args.at(-2)) : 0;
    const names = args.slice(0, verb === 'HPUB' ? -2 : -1);
    const payload = Buffer.from(bytes.subarray(end + 2, end + 2 + size));
    this.#publish({
      subject: names[0], reply: names[1], head: payload.subarray(0, headSize),
      body: payload.subarray(headSize),
    });
    return end + 4 + size;
  }

  #control(socket, verb, args) {
    if (verb === 'CONNECT') this.connects.push(JSON.parse(args.join(' ')));
    if (verb === 'PING') socket.write('PONG\r\n');
    if (verb === 'SUB') this.subs.add({ socket, pattern: args[0], sid: args.at(-1) });
    if (verb === 'UNSUB' && args.length === 1) {
      for (const sub of this.subs) {
        if (sub.socket === socket && sub.sid === args[0]) this.subs.delete(sub);
      }
    }
  }

  #publish(message) {
    this.published.push(message);
    for (const one of this.relay(message)) this.deliver(one);
  }

  deliver({ subject, reply, head, body }) {
    for (const { socket, pattern, sid } of this.subs) {
      if (matches(pattern, subject)) {
        const names = [subject, sid, ...(reply ? [reply] : [])].join(' ');
        const sizes = head.length > 0 ? `${head.length} ${head.length + body.length}` : body.length;
        socket.write(`${head.length > 0 ? 'HMSG' : 'MSG'} ${names} ${sizes}\r\n`);
        socket.write(Buffer.concat([head, body, Buffer.from('\r\n')]));
      }
    }
  }
}
