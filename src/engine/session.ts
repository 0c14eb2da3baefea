/** Keeps the window connected to the engine: starts it when first needed, follows its events, comes back when it goes. */
import type { Client } from '../../engine/protocol/client.ts';
import type { EngineInfo, ErrorDocument } from '../../engine/protocol/entities.ts';
import { toFailure } from '../../engine/protocol/errors.ts';
import type { Event } from '../../engine/protocol/events.ts';
import type { EngineConnection } from '../../engine/protocol/node/launch.ts';
import { createEmitter, type Subscribe } from './emitter.ts';
import { createModel, systemTimer, type Model, type Timer } from './model.ts';

export type SessionState =
  /** Not asked for yet. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'connected'; readonly info: EngineInfo }
  /** The engine ended by itself or because somebody stopped it; a command starts it again. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: ErrorDocument };

export interface EngineSession {
  readonly state: SessionState;
  readonly model: Model;
  readonly onDidChangeState: Subscribe<SessionState>;
  /** Every event of the engine in order, also job lines; `resync` after a gap. */
  readonly onEvent: Subscribe<Event>;
  /** The engine's client once everything is read; starts the engine when none runs. Rejects with an error of the table. */
  connect(signal?: AbortSignal): Promise<Client>;
  /** Stops the engine; clones go on. It stays stopped until `connect` is called. */
  stop(signal?: AbortSignal): Promise<void>;
  /** Reads everything again on a new connection, after the engine replaced its state. */
  reconnect(): Promise<void>;
  /** Ends the connection, not the engine. */
  dispose(): void;
}

export interface SessionOptions {
  /** Reaches the running engine, or with `start` also starts one. */
  readonly reach: (options: { start: boolean; signal: AbortSignal }) => Promise<EngineConnection>;
  /** Asks the engine to stop and waits until it is gone. */
  readonly end: (connection: EngineConnection, signal: AbortSignal | undefined) => Promise<void>;
  /** True while somebody looks: then an engine that died is started again without being asked for. */
  readonly wanted: () => boolean;
  readonly log: (level: 'info' | 'warning', text: string) => void;
  readonly timer?: Timer;
}

const firstRetryMs = 250;
const lastRetryMs = 15_000;

export function createSession(options: SessionOptions): EngineSession {
  const { reach, end, wanted, log, timer = systemTimer } = options;
  const model = createModel(timer);
  const stateChanged = createEmitter<SessionState>();
  const events = createEmitter<Event>();
  const disposal = new AbortController();
  let state: SessionState = { kind: 'idle' };
  let connecting: Promise<EngineConnection> | undefined;
  let current: EngineConnection | undefined;
  let cancelRetry: (() => void) | undefined;

  const enter = (next: SessionState): void => {
    state = next;
    stateChanged.emit(next);
  };

  const readOverview = async (connection: EngineConnection): Promise<void> => {
    model.load(await connection.client.call('overview', {}, { signal: disposal.signal }));
  };

  /** Follows the events until the stream ends. Answers whether it ended as a clean stop does. */
  const follow = async (connection: EngineConnection): Promise<boolean> => {
    try {
      for (;;) {
        let again = false;
        const from = model.position;
        if (from === undefined) return true;
        for await (const event of connection.client.events(from, disposal.signal)) {
          events.emit(event);
          if (model.apply(event)) continue;
          again = true;
          break;
        }
        if (!again) return true;
        await readOverview(connection);
      }
    } catch (error) {
      if (!disposal.signal.aborted) log('warning', `The event stream broke: ${toFailure(error).message}`);
      return false;
    }
  };

  const lost = (connection: EngineConnection, clean: boolean): void => {
    connection.close();
    if (current !== connection || disposal.signal.aborted) return;
    current = undefined;
    log('info', clean ? 'The engine has stopped.' : 'The engine is gone.');
    enter({ kind: 'stopped' });
    // After a clean stop somebody wanted it gone: look for a new one (an upgrade), but start none.
    retry({ start: !clean, delayMs: firstRetryMs });
  };

  const retry = ({ start, delayMs }: { start: boolean; delayMs: number }): void => {
    cancelRetry?.();
    cancelRetry = timer.after(delayMs, () => {
      if (disposal.signal.aborted || current !== undefined || connecting !== undefined) return;
      open(start && wanted(), true).catch(() => {
        // One start that nobody asked for is enough; from then on only look whether another window started one.
        retry({ start: false, delayMs: Math.min(delayMs * 2, lastRetryMs) });
      });
    });
  };

  /** `quiet`: a look for an engine that may be there; its failure changes nothing that people see. */
  const open = (start: boolean, quiet: boolean): Promise<EngineConnection> => {
    if (current !== undefined) return Promise.resolve(current);
    const before = state;
    connecting ??= (async () => {
      try {
        if (!quiet || start) enter({ kind: 'starting' });
        const connection = await reach({ start, signal: disposal.signal });
        try {
          await readOverview(connection);
        } catch (error) {
          connection.close();
          throw error;
        }
        current = connection;
        cancelRetry?.();
        cancelRetry = undefined;
        log('info', `Connected to engine ${connection.info.version}, pid ${connection.info.pid}.`);
        enter({ kind: 'connected', info: connection.info });
        void follow(connection).then((clean) => lost(connection, clean));
        return connection;
      } catch (error) {
        const failure = toFailure(error);
        if (!disposal.signal.aborted) {
          if (start) {
            log('warning', failure.message);
            enter({ kind: 'failed', error: failure.document });
          } else if (state !== before) enter(before);
        }
        throw failure;
      } finally {
        connecting = undefined;
      }
    })();
    return connecting;
  };

  /** A look for a running engine may be under way when a start is asked for: then the start follows it. */
  const openStarting = async (): Promise<EngineConnection> => {
    if (connecting !== undefined) {
      try {
        return await connecting;
      } catch {
        // best effort: it may have been a look without a start; the start below reports its own failure
      }
    }
    return await open(true, false);
  };

  return {
    get state() {
      return state;
    },
    model,
    onDidChangeState: stateChanged.subscribe,
    onEvent: events.subscribe,
    async connect(signal) {
      cancelRetry?.();
      const connection = await openStarting();
      signal?.throwIfAborted();
      return connection.client;
    },
    async stop(signal) {
      const connection = current ?? (await open(false, true).catch(() => undefined));
      cancelRetry?.();
      if (connection === undefined) return;
      current = undefined;
      try {
        await end(connection, signal);
      } catch (error) {
        // It did not stop: what is followed is still it.
        current ??= connection;
        throw error;
      }
      connection.close();
      enter({ kind: 'stopped' });
      retry({ start: false, delayMs: firstRetryMs });
    },
    async reconnect() {
      current?.close();
      current = undefined;
      await openStarting();
    },
    dispose() {
      disposal.abort();
      cancelRetry?.();
      current?.close();
      current = undefined;
    },
  };
}
