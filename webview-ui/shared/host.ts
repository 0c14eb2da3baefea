/** The page's end of the line to the extension: validated messages in, messages out, state that survives a reload. */
import { createInbox } from './inbox.ts';

interface VSCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VSCodeApi;

interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false };
}

export interface Host<Outgoing, State> {
  send(message: Outgoing): void;
  /** What `save` was given before the reload; undefined when there is none, or none that is understood. */
  readonly restored: State | undefined;
  save(state: State): void;
}

/** Call once: VS Code hands its API out once. */
export function connectToHost<Incoming, Outgoing, State>(options: {
  readonly incoming: Schema<Incoming>;
  readonly state: Schema<State>;
  readonly onMessage: (message: Incoming) => void;
  /** Says that a message was dropped; `count` of all so far. */
  readonly dropped: (count: number) => Outgoing;
}): Host<Outgoing, State> {
  const api = acquireVsCodeApi();
  const inbox = createInbox(options.incoming, options.onMessage, (count) => {
    api.postMessage(options.dropped(count));
  });
  window.addEventListener('message', (event) => inbox.receive(event.data));
  const restored = options.state.safeParse(api.getState());
  return {
    send: (message) => api.postMessage(message),
    restored: restored.success ? restored.data : undefined,
    save: (state) => api.setState(state),
  };
}
