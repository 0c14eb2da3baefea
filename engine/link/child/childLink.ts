/** A link over a program of this machine, whose standard input and output are the far end's. */
import { fail, type ThinClonesError } from '../../protocol/errors.ts';
import { lastWords } from '../lastWords.ts';
import type { Link, LinkStream, OpenOptions } from '../link.ts';
import { refuseAborted, unlessAborted } from '../unlessAborted.ts';
import { startCarrier, type Carrier, type CarrierCommand, type CarrierEnd } from './carrier.ts';

export interface ChildLinkOptions extends CarrierCommand {
  /** Of the host, as errors name it. */
  name: string;
  /** For people. */
  address: string;
}

export function createChildLink(options: ChildLinkOptions): Link {
  const { name, address } = options;
  return {
    address,
    async open({ signal, onProgress }: OpenOptions): Promise<LinkStream> {
      refuseAborted(signal);
      onProgress?.(`Starting ${options.program}`);
      let carrier: Carrier;
      try {
        carrier = await startCarrier(options);
      } catch (error) {
        throw fail(
          'host_unreachable',
          { host: name, problem: notStarted(options.program, error) },
          { cause: error },
        );
      }
      await unlessAborted(Promise.resolve(), signal, () => carrier.close());
      return {
        bytes: carrier.bytes,
        ended: carrier.ended.then((end) => endedBecause(name, options.program, end)),
        close: () => carrier.close(),
      };
    },
  };
}

export function notStarted(program: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return `${program} was not found.`;
  if (code === 'EACCES') return `${program} may not be run by this user.`;
  return `${program} could not be started: ${error instanceof Error ? error.message : String(error)}`;
}

/** What the program said last; else how it ended. */
export function endedBecause(host: string, program: string, end: CarrierEnd): ThinClonesError {
  const words = lastWords(end.stderr);
  const how =
    end.code === null ? `was ended by ${end.signal ?? 'a signal'}` : `ended with exit code ${end.code}`;
  const silent = end.closed ? 'the link was closed' : `${program} ${how}`;
  const problem = words === '' ? silent : words;
  return fail('host_unreachable', { host, problem });
}
