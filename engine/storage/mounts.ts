/** What the kernel says about mounts, in a file that costs no command (proc_pid_mountinfo(5)). */
import { dirname } from 'node:path';
import type { Machine } from '../machine/machine.ts';

interface Mount {
  at: string;
  options: readonly string[];
}

/** As the kernel writes a path there. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

async function mountsOf({ files }: Pick<Machine, 'files'>): Promise<Mount[]> {
  const text = (await files.read('/proc/self/mountinfo')) ?? '';
  return text.split('\n').flatMap((line) => {
    const [, , , , at, options] = line.split(' ');
    return at === undefined || options === undefined
      ? []
      : [{ at: unescaped(at), options: options.split(',') }];
  });
}

/** Whether what is mounted at the path can't be written; false where nothing is. */
export async function isReadOnlyMount(machine: Pick<Machine, 'files'>, path: string): Promise<boolean> {
  const mount = (await mountsOf(machine)).findLast(({ at }) => at === path);
  return mount?.options.includes('ro') ?? false;
}

/** Folders right below that one where other file systems are mounted. */
export async function mountsIn(
  machine: Pick<Machine, 'files'>,
  folder: string,
): Promise<ReadonlySet<string>> {
  const mounts = await mountsOf(machine);
  return new Set(mounts.map(({ at }) => at).filter((at) => dirname(at) === folder));
}
