// SPDX-License-Identifier: Apache-2.0
// Text in signed structures (section 3), and JSON around them.
import { must, refuse } from './refusal.mjs';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// eslint-disable-next-line no-control-regex -- control characters are what it is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const HANDLE = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export const ROOM_NAME_MAX_BYTES = 64;

/** The string of well-formed UTF-8 without control characters, else `code`. */
export function parseText(bytes, code = 'E-PARSE') {
  let text;
  try {
    text = decoder.decode(bytes);
  } catch {
    refuse(code, 'not well-formed UTF-8');
  }
  must(!CONTROL.test(text), code, 'control character');
  return text;
}

export function parseHandle(bytes) {
  const text = parseText(bytes);
  must(HANDLE.test(text), 'E-PARSE', 'not a handle');
  return text;
}

export function parseRoomName(bytes) {
  must(bytes.length <= ROOM_NAME_MAX_BYTES, 'E-PARSE', 'room name is too long');
  return parseText(bytes);
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\n\r]*/y;
const DEPTH_MAX = 32;

/** JSON.parse with what it lets pass refused: duplicate keys and integers of 2^53 or more. */
export function parseJson(source) {
  let at = 0;

  function match(pattern) {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found) at = pattern.lastIndex;
    return found?.[0];
  }

  function accept(token) {
    match(SPACE);
    if (!source.startsWith(token, at)) return false;
    at += token.length;
    return true;
  }

  function string() {
    match(SPACE);
    const token = match(STRING);
    must(token !== undefined, 'E-PARSE', `JSON string wanted at ${at}`);
    return JSON.parse(token);
  }

  function number() {
    const token = match(NUMBER);
    must(token !== undefined, 'E-PARSE', `JSON value wanted at ${at}`);
    const value = Number(token);
    must(/[.eE]/.test(token) || Number.isSafeInteger(value), 'E-PARSE', 'integer of 2^53 or more');
    return value;
  }

  function list(depth) {
    const out = [];
    if (accept(']')) return out;
    do out.push(value(depth)); while (accept(','));
    must(accept(']'), 'E-PARSE', `] wanted at ${at}`);
    return out;
  }

  function object(depth) {
    const out = Object.create(null);
    if (accept('}')) return out;
    do {
      const key = string();
      must(!(key in out), 'E-PARSE', `duplicate key ${key}`);
      must(accept(':'), 'E-PARSE', `: wanted at ${at}`);
      out[key] = value(depth);
    } while (accept(','));
    must(accept('}'), 'E-PARSE', `} wanted at ${at}`);
    return out;
  }

  function value(depth) {
    must(depth < DEPTH_MAX, 'E-PARSE', 'JSON is too deep');
    if (accept('{')) return object(depth + 1);
    if (accept('[')) return list(depth + 1);
    if (source[at] === '"') return string();
    if (accept('true')) return true;
    if (accept('false')) return false;
    if (accept('null')) return null;
    return number();
  }

  const result = value(0);
  match(SPACE);
  must(at === source.length, 'E-PARSE', `text after JSON at ${at}`);
  return result;
}
