// SPDX-License-Identifier: Apache-2.0
// The one place that loads libsodium: the standard build at once, the large one only for Argon2.
import './webcrypto.mjs';
import sodium from 'libsodium-wrappers';

await sodium.ready;
export default sodium;

let large = null;

/** The -sumo build, for crypto_pwhash only (section 20). */
export async function sodiumWithArgon2() {
  if (large === null) {
    large = (await import('libsodium-wrappers-sumo')).default;
    await large.ready;
  }
  return large;
}
