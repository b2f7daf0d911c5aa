// SPDX-License-Identifier: Apache-2.0
// Keys and the names made from them (4.1-4.3, 12.1).
import sodium from './sodium.mjs';
import { must } from './refusal.mjs';
import { base32, base64url, compare, concat, equal, filled, hex } from './bytes.mjs';
import { DS, H, hashOf, kdf, randomBytes } from './hash.mjs';

export const BOX_SEED_ID = 1000;

const NKEY_PREFIX_USER = 20 << 3;
const NKEY_PREFIX_SEED = 18 << 3;

/** {publicKey, secretKey} of an Ed25519 seed. */
export function signKeyFromSeed(seed) {
  const { publicKey, privateKey } = sodium.crypto_sign_seed_keypair(seed);
  return { publicKey, secretKey: privateKey, seed };
}

export function boxKeyFromSeed(seed) {
  const { publicKey, privateKey } = sodium.crypto_box_seed_keypair(seed);
  return { publicKey, secretKey: privateKey, seed };
}

/** What the recovery key restores: the account key and the back-up key. */
export function accountFromSeed(seed) {
  return {
    seed,
    account: signKeyFromSeed(kdf(seed, 'ubident1', 1)),
    backupKey: kdf(seed, 'ubident1', 3),
  };
}

/** Every key of a service identity from its one seed; its account key is its sign key. */
export function serviceFromSeed(seed, boxGeneration = 0) {
  const { account, backupKey } = accountFromSeed(seed);
  return {
    seed,
    account,
    backupKey,
    sign: account,
    nats: signKeyFromSeed(kdf(seed, 'ubident1', 2)),
    box: boxKeyFromSeed(kdf(seed, 'ubident1', BOX_SEED_ID + boxGeneration)),
  };
}

export function randomDeviceKeys() {
  return {
    sign: signKeyFromSeed(randomBytes(32)),
    nats: signKeyFromSeed(randomBytes(32)),
    box: boxKeyFromSeed(randomBytes(32)),
  };
}

export function kidOf(signPk) {
  return H(DS('device-kid'), signPk).slice(0, 16);
}

export function fingerprintOf(accountPk) {
  return H(DS('fingerprint'), accountPk).slice(0, 20);
}

/** The identity's id in the HTTP API. */
export function identityOf(accountPk) {
  return base32(fingerprintOf(accountPk));
}

export function inboxTokenOf(natsPk) {
  return base32(H(DS('inbox'), natsPk).slice(0, 20));
}

// 2^255 - 19, little-endian
const FIELD_PRIME = concat(Uint8Array.of(0xed), filled(30, 0xff), Uint8Array.of(0x7f));

function isBelowPrime(littleEndian) {
  const bigEndian = Uint8Array.from(littleEndian).reverse();
  return compare(bigEndian, Uint8Array.from(FIELD_PRIME).reverse()) < 0;
}

function succeeds(action) {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

/** Canonical, and neither of small nor of mixed order (4.3). */
export function isSignKeyValid(publicKey) {
  if (publicKey.length !== 32) return false;
  const y = Uint8Array.from(publicKey);
  y[31] &= 0x7f;
  return isBelowPrime(y)
    && succeeds(() => sodium.crypto_sign_ed25519_pk_to_curve25519(publicKey));
}

export function isBoxKeyValid(publicKey) {
  return publicKey.length === 32
    && (publicKey[31] & 0x80) === 0
    && isBelowPrime(publicKey)
    && succeeds(() => sodium.crypto_scalarmult(filled(32, 1), publicKey));
}

/** The checks of 4.3 in the order that 4.6 wants: account, sign, box, nats, then reuse. */
export function checkDeviceKeys({ accountPk, signPk, boxPk, natsPk }) {
  must(isSignKeyValid(accountPk), 'E-KEY-WEAK', 'account_pk');
  must(isSignKeyValid(signPk), 'E-KEY-WEAK', 'sign_pk');
  must(isBoxKeyValid(boxPk), 'E-KEY-WEAK', 'box_pk');
  must(isSignKeyValid(natsPk), 'E-KEY-WEAK', 'nats_pk');
  must(!equal(natsPk, signPk) && !equal(natsPk, accountPk), 'E-KEY-REUSE', 'nats_pk');
}

function ordered(a, b) {
  return compare(a, b) < 0 ? [a, b] : [b, a];
}

export function safetyNumber(a, b) {
  const z = hashOf(60, DS('safety'), ...ordered(a, b));
  const groups = [];
  for (let at = 0; at < 60; at += 5) {
    const number = BigInt(`0x${hex(z.slice(at, at + 5))}`) % 100000n;
    groups.push(String(number).padStart(5, '0'));
  }
  return groups.join('-');
}

export function verifyLink(a, b) {
  const [first, second] = ordered(a, b);
  return `unibus:verify/1?a=${hex(first)}&b=${hex(second)}`;
}

function crc16(bytes) {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    crc &= 0xffff;
  }
  return crc;
}

/** The text that NATS gives to bytes: base32 with a checksum. */
function nkeyText(body) {
  const crc = crc16(body);
  return base32(concat(body, Uint8Array.of(crc & 255, crc >> 8))).toUpperCase();
}

/** `U…`: the text that NATS gives a user's public key. */
export function nkeyOf(natsPk) {
  return nkeyText(concat(Uint8Array.of(NKEY_PREFIX_USER), natsPk));
}

/** `SU…`: the text of a user's seed, for stock clients. */
export function nkeySeedOf({ secretKey }) {
  const prefix = Uint8Array.of(
    NKEY_PREFIX_SEED | (NKEY_PREFIX_USER >> 5), (NKEY_PREFIX_USER & 31) << 3);
  return nkeyText(concat(prefix, secretKey.slice(0, 32)));
}

const NATS_NONCE = /^[A-Za-z0-9_-]{11,64}$/;

/** Answers a NATS challenge, if it has the form of one (4.4): the server chose these bytes. */
export function answerNatsNonce(natsKey, nonce) {
  must(typeof nonce === 'string' && NATS_NONCE.test(nonce), 'E-PARSE', 'not the form of a nonce');
  const signature = sodium.crypto_sign_detached(nonce, natsKey.secretKey);
  return { nkey: nkeyOf(natsKey.publicKey), sig: base64url(signature) };
}
