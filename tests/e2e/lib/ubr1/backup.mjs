// SPDX-License-Identifier: Apache-2.0
// Back-up of the key ring (11.3).
import { must } from './refusal.mjs';
import { compare, concat, equal, filled, isZero, Reader, u32, u64, u8, utf8 } from './bytes.mjs';
import { aeadOpen, aeadSeal, DS, randomBytes } from './hash.mjs';
import { EPOCH_LIMIT } from './entry.mjs';
import { SEQ_LIMIT } from './log.mjs';

export const PLAIN_MAX_BYTES = 480 * 1024;
export const ITEM_BYTES = 96;

const MAGIC = utf8('UBKB');
const VERSION = 1;
const BLOCK = 4096;
const FORM_MIN_BYTES = 4 + 1 + 8 + 24 + 16;

function contextOf(accountPk, generation) {
  return concat(DS('backup'), accountPk, u64(generation));
}

export function itemBytes({ roomId, seq, head, epoch, secret }) {
  return concat(roomId, u64(seq), head, u32(epoch), secret);
}

/** Order of items: by room, then by epoch. */
function compareItems(a, b) {
  return compare(a.roomId, b.roomId) || a.epoch - b.epoch;
}

export function sealBackup({ backupKey, accountPk, generation, items, nonce = randomBytes(24) }) {
  const sorted = [...items].sort(compareItems);
  const bytes = concat(u32(sorted.length), ...sorted.map(itemBytes));
  const plain = concat(bytes, filled((BLOCK - (bytes.length % BLOCK)) % BLOCK, 0));
  must(plain.length <= PLAIN_MAX_BYTES, 'E-LIMIT', 'items');
  const sealed = aeadSeal(backupKey, nonce, contextOf(accountPk, generation), plain);
  return concat(MAGIC, u8(VERSION), u64(generation), nonce, sealed);
}

/** {generation, items}; `seen` is the highest generation that this device has seen. */
export function openBackup(file, { backupKey, accountPk, seen = 0 }) {
  must(file.length >= FORM_MIN_BYTES, 'E-PARSE', 'back-up is short');
  const reader = new Reader(file);
  must(equal(reader.take(4), MAGIC), 'E-PARSE', 'magic');
  must(reader.u8() === VERSION, 'E-VERSION', 'back-up');
  const generation = reader.u64();
  must(generation >= seen, 'E-BACKUP-OLD', `generation ${generation} after ${seen}`);
  const nonce = reader.take(24);
  const plain = aeadOpen(backupKey, nonce, contextOf(accountPk, generation), reader.rest());
  must(plain, 'E-BACKUP-OPEN');
  return { generation, items: parseItems(plain) };
}

function parseItems(plain) {
  must(plain.length % BLOCK === 0 && plain.length <= PLAIN_MAX_BYTES, 'E-PARSE', 'length');
  const reader = new Reader(plain);
  const count = reader.u32();
  must(count * ITEM_BYTES <= reader.left, 'E-PARSE', `${count} items`);
  const items = Array.from({ length: count }, () => parseItem(reader));
  must(reader.left < BLOCK && isZero(reader.rest()), 'E-PARSE', 'padding');
  for (let n = 1; n < items.length; n += 1) checkNeighbours(items[n - 1], items[n]);
  return items;
}

function parseItem(reader) {
  const item = {
    roomId: reader.take(20),
    seq: reader.u64(),
    head: reader.take(32),
    epoch: reader.u32(),
    secret: reader.take(32),
  };
  must(item.seq < SEQ_LIMIT && item.epoch < EPOCH_LIMIT, 'E-PARSE', 'seq or epoch');
  must(item.epoch > 0 || isZero(item.secret), 'E-PARSE', 'a secret without epoch');
  return item;
}

function checkNeighbours(before, item) {
  must(compareItems(before, item) < 0, 'E-PARSE', 'items are not sorted');
  if (!equal(before.roomId, item.roomId)) return;
  must(before.seq === item.seq && equal(before.head, item.head), 'E-PARSE', 'two pins of a room');
  must(before.epoch > 0, 'E-PARSE', 'a room without secret has one item');
}
