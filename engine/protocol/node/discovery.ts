/** The discovery file: how a client learns which engine runs, and where it answers. */
import { readFile } from 'node:fs';

export interface Discovery {
  format: 1;
  pid: number;
  version: string;
  protocol: number;
  /** The engine's build: two builds of one version in development differ here. */
  build: string;
  /** RFC 3339. */
  startedAt: string;
  socket: string;
  /** Every request carries it: the file is readable by its owner alone. */
  token: string;
  /** Loopback TCP, when asked for. */
  tcpPort: number | null;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

/** Every command reads it before anything else, so it is looked at without a schema. */
function toDiscovery(document: unknown): Discovery | undefined {
  if (typeof document !== 'object' || document === null) return undefined;
  const { format, pid, version, protocol, build, startedAt, socket, token, tcpPort } = document as Partial<
    Record<keyof Discovery, unknown>
  >;
  const isOurs =
    format === 1 &&
    isWhole(pid) &&
    pid > 0 &&
    isText(version) &&
    isWhole(protocol) &&
    isText(build) &&
    isText(startedAt) &&
    !Number.isNaN(Date.parse(startedAt)) &&
    isText(socket) &&
    isText(token) &&
    (tcpPort === null || isWhole(tcpPort));
  return isOurs ? { format, pid, version, protocol, build, startedAt, socket, token, tcpPort } : undefined;
}

/** The file's content, or undefined when there is none or it can't be read as one. It says who wrote it, not that it lives. */
export async function readDiscovery(path: string): Promise<Discovery | undefined> {
  let text: string;
  try {
    // Not of node:fs/promises, which takes as long to load as to ask the engine.
    text = await new Promise((resolve, reject) => {
      readFile(path, 'utf8', (error, content) => {
        if (error === null) resolve(content);
        else reject(error);
      });
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return toDiscovery(JSON.parse(text));
  } catch {
    // best effort: a half-written or foreign file is as good as none, the lock decides who runs
    return undefined;
  }
}
