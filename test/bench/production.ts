/** The production build in a folder of its own, so that the checkout's `dist` stays as it is. */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { developmentFolder } from '../../engine/database/postgres/programs/fetch/fetch.ts';
import { platformOf } from '../../engine/database/postgres/programs/fetch/pinned.ts';
import type { EngineProgram } from '../../engine/protocol/node/launch.ts';

const run = promisify(execFile);
const checkout = join(import.meta.dirname, '..', '..');
const SOURCES = ['engine', 'src', 'webview-ui', 'media', 'package.json', 'tsconfig.json', 'esbuild.mjs'];

export interface Production {
  /** An extension folder: package.json, dist/, media/. */
  readonly folder: string;
  readonly engine: EngineProgram;
  /** Bytes of the extension's own bundle. */
  readonly extensionBytes: number;
  /** Bytes of the engine and of every chunk that it can load. */
  readonly engineBytes: number;
  remove(): Promise<void>;
}

const metaSchema = z.object({
  outputs: z.record(
    z.string(),
    z.object({
      bytes: z.number(),
      imports: z.array(z.object({ path: z.string() })),
      entryPoint: z.string().optional(),
    }),
  ),
});
const buildSchema = z.object({ version: z.string(), build: z.string() });

export async function buildProduction(): Promise<Production> {
  const folder = await mkdtemp(join(tmpdir(), 'tc-bench-'));
  // The engine's database servers may run as another user, and read programs from here.
  await chmod(folder, 0o755);
  const remove = async (): Promise<void> => await rm(folder, { recursive: true, force: true });
  try {
    for (const name of SOURCES) await cp(join(checkout, name), join(folder, name), { recursive: true });
    await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'), 'junction');
    await run(process.execPath, ['esbuild.mjs', '--production'], { cwd: folder });
    const platform = platformOf(process);
    if (platform !== undefined && existsSync(developmentFolder(platform))) {
      await symlink(developmentFolder(platform), join(folder, 'dist', 'programs'), 'junction');
    }
    const { outputs } = metaSchema.parse(
      JSON.parse(await readFile(join(folder, 'dist', 'meta.json'), 'utf8')),
    );
    const { version, build } = buildSchema.parse(
      JSON.parse(await readFile(join(folder, 'dist', 'build.json'), 'utf8')),
    );
    return {
      folder,
      engine: { execPath: process.execPath, file: join(folder, 'dist', 'engine.mjs'), version, build },
      extensionBytes: (await stat(join(folder, 'dist', 'extension.cjs'))).size,
      engineBytes: bytesReachable(outputs, 'dist/engine.mjs'),
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

function bytesReachable(outputs: z.infer<typeof metaSchema>['outputs'], entry: string): number {
  const seen = new Set<string>();
  const visit = (file: string): number => {
    const output = outputs[file];
    if (output === undefined || seen.has(file)) return 0;
    seen.add(file);
    return output.imports.reduce((sum, { path }) => sum + visit(path), output.bytes);
  };
  return visit(entry);
}
