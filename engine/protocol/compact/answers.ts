/**
 * As `../answers.ts`, from the document that the build wrote down: what the engine answers is checked as strictly, without
 * zod and the schemas, which take longer to load than most commands run. Those are asked only about what does not conform.
 */
import type * as z from 'zod';
import type { Understood } from '../answers.ts';
import type { ErrorDocument } from '../entities.ts';
import type { Event } from '../events.ts';
import type { RouteName, Routes } from '../routes.ts';
import { conform, mismatch, type Schema } from './conform.ts';
import { contract } from './contract.ts';

export function requestOf(name: RouteName): { method: string; path: string; hasBody: boolean } {
  const request = contract.requests[name];
  if (request === undefined) throw new Error(`There is no route ${name}.`);
  return request;
}

async function understand<Value>(
  schema: Schema | undefined,
  document: unknown,
  askSchemas: () => Promise<Understood<Value>>,
): Promise<Understood<Value>> {
  const taken = schema === undefined ? mismatch : conform(schema, document, contract.$defs);
  return taken === mismatch ? await askSchemas() : { ok: true, value: taken as Value };
}

export const understandAnswer = async <Name extends RouteName>(
  name: Name,
  document: unknown,
): Promise<Understood<z.output<Routes[Name]['response']>>> =>
  understand(contract.answers[name], document, async () =>
    (await import('../answers.ts')).understandAnswer(name, document),
  );

export const understandFailure = async (document: unknown): Promise<Understood<{ error: ErrorDocument }>> =>
  understand(contract.failure, document, async () =>
    (await import('../answers.ts')).understandFailure(document),
  );

export const understandEvent = async (document: unknown): Promise<Understood<Event>> =>
  understand(contract.event, document, async () => (await import('../answers.ts')).understandEvent(document));
