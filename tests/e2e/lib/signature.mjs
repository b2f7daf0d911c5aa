// SPDX-License-Identifier: Apache-2.0
// Signed requests: the one fixed shape of RFC 9421, tag unibus-v1. A request here is
// {method, target (raw path and query), headers: [[name, value], …], body: bytes or null}.
import sodium from './ubr1/sodium.mjs';
import { base64url, isSignedBy, must, randomBytes, sign, utf8 } from './ubr1/index.mjs';

export const LABEL = 'ub';
export const TAG = 'unibus-v1';
export const LIFETIME_MAX_SECONDS = 120;
export const SKEW_SECONDS = 60;
export const ALWAYS_COVERED = Object.freeze(['@method', '@path', '@query', 'unibus-audience']);
export const COVERED_WHEN_PRESENT = Object.freeze([
  'content-digest', 'content-type', 'if-match', 'if-none-match', 'idempotency-key',
  'upload-offset',
]);

const base64 = (bytes) => Buffer.from(bytes).toString('base64');

/** RFC 9530 digest of a body; crypto_hash of libsodium is SHA-512. */
export function contentDigest(body) {
  return `sha-512=:${base64(sodium.crypto_hash(body))}:`;
}

export function headerValues({ headers }, name) {
  return headers.filter(([given]) => given.toLowerCase() === name).map(([, value]) => value);
}

function splitTarget(target) {
  const at = target.indexOf('?');
  return at < 0 ? { path: target, query: '?' }
    : { path: target.slice(0, at), query: target.slice(at) };
}

export function coveredComponents(request) {
  const present = COVERED_WHEN_PRESENT.filter((name) => headerValues(request, name).length > 0);
  return [...ALWAYS_COVERED, ...present];
}

function componentValue(request, component) {
  const { path, query } = splitTarget(request.target);
  const derived = { '@method': request.method, '@path': path, '@query': query };
  return derived[component] ?? headerValues(request, component)[0].trim();
}

export function signatureParams(components, { created, expires, nonce, keyid }) {
  const list = components.map((component) => `"${component}"`).join(' ');
  return `(${list});created=${created};expires=${expires};nonce="${nonce}";keyid="${keyid}"`
    + `;alg="ed25519";tag="${TAG}"`;
}

export function signatureBase(request, components, params) {
  const lines = components.map((name) => `"${name}": ${componentValue(request, name)}`);
  return [...lines, `"@signature-params": ${params}`].join('\n');
}

/**
 * The request with digest, audience and signature added. `by` = {kid (hex), signKey, audience,
 * created (seconds), lifetime, nonce (16 bytes)}; the last three have defaults.
 */
export function signRequest(request, by) {
  const { lifetime = 60, nonce = randomBytes(16) } = by;
  const created = by.created ?? Math.floor(Date.now() / 1000);
  const headers = [...request.headers, ['Unibus-Audience', by.audience]];
  if (request.body && headerValues(request, 'content-digest').length === 0) {
    headers.push(['Content-Digest', contentDigest(request.body)]);
  }
  const covered = { ...request, headers };
  const components = coveredComponents(covered);
  const params = signatureParams(components, {
    created, expires: created + lifetime, nonce: base64url(nonce), keyid: by.kid,
  });
  const base = utf8(signatureBase(covered, components, params));
  headers.push(['Signature-Input', `${LABEL}=${params}`]);
  headers.push(['Signature', `${LABEL}=:${base64(sign(by.signKey.secretKey, base))}:`]);
  return covered;
}

const PARAMS = new RegExp('^ub=(\\((?:"[a-z@-]+"(?: "[a-z@-]+")*)\\);created=([0-9]{1,12})'
  + ';expires=([0-9]{1,12});nonce="([A-Za-z0-9_-]{22})";keyid="([0-9a-f]{32})"'
  + ';alg="ed25519";tag="unibus-v1")$');
const SIGNATURE = /^ub=:([A-Za-z0-9+/]{86}==):$/;

function only(request, name) {
  const values = headerValues(request, name);
  must(values.length === 1, 'sig-profile', `${values.length} headers ${name}`);
  return values[0];
}

/** {keyid, created, expires, nonce, audience, base, signature} of a request of the profile. */
export function parseSigned(request) {
  const input = PARAMS.exec(only(request, 'signature-input'));
  const signature = SIGNATURE.exec(only(request, 'signature'));
  must(input && signature, 'sig-profile', 'form of the signature');
  const audience = only(request, 'unibus-audience');
  COVERED_WHEN_PRESENT.filter((name) => headerValues(request, name).length > 0)
    .forEach((name) => only(request, name));
  if (request.body?.length) ['content-digest', 'content-type'].forEach((n) => only(request, n));
  const [, params, created, expires, nonce, keyid] = input;
  const components = coveredComponents(request);
  const fields = { created: Number(created), expires: Number(expires), nonce, keyid };
  must(params === signatureParams(components, fields), 'sig-profile', 'components');
  const lifetime = fields.expires - fields.created;
  must(lifetime > 0 && lifetime <= LIFETIME_MAX_SECONDS, 'sig-profile', 'expires');
  return {
    ...fields,
    audience,
    base: signatureBase(request, components, params),
    signature: new Uint8Array(Buffer.from(signature[1], 'base64')),
  };
}

/**
 * Steps 1 to 3 and the digest, as a server makes them; refuses with the problem code, and gives
 * what parseSigned gives. `server` = {clusterId, nonceEpoch, nowSeconds, signPkOf(kid) or null}.
 */
export function verifySigned(request, server) {
  const signed = parseSigned(request);
  const [cluster, epoch] = signed.audience.split(/\.(?=[^.]*$)/);
  must(cluster === server.clusterId, 'wrong-cluster', cluster);
  must(epoch === server.nonceEpoch, 'nonce-epoch', epoch);
  const isInTime = Math.abs(server.nowSeconds - signed.created) <= SKEW_SECONDS
    && server.nowSeconds <= signed.expires;
  must(isInTime, 'clock-skew', `${server.nowSeconds - signed.created} s`);
  const signPk = server.signPkOf(signed.keyid);
  const isGood = signPk && isSignedBy(signPk, signed.signature, utf8(signed.base));
  must(isGood, 'unauthenticated');
  if (request.body?.length) {
    const isSame = headerValues(request, 'content-digest')[0] === contentDigest(request.body);
    must(isSame, 'digest-mismatch');
  }
  return signed;
}
