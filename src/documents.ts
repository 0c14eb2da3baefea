/** Shows read-only pages of Markdown: details of an object, the report of a host. */
import * as vscode from 'vscode';

const scheme = 'thin-clones';
const pages = new Map<string, string>();
const changed = new vscode.EventEmitter<vscode.Uri>();

export function registerDocuments(): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.workspace.registerTextDocumentContentProvider(scheme, {
      onDidChange: changed.event,
      provideTextDocumentContent: (uri) =>
        pages.get(uri.toString()) ?? '*This page belongs to an earlier session.*',
    }),
    vscode.workspace.onDidCloseTextDocument(({ uri }) => {
      if (uri.scheme === scheme) pages.delete(uri.toString());
    }),
  );
}

/** Opens VS Code's diff editor on two texts; both are read only. */
export async function openDiff(
  title: string,
  before: { readonly name: string; readonly text: string },
  after: { readonly name: string; readonly text: string },
): Promise<void> {
  const [left, right] = [before, after].map(({ name, text }) => {
    const uri = vscode.Uri.from({ scheme, path: `/${name.replaceAll('/', '∕')}.sql` });
    pages.set(uri.toString(), text);
    changed.fire(uri);
    return uri;
  });
  await vscode.commands.executeCommand('vscode.diff', left, right, title);
}

/** Opens the page in the Markdown preview; the same title again brings the same page up to date. */
export async function openPage(title: string, markdown: string): Promise<void> {
  const uri = vscode.Uri.from({ scheme, path: `/${title.replaceAll('/', '∕')}.md` });
  pages.set(uri.toString(), markdown);
  changed.fire(uri);
  const document = await vscode.workspace.openTextDocument(uri);
  try {
    await vscode.commands.executeCommand('markdown.showPreview', uri);
  } catch {
    // best effort: without VS Code's Markdown extension its text is readable as it is
    await vscode.window.showTextDocument(document, { preview: true });
  }
}
