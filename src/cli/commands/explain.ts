// portolan explain: which rule takes a request and why, as text or JSON.
import type { HeaderValue } from '../../routing/filters.ts';
import { explain } from '../../tools/explain/explain.ts';
import type { Question } from '../../tools/explain/explanation.ts';
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
  const question = questionOf(args);
  const model = new Model({ ...modelOptions(args, 2), serving: false });
  if (args.on('dev-certificates')) model.add(new DevCertificates(false));
  await model.load();
  await placeAsRunWould(model, args);
  misreadPaths(model, new Paint(process.stderr));
  const answer = explain(model.pipeline.tables, question);
  if ('misasked' in answer) throw new Misuse(answer.misasked);
  if (args.text('output') === 'json') {
    process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
  } else {
    const page = { paint: new Paint(process.stdout), width: widthOf(process.stdout) };
    process.stdout.write(explanationText(answer, { ...page, source: model.source }));
  }
  model.close();
  return answer.answers.some(({ outcome }) => outcome.kind === 'taken') ? 0 : 1;
};

function questionOf(args: Arguments): Question {
  const [method = '', url = ''] = args.operands;
  const gateway = args.text('gateway');
  const sni = args.text('sni');
  return {
    method,
    url,
    headers: args.texts('header').map(parseHeader),
    ...(gateway === undefined ? {} : { gateway }),
    ...(sni === undefined ? {} : { sni }),
  };
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
