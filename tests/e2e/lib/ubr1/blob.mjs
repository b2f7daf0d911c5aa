// SPDX-License-Identifier: Apache-2.0
// Blobs: encrypted once, addressed by the hash of the object (section 10).
import sodium from './sodium.mjs';
import { must } from './refusal.mjs';
import { base64url, concat, hex, u64, U64_LIMIT, unbase64url } from './bytes.mjs';
import { DS, H, randomBytes } from './hash.mjs';
import { parseJson } from './text.mjs';

export const CHUNK_BYTES = 65536;
export const HEADER_BYTES = 24;

const CHUNK_EXTRA = 17;
const ADDRESS = /^b2-[0-9a-f]{64}$/;
const TAG_MESSAGE = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
const TAG_FINAL = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL;

export function objectSize(size) {
  return HEADER_BYTES + size + CHUNK_EXTRA * Math.max(1, Math.ceil(size / CHUNK_BYTES));
}

export function addressOf(object) {
  return `b2-${hex(H(object))}`;
}

function firstData(roomId, size) {
  return concat(DS('blob'), roomId, u64(size));
}

/** {object, reference}; a header is given only by the vectors, real ones are drawn by libsodium. */
export function sealBlob(roomId, plain, { key = randomBytes(32), header, name, type } = {}) {
  const stream = header
    ? { state: sodium.crypto_secretstream_xchacha20poly1305_init_pull(header, key), header }
    : sodium.crypto_secretstream_xchacha20poly1305_init_push(key);
  const parts = [stream.header];
  let at = 0;
  do {
    const chunk = plain.subarray(at, at + CHUNK_BYTES);
    const ad = at === 0 ? firstData(roomId, plain.length) : null;
    at += chunk.length;
    const tag = at === plain.length ? TAG_FINAL : TAG_MESSAGE;
    parts.push(
      sodium.crypto_secretstream_xchacha20poly1305_push(stream.state, chunk, ad, tag));
  } while (at < plain.length);
  const object = concat(...parts);
  const reference = {
    blob: addressOf(object), key, size: plain.length, osize: object.length, name, type,
  };
  return { object, reference };
}

/** Before a download: is this a reference that can be right? */
export function checkReference({ blob, key, size, osize }) {
  must(ADDRESS.test(blob) && key.length === 32, 'E-PARSE', 'blob reference');
  const isSize = Number.isInteger(size) && size >= 0 && size < U64_LIMIT;
  must(isSize && osize === objectSize(size), 'E-BLOB-SIZE', 'osize does not follow from size');
}

/** The plaintext of an object, after all checks; nothing is given out before the last. */
export function openBlob(roomId, reference, object) {
  checkReference(reference);
  const { blob, key, size, osize } = reference;
  must(object.length === osize, 'E-BLOB-SIZE', 'object length');
  must(addressOf(object) === blob, 'E-BLOB-HASH');
  const header = object.subarray(0, HEADER_BYTES);
  const state = sodium.crypto_secretstream_xchacha20poly1305_init_pull(header, key);
  const parts = [];
  let at = HEADER_BYTES;
  let isFinal = false;
  while (at < object.length) {
    must(!isFinal, 'E-BLOB-TRUNCATED', 'bytes after the final chunk');
    const chunk = object.subarray(at, at + CHUNK_BYTES + CHUNK_EXTRA);
    const ad = at === HEADER_BYTES ? firstData(roomId, size) : null;
    const pulled = sodium.crypto_secretstream_xchacha20poly1305_pull(state, chunk, ad);
    must(pulled && [TAG_MESSAGE, TAG_FINAL].includes(pulled.tag), 'E-BLOB-OPEN', `at byte ${at}`);
    isFinal = pulled.tag === TAG_FINAL;
    parts.push(pulled.message);
    at += chunk.length;
  }
  must(isFinal, 'E-BLOB-TRUNCATED', 'no final chunk');
  const plain = concat(...parts);
  must(plain.length === size, 'E-BLOB-SIZE', 'plaintext length');
  return plain;
}

export function referenceToJson({ key, ...rest }) {
  return JSON.stringify({ ...rest, key: base64url(key) });
}

export function referenceFromJson(text) {
  const { blob, key, size, osize, name, type } = parseJson(text);
  const reference = { blob, key: unbase64url(key), size, osize, name, type };
  checkReference(reference);
  return reference;
}
