/** Passwords of sources that are piped in: `env apply --passwords-stdin`. */
import { text } from 'node:stream/consumers';
import * as z from 'zod';
import { fail } from '../protocol/errors.ts';
import type { Passwords } from './passwords.ts';
import type { Session } from './session.ts';

/** By environment, then by member. */
export type GivenPasswords = Readonly<Record<string, Passwords>>;
const givenSchema = z.record(z.string(), z.record(z.string(), z.string()));

/** From stdin, where no other process sees them. Errors: `usage`. */
export async function readGivenPasswords({ surroundings }: Session): Promise<GivenPasswords> {
  let document: unknown;
  try {
    document = JSON.parse(await text(surroundings.stdin));
  } catch {
    // best effort: what is wrong with it is told below, without the parser's quotation of a password
  }
  const given = givenSchema.safeParse(document);
  if (given.success) return given.data;
  throw fail('usage', {
    problem: 'What came on stdin is not a JSON document of passwords.',
    hint: 'Write it as {"ENVIRONMENT": {"MEMBER": "PASSWORD"}}.',
  });
}
