// An EndpointSlice → what the API server would refuse of it, but for addresses of this machine and of its link (127.0.0.1, fe80::1):
// from files they are what serves on a laptop.
import { isDns1123Label, isDns1123Subdomain } from '../names.ts';
import { quote } from '../words.ts';
import * as core from './say.ts';

const MOST_ENDPOINTS = 1000;
const MOST_ADDRESSES = 100;
const MOST_PORTS = 20_000;
const MOST_ZONES = 8;

export function checkEndpointSlice(slice: core.Fields, say: core.Say): void {
  const type = core.textOf(slice['addressType']);
  if (type === '') say('addressType', 'required', 'is required');
  else core.checkOneOf(type, ['IPv4', 'IPv6', 'FQDN'], 'addressType', say);
  const endpoints = core.itemsOf(slice['endpoints'], 'endpoints');
  if (endpoints.length > MOST_ENDPOINTS)
    say('endpoints', 'maxItems', `has ${endpoints.length} items, at most ${MOST_ENDPOINTS} are allowed`);
  else for (const { item, path } of endpoints) checkEndpoint(item, type, path, say);
  const ports = core.itemsOf(slice['ports'], 'ports');
  if (ports.length > MOST_PORTS)
    say('ports', 'maxItems', `has ${ports.length} items, at most ${MOST_PORTS} are allowed`);
  else checkPorts(ports, say);
}

function checkEndpoint(endpoint: core.Fields, type: string, path: string, say: core.Say): void {
  const addresses: readonly unknown[] = Array.isArray(endpoint['addresses']) ? endpoint['addresses'] : [];
  if (addresses.length === 0) say(`${path}.addresses`, 'required', 'must have at least 1 item');
  if (addresses.length > MOST_ADDRESSES)
    say(`${path}.addresses`, 'maxItems', `has ${addresses.length} items, at most ${MOST_ADDRESSES} are allowed`);
  addresses.forEach((each, at) => {
    const address = core.textOf(each);
    if (type === 'FQDN') {
      if (!isDns1123Subdomain(address.replace(/\.$/, '')) || !address.replace(/\.$/, '').includes('.'))
        say(`${path}.addresses[${at}]`, 'format', `is ${quote(address)}; must be a DNS name with a dot`);
    } else if (type === 'IPv4' || type === 'IPv6') checkAddress(address, type, { list: `${path}.addresses`, at }, say);
  });
  const zones = core.itemsOf(core.fieldsOf(endpoint['hints'])['forZones'], `${path}.hints.forZones`);
  if (zones.length > MOST_ZONES)
    say(`${path}.hints.forZones`, 'maxItems', `has ${zones.length} items, at most ${MOST_ZONES} are allowed`);
  else checkZones(zones, say);
}

function checkAddress(
  address: string,
  type: 'IPv4' | 'IPv6',
  { list, at }: { readonly list: string; readonly at: number },
  say: core.Say,
): void {
  const family = core.familyOf(address);
  if (family === 0) return say(`${list}[${at}]`, 'format', `is ${quote(address)}; must be an IP address`);
  if (isNoEndpoint(address)) say(`${list}[${at}]`, 'format', `is ${quote(address)}; no endpoint can have it`);
  if (`IPv${family}` !== type) say(list, 'format', `has ${quote(address)}; must be addresses of ${type}`);
}

/** Of no machine, or of many. */
function isNoEndpoint(address: string): boolean {
  return /^(?:0\.0\.0\.0|[:0]+)$/.test(address) || /^224\.0\.0\.|^ff02:/i.test(address);
}

function checkZones(zones: ReturnType<typeof core.itemsOf>, say: core.Say): void {
  const names = new Set<string>();
  for (const { item, path } of zones) {
    const name = core.textOf(item['name']);
    if (names.has(name)) say(`${path}.name`, 'unique', `repeats ${quote(name)}`);
    names.add(name);
    core.checkLabelValue(name, `${path}.name`, say);
  }
}

function checkPorts(ports: ReturnType<typeof core.itemsOf>, say: core.Say): void {
  const names = new Set<string>();
  for (const { item, path } of ports) {
    const name = core.textOf(item['name']);
    if (name !== '' && !isDns1123Label(name))
      say(`${path}.name`, 'pattern', `is ${quote(name)}; must be ${core.words.label}, or empty`);
    if (names.has(name)) say(`${path}.name`, 'unique', `is ${quote(name)}; the names of ports must be unique`);
    names.add(name);
    const protocol = item['protocol'] === undefined ? 'TCP' : core.textOf(item['protocol']);
    if (protocol === '') say(`${path}.protocol`, 'required', 'must not be empty');
    else core.checkOneOf(protocol, ['TCP', 'UDP', 'SCTP'], `${path}.protocol`, say);
    core.checkAppProtocol(item['appProtocol'], `${path}.appProtocol`, say);
  }
}
