/** Whether clones write durably: they do, unless their environment says that a crash of the machine may cost them. */
import type { EnvironmentDefinition } from '../protocol/entities.ts';

export const isDurable = ({ clones }: Pick<EnvironmentDefinition, 'clones'>): boolean =>
  clones.durable ?? true;
