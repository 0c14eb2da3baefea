/** Has the engine follow the working trees of this window's folders, and knows which one belongs to which folder. */
import type { RouteInput } from '../../engine/protocol/client.ts';
import type { Checkout } from '../../engine/protocol/entities.ts';
import { isFailure } from '../../engine/protocol/errors.ts';
import type { Follow } from '../../engine/protocol/follow.ts';
import { createEmitter, type Subscribe } from '../engine/emitter.ts';
import type { EngineSession } from '../engine/session.ts';
import type { Survey } from './declaration.ts';

/** A folder of the window that lies on this machine. */
export interface Folder {
  /** Stays the same while the folder is open. */
  readonly key: string;
  readonly path: string;
}

export interface Place {
  readonly folder: Folder;
  readonly checkout: Checkout;
}

export type Opening = Pick<RouteInput<'checkoutOpen'>['body'], 'environment' | 'follow'>;

export interface FolderFollowerOptions {
  readonly session: Pick<EngineSession, 'state' | 'model' | 'connect' | 'onDidChangeState'>;
  /** None in a window that is not trusted. */
  readonly folders: () => readonly Folder[];
  /** What the settings say; undefined: nothing. */
  readonly chosen: (folder: Folder) => Follow | undefined;
  /** What can be seen without an engine. */
  readonly survey: (folder: Folder) => Promise<Survey>;
  /** Folders whose database was followed before in this workspace. */
  readonly remembered: { has(folder: Folder): boolean; set(folder: Folder, followed: boolean): void };
  readonly log: (text: string) => void;
}

export interface FolderFollower {
  /** The followed folders, in the window's order. */
  places(): readonly Place[];
  checkoutOf(folder: Folder): Checkout | undefined;
  /** Why the engine could not open a folder's working tree, for people. */
  problemOf(folder: Folder): string | undefined;
  /** Whether nothing says which of several environments a followed folder uses: until somebody does, its branches get no database. */
  lacksEnvironment(folder: Folder): boolean;
  /** Whether a folder wants the engine to run without being asked for. */
  isWanted(): boolean;
  /** Whether somebody said that this folder is followed: in its file, in the settings, or by using it. */
  isAdopted(folder: Folder): boolean;
  /** Looks at all folders again; starts the engine only for those that want it. */
  look(): void;
  /** Looks at one folder again. */
  lookAt(folder: Folder): void;
  /** Resolves when the looks at a folder that were asked for have ended, however they ended. */
  settled(folder: Folder): Promise<void>;
  /** Opens a folder's working tree as somebody chose it; starts the engine when needed. */
  open(folder: Folder, opening: Opening): Promise<Checkout>;
  readonly onDidChange: Subscribe<undefined>;
  dispose(): void;
}

interface Known {
  id?: string;
  survey: Survey;
  problem?: string;
  isUnchosen?: boolean;
  /** What the settings said at the last look. */
  chosen?: Follow | undefined;
  /** The look that is under way, and whether another one was asked for meanwhile. */
  looking: Promise<void> | undefined;
  again: boolean;
}

export function createFolderFollower(options: FolderFollowerOptions): FolderFollower {
  const { session, folders, chosen, survey, remembered, log } = options;
  const known = new Map<string, Known>();
  const changed = createEmitter<undefined>();
  let disposed = false;

  const knownOf = (folder: Folder): Known => {
    const found = known.get(folder.key);
    if (found !== undefined) return found;
    const made: Known = {
      survey: { isCheckout: false, isDeclared: false },
      looking: undefined,
      again: false,
    };
    known.set(folder.key, made);
    return made;
  };
  const checkoutOf = (folder: Folder): Checkout | undefined =>
    session.model.checkouts.get(known.get(folder.key)?.id ?? '');
  const wants = (folder: Folder): boolean => {
    const follow = chosen(folder);
    if (follow === 'off' || checkoutOf(folder)?.follow === 'off') return false;
    const { isCheckout, isDeclared } = knownOf(folder).survey;
    // A setting that counts everywhere is no reason to start an engine for a folder without Git.
    return isDeclared || (follow !== undefined && isCheckout) || remembered.has(folder);
  };

  const openIn = async (folder: Folder, opening: Opening): Promise<Checkout> => {
    const client = await session.connect();
    const state = knownOf(folder);
    // The engine looks at everything now: what was asked for before this moment needs no other look.
    state.again = false;
    const checkout = await client.call('checkoutOpen', { body: { folder: folder.path, ...opening } });
    state.id = checkout.id;
    delete state.problem;
    delete state.isUnchosen;
    changed.emit(undefined);
    return checkout;
  };

  const lookOnce = async (folder: Folder): Promise<void> => {
    const state = knownOf(folder);
    state.survey = await survey(folder);
    if (disposed || (session.state.kind !== 'connected' && !wants(folder))) return;
    const follow = chosen(folder);
    try {
      // A setting that is taken out takes back what it said.
      const change = follow === undefined && state.chosen !== undefined ? null : follow;
      await openIn(folder, change === undefined ? {} : { follow: change });
      state.chosen = follow;
    } catch (error) {
      // A folder without Git, or nothing that says which environment: the menu tells it to who asks.
      const problem = error instanceof Error ? error.message : String(error);
      if (state.problem !== problem) log(`${folder.path} is not followed: ${problem}`);
      state.problem = problem;
      state.isUnchosen = isFailure(error, 'environment_unchosen');
      delete state.id;
      changed.emit(undefined);
    }
  };

  const lookAt = (folder: Folder): void => {
    const state = knownOf(folder);
    state.again = true;
    state.looking ??= (async () => {
      while (state.again && !disposed) {
        state.again = false;
        await lookOnce(folder);
      }
      state.looking = undefined;
    })();
  };
  const look = (): void => {
    const open = folders();
    const keys = new Set(open.map(({ key }) => key));
    for (const key of known.keys()) if (!keys.has(key)) known.delete(key);
    for (const folder of open) lookAt(folder);
    changed.emit(undefined);
  };

  /** What was used once is followed again when the workspace is opened the next time. */
  const remember = (): void => {
    for (const folder of folders()) {
      const checkout = checkoutOf(folder);
      if (checkout === undefined) continue;
      const followed = checkout.follow !== 'off' && (checkout.clone !== null || remembered.has(folder));
      if (followed !== remembered.has(folder)) remembered.set(folder, followed);
    }
  };
  const environments = (): string => [...session.model.environments.keys()].sort().join('\n');
  let before = '';
  const subscriptions = [
    session.onDidChangeState(({ kind }) => {
      if (kind === 'connected') look();
    }),
    session.model.onDidChange(() => {
      remember();
      const now = environments();
      // A folder that no environment fitted may have one now.
      if (now !== before)
        for (const folder of folders()) if (checkoutOf(folder)?.environment == null) lookAt(folder);
      before = now;
      changed.emit(undefined);
    }),
  ];

  return {
    places: () =>
      folders().flatMap((folder) => {
        const checkout = checkoutOf(folder);
        return checkout === undefined ? [] : [{ folder, checkout }];
      }),
    checkoutOf,
    problemOf: (folder) => known.get(folder.key)?.problem,
    lacksEnvironment(folder) {
      if (session.model.environments.size < 2) return false;
      const checkout = checkoutOf(folder);
      if (checkout === undefined) return known.get(folder.key)?.isUnchosen === true;
      return checkout.follow !== 'off' && checkout.environment === null;
    },
    isWanted: () => folders().some(wants),
    isAdopted: wants,
    look,
    lookAt,
    settled: async (folder) => await known.get(folder.key)?.looking,
    async open(folder, opening) {
      const checkout = await openIn(folder, opening);
      remembered.set(folder, checkout.follow !== 'off');
      changed.emit(undefined);
      return checkout;
    },
    onDidChange: changed.subscribe,
    dispose() {
      disposed = true;
      for (const subscription of subscriptions) subscription.dispose();
    },
  };
}
