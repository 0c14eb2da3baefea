/** Says which of the extensions that travel with us the processor of a machine can't run. */
import type { Machine } from '../../../machine/machine.ts';
import type { ServerPrograms } from './locate.ts';

/** Names, each with what its processor would have to have. A server that ran one all the same would be killed by SIGILL. */
export async function unfitExtensions(
  machine: Machine,
  server: Pick<ServerPrograms, 'extensions'>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { extensions = [] } = server;
  const asking = extensions.filter(({ processor }) => processor.length > 0);
  if (asking.length === 0) return new Map();
  const has = await processorFeatures(machine);
  return new Map(
    asking.flatMap(({ name, processor }) => {
      const missing = processor.filter((feature) => !has.has(feature));
      return missing.length === 0 ? [] : [[name, missing] as const];
    }),
  );
}

/** In Linux's words, e.g. `avx2`; macOS has the same ones in capitals. */
async function processorFeatures(machine: Machine): Promise<ReadonlySet<string>> {
  if (machine.platform === 'linux') {
    const text = (await machine.files.read('/proc/cpuinfo')) ?? '';
    const row = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1] ?? '';
    return new Set(row.trim().split(/\s+/));
  }
  if (machine.platform !== 'darwin') return new Set();
  return machine.run({
    program: 'sysctl',
    args: ['-n', 'machdep.cpu.features', 'machdep.cpu.leaf7_features'],
    parse: ({ stdout }) => new Set(stdout.toLowerCase().trim().split(/\s+/)),
  });
}
