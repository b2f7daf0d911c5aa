// SPDX-License-Identifier: Apache-2.0
// A refusal of the protocol: `code` is one of the E-codes of section 15, `detail` is for people.
export class Refusal extends Error {
  constructor(code, detail = '') {
    super(detail ? `${code}: ${detail}` : code);
    this.name = 'Refusal';
    this.code = code;
    this.detail = detail;
  }
}

export function refuse(code, detail) {
  throw new Refusal(code, detail);
}

/** Refuses unless `holds`. */
export function must(holds, code, detail) {
  if (!holds) throw new Refusal(code, detail);
}
