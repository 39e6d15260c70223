// A Service → what the API server would refuse of it. Whether a clusterIP is of the cluster's own range, only the cluster can say.
import { isDns1123Label, isLabelValue, isQualifiedName } from '../names.ts';
import { quote } from '../words.ts';
import * as core from './say.ts';

const types = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];

export function checkService(service: core.Fields, say: core.Say): void {
  const spec = core.fieldsOf(service['spec']);
  const type = core.textOf(spec['type']) || 'ClusterIP';
  core.checkOneOf(type, types, 'spec.type', say);
  checkAddress(type, core.textOf(spec['clusterIP']), say);
  if (type === 'ExternalName') checkExternalName(core.textOf(spec['externalName']), say);
  const ports = core.itemsOf(spec['ports'], 'spec.ports');
  if (ports.length === 0 && type !== 'ExternalName' && spec['clusterIP'] !== 'None')
    say('spec.ports', 'required', "ports are required, unless clusterIP is 'None' or the type ExternalName");
  checkPorts(ports, type, say);
  checkSelector(spec['selector'], say);
}

function checkAddress(type: string, address: string, say: core.Say): void {
  if (type === 'ExternalName') {
    if (address !== '') say('spec.clusterIP', 'forbidden', 'must not be set for the type ExternalName');
    return;
  }
  if (address === 'None') {
    if (type === 'NodePort' || type === 'LoadBalancer')
      say('spec.clusterIP', 'forbidden', `must not be 'None' for the type ${type}`);
  } else if (address !== '' && core.familyOf(address) === 0)
    say('spec.clusterIP', 'format', `is ${quote(address)}; must be an IP address, 'None' or empty`);
}

function checkExternalName(name: string, say: core.Say): void {
  if (name === '') say('spec.externalName', 'required', 'externalName is required for the type ExternalName');
  else core.checkSubdomain(name.replace(/\.$/, ''), 'spec.externalName', say);
}

function checkPorts(ports: ReturnType<typeof core.itemsOf>, type: string, say: core.Say): void {
  const names = new Set<string>();
  const seen = new Set<string>();
  for (const { item, path } of ports) {
    const name = core.textOf(item['name']);
    if (name === '') {
      if (ports.length > 1) say(`${path}.name`, 'required', 'every port must have a name when there are several');
    } else if (!isDns1123Label(name)) say(`${path}.name`, 'pattern', `is ${quote(name)}; must be ${core.words.label}`);
    else if (names.has(name)) say(`${path}.name`, 'unique', `is ${quote(name)}; the names of ports must be unique`);
    else names.add(name);
    checkPort(item, path, say);
    if (type === 'LoadBalancer' && item['port'] === 10_250)
      say(`${path}.port`, 'forbidden', 'must not be 10250, the port of the kubelet, for the type LoadBalancer');
    const protocol = core.textOf(item['protocol']) || 'TCP';
    const port = Number(item['port'] ?? 0);
    const key = `${protocol} ${port}`;
    if (seen.has(key)) say(path, 'unique', `repeats port ${port}, protocol ${protocol}`);
    seen.add(key);
  }
}

function checkPort(item: core.Fields, path: string, say: core.Say): void {
  core.checkPort(item['port'], `${path}.port`, say);
  const protocol = core.textOf(item['protocol']) || 'TCP';
  core.checkOneOf(protocol, ['TCP', 'UDP', 'SCTP'], `${path}.protocol`, say);
  const { targetPort } = item;
  // 0 and empty stand for the port itself.
  if (typeof targetPort === 'string' && targetPort !== '') core.checkPortName(targetPort, `${path}.targetPort`, say);
  else if (typeof targetPort === 'number' && targetPort !== 0) core.checkPort(targetPort, `${path}.targetPort`, say);
  core.checkAppProtocol(item['appProtocol'], `${path}.appProtocol`, say);
}

function checkSelector(selector: unknown, say: core.Say): void {
  for (const [key, value] of Object.entries(core.fieldsOf(selector))) {
    if (!isQualifiedName(key))
      say('spec.selector', 'key', `has ${quote(key)}; a key must be ${core.words.qualifiedName}`);
    if (!isLabelValue(core.textOf(value)))
      say('spec.selector', 'pattern', `has ${quote(value)}; a value must be ${core.words.labelValue}`);
  }
}
