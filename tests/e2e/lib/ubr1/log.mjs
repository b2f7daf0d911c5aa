// SPDX-License-Identifier: Apache-2.0
// The verified room log: which entries are valid, and the state after each (5.4-5.6).
import { must } from './refusal.mjs';
import { compare, equal, filled, hex, str8, u32, u64, u8, U64_LIMIT, utf8 } from './bytes.mjs';
import { DS, H, isSignedBy } from './hash.mjs';
import { RecordPool } from './device.mjs';
import {
  checkPayload, entryHash, parseEntryBody, parsePayload, POLICY_HISTORY, POLICY_UNSIGNED, REASON,
  ROLE, roomIdOf, TYPE,
} from './entry.mjs';

export const SEQ_LIMIT = 1000000;
export const SEQ_OF_LAST_RESORT = 990000;
export const MEMBERS_MAX = 4096;

const NO_HASH = filled(32, 0);

export function membersHash(members) {
  const sorted = [...members].sort((a, b) => compare(a.accountPk, b.accountPk));
  const parts = sorted.flatMap(({ accountPk, role }) => [accountPk, u8(role)]);
  return H(DS('members'), u32(sorted.length), ...parts);
}

export function recipientsHash(recipients) {
  const sorted = [...recipients].sort((a, b) => compare(a.kid, b.kid));
  const parts = sorted.flatMap(({ kid, boxPk }) => [kid, boxPk]);
  return H(DS('recipients'), u32(sorted.length), ...parts);
}

/** State after an entry. Never changed once made: `with` copies what an entry replaces. */
export class RoomState {
  static empty() {
    return Object.assign(new RoomState(), {
      roomId: null,
      seq: -1,
      entryHash: NO_HASH,
      closed: false,
      stale: false,
      policy: 0,
      rotateSecs: 0,
      rotateMsgs: 0,
      name: '',
      epoch: 0,
      commit: NO_HASH,
      linkDue: false,
      members: new Map(), // account (hex) → {accountPk, role, handle, head, devices}
      kids: new Map(), // kid (hex) → {account (hex), signPk}, live or revoked, for ever
      pins: new Map(), // account (hex) → last pinned head, of former members too
    });
  }

  with(changes) {
    return Object.assign(new RoomState(), this, changes);
  }

  get history() {
    return this.policy & POLICY_HISTORY;
  }

  get allowsUnsigned() {
    return (this.policy & POLICY_UNSIGNED) !== 0;
  }

  member(accountPk) {
    return this.members.get(hex(accountPk));
  }

  owners() {
    return [...this.members.values()].filter(({ role }) => role === ROLE.owner).length;
  }

  membersHash() {
    return membersHash(this.members.values());
  }

  /** Live devices of all members: those who get a box of the next epoch. */
  recipients() {
    return [...this.members.values()].flatMap(({ accountPk, devices }) =>
      [...devices.values()].filter(({ live }) => live).map(({ kid, boxPk }) =>
        ({ accountPk, kid: Uint8Array.from(Buffer.from(kid, 'hex')), boxPk })));
  }

  recipientsHash() {
    return recipientsHash(this.recipients());
  }

  hash() {
    const sorted = [...this.members.values()].sort((a, b) => compare(a.accountPk, b.accountPk));
    return H(
      DS('room-state'), this.roomId, u64(this.seq), this.entryHash, u8(this.closed ? 1 : 0),
      u8(this.stale ? 1 : 0), u8(this.policy), u32(this.rotateSecs), u32(this.rotateMsgs),
      str8(utf8(this.name)), u32(this.epoch), this.commit, u32(sorted.length),
      ...sorted.flatMap((m) => [m.accountPk, u8(m.role), str8(utf8(m.handle)), m.head]),
    );
  }
}

// What each type demands (5.5 step 6) and does (5.4). `at` = {state, entry, fields, author, chain,
// chainTo}; `chain` is set where step 5 has checked the named chain already.
const RULES = {
  create: {
    check() {},
    effect: ({ state, entry, fields, chain }) => ({
      roomId: entry.roomId,
      ...policyOf(fields),
      ...pinned(state, chain, {
        accountPk: entry.authorPk, role: ROLE.owner, handle: fields.handle,
      }),
    }),
  },
  add: {
    check(at) {
      const { state, fields, author } = at;
      const isEntitled = author.role === ROLE.owner
        || (author.role === ROLE.admin && fields.role < ROLE.admin);
      must(isEntitled, 'E-ROLE', 'add');
      must(!state.member(fields.accountPk), 'E-DUP-MEMBER', 'account');
      const isTaken = [...state.members.values()].some(({ handle }) => handle === fields.handle);
      must(!isTaken, 'E-DUP-MEMBER', 'handle');
      must(state.members.size < MEMBERS_MAX, 'E-LIMIT', 'members');
      at.chain = at.chainTo(fields.accountPk, fields.head);
    },
    effect: ({ state, fields, chain }) => pinned(state, chain, {
      accountPk: fields.accountPk, role: fields.role, handle: fields.handle,
    }),
  },
  remove: {
    check({ state, fields, author }) {
      const target = state.member(fields.accountPk);
      must(target, 'E-NOT-MEMBER', 'remove');
      const isSelf = target === author;
      must(isSelf === (fields.reason === REASON.left), 'E-RANGE', 'reason');
      const isEntitled = isSelf || author.role === ROLE.owner
        || (author.role === ROLE.admin && target.role < ROLE.admin);
      must(isEntitled, 'E-ROLE', 'remove');
      must(target.role !== ROLE.owner || state.owners() > 1, 'E-LAST-OWNER', 'remove');
    },
    effect({ state, fields }) {
      const members = new Map(state.members);
      members.delete(hex(fields.accountPk));
      return { members, stale: true };
    },
  },
  role: {
    check({ state, fields, author }) {
      const target = state.member(fields.accountPk);
      must(target, 'E-NOT-MEMBER', 'role');
      must(target.role !== fields.role, 'E-RANGE', 'role is unchanged');
      const isEntitled = author.role === ROLE.owner || (author.role === ROLE.admin
        && target.role < ROLE.admin && fields.role < ROLE.admin);
      must(isEntitled, 'E-ROLE', 'role');
      must(target.role !== ROLE.owner || state.owners() > 1, 'E-LAST-OWNER', 'role');
    },
    effect({ state, fields }) {
      const target = state.member(fields.accountPk);
      const members = new Map(state.members);
      members.set(hex(fields.accountPk), { ...target, role: fields.role });
      return { members };
    },
  },
  epoch: {
    check({ state, fields, author }) {
      must(author.role >= ROLE.writer, 'E-ROLE', 'epoch');
      must(fields.epoch === state.epoch + 1, 'E-EPOCH-NUMBER', `epoch ${fields.epoch}`);
      must(equal(fields.membersHash, state.membersHash()), 'E-MEMBERS-HASH');
      must(equal(fields.recipientsHash, state.recipientsHash())
        && fields.recipients === state.recipients().length, 'E-RECIPIENTS-HASH');
      must((fields.link.length > 0) === state.linkDue, 'E-LINK');
    },
    effect: ({ state, fields }) => ({
      epoch: fields.epoch, commit: fields.commit, stale: false, linkDue: state.history === 2,
    }),
  },
  device: {
    check(at) {
      const { state, fields, author } = at;
      const target = state.member(fields.accountPk);
      must(target, 'E-NOT-MEMBER', 'device');
      must(target === author || author.role >= ROLE.admin, 'E-ROLE', 'device');
      at.chain ??= at.chainTo(fields.accountPk, fields.head);
      must(!equal(fields.head, target.head), 'E-DEVICE-CHAIN', 'head is unchanged');
    },
    effect({ state, fields, chain }) {
      const target = state.member(fields.accountPk);
      const stale = state.stale || takesKeysAway(target.devices, chain.devices);
      return { ...pinned(state, chain, target), stale };
    },
  },
  policy: {
    check: ({ author }) => must(author.role === ROLE.owner, 'E-ROLE', 'policy'),
    effect({ state, fields }) {
      const history = fields.policy & POLICY_HISTORY;
      return {
        ...policyOf(fields),
        stale: state.stale || history < state.history,
        linkDue: state.linkDue && history === 2,
      };
    },
  },
  close: {
    check: ({ author }) => must(author.role === ROLE.owner, 'E-ROLE', 'close'),
    effect: () => ({ closed: true }),
  },
};

function policyOf({ policy, rotateSecs, rotateMsgs, name }) {
  return { policy, rotateSecs, rotateMsgs, name };
}

function pinned(state, chain, { accountPk, role, handle }) {
  const account = hex(accountPk);
  const members = new Map(state.members);
  const kids = new Map(state.kids);
  const pins = new Map(state.pins);
  members.set(account, { accountPk, role, handle, head: chain.head, devices: chain.devices });
  for (const { kid, signPk } of chain.devices.values()) kids.set(kid, { account, signPk });
  pins.set(account, chain.head);
  return { members, kids, pins };
}

export function takesKidAway(before, after) {
  return [...before.values()].some(({ kid, live }) => live && !after.get(kid)?.live);
}

function takesKeysAway(before, after) {
  return takesKidAway(before, after) || [...before.values()].some(({ kid, live, boxPk }) =>
    live && !equal(after.get(kid).boxPk, boxPk));
}

/** The log of one room. `states[n]` and `entries[n]` belong to the valid entry with seq n. */
export class RoomLog {
  /** `roomId` is what an invite or the caller says; null takes the id of the first entry. */
  constructor({ records = new RecordPool(), roomId = null } = {}) {
    this.records = records;
    this.expectedRoomId = roomId;
    this.entries = [];
    this.states = [];
  }

  get state() {
    return this.states.at(-1) ?? RoomState.empty();
  }

  get seq() {
    return this.entries.length - 1;
  }

  get roomId() {
    return this.state.roomId;
  }

  /** Checks {body, sig} against the state after `seq` and changes nothing; gives the next state. */
  judge({ body, sig }, seq = this.seq) {
    const state = seq < 0 ? RoomState.empty() : this.states[seq];
    const entry = parseEntryBody(body);
    checkHeader(state, entry);
    const fields = parsePayload(entry.type, entry.payload);
    checkPayload(entry.type, fields);
    if (entry.type === TYPE.create) this.#checkRoomId(entry);
    must(!state.closed, 'E-CLOSED');

    const at = { state, entry, fields };
    at.chainTo = (accountPk, head) => this.#chain(state, accountPk, head);
    const device = checkAuthor(at);
    const rule = RULES[entry.name];
    rule.check(at);
    must(isSignedBy(device.signPk, sig, DS('room-entry'), body), 'E-SIG', 'entry');
    const next = state.with({
      seq: Number(entry.seq), entryHash: entryHash(body), ...rule.effect(at),
    });
    return { entry: { ...entry, fields, body, sig }, state: next };
  }

  /** Appends a valid entry and gives the new state; an invalid one changes nothing. */
  append(signed) {
    const { entry, state } = this.judge(signed);
    this.entries.push(entry);
    this.states.push(state);
    return state;
  }

  /** A copy that appends on its own: for entries that are not accepted yet. */
  fork() {
    const copy = new RoomLog({ records: this.records, roomId: this.expectedRoomId });
    copy.entries = [...this.entries];
    copy.states = [...this.states];
    return copy;
  }

  /** Epoch entries with numbers in (after, to], as far as seq `head`. */
  epochsBetween(after, to, head = this.seq) {
    return this.entries.filter((entry) => entry.name === 'epoch' && Number(entry.seq) <= head
      && entry.fields.epoch > after && entry.fields.epoch <= to);
  }

  #checkRoomId(entry) {
    const id = roomIdOf(entry.timeMs, entry.authorPk, entry.kid, entry.payload);
    const isExpected = !this.expectedRoomId || equal(this.expectedRoomId, id);
    must(equal(entry.roomId, id) && isExpected, 'E-ROOM-ID', 'create');
  }

  #chain(state, accountPk, head) {
    const chain = this.records.chainTo(accountPk, head);
    const account = hex(accountPk);
    const pin = state.pins.get(account);
    must(!pin || chain.has(pin), 'E-DEVICE-CHAIN', 'the chain does not extend the pinned head');
    for (const kid of chain.devices.keys()) {
      const holder = state.kids.get(kid)?.account;
      must(holder === undefined || holder === account, 'E-KID-CLAIMED', kid);
    }
    return chain;
  }
}

function checkHeader(state, entry) {
  must(entry.version === 1, 'E-UPGRADE', `entry version ${entry.version}`);
  must(entry.name !== null, 'E-UPGRADE', `entry type ${entry.type}`);
  const isFirst = state.seq < 0;
  must(isFirst || equal(entry.roomId, state.roomId), 'E-ROOM-ID');
  must(entry.seq === BigInt(state.seq + 1), 'E-SEQ', `seq ${entry.seq}`);
  must(entry.seq < BigInt(SEQ_LIMIT), 'E-LIMIT', `seq ${entry.seq}`);
  must((entry.type === TYPE.create) === isFirst, 'E-SEQ', 'create stands at seq 0');
  must(equal(entry.prev, state.entryHash), 'E-PREV');
  must(entry.timeMs < BigInt(U64_LIMIT), 'E-RANGE', 'time_ms');
}

/** Step 5: sets at.author (the member) and gives the device that must have signed. */
function checkAuthor(at) {
  const { state, entry, fields } = at;
  const isCreate = entry.type === TYPE.create;
  at.author = state.member(entry.authorPk);
  must(isCreate || at.author, 'E-NOT-MEMBER', 'author');
  const isOwnDevice = entry.type === TYPE.device && equal(fields.accountPk, entry.authorPk);
  if (isCreate || isOwnDevice) at.chain = at.chainTo(entry.authorPk, fields.head);

  const devices = at.chain?.devices ?? at.author.devices;
  const device = devices.get(hex(entry.kid));
  must(device, 'E-KID-UNKNOWN', hex(entry.kid));
  must(device.live, 'E-DEVICE-REVOKED', hex(entry.kid));
  if (entry.seq >= BigInt(SEQ_OF_LAST_RESORT)) {
    const isLeaving = entry.type === TYPE.remove && equal(fields.accountPk, entry.authorPk);
    must(at.author.role >= ROLE.admin || isLeaving, 'E-LIMIT', 'the log is nearly full');
  }
  return device;
}
