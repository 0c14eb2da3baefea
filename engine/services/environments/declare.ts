/** Declares an environment, or changes what was declared. */
import { canonicalText } from '../../domain/canonicalText.ts';
import { busyWith } from '../../jobs/runner.ts';
import type { Environment, EnvironmentDefinition } from '../../protocol/entities.ts';
import { fail } from '../../protocol/errors.ts';
import { memberNameSchema, type EnvironmentName } from '../../protocol/ids.ts';
import type { EnvironmentRecord } from '../../state/store.ts';
import type { ServiceContext } from '../context.ts';
import { newImages } from '../../domain/newImages.ts';
import { environmentLane } from '../laneKeys.ts';
import { refuseUnsupported } from './refuseUnsupported.ts';
import type { Passwords } from './passwords.ts';

export interface Declaration {
  definition: EnvironmentDefinition;
  passwords?: Passwords | undefined;
  /** Whether the passwords are kept, sealed. */
  remember?: boolean | undefined;
  /** That a person agreed to. */
  images?: readonly string[] | undefined;
}

export interface Declared {
  environment: Environment;
  outcome: 'created' | 'changed' | 'unchanged';
}

/** Errors: those of `refuseUnsupported`, `image_consent`, `busy`, `environment_locked`. */
export function declareEnvironment(
  context: ServiceContext,
  name: EnvironmentName,
  { definition, passwords = {}, remember = false, images = [] }: Declaration,
): Declared {
  const { store, catalog, runner, clock } = context;
  refuseUnsupported(definition, context.databases);
  const before = store.environments.get(name);
  const unknown = newImages(before?.definition, definition).filter((image) => !images.includes(image));
  if (unknown.length > 0) throw fail('image_consent', { environment: name, images: unknown });
  const isSame = before !== undefined && canonicalText(before.definition) === canonicalText(definition);
  const running = runner.holder([environmentLane(name)]);
  if (running !== undefined && !isSame) throw busyWith(running, { kind: 'environment', name });
  if (before !== undefined) refuseLockedChange(context, before, definition);
  const record: EnvironmentRecord = {
    name,
    definition,
    createdAt: before?.createdAt ?? clock.now().toISOString(),
    sealedPasswords: sealedPasswords(context, before, definition, remember ? passwords : {}),
  };
  const isNewPassword = remember && Object.keys(passwords).length > 0;
  if (!isSame || isNewPassword) store.environments.put(record);
  const outcome = before === undefined ? 'created' : isSame ? 'unchanged' : 'changed';
  return { environment: catalog.environmentEntity(record), outcome };
}

/** Those that were given now, and of before what is still a member's. */
function sealedPasswords(
  { vault }: ServiceContext,
  before: EnvironmentRecord | undefined,
  definition: EnvironmentDefinition,
  given: Passwords,
): EnvironmentRecord['sealedPasswords'] {
  const sealed: EnvironmentRecord['sealedPasswords'] = {};
  for (const member of Object.keys(definition.members).map((key) => memberNameSchema.parse(key))) {
    const password = given[member];
    const kept = password === undefined ? before?.sealedPasswords[member] : vault.seal(password);
    if (kept !== undefined) sealed[member] = kept;
  }
  return sealed;
}

/** Snapshots are of the members that they were made of: names and engines stay while there are any. */
function refuseLockedChange(
  { store }: ServiceContext,
  before: EnvironmentRecord,
  definition: EnvironmentDefinition,
): void {
  if (!store.snapshots.list().some((snapshot) => snapshot.environment === before.name)) return;
  const fields: string[] = [];
  if (before.definition.host !== definition.host) fields.push('host');
  const engines = (members: EnvironmentDefinition['members']): string =>
    canonicalText(
      Object.entries(members)
        .map(([name, { engine }]) => [name, engine])
        .sort(),
    );
  if (engines(before.definition.members) !== engines(definition.members))
    fields.push("the members' names and engines");
  if (fields.length > 0) throw fail('environment_locked', { environment: before.name, fields });
}
