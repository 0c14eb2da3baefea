/** Says which engine belongs to this extension, and how it is started. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../engine/protocol/errors.ts';
import type { EngineProgram } from '../../engine/protocol/node/launch.ts';

/** What the settings say about programs and storage; an empty string means the default. */
export interface EngineSettings {
  readonly serverDirectory: string;
  readonly clientDirectory: string;
  readonly storageDriver: string;
  readonly storagePath: string;
}

export interface LocateOptions {
  readonly extensionPath: string;
  /** The extension's version, which is the engine's. */
  readonly version: string;
  readonly settings: EngineSettings;
  /** Where programs that travel with the extension are. */
  readonly bundledPrograms: string;
  /** Node, or VS Code's own executable. */
  readonly execPath: string;
  /** Whether this process has node:sqlite; the engine runs on the same executable. */
  readonly hasSqlite: boolean;
  readonly nodeVersion: string;
}

export const bundledProgramsFolder = (extensionPath: string): string =>
  join(extensionPath, 'dist', 'programs');

/** Errors: `node_too_old`, `engine_start_failed` when the extension was not built. */
export async function locateEngine(options: LocateOptions): Promise<EngineProgram> {
  const { extensionPath, version, settings } = options;
  if (!options.hasSqlite) throw fail('node_too_old', { version: options.nodeVersion });
  return {
    execPath: options.execPath,
    file: join(extensionPath, 'dist', 'engine.mjs'),
    version,
    build: await readBuild(join(extensionPath, 'dist', 'build.json')),
    env: engineVariables(options.bundledPrograms, settings),
  };
}

/** Settings reach the engine through its environment: it reads them once, when it starts. */
export function engineVariables(bundledPrograms: string, settings: EngineSettings): Record<string, string> {
  const variables: Record<string, string> = {
    THIN_CLONES_BUNDLED_PROGRAMS: bundledPrograms,
    THIN_CLONES_SERVER_PROGRAMS: settings.serverDirectory,
    THIN_CLONES_CLIENT_PROGRAMS: settings.clientDirectory,
    THIN_CLONES_STORAGE_DRIVER: settings.storageDriver === 'auto' ? '' : settings.storageDriver,
    THIN_CLONES_STORAGE_PATH: settings.storagePath,
  };
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
}

async function readBuild(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw fail(
      'engine_start_failed',
      { problem: `${file} is missing: the extension is incomplete`, log: file },
      { cause: error },
    );
  }
  const { build } = JSON.parse(text) as { build?: unknown };
  return typeof build === 'string' ? build : 'unknown';
}
