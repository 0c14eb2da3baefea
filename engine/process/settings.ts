/** The engine's settings: a file in its home, overridden by environment variables that a client passes at the start. */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { storageDriverSchema } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';

export const settingsSchema = z.strictObject({
  storage: z
    .strictObject({
      driver: storageDriverSchema.optional(),
      path: z.string().optional(),
      /** Of ZFS, below which datasets are kept: "tank/thin". */
      dataset: z.string().optional(),
    })
    .default({}),
  programs: z
    .strictObject({ serverDirectory: z.string().optional(), clientDirectory: z.string().optional() })
    .default({}),
  /** How other hosts are reached; default: the ssh of the PATH, with the user's own configuration. */
  ssh: z.strictObject({ program: z.string().optional(), configFile: z.string().optional() }).default({}),
  /** User that runs database servers when the engine is root. */
  serverUser: z.string().optional(),
  /** Loopback TCP port beside the socket; 0 takes any. */
  tcpPort: z.number().int().min(0).max(65535).optional(),
});
export type Settings = z.infer<typeof settingsSchema>;

const text = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/** Throws `invalid_file` for a settings file that is not right. */
export function readSettings(
  path: string,
  variables: Readonly<Record<string, string | undefined>>,
): Settings {
  let document: unknown = {};
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!missing) throw fail('invalid_file', { file: path, problems: [String(error)] }, { cause: error });
  }
  const parsed = settingsSchema.safeParse(document);
  if (!parsed.success) throw fail('invalid_file', { file: path, problems: [z.prettifyError(parsed.error)] });
  const settings = parsed.data;
  const driver = text(variables.THIN_CLONES_STORAGE_DRIVER);
  const checked = driver === undefined ? undefined : storageDriverSchema.safeParse(driver);
  if (checked?.success === false) {
    const problem = `THIN_CLONES_STORAGE_DRIVER is "${driver ?? ''}"; use one of ${storageDriverSchema.options.join(', ')}`;
    throw fail('invalid_request', { problems: [problem] });
  }
  const tcp = text(variables.THIN_CLONES_TCP_PORT);
  if (tcp !== undefined && !(/^\d{1,5}$/.test(tcp) && Number(tcp) <= 65_535)) {
    const problem = `THIN_CLONES_TCP_PORT is "${tcp}"; use a port from 1 to 65535, or 0 for any`;
    throw fail('invalid_request', { problems: [problem] });
  }
  return {
    ...settings,
    storage: {
      driver: checked?.data ?? settings.storage.driver,
      path: text(variables.THIN_CLONES_STORAGE_PATH) ?? settings.storage.path,
      dataset: text(variables.THIN_CLONES_STORAGE_DATASET) ?? settings.storage.dataset,
    },
    programs: {
      serverDirectory: text(variables.THIN_CLONES_SERVER_PROGRAMS) ?? settings.programs.serverDirectory,
      clientDirectory: text(variables.THIN_CLONES_CLIENT_PROGRAMS) ?? settings.programs.clientDirectory,
    },
    ssh: {
      program: text(variables.THIN_CLONES_SSH) ?? settings.ssh.program,
      configFile: text(variables.THIN_CLONES_SSH_CONFIG) ?? settings.ssh.configFile,
    },
    tcpPort: tcp === undefined ? settings.tcpPort : Number(tcp),
  };
}
