// SPDX-License-Identifier: Apache-2.0
// Node 18 has Web Crypto but not as a global, where libsodium's ES module looks for randomness.
// Imported before libsodium; no signature is ever verified with it (section 3).
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
