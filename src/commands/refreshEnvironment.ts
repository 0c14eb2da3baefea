/** Copies an environment's data again and makes a new snapshot; asks for a password when the source wants one. */
import type { Environment } from '../../engine/protocol/entities.ts';
import { toFailure } from '../../engine/protocol/errors.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { askPassword } from '../dialogs/askPassword.ts';
import { JobFailed, RefreshRefused } from '../dialogs/failures.ts';
import { runJob } from '../dialogs/followJob.ts';
import { tellRefreshed } from '../dialogs/offers.ts';
import { pickEnvironment } from '../dialogs/pick.ts';
import { mayTakePasswords } from '../hosts/passwordConsent.ts';
import type { Services } from '../services.ts';
import { parseConnectionUrl } from '../sources/connectionUrl.ts';
import type { EnvironmentRow } from './commandIds.ts';

export async function refreshEnvironment(services: Services, row?: EnvironmentRow): Promise<void> {
  const environment = await pickEnvironment(services, row, {
    title: 'Refresh Environment',
    placeHolder: 'Which environment gets a new snapshot of its sources?',
  });
  if (environment !== undefined) await refreshNow(services, environment);
}

/** Also for an environment that was declared a moment ago, which the model may not have yet. */
export async function refreshNow(services: Services, environment: Environment): Promise<void> {
  for (;;) {
    try {
      await refresh(services, environment);
      return;
    } catch (error) {
      if (await mendPassword(services, environment, error)) continue;
      throw error instanceof JobFailed ? error : new RefreshRefused(environment.name, error);
    }
  }
}

async function refresh(services: Services, environment: Environment): Promise<void> {
  const passwords = await services.passwords.of(environment);
  const { host } = environment.definition;
  if (passwords !== undefined && !(await mayTakePasswords(services, await services.client(), host))) return;
  const job = await runJob(services, (client, options) =>
    client.call(
      'environmentRefresh',
      {
        params: { environment: referenceSchema.parse(environment.name) },
        body: passwords === undefined ? {} : { passwords },
      },
      options,
    ),
  );
  if (job !== undefined) tellRefreshed(services, environment, job);
}

/** When the source wants another password: asks for it and keeps it. Answers whether a retry makes sense. */
async function mendPassword(services: Services, environment: Environment, error: unknown): Promise<boolean> {
  const { code, details, message } =
    (error instanceof JobFailed ? error.job.error : null) ?? toFailure(error).document;
  if (code !== 'source_password' && code !== 'source_password_missing') return false;
  const member = memberMeant(environment, details);
  if (member === undefined) return false;
  const password = await askPassword({
    title: `Password of ${environment.name}`,
    prompt: code === 'source_password' ? message : `Password for ${userAt(environment, member)}`,
  });
  if (password === undefined) return false;
  await services.passwords.store(environment.name, member, password);
  return true;
}

function memberMeant(environment: Environment, details: Record<string, unknown>): string | undefined {
  const members = Object.entries(environment.definition.members);
  const named = members.find(([name]) => name === details.member);
  const byHost = members.find(([, { url }]) => {
    const parsed = parseConnectionUrl(url ?? '');
    return (
      parsed.ok &&
      parsed.value.host.split(', ').includes(String(details.host)) &&
      parsed.value.user === details.user
    );
  });
  return (named ?? byHost ?? (members.length === 1 ? members[0] : undefined))?.[0];
}

function userAt(environment: Environment, member: string): string {
  const url = Object.entries(environment.definition.members).find(([name]) => name === member)?.[1].url ?? '';
  const parsed = parseConnectionUrl(url);
  return parsed.ok ? `${parsed.value.user ?? 'the user'} at ${parsed.value.host}` : member;
}
