/** What requests, answers and events may be, as their writers and their readers have it today: JSON schemas of the routes table. */
import * as z from 'zod';
import type { Schema } from '../../../engine/protocol/compact/conform.ts';
import { errorSchema } from '../../../engine/protocol/entities.ts';
import { eventSchema } from '../../../engine/protocol/events.ts';
import { routes } from '../../../engine/protocol/routes.ts';

/** One side of the contract: what is written, or what is understood. */
export interface Side {
  /** By the name of the route: params, query and body. A client writes them as the engine reads them, and fills in no defaults. */
  requests: Record<string, Schema>;
  answers: Record<string, Schema>;
  events: Record<string, Schema>;
  failure: Schema;
  $defs: Record<string, Schema>;
}

export interface Contract {
  writes: Side;
  reads: Side;
}

const events = Object.fromEntries(eventSchema.options.map((event) => [event.shape.kind.value, event]));

function sideOf(io: 'input' | 'output'): Side {
  const all = Object.values(routes);
  const whole = z.object({
    requests: z.object(
      Object.fromEntries(
        all.map(({ name, params, query, body }) => [name, z.strictObject({ params, query, body })]),
      ),
    ),
    answers: z.object(Object.fromEntries(all.map(({ name, response }) => [name, response]))),
    events: z.object(events),
    failure: z.object({ error: errorSchema }),
  });
  const { properties, $defs } = z.toJSONSchema(whole, {
    io,
    reused: 'ref',
    override({ zodSchema, jsonSchema }) {
      // Any text is read as something: so no value is one that is not understood.
      if (io === 'input' && zodSchema._zod.def.type === 'string') Reflect.deleteProperty(jsonSchema, 'enum');
      Reflect.deleteProperty(jsonSchema, 'description');
      // An answer may have more; that it has not today is no promise.
      if (io === 'output' && jsonSchema.additionalProperties === false)
        Reflect.deleteProperty(jsonSchema, 'additionalProperties');
    },
  }) as unknown as {
    properties: Record<string, { properties: Record<string, Schema> }>;
    $defs: Side['$defs'];
  };
  const part = (name: string): Record<string, Schema> => properties[name]?.properties ?? {};
  return {
    requests: part('requests'),
    answers: part('answers'),
    events: part('events'),
    failure: properties['failure'] as Schema,
    $defs,
  };
}

export const contractOfToday = (): Contract => ({ reads: sideOf('input'), writes: sideOf('output') });
