// portolan explain: which rule takes a request or a connection and why, as text or JSON.
import type { Tables } from '../../pipeline/tables.ts';
import type { HeaderValue } from '../../routing/filters.ts';
import { explain } from '../../tools/explain/explain.ts';
import type { Explanation, Outcome, StreamExplanation, StreamOutcome } from '../../tools/explain/explanation.ts';
import type { Misasked } from '../../tools/explain/request.ts';
import { explainStream, isStreamUrl } from '../../tools/explain/stream.ts';
import { Misuse } from '../command.ts';
import type { Arguments } from '../command.ts';
import { explanationText } from '../explanation-text.ts';
import type { Run } from '../main.ts';
import { misreadPaths } from '../misread.ts';
import { Model } from '../model/model.ts';
import { modelOptions } from '../model/options.ts';
import { DevCertificates } from '../run/dev-certificates.ts';
import { PortPlan } from '../run/ports.ts';
import { Paint, printable, widthOf } from '../terminal.ts';

export const run: Run = async (args) => {
  // Without a method the URL comes first.
  const operands = args.operands[0]?.includes('://') === true ? 1 : 2;
  const [method, url = ''] = operands === 1 ? [undefined, args.operands[0]] : args.operands;
  if (url === '') throw new Misuse('explain needs a URL', 'for example portolan explain GET http://example.com/ -f .');
  const model = new Model({ ...modelOptions(args, operands), serving: false });
  if (args.on('dev-certificates')) model.add(new DevCertificates(false));
  await model.load();
  await placeAsRunWould(model, args);
  misreadPaths(model, new Paint(process.stderr));
  const answer = explainAny(model.pipeline.tables, args, { method, url });
  if ('misasked' in answer) throw new Misuse(answer.misasked);
  if (args.text('output') === 'json') {
    process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
  } else {
    const page = { paint: new Paint(process.stdout), width: widthOf(process.stdout) };
    process.stdout.write(explanationText(answer, { ...page, source: model.source }));
  }
  model.close();
  return answer.answers.some(({ outcome }) => isAnswered(outcome)) ? 0 : 1;
};

function explainAny(
  tables: Tables,
  args: Arguments,
  { method, url }: { readonly method: string | undefined; readonly url: string },
): Explanation | StreamExplanation | Misasked {
  const gateway = args.text('gateway');
  const sni = args.text('sni');
  const rest = { ...(gateway === undefined ? {} : { gateway }), ...(sni === undefined ? {} : { sni }) };
  if (!isStreamUrl(url)) {
    const usual = /^grpcs?:/i.test(url) ? 'POST' : 'GET';
    return explain(tables, { method: method ?? usual, url, headers: args.texts('header').map(parseHeader), ...rest });
  }
  if (method !== undefined) throw new Misuse(`a connection has no method: leave out ${printable(method)}`);
  return explainStream(tables, { url, ...rest });
}

function isAnswered(outcome: Outcome | StreamOutcome): boolean {
  return outcome.kind === 'stream'
    ? isAnswered(outcome.outcome)
    : outcome.kind === 'taken' || outcome.kind === 'carried';
}

function parseHeader(text: string): HeaderValue {
  const colon = text.indexOf(':');
  if (colon < 1) throw new Misuse(`-H takes "NAME: VALUE", not "${printable(text)}"`);
  return { name: text.slice(0, colon).trim(), value: text.slice(colon + 1).trim() };
}

/** The local ports that `run` would choose if all were free; redirects name them. */
async function placeAsRunWould(model: Model, args: Arguments): Promise<void> {
  const offset = args.number('port-offset', { min: 0, max: 64_512 }) ?? 8000;
  const plan = new PortPlan({ address: '127.0.0.1', offset, fixed: [] }, () => Promise.resolve(true));
  const { binds } = model.pipeline.tables;
  const placed = await plan.place([...binds.keys()].flatMap((key) => binds.get(key) ?? []));
  model.pipeline.place(placed.map(({ bind, address, port }) => ({ bind, address, port })));
  await model.settle();
}
