// The cases of the official test HTTPRouteCORS, asked of the filter directly.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cors } from '../filters.ts';
import { compileCors, corsHeaders, isPreflight, preflightHeaders } from './cors.ts';

const listed: Cors = {
  allowOrigins: ['https://www.foo.com', 'https://*.bar.com', 'http://*:8080'],
  allowMethods: ['GET', 'OPTIONS'],
  allowHeaders: ['x-header-1', 'x-header-2'],
  exposeHeaders: ['x-header-3', 'x-header-4'],
  allowCredentials: false,
  maxAge: 3600,
};
const open: Cors = { ...listed, allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'] };
const trusting: Cors = { ...open, allowCredentials: true };

type Expected = Readonly<Record<string, string | undefined>>;

const preflights: readonly [
  what: string,
  cors: Cors,
  origin: string,
  method: string,
  headers: string | undefined,
  Expected,
][] = [
  [
    'an origin of the list',
    listed,
    'https://www.foo.com',
    'GET',
    'x-header-1, x-header-2',
    {
      'Access-Control-Allow-Origin': 'https://www.foo.com',
      'Access-Control-Allow-Methods': 'GET, OPTIONS',
      'Access-Control-Allow-Headers': 'x-header-1, x-header-2',
      'Access-Control-Expose-Headers': 'x-header-3, x-header-4',
      'Access-Control-Max-Age': '3600',
      'Access-Control-Allow-Credentials': undefined,
    },
  ],
  [
    'a wildcard takes any number of labels',
    listed,
    'https://a.b.bar.com',
    'GET',
    undefined,
    { 'Access-Control-Allow-Origin': 'https://a.b.bar.com' },
  ],
  [
    'a wildcard for the whole host keeps scheme and port',
    listed,
    'http://x.y:8080',
    'GET',
    undefined,
    { 'Access-Control-Allow-Origin': 'http://x.y:8080' },
  ],
  [
    'another origin gets no header of CORS',
    listed,
    'https://foobar.com',
    'GET',
    undefined,
    {
      'Access-Control-Allow-Origin': undefined,
      'Access-Control-Allow-Methods': undefined,
      'Access-Control-Max-Age': undefined,
    },
  ],
  ['a wildcard allows every method', open, 'https://a.com', 'POST', undefined, { 'Access-Control-Allow-Methods': '*' }],
  [
    'with credentials everything is echoed',
    trusting,
    'https://other.foo.com',
    'PUT',
    'x-header-1, x-header-2',
    {
      'Access-Control-Allow-Origin': 'https://other.foo.com',
      'Access-Control-Allow-Methods': 'PUT',
      'Access-Control-Allow-Headers': 'x-header-1, x-header-2',
      'Access-Control-Allow-Credentials': 'true',
    },
  ],
  [
    'with credentials and no requested headers none are allowed',
    trusting,
    'https://other.foo.com',
    'PUT',
    undefined,
    { 'Access-Control-Allow-Headers': undefined },
  ],
];
for (const [what, cors, origin, method, headers, expected] of preflights) {
  test(`preflight: ${what}`, () => {
    const lines = preflightHeaders(compileCors(cors), { origin, method, headers });
    for (const [name, value] of Object.entries(expected)) assert.equal(valueOf(lines, name), value, name);
    assert.ok(valueOf(lines, 'Vary')?.includes('Origin'));
  });
}

const responses: readonly [what: string, cors: Cors, origin: string, Expected][] = [
  [
    'an origin of the list',
    listed,
    'https://www.foo.com',
    {
      'Access-Control-Allow-Origin': 'https://www.foo.com',
      'Access-Control-Expose-Headers': 'x-header-3, x-header-4',
      'Access-Control-Allow-Credentials': undefined,
      'Access-Control-Allow-Methods': undefined,
      Vary: 'Origin',
    },
  ],
  [
    'another origin',
    listed,
    'https://foobar.com',
    { 'Access-Control-Allow-Origin': undefined, 'Access-Control-Expose-Headers': undefined, Vary: 'Origin' },
  ],
  ['any origin', open, 'https://a.com:12345', { 'Access-Control-Allow-Origin': '*', Vary: undefined }],
  [
    'any origin with credentials',
    trusting,
    'https://a.com',
    { 'Access-Control-Allow-Origin': 'https://a.com', 'Access-Control-Allow-Credentials': 'true', Vary: 'Origin' },
  ],
];
for (const [what, cors, origin, expected] of responses) {
  test(`response: ${what}`, () => {
    const lines = corsHeaders(compileCors(cors), origin);
    for (const [name, value] of Object.entries(expected)) assert.equal(valueOf(lines, name), value, name);
  });
}

test('a preflight is OPTIONS with an origin and the method that it announces', () => {
  assert.ok(isPreflight('OPTIONS', 'https://a.com', 'PUT'));
  assert.ok(!isPreflight('OPTIONS', undefined, 'PUT'));
  assert.ok(!isPreflight('OPTIONS', 'https://a.com', undefined));
  assert.ok(!isPreflight('GET', 'https://a.com', 'PUT'));
});

function valueOf(lines: readonly string[], name: string): string | undefined {
  const at = lines.findIndex((text, index) => index % 2 === 0 && text === name);
  return at < 0 ? undefined : lines[at + 1];
}
