/** The registry of database engines: what is not here is not supported, and nothing else names one. */
import type { DatabaseEngine } from '../protocol/entities.ts';
import type { EngineModule } from './engineModule.ts';
import { postgresEngine } from './postgres/engine.ts';

export const engines: readonly [EngineModule, ...EngineModule[]] = [postgresEngine];

export const engineOf = (name: DatabaseEngine): EngineModule | undefined =>
  engines.find(({ engine }) => engine === name);

const [first, ...others] = engines;
/** Of all engines, for whoever keeps their servers. */
export const serverTraits = [first.traits, ...others.map(({ traits }) => traits)] as const;

/** One part of each engine, by its name. */
export const byEngine = <Part>(part: (engine: EngineModule) => Part): Partial<Record<DatabaseEngine, Part>> =>
  Object.fromEntries(engines.map((engine) => [engine.engine, part(engine)]));
