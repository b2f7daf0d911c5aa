// SPDX-License-Identifier: Apache-2.0
// A proxy before a real node that lies. Requests are signed, so it passes them on as they are;
// answers are not, so it may change them at will.
import http from 'node:http';

/** Answers that name these are the caller's to build anew. */
const HOP = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding']);

export class Liar {
  /** Listens on loopback until test `t` ends; `nats`: the bus that its /v1/info names. */
  static async start(t, node, { nats = null } = {}) {
    const liar = new Liar(node);
    liar.nats = nats;
    liar.server = http.createServer((request, response) => liar.#serve(request, response));
    await new Promise((done) => { liar.server.listen(0, '127.0.0.1', done); });
    t.after(() => new Promise((done) => {
      liar.server.close(done);
      liar.server.closeAllConnections();
    }));
    return liar;
  }

  #lies = [];

  constructor(node) {
    this.node = node;
    this.served = []; // "METHOD path" of each request
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  /**
   * From now on `lie(answer, request)` may change (or give anew) the answers to requests whose
   * "METHOD path" matches. answer = {status, headers, body (bytes), json}; a changed json wins.
   */
  lie(pattern, lie) {
    this.#lies.push({ pattern, lie });
    return this;
  }

  honest() {
    this.#lies = [];
  }

  async #serve(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const line = `${request.method} ${request.url}`;
    this.served.push(line);
    let answer;
    try {
      answer = await this.#ask(request, Buffer.concat(parts));
    } catch (error) {
      response.writeHead(502).end(error.message);
      return;
    }
    this.#twist(answer, { line, url: new URL(request.url, this.url) });
    if (answer.stream) {
      answer.stream(response);
      return;
    }
    const body = answer.json === undefined ? answer.body : Buffer.from(JSON.stringify(answer.json));
    const headers = answer.headers.filter(([name]) => !HOP.has(name.toLowerCase()));
    const isEmpty = answer.status === 204;
    response.writeHead(answer.status,
      [...headers, ...(isEmpty ? [] : [['Content-Length', String(body.length)]])].flat());
    response.end(isEmpty ? undefined : body);
  }

  #ask({ method, url, rawHeaders }, body) {
    const headers = [];
    for (let n = 0; n < rawHeaders.length; n += 2) headers.push(rawHeaders.slice(n, n + 2));
    return new Promise((resolve, reject) => {
      const { host, port } = this.node.http;
      const asked = http.request({ host, port, method, path: url, headers: headers.flat() }, (got) => {
        const parts = [];
        got.on('data', (part) => parts.push(part));
        got.on('error', reject);
        got.on('end', () => resolve(answerOf(got, Buffer.concat(parts))));
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }

  #twist(answer, request) {
    if (request.line === 'GET /v1/info' && this.nats) answer.json.nats = [this.nats];
    for (const { pattern, lie } of this.#lies) {
      if (pattern.test(request.line)) Object.assign(answer, lie(answer, request) ?? {});
    }
  }
}

function answerOf({ statusCode, rawHeaders, headers: byName }, body) {
  const headers = [];
  for (let n = 0; n < rawHeaders.length; n += 2) headers.push(rawHeaders.slice(n, n + 2));
  const isJson = /json/.test(byName['content-type'] ?? '');
  const json = isJson && body.length > 0 ? JSON.parse(body) : undefined;
  return { status: statusCode, headers, body, json };
}

/** A problem document as an answer. */
export function problem(status, code, members = {}) {
  return { status, json: { type: 'about:blank', title: code, status, code, ...members } };
}
