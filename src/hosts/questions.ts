/** Shows what the login to a host asks to the person who asked for that login, and hands on the answer, which is kept nowhere. */
import * as vscode from 'vscode';
import type { Client } from '../../engine/protocol/client.ts';
import type { Host, HostQuestion } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import { referenceSchema } from '../../engine/protocol/ids.ts';
import type { Subscription } from '../engine/emitter.ts';
import type { Services } from '../services.ts';
import { plain } from '../views/markdown.ts';
import { onHost } from './onHost.ts';

export interface AnswerOptions {
  readonly services: Services;
  readonly client: Client;
  readonly host: string;
  /** A box takes the place of whatever is shown, and gives it back. */
  readonly onAside: (isAside: boolean) => void;
  /** What went wrong with an answer. */
  readonly onProblem: (error: unknown) => void;
}

/** Until it is disposed of: one question after another. */
export function answerQuestions(options: AnswerOptions): Subscription {
  const { services, client, host: name, onAside, onProblem } = options;
  let shown: { readonly id: string; readonly gone: vscode.CancellationTokenSource } | undefined;
  const withdraw = (): void => {
    // It is answered elsewhere, or no longer waited for.
    shown?.gone.cancel();
    shown = undefined;
  };
  const show = async (host: Host, question: HostQuestion): Promise<void> => {
    const gone = new vscode.CancellationTokenSource();
    shown = { id: question.id, gone };
    onAside(true);
    try {
      const reply = await ask(host, question, gone.token);
      if (gone.token.isCancellationRequested) return;
      await client.call('hostAnswer', {
        params: { host: referenceSchema.parse(name) },
        body: { question: question.id, reply: reply ?? null },
      });
    } catch (error) {
      // Somebody else was quicker, or the login is over, which whoever waits for it tells.
      if (!isFailure(error, 'host_question_over') && !isFailure(error, 'not_found')) onProblem(error);
    } finally {
      onAside(false);
    }
  };
  const watching = onHost(services, name, (host) => {
    const question = host?.question ?? null;
    if (question?.id === shown?.id) return;
    withdraw();
    if (host !== undefined && question !== null) void show(host, question);
  });
  return {
    dispose() {
      watching.dispose();
      withdraw();
    },
  };
}

/** The answer; undefined: there is none. */
async function ask(
  host: Host,
  question: HostQuestion,
  gone: vscode.CancellationToken,
): Promise<string | undefined> {
  return question.kind === 'host-key'
    ? await askTrust(host, question)
    : await vscode.window.showInputBox(
        {
          title: titles[question.kind](host.name),
          // What the host itself says stands behind our own words.
          prompt: `${host.address ?? host.name} asks: ${plain(question.text)}`,
          placeHolder: 'It goes to ssh alone, and is kept nowhere',
          password: question.masked,
          ignoreFocusOut: true,
        },
        gone,
      );
}

const titles: Readonly<Record<Exclude<HostQuestion['kind'], 'host-key'>, (host: string) => string>> = {
  password: (host) => `Password for Host ${host}`,
  passphrase: (host) => `Passphrase of the Key for Host ${host}`,
  code: (host) => `One-Time Code for Host ${host}`,
  other: (host) => `Login to Host ${host}`,
};

/** What Enter presses is harmless: a key is trusted by who means to. */
async function askTrust(
  { name, address }: Host,
  { fingerprint, text }: HostQuestion,
): Promise<string | undefined> {
  const copy = 'Copy Fingerprint';
  const trust = 'Trust This Key';
  const detail = [
    `${address ?? name} shows a key that nobody has accepted on this machine yet:`,
    fingerprint ?? text,
    'Trust it only if this is the fingerprint that the host itself, or whoever runs it, tells you. Otherwise somebody may stand between you and the host. Without trust nothing is sent there.',
  ].join('\n\n');
  for (;;) {
    const chosen = await vscode.window.showWarningMessage(
      `Is this the key of host ${name}?`,
      { modal: true, detail },
      ...(fingerprint === null ? [] : [copy]),
      trust,
    );
    if (chosen === copy && fingerprint !== null) await vscode.env.clipboard.writeText(fingerprint);
    else return chosen === trust ? 'yes' : undefined;
  }
}
