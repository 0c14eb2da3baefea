/** The registry of database engines: what is not here is not supported, and nothing else names one. */
import type { DatabaseEngine } from '../protocol/entities.ts';
import type { EngineModule } from './engineModule.ts';
import { mongoEngine } from './mongodb/engine.ts';
import { postgresEngine } from './postgres/engine.ts';

export const engines: readonly [EngineModule, ...EngineModule[]] = [postgresEngine, mongoEngine];

export const engineOf = (name: DatabaseEngine): EngineModule | undefined =>
  engines.find(({ engine }) => engine === name);

const [first, ...others] = engines;
/** Of all engines, for whoever keeps their servers. */
export const serverTraits = [...first.traits, ...others.flatMap(({ traits }) => traits)] as const;

/** One part of each engine that has it, by its name. */
export function byEngine<Part>(
  part: (engine: EngineModule) => Part | undefined,
): Partial<Record<DatabaseEngine, Part>> {
  const parts: Partial<Record<DatabaseEngine, Part>> = {};
  for (const engine of engines) {
    const found = part(engine);
    if (found !== undefined) parts[engine.engine] = found;
  }
  return parts;
}
