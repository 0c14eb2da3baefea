/** What the servers of an environment's clones may have of their machine. */
import type { CloneSettings, EnvironmentDefinition } from '../protocol/entities.ts';

export interface ServerLimits {
  memoryBytes?: number;
  cpus?: number;
}

export const limitsOf = ({ clones }: Pick<EnvironmentDefinition, 'clones'>): ServerLimits => ({
  ...(clones.memory === undefined ? {} : { memoryBytes: bytesOf(clones.memory) }),
  ...(clones.cpus === undefined ? {} : { cpus: clones.cpus }),
});

const bytesOf = (memory: NonNullable<CloneSettings['memory']>): number =>
  Number.parseInt(memory, 10) * 1024 ** (memory.endsWith('GB') ? 3 : 2);
