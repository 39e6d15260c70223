// A certificate authority of this user, made once and kept in the user's data folder, and the leaf certificates that it
// issues for development. How to make clients trust it: trust.ts.
import './reflect-metadata.ts';
import { X509Certificate, randomBytes, webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate as Certificate,
  X509CertificateGenerator,
  cryptoProvider,
} from '@peculiar/x509';

export interface Issued {
  /** PEM: the leaf, then the authority. */
  readonly certificate: string;
  readonly privateKey: string;
}

export interface Authority {
  /** The file that is to be trusted. */
  readonly path: string;
  /** Whether it was made just now. */
  readonly made: boolean;
  /** PEM. */
  readonly certificate: string;
  issue(names: readonly string[]): Promise<Issued>;
}

const certificateFile = 'certificate.pem';
const keyFile = 'key.pem';
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const day = 24 * 60 * 60 * 1000;
/** Apple's limit for certificates that users trust by hand is 825 days. */
const leafDays = 397;
const authorityDays = 3650;

/** Opens the authority in the folder, or makes one. An authority that is about to expire is replaced. */
export async function openAuthority(folder: string = dataFolder()): Promise<Authority> {
  cryptoProvider.set(webcrypto);
  const home = join(folder, 'authority');
  const path = join(home, certificateFile);
  const found = read(home);
  if (found !== undefined) return authorityOf(path, found, false);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fresh = await makeAuthority();
  const kept = write(home, fresh);
  return authorityOf(path, kept, kept === fresh);
}

/** One that nobody trusts and nobody keeps, to see what certificates would do. */
export async function temporaryAuthority(): Promise<Authority> {
  cryptoProvider.set(webcrypto);
  return authorityOf('', await makeAuthority(), true);
}

/** Where this system keeps the data of programs for a user. */
export function dataFolder(): string {
  const { env, platform } = process;
  if (env['PORTOLAN_DATA'] !== undefined && env['PORTOLAN_DATA'] !== '') return env['PORTOLAN_DATA'];
  if (platform === 'win32') return join(env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'portolan');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'portolan');
  const given = env['XDG_DATA_HOME'];
  return join(given !== undefined && given !== '' ? given : join(homedir(), '.local', 'share'), 'portolan');
}

interface Material {
  /** PEM. */
  readonly certificate: string;
  readonly privateKey: string;
}

/** undefined when there is none, or one that cannot outlive its leaves. */
function read(folder: string): Material | undefined {
  try {
    const certificate = readFileSync(join(folder, certificateFile), 'utf8');
    const privateKey = readFileSync(join(folder, keyFile), 'utf8');
    const left = new X509Certificate(certificate).validToDate.getTime() - Date.now();
    return left > leafDays * day ? { certificate, privateKey } : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Both files appear at once: a folder is renamed. Of two programs that start at once the first wins; both go on with its. */
function write(folder: string, fresh: Material): Material {
  const temporary = `${folder}.${randomBytes(6).toString('hex')}`;
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  writeFileSync(join(temporary, keyFile), fresh.privateKey, { mode: 0o600 });
  writeFileSync(join(temporary, certificateFile), fresh.certificate, { mode: 0o600 });
  try {
    if (existsSync(folder) && read(folder) === undefined) rmSync(folder, { recursive: true, force: true });
    renameSync(temporary, folder);
    return fresh;
  } catch (error) {
    const other = read(folder);
    if (other === undefined) throw error;
    return other;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

async function makeAuthority(): Promise<Material> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=Portolan development (${userName()}), O=Portolan`,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + authorityDays * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, privateKey: await keyText(keys.privateKey) };
}

async function authorityOf(path: string, { certificate, privateKey }: Material, made: boolean): Promise<Authority> {
  const issuer = new Certificate(certificate);
  const bytes = PemConverter.decodeFirst(privateKey);
  const key = await webcrypto.subtle.importKey('pkcs8', bytes, algorithm, false, ['sign']);
  return { path, made, certificate, issue: (names) => issue({ issuer, key }, names) };
}

interface Issuer {
  readonly issuer: Certificate;
  readonly key: webcrypto.CryptoKey;
}

async function issue({ issuer, key }: Issuer, names: readonly string[]): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const leaf = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    // A common name is limited to 64 characters; clients read the alternative names.
    subject: `CN=${(names[0] ?? 'localhost').slice(0, 64)}`,
    issuer: issuer.subject,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + leafDays * day),
    signingAlgorithm: algorithm,
    signingKey: key,
    publicKey: keys.publicKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }))),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  const certificate = `${leaf.toString('pem')}\n${issuer.toString('pem')}\n`;
  return { certificate, privateKey: await keyText(keys.privateKey) };
}

async function keyText(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

/** Positive, as RFC 5280 wants it. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0);
  return bytes.toString('hex');
}

function userName(): string {
  try {
    return userInfo().username.replace(/[^\w.-]/g, '');
  } catch {
    return 'user';
  }
}
