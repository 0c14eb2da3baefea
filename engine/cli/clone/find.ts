/** Finds a clone that a command names, and says how to connect to it. */
import type { Clone, Connection } from '../../protocol/entities.ts';
import type { Session } from '../session.ts';
import { readyText } from './texts.ts';

export const findClone = async (session: Session, reference: string): Promise<Clone> =>
  (await session.client()).call('cloneShow', { params: { clone: reference } }, { signal: session.signal });

export async function connectionsOf(session: Session, reference: string): Promise<Connection[]> {
  const input = { params: { clone: reference } };
  return (await (await session.client()).call('cloneConnection', input, { signal: session.signal })).items;
}

/** Answers with a clone that can be used now. */
export async function answerReady(session: Session, id: string, done: string): Promise<void> {
  const { output } = session;
  const [ready, items] = await Promise.all([
    findClone(session, id),
    output.json ? [] : connectionsOf(session, id),
  ]);
  output.answer({ json: ready, text: () => readyText(ready, items, done) });
}
