/** Asks for the connection URL of a source and tests it: the box stays, with the reason, until the source can be used. */
import { wordsOf } from '../../engine/protocol/engineWords.ts';
import * as vscode from 'vscode';
import type { SourceReport } from '../../engine/protocol/entities.ts';
import { toFailure } from '../../engine/protocol/errors.ts';
import { parseConnectionUrl, type ConnectionUrl, type ParsedUrl } from '../sources/connectionUrl.ts';
import { askPassword } from './askPassword.ts';

export interface UrlSource {
  readonly connection: ConnectionUrl;
  readonly password: string | undefined;
  readonly report: SourceReport;
}

/** Why a source can not be used. */
export interface Refusal {
  readonly text: string;
  readonly wantsPassword: boolean;
}

export interface AskSource {
  readonly title: string;
  /** Tested at once; the box shows it without its password. */
  readonly found: ConnectionUrl | undefined;
  /** The other host that reads it; the password goes there, too. */
  readonly reader?: string;
  readonly test: (
    connection: ConnectionUrl,
    password: string | undefined,
    signal: AbortSignal,
  ) => Promise<SourceReport | Refusal>;
  /** Opens everything that is known about the last refusal. */
  readonly showDetails: () => Promise<void>;
}

const question = (reader: string | undefined): string =>
  reader === undefined
    ? 'Connection URL of the database to copy. A password in it is kept in the secret storage, apart from the URL.'
    : `Connection URL of the database to copy, as host ${reader} reaches it. A password in it is kept in the secret storage, apart from the URL, and goes to ${reader}, which reads the source with it.`;

function messageOf(read: ParsedUrl): string | vscode.InputBoxValidationMessage | undefined {
  if (!read.ok) return read.problem;
  const { notes } = read.value;
  return notes.length === 0
    ? undefined
    : { message: notes.join(' '), severity: vscode.InputBoxValidationSeverity.Info };
}

/** Undefined when the box was left. */
export function askSource({
  title,
  found,
  reader,
  test,
  showDetails,
}: AskSource): Promise<UrlSource | undefined> {
  const asked = question(reader);
  const box = vscode.window.createInputBox();
  const enterPassword = { iconPath: new vscode.ThemeIcon('key'), tooltip: 'Enter Password' };
  const details = { iconPath: new vscode.ThemeIcon('info'), tooltip: 'Show Details' };
  let password = found?.password;
  let testing: AbortController | undefined;
  /** Another box takes the place of this one for a while. */
  let isAside = false;
  box.title = title;
  box.prompt = asked;
  box.placeholder = wordsOf().urlWithPassword;
  box.value = found?.url ?? '';
  box.ignoreFocusOut = true;

  const parsed = (): ConnectionUrl | undefined => {
    const read = parseConnectionUrl(box.value);
    box.validationMessage = messageOf(read);
    return read.ok ? read.value : undefined;
  };
  const work = (isWorking: boolean): void => {
    box.busy = isWorking;
    box.enabled = !isWorking;
    box.prompt = isWorking ? 'Testing the source… Escape ends it.' : asked;
  };

  return new Promise((resolve) => {
    const end = (source: UrlSource | undefined): void => {
      resolve(source);
      testing?.abort();
      box.dispose();
    };
    const attempt = async (): Promise<void> => {
      const connection = parsed();
      if (connection === undefined || testing !== undefined) return;
      // One that is not typed again stays.
      password = connection.password ?? password;
      testing = new AbortController();
      const { signal } = testing;
      work(true);
      const report = await test(connection, password, signal).catch((error: unknown): Refusal => ({
        text: toFailure(error).message,
        wantsPassword: false,
      }));
      testing = undefined;
      if (signal.aborted) return;
      if (!('text' in report)) {
        end({ connection, password, report });
        return;
      }
      work(false);
      box.buttons = [...(report.wantsPassword ? [enterPassword] : []), details];
      box.validationMessage = report.text;
    };
    const takePassword = async (): Promise<void> => {
      const connection = parsed();
      if (connection === undefined) return;
      isAside = true;
      const { user, host } = connection;
      const answer = await askPassword({ title, prompt: `Password for ${user ?? 'the user'} at ${host}` });
      isAside = false;
      box.show();
      if (answer === undefined) return;
      password = answer;
      // The one that was typed into the URL was refused.
      box.value = connection.url;
      await attempt();
    };
    box.onDidChangeValue(parsed);
    box.onDidAccept(attempt);
    box.onDidTriggerButton(async (button) => {
      if (button === enterPassword) await takePassword();
      else await showDetails();
    });
    box.onDidHide(() => {
      if (!isAside) end(undefined);
    });
    box.show();
    if (found !== undefined) void attempt();
  });
}
