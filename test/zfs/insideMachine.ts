/** Runs a test file inside the emulated machine by the Node that was brought there, and tells what failed there. */
import { build } from 'esbuild';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { ZfsMachine } from '../hosts/machines/zfs/machine.ts';

const node = '/opt/node';

/** That of an engine which was brought there before is taken: it need not be sent again. */
export async function bringNode(machine: ZfsMachine): Promise<void> {
  const brought = '/var/lib/thin-clones/engine/builds/*/node';
  const isThere = await machine.sh(
    `for file in ${brought}; do [ ! -x $file ] || cp $file ${node}; done; [ -x ${node} ] && echo there || true`,
  );
  if (isThere === '') await machine.put(process.execPath, node);
}

export interface InsideOptions {
  args?: readonly string[];
  user?: string;
  /** A regular expression over the names of tests. */
  except?: string;
}

/** Resolves to what was printed. Rejects with what failed, or when nothing was tested. */
export async function passesInside(
  machine: ZfsMachine,
  file: string,
  { args = [], user = 'root', except }: InsideOptions = {},
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tc-inside-'));
  try {
    const name = `${basename(file, '.ts')}.mjs`;
    await build({
      ...{ entryPoints: [file], outfile: join(folder, name), bundle: true, platform: 'node', format: 'esm' },
      target: 'node22',
      banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    });
    await machine.put(join(folder, name), `/opt/${name}`);
    const pattern = except === undefined ? '' : ` --test-skip-pattern='${except}'`;
    const out = await machine.sh(
      `${node} --test-reporter=tap${pattern} /opt/${name} ${args.join(' ')} 2>&1 || true`,
      user,
    );
    const count = (kind: string): number =>
      Number(new RegExp(`^# ${kind} (\\d+)$`, 'm').exec(out)?.[1] ?? -1);
    if (count('fail') !== 0 || count('pass') < 1) throw new Error(failuresIn(out));
    return out;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The tests that failed with what they said, or the last lines of what came. */
function failuresIn(out: string): string {
  const lines = out.split('\n');
  const failed = lines.flatMap((line, index) =>
    /^\s*not ok /.test(line) ? [lines.slice(index, index + 25).join('\n')] : [],
  );
  return failed.length > 0 ? failed.join('\n') : lines.slice(-40).join('\n');
}
