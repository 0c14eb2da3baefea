/** Which ports of this machine lead to clones of other hosts, kept for the next engine: addresses outlive this one. */
import * as z from 'zod';
import type { Log } from '../ports/log.ts';
import type { KeptText } from '../process/keptText.ts';
import { toFailure } from '../protocol/errors.ts';
import { cloneIdSchema, hostNameSchema, memberNameSchema } from '../protocol/ids.ts';

const doorSchema = z.object({
  host: hostNameSchema,
  clone: cloneIdSchema,
  member: memberNameSchema,
  port: z.number().int().min(1).max(65535),
});
export type KeptDoor = z.infer<typeof doorSchema>;
const fileSchema = z.object({ format: z.literal(1), doors: z.array(doorSchema) });

export interface KeptDoors {
  /** None where nothing is kept that can be understood: an address is made again when somebody asks for it. */
  read(): Promise<readonly KeptDoor[]>;
  /** One write after another; a failure is logged. */
  write(doors: readonly KeptDoor[]): void;
  /** Resolves when everything is written. */
  quiet(): Promise<void>;
}

export function keptDoorsIn(file: KeptText, log: Log): KeptDoors {
  let writing = Promise.resolve();
  const failed = (error: unknown): void =>
    log.warning('the ports to clones of other hosts can not be kept', { problem: toFailure(error).message });
  return {
    async read() {
      try {
        const text = await file.read();
        if (text === undefined) return [];
        return fileSchema.parse(JSON.parse(text)).doors;
      } catch (error) {
        failed(error);
        return [];
      }
    },
    write(doors) {
      const text = JSON.stringify({ format: 1, doors });
      writing = writing.then(() => file.write(text)).catch(failed);
    },
    quiet: () => writing,
  };
}
