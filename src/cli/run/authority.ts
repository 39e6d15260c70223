// A certificate authority of this user, made once and kept in the user's data folder, and the leaf certificates that it
// issues for development. How to make clients trust it: trust.ts.
import { X509Certificate, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { KeyPair, Validity } from '../../support/x509.ts';
import { issueLeaf, makeAuthority } from '../../support/x509.ts';

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
const day = 24 * 60 * 60 * 1000;
/** Apple's limit for certificates that users trust by hand is 825 days. */
const leafDays = 397;
const authorityDays = 3650;

/** Opens the authority in the folder, or makes one. An authority that is about to expire is replaced. */
export async function openAuthority(folder: string = dataFolder()): Promise<Authority> {
  const home = join(folder, 'authority');
  const path = join(home, certificateFile);
  const found = read(home);
  if (found !== undefined) return authorityOf(path, found, false);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fresh = await freshAuthority();
  const kept = write(home, fresh);
  return authorityOf(path, kept, kept === fresh);
}

/** One that nobody trusts and nobody keeps, to see what certificates would do. */
export async function temporaryAuthority(): Promise<Authority> {
  return authorityOf('', await freshAuthority(), true);
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

/** undefined when there is none, or one that cannot outlive its leaves. */
function read(folder: string): KeyPair | undefined {
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
function write(folder: string, fresh: KeyPair): KeyPair {
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

function freshAuthority(): Promise<KeyPair> {
  return makeAuthority(`CN=Portolan development (${userName()}), O=Portolan`, validFor(authorityDays));
}

function authorityOf(path: string, pair: KeyPair, made: boolean): Authority {
  return { path, made, certificate: pair.certificate, issue: (names) => issue(pair, names) };
}

async function issue(authority: KeyPair, names: readonly string[]): Promise<Issued> {
  const { certificate, privateKey } = await issueLeaf(authority, {
    subject: names[0] ?? 'localhost',
    names: names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
    usages: ['server'],
    validity: validFor(leafDays),
  });
  return { certificate: `${certificate}${authority.certificate}`, privateKey };
}

/** From yesterday on, since clocks differ. */
function validFor(days: number): Validity {
  const now = Date.now();
  return { from: new Date(now - day), to: new Date(now + days * day) };
}

function userName(): string {
  try {
    return userInfo().username.replace(/[^\w.-]/g, '');
  } catch {
    return 'user';
  }
}
