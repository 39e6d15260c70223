import assert from 'node:assert/strict';
import { test } from 'node:test';
import { celCheck, celMessage } from './rules.ts';

const holds = (rule: string, self: unknown): boolean => celCheck({ rule })(self);

const cases: readonly [rule: string, self: unknown, expected: boolean][] = [
  // A failed operand is outweighed by one that decides, on either side.
  ['self.a == 1 || true', {}, true],
  ['true || self.a == 1', {}, true],
  ['self.a == 1 || false', {}, false],
  ['!(self.a == 1 && false)', {}, true],
  ['!(self.a == 1 && true)', {}, false],
  ['self.a ? true : true', {}, false],
  // Macros absorb failures as || and && do; exists_one and filter do not.
  ['self.all(x, x.a == 1)', [{ a: 2 }, {}], false],
  ['!self.all(x, x.a == 1)', [{}, { a: 2 }], true],
  ['self.exists(x, x.a == 1)', [{}, { a: 1 }], true],
  ['self.exists(x, x.a == 1)', [{}, { a: 2 }], false],
  ['self.exists_one(x, x.a == 1)', [{}, { a: 1 }], false],
  ['self.exists_one(x, x == 1)', [1, 2, 1], false],
  ['self.filter(x, x.a == 1).size() == 1', [{}, { a: 1 }], false],
  ['self.filter(x, x > 1).size() == 2', [1, 2, 3], true],
  ['self.all(x, false)', [], true],
  ['self.exists(x, true)', [], false],
  ['self.all(x, self.all(y, x.size() == y.size()))', ['ab', 'cd'], true],
  ['self.all(x, self.exists(x, x == 1) && x > 0)', [1, 2], true],
  ['self.all(key, key.startsWith("a"))', { a1: 'x', a2: 'y' }, true],
  // Presence.
  ['has(self.a)', { a: null }, true],
  ['has(self.a)', { a: undefined }, false],
  ['has(self.a.b)', {}, false],
  ['!has(self.a.b)', {}, false],
  ['!has(self.a.b)', { a: {} }, true],
  ['has(self.a)', 'text', false],
  ['has(self.toString)', {}, false],
  ['has(self.__proto__)', {}, false],
  ['has(self[0].a)', [{ a: 1 }], true],
  ['self[1] == 1', [1], false],
  ['self["a"] == 1', { a: 1 }, true],
  // Fields whose names CEL could not spell.
  ['self.__namespace__ == "a"', { namespace: 'a' }, true],
  ['has(self.__if__)', { if: 1 }, true],
  ['self.a__dot__b == 1 && self.a__dash__b == 2 && self.a__slash__b == 3', { 'a.b': 1, 'a-b': 2, 'a/b': 3 }, true],
  ['self.a__underscores__b == 1', { a__b: 1 }, true],
  // Values.
  ['"a" in self', ['b', 'a'], true],
  ['"a" in self', { a: 1 }, true],
  ['self in ["a", "b"]', 'c', false],
  ['self == [1, "a"]', [1, 'a'], true],
  ['self == [1, self.b] || true', [], true],
  ['size(self) == 2', '\u{1f600}a', true],
  ['self.size() == 2', { a: 1, b: 2 }, true],
  ['self.size() == 1', 5, false],
  ['self.split("/")[1] == "b"', 'a/b', true],
  ['self.split("").size() == 2', '\u{1f600}a', true],
  ['self.substring(2) == "c"', 'abc', true],
  ['self.substring(1, 2) == "b"', 'abc', true],
  ['self.substring(4) == ""', 'abc', false],
  ['self + 1 == 3', 2, true],
  ['self + "b" == "ab"', 'a', true],
  ['self < 2', 'a', false],
  ['self < "b"', 'a', true],
  ['"\\uff5e" < self', '\u{1f600}', true],
  ['self != null', 1, true],
  ['self.a == self.b', { a: { c: [1] }, b: { c: [1] } }, true],
  // Functions.
  ['self.matches("^a+$")', 'aaa', true],
  ['self.matches("b")', 'abc', true],
  ['self.matches("b")', 1, false],
  ['duration(self) == duration("90m")', '1h30m', true],
  ['duration(self) == duration("1500ms")', '1.5s', true],
  ['duration(self) < duration("0s")', '-1ns', true],
  ['duration(self) == duration("0s")', '0', true],
  ['duration(self) > duration("0s") || true', '1 s', true],
  ['duration(self) > duration("0s")', '1d', false],
  ['duration(self) > duration("0s")', '9999999h', false],
  ['isIP(self)', '192.0.2.1', true],
  ['isIP(self)', '192.0.2.01', false],
  ['isIP(self)', '2001:db8::1', true],
  ['isIP(self)', '::ffff:192.0.2.1', false],
  ['isIP(self)', '::ffff:1:2:3', true],
  ['isIP(self)', 'fe80::1%eth0', false],
  ['format.dns1123Subdomain().validate(self).hasValue()', 'A', true],
  ['format.qualifiedName().validate(self).hasValue()', 'a.b/c', false],
  ['format.qualifiedName().validate(self).value().size() == 1', '/', true],
];

for (const [rule, self, expected] of cases) {
  test(`${rule} on ${JSON.stringify(self)}`, () => assert.equal(holds(rule, self), expected));
}

test('a rule on changes holds for an object that has no old value, unless it asks', () => {
  assert.equal(holds('self == oldSelf', 1), true);
  assert.equal(celCheck({ rule: 'oldSelf.hasValue() || self == 1', optionalOldSelf: true })(1), true);
  assert.equal(celCheck({ rule: 'oldSelf.hasValue() || self == 1', optionalOldSelf: true })(2), false);
  assert.equal(celCheck({ rule: 'oldSelf.orValue(self) == self', optionalOldSelf: true })(2), true);
});

test('the message is computed where there is an expression for it', () => {
  assert.equal(celMessage({ rule: 'false', messageExpression: '"not " + self' }, 'a'), 'not a');
  assert.equal(celMessage({ rule: 'false', message: 'no ', messageExpression: 'self.b' }, {}), 'no');
  assert.equal(celMessage({ rule: ' false ' }, {}), 'does not satisfy false');
});

test('what is not compiled is said when it is compiled, not silently wrong', () => {
  for (const rule of ['self.map(x, x)', 'self * 2 == 4', 'unknown(self)', 'other == 1', 'self.matches(self)']) {
    assert.throws(() => holds(rule, []), /CEL: /);
  }
});
