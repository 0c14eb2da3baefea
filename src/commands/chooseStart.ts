/** Asks where the data of a new environment comes from; a connection URL can be pasted right there. */
import { wordsOf } from '../../engine/protocol/engineWords.ts';
import * as vscode from 'vscode';
import { acceptedValue, type PickItem } from '../dialogs/pick.ts';
import { parseConnectionUrl, type ConnectionUrl } from '../sources/connectionUrl.ts';
import { findConfigFiles, findWorkspaceUrls } from '../sources/workspaceFiles.ts';

export type Start =
  | { readonly from: 'url'; readonly found?: ConnectionUrl }
  | { readonly from: 'dump' }
  | { readonly from: 'directory' }
  | { readonly from: 'file'; readonly uri: vscode.Uri };

type Item = PickItem<Start> | (vscode.QuickPickItem & { kind: vscode.QuickPickItemKind.Separator });

const separator = (label: string): Item => ({ label, kind: vscode.QuickPickItemKind.Separator });

const places = ({ database, host }: ConnectionUrl): string => `$(database) ${database} at ${host}`;

/** Undefined when it was left. */
export async function chooseStart(title: string): Promise<Start | undefined> {
  const usual = await usualStarts();
  const pick = vscode.window.createQuickPick<Item>();
  pick.title = title;
  pick.placeholder = 'Paste a connection URL, or choose where the data comes from';
  pick.matchOnDescription = true;
  pick.items = usual;
  pick.onDidChangeValue((text) => {
    const read = parseConnectionUrl(text);
    pick.items = read.ok ? [pasted(read.value)] : usual;
  });
  return await acceptedValue(pick);
}

const pasted = (found: ConnectionUrl): Item => ({
  label: places(found),
  description: 'test this connection',
  alwaysShow: true,
  value: { from: 'url', found },
});

async function usualStarts(): Promise<readonly Item[]> {
  const [urls, files] = await Promise.all([findWorkspaceUrls(), findConfigFiles()]);
  return [
    ...(urls.length + files.length === 0 ? [] : [separator('In this workspace')]),
    ...files.map((uri) => ({
      label: `$(file-code) ${vscode.workspace.asRelativePath(uri)}`,
      description: 'declare the environments of this file',
      value: { from: 'file', uri } as const,
    })),
    ...urls.map(({ file, found }) => ({
      label: places(found.connection),
      description: `${found.variable} in ${vscode.workspace.asRelativePath(file)}`,
      value: { from: 'url', found: found.connection } as const,
    })),
    separator('Elsewhere'),
    {
      label: '$(plug) Connection URL…',
      description: `of a running ${wordsOf().title}, which is only read`,
      value: { from: 'url' },
    },
    {
      label: '$(file-zip) Dump…',
      description: `a file or folder made by ${wordsOf().dumpProgram}, also inside gzip or zstd`,
      value: { from: 'dump' },
    },
    {
      label: '$(folder) Data directory…',
      description: `of a stopped ${wordsOf().title} server`,
      value: { from: 'directory' },
    },
  ];
}
