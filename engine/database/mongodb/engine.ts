/** MongoDB as an engine of the registry: all its parts. */
import type { EngineModule } from '../engineModule.ts';
import { flavours } from './flavours.ts';
import { mongoSource } from './source.ts';

export const mongoEngine: EngineModule = {
  engine: 'mongodb',
  // Connections are passed on byte by byte: drivers open others by themselves.
  wire: undefined,
  traits: [flavours[0].traits, flavours[1].traits],
  source: mongoSource,
  // FerretDB reads all its flags from the environment, too: a server of ours would listen or log where somebody else said.
  isToolVariable: (name) => /^(?:FERRETDB|MONGO)/.test(name.toUpperCase()),
  travelling: () => [],
  fetchTravelling: async () => undefined,
  // Read when they are needed: the command line asks for the rules alone.
  async create({ programs, machine, runtime, socketRoot }) {
    const [{ createMongo }, { findServers }] = await Promise.all([
      import('./mongodb.ts'),
      import('./programs.ts'),
    ]);
    return createMongo({ machine, runtime, socketRoot, servers: findServers(programs) });
  },
  examine: async (programs) => (await import('./programs.ts')).examineServers(programs),
};
