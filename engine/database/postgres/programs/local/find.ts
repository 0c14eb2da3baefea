/** Finds the PostgreSQL programs for this engine: where those that travel with it lie, and as a user who may run them. */
import type { DoctorCheck } from '../../../../protocol/entities.ts';
import type { ProgramPlaces } from '../../../engineModule.ts';
import { findBundledDirectory } from './bundledDirectory.ts';
import { localProgramHost } from './programHost.ts';
import { locatePrograms, type ClientPrograms, type Located, type ServerPrograms } from '../locate.ts';
import { stagePrograms } from './stage.ts';

export interface FoundPrograms {
  readonly server: Located<ServerPrograms>;
  readonly client: Located<ClientPrograms>;
}

/** A server of exactly a major version (the newest without one) and the newest client tools of at least it. */
export function findPrograms(options: ProgramPlaces): (major?: number) => Promise<FoundPrograms> {
  const host = localProgramHost({ PATH: options.variables.PATH });
  const stage = async <Kind extends ServerPrograms | ClientPrograms>(
    found: Located<Kind>,
  ): Promise<Located<Kind>> =>
    found.ok && options.machine.serverUser !== undefined
      ? {
          ok: true,
          programs: await stagePrograms(found.programs, { intoDirectory: options.programsDirectory }),
        }
      : found;
  return async (major) => {
    const named = options.variables.THIN_CLONES_BUNDLED_PROGRAMS;
    const bundled =
      named === undefined || named === ''
        ? await findBundledDirectory(options.engineDirectory, process)
        : named;
    const found = await locatePrograms({
      host,
      setting: options.settings,
      bundledDirectory: bundled,
      major,
    });
    return { server: await stage(found.server), client: await stage(found.client) };
  };
}

/** What the doctor says of the programs. */
export async function examinePrograms(options: ProgramPlaces): Promise<readonly DoctorCheck[]> {
  const { server, client } = await findPrograms(options)();
  const check = (name: string, found: Located<ServerPrograms | ClientPrograms>): DoctorCheck =>
    found.ok
      ? {
          name,
          status: 'ok',
          message: `PostgreSQL ${found.programs.version}, ${originText[found.programs.origin]}`,
          ...{ fix: null, advice: null },
        }
      : {
          name,
          status: 'problem',
          message: `${found.missing.what} was not found`,
          ...{ fix: null, advice: found.missing.install },
        };
  return [check('database server', server), check('client tools', client)];
}

const originText = {
  setting: 'from the settings',
  machine: "the machine's own",
  bundled: 'bundled',
  image: 'of an image',
} as const;
