// SPDX-License-Identifier: Apache-2.0
// A secret under a passphrase (11.1).
import { sodiumWithArgon2 } from './sodium.mjs';
import { must } from './refusal.mjs';
import { concat, equal, Reader, u32, u64, u8, utf8 } from './bytes.mjs';
import { aeadOpen, aeadSeal, DS, randomBytes } from './hash.mjs';

export const KEYFILE_BYTES = 106;

const MAGIC = utf8('UBKF');
const VERSION = 1;
const ALG_ARGON2ID13 = 1;
const HEAD_BYTES = 58;
const MIB = 1024 * 1024;

async function stretch(passphrase, { ops, mem, salt }) {
  const sodium = await sodiumWithArgon2();
  return sodium.crypto_pwhash(32, passphrase, salt, ops, mem,
    sodium.crypto_pwhash_ALG_ARGON2ID13);
}

export async function sealKeyfile(secret, passphrase, options = {}) {
  const {
    ops = 3, mem = 256 * MIB, salt = randomBytes(16), nonce = randomBytes(24),
  } = options;
  const head = concat(MAGIC, u8(VERSION), u8(ALG_ARGON2ID13), u32(ops), u64(mem), salt, nonce);
  const key = await stretch(passphrase, { ops, mem, salt });
  return concat(head, aeadSeal(key, nonce, concat(DS('keyfile'), head), secret));
}

export async function openKeyfile(file, passphrase) {
  must(file.length === KEYFILE_BYTES, 'E-PARSE', `key file of ${file.length} bytes`);
  const reader = new Reader(file);
  must(equal(reader.take(4), MAGIC), 'E-PARSE', 'magic');
  must(reader.u8() === VERSION, 'E-VERSION', 'key file');
  must(reader.u8() === ALG_ARGON2ID13, 'E-KEYFILE-PARAMS', 'alg');
  const ops = reader.u32();
  const mem = reader.u64Big();
  must(ops >= 1 && ops <= 10, 'E-KEYFILE-PARAMS', `ops ${ops}`);
  const isMemGood = mem >= BigInt(8 * MIB) && mem <= BigInt(1024 * MIB) && mem % 1024n === 0n;
  must(isMemGood, 'E-KEYFILE-PARAMS', `mem ${mem}`);
  const salt = reader.take(16);
  const nonce = reader.take(24);
  const key = await stretch(passphrase, { ops, mem: Number(mem), salt });
  const aad = concat(DS('keyfile'), file.subarray(0, HEAD_BYTES));
  const secret = aeadOpen(key, nonce, aad, reader.rest());
  must(secret, 'E-KEYFILE-OPEN');
  return secret;
}
