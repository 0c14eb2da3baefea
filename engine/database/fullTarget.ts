/** Tells a full disk of a data directory in the making as what it is, in whatever words it comes. */
import { isFullDisk, saysFullDisk } from '../domain/fullDisk.ts';
import type { Machine } from '../machine/machine.ts';
import { fail, isFailure } from '../protocol/errors.ts';

/** `storage_full` when the error or the text says so, else the error as it is. */
export async function fullTarget(
  { machine, target }: { machine: Machine; target: string },
  error: unknown,
  text = '',
): Promise<unknown> {
  if (isFailure(error, 'storage_full') || (!isFullDisk(error) && !saysFullDisk(text))) return error;
  const { freeBytes } = await machine.files.space(target);
  return fail('storage_full', { storage: target, freeBytes }, { cause: error });
}
