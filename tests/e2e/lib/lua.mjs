// SPDX-License-Identifier: Apache-2.0
// Lua config text from plain objects: declarations only, as membershipd reads them.

/** Lua text that stands as it is: lua('secret "file"'). */
export class Lua {
  constructor(text) {
    this.text = text;
  }
}

export const lua = (text) => new Lua(text);

function quoted(text) {
  return `"${text.replace(/[\\"\n\r\0]/g, (character) =>
    ({ '\n': '\\n', '\r': '\\r', '\0': '\\0' }[character] ?? `\\${character}`))}"`;
}

export function luaValue(value) {
  if (value instanceof Lua) return value.text;
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `{ ${value.map(luaValue).join(', ')} }`;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const key = (name) => (/^[a-z_][a-z0-9_]*$/i.test(name) ? name : `[${quoted(name)}]`);
  return `{ ${fields.map(([name, field]) => `${key(name)} = ${luaValue(field)}`).join(', ')} }`;
}

/**
 * A whole config. `blocks` is name → settings for node, posture, log …; `modules` is name →
 * settings, or null for a module that is left out; `extra` is appended as it is.
 */
export function luaConfig({ blocks = {}, modules = {}, extra = '' }) {
  const lines = ['unibus "1"'];
  for (const [name, settings] of Object.entries(blocks)) {
    lines.push(`${name} ${luaValue(settings)}`);
  }
  for (const [name, settings] of Object.entries(modules)) {
    if (settings !== null) lines.push(`module ${quoted(name)} ${luaValue(settings)}`);
  }
  return `${lines.join('\n')}\n${extra}\n`;
}
