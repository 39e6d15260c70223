// --dev-certificates: Secrets that listeners name and no file has are issued by the local authority. Their names come from
// the listener's hostname, else from the routes that are attached to it, and then localhost besides; a listener for every
// host also gets the names that clients ask for (SNI).
import type { KubeObject } from '../../api/objects.ts';
import type { BoundListener } from '../../routing/bound.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import type { Outside, OutsideView } from '../model/model.ts';
import type { Authority } from './authority.ts';

/** Names in one certificate; browsers take thousands, but handshakes carry them all. */
const maxNames = 100;
const dnsName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const localNames = ['localhost', '*.localhost', '127.0.0.1', '::1'];

interface IssuedSecret {
  readonly names: ReadonlySet<string>;
  readonly object: KubeObject;
}

export class DevCertificates implements Outside {
  #authority: Authority | undefined;
  readonly #issued = new Map<string, IssuedSecret>();
  /** Names that clients asked for, by the Secret that is to have them. */
  readonly #asked = new Map<string, Set<string>>();
  readonly #kept: boolean;

  /** `kept`: by the authority of the user, which is made when there is none; else by one that is forgotten at once. */
  constructor(kept: boolean) {
    this.#kept = kept;
  }

  /** undefined until the first certificate is issued. */
  get authority(): Authority | undefined {
    return this.#authority;
  }

  async objects(view: OutsideView): Promise<readonly KubeObject[]> {
    const objects: KubeObject[] = [];
    for (const [secret, names] of this.#wanted(view)) objects.push(await this.#secret(secret, names));
    return objects;
  }

  /** A client asks for a name that these Secrets (`namespace/name`) do not have. Says whether one of them will get it. */
  ask(secrets: readonly string[], name: string): boolean {
    const secret = secrets.find((key) => this.#issued.has(key));
    if (secret === undefined || !dnsName.test(name) || name.length > 253) return false;
    const names = this.#asked.get(secret) ?? new Set<string>();
    if (names.has(name) || names.size >= maxNames) return false;
    this.#asked.set(secret, names.add(name));
    return true;
  }

  /** The Secrets to issue, as `namespace/name`, with their names. */
  #wanted(view: OutsideView): ReadonlyMap<string, ReadonlySet<string>> {
    const wanted = new Map<string, Set<string>>();
    const { gateways } = view.pipeline.tables;
    for (const key of gateways.keys()) {
      for (const listener of gateways.get(key)?.listeners ?? []) {
        for (const secret of this.#secretsOf(view, listener)) {
          const names = wanted.get(secret) ?? new Set<string>();
          for (const name of namesFor(view, listener)) if (names.size < maxNames) names.add(name);
          for (const name of this.#asked.get(secret) ?? []) names.add(name);
          wanted.set(secret, names);
        }
      }
    }
    return wanted;
  }

  /** Those that are missing, and those that were issued before. */
  *#secretsOf(view: OutsideView, { frontend, problems }: BoundListener): Iterable<string> {
    for (const problem of problems) {
      if (problem.code !== 'InvalidCertificateRef' || problem.target.kind !== 'Secret' || problem.target.group !== '')
        continue;
      if (!view.isWritten(problem.target)) yield keyOf(problem.target);
    }
    if (frontend?.tls?.mode !== 'terminate') return;
    for (const key of frontend.tls.certificates) {
      const [namespace = '', name = ''] = key.split('/');
      if (this.#issued.has(key) && !view.isWritten({ group: '', kind: 'Secret', namespace, name })) yield key;
    }
  }

  async #secret(key: string, names: ReadonlySet<string>): Promise<KubeObject> {
    const before = this.#issued.get(key);
    // Routes that come and go do not make clients see ever new certificates: names are only added.
    if (before !== undefined && names.isSubsetOf(before.names)) return before.object;
    const all = new Set([...(before?.names ?? []), ...names]);
    if (this.#authority === undefined) {
      // Loaded when it is needed: it takes longer than everything else at the start.
      const { openAuthority, temporaryAuthority } = await import('./authority.ts');
      this.#authority = await (this.#kept ? openAuthority() : temporaryAuthority());
    }
    const { certificate, privateKey } = await this.#authority.issue([...all]);
    const [namespace = '', name = ''] = key.split('/');
    const object = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': base64(certificate), 'tls.key': base64(privateKey) },
    };
    this.#issued.set(key, { names: all, object });
    return object;
  }
}

function namesFor(view: OutsideView, listener: BoundListener): Iterable<string> {
  if (listener.hostname !== '') return [listener.hostname];
  const names = new Set<string>();
  const { routes } = view.pipeline.tables;
  for (const key of routes.keys()) {
    for (const { attachments } of routes.get(key)?.parents ?? []) {
      for (const { frontend, hosts } of attachments) {
        if (frontend === listener.key) for (const { hostname } of hosts) if (hostname !== '') names.add(hostname);
      }
    }
  }
  return [...localNames, ...[...names].sort()];
}

function keyOf({ namespace, name }: ObjectRef): string {
  return `${namespace}/${name}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
