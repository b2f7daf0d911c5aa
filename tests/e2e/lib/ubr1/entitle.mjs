// SPDX-License-Identifier: Apache-2.0
// Who may have the secret of an epoch (6.6), by the verified log and by nothing else.
import { must } from './refusal.mjs';
import { hex } from './bytes.mjs';

/** Seqs at which `account` (hex) became a member, up to `seq`. */
function joinsOf(log, account, seq) {
  return log.entries.slice(0, seq + 1).filter(({ name, fields, authorPk }) =>
    (name === 'create' && hex(authorPk) === account)
    || (name === 'add' && hex(fields.accountPk) === account)).map((entry) => Number(entry.seq));
}

/** (a) was a member while the epoch was the current one; history 0 counts from the add on. */
function wasThere(log, account, start, end) {
  for (let seq = start; seq < end; seq += 1) {
    if (log.states[seq].members.has(account)) {
      const joined = joinsOf(log, account, seq).at(-1);
      if (log.states[joined].history !== 0 || start > joined) return true;
    }
  }
  return false;
}

/** (b) history was 2 in every state from the entry of the epoch up to the account's last add. */
function mayReadBack(log, account, start) {
  const joined = joinsOf(log, account, log.seq).at(-1);
  if (joined < start) return false; // it was there: (a) decides
  return log.states.slice(start, joined + 1).every(({ history }) => history === 2);
}

/** Refuses unless the kid (hex) is live now and entitled to the epoch; gives its pinned device. */
export function mustBeEntitled(log, epoch, kid) {
  const known = log.state.kids.get(kid);
  must(known, 'E-KID-UNKNOWN', kid);
  const device = log.state.members.get(known.account)?.devices.get(kid);
  must(device?.live, 'E-DEVICE-REVOKED', kid);
  const entry = log.epochsBetween(epoch - 1, epoch)[0];
  must(entry, 'E-EPOCH-NUMBER', `no epoch ${epoch}`);
  const next = log.epochsBetween(epoch, epoch + 1)[0];
  const start = Number(entry.seq);
  const end = next ? Number(next.seq) : log.seq + 1;
  const isEntitled = wasThere(log, known.account, start, end)
    || mayReadBack(log, known.account, start);
  must(isEntitled, 'E-BOX-HISTORY', `epoch ${epoch}`);
  return device;
}
