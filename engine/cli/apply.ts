/** Declares the environments of a file: tests their sources, asks for passwords, and changes only what is different. */
import { isDeepStrictEqual } from 'node:util';
import type { Environments } from '../config/configFile.ts';
import { newImages } from '../domain/newImages.ts';
import type { EnvironmentDefinition, MemberDefinition } from '../protocol/entities.ts';
import { fail, isFailure, ThinClonesError, toFailure } from '../protocol/errors.ts';
import type { HostName } from '../protocol/ids.ts';
import type { RouteOutput } from '../protocol/client.ts';
import { confirm } from './confirm.ts';
import type { GivenPasswords } from './givenPasswords.ts';
import { createPasswordConsent, type PasswordConsent } from './passwordConsent.ts';
import { askPassword, isAboutPassword, knownPasswords, type Passwords } from './passwords.ts';
import type { Session } from './session.ts';

export type Applied = RouteOutput<'environmentApply'>;
export interface ApplyOptions {
  /** false: sources are saved without being tried, e.g. where the network to them is not there yet. */
  test: boolean;
  given?: GivenPasswords;
  /** `--yes` was given. */
  yes?: boolean | undefined;
}

const asJson = (value: unknown): unknown =>
  value === undefined ? undefined : JSON.parse(JSON.stringify(value));
const equal = (a: unknown, b: unknown): boolean => isDeepStrictEqual(asJson(a), asJson(b));

async function declared(session: Session, name: string): Promise<EnvironmentDefinition | undefined> {
  try {
    const client = await session.client();
    const input = { params: { environment: name } };
    return (await client.call('environmentShow', input, { signal: session.signal })).definition;
  } catch (error) {
    if (isFailure(error, 'not_found')) return undefined;
    throw error;
  }
}

/** What a file names is run when a person has agreed to it, once. Errors: `canceled`, `image_consent`. */
async function agreeToImages(
  session: Session,
  environment: string,
  images: readonly string[],
  yes: boolean | undefined,
): Promise<void> {
  if (yes !== true && !session.prompter.available) throw fail('image_consent', { environment, images });
  const question = `${environment} runs its servers from ${images.join(', ')}, got where it is not here yet. Use it?`;
  await confirm(session.prompter, { question, yes });
}

interface TriedMember {
  environment: string;
  name: string;
  member: MemberDefinition;
  /** Whose engine reads it. */
  host: HostName;
  known: string | undefined;
  consent: PasswordConsent;
}

/** Tries a source; asks for the password when that is what it lacks. Returns the one that was asked for. */
async function tryMember(
  session: Session,
  { environment, name, member, host, known, consent }: TriedMember,
): Promise<string | undefined> {
  const client = await session.client();
  const attempt = async (password: string | undefined) => {
    if (password !== undefined) await consent.for(host);
    const body = { member, host, ...(password === undefined ? {} : { password }) };
    const report = await client.call('sourceTest', { body }, { signal: session.signal });
    for (const warning of report.warnings) session.output.note(`${environment}/${name}: ${warning}`);
    if (report.error === null) return;
    const { document } = new ThinClonesError(report.error, 422);
    throw new ThinClonesError(
      {
        ...document,
        message: `${environment}/${name}: ${document.message}`,
        details: { ...document.details, environment, member: name },
      },
      422,
    );
  };
  try {
    await attempt(known);
    return undefined;
  } catch (error) {
    if (!isAboutPassword(error) || member.password !== undefined) throw error;
    const password = await askPassword(session, environment, name, member);
    await attempt(password);
    return password;
  }
}

async function applyOne(
  session: Session,
  name: string,
  definition: EnvironmentDefinition,
  { test, given, yes }: ApplyOptions,
  consent: PasswordConsent,
): Promise<Applied> {
  const { host } = definition;
  const client = await session.client();
  const before = await declared(session, name);
  const images = newImages(before, definition);
  if (images.length > 0) await agreeToImages(session, name, images, yes);
  const passwords: Passwords = {};
  let remember = false;
  if (!equal(before, definition)) {
    Object.assign(passwords, await knownPasswords(session, definition, given?.[name]));
    const existing = new Map<string, MemberDefinition>(Object.entries(before?.members ?? {}));
    for (const [memberName, member] of Object.entries(definition.members)) {
      if (!test || equal(existing.get(memberName), member)) continue;
      const asked = await tryMember(session, {
        ...{ environment: name, name: memberName, member, host, consent },
        known: passwords[memberName],
      });
      if (asked === undefined) continue;
      passwords[memberName] = asked;
      remember = true;
    }
  }
  // What comes from a reference is read again at each refresh, so only what was asked for is kept.
  const kept = remember
    ? Object.fromEntries(
        Object.entries(passwords).filter(
          ([member]) => definition.members[member as keyof typeof definition.members]?.password === undefined,
        ),
      )
    : passwords;
  if (Object.keys(kept).length > 0) await consent.for(host);
  return client.call(
    'environmentApply',
    {
      params: { name },
      body: {
        ...{ definition, passwords: kept },
        ...(remember ? { remember } : {}),
        ...(images.length > 0 ? { images: [...images] } : {}),
      },
    },
    { signal: session.signal },
  );
}

/** In the file's order; stops at the first that fails, which then names what was done before it. */
export async function applyEnvironments(
  session: Session,
  environments: Environments,
  options: ApplyOptions,
): Promise<Applied[]> {
  const done: Applied[] = [];
  const consent = createPasswordConsent(session, options.yes);
  for (const [name, definition] of environments) {
    try {
      done.push(await applyOne(session, name, definition, options, consent));
    } catch (error) {
      const failure = toFailure(error);
      const applied = done.map(({ environment, outcome }) => ({ environment: environment.name, outcome }));
      for (const each of applied) session.output.note(`${each.environment}: ${each.outcome}`);
      const details = { ...failure.document.details, environment: name, applied };
      throw new ThinClonesError({ ...failure.document, details }, failure.status, { cause: error });
    }
  }
  return done;
}
