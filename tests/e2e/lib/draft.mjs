// SPDX-License-Identifier: Apache-2.0
// Entries of one append in the making: each is signed and checked on a copy of the verified log.
import * as u from './ubr1/index.mjs';

const RECORD_MAX_BYTES = 524288;
const ENTRY_EXTRA_BYTES = 64 + 4;
const BOX_STORED_BYTES = 16 + 141;
const STAGED_BOXES_MAX = 3000;

export class Draft {
  constructor(member, log, secrets) {
    this.member = member;
    this.log = log.fork();
    this.secrets = secrets;
    this.entries = [];
    this.boxes = [];
    this.newSecrets = new Map();
  }

  get state() {
    return this.log.state;
  }

  /** Signs one entry; a refusal means that no server would take it either. */
  add(name, fields) {
    const { state, member } = this;
    const body = u.entryBody({
      name, roomId: state.roomId, seq: state.seq + 1, prev: state.entryHash, timeMs: Date.now(),
      authorPk: member.accountPk, kid: member.kid, payload: u.payloadBytes(name, fields),
    });
    const entry = u.signEntry(member.sign, body);
    this.log.append(entry);
    this.entries.push(entry);
    return this;
  }

  /** The next epoch, with a box for each recipient. */
  epoch(cause) {
    const { state } = this;
    const epoch = state.epoch + 1;
    const secret = u.randomBytes(32);
    const recipients = state.recipients();
    this.add('epoch', {
      epoch,
      commit: u.commitOf(state.roomId, epoch, secret),
      membersHash: state.membersHash(),
      recipientsHash: state.recipientsHash(),
      recipients: recipients.length,
      cause,
      link: this.#link(epoch, secret),
    });
    this.newSecrets.set(epoch, secret);
    this.boxes = recipients.map((recipient) => ({
      kid: recipient.kid, box: u.sealBox(this.state.roomId, epoch, recipient, secret),
    }));
    return this;
  }

  #link(epoch, secret) {
    const { state } = this;
    if (!state.linkDue) return new Uint8Array();
    const old = this.secrets.get(epoch - 1);
    return old ? u.sealLink(state.roomId, epoch, secret, old) : u.BROKEN_LINK;
  }

  get storedBytes() {
    const sizes = this.entries.map(({ body }) => body.length + ENTRY_EXTRA_BYTES);
    return sizes.reduce((sum, size) => sum + size, 0) + this.boxes.length * BOX_STORED_BYTES;
  }

  /** Boxes that must be staged before the append, as [commit (hex), boxes] pairs (7.3). */
  staged() {
    if (this.storedBytes <= RECORD_MAX_BYTES) return [];
    const parts = [];
    for (let at = 0; at < this.boxes.length; at += STAGED_BOXES_MAX) {
      parts.push(boxesToJson(this.boxes.slice(at, at + STAGED_BOXES_MAX)));
    }
    return parts.map((boxes) => [u.hex(this.state.commit), boxes]);
  }

  /** Body of the append. */
  toJson() {
    const boxes = this.storedBytes <= RECORD_MAX_BYTES ? this.boxes : [];
    return { entries: this.entries.map(u.entryToJson), boxes: boxesToJson(boxes) };
  }
}

function boxesToJson(boxes) {
  return boxes.map(({ kid, box }) => ({ kid: u.hex(kid), box: u.base64url(box) }));
}
