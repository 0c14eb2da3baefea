/** The menu behind the status bar item: what runs, and what people do most. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { Follow } from '../../engine/protocol/follow.ts';
import { canHaveDatabase, headText, startText, stateTexts } from '../checkouts/checkoutText.ts';
import type { Place } from '../checkouts/folderFollower.ts';
import { sourceFilesLine } from '../checkouts/sourceFileText.ts';
import { pickValue, type PickItem } from '../dialogs/pick.ts';
import type { Services } from '../services.ts';
import { percentOf } from '../views/amounts.ts';
import { makesFullCopies } from '../views/hostRows.ts';
import { viewId } from '../views/treeProvider.ts';
import { isUnfinished } from '../views/treeRows.ts';
import type { CommandId } from './commandIds.ts';
import { runCommand } from './runCommand.ts';

type Choice = () => Thenable<unknown>;

/** Each of them asks for what it is about. */
const item = (icon: string, label: string, command: CommandId): PickItem<Choice> => ({
  label: `$(${icon}) ${label}`,
  value: () => runCommand(command),
});
const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator }) as const;
type MenuItem = PickItem<Choice> | ReturnType<typeof separator>;

const configFileIn = (folder: string): string => {
  const short = join(folder, 'thin-clones.yml');
  return existsSync(short) ? short : join(folder, 'thin-clones.yaml');
};

const described = (entry: PickItem<Choice>, description: string | null | undefined): PickItem<Choice> =>
  description == null || description === '' ? entry : { ...entry, description };

/** What makes sense for the current checkout, the most pressing first. */
const branchItems = (services: Services, place: Place): MenuItem[] => [
  separator(`${headText(place.checkout)}: ${stateTexts[place.checkout.state]}`),
  ...pressingItems(services, place),
  ...usualItems(services, place.checkout),
];

/** What waits for somebody. */
function pressingItems(services: Services, { folder, checkout }: Place): MenuItem[] {
  const { state, reason, endpoints, question, path, problem } = checkout;
  const taken = endpoints.some((endpoint) => endpoint.state === 'taken');
  return [
    ...(state === 'asking' && question !== null
      ? [
          described(
            item('question', 'Answer…', 'thinClones.branch.answer'),
            `make a database from ${startText(question.from)}?`,
          ),
        ]
      : []),
    ...(services.checkouts.follower.lacksEnvironment(folder)
      ? [described(item('database', 'Choose Environment…', 'thinClones.branch.chooseEnvironment'), reason)]
      : (state === 'none' || state === 'failed' || state === 'asking') && canHaveDatabase(checkout)
        ? [described(databaseItem(services, checkout), reason)]
        : []),
    ...(problem === null
      ? []
      : [
          {
            label: '$(warning) Open thin-clones.yaml',
            description: problem,
            value: () => vscode.commands.executeCommand('vscode.open', vscode.Uri.file(configFileIn(path))),
          },
        ]),
    ...(taken
      ? [
          described(
            item('plug', 'Get Other Stable Ports', 'thinClones.branch.otherPorts'),
            'another program took one',
          ),
        ]
      : []),
  ];
}

function usualItems(services: Services, checkout: Place['checkout']): MenuItem[] {
  const { clone, reason, endpoints, envFile, heldVariables, follow } = checkout;
  const migrations = services.checkouts.migrationsOf(checkout);
  return [
    ...(clone === null
      ? []
      : [
          item('discard', 'Reset', 'thinClones.branch.reset'),
          item('history', 'Reset to Latest Snapshot', 'thinClones.branch.resetToLatest'),
          item('terminal', 'Open psql', 'thinClones.branch.openPsql'),
        ]),
    ...(endpoints.length === 0
      ? []
      : [
          described(
            item('copy', 'Copy Stable URL', 'thinClones.branch.copyUrl'),
            endpoints.map(({ host, port }) => `${host}:${port}`).join(', '),
          ),
        ]),
    ...(migrations === undefined && clone === null
      ? []
      : [
          described(
            item('versions', 'Show Migrations', 'thinClones.branch.showMigrations'),
            migrations?.line,
          ),
        ]),
    described(
      item('file-symlink-file', 'Write Variables to File…', 'thinClones.branch.writeVariables'),
      envFile === null
        ? sourceFilesLine(services.checkouts.sourceFilesOf(checkout))
        : envFile.state === 'written'
          ? envFile.file
          : `${envFile.file}: ${envFile.problem ?? 'waits for your consent'}`,
    ),
    ...(heldVariables.length === 0
      ? []
      : [
          described(
            item('shield', 'Review Variables…', 'thinClones.branch.reviewVariables'),
            `not set: ${heldVariables.map(({ name }) => name).join(', ')}`,
          ),
        ]),
    clone === null
      ? described(
          item('git-branch', 'Use a Clone…', 'thinClones.clone.bind'),
          canHaveDatabase(checkout) ? null : reason,
        )
      : item('git-branch', 'Use Another Clone…', 'thinClones.clone.bind'),
    ...(clone === null ? [] : [item('debug-disconnect', 'Unbind', 'thinClones.clone.unbind')]),
    described(item('settings', 'Follow Branches…', 'thinClones.branch.follow'), followTexts[follow]),
  ];
}

/** A clone that was stopped is started, and none is made beside it. */
function databaseItem(services: Services, checkout: Place['checkout']): PickItem<Choice> {
  const state = services.session.model.clones.get(checkout.clone ?? '')?.state;
  if (state === 'stopped')
    return item('debug-start', `Start the Database of ${headText(checkout)}`, 'thinClones.branch.use');
  // It runs, on a host that is out of reach.
  return state === 'ready'
    ? item('refresh', `Reach the Database of ${headText(checkout)} Again`, 'thinClones.branch.use')
    : item('add', `Create Clone for ${headText(checkout)}`, 'thinClones.branch.use');
}

const followTexts: Readonly<Record<Follow, string>> = {
  ask: 'asks before a branch gets a database',
  automatic: 'every branch gets its database',
  off: 'off',
};

const engineItems = (title: string, connected: boolean): MenuItem[] => [
  separator(title),
  ...(connected
    ? [
        item('debug-restart', 'Restart Engine', 'thinClones.engine.restart'),
        item('debug-stop', 'Stop Engine', 'thinClones.engine.stop'),
      ]
    : [item('play', 'Start Engine', 'thinClones.engine.start')]),
  item('output', 'Show Engine Log', 'thinClones.engine.showLog'),
];

export async function showMenu(services: Services): Promise<void> {
  const { session } = services;
  const running = [...session.model.jobs.values()].filter(isUnfinished);
  const connected = session.state.kind === 'connected';
  const folder = services.checkouts.currentFolder();
  const checkout = folder === undefined ? undefined : services.checkouts.follower.checkoutOf(folder);
  const problem = folder === undefined ? undefined : services.checkouts.follower.problemOf(folder);
  const choice = await pickValue<Choice>(
    [
      // Without it nothing below can be done.
      ...(connected ? [] : engineItems('Engine', false)),
      ...(running.length === 0 ? [] : [separator('Running')]),
      ...running.map((job) => ({
        label: `$(sync~spin) ${job.title}`,
        description: percentOf(job.progress),
        value: () => runCommand('thinClones.job.show', { kind: 'job', key: job.id } as const),
      })),
      ...(running.some(({ cancellable }) => cancellable)
        ? [item('close', 'Cancel Job…', 'thinClones.job.cancel')]
        : []),
      ...(folder !== undefined && checkout !== undefined && checkout.state !== 'off'
        ? branchItems(services, { folder, checkout })
        : folder === undefined || (session.model.environments.size === 0 && problem === undefined)
          ? []
          : [
              separator('Branch'),
              {
                ...item('git-branch', 'Follow Branches…', 'thinClones.branch.follow'),
                ...(checkout === undefined && problem !== undefined && { description: problem }),
              },
            ]),
      separator('Clones'),
      ...(session.model.environments.size === 0
        ? []
        : [
            item('add', 'Create Clone…', 'thinClones.clone.create'),
            item('discard', 'Reset Clone…', 'thinClones.clone.reset'),
            item('repo-forked', 'Create Clone of a Clone…', 'thinClones.clone.copy'),
            item('copy', 'Copy Connection As…', 'thinClones.clone.copyConnection'),
            item('link-external', 'Open in Database Extension…', 'thinClones.clone.openIn'),
            item('sync', 'Refresh Environment…', 'thinClones.environment.refresh'),
            item('clear-all', 'Clean Up Clones of Finished Branches…', 'thinClones.branch.cleanUp'),
          ]),
      item('database', 'Add Environment…', 'thinClones.environment.add'),
      separator('Look'),
      {
        label: '$(list-tree) Show Environments',
        value: () => vscode.commands.executeCommand(`${viewId}.focus`),
      },
      item('history', 'Show Job…', 'thinClones.job.show'),
      ...(makesFullCopies(services.session.model.hosts.values())
        ? [item('layers', 'Make Clones Thin…', 'thinClones.storage.setUp')]
        : []),
      item('pulse', 'Host Doctor', 'thinClones.host.doctor'),
      item('remote', 'Add Host…', 'thinClones.host.add'),
      ...(connected ? engineItems(`Engine ${session.state.info.version}`, true) : []),
    ],
    { title: 'Thin Clones', placeHolder: 'What to do?' },
  );
  await choice?.();
}

export async function openWalkthrough(services: Services): Promise<void> {
  await vscode.commands.executeCommand(
    'workbench.action.openWalkthrough',
    `${services.context.extension.id}#thinClones.start`,
    false,
  );
}
