// SPDX-License-Identifier: Apache-2.0
// Where we differ from nats-server on purpose: docs/nats.md, "Differences to nats-server", tells each. An explanation looks at
// the stream and at both answers, and is as narrow as can be said without a second parser.

const lines = (text) => text.split('\n');
const SUBJECT = "-ERR 'Invalid Subject'";
const HEADERS = "-ERR 'message headers not supported'";
const PUBLISH = "-ERR 'Invalid Publish Subject'";
const UNKNOWN = "-ERR 'Unknown Protocol Operation'";

/** What we said until we refused and closed; null when we did not. */
function untilRefused({ text, isClosed }, errors = [UNKNOWN]) {
  const last = lines(text).at(-1);
  return isClosed && errors.some((error) => last === error) ? lines(text).slice(0, -1).join('\n') : null;
}

/** Sizes as numbers. */
const plain = (text) => text.replace(/^(MSG .*|HMSG .*) 0+(?=\d+\r?$)/gm, '$1 ').replace(/^(HMSG .*) 0+(?=\d+ \d+\r?$)/gm, '$1 ');

/** Without what a refused subject changes: who says so, when, how often, and the +OK behind it. */
const soft = (text) => lines(plain(text))
  .filter((line) => ![PUBLISH, SUBJECT, '+OK'].includes(line) && !line.startsWith("-ERR 'Permissions Violation for Publish with Reply of"))
  .join('\n');
/** Of those: not what was delivered. */
const control = (text) => soft(text).match(/^(PONG|-ERR [^\n]*)$/gm)?.join() ?? '';
const says = (error, ...answers) => answers.some(({ text }) => text.includes(error));

/** Did we stop where theirs went on, after the same answers? */
function stopped(theirs, ours, errors) {
  const before = untilRefused(ours, errors);
  const told = new Set(lines(plain(theirs.text))); // in any order: what both delivered is sorted
  return before !== null && lines(soft(before)).every((line) => line === '' || told.has(line));
}

export const KNOWN = [
  {
    // We say why; theirs closes without a word, or its words are lost with the connection that it resets.
    name: 'why it is closed',
    explains: (sent, theirs, ours) => theirs.isClosed && ours.isClosed && soft(ours.text).startsWith(soft(theirs.text))
      && /(^|\n)-ERR '[^\n]*'$/.test(ours.text),
  },
  {
    name: 'what a second CONNECT leaves out',
    explains: (sent) => (sent.match(/^connect/gim) ?? []).length > 1,
  },
  {
    name: '-ERR without a text',
    explains: (sent, theirs, ours) => /^-err[ \t]*\r?$/im.test(sent) && theirs.isClosed && ours.isClosed
      && theirs.text.startsWith(ours.text),
  },
  {
    name: 'words behind PING or PONG',
    explains: (sent, theirs, ours) => /^(ping|pong|\+ok)[ \t]*[^\s]/im.test(sent) && stopped(theirs, ours),
  },
  {
    name: 'a max that is no number',
    explains: (sent, theirs, ours) => /^unsub[ \t]+\S+[ \t]+(\S*[^\d\s]\S*|\d{19,})[ \t]*\r?\n/im.test(sent) && stopped(theirs, ours),
  },
  {
    name: 'no JSON object',
    explains: (sent, theirs, ours) => /^connect[ \t]*(null|\{)/im.test(sent) && stopped(theirs, ours),
  },
  {
    name: 'no header block',
    explains: (sent, theirs, ours) => /^hpub/im.test(sent) && stopped(theirs, ours, ["-ERR 'bad message header detected'"]),
  },
  {
    name: 'control characters and invalid UTF-8',
    explains: (sent, theirs, ours) => /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]|\r(?!\n)/.test(sent)
      && (stopped(theirs, ours) || /Invalid (Publish )?Subject|Publish with Reply/.test(ours.text)),
  },
  {
    name: 'HPUB without headers in CONNECT',
    explains: (sent, theirs, ours) => /^hpub/im.test(sent) && theirs.isClosed
      && (ours.isClosed ? stopped(theirs, ours, [HEADERS]) : ours.text.startsWith(theirs.text)),
  },
  {
    name: 'no subject, but a sid in use',
    explains: (sent, theirs, ours) => says(SUBJECT, ours) && theirs.isClosed === ours.isClosed && control(ours.text) === control(theirs.text),
  },
  {
    name: 'a payload is judged with both bytes of its end',
    explains: (sent, theirs, ours) => /^h?pub/im.test(sent) && theirs.isClosed && !ours.isClosed
      && theirs.text.split('\n').filter((line) => line !== UNKNOWN).join('\n') === ours.text,
  },
  {
    name: 'a pattern as reply',
    explains: (sent, theirs, ours) => /Publish with Reply of/.test(ours.text) && theirs.isClosed === ours.isClosed,
  },
  {
    name: 'no subject is refused aloud',
    explains: (sent, theirs, ours) => says(PUBLISH, theirs, ours) && theirs.isClosed === ours.isClosed
      && control(theirs.text) === control(ours.text),
  },
  {
    name: 'arguments on the next line',
    explains: (sent, theirs, ours) => /^(pub|hpub|sub|unsub|connect|-err)[ \t]*\r?\n/im.test(sent) && (stopped(theirs, ours) || (theirs.isClosed && ours.isClosed)),
  },
  {
    name: 'a carriage return within a line',
    explains: (sent) => /\r(?!\n)/.test(sent),
  },
  {
    name: 'INFO of a client is not read',
    explains: (sent, theirs, ours) => /^info/im.test(sent) && theirs.isClosed && ours.text.startsWith(theirs.text),
  },
  {
    name: 'a size with zeros before it',
    explains: (sent, theirs, ours) => theirs.isClosed === ours.isClosed && plain(theirs.text) === plain(ours.text),
  },
];

/** The name of the first reason that explains a difference, or null. */
export function reasonFor(sent, theirs, ours) {
  return KNOWN.find(({ explains }) => explains(sent, theirs, ours))?.name ?? null;
}
