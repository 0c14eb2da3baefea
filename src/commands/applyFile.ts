/** Declares the environments of a thin-clones.yaml through the command line, which reads the file and names what is wrong in it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import { environmentSchema, errorSchema, type ErrorDocument } from '../../engine/protocol/entities.ts';
import { fail, ThinClonesError } from '../../engine/protocol/errors.ts';
import { askPassword } from '../dialogs/askPassword.ts';
import { sentences } from '../dialogs/sentences.ts';
import { showFailure } from '../dialogs/failures.ts';
import { pickValue } from '../dialogs/pick.ts';
import { withToast } from '../dialogs/toast.ts';
import { mayTakePasswords } from '../hosts/passwordConsent.ts';
import { trustDeclared } from '../hosts/trustDeclared.ts';
import type { Services } from '../services.ts';
import { findConfigFiles } from '../sources/workspaceFiles.ts';
import { countOf } from '../views/amounts.ts';
import { refreshNow } from './refreshEnvironment.ts';
import { runCommand } from './runCommand.ts';

const appliedSchema = z.object({
  items: z.array(
    z.object({ environment: environmentSchema, outcome: z.enum(['created', 'changed', 'unchanged']) }),
  ),
  leftOut: z.array(z.object({ environment: z.string(), host: z.string() })).default([]),
});
type Applied = z.infer<typeof appliedSchema>;
const refusedSchema = z.object({ error: errorSchema.partial({ retryable: true }) });

export async function applyFile(services: Services, named?: vscode.Uri): Promise<void> {
  const file = named ?? (await askFile());
  if (file === undefined) return;
  // The command line uses the engine that runs; starting it here gives it this window's settings.
  await services.client();
  await vscode.workspace.saveAll(false);
  const applied = await applyAsking(services, file);
  if (applied !== undefined) await report(services, applied);
}

async function askFile(): Promise<vscode.Uri | undefined> {
  const files = await findConfigFiles();
  const [first] = files;
  if (first === undefined) {
    const add = 'Add Environment';
    const chosen = await vscode.window.showInformationMessage(
      'There is no thin-clones.yaml in this workspace.',
      add,
    );
    if (chosen === add) await runCommand('thinClones.environment.add');
    return undefined;
  }
  if (files.length === 1) return first;
  return await pickValue(
    files.map((value) => ({ label: vscode.workspace.asRelativePath(value), value })),
    { title: 'Apply thin-clones.yaml', placeHolder: 'Which file?' },
  );
}

/** By environment, then by member. */
type Passwords = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A source that wants a password is asked for it here; the command line has no terminal to ask on. */
async function applyAsking(services: Services, file: vscode.Uri): Promise<Applied | undefined> {
  let typed: Passwords = {};
  for (;;) {
    const { result, gone } = await withToast('Applying thin-clones.yaml', (signal) =>
      apply(services, file, typed, signal),
    );
    if (result === 'canceled') return undefined;
    if (!('error' in result)) {
      await keep(services, typed);
      return result;
    }
    const { error } = result;
    if (error.code === 'host_consent' || error.code === 'password_consent') {
      await gone();
      if (await agree(services, error)) continue;
      return undefined;
    }
    const wanted = memberWanted(error);
    if (wanted === undefined) {
      await gone();
      await showInFile(services, file, error);
      return undefined;
    }
    const { environment, member } = wanted;
    const before = typed[environment]?.[member];
    const password =
      (before === undefined ? await services.passwords.typed(environment, member) : undefined) ??
      (await askPassword({ title: `Password of ${environment}/${member}`, prompt: error.message }));
    if (password === undefined) return undefined;
    typed = { ...typed, [environment]: { ...typed[environment], [member]: password } };
  }
}

/** What a repository's file may not do by itself; whether it is answered. */
async function agree(services: Services, error: ErrorDocument): Promise<boolean> {
  const client = await services.client();
  return error.code === 'host_consent'
    ? (await trustDeclared(services, client, error)) !== undefined
    : await mayTakePasswords(services, client, String(error.details.host));
}

/** The member whose password is missing or wrong, when that is what the error is about. */
function memberWanted({ code, details }: ErrorDocument): { environment: string; member: string } | undefined {
  const { environment, member } = details;
  if (code !== 'source_password' && code !== 'source_password_missing') return undefined;
  if (typeof environment !== 'string' || typeof member !== 'string') return undefined;
  return { environment, member };
}

async function keep(services: Services, typed: Passwords): Promise<void> {
  for (const [environment, members] of Object.entries(typed))
    for (const [member, password] of Object.entries(members))
      await services.passwords.store(environment, member, password);
}

async function apply(
  services: Services,
  file: vscode.Uri,
  passwords: Passwords,
  signal: AbortSignal,
): Promise<Applied | { error: ErrorDocument } | 'canceled'> {
  const program = join(services.context.extensionPath, 'dist', 'thin-clones.mjs');
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [program, 'env', 'apply', '-f', file.fsPath, '--json', '--passwords-stdin'],
      { env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' }, maxBuffer: 16_000_000 },
      (error, out, err) => {
        // A failure also writes a JSON document; without one it did not run at all.
        if (error !== null && out.trim() === '' && !signal.aborted) {
          reject(fail('internal', { problem: err.trim() || error.message }, { cause: error }));
        } else resolve({ stdout: out, stderr: err });
      },
    );
    signal.addEventListener('abort', () => child.kill());
    // best effort: a command that ended before it read them says itself why
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(JSON.stringify(passwords));
  });
  for (const line of stderr.split('\n').filter((text) => text !== '')) services.log.info(line);
  if (signal.aborted) return 'canceled';
  const document: unknown = JSON.parse(stdout);
  const refused = refusedSchema.safeParse(document);
  if (refused.success) {
    const { retryable = false, ...error } = refused.data.error;
    return { error: { ...error, retryable } };
  }
  return appliedSchema.parse(document);
}

/** Opens the place that the message names: "FILE:3:7: ...". */
async function showInFile(services: Services, file: vscode.Uri, error: ErrorDocument): Promise<void> {
  if (error.code !== 'invalid_file') {
    await showFailure(services, new ThinClonesError(error, 400), undefined);
    return;
  }
  const open = 'Open File';
  const chosen = await vscode.window.showErrorMessage(sentences(error.message, error.next), open);
  if (chosen !== open) return;
  const place = /:(\d+):(\d+)/.exec(error.message);
  const line = Math.max(0, Number(place?.[1] ?? 1) - 1);
  const column = Math.max(0, Number(place?.[2] ?? 1) - 1);
  const position = new vscode.Position(line, column);
  await vscode.window.showTextDocument(file, { selection: new vscode.Range(position, position) });
}

async function report(services: Services, { items, leftOut }: Applied): Promise<void> {
  const changed = items.filter(({ outcome }) => outcome !== 'unchanged');
  const empty = items.filter(({ environment }) => environment.latestSnapshot === null);
  const [first] = empty;
  const without = leftOut
    .map(({ environment, host }) => ` ${environment} is left out: host ${host} is not trusted.`)
    .join('');
  const told =
    changed.length === 0
      ? `Nothing to change: ${countOf(items.length, 'environment')} as declared.`
      : `${changed.map(({ environment, outcome }) => `${environment.name}: ${outcome}`).join(', ')}.`;
  const text = `${told}${without}`;
  if (first === undefined && leftOut.length > 0) {
    const add = 'Add Host…';
    const chosen = await vscode.window.showInformationMessage(text, add);
    if (chosen === add) await runCommand('thinClones.host.add');
    return;
  }
  if (first === undefined) {
    vscode.window.setStatusBarMessage(`$(check) ${text}`, 5000);
    return;
  }
  const refresh = empty.length === 1 ? 'Take First Snapshot' : 'Take First Snapshots';
  const chosen = await vscode.window.showInformationMessage(text, refresh);
  if (chosen !== refresh) return;
  for (const { environment } of empty) await refreshNow(services, environment);
}
