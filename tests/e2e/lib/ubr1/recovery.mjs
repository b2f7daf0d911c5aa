// SPDX-License-Identifier: Apache-2.0
// The recovery key: an account seed in Bech32 of BIP 173 (11.2).
import { must } from './refusal.mjs';

const HRP = 'ubsec';
const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM_LENGTH = 6;
const SEED_GROUPS = 52; // 256 bits in groups of five, the last with four zero bits

function polymod(values) {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    GENERATOR.forEach((generator, bit) => {
      if ((top >> bit) & 1) sum ^= generator;
    });
  }
  return sum >>> 0;
}

const codes = [...HRP].map((character) => character.charCodeAt(0));
const HRP_VALUES = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];

function checksumOf(groups) {
  const sum = polymod([...HRP_VALUES, ...groups, ...Array(CHECKSUM_LENGTH).fill(0)]) ^ 1;
  return Array.from({ length: CHECKSUM_LENGTH }, (_, n) => (sum >>> (5 * (5 - n))) & 31);
}

export function recoveryKey(seed) {
  const bits = [...seed].map((byte) => byte.toString(2).padStart(8, '0')).join('').padEnd(260, '0');
  const groups = bits.match(/.{5}/g).map((group) => parseInt(group, 2));
  const text = [...groups, ...checksumOf(groups)].map((group) => ALPHABET[group]).join('');
  return `${HRP}1${text}`;
}

export function parseRecoveryKey(text) {
  must(text.startsWith(`${HRP}1`), 'E-RECOVERY-KEY', 'prefix');
  const groups = [...text.slice(HRP.length + 1)].map((character) => ALPHABET.indexOf(character));
  must(groups.every((group) => group >= 0), 'E-RECOVERY-KEY', 'character');
  must(groups.length === SEED_GROUPS + CHECKSUM_LENGTH, 'E-RECOVERY-KEY', 'length');
  must(polymod([...HRP_VALUES, ...groups]) === 1, 'E-RECOVERY-KEY', 'checksum');
  const bits = groups.slice(0, SEED_GROUPS)
    .map((group) => group.toString(2).padStart(5, '0')).join('');
  must(bits.endsWith('0000'), 'E-RECOVERY-KEY', 'padding bits');
  return Uint8Array.from(bits.slice(0, 256).match(/.{8}/g), (byte) => parseInt(byte, 2));
}
