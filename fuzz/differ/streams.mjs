// SPDX-License-Identifier: Apache-2.0
// Byte streams of a NATS client by a seed: sessions by the grammar, then torn, bent and split.

/** Numbers from 0 below n, the same for the same seed. */
export function random(seed) {
  let state = (seed >>> 0) || 1;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % n;
  };
}

const SUBJECTS = ['a', 'a.b', 'a.b.c', 'b', 'foo.bar', '_INBOX.x.1', '$SYSX', 'a*', '>a', 'b.a>b', '\xc3\xa9.\xc3\xbc'];
const PATTERNS = ['*', 'a.*', 'a.>', '*.b', '>', '*.*.c', '_INBOX.x.*', 'a.*.>'];
const ODD = ['', '.', 'a.', '.a', 'a..b', '>.a', 'a.>.b', 'x'.repeat(300), 'a\tb', '1e3', '-1', '007'];
const CONNECTS = [
  '{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}',
  '{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}',
  '{"verbose":false,"pedantic":true,"headers":true,"protocol":1}', '{"verbose":true,"headers":true}',
  '{"verbose":false}', '{}', '{"echo":false,"verbose":false,"protocol":1}', '{"verbose":false,"headers":false}',
  '{"verbose":false,"no_responders":true}', '{"verbose":false,"protocol":2}', '{"verbose":false,"protocol":-1}',
  '{"verbose":null,"name":"n"}', '{"verbose":false,"later":[{"x":1}]}', '{"verbose":1}', '[]', '{"name":5}',
];
const BLOCKS = ['NATS/1.0\r\n\r\n', 'NATS/1.0\r\nA: b\r\n\r\n', 'NATS/1.0 503\r\n\r\n', 'NATS/1.0\r\nA:b\r\nC: d\r\n\r\n'];
const JUNK = ['', 'x', 'PUBx a 1', 'GET / HTTP/1.1', 'MSG a 1 0', 'INFO {}', 'RS+ a', 'LS+ a', 'A+ x', 'PIN', '+OK', '-ERR'];

class Maker {
  constructor(seed) {
    this.draw = random(seed);
    this.queues = 0;
  }

  pick(list) {
    return list[this.draw(list.length)];
  }

  chance(percent) {
    return this.draw(100) < percent;
  }

  blank() {
    return this.chance(90) ? ' ' : this.pick(['  ', '\t', ' \t ', '   ']);
  }

  verb(name) {
    if (this.chance(85)) return name;
    return [...name].map((c) => (this.chance(50) ? c.toLowerCase() : c)).join('');
  }

  end() {
    return this.chance(95) ? '\r\n' : '\n';
  }

  line(...words) {
    return words.filter((word) => word !== null).reduce((a, b) => a + this.blank() + b)
      + (this.chance(4) ? this.blank() : '') + this.end();
  }

  subject(wild) {
    if (this.chance(4)) return this.pick(ODD);
    return this.pick(wild && this.chance(60) ? PATTERNS : SUBJECTS);
  }

  size(right) {
    if (this.chance(93)) return String(right);
    return this.pick([String(right + 1), String(Math.max(0, right - 1)), '-1', '0x1', '1025', '1024', '999999999', '9999999999', '', `00${right}`, '+1', '1.0']);
  }

  body() {
    return this.pick(['', 'x', 'hello', 'PING\r\n', '\r\n', '\x00\xff', 'y'.repeat(this.draw(1025)), 'z', 'abc']);
  }

  sid() {
    return this.chance(95) ? String(1 + this.draw(4)) : this.pick(['abc', '1'.repeat(40), '*']);
  }

  op() {
    const body = this.body();
    const reply = this.chance(25) ? this.subject(this.chance(10)) : null;
    switch (this.draw(9)) {
      case 0: return this.line(this.verb('PING'));
      case 1: return this.line(this.verb('SUB'), this.subject(true), this.chance(20) ? `q${++this.queues}` : null, this.sid());
      case 2: return this.line(this.verb('SUB'), this.subject(true), this.sid());
      case 3: return this.line(this.verb('UNSUB'), this.sid(), this.chance(40) ? this.pick(['1', '2', '0', '3', '1', '2', '0', '5', this.chance(20) ? '-1' : '4']) : null);
      case 4: case 5: return this.line(this.verb('PUB'), this.subject(false), reply, this.size(body.length)) + body + this.end();
      case 6: {
        const block = this.pick(BLOCKS);
        return this.line(this.verb('HPUB'), this.subject(false), reply, this.size(block.length), this.size(block.length + body.length))
          + block + body + this.end();
      }
      case 7: return this.chance(40) ? this.line(this.verb('CONNECT'), this.chance(90) ? CONNECTS[0] : this.pick(CONNECTS)) : this.line(this.verb('PONG'));
      default: return this.chance(70) ? this.line(this.verb('PING')) : this.pick(JUNK) + this.end();
    }
  }

  session() {
    let text = this.chance(90) ? `CONNECT ${this.chance(70) ? CONNECTS[0] : this.pick(CONNECTS)}\r\n` : '';
    for (let n = 1 + this.draw(8); n > 0; n--) text += this.op();
    return Buffer.from(text, 'latin1');
  }

  /** Bytes changed, put in, taken out, repeated. */
  bend(bytes) {
    let out = bytes;
    for (let n = 1 + this.draw(3); n > 0; n--) {
      const at = this.draw(out.length + 1);
      const some = Buffer.from(this.pick(['\r', '\n', ' ', '\x00', '.', '*', '>', '1', '{', '"', '\xff', 'PING\r\n', '\t', '\x7f']), 'latin1');
      const skip = this.pick([0, 1, 1, 2]);
      out = Buffer.concat([out.subarray(0, at), some.subarray(0, this.pick([0, 1, some.length])), out.subarray(at + skip)]);
    }
    return out;
  }

  pieces(bytes) {
    const cuts = Array.from({ length: this.chance(50) ? 0 : 1 + this.draw(3) }, () => this.draw(bytes.length + 1)).sort((a, b) => a - b);
    return [0, ...cuts].map((from, i) => bytes.subarray(from, [...cuts, bytes.length][i])).filter((piece) => piece.length > 0);
  }
}

/** The pieces of stream number `n` of a seed, as a client would send them. */
export function stream(seed, n) {
  const maker = new Maker(Math.imul(seed, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b));
  const whole = maker.session();
  return maker.pieces(maker.chance(25) ? maker.bend(whole) : whole);
}
