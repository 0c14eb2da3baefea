/** The `workspace:` section of thin-clones.yaml: which environment a checkout uses, how it follows branches, which variables it gets. */
import * as z from 'zod';
import { followPolicies } from './follow.ts';
import { environmentNameSchema } from './ids.ts';
import { migrationSettingsSchema } from './migrationReport.ts';
import { isNeverSet } from './variableConsent.ts';

export const followSchema = z.enum(followPolicies);

/** A branch name, or a pattern in which `*` stands for anything but `/`, and `**` for anything. */
export const branchPatternSchema = z
  .string()
  .min(1)
  .max(250)
  .regex(
    /^(?!\/)(?!.*(?:\/\/|\*\*\*))[^\u0000-\u0020\u007f~^:?[\\]*[^\u0000-\u0020\u007f~^:?[\\/]$/,
    'a branch name, in which * and ** may stand for a part',
  );
/** Where a new clone starts: the latest snapshot, the clone that was in use before, or the clone of a branch. */
export const startFromSchema = z.string().min(1).max(250);

export const branchSettingsSchema = z.strictObject({
  /** Branches that match one of these share one clone. */
  shared: z.array(branchPatternSchema).max(100).optional(),
  /** Branches that never get a clone. */
  never: z.array(branchPatternSchema).max(100).optional(),
  /** For branches that match: `latest` (the default), `current` (the clone in use before), or the name of a branch. */
  from: z.record(branchPatternSchema, startFromSchema).optional(),
  /** Clones of merged or deleted branches are destroyed without asking after this long; without it, never. */
  cleanUpAfter: z
    .string()
    .regex(/^([1-9][0-9]{0,5})(m|h|d)$/, 'a number and m, h or d, e.g. 7d')
    .optional(),
});
export type BranchSettings = z.infer<typeof branchSettingsSchema>;

/** How long an open transaction may go on after a switch where nothing else is said. */
export const defaultDrainSeconds = 5;

export const endpointSettingsSchema = z.strictObject({
  /** What becomes of transactions that are open at a switch: `close` (the default) ends them, `drain` lets them end by themselves. */
  onSwitch: z.enum(['close', 'drain']).optional(),
  /** For `drain`: how long they may take. */
  drainFor: z
    .string()
    .regex(/^([1-9]|[1-5][0-9]|60)s$/, '1s to 60s')
    .optional(),
});
export type EndpointSettings = z.infer<typeof endpointSettingsSchema>;

export const variableNameSchema = z
  .string()
  .max(200)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')
  .refine((name) => !isNeverSet(name), 'a name of a variable that does not decide which programs run');
/** Text with `{member.url}` and the like in it; `{{` is a brace. */
export const variableTemplateSchema = z.string().max(4000);
export const variablesSchema = z.record(variableNameSchema, variableTemplateSchema);

export const workspaceSchema = z.strictObject({
  environment: environmentNameSchema.optional(),
  follow: followSchema.optional(),
  variables: variablesSchema.optional(),
  /** A file in the checkout that carries the variables in a marked block, e.g. `.env`. */
  envFile: z
    .string()
    .min(1)
    .max(1000)
    .regex(
      /^(?![/\\~])(?!.*(^|[/\\])\.\.([/\\]|$))[^\u0000-\u001f:]*\.env[^\u0000-\u001f:/\\]*$/,
      'a path inside the checkout to a file with .env in its name',
    )
    .optional(),
  branches: branchSettingsSchema.optional(),
  endpoint: endpointSettingsSchema.optional(),
  migrations: z.union([migrationSettingsSchema, z.array(migrationSettingsSchema).max(20)]).optional(),
});
export type Workspace = z.infer<typeof workspaceSchema>;
