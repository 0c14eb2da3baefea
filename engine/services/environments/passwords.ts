/** The passwords of sources: given with a request, or remembered, sealed. */
import type { EnvironmentDefinition } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { memberNameSchema, type MemberName } from '../../protocol/ids.ts';
import type { EnvironmentRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';
import type { Vault } from '../../ports/vault.ts';

export type Passwords = Partial<Record<MemberName, string>>;

/** Errors: `source_password_missing` for a member whose definition says that there is one. */
export function sourcePasswords(
  { vault }: ServiceContext,
  { definition, sealedPasswords }: EnvironmentRecord,
  given: Passwords | undefined,
): Map<MemberName, string> {
  const passwords = new Map<MemberName, string>();
  for (const [member, { password }] of members(definition)) {
    const sealed = sealedPasswords[member];
    const known = given?.[member] ?? (sealed === undefined ? undefined : opened(vault, sealed, member));
    if (known !== undefined) passwords.set(member, known);
    else if (password !== undefined) {
      const place = 'env' in password ? `the variable ${password.env}` : `the file ${password.file}`;
      throw fail('source_password_missing', { member, reference: place });
    }
  }
  return passwords;
}

const members = (definition: EnvironmentDefinition) =>
  Object.entries(definition.members).map(([name, member]) => [memberNameSchema.parse(name), member] as const);

/** A remembered password whose key was lost is as good as none. */
function opened(vault: Vault, sealed: string, member: MemberName): string {
  try {
    return vault.open(sealed);
  } catch (cause) {
    throw fail('source_password_missing', { member, reference: null }, { cause });
  }
}
