/** Reaches another machine now, also where its login asks something. */
import * as vscode from 'vscode';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { pickHost } from '../dialogs/pick.ts';
import { onHost } from '../hosts/onHost.ts';
import { answerQuestions } from '../hosts/questions.ts';
import type { Services } from '../services.ts';
import { plain } from '../views/markdown.ts';
import type { RowOf } from '../views/rowId.ts';

/** Of what a host holds: the host itself is meant. */
export function hostOfRow(
  { session: { model } }: Services,
  row: RowOf<'host' | 'environment' | 'clone' | 'snapshot'> | undefined,
): RowOf<'host'> | undefined {
  if (row === undefined || row.kind === 'host') return row as RowOf<'host'> | undefined;
  const environment =
    row.kind === 'environment'
      ? row.key
      : (row.kind === 'clone' ? model.clones : model.snapshots).get(row.key)?.environment;
  const key = model.environments.get(environment ?? '')?.definition.host;
  return key === undefined ? undefined : { kind: 'host', key };
}

export async function reconnectHost(
  services: Services,
  row?: RowOf<'host' | 'environment' | 'clone' | 'snapshot'>,
): Promise<void> {
  const client = await services.client();
  const host = await pickHost(services, hostOfRow(services, row), 'Reconnect Host', {
    accept: ({ kind }) => kind !== 'local',
    none: 'No other machine is joined yet.',
  });
  if (host === undefined) return;
  const { name } = host;
  const options = { location: vscode.ProgressLocation.Notification, cancellable: true };
  await vscode.window.withProgress(
    { ...options, title: `Reaching host ${name}` },
    async (progress, cancel) => {
      const leaving = new AbortController();
      const { signal } = leaving;
      cancel.onCancellationRequested(() => leaving.abort());
      const subscriptions = [
        onHost(services, name, (now) => {
          const doing = now?.doing ?? null;
          if (doing !== null) progress.report({ message: plain(doing) });
        }),
        answerQuestions({
          ...{ services, client, host: name },
          onAside: () => undefined,
          onProblem: (error) => services.log.error('An answer to a login', error),
        }),
      ];
      try {
        const params = { host: referenceSchema.parse(name) };
        await client.call('hostReconnect', { params, body: { questions: true } }, { signal });
        vscode.window.setStatusBarMessage(`$(check) Host ${name} is connected`, 5000);
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        for (const subscription of subscriptions) subscription.dispose();
      }
    },
  );
}
