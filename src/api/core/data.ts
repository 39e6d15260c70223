// A Secret or a ConfigMap → what the API server would refuse of it. Values of Secrets are never repeated.
import { record } from '../../support/untrusted.ts';
import { quote } from '../words.ts';
import * as core from './say.ts';

const LARGEST = 1_048_576;

export function checkSecret(secret: core.Fields, say: core.Say): void {
  const data = core.fieldsOf(secret['data']);
  const all: Record<string, unknown> = Object.fromEntries([
    ...Object.entries(data).map(([key, value]) => [key, Buffer.from(core.textOf(value), 'base64')] as const),
    ...Object.entries(core.fieldsOf(secret['stringData'])).map(
      ([key, text]) => [key, Buffer.from(core.textOf(text))] as const,
    ),
  ]);
  checkBase64(data, 'data', say);
  for (const key of Object.keys(all)) checkKey(key, Object.hasOwn(data, key) ? 'data' : 'stringData', say);
  const size = Object.values(all).reduce<number>((sum, value) => sum + (value as Buffer).length, 0);
  if (size > LARGEST) say('data', 'maxLength', `is ${size} bytes in total, at most ${LARGEST} are allowed`);
  checkKeysOf(core.textOf(secret['type']), all, secret, say);
}

const wanted: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
};

function checkKeysOf(type: string, all: Readonly<Record<string, unknown>>, secret: core.Fields, say: core.Say): void {
  for (const key of (Object.hasOwn(wanted, type) && wanted[type]) || []) {
    const value = Object.hasOwn(all, key) ? (all[key] as Buffer) : undefined;
    if (value === undefined) say(`data.${key}`, 'required', `is required for the type ${type}`);
    else if (type.startsWith('kubernetes.io/docker') && !isJson(value)) say(`data.${key}`, 'format', 'must be JSON');
  }
  if (type === 'kubernetes.io/basic-auth' && !Object.hasOwn(all, 'username') && !Object.hasOwn(all, 'password')) {
    say('data.username', 'required', `username or password is required for the type ${type}`);
    say('data.password', 'required', `username or password is required for the type ${type}`);
  }
  const account = 'kubernetes.io/service-account.name';
  const { annotations } = core.fieldsOf(secret['metadata']);
  if (type === 'kubernetes.io/service-account-token' && core.textOf(record(annotations)[account]) === '')
    say(`metadata.annotations.${account}`, 'required', `is required for the type ${type}`);
}

function isJson(value: Buffer): boolean {
  try {
    JSON.parse(value.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

export function checkConfigMap(map: core.Fields, say: core.Say): void {
  const data = core.fieldsOf(map['data']);
  const binary = core.fieldsOf(map['binaryData']);
  checkBase64(binary, 'binaryData', say);
  for (const key of Object.keys(data)) {
    checkKey(key, 'data', say);
    if (Object.hasOwn(binary, key)) say(`data.${key}`, 'unique', 'is in binaryData as well');
  }
  for (const key of Object.keys(binary)) checkKey(key, 'binaryData', say);
  const size =
    Object.values(data).reduce<number>((sum, text) => sum + Buffer.byteLength(core.textOf(text)), 0) +
    Object.values(binary).reduce<number>((sum, text) => sum + Buffer.byteLength(core.textOf(text), 'base64'), 0);
  if (size > LARGEST) say('', 'maxLength', `is ${size} bytes in total, at most ${LARGEST} are allowed`);
}

function checkKey(key: string, field: string, say: core.Say): void {
  const path = `${field}.${key.slice(0, 300)}`;
  if (key.length > 253) say(path, 'maxLength', `is a key of ${key.length} characters, at most 253 are allowed`);
  if (!/^[-._a-zA-Z0-9]+$/.test(key) || key === '.' || key.startsWith('..'))
    say(path, 'key', `${quote(key)} must be letters, digits, '-', '_' and '.', and must not be '.' or begin with '..'`);
}

/** Line breaks may stand anywhere in it (Go's decoder). */
function checkBase64(data: core.Fields, field: string, say: core.Say): void {
  for (const [key, value] of Object.entries(data)) {
    const text = core.textOf(value).replaceAll(/[\r\n]/g, '');
    if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
      say(`${field}.${key.slice(0, 300)}`, 'format', 'must be base64');
  }
}
