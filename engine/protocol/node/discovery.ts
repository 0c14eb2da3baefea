/** The discovery file: how a client learns which engine runs, and where it answers. */
import { readFile } from 'node:fs/promises';
import * as z from 'zod';

export const discoverySchema = z.object({
  format: z.literal(1),
  pid: z.number().int().positive(),
  version: z.string(),
  protocol: z.number().int(),
  /** The engine's build: two builds of one version in development differ here. */
  build: z.string(),
  startedAt: z.iso.datetime(),
  socket: z.string(),
  /** Every request carries it: the file is readable by its owner alone. */
  token: z.string(),
  /** Loopback TCP, when asked for. */
  tcpPort: z.number().int().nullable(),
});
export type Discovery = z.infer<typeof discoverySchema>;

/** The file's content, or undefined when there is none or it can't be read as one. It says who wrote it, not that it lives. */
export async function readDiscovery(path: string): Promise<Discovery | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return discoverySchema.parse(JSON.parse(text));
  } catch {
    // best effort: a half-written or foreign file is as good as none, the lock decides who runs
    return undefined;
  }
}
