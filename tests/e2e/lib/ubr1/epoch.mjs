// SPDX-License-Identifier: Apache-2.0
// Epoch secrets: commitment, keys, links and sealed boxes (6.1-6.3).
import sodium from './sodium.mjs';
import { must, refuse } from './refusal.mjs';
import { concat, equal, filled, u32 } from './bytes.mjs';
import { aeadOpen, aeadSeal, DS, H, hashOf, kdf, randomBytes } from './hash.mjs';
import { boxKeyFromSeed } from './key.mjs';
import { LINK_BYTES } from './entry.mjs';

export const BOX_BYTES = 141;
export const BROKEN_LINK = filled(LINK_BYTES, 0);

const KEY = Object.freeze({ message: 1, application: 4, link: 5 });
const NONCE_BYTES = 24;

export function commitOf(roomId, epoch, secret) {
  return H(DS('epoch-commit'), roomId, u32(epoch), secret);
}

export const messageKey = (secret) => kdf(secret, 'ubepoch1', KEY.message);
export const exportKey = (secret) => kdf(secret, 'ubepoch1', KEY.application);
export const linkKey = (secret) => kdf(secret, 'ubepoch1', KEY.link);

function linkContext(roomId, newEpoch) {
  return concat(DS('epoch-link'), roomId, u32(newEpoch - 1), u32(newEpoch));
}

export function sealLink(roomId, newEpoch, newSecret, oldSecret, nonce = randomBytes(NONCE_BYTES)) {
  const context = linkContext(roomId, newEpoch);
  return concat(nonce, aeadSeal(linkKey(newSecret), nonce, context, oldSecret));
}

/** The secret of epoch new − 1, compared with the commit that the log has for it. */
export function openLink(roomId, newEpoch, newSecret, link, oldCommit) {
  must(link.length === LINK_BYTES, 'E-LINK-COMMIT', 'no link');
  const nonce = link.subarray(0, NONCE_BYTES);
  const context = linkContext(roomId, newEpoch);
  const secret = aeadOpen(linkKey(newSecret), nonce, context, link.subarray(NONCE_BYTES));
  must(secret !== null, 'E-LINK-COMMIT', 'the link does not open');
  must(equal(commitOf(roomId, newEpoch - 1, secret), oldCommit), 'E-LINK-COMMIT', 'other secret');
  return secret;
}

export function boxPlaintext(roomId, epoch, kid, secret) {
  return concat(DS('sealed-key'), roomId, u32(epoch), kid, secret);
}

export function sealBox(roomId, epoch, { kid, boxPk }, secret) {
  return sodium.crypto_box_seal(boxPlaintext(roomId, epoch, kid, secret), boxPk);
}

/** The box of section 19: the sealed box with a given ephemeral seed. */
export function sealBoxFrom(ephemeralSeed, plaintext, boxPk) {
  const ephemeral = boxKeyFromSeed(ephemeralSeed);
  const nonce = hashOf(NONCE_BYTES, ephemeral.publicKey, boxPk);
  const sealed = sodium.crypto_box_easy(plaintext, nonce, boxPk, ephemeral.secretKey);
  return concat(ephemeral.publicKey, sealed);
}

/** The secret of a good box (6.3). `commit` comes from the verified log and from nowhere else. */
export function openBox(box, boxKey, { roomId, epoch, kid, commit }) {
  must(box.length === BOX_BYTES, 'E-BOX-OPEN', `box of ${box.length} bytes`);
  let plain;
  try {
    plain = sodium.crypto_box_seal_open(box, boxKey.publicKey, boxKey.secretKey);
  } catch {
    refuse('E-BOX-OPEN');
  }
  const secret = plain.slice(-32);
  must(equal(plain, boxPlaintext(roomId, epoch, kid, secret)), 'E-BOX-CONTEXT');
  must(equal(commitOf(roomId, epoch, secret), commit), 'E-BOX-COMMIT');
  return secret;
}
