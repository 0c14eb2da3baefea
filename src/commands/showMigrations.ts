/** Lists how the migration files of a checkout stand with its database, after asking anew. */
import * as vscode from 'vscode';
import type { MigrationReport } from '../../engine/protocol/migrationReport.ts';
import { migrationToolTitles } from '../../engine/protocol/migrationTools.ts';
import { canHaveDatabase, headText } from '../checkouts/checkoutText.ts';
import type { Place } from '../checkouts/folderFollower.ts';
import { summaryOf } from '../checkouts/migrationSummary.ts';
import { pickValue, type PickItem } from '../dialogs/pick.ts';
import { pickPlace } from '../dialogs/pickCheckout.ts';
import type { Services } from '../services.ts';
import type { FolderCommandId, FolderReference } from './commandIds.ts';
import { runCommand } from './runCommand.ts';

type Choice = { readonly file: string } | { readonly command: FolderCommandId };
type Item = PickItem<Choice | undefined>;

const states: Readonly<Record<MigrationReport['state'], string>> = {
  'in-step': 'in step',
  ahead: 'the database is ahead',
  behind: 'the database is behind',
  diverged: 'diverged',
  edited: 'edited after applied',
  unknown: 'unknown',
};

function itemsOf(report: MigrationReport): Item[] {
  const item = (icon: string, name: string, description: string, file: string | null): Item => ({
    label: `$(${icon}) ${name}`,
    description,
    value: file === null ? undefined : { file },
  });
  return [
    {
      label: `$(info) ${report.tool === null ? 'Migrations' : migrationToolTitles[report.tool]}: ${states[report.state]}`,
      description: [report.directory, report.member].filter((part) => part !== null).join(' · '),
      detail: [report.message, report.problem]
        .filter((part, index) => part !== null && (index === 0 || !report.message.includes(part)))
        .join(' '),
      value: undefined,
    },
    ...report.failed.map(({ name, file, problem }) => item('error', name, `failed: ${problem}`, file)),
    ...report.pending.map(({ name, file }) =>
      item(
        'circle-outline',
        name,
        report.outOfOrder.some((late) => late.file === file) ? 'pending, before an applied one' : 'pending',
        file,
      ),
    ),
    ...report.edited.map(({ name, file }) => item('edit', name, 'edited after applied', file)),
    ...report.missing.map(({ name }) => item('question', name, 'applied, but not in this branch', null)),
  ];
}

export async function showMigrations(services: Services, folder?: FolderReference): Promise<void> {
  const title = 'Migrations';
  const place = await pickPlace(services, folder, title);
  if (place === undefined) return;
  if (place.checkout.clone === null && canHaveDatabase(place.checkout)) {
    await offerDatabase(place);
    return;
  }
  const client = await services.client();
  const { items: reports } = await client.call('checkoutMigrations', {
    params: { checkout: place.checkout.id },
  });
  services.checkouts.setMigrations(place.checkout, summaryOf(reports));
  const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator }) as const;
  const command = (icon: string, label: string, id: FolderCommandId): Item => ({
    label: `$(${icon}) ${label}`,
    value: { command: id },
  });
  const choice = await pickValue<Choice | undefined>(
    [
      ...reports.flatMap((report, index) => [...(index === 0 ? [] : [separator('')]), ...itemsOf(report)]),
      ...(reports.length === 0
        ? [{ label: '$(info) No migration tool was recognised in this checkout.', value: undefined }]
        : []),
      ...(place.checkout.clone === null
        ? []
        : [
            separator('Put the database back'),
            command('discard', 'Reset Clone', 'thinClones.branch.reset'),
            command('history', 'Reset to Latest Snapshot', 'thinClones.branch.resetToLatest'),
          ]),
    ],
    {
      title: `${title} of ${headText(place.checkout)}`,
      placeHolder: 'Open a file, or put the database back',
    },
  );
  if (choice === undefined) return;
  if ('command' in choice) await runCommand(choice.command, { folder: place.folder.key });
  else await open(place, choice.file);
}

/** Without a database there is nothing to compare with. */
async function offerDatabase({ checkout, folder }: Place): Promise<void> {
  const create = 'Create Clone';
  const chosen = await vscode.window.showInformationMessage(
    `${headText(checkout)} has no database yet, with which its migrations could be compared.`,
    create,
  );
  if (chosen === create) await runCommand('thinClones.branch.use', { folder: folder.key });
}

async function open({ checkout }: Place, file: string): Promise<void> {
  await vscode.window.showTextDocument(vscode.Uri.joinPath(vscode.Uri.file(checkout.path), file));
}
