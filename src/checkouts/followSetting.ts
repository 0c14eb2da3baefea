/** The setting `thinClones.branches.follow` of a folder. */
import * as vscode from 'vscode';
import type { Follow } from '../../engine/protocol/follow.ts';
import type { Folder } from './folderFollower.ts';

const settingsOf = ({ key }: Folder): vscode.WorkspaceConfiguration =>
  vscode.workspace.getConfiguration('thinClones.branches', vscode.Uri.parse(key, true));

/** Undefined when it says nothing. */
export function followSetting(folder: Folder): Follow | undefined {
  const follow = settingsOf(folder).get<Follow | 'default'>('follow', 'default');
  return follow === 'default' ? undefined : follow;
}

/** The setting counts more than what the engine remembers: where there is one, a choice changes it too. */
export async function changeFollowSetting(folder: Folder, follow: Follow): Promise<void> {
  const present = followSetting(folder);
  if (present === undefined || present === follow) return;
  const target =
    vscode.workspace.workspaceFile === undefined
      ? vscode.ConfigurationTarget.Workspace
      : vscode.ConfigurationTarget.WorkspaceFolder;
  await settingsOf(folder).update('follow', follow, target);
}
