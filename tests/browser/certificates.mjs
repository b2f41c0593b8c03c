/** A certificate authority of the test's own, and what the browser needs to know of the certificate that it gives. */
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];

/**
 * Makes a CA, and a certificate of it for `names`, in `directory`.
 *
 * @returns {{ ca: string, cert: string, key: string, spki: string }} the files' paths, and the hash of the certificate's
 * public key, as --ignore-certificate-errors-spki-list wants it: so that the browser lets this one key pass, and no other.
 */
export function makeCertificates(directory, names) {
  const file = (name) => join(directory, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  openssl('req', '-x509', ...newKey, '-subj', '/CN=web test CA', '-keyout', file('ca.key'), '-out', file('ca.pem'));
  openssl(
    'req', '-x509', ...newKey, '-subj', '/CN=web test', '-CA', file('ca.pem'), '-CAkey', file('ca.key'),
    '-addext', `subjectAltName=${names.join()}`, '-addext', 'basicConstraints=critical,CA:FALSE',
    '-keyout', file('key.pem'), '-out', file('cert.pem'),
  );
  const { publicKey } = new X509Certificate(readFileSync(file('cert.pem')));
  const spki = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
  return { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem'), spki };
}
