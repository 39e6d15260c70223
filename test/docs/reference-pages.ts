// The reference pages of docs/ that are made from tables of the code, so that they cannot fall behind it.
import { exposition, sumSnapshots } from '../../src/engines/embedded/exposition.ts';
import type { Limits } from '../../src/engines/embedded/options.ts';
import { defaultLimits as ofEnvoy } from '../../src/engines/envoy/limits.ts';
import { limitName, limitNames } from '../../src/cli/run/limits.ts';
import { severityOf, type Problem, type ProblemCode } from '../../src/routing/problem.ts';
import { features } from '../../src/status/features.ts';
import { verdictOf } from '../../src/status/reasons.ts';
import { lintCodes } from '../../src/tools/lint/finding.ts';

export const pages: Readonly<Record<string, () => string>> = {
  'features.md': featuresPage,
  'problems.md': problemsPage,
  'limits.md': limitsPage,
  'metrics.md': metricsPage,
};

function featuresPage(): string {
  const rows = features.map(({ name, channel, engines, provisioned, shownBy }) => [
    provisioned === true ? `${name} (where Gateways have data planes of their own)` : name,
    channel,
    engines.join(', '),
    `\`test/${shownBy}\``,
  ]);
  return `# Features

The official feature names that Portolan claims (\`GatewayClass.status.supportedFeatures\`). A feature is claimed only where a
test shows it.

${table(['feature', 'channel', 'engines', 'shown by'], rows)}`;
}

function problemsPage(): string {
  const codes = Object.keys(severityOf) as ProblemCode[];
  const rows = codes.map((code) => {
    const verdict = verdictOf({ code } as Problem);
    const condition = verdict === 'none' ? '' : `${verdict.type}=${verdict.status}, ${verdict.reason}`;
    return [code, severityOf[code], condition];
  });
  const own = Object.entries(lintCodes).map(([code, meaning]) => [code, meaning]);
  return `# Problems

What can be said about an object: by \`run\`, \`lint\` and \`explain\`, and in a cluster as a condition. Each problem names its
object, its field, its file and line, and what to do. Errors: something is not served as it was written. Warnings: it is
served, but worth a look.

${table(['code', 'severity', 'condition'], rows)}
## Findings of lint alone

${table(['code', 'meaning'], own)}`;
}

function limitsPage(): string {
  const envoy = new Map(Object.entries(ofEnvoy).map(([key, value]) => [limitName(key as keyof Limits), value]));
  const ofIts = (name: string, standard: number): string => {
    const own = envoy.get(name);
    return own === undefined ? '' : own === standard ? 'yes' : `yes, ${own}`;
  };
  const rows = limitNames().map(({ name, meaning, default: standard }) => [
    `\`${name}\``,
    String(standard),
    ofIts(name, standard),
    meaning,
  ]);
  return `# Limits of the data plane

Everything that a peer could make grow or last has a limit. \`portolan run --limit NAME=N\` sets one; so does \`proxy.limits\` of a
GatewayConfig, by names in the form \`headBytes\`. What Envoy does not have is refused for it; where its default is another one, it stands there.

${table(['name', 'default', 'Envoy', 'meaning'], rows)}`;
}

function metricsPage(): string {
  const text = exposition(sumSnapshots([]), { running: 1, crashes: 0 });
  const rows = [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)/gm)].map(
    ([, name = '', help = '', type = '']) => [`\`${name}\``, type, help],
  );
  return `# Metrics

\`portolan run --admin HOST:PORT\` serves them at /metrics in the text format of Prometheus, summed over the workers. Labels are
bounded: listeners, routes and classes of codes, never paths, hosts or clients.

${table(['name', 'type', 'meaning'], rows)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}
