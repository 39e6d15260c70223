// Rules that answer every request with 500, or close every connection, although nothing about them is invalid, and listeners that
// nobody attached to.
import type { Tables } from '../../pipeline/tables.ts';
import type { Frontend, Rule } from '../../routing/model.ts';
import { at } from '../../routing/origin.ts';
import { listenersOf } from '../listeners.ts';
import type { Finding } from './finding.ts';

export function lintTraffic(tables: Tables): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const key of tables.rules.keys()) {
    const rule = tables.rules.get(key);
    const found = rule === undefined ? undefined : answersNothing(rule);
    if (found === undefined) continue;
    const place = `${JSON.stringify(found.at)} ${found.code}`;
    if (!seen.has(place)) findings.push(found);
    seen.add(place);
  }
  for (const key of tables.gateways.keys()) {
    const gateway = tables.gateways.get(key);
    if (gateway === undefined || !gateway.managed) continue;
    for (const { listener } of listenersOf(gateway)) {
      // One that is not served has a problem that says so.
      if (listener.frontend === undefined || (tables.attached.get(listener.key)?.length ?? 0) > 0) continue;
      const message = `no route is attached to listener ${listener.name}, so it ${idleness[listener.frontend.protocol]}`;
      findings.push({ severity: 'info', code: 'UnusedListener', at: listener.origin, message, related: [] });
    }
  }
  return findings;
}

const idleness: Readonly<Record<Frontend['protocol'], string>> = {
  HTTP: 'answers every request with 404',
  HTTPS: 'answers every request with 404',
  TLS: 'closes every connection',
  TCP: 'closes every connection',
  UDP: 'drops every datagram',
};

function answersNothing(rule: Rule): Finding | undefined {
  if (rule.action.kind !== 'forward') return undefined;
  const { backends } = rule.action;
  const what =
    rule.protocol === 'stream' ? 'closes every connection, or drops every datagram' : 'answers every request with 500';
  if (backends.length === 0) {
    const message =
      rule.protocol === 'stream'
        ? `the rule has no backends, so it ${what}`
        : `the rule has neither backends nor a redirect, so it ${what}`;
    return { severity: 'warning', code: 'NoBackends', at: rule.origin, message, fix: 'add backendRefs', related: [] };
  }
  if (backends.some(({ weight }) => weight > 0)) return undefined;
  const message = `every backend has the weight 0, so the rule ${what}`;
  return {
    severity: 'warning',
    code: 'NoTraffic',
    at: at(rule.origin, 'backendRefs'),
    message,
    fix: 'give a backend a weight above 0',
    related: [],
  };
}
