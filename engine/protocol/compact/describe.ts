/** Writes down all that a client must know of the routes table as one JSON document, for a bundle. */
import * as z from 'zod';
import { answerSchemas, requestOf } from '../answers.ts';
import { routes, type RouteName } from '../routes.ts';
import { knownKeywords, type Schema } from './conform.ts';

export interface CompactContract {
  requests: Record<string, { method: string; path: string; hasBody: boolean }>;
  answers: Record<string, Schema>;
  failure: Schema;
  event: Schema;
  $defs: Record<string, Schema>;
}

/** Fails for what `conform` would pass over. */
function checkKnown(schema: Schema, path: string): void {
  for (const keyword of Object.keys(schema))
    if (!(knownKeywords as readonly string[]).includes(keyword))
      throw new Error(`${path}: "${keyword}" is nothing that conform.ts checks`);
  if (schema.pattern !== undefined) new RegExp(schema.pattern, 'u');
  if (schema.format !== undefined && schema.pattern === undefined)
    throw new Error(`${path}: the format ${schema.format} has no pattern`);
  const parts: (readonly [string, Schema | undefined | false])[] = [
    ...Object.entries(schema.properties ?? {}),
    ['items', schema.items],
    ['additionalProperties', schema.additionalProperties],
    ['propertyNames', schema.propertyNames],
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])].map(
      (each, index) => [String(index), each] as const,
    ),
  ];
  for (const [name, part] of parts)
    if (part !== undefined && part !== false) checkKnown(part, `${path}/${name}`);
}

export function describeContract(): CompactContract {
  const whole = z.object({ ...answerSchemas, answers: z.object(answerSchemas.answers) });
  const described = z.toJSONSchema(whole, { io: 'input', reused: 'ref' }) as unknown as {
    properties: { answers: { properties: Record<string, Schema> }; failure: Schema; event: Schema };
    $defs: Record<string, Schema>;
  };
  const { properties, $defs } = described;
  const answers = properties.answers.properties;
  const contract = { answers, failure: properties.failure, event: properties.event, $defs };
  for (const [name, schema] of Object.entries({ ...answers, ...$defs })) checkKnown(schema, name);
  checkKnown(contract.failure, 'failure');
  checkKnown(contract.event, 'event');
  const names = Object.keys(routes) as RouteName[];
  return { requests: Object.fromEntries(names.map((name) => [name, requestOf(name)])), ...contract };
}
