/** What the client knows of the routes, and how it understands what the engine answers: here by the schemas themselves. */
import * as z from 'zod';
import { errorSchema, type ErrorDocument } from './entities.ts';
import { eventSchema, type Event } from './events.ts';
import { routes, type RouteName, type Routes } from './routes.ts';

/** Either what it means, or what is wrong with it, for people. */
export type Understood<Value> = { ok: true; value: Value } | { ok: false; problem: string };

/** A bundle takes `compact/answers.ts` in place of this module: it has the same functions, and loads neither zod nor schemas. */
export function requestOf(name: RouteName): { method: string; path: string; hasBody: boolean } {
  const { method, path, body } = routes[name];
  return { method, path, hasBody: Object.keys(body.shape).length > 0 };
}

const failureSchema = z.object({ error: errorSchema });

function understand<Schema extends z.ZodType>(
  schema: Schema,
  document: unknown,
): Understood<z.output<Schema>> {
  const parsed = schema.safeParse(document);
  return parsed.success
    ? { ok: true, value: parsed.data }
    : { ok: false, problem: z.prettifyError(parsed.error) };
}

export const understandAnswer = async <Name extends RouteName>(
  name: Name,
  document: unknown,
): Promise<Understood<z.output<Routes[Name]['response']>>> =>
  understand<z.ZodType>(routes[name].response, document) as Understood<z.output<Routes[Name]['response']>>;

export const understandFailure = async (document: unknown): Promise<Understood<{ error: ErrorDocument }>> =>
  understand(failureSchema, document);

export const understandEvent = async (document: unknown): Promise<Understood<Event>> =>
  understand(eventSchema, document);

/** Of everything above, for `compact/describe.ts`. */
export const answerSchemas = {
  answers: Object.fromEntries(Object.entries(routes).map(([name, { response }]) => [name, response])),
  failure: failureSchema,
  event: eventSchema,
};
