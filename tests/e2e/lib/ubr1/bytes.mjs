// SPDX-License-Identifier: Apache-2.0
// Bytes and their text forms (section 3). Nothing here knows about rooms.
import { refuse, must } from './refusal.mjs';

export const U64_LIMIT = 2 ** 53;

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const HEX = /^(?:[0-9a-f]{2})*$/;
const BASE64URL = /^[A-Za-z0-9_-]*$/;

const encoder = new TextEncoder();

export const utf8 = (text) => encoder.encode(text);

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function filled(length, value) {
  return new Uint8Array(length).fill(value);
}

export function isZero(bytes) {
  return bytes.every((byte) => byte === 0);
}

/** Order as unsigned big-endian strings: <0, 0, >0. */
export function compare(a, b) {
  return Buffer.compare(a, b);
}

export function equal(a, b) {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function hex(bytes) {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

export function unhex(text) {
  must(typeof text === 'string' && HEX.test(text), 'E-PARSE', 'not lower-case hex');
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function base64url(bytes) {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

/** Strict: no padding, no other alphabet, no non-zero trailing bits. */
export function unbase64url(text) {
  must(typeof text === 'string' && BASE64URL.test(text), 'E-PARSE', 'not base64url');
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  must(base64url(bytes) === text, 'E-PARSE', 'base64url is not canonical');
  return bytes;
}

export function base32(bytes) {
  let out = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += BASE32[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? out + BASE32[(held << (5 - bits)) & 31] : out;
}

export function unbase32(text) {
  const out = [];
  let bits = 0;
  let held = 0;
  for (const character of text) {
    const value = BASE32.indexOf(character);
    must(value >= 0, 'E-PARSE', 'not lower-case base32');
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out.push((held >> bits) & 255);
      held &= (1 << bits) - 1;
    }
  }
  must(bits < 5 && held === 0, 'E-PARSE', 'base32 is not canonical');
  return Uint8Array.from(out);
}

export const u8 = (value) => Uint8Array.of(value);

export function u16(value) {
  const out = Buffer.alloc(2);
  out.writeUInt16BE(value);
  return new Uint8Array(out);
}

export function u32(value) {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return new Uint8Array(out);
}

/** Takes a number below 2^53, or a BigInt where a test wants a value that no one may send. */
export function u64(value) {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return new Uint8Array(out);
}

export function str8(bytes) {
  return concat(u8(bytes.length), bytes);
}

/** Reads a structure from its start; running short and bytes left over are both E-PARSE. */
export class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = 0;
  }

  get left() {
    return this.bytes.length - this.at;
  }

  take(length) {
    if (length > this.left) refuse('E-PARSE', `${length} bytes wanted, ${this.left} left`);
    const start = this.at;
    this.at += length;
    return this.bytes.subarray(start, this.at);
  }

  skip(length) {
    const start = this.at;
    this.take(length);
    return start;
  }

  u8() {
    return this.view.getUint8(this.skip(1));
  }

  u16() {
    return this.view.getUint16(this.skip(2));
  }

  u32() {
    return this.view.getUint32(this.skip(4));
  }

  /** Any u64, as a BigInt: the caller says at which step of its order the bound is checked. */
  u64Big() {
    return this.view.getBigUint64(this.skip(8));
  }

  u64() {
    const value = this.u64Big();
    must(value < BigInt(U64_LIMIT), 'E-RANGE', 'u64 of 2^53 or more');
    return Number(value);
  }

  str8() {
    return this.take(this.u8());
  }

  rest() {
    return this.take(this.left);
  }

  end() {
    must(this.left === 0, 'E-PARSE', `${this.left} bytes left over`);
  }
}
