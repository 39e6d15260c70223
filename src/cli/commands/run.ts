// portolan run: files → a gateway on this machine, kept in step with the files until it is told to stop.
import { dump } from '../../pipeline/dump.ts';
import type { Engine } from '../../routing/engine.ts';
import { Misuse } from '../command.ts';
import type { Arguments } from '../command.ts';
import type { Run } from '../main.ts';
import { Model } from '../model/model.ts';
import type { LoadProgress } from '../model/model.ts';
import { parseListen, parseName } from '../model/names.ts';
import { engineOf, modelOptions } from '../model/options.ts';
import { startAdmin } from '../run/admin.ts';
import type { Admin } from '../run/admin.ts';
import { DevCertificates } from '../run/dev-certificates.ts';
import { EchoBackends } from '../run/echo.ts';
import { engineSettings, startLocalEngine } from '../run/engines.ts';
import { PortPlan } from '../run/ports.ts';
import type { FixedPort, PortRules } from '../run/ports.ts';
import { Report } from '../run/report.ts';
import type { Serving } from '../run/report.ts';
import { Session } from '../run/session.ts';
import { everythingSaid, problemLines, severity } from '../said.ts';
import { stopSignal } from '../stop-signal.ts';
import { Paint } from '../terminal.ts';

export const run: Run = async (args) => {
  const settings = settingsOf(args);
  // With an access log on standard output, that is all there is on it.
  const out = settings.accessLog ? process.stderr : process.stdout;
  const paint = new Paint(out);
  const report = new Report(paint, (text) => void out.write(text));
  const begun = performance.now();
  const model = new Model({ ...modelOptions(args), ...engineOf(args), serving: true });
  const sessions: Session[] = [];
  const naming: { ask: (secrets: readonly string[], name: string) => void } = { ask: () => {} };
  const engine = await startLocalEngine(args, settings, {
    onReport: (bind) => sessions[0]?.report(bind),
    onLeftOut: (rows) => sessions[0]?.leaveOut(rows),
    ...(args.on('dev-certificates') ? { onMissingName: (secrets, name) => naming.ask(secrets, name) } : {}),
    say: (text, severity) => report.say(severity === 'error' ? paint.red(text) : text),
  });
  try {
    const certificates = args.on('dev-certificates') ? new DevCertificates(true) : undefined;
    const authority = certificates ?? new DevCertificates(false);
    const echo = args.on('echo') ? new EchoBackends(() => authority.open()) : undefined;
    if (echo !== undefined) model.add(echo);
    if (certificates !== undefined) model.add(certificates);
    const ports = new PortPlan(settings.ports);
    const serving = (): Serving => ({ model, placed: ports.placed, authority: certificates?.authority?.path });
    const session = new Session({
      model,
      ports,
      engine,
      events: {
        onChange: (change, took) => report.change(serving(), change, took),
        onMoved: () => report.moved(serving()),
      },
    });
    sessions.push(session);
    naming.ask = (secrets, name) => {
      if (certificates?.ask(secrets, name) === true) session.refresh();
    };
    model.source.follow((change) => session.take(change));
    await model.load(progress(process.stderr));
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    if (model.source.size === 0 && complain(model)) return 1;
    await session.start();
    // Before anybody can read that it serves, and then send a signal.
    const told = stopSignal();
    report.opening(serving(), performance.now() - begun);
    if (certificates?.authority !== undefined) report.trust(certificates.authority);
    checkPorts(ports, model, report);
    model.backends.follow(() => session.refresh());
    const stopping = { now: false };
    const admin = await openAdmin(args, { model, engine, stopping }, report);
    await told;
    stopping.now = true;
    report.say(`stopping: requests in flight have ${settings.drain} s`);
    session.close();
    model.close();
    await engine.drain(settings.drain * 1000);
    admin?.close();
    await echo?.close();
    return 0;
  } finally {
    model.close();
    await engine.close();
  }
};

interface Settings {
  readonly ports: PortRules;
  readonly workers: number;
  readonly trustedHops: number;
  readonly accessLog: boolean;
  /** Seconds. */
  readonly drain: number;
}

function settingsOf(args: Arguments): Settings {
  return {
    ports: {
      address: args.text('bind') ?? '127.0.0.1',
      offset: args.number('port-offset', { min: 0, max: 64_512 }) ?? 8000,
      fixed: args.texts('port').map(parseFixedPort),
    },
    ...engineSettings(args),
    drain: args.number('drain', { min: 0, max: 3600 }) ?? 10,
  };
}

/** `[NS/]GATEWAY/LISTENER=PORT`; a ListenerSet stands where the Gateway does. */
function parseFixedPort(text: string): FixedPort {
  const [, namespace, owner = '', listener = '', digits] =
    /^(?:([^/=]+)\/)?([^/=]+)\/([^/=]+)=(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port < 1 || port > 65_535) {
    throw new Misuse(
      `--port takes [NAMESPACE/]GATEWAY/LISTENER=PORT, not "${text}"`,
      'for example --port web/http=8080',
    );
  }
  parseName('--port', `${namespace ?? 'default'}/${owner}`);
  return { ...(namespace === undefined ? {} : { namespace }), owner, listener, port };
}

const slow = 1500;

/** A line that counts up on a terminal; elsewhere a line when it takes longer, and one for every few seconds. */
function progress(stream: NodeJS.WriteStream): (progress: LoadProgress) => void {
  let next = performance.now() + slow;
  return (progress) => {
    if (performance.now() < next) return;
    next = performance.now() + (stream.isTTY ? 100 : 2000);
    const text = progressText(progress);
    stream.write(stream.isTTY ? `\r\u001b[K${text}` : `${text}\n`);
  };
}

function progressText(progress: LoadProgress): string {
  const objects = progress.objects.toLocaleString('en');
  if (progress.step === 'checking') return `Checked ${objects} of ${progress.ofObjects.toLocaleString('en')} objects`;
  return `Read ${progress.files} of ${progress.ofFiles} files, ${objects} objects`;
}

/** When nothing at all could be read there is nothing to wait for. */
function complain(model: Model): boolean {
  const errors = everythingSaid(model).filter((said) => severity(said) === 'error');
  const paint = new Paint(process.stderr);
  for (const said of errors) process.stderr.write(`${problemLines(said, model.source, paint)}\n`);
  return errors.length > 0;
}

function checkPorts(ports: PortPlan, model: Model, report: Report): void {
  const { binds } = model.pipeline.tables;
  const all = [...binds.keys()].flatMap((key) => binds.get(key) ?? []);
  for (const { namespace, owner, listener, port } of ports.unused(all)) {
    const name = `${namespace === undefined ? '' : `${namespace}/`}${owner}/${listener}`;
    report.say(`--port ${name}=${port}: there is no such listener`);
  }
}

interface Running {
  readonly model: Model;
  readonly engine: Engine;
  readonly stopping: { readonly now: boolean };
}

async function openAdmin(
  args: Arguments,
  { model, engine, stopping }: Running,
  report: Report,
): Promise<Admin | undefined> {
  const text = args.text('admin');
  if (text === undefined) return undefined;
  const { tables } = model.pipeline;
  const admin = await startAdmin(parseListen('--admin', text), {
    waiting: () => {
      if (stopping.now) return ['stopping'];
      return [...tables.binds.keys()]
        .filter((bind) => tables.reports.get(bind)?.state !== 'serving')
        .map((bind) => `${bind} is not served`);
    },
    metrics: () => engine.metrics(),
    config: () => dump(tables),
  });
  report.say(`admin at ${admin.url}: /healthz /readyz /metrics /config`);
  return admin;
}
