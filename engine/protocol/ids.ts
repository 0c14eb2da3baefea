/** Branded identifiers and names: the one place where a raw string becomes one. */
import * as z from 'zod';
import { idPattern as id, memberNamePattern, memberNameRule, namePattern, nameRule } from './names.ts';

const name = z.string().regex(namePattern, nameRule);
/**
 * A clone's name may be a branch's with every character that names do not have written as an escape: 250 characters of at
 * most 9 each.
 */
export const cloneNameRule =
  'use letters, digits, ".", "_", "-" or "/", at most 2304, starting with a letter, digit or "_", without ".." or "//"';
const cloneNamePattern = /^(?!.*\.\.)(?!.*\/\/)[\p{L}\p{N}_](?:[\p{L}\p{N}._/-]{0,2302}[\p{L}\p{N}_-])?$/u;

export const cloneIdSchema = z.string().regex(id('clone')).brand('CloneId');
export type CloneId = z.infer<typeof cloneIdSchema>;
export const snapshotIdSchema = z.string().regex(id('snapshot')).brand('SnapshotId');
export type SnapshotId = z.infer<typeof snapshotIdSchema>;
export const jobIdSchema = z.string().regex(id('job')).brand('JobId');
export type JobId = z.infer<typeof jobIdSchema>;
/** One member's data of one snapshot, or of one clone at one reset generation, in a storage. */
export const datasetIdSchema = z.string().regex(id('data')).brand('DatasetId');
export type DatasetId = z.infer<typeof datasetIdSchema>;
/** Who owns a storage: made once for each `THIN_CLONES_HOME`. */
export const installationIdSchema = z.string().regex(id('inst')).brand('InstallationId');
export type InstallationId = z.infer<typeof installationIdSchema>;

/** One working tree of a Git repository that the engine knows. */
export const checkoutIdSchema = z.string().regex(id('checkout')).brand('CheckoutId');
export type CheckoutId = z.infer<typeof checkoutIdSchema>;

export const environmentNameSchema = name.brand('EnvironmentName');
export type EnvironmentName = z.infer<typeof environmentNameSchema>;
export const memberNameSchema = name.regex(memberNamePattern, memberNameRule).brand('MemberName');
export type MemberName = z.infer<typeof memberNameSchema>;
export const cloneNameSchema = z.string().regex(cloneNamePattern, cloneNameRule).brand('CloneName');
export type CloneName = z.infer<typeof cloneNameSchema>;
export const snapshotNameSchema = name.brand('SnapshotName');
export type SnapshotName = z.infer<typeof snapshotNameSchema>;
export const hostNameSchema = name.brand('HostName');
export type HostName = z.infer<typeof hostNameSchema>;

/** A name or an id, as people may type either wherever an object is named; for a checkout also its folder. */
export const referenceSchema = z.string().min(1).max(4096).brand('Reference');
export type Reference = z.infer<typeof referenceSchema>;
