// SPDX-License-Identifier: Apache-2.0
// Certificates for one test, made by the openssl command: a CA, and what it signs.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

const openssl = (dir, args) => run('openssl', args, { cwd: dir });

/** `<name>.crt` and `<name>.key` in `dir`, which sign others. */
export async function makeCa(dir, name) {
  await openssl(dir, ['req', '-x509', ...KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.crt`]);
}

/** `<name>.crt` and `<name>.key` (0600), signed by the CA `issuer`. */
export async function makeCert(dir, name, issuer, subject = `/CN=${name}`) {
  await writeFile(join(dir, `${name}.ext`), 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n');
  await openssl(dir, ['req', ...KEY, '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.csr`]);
  await openssl(dir, ['x509', '-req', '-in', `${name}.csr`, '-CA', `${issuer}.crt`, '-CAkey', `${issuer}.key`,
    '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.crt`]);
}
