/** Places of another host: they become variables of its engine, so they are data of one line. */
import * as z from 'zod';

/** An absolute folder of a Unix host. */
export const farPathSchema = z
  .string()
  .max(1000)
  .regex(/^\/[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'an absolute path without control characters');

/** A dataset as zfs(8) names it: components of letters, digits, "-", "_", "." and ":" (no snapshot, no bookmark). */
export const datasetNameSchema = z
  .string()
  .max(255)
  .regex(
    /^[A-Za-z][A-Za-z0-9_.:-]*(\/[A-Za-z0-9_.:][A-Za-z0-9_.:-]*)*$/,
    'the name of a dataset of ZFS, such as tank/thin',
  );
