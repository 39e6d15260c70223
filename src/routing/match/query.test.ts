import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queryParameter } from './query.ts';

const cases: readonly [query: string, name: string, expected: string | undefined][] = [
  ['?animal=whale', 'animal', 'whale'],
  ['animal=whale', 'animal', 'whale'],
  ['?ANIMAL=Whale', 'animal', undefined],
  ['?animal=whale&animal=dog', 'animal', 'whale'],
  ['?a=1&animal=whale', 'animal', 'whale'],
  ['?animals=whale', 'animal', undefined],
  ['?x=animal=whale', 'animal', undefined],
  ['?animal=a=b', 'animal', 'a=b'],
  ['?animal', 'animal', ''],
  ['?animal=', 'animal', ''],
  ['?&&animal=1&', 'animal', '1'],
  ['', 'animal', undefined],
  ['?', 'animal', undefined],
  ['?animal=blue+whale%21', 'animal', 'blue whale!'],
  ['?%61nimal=1', 'animal', '1'],
  ['?caf%C3%A9=%E2%82%AC', 'café', '€'],
  ['?a=100%', 'a', '100%'],
  ['?a=%zz%41', 'a', '%zzA'],
  ['?a+b=1', 'a b', '1'],
  ['?a+b=1', 'a+b', undefined],
  ['?=1', '', '1'],
];
for (const [query, name, expected] of cases)
  test(`${name} of ${query}`, () => assert.equal(queryParameter(query, name), expected));
