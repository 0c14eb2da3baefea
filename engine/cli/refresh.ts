/** Makes a snapshot of an environment's sources: what `env refresh` and `snapshot create` both do. */
import type { Environment, Job, Snapshot } from '../protocol/entities.ts';
import { fail } from '../protocol/errors.ts';
import { runJob } from './follow.ts';
import { createPasswordConsent } from './passwordConsent.ts';
import { askPassword, isAboutPassword, knownPasswords, type Passwords } from './passwords.ts';
import type { Session } from './session.ts';

/** The snapshot that a job made. */
export async function madeSnapshot(session: Session, job: Job): Promise<Snapshot> {
  const client = await session.client();
  const { signal } = session;
  const show = (snapshot: string) => client.call('snapshotShow', { params: { snapshot } }, { signal });
  if (job.object.kind === 'snapshot') return show(job.object.id);
  const query = job.environment === null ? {} : { environment: job.environment };
  const { items } = await client.call('snapshotList', { query }, { signal });
  const made = items.find(
    ({ state, createdAt }) => state === 'ready' && Date.parse(createdAt) >= Date.parse(job.createdAt),
  );
  if (made === undefined) throw fail('not_found', { kind: 'snapshot', name: `of ${job.id}` });
  return made;
}

/** The member that a failure about a password is about: named in it, or the only one that it can be. */
function memberOf(details: Record<string, unknown>, environment: Environment): string | undefined {
  const { members } = environment.definition;
  if (typeof details.member === 'string' && Object.hasOwn(members, details.member)) return details.member;
  const candidates = Object.entries(members).filter(
    ([, member]) => member.retrieval === 'logical' && member.password === undefined,
  );
  return candidates.length === 1 ? candidates[0]?.[0] : undefined;
}

export interface RefreshOptions {
  /** Of the new snapshot. */
  name?: string | undefined;
  waits?: boolean | undefined;
  /** `--yes` was given. */
  yes?: boolean | undefined;
}

/** Errors: those of the job, `source_password_missing`. A password that is asked for is remembered by the engine. */
export async function refresh(
  session: Session,
  reference: string,
  { name, waits, yes }: RefreshOptions,
): Promise<Snapshot> {
  const client = await session.client();
  const { signal } = session;
  const environment = await client.call(
    'environmentShow',
    { params: { environment: reference } },
    { signal },
  );
  const { definition } = environment;
  const consent = createPasswordConsent(session, yes);
  const start = async (passwords: Passwords) => {
    if (Object.keys(passwords).length > 0) await consent.for(definition.host);
    const body = {
      ...(name !== undefined && { name }),
      ...(waits === true && { waits }),
      passwords,
    };
    const input = { params: { environment: environment.name }, body };
    return runJob(session, (following) => client.call('environmentRefresh', input, following));
  };
  const passwords = await knownPasswords(session, definition);
  try {
    return await madeSnapshot(session, await start(passwords));
  } catch (error) {
    if (!isAboutPassword(error) || !session.prompter.available) throw error;
    const member = memberOf(error.document.details, environment);
    const memberDefinition = Object.entries(definition.members).find(([each]) => each === member)?.[1];
    if (member === undefined || memberDefinition === undefined || memberDefinition.password !== undefined)
      throw error;
    session.output.note(error.message);
    await consent.for(definition.host);
    const password = await askPassword(session, environment.name, member, memberDefinition);
    await client.call(
      'environmentApply',
      {
        params: { name: environment.name },
        body: { definition, passwords: { [member]: password }, remember: true },
      },
      { signal },
    );
    return madeSnapshot(session, await start({ ...passwords, [member]: password }));
  }
}
