/** Shows what a host needs or could use, and the command that mends it. */
import * as vscode from 'vscode';
import type { DoctorCheck, Host } from '../../engine/protocol/entities.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import { pickHost } from '../dialogs/pick.ts';
import { openPage } from '../documents.ts';
import type { Services } from '../services.ts';
import { escaped, fenced, oneLine } from '../views/markdown.ts';
import type { RowOf } from '../views/rowId.ts';

const marks: Record<DoctorCheck['status'], string> = { ok: '✓', unused: '–', warning: '!', problem: '✗' };
const order: Record<DoctorCheck['status'], number> = { problem: 0, warning: 1, ok: 2, unused: 3 };

export async function hostDoctor(services: Services, row?: RowOf<'host'>): Promise<void> {
  const host = await pickHost(services, row, 'Host Doctor');
  if (host === undefined) return;
  const client = await services.client();
  const { items } = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: `Checking host ${host.name}` },
    () => client.call('hostDoctor', { params: { host: referenceSchema.parse(host.name) } }),
  );
  await openPage(`${host.name} (host)`, report(host, items));
}

/** Markdown: what is wrong first, each with the command to copy. */
export function report(host: Host, checks: readonly DoctorCheck[]): string {
  const wrong = checks.filter(({ status }) => status === 'problem' || status === 'warning').length;
  const sections = [...checks]
    .sort((a, b) => order[a.status] - order[b.status])
    .map(({ name, status, message, fix, advice }) =>
      [
        `${marks[status]} **${escaped(oneLine(name))}:** ${escaped(oneLine(message))}`,
        ...(advice === undefined || advice === null ? [] : [escaped(oneLine(advice))]),
        // Only what can be run as it stands.
        ...(fix === null ? [] : [fenced(fix, 'sh')]),
      ].join('\n\n'),
    );
  return [
    `# Host ${escaped(host.name)}`,
    wrong === 0
      ? 'Everything that Thin Clones needs is here.'
      : `${wrong} of ${checks.length} checks need a look.`,
    ...sections,
  ].join('\n\n');
}
