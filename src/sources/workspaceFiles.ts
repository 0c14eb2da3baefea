/** Looks through the workspace for what an environment can start from: URLs in .env files, thin-clones.yaml. */
import * as vscode from 'vscode';
import { findUrls, type FoundUrl } from './envFiles.ts';

const ignored = '**/{node_modules,vendor,.git,dist,build,target}/**';
/** An .env file is small; a larger one is something else. */
const largest = 100_000;

export async function findWorkspaceUrls(): Promise<{ file: vscode.Uri; found: FoundUrl }[]> {
  if (!vscode.workspace.isTrusted) return [];
  const files = await vscode.workspace.findFiles('**/{.env,.env.*,*.env}', ignored, 20);
  const results = await Promise.all(
    files
      .sort((a, b) => a.path.localeCompare(b.path))
      .map(async (file) => {
        try {
          const bytes = await vscode.workspace.fs.readFile(file);
          if (bytes.byteLength > largest) return [];
          return findUrls(new TextDecoder().decode(bytes)).map((found) => ({ file, found }));
        } catch {
          // best effort: a file that can't be read offers nothing; the URL can still be pasted
          return [];
        }
      }),
  );
  const seen = new Set<string>();
  return results.flat().filter(({ found }) => {
    const known = seen.has(found.connection.url);
    seen.add(found.connection.url);
    return !known;
  });
}

export async function findConfigFiles(): Promise<vscode.Uri[]> {
  if (!vscode.workspace.isTrusted) return [];
  return await vscode.workspace.findFiles('**/thin-clones.{yaml,yml}', ignored, 20);
}
