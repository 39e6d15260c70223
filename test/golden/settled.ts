// Manifests -> a pipeline that has settled on them, as `kubectl apply` of all of them would leave it.
import { parse, parseAllDocuments } from 'yaml';
import { isClusterScoped } from '../../src/api/kinds.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { groupOf } from '../../src/api/objects.ts';
import type { PipelineOptions } from '../../src/pipeline/pipeline.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { controllerName } from './readable.ts';

/** @param input may set options of the pipeline: `# option NAME: VALUE` */
export function settled(input: string): Pipeline {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName,
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
    ...optionsIn(input),
  });
  for (const document of parseAllDocuments(input)) {
    const object = document.toJS() as KubeObject | null;
    if (object !== null) pipeline.apply(withNamespace(object));
  }
  pipeline.settle();
  return pipeline;
}

function optionsIn(input: string): Partial<PipelineOptions> {
  const lines = input.matchAll(/^# option ([A-Za-z]+): (.*)$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, parse(value as string)]));
}

function withNamespace(object: KubeObject): KubeObject {
  const { metadata } = object;
  if (metadata.namespace !== undefined || isClusterScoped(groupOf(object.apiVersion), object.kind)) return object;
  return { ...object, metadata: { ...metadata, namespace: 'default' } };
}
