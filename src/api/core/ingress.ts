// An Ingress or an IngressClass → what the API server would refuse of it.
import { isDns1123Label, isDns1123Subdomain } from '../names.ts';
import { quote } from '../words.ts';
import * as core from './say.ts';

const oldClass = 'kubernetes.io/ingress.class';

export function checkIngress(ingress: core.Fields, say: core.Say): void {
  const spec = core.fieldsOf(ingress['spec']);
  const annotations = core.fieldsOf(core.fieldsOf(ingress['metadata'])['annotations']);
  if (spec['ingressClassName'] !== undefined) {
    core.checkSubdomain(core.textOf(spec['ingressClassName']), 'spec.ingressClassName', say);
    if (annotations[oldClass] !== undefined)
      say(`metadata.annotations.${oldClass}`, 'forbidden', 'must not be set beside spec.ingressClassName');
  }
  const rules = core.itemsOf(spec['rules'], 'spec.rules');
  if (spec['defaultBackend'] !== undefined)
    checkBackend(core.fieldsOf(spec['defaultBackend']), 'spec.defaultBackend', say);
  else if (rules.length === 0) say('spec', 'required', 'either defaultBackend or rules must be specified');
  for (const { item, path } of core.itemsOf(spec['tls'], 'spec.tls')) {
    const hosts: readonly unknown[] = Array.isArray(item['hosts']) ? item['hosts'] : [];
    hosts.forEach((host, at) => checkHost(core.textOf(host), `${path}.hosts[${at}]`, say));
    const secret = core.textOf(item['secretName']);
    if (secret !== '') core.checkSubdomain(secret, `${path}.secretName`, say);
  }
  for (const { item, path } of rules) {
    const host = core.textOf(item['host']);
    if (core.familyOf(host) !== 0 || isOldAddress(host))
      say(`${path}.host`, 'format', `is ${quote(host)}; must be a DNS name, not an IP address`);
    else if (host !== '') checkHost(host, `${path}.host`, say);
    if (item['http'] !== undefined) checkPaths(core.fieldsOf(item['http'])['paths'], `${path}.http.paths`, say);
  }
}

export function checkIngressClass(ingressClass: core.Fields, say: core.Say): void {
  const spec = core.fieldsOf(ingressClass['spec']);
  checkController(core.textOf(spec['controller']), say);
  if (spec['parameters'] === undefined) return;
  const parameters = core.fieldsOf(spec['parameters']);
  checkTyped(parameters, 'spec.parameters', say);
  const scope = parameters['scope'] === undefined ? 'Cluster' : core.textOf(parameters['scope']);
  const { namespace } = parameters;
  const path = 'spec.parameters.namespace';
  if (scope === 'Cluster') {
    if (namespace !== undefined) say(path, 'forbidden', "must not be set for the scope 'Cluster'");
  } else if (scope !== 'Namespace') core.checkOneOf(scope, ['Cluster', 'Namespace'], 'spec.parameters.scope', say);
  else if (namespace === undefined || namespace === '') say(path, 'required', "is required for the scope 'Namespace'");
  else if (!isDns1123Label(core.textOf(namespace)))
    say(path, 'pattern', `is ${quote(namespace)}; must be ${core.words.label}`);
}

function checkController(controller: string, say: core.Say): void {
  if (controller === '') return say('spec.controller', 'required', 'is required');
  if (controller.length > 250)
    say('spec.controller', 'maxLength', `is ${controller.length} characters long, at most 250 are allowed`);
  const slash = controller.indexOf('/');
  const path = controller.slice(slash + 1);
  if (slash < 1 || !isDns1123Subdomain(controller.slice(0, slash)) || !/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(path))
    say(
      'spec.controller',
      'pattern',
      `is ${quote(controller)}; must be a domain, '/' and a path, such as example.com/ingress-controller`,
    );
}

/** With leading zeros; whether those make a number octal, programs do not agree. */
function isOldAddress(host: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host) && host.split('.').every((part) => Number(part) < 256);
}

function checkHost(host: string, path: string, say: core.Say): void {
  const name = host.startsWith('*.') ? host.slice(2) : host;
  if (!isDns1123Subdomain(name) || host.length > 253)
    say(
      path,
      'pattern',
      `is ${quote(host)}; must be a host name in lower case, with '*.' in front of it at most, without port`,
    );
}

function checkPaths(paths: unknown, path: string, say: core.Say): void {
  const all = core.itemsOf(paths, path);
  if (all.length === 0) say(path, 'required', 'must have at least 1 item');
  for (const { item, path } of all) {
    // The server says no more of one without type.
    if (item['pathType'] === undefined) {
      say(`${path}.pathType`, 'required', 'is required');
      continue;
    }
    checkPath(item, path, say);
    checkBackend(core.fieldsOf(item['backend']), `${path}.backend`, say);
  }
}

const notInPaths = ['//', '/./', '/../', '%2f', '%2F'];

function checkPath(item: core.Fields, at: string, say: core.Say): void {
  const path = core.textOf(item['path']);
  const type = item['pathType'];
  if (type === 'ImplementationSpecific') {
    if (path !== '' && !path.startsWith('/')) say(`${at}.path`, 'pattern', 'path must be absolute');
    return;
  }
  if (type !== 'Exact' && type !== 'Prefix')
    return core.checkOneOf(core.textOf(type), ['Exact', 'Prefix', 'ImplementationSpecific'], `${at}.pathType`, say);
  if (!path.startsWith('/')) say(`${at}.path`, 'pattern', 'path must be absolute for the path types Exact and Prefix');
  if (notInPaths.some((part) => path.includes(part)) || path.endsWith('/..') || path.endsWith('/.'))
    say(
      `${at}.path`,
      'pattern',
      "path must not contain '//', '/./', '/../', '%2f' or '%2F', nor end with '/..' or '/.'",
    );
}

function checkBackend(backend: core.Fields, path: string, say: core.Say): void {
  const { resource, service } = backend;
  if ((resource === undefined) === (service === undefined))
    return say(path, 'oneOf', 'set exactly one of service and resource');
  if (service === undefined) return checkTyped(core.fieldsOf(resource), `${path}.resource`, say);
  const { name, port } = core.fieldsOf(service);
  if (core.textOf(name) === '') say(`${path}.service.name`, 'required', 'is required');
  else if (!isDns1123Label(core.textOf(name)))
    say(`${path}.service.name`, 'pattern', `is ${quote(name)}; must be ${core.words.label}`);
  const { name: portName, number } = core.fieldsOf(port);
  const named = core.textOf(portName) !== '';
  const numbered = typeof number === 'number' && number !== 0;
  if (named === numbered) say(path, 'oneOf', 'set exactly one of service.port.name and service.port.number');
  else if (named) core.checkPortName(core.textOf(portName), `${path}.service.port.name`, say);
  else core.checkPort(number, `${path}.service.port.number`, say);
}

/** A reference to an object of any kind. */
function checkTyped(reference: core.Fields, path: string, say: core.Say): void {
  if (reference['apiGroup'] !== undefined)
    core.checkSubdomain(core.textOf(reference['apiGroup']), `${path}.apiGroup`, say);
  core.checkPathSegment(core.textOf(reference['kind']), `${path}.kind`, say);
  core.checkPathSegment(core.textOf(reference['name']), `${path}.name`, say);
}
