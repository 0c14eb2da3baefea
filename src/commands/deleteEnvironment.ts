/** Deletes an environment together with its snapshots. */
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { confirmLoss } from '../dialogs/confirm.ts';
import { runJob } from '../dialogs/followJob.ts';
import { pickEnvironment } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { countOf } from '../views/amounts.ts';
import type { EnvironmentRow } from './commandIds.ts';
import { destroyFirst, namesOf } from './destroyFirst.ts';

export async function deleteEnvironment(services: Services, row?: EnvironmentRow): Promise<void> {
  const environment = await pickEnvironment(services, row, {
    title: 'Delete Environment',
    placeHolder: 'Which environment is no longer needed?',
  });
  if (environment === undefined) return;
  const { name } = environment;
  const { clones, snapshots } = services.session.model;
  const count = [...snapshots.values()].filter((snapshot) => snapshot.environment === name).length;
  const itsClones = [...clones.values()].filter((clone) => clone.environment === name);
  const rest = `Its definition and ${count === 0 ? 'its saved passwords are' : `its ${countOf(count, 'snapshot')} are`} gone for good. The sources are not touched.`;
  if (itsClones.length > 0) {
    const counted = countOf(itsClones.length, 'clone');
    const isDone = await destroyFirst(services, itsClones, {
      about: `Environment ${name}`,
      message: `Delete environment ${name} with its ${counted}?`,
      detail: `${counted}: ${namesOf(itsClones)}. Their data is gone for good.\n\n${rest}`,
      page: `Clones of ${name}`,
    });
    if (!isDone) return;
  } else {
    const answer = await confirmLoss({
      ...{
        about: 'deleteEnvironment',
        message: `Delete environment ${name}?`,
        detail: rest,
        action: 'Delete',
      },
    });
    if (answer === undefined) return;
  }
  const job = await runJob(services, (client, options) =>
    client.call(
      'environmentDelete',
      { params: { environment: referenceSchema.parse(environment.name) } },
      options,
    ),
  );
  if (job !== undefined) await services.passwords.forget(environment);
}
