/** The shape of `thin-clones.yaml`, and its JSON schema for editors. engine/config/ reads it. */
import * as z from 'zod';
import { environmentDefinitionSchema } from './entities.ts';
import { environmentNameSchema } from './ids.ts';
import { workspaceSchema } from './workspace.ts';

/** Parts of the file that are reserved: known words that this version refuses by name. */
export const reservedEnvironmentKeys = {
  parent: 'a parent environment (syncs)',
  snapshots: 'a snapshot schedule',
  retention: 'retention',
  masking: 'masking',
} as const;

export const configFileSchema = z.strictObject({
  version: z.literal(1),
  environments: z.record(environmentNameSchema, environmentDefinitionSchema).optional(),
  workspace: workspaceSchema.optional(),
});
export type ConfigFile = z.output<typeof configFileSchema>;

/** JSON schema 2020-12 of the file. */
export function configFileJsonSchema(): Record<string, unknown> {
  return {
    title: 'thin-clones.yaml',
    ...z.toJSONSchema(configFileSchema, { io: 'input', unrepresentable: 'any' }),
  };
}
