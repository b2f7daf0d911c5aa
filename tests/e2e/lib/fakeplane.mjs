// SPDX-License-Identifier: Apache-2.0
// A control plane in memory, for testing the client without a daemon and for being hostile to it.
// It follows docs/http-api.md as far as member.mjs and room.mjs go; `twist` may change any answer.
import http from 'node:http';
import * as u from './ubr1/index.mjs';
import { parseJson } from './ubr1/text.mjs';
import { verifySigned } from './signature.mjs';

class Problem extends Error {
  constructor(status, code, members = {}) {
    super(code);
    this.answer = { status, json: { status, code, title: code, ...members } };
  }
}

const ROUTES = [
  ['GET', '/v1/info', 'info'],
  ['POST', '/v1/identities', 'addIdentity'],
  ['GET', '/v1/identities', 'listIdentities'],
  ['GET', '/v1/identities/:id/devices', 'devices'],
  ['POST', '/v1/identities/:id/devices', 'addRecord'],
  ['POST', '/v1/rooms', 'addRoom'],
  ['GET', '/v1/rooms/:id/log', 'readLog'],
  ['POST', '/v1/rooms/:id/log', 'append'],
  ['PUT', '/v1/rooms/:id/staged/:commit', 'stage'],
  ['GET', '/v1/rooms/:id/epochs/:n/boxes/:kid', 'boxes'],
  ['PUT', '/v1/rooms/:id/epochs/:n/boxes/:kid', 'lateBox'],
  ['DELETE', '/v1/rooms/:id/epochs/:n/boxes/:kid', 'dropBoxes'],
  ['POST', '/v1/rooms/:id/epochs/:n/boxes/:kid:request', 'askForBox'],
  ['GET', '/v1/rooms/:id/boxes:requested', 'askedFor'],
  ['POST', '/v1/rooms/:id/blobs', 'announce'],
  ['PUT', '/v1/rooms/:id/blobs/:addr', 'upload'],
  ['GET', '/v1/blobs/:addr', 'download'],
  ['GET', '/v1/keybackup', 'loadBackup'],
  ['PUT', '/v1/keybackup', 'saveBackup'],
].map(([method, path, name]) => ({
  method, name, form: new RegExp(`^${path.replace(/:(id|n|kid|commit|addr)/g, '(?<$1>[^/:]+)')}$`),
}));

export class FakePlane {
  /** Listens on loopback until test `t` ends. */
  static async start(t) {
    const plane = new FakePlane();
    plane.server = http.createServer((request, response) => plane.#serve(request, response));
    await new Promise((done) => { plane.server.listen(0, '127.0.0.1', done); });
    t.after(() => new Promise((done) => {
      plane.server.close(done);
      plane.server.closeAllConnections();
    }));
    return plane;
  }

  constructor() {
    this.clusterId = 'cluster-1';
    this.nonceEpoch = '00'.repeat(16);
    this.chains = new Map(); // identity id → {chain, records, handle}
    this.kids = new Map(); // kid → {id, signPk}
    this.rooms = new Map(); // room id → {log, boxes, staged, asked}
    this.blobs = new Map();
    this.backups = new Map();
    this.nonces = new Set();
    this.served = []; // "METHOD path" of each request
    this.twist = (name, answer) => answer;
  }

  get http() {
    return { host: '127.0.0.1', port: this.server.address().port };
  }

  async #serve(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const answer = this.#answer(request, new Uint8Array(Buffer.concat(parts)));
    const body = answer.bytes ?? (answer.json === undefined ? '' : JSON.stringify(answer.json));
    const type = answer.bytes ? 'application/octet-stream'
      : `application/${answer.status >= 400 ? 'problem+' : ''}json`;
    response.writeHead(answer.status, { 'Content-Type': type });
    response.end(body);
  }

  #answer({ method, url, rawHeaders }, body) {
    this.served.push(`${method} ${url}`);
    const headers = [];
    for (let n = 0; n < rawHeaders.length; n += 2) headers.push(rawHeaders.slice(n, n + 2));
    const [path, query] = url.split('?');
    const route = ROUTES.find((one) => one.method === method && one.form.test(path));
    try {
      if (!route) throw new Problem(404, 'not-found');
      const request = { method, target: url, headers, body: body.length > 0 ? body : null };
      const at = {
        ...route.form.exec(path).groups,
        query: new URLSearchParams(query),
        header: (name) => headers.find(([given]) => given.toLowerCase() === name)?.[1],
        body,
        caller: this.#caller(route.name, request),
        get json() {
          return parseJson(Buffer.from(body).toString('utf8'));
        },
      };
      return this.twist(route.name, this[route.name](at), at);
    } catch (error) {
      if (error instanceof Problem) return error.answer;
      return { status: 500, json: { code: 'fake', detail: error.stack } };
    }
  }

  /** The kid's holder; identities are added without signature, as on the admin socket. */
  #caller(name, request) {
    if (['info', 'addIdentity'].includes(name)) return null;
    let signed;
    try {
      signed = verifySigned(request, {
        clusterId: this.clusterId, nonceEpoch: this.nonceEpoch,
        nowSeconds: Math.floor(Date.now() / 1000),
        signPkOf: (kid) => this.kids.get(kid)?.signPk ?? null,
      });
    } catch (error) {
      const status = error.code === 'sig-profile' ? 400 : 401;
      throw new Problem(status, error.code, { nonce_epoch: this.nonceEpoch, detail: error.detail });
    }
    if (this.nonces.has(signed.nonce)) throw new Problem(401, 'nonce-replayed');
    this.nonces.add(signed.nonce);
    return { kid: signed.keyid, ...this.kids.get(signed.keyid) };
  }

  info() {
    return { status: 200, json: { cluster_id: this.clusterId, nonce_epoch: this.nonceEpoch } };
  }

  #addRecord(identity, json) {
    const record = u.recordFromJson(json);
    try {
      identity.chain = identity.chain.extended(record);
    } catch (error) {
      throw new Problem(422, 'record-invalid', { rule: error.code });
    }
    identity.records.push(record);
    for (const { kid, signPk, live } of identity.chain.devices.values()) {
      if (live) this.kids.set(kid, { id: identity.id, signPk });
      else this.kids.delete(kid);
    }
  }

  addIdentity({ json: { handle, device } }) {
    const accountPk = u.parseRecordBody(u.unbase64url(device.body)).accountPk;
    const id = u.identityOf(accountPk);
    const identity = { id, handle, accountPk, chain: new u.DeviceChain(accountPk), records: [] };
    this.#addRecord(identity, device);
    this.chains.set(id, identity);
    return { status: 201, json: { id, handle } };
  }

  listIdentities({ query }) {
    const items = [...this.chains.values()].filter(({ handle }) => handle === query.get('handle'))
      .map(({ id, handle, accountPk }) => ({ id, handle, account_pk: u.base64url(accountPk) }));
    return { status: 200, json: { items, next: null } };
  }

  devices({ id }) {
    const identity = this.chains.get(id);
    if (!identity) throw new Problem(404, 'not-found');
    const { records, chain } = identity;
    return { status: 200, json: { items: records.map(u.recordToJson), head: u.hex(chain.head) } };
  }

  addRecord({ id, json, header }) {
    const identity = this.chains.get(id);
    if (header('if-match') !== `"${u.hex(identity.chain.head)}"`) {
      throw new Problem(412, 'head-conflict');
    }
    this.#addRecord(identity, json);
    const { head, hashes } = identity.chain;
    return { status: 201, json: { head: u.hex(head), seq: hashes.length - 1 } };
  }

  #pool() {
    return new u.RecordPool([...this.chains.values()].flatMap(({ records }) => records));
  }

  #store(room, { entries, boxes }) {
    room.log.records = this.#pool();
    const draft = room.log.fork();
    for (const json of entries) {
      try {
        draft.append(u.entryFromJson(json));
      } catch (error) {
        throw new Problem(422, 'entry-invalid', { seq: draft.seq + 1, rule: error.code });
      }
    }
    const epochs = draft.entries.slice(room.log.seq + 1).filter(({ name }) => name === 'epoch');
    if (epochs.length > 0) this.#storeBoxes(room, draft, epochs[0], boxes);
    room.log = draft;
    return { head: headOf(draft), generation: 1, applied: { connections_changed: 0 } };
  }

  #storeBoxes(room, draft, { seq, kid, fields }, given) {
    const boxes = [...given, ...room.staged.get(u.hex(fields.commit)) ?? []];
    const wanted = draft.states[Number(seq) - 1].recipients().map((one) => u.hex(one.kid));
    const isWhole = boxes.length === wanted.length
      && wanted.every((one) => boxes.some((box) => box.kid === one));
    if (!isWhole) throw new Problem(422, 'box-invalid', { rule: 'E-BOX-MISSING' });
    for (const box of boxes) {
      room.boxes.set(`${fields.epoch}/${box.kid}`, [{ uploader: u.hex(kid), box: box.box }]);
    }
  }

  addRoom({ json }) {
    const log = new u.RoomLog({ records: this.#pool() });
    const room = { log, boxes: new Map(), staged: new Map(), asked: [] };
    const { head, generation } = this.#store(room, json);
    const id = u.base32(room.log.roomId);
    this.rooms.set(id, room);
    return { status: 201, json: { id, head, generation } };
  }

  #room({ id, caller }) {
    const room = this.rooms.get(id);
    const isMember = room && [...room.log.state.members.values()]
      .some(({ devices }) => devices.has(caller.kid));
    if (!isMember) throw new Problem(404, 'not-found');
    return room;
  }

  readLog(at) {
    const { log } = this.#room(at);
    const from = Number(at.query.get('from'));
    if (from > log.seq) throw new Problem(416, 'range');
    const limit = Math.min(Number(at.query.get('limit')), this.pageMax ?? 500);
    const items = log.entries.slice(from, from + limit)
      .map((entry, n) => ({ seq: from + n, ...u.entryToJson(entry), view: {} }));
    const next = from + items.length;
    const json = { items, next_seq: next <= log.seq ? next : null, head: headOf(log) };
    return { status: 200, json };
  }

  append(at) {
    const room = this.#room(at);
    if (at.header('if-match') !== `"${headOf(room.log).hash}"`) {
      throw new Problem(412, 'head-conflict', { head: headOf(room.log) });
    }
    return { status: 200, json: this.#store(room, at.json) };
  }

  stage(at) {
    const { staged } = this.#room(at);
    staged.set(at.commit, [...staged.get(at.commit) ?? [], ...at.json.boxes]);
    return { status: 204 };
  }

  boxes(at) {
    const items = this.#room(at).boxes.get(`${at.n}/${at.kid}`) ?? [];
    if (items.length === 0) throw new Problem(404, 'box-missing');
    return { status: 200, json: { items } };
  }

  lateBox(at) {
    const room = this.#room(at);
    try {
      u.mustBeEntitled(room.log, Number(at.n), at.kid);
    } catch (error) {
      throw new Problem(422, 'box-invalid', { rule: error.code });
    }
    const key = `${at.n}/${at.kid}`;
    const held = room.boxes.get(key) ?? [];
    const isTaken = held.some(({ uploader }) => uploader === at.caller.kid);
    if (isTaken) throw new Problem(409, 'exists');
    room.boxes.set(key, [...held, { uploader: at.caller.kid, box: at.json.box }]);
    return { status: 201 };
  }

  dropBoxes(at) {
    const wasThere = this.#room(at).boxes.delete(`${at.n}/${at.kid}`);
    if (!wasThere) throw new Problem(404, 'box-missing');
    return { status: 204 };
  }

  askForBox(at) {
    this.#room(at).asked.push({ epoch: Number(at.n), kid: at.kid });
    return { status: 202 };
  }

  askedFor(at) {
    return { status: 200, json: { items: this.#room(at).asked } };
  }

  announce(at) {
    this.#room(at);
    return { status: 200, json: { offset: 0 } };
  }

  upload(at) {
    this.#room(at);
    if (u.addressOf(at.body) !== at.addr) throw new Problem(422, 'hash-mismatch');
    this.blobs.set(at.addr, at.body);
    return { status: 201 };
  }

  download({ addr }) {
    if (!this.blobs.has(addr)) throw new Problem(404, 'not-found');
    return { status: 200, bytes: Buffer.from(this.blobs.get(addr)) };
  }

  loadBackup({ caller }) {
    if (!this.backups.has(caller.id)) throw new Problem(404, 'not-found');
    return { status: 200, bytes: Buffer.from(this.backups.get(caller.id).body) };
  }

  saveBackup({ caller, body, header }) {
    const held = this.backups.get(caller.id);
    const isGood = held ? header('if-match') === `"${held.generation}"`
      : header('if-none-match') === '*';
    if (!isGood) throw new Problem(412, 'head-conflict');
    this.backups.set(caller.id, { body, generation: (held?.generation ?? 0) + 1 });
    return { status: 204 };
  }
}

function headOf(log) {
  return { seq: log.seq, hash: u.hex(log.state.entryHash) };
}
