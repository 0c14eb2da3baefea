/** PostgreSQL as an engine of the registry: all its parts. */
import type { EngineModule } from '../engineModule.ts';
import { postgresServerTraits } from './serverTraits.ts';
import { postgresSource } from './source.ts';
import { postgresWire } from './wire.ts';

const newestOf = (folders: readonly string[], prefix: string): string[] =>
  folders
    .filter((name) => name.startsWith(prefix))
    .sort((one, other) => one.localeCompare(other, 'en', { numeric: true }))
    .slice(-1);

export const postgresEngine: EngineModule = {
  engine: 'postgres',
  wire: postgresWire,
  traits: [postgresServerTraits],
  source: postgresSource,
  // libpq follows PGSERVICE, PGHOSTADDR and the like before what a command names: a tool that was told to fill a copy
  // would write to the database of whoever started the engine. A command sets what it wants itself.
  isToolVariable: (name) => name.toUpperCase().startsWith('PG'),
  // The newest server, which can hold the data of older ones too, and the client programs.
  travelling: (folders) => [...newestOf(folders, 'postgres-'), ...newestOf(folders, 'client-')],
  fetchTravelling: async ({ platform, ...options }) => {
    const [{ fetchPrograms }, { BUNDLED_MAJOR, isPlatform }] = await Promise.all([
      import('./programs/fetch/fetch.ts'),
      import('./programs/fetch/pinned.ts'),
    ]);
    if (isPlatform(platform)) await fetchPrograms({ ...options, platform, majors: [BUNDLED_MAJOR] });
  },
  // Read when they are needed: the command line asks for the rules alone.
  async create({ programs, ...options }) {
    const [{ createPostgres }, { findPrograms }] = await Promise.all([
      import('./postgres.ts'),
      import('./programs/local/find.ts'),
    ]);
    return createPostgres({ ...options, programs: findPrograms(programs) });
  },
  examine: async (programs) => (await import('./programs/local/find.ts')).examinePrograms(programs),
};
