// SPDX-License-Identifier: Apache-2.0
// The primitives of section 3: H, DS, kdf, AEAD, Ed25519.
import sodium from './sodium.mjs';
import { concat, utf8, u8 } from './bytes.mjs';

export const SIGNATURE_BYTES = 64;
export const AEAD_TAG_BYTES = 16;

/** BLAKE2b without key, over the parts joined. */
export function H(...parts) {
  return hashOf(32, ...parts);
}

export function hashOf(length, ...parts) {
  return sodium.crypto_generichash(length, concat(...parts), null);
}

const labels = new Map();

export function DS(label) {
  let bytes = labels.get(label);
  if (bytes === undefined) {
    bytes = concat(u8(0xff), utf8(`unibus/1/${label}`), u8(0));
    labels.set(label, bytes);
  }
  return bytes;
}

/** 32 bytes; `context` is 8 ASCII characters, `id` below 2^31. */
export function kdf(key, context, id) {
  return sodium.crypto_kdf_derive_from_key(32, id, context, key);
}

export function aeadSeal(key, nonce, aad, plain) {
  return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, aad, null, nonce, key);
}

/** The plaintext, or null when it does not open. */
export function aeadOpen(key, nonce, aad, sealed) {
  if (sealed.length < AEAD_TAG_BYTES) return null;
  try {
    return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, aad, nonce, key);
  } catch {
    return null;
  }
}

export function sign(secretKey, ...parts) {
  return sodium.crypto_sign_detached(concat(...parts), secretKey);
}

/** Whether `signature` is good; anything of another form is simply not good. */
export function isSignedBy(publicKey, signature, ...parts) {
  if (!signature || signature.length !== SIGNATURE_BYTES) return false;
  return sodium.crypto_sign_verify_detached(signature, concat(...parts), publicKey);
}

export function randomBytes(length) {
  return sodium.randombytes_buf(length);
}
