// SPDX-License-Identifier: Apache-2.0
// A client of the control plane: signed over TCP, or unsigned over the admin socket. It gives every
// answer as it came; only what the profile wants repeated (another nonce epoch) is repeated, once.
import http from 'node:http';
import { parseJson } from './ubr1/text.mjs';
import { signRequest } from './signature.mjs';

const TIMEOUT_MS = 15000;

/** The answer to one request as bytes, headers and status. `to` = {host, port} or {socketPath}. */
export function sendRequest(to, { method, target, headers, body }, timeoutMs = TIMEOUT_MS) {
  return new Promise((resolve, reject) => {
    const length = body || !['GET', 'HEAD', 'DELETE'].includes(method)
      ? [['Content-Length', String(body?.length ?? 0)]] : [];
    const all = [['Host', to.port ? `${to.host}:${to.port}` : 'localhost'], ...headers, ...length];
    const request = http.request({
      host: to.host, port: to.port, socketPath: to.socketPath, method, path: target,
      headers: all.flat(), agent: false, timeout: timeoutMs,
    });
    request.on('timeout', () => request.destroy(
      new Error(`${method} ${target}: no answer within ${timeoutMs} ms`)));
    request.on('error', reject);
    request.on('response', (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => resolve(answerOf(response, Buffer.concat(parts))));
    });
    request.end(body ?? undefined);
  });
}

function answerOf({ statusCode, headers, rawHeaders }, body) {
  return {
    status: statusCode,
    headers,
    rawHeaders,
    body,
    get text() {
      return body.toString('utf8');
    },
    /** The JSON of the body, null when it is none; strict, so that a sloppy server is noticed. */
    get json() {
      const isJson = /^application\/(?:[a-z.]+\+)?json\b/.test(headers['content-type'] ?? '');
      return isJson && body.length > 0 ? parseJson(body.toString('utf8')) : null;
    },
    get code() {
      return this.json?.code;
    },
  };
}

/** An answer that a caller of `expect` did not want. */
export class HttpError extends Error {
  constructor(method, target, answer) {
    super(`${method} ${target}: ${answer.status} ${answer.text.slice(0, 500)}`);
    this.name = 'HttpError';
    this.answer = answer;
    this.status = answer.status;
    this.code = answer.code;
  }
}

export class HttpClient {
  #pinned = null;

  /** `identity` = {kid (hex), signKey} or null; `clock` gives ms and may lie. */
  constructor({ host = '127.0.0.1', port, socketPath, identity = null, clock = Date.now }) {
    this.to = socketPath ? { socketPath } : { host, port };
    this.identity = identity;
    this.clock = clock;
    this.nonceEpoch = null;
  }

  get clusterId() {
    return this.#pinned;
  }

  /** /v1/info; the first one pins the cluster, a later one may only change the nonce epoch. */
  async info() {
    const answer = await this.expect(200, 'GET', '/v1/info', { signed: false });
    const { cluster_id: cluster, nonce_epoch: epoch } = answer.json;
    this.#pinned ??= cluster;
    if (cluster !== this.#pinned) throw new Error(`cluster ${cluster}, pinned ${this.#pinned}`);
    this.nonceEpoch = epoch;
    return answer.json;
  }

  /**
   * `options`: json or body with type; headers {name: value}; ifMatch (quoted here); signed;
   * tamper (changes the request after it was signed); signature (overrides for signRequest).
   */
  async request(method, target, options = {}) {
    const signed = options.signed ?? this.identity !== null;
    if (signed && this.nonceEpoch === null) await this.info();
    let answer = await this.#send(method, target, options, signed);
    if (signed && answer.status === 401 && answer.code === 'nonce-epoch' && !options.signature) {
      this.nonceEpoch = answer.json.nonce_epoch;
      answer = await this.#send(method, target, options, signed);
    }
    return answer;
  }

  #send(method, target, options, signed) {
    let request = this.#prepared(method, target, options);
    if (signed) {
      request = signRequest(request, {
        ...this.identity,
        audience: `${this.#pinned}.${this.nonceEpoch}`,
        created: Math.floor(this.clock() / 1000),
        ...options.signature,
      });
    }
    if (options.tamper) request = options.tamper(request) ?? request;
    return sendRequest(this.to, request, options.timeoutMs);
  }

  #prepared(method, target, { json, body, type, headers = {}, ifMatch }) {
    const bytes = json !== undefined ? Buffer.from(JSON.stringify(json)) : body ?? null;
    const all = Object.entries(headers);
    const contentType = json !== undefined ? 'application/json' : type;
    if (bytes) all.push(['Content-Type', contentType ?? 'application/octet-stream']);
    if (ifMatch !== undefined) all.push(['If-Match', `"${ifMatch}"`]);
    return { method, target, headers: all, body: bytes };
  }

  /** The answer if its status is (one of) `status`, else HttpError. */
  async expect(status, method, target, options) {
    const answer = await this.request(method, target, options);
    if (![status].flat().includes(answer.status)) throw new HttpError(method, target, answer);
    return answer;
  }

  get(target, options) {
    return this.request('GET', target, options);
  }

  post(target, json, options) {
    return this.request('POST', target, { json, ...options });
  }

  put(target, json, options) {
    return this.request('PUT', target, { json, ...options });
  }

  patch(target, json, options) {
    return this.request('PATCH', target, { json, ...options });
  }

  delete(target, options) {
    return this.request('DELETE', target, options);
  }

  /** Every item of a paged list, following `next` with `cursor`. */
  async list(target) {
    const items = [];
    let cursor = null;
    do {
      const separator = target.includes('?') ? '&' : '?';
      const page = cursor === null ? target
        : `${target}${separator}cursor=${encodeURIComponent(cursor)}`;
      const { json } = await this.expect(200, 'GET', page);
      if (json.next === undefined) throw new Error(`${page}: a page without "next"`);
      items.push(...json.items);
      cursor = json.next;
    } while (cursor !== null);
    return items;
  }
}
