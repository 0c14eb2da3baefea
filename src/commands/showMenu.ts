/** The menu behind the status bar item: what runs, and what people do most. */
import * as vscode from 'vscode';
import { pickValue, type PickItem } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { percentOf } from '../views/amounts.ts';
import { viewId } from '../views/treeProvider.ts';
import { isUnfinished } from '../views/treeRows.ts';
import type { CommandId } from './commandIds.ts';

interface Choice {
  readonly command: string;
  readonly argument?: unknown;
}

const item = (icon: string, label: string, command: CommandId): PickItem<Choice> => ({
  label: `$(${icon}) ${label}`,
  value: { command },
});
const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator }) as const;

export async function showMenu(services: Services): Promise<void> {
  const { session } = services;
  const running = [...session.model.jobs.values()].filter(isUnfinished);
  const connected = session.state.kind === 'connected';
  const choice = await pickValue<Choice>(
    [
      ...(running.length === 0 ? [] : [separator('Running')]),
      ...running.map((job) => ({
        label: `$(sync~spin) ${job.title}`,
        description: percentOf(job.progress),
        value: { command: 'thinClones.job.show', argument: { kind: 'job', key: job.id } },
      })),
      ...(running.some(({ cancellable }) => cancellable)
        ? [item('close', 'Cancel Job…', 'thinClones.job.cancel')]
        : []),
      separator('Clones'),
      ...(session.model.environments.size === 0
        ? []
        : [
            item('add', 'Create Clone…', 'thinClones.clone.create'),
            item('discard', 'Reset Clone…', 'thinClones.clone.reset'),
            item('copy', 'Copy Connection As…', 'thinClones.clone.copyConnection'),
            item('sync', 'Refresh Environment…', 'thinClones.environment.refresh'),
          ]),
      item('database', 'Add Environment…', 'thinClones.environment.add'),
      separator('Look'),
      { label: '$(list-tree) Show Environments', value: { command: `${viewId}.focus` } },
      item('history', 'Show Job…', 'thinClones.job.show'),
      item('pulse', 'Host Doctor', 'thinClones.host.doctor'),
      item('output', 'Show Engine Log', 'thinClones.engine.showLog'),
      separator(connected ? `Engine ${session.state.info.version}` : 'Engine'),
      connected
        ? item('debug-stop', 'Stop Engine', 'thinClones.engine.stop')
        : item('play', 'Start Engine', 'thinClones.engine.start'),
    ],
    { title: 'Thin Clones', placeHolder: 'What to do?' },
  );
  if (choice !== undefined) await vscode.commands.executeCommand(choice.command, choice.argument);
}

export async function openWalkthrough(services: Services): Promise<void> {
  await vscode.commands.executeCommand(
    'workbench.action.openWalkthrough',
    `${services.context.extension.id}#thinClones.start`,
    false,
  );
}
