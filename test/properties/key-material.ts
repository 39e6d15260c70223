// Certificates and private keys of all kinds and sizes, good and not, as texts of PEM; pairs of them belong together or do not.
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import '../../src/support/reflect-metadata.ts';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { ed448, type Material, p224, rsapss, secp256k1 } from './odd-certificates.ts';

const DAY = 86_400_000;

interface Wanted {
  readonly key: RsaHashedKeyGenParams | EcKeyGenParams | { readonly name: 'Ed25519' };
  readonly signing?: { readonly name: string; readonly hash?: string };
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  readonly names?: readonly string[];
  readonly subject?: string;
}

type RsaHashedKeyGenParams = webcrypto.RsaHashedKeyGenParams;
type EcKeyGenParams = webcrypto.EcKeyGenParams;

function rsa(modulusLength: number, hash = 'SHA-256'): RsaHashedKeyGenParams {
  return { name: 'RSASSA-PKCS1-v1_5', hash, modulusLength, publicExponent: new Uint8Array([1, 0, 1]) };
}

function ec(namedCurve: string): EcKeyGenParams {
  return { name: 'ECDSA', namedCurve };
}

const wanted: readonly Wanted[] = [
  { key: rsa(1024) },
  { key: rsa(2047) },
  { key: rsa(2048) },
  { key: rsa(2048, 'SHA-1'), signing: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1' } },
  { key: rsa(3072) },
  { key: rsa(4096), names: Array.from({ length: 200 }, (_, index) => `host-${index}.example.com`) },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' } },
  { key: ec('P-384'), signing: { name: 'ECDSA', hash: 'SHA-384' } },
  { key: ec('P-521'), signing: { name: 'ECDSA', hash: 'SHA-512' } },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, from: -20, to: -10 },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, from: 10, to: 20 },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, names: [], subject: '' },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, names: ['*'] },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, subject: '', names: ['ip:10.0.0.1'] },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, subject: '', names: ['url:https://a.test/'] },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, subject: '', names: ['email:a@a.test'] },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, subject: 'CN=', names: [] },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, subject: 'O=CN', names: [] },
  { key: ec('P-256'), signing: { name: 'ECDSA', hash: 'SHA-256' }, subject: 'O=x, CN=\\0\\, é', names: [] },
  { key: { name: 'Ed25519' } },
];

async function made({
  key,
  signing,
  from = -1,
  to = 30,
  names = ['a.test'],
  subject = 'CN=a.test',
}: Wanted): Promise<Material> {
  const keys = (await webcrypto.subtle.generateKey(key, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: '01',
      name: subject,
      notBefore: new Date(Date.now() + from * DAY),
      notAfter: new Date(Date.now() + to * DAY),
      keys,
      signingAlgorithm: signing ?? key,
      extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names.map(alternative))],
    },
    webcrypto,
  );
  const pkcs8 = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { certificate: `${certificate.toString('pem')}\n`, key: `${pkcs8}\n` };
}

/** `a.test`, or with its kind in front: `ip:10.0.0.1`. */
function alternative(text: string): { readonly type: 'dns' | 'ip' | 'url' | 'email'; readonly value: string } {
  const [, type, value = ''] = /^(ip|url|email):(.*)$/.exec(text) ?? [];
  return type === undefined ? { type: 'dns', value: text } : { type: type as 'ip' | 'url' | 'email', value };
}

/** The same keys in other clothes. */
function otherKeys(): readonly string[] {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return [
    privateKey.export({ type: 'pkcs1', format: 'pem' }),
    pair.privateKey.export({ type: 'sec1', format: 'pem' }),
    privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }),
    pair.publicKey.export({ type: 'spki', format: 'pem' }),
    '',
    'nonsense',
    '-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----\n',
  ].map(String);
}

const nonsense = '-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n';

/** What is done to a text. */
const dressings: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => text,
  (text) => text,
  (text) => text.trimEnd(),
  (text) => text.replaceAll('\n', '\r\n'),
  (text) => `\ufeff${text}`,
  (text) => `# a comment\n${text}`,
  (text) => `${text}trailing words\n`,
  (text) => text.replace('\n', '\n\n'),
  (text) => `${text}\0`,
  (text) => text.slice(0, -40),
  (text) => text.replace('A', 'B'),
  (text) => text.replaceAll(/(.{64})\n/g, '$1'),
  (text) => ` ${text}`,
  (text) => text.replaceAll('-----', '----'),
  (text) => text + nonsense,
  (text) => nonsense + text,
  (text) => text + text,
];

/** Texts for tls.crt and tls.key. */
export async function keyMaterial(): Promise<fc.Arbitrary<Material>> {
  const pool = [...(await Promise.all(wanted.map(made))), secp256k1, p224, ed448, rsapss];
  const keys = [...pool.map(({ key }) => key), ...otherKeys()];
  const dressing = fc.constantFrom(...dressings);
  const chain = fc.array(fc.constantFrom(...pool.map(({ certificate }) => certificate)), { maxLength: 2 });
  return fc
    .record({
      pair: fc.constantFrom(...pool),
      other: fc.option(fc.constantFrom(...keys), { freq: 5, nil: undefined }),
      chain: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, chain),
      onCertificate: dressing,
      onKey: dressing,
    })
    .map(({ pair, other, chain, onCertificate, onKey }) => ({
      certificate: onCertificate([pair.certificate, ...chain].join('')),
      key: onKey(other ?? pair.key),
    }));
}
