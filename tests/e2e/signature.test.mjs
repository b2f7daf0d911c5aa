// SPDX-License-Identifier: Apache-2.0
// The signature profile without a daemon: our signer against an independent RFC 9421 library, and
// the rules that the profile adds. Each refusal has its counterpart that passes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  createSignatureSync, SignatureError, verifySignature,
} from 'http-message-sig';
import {
  filled, hex, isSignedBy, kidOf, Refusal, serviceFromSeed, sign, utf8,
} from './lib/ubr1/index.mjs';
import {
  contentDigest, coveredComponents, headerValues, parseSigned, signatureBase, signatureParams,
  signRequest, verifySigned,
} from './lib/signature.mjs';

const ALICE = serviceFromSeed(filled(32, 0xa1));
const KID = hex(kidOf(ALICE.sign.publicKey));
const CLUSTER = 'cluster-1';
const EPOCH = '0f'.repeat(16);
const CREATED = 1700000000;

const BY = {
  kid: KID, signKey: ALICE.sign, audience: `${CLUSTER}.${EPOCH}`, created: CREATED,
  nonce: filled(16, 7),
};
const SERVER = {
  clusterId: CLUSTER, nonceEpoch: EPOCH, nowSeconds: CREATED,
  signPkOf: (kid) => (kid === KID ? ALICE.sign.publicKey : null),
};

const JSON_TYPE = ['Content-Type', 'application/json'];
const BODY = utf8(JSON.stringify({ entries: [], boxes: [] }));

const REQUESTS = {
  'GET without query': { method: 'GET', target: '/v1/rooms', headers: [], body: null },
  'GET with query': {
    method: 'GET', target: '/v1/rooms/x/log?from=3&limit=5', headers: [], body: null,
  },
  'empty query': { method: 'GET', target: '/v1/rooms?', headers: [], body: null },
  'raw path and query': {
    method: 'GET', target: '/v1/a%2Fb/%7Ec//../d?x=%20+&y=a%3Db?c', headers: [], body: null,
  },
  'append with If-Match': {
    method: 'POST',
    target: '/v1/rooms/x/log',
    headers: [JSON_TYPE, ['If-Match', '"ab"']],
    body: BODY,
  },
  'every covered header': {
    method: 'PUT',
    target: '/v1/x?y',
    headers: [
      ['Upload-Offset', '65536'], ['Idempotency-Key', '"k 1"'], ['If-None-Match', '*'],
      ['If-Match', '"7"'], JSON_TYPE, ['Accept', 'application/json'],
    ],
    body: BODY,
  },
  'DELETE with If-Match': {
    method: 'DELETE', target: '/v1/identities/i', headers: [['If-Match', '"9"']], body: null,
  },
};

/** Our request as the library wants one. */
function descriptorOf({ method, target, headers }) {
  const fields = headers.map(([name, value]) => ({ name, value }));
  return { kind: 'request', method, targetUri: `http://127.0.0.1:8470${target}`, fields };
}

const ORDER = ['created', 'expires', 'nonce', 'keyid', 'alg', 'tag'];

function parametersOf({ created, expires, nonce, keyid }) {
  const values = { created, expires, nonce, keyid, alg: 'ed25519', tag: 'unibus-v1' };
  return Object.fromEntries(ORDER.map((name) => [name, values[name]]));
}

const verifier = {
  algorithm: 'ed25519',
  verify: (data, signature) => isSignedBy(ALICE.sign.publicKey, signature, data),
};

function verifiedByLibrary(request) {
  return verifySignature(descriptorOf(request), {
    label: 'ub',
    policy: {
      algorithms: ['ed25519'], requiredComponents: coveredComponents(request),
      requiredParameters: ORDER, now: CREATED + 1,
    },
    resolveVerifier: () => verifier,
  });
}

function mustRefuse(action, code) {
  assert.throws(action, (error) => error instanceof Refusal && error.code === code);
}

describe('our signer against http-message-sig', () => {
  for (const [name, request] of Object.entries(REQUESTS)) {
    test(`${name}: same base, same headers`, () => {
      const ours = signRequest(request, BY);
      const signed = parseSigned(ours);
      let base = null;
      const fields = createSignatureSync(descriptorOf(ours), {
        label: 'ub',
        components: coveredComponents(ours),
        parameters: parametersOf(signed),
        signer: {
          algorithm: 'ed25519',
          sign(data) {
            base = Buffer.from(data).toString('utf8');
            return sign(ALICE.sign.secretKey, data);
          },
        },
      });
      assert.equal(signed.base, base);
      assert.deepEqual(headerValues(ours, 'signature-input'), [fields.signatureInput]);
      assert.deepEqual(headerValues(ours, 'signature'), [fields.signature]);
    });

    test(`${name}: verified by the library and by the profile`, async () => {
      const ours = signRequest(request, BY);
      assert.equal((await verifiedByLibrary(ours)).parameters.keyid, KID);
      assert.equal(verifySigned(ours, SERVER).keyid, KID);
    });
  }

  test('control: a changed target does not verify', async () => {
    const target = '/v1/rooms/x/log?from=4';
    const ours = { ...signRequest(REQUESTS['GET with query'], BY), target };
    await assert.rejects(verifiedByLibrary(ours),
      (error) => error instanceof SignatureError && error.code === 'VerificationFailed');
    mustRefuse(() => verifySigned(ours, SERVER), 'unauthenticated');
  });
});

test('the base is the text that the profile prescribes', () => {
  const signed = parseSigned(signRequest(REQUESTS['append with If-Match'], BY));
  assert.equal(signed.base, [
    '"@method": POST',
    '"@path": /v1/rooms/x/log',
    '"@query": ?',
    `"unibus-audience": ${CLUSTER}.${EPOCH}`,
    `"content-digest": ${contentDigest(BODY)}`,
    '"content-type": application/json',
    '"if-match": "ab"',
    '"@signature-params": ("@method" "@path" "@query" "unibus-audience" "content-digest" '
      + '"content-type" "if-match");created=1700000000;expires=1700000060;'
      + `nonce="BwcHBwcHBwcHBwcHBwcHBw";keyid="${KID}";alg="ed25519";tag="unibus-v1"`,
  ].join('\n'));
});

test('the digest is the one of RFC 9530', () => {
  // the example of RFC 9530, appendix B.1
  assert.equal(contentDigest(utf8('{"hello": "world"}\n')),
    'sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM'
    + '44T3qg==:');
});

describe('what the profile refuses', () => {
  const request = REQUESTS['append with If-Match'];
  const signed = () => signRequest(request, BY);
  const with_ = (headers) => ({ ...signed(), headers });
  const drop = (name) => signed().headers.filter(([given]) => given.toLowerCase() !== name);
  const replace = (name, change) => signed().headers.map(([given, value]) =>
    [given, given.toLowerCase() === name ? change(value) : value]);

  /** Signed properly, but over components or with parameters of the test's choice. */
  function signedOver(components, change = (params) => params) {
    const kept = drop('signature').filter(([name]) => name !== 'Signature-Input');
    const covered = { ...signed(), headers: [...kept, ['Accept', 'application/json']] };
    const params = change(signatureParams(components, {
      created: CREATED, expires: CREATED + 60, nonce: 'BwcHBwcHBwcHBwcHBwcHBw', keyid: KID,
    }));
    const signature = sign(ALICE.sign.secretKey, utf8(signatureBase(covered, components, params)));
    covered.headers.push(['Signature-Input', `ub=${params}`],
      ['Signature', `ub=:${Buffer.from(signature).toString('base64')}:`]);
    return covered;
  }
  const COMPONENTS = coveredComponents(signed());

  test('control: the request of these tests is good', () => {
    verifySigned(signed(), SERVER);
    verifySigned(signedOver(COMPONENTS), SERVER);
  });

  const CASES = {
    'no signature': () => with_(drop('signature')),
    'no signature input': () => with_(drop('signature-input')),
    'no audience': () => with_(drop('unibus-audience')),
    'a body without digest': () => with_(drop('content-digest')),
    'a body without type': () => with_(drop('content-type')),
    'a covered header twice': () => with_([...signed().headers, ['If-Match', '"ab"']]),
    'the audience twice': () => with_([...signed().headers, ['Unibus-Audience', BY.audience]]),
    'a covered header added': () => with_([...signed().headers, ['If-None-Match', '*']]),
    'a covered header taken away': () => with_(drop('if-match')),
    'two signatures': () => with_(replace('signature', (value) => `${value}, x=:AAAA:`)),
    'two inputs': () => with_(replace('signature-input', (value) => `${value}, x=()`)),
    'another label': () => with_(
      replace('signature-input', (value) => value.replace('ub=', 'sig1='))),
    'If-Match not covered': () => signedOver(COMPONENTS.filter((name) => name !== 'if-match')),
    'another order': () => signedOver([...COMPONENTS].reverse()),
    'a header too many': () => signedOver([...COMPONENTS, 'accept']),
    'another order of parameters': () => signedOver(COMPONENTS,
      (params) => params.replace(/;created=(\d+);expires=(\d+)/, ';expires=$2;created=$1')),
    'no tag': () => signedOver(COMPONENTS, (params) => params.replace(/;tag=.*/, '')),
    'another tag': () => signedOver(COMPONENTS, (params) => params.replace('bus-v1', 'bus-v2')),
    'another algorithm': () => signedOver(COMPONENTS,
      (params) => params.replace('ed25519', 'hmac-sha256')),
    'no nonce': () => signedOver(COMPONENTS, (params) => params.replace(/;nonce="[^"]*"/, '')),
    'a short nonce': () => signedOver(COMPONENTS, (params) => params.replace(/Bw"/, '"')),
    'a life of 121 s': () => signRequest(request, { ...BY, lifetime: 121 }),
    'a life of 0 s': () => signRequest(request, { ...BY, lifetime: 0 }),
  };
  for (const [name, make] of Object.entries(CASES)) {
    test(`${name}: sig-profile`, () =>
      mustRefuse(() => verifySigned(make(), SERVER), 'sig-profile'));
  }

  const LATER = {
    'another cluster': [{ audience: `cluster-2.${EPOCH}` }, 'wrong-cluster'],
    'another nonce epoch': [{ audience: `${CLUSTER}.00` }, 'nonce-epoch'],
    'made 61 s ago': [{ created: CREATED - 61, lifetime: 120 }, 'clock-skew'],
    'made in 61 s': [{ created: CREATED + 61 }, 'clock-skew'],
    'unknown kid': [{ kid: '00'.repeat(16) }, 'unauthenticated'],
    'another key': [{ signKey: ALICE.nats }, 'unauthenticated'],
  };
  for (const [name, [change, code]] of Object.entries(LATER)) {
    test(`${name}: ${code}`, () =>
      mustRefuse(() => verifySigned(signRequest(request, { ...BY, ...change }), SERVER), code));
  }

  test('another body under the same digest: digest-mismatch', () => {
    const other = { ...signed(), body: utf8('{"entries":[1]}') };
    mustRefuse(() => verifySigned(other, SERVER), 'digest-mismatch');
  });

  test('any covered header changed: unauthenticated', () => {
    for (const name of ['if-match', 'content-type', 'content-digest']) {
      const changed = with_(replace(name, (value) => value.replace(/[a-z]/, 'z')));
      mustRefuse(() => verifySigned(changed, SERVER), 'unauthenticated');
    }
  });

  test('a life of 120 s and a clock 60 s off are good', () => {
    const long = signRequest(request, { ...BY, lifetime: 120 });
    verifySigned(long, SERVER);
    verifySigned(long, { ...SERVER, nowSeconds: CREATED + 60 });
    verifySigned(signed(), { ...SERVER, nowSeconds: CREATED - 60 });
  });
});
