/** Says, before the first time, that passwords of sources go to the host whose engine reads the sources. */
import * as vscode from 'vscode';
import type { Client } from '../../engine/protocol/client.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import type { Services } from '../services.ts';

/** Whether they may go there; who agreed once for a host is not asked about it again. */
export async function mayTakePasswords(services: Services, client: Client, name: string): Promise<boolean> {
  const host = services.session.model.hosts.get(name);
  if (host === undefined || host.kind === 'local' || host.takesPasswords) return true;
  const send = 'Send Passwords';
  const chosen = await vscode.window.showWarningMessage(
    `Send passwords of sources to host ${name}?`,
    {
      modal: true,
      detail: `Its engine (${host.address ?? name}) reads the sources, so it needs their passwords, and keeps them sealed there. You are asked once for this host.`,
    },
    send,
  );
  if (chosen !== send) return false;
  await client.call('hostPasswords', {
    params: { host: referenceSchema.parse(name) },
    body: { allow: true },
  });
  return true;
}
