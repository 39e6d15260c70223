// --dev-certificates: Secrets that listeners name and no file has are issued by the local authority. Their names come from
// the listener's hostname, else from the routes that are attached to it, and then localhost besides; a listener for every
// host also gets the names that clients ask for (SNI). CA bundles that a BackendTLSPolicy names and no file has are the
// authority's own: what --echo answers with is signed by it.
import { gatewayGroup } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { BoundGateway, BoundListener } from '../../routing/bound.ts';
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
  #authority: Promise<Authority> | undefined;
  #opened: Authority | undefined;
  readonly #issued = new Map<string, IssuedSecret>();
  /** Names that clients asked for, by the Secret that is to have them. */
  readonly #asked = new Map<string, Set<string>>();
  /** CA bundles that were given out, as `namespace/name` of their ConfigMaps. */
  readonly #bundles = new Set<string>();
  readonly #kept: boolean;

  /** `kept`: by the authority of the user, which is made when there is none; else by one that is forgotten at once. */
  constructor(kept: boolean) {
    this.#kept = kept;
  }

  /** undefined until the first certificate is issued. */
  get authority(): Authority | undefined {
    return this.#opened;
  }

  /** The authority, which is made now when there was none. */
  async open(): Promise<Authority> {
    // Loaded when it is needed: it takes longer than everything else at the start.
    this.#authority ??= this.#kept
      ? import('./authority.ts').then(({ openAuthority }) => openAuthority())
      : import('./authority.ts').then(({ temporaryAuthority }) => temporaryAuthority());
    return (this.#opened = await this.#authority);
  }

  async objects(view: OutsideView): Promise<readonly KubeObject[]> {
    const objects: KubeObject[] = [];
    for (const [secret, names] of this.#wanted(view)) objects.push(await this.#secret(secret, names));
    for (const bundle of this.#wantedBundles(view)) objects.push(await this.#bundle(bundle));
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
      const gateway = gateways.get(key);
      for (const listener of gateway === undefined ? [] : listenersOf(gateway)) {
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

  /** The ConfigMaps to give out: those that are missing, and those that were given out before and are still referred to. */
  #wantedBundles(view: OutsideView): ReadonlySet<string> {
    const { objectProblems, trustBundles } = view.pipeline.tables;
    const wanted = new Set<string>();
    for (const key of this.#bundles) if (trustBundles.get(`ConfigMap/${key}`) !== undefined) wanted.add(key);
    for (const object of objectProblems.keys()) {
      if (!object.startsWith(`${gatewayGroup}/BackendTLSPolicy/`)) continue;
      for (const problem of objectProblems.get(object) ?? []) {
        if (problem.code !== 'InvalidCACertificateRef' || problem.target.kind !== 'ConfigMap') continue;
        wanted.add(keyOf(problem.target));
      }
    }
    for (const key of wanted) if (view.isWritten(configMap(key))) wanted.delete(key);
    return wanted;
  }

  async #bundle(key: string): Promise<KubeObject> {
    const { certificate } = await this.open();
    const { namespace, name } = configMap(key);
    this.#bundles.add(key);
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { 'ca.crt': certificate } };
  }

  async #secret(key: string, names: ReadonlySet<string>): Promise<KubeObject> {
    const before = this.#issued.get(key);
    // Routes that come and go do not make clients see ever new certificates: names are only added.
    if (before !== undefined && names.isSubsetOf(before.names)) return before.object;
    const all = new Set([...(before?.names ?? []), ...names]);
    const { certificate, privateKey } = await (await this.open()).issue([...all]);
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

function listenersOf({ listeners, listenerSets }: BoundGateway): readonly BoundListener[] {
  return [...listeners, ...listenerSets.flatMap((set) => set.listeners)];
}

function configMap(key: string): ObjectRef {
  const [namespace = '', name = ''] = key.split('/');
  return { group: '', kind: 'ConfigMap', namespace, name };
}

function keyOf({ namespace, name }: ObjectRef): string {
  return `${namespace}/${name}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
