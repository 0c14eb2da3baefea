/** Where a server in a container says what it does: its log file, and the daemon where the image has no shell to lead it there. */
import type Docker from 'dockerode';
import type { ServerSpec } from '../runtime.ts';

export const SHELL = '/bin/sh';

/** The shell becomes the server, so that signals and its end are the server's own. Words are arguments, never text of the script. */
export function ownLog(spec: Pick<ServerSpec, 'program' | 'args' | 'logFile'>): {
  program: string;
  args: readonly string[];
} {
  return {
    program: SHELL,
    args: ['-c', 'exec "$@" >>"$0" 2>&1', spec.logFile, spec.program, ...spec.args],
  };
}

/** The frame of each piece: which stream, three bytes of nothing, and the length of what follows. */
const HEADER_BYTES = 8;
const LENGTH_AT = 4;

export async function logsOf(container: Docker.Container, lines?: number): Promise<string> {
  const framed = await container.logs({
    ...{ stdout: true, stderr: true, follow: false as const },
    ...(lines === undefined ? {} : { tail: lines }),
  });
  const pieces: Buffer[] = [];
  for (let at = 0; at + HEADER_BYTES <= framed.length;) {
    const end = at + HEADER_BYTES + framed.readUInt32BE(at + LENGTH_AT);
    pieces.push(framed.subarray(at + HEADER_BYTES, end));
    at = end;
  }
  return Buffer.concat(pieces).toString('utf8');
}
