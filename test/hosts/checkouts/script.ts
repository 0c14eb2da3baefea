/** A person who types Git commands in no sensible order, with what the database of the working tree must be after each. */
import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkout, Connection } from '../../../engine/protocol/entities.ts';
import type { CloneId } from '../../../engine/protocol/ids.ts';
import { ask, withPort, writeMark, type CheckoutWorld } from '../../faults/checkoutWorld.ts';
import type { Reports } from './reports.ts';

/** HEAD has to stand still for longer before a clone is made for it; the rest is for slow processes. */
const TOO_SHORT_FOR_A_CLONE_MS = 120;

export interface Desk {
  folder: string;
  checkout: Pick<Checkout, 'id'>;
  login: Connection;
  /** What is checked out there. */
  branch: string;
}

export interface Script {
  /** Moves of HEAD so far. */
  moves(): number;
  /** One thing that a person does, and its check. */
  step(): Promise<void>;
  /** Clones by the branches that stood long enough to get one. */
  readonly bound: ReadonlyMap<string, CloneId>;
  /** Branches that may have stood long enough in a row of quick checkouts, on a slow machine. */
  readonly doubtful: ReadonlySet<string>;
  /** What was done, newest last. */
  readonly done: readonly string[];
}

export interface ScriptOptions {
  checkouts: CheckoutWorld;
  reports: Reports;
  desk: Desk;
  branches: readonly string[];
  random: () => number;
  /** Called with a working tree that was added, and before it is removed again. */
  onWorktree: (desk: Desk) => () => Promise<void>;
}

const LINE = 'line.txt';

/** History for bisects, and two branches that conflict. */
export async function prepareHistory(git: CheckoutWorld['git'], folder: string): Promise<void> {
  const write = async (text: string, message: string): Promise<void> => {
    await writeFile(join(folder, LINE), `${text}\n`);
    await git(folder, 'add', LINE);
    await git(folder, 'commit', '--quiet', '--message', message);
  };
  for (let number = 0; number < 6; number++) await write(`step ${number}`, `step ${number}`);
  for (const side of ['left', 'right']) {
    await git(folder, 'checkout', '--quiet', '-b', side);
    await write(side, side);
    await git(folder, 'checkout', '--quiet', 'main');
  }
}

export function createScript(options: ScriptOptions): Script {
  const { checkouts, reports, desk, random, onWorktree } = options;
  const { world, git } = checkouts;
  const bound = new Map<string, CloneId>();
  const marks = new Map<CloneId, string>();
  const doubtful = new Set<string>();
  const known = new Set<string>(['main', 'left', 'right']);
  const done: string[] = [];
  let moves = 0;
  let names = 0;

  const run = async (where: Desk, ...args: string[]): Promise<void> => {
    done.push(`${where === desk ? '' : `${where.folder}: `}git ${args.join(' ')}`);
    await git(where.folder, ...args);
  };
  const stops = async (where: Desk, ...args: string[]): Promise<void> => {
    done.push(`git ${args.join(' ')} (stops)`);
    await checkouts.place.stop(where.folder, ...args);
  };
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[Math.floor(random() * items.length)];
    assert.ok(item !== undefined);
    return item;
  };
  const others = (where: Desk): string[] =>
    [...known].filter((name) => name !== where.branch && !isAway(name));
  /** Checked out in another working tree, where Git would refuse. */
  const away = new Map<string, Desk>();
  const isAway = (name: string): boolean => away.has(name);

  const move = async (where: Desk, branch: string, ...args: string[]): Promise<void> => {
    await run(where, 'checkout', '--quiet', ...args, branch, '--');
    moves += 1;
    where.branch = branch;
  };

  /** The database of the branch answers, the same as ever, with all that was written to it. */
  const arrives = async (where: Desk, key = where.branch): Promise<void> => {
    const isThere = ({ state, head, key: led }: Checkout): boolean =>
      state === 'ready' && led === key && head.kind !== 'unreadable' && head.branch === key;
    const { clone } = await reports.until(where.checkout.id, `the database of ${key}`, isThere);
    const heard = reports.of(where.checkout.id).length;
    assert.ok(clone !== null);
    const before = bound.get(key);
    assert.equal(clone, before ?? clone, `${key} has another clone than before`);
    const owner = [...bound].find(([other, id]) => id === clone && other !== key);
    assert.equal(owner, undefined, `${key} leads to the clone of ${owner?.[0] ?? ''}`);
    bound.set(key, clone);
    if (!marks.has(clone)) {
      marks.set(clone, `${key} ${clone}`);
      await writeMark(where.login, `${key} ${clone}`);
    }
    let told = await ask(where.login);
    if (told.mark !== marks.get(clone)) {
      // What was heard may be of before HEAD left the branch and came back: then it is told once more.
      await reports.until(
        where.checkout.id,
        `the database of ${key} once more, after an answer of ${told.mark}`,
        (checkout) => reports.of(where.checkout.id).length > heard && isThere(checkout),
      );
      told = await ask(where.login);
    }
    assert.equal(told.mark, marks.get(clone), `the data of ${key}`);
  };
  const leadsNowhere = async (where: Desk): Promise<void> => {
    await reports.until(
      where.checkout.id,
      'nothing',
      ({ state, head }) => state === 'none' && head.kind === 'detached',
    );
    await assert.rejects(
      withPort(where.login, () => Promise.resolve()),
      /HEAD is detached/,
    );
  };
  const during = async (where: Desk, operation: string): Promise<void> => {
    await reports.until(
      where.checkout.id,
      operation,
      ({ state, head, key }) =>
        state === 'ready' &&
        key === where.branch &&
        head.kind !== 'unreadable' &&
        head.operation === operation,
    );
    await arrives(where);
  };
  const over = async (where: Desk): Promise<void> => {
    await reports.until(
      where.checkout.id,
      'the end of the operation',
      ({ head }) => head.kind === 'branch' && head.operation === null && head.branch === where.branch,
    );
    await arrives(where);
  };

  const newBranch = async (where: Desk, start?: string): Promise<void> => {
    const name = pick(options.branches.filter((each) => !known.has(each)));
    await run(where, 'checkout', '--quiet', '-b', name, ...(start === undefined ? [] : [start]));
    moves += 1;
    where.branch = name;
    known.add(name);
    if (where === desk) await arrives(where);
  };

  /** As Git does it, without the rest of what `git checkout` does: many within a few milliseconds. */
  const writeHead = async (branch: string): Promise<void> => {
    const head = join(desk.folder, '.git', 'HEAD');
    done.push(`HEAD to ${branch}`);
    await writeFile(`${head}.lock`, `ref: refs/heads/${branch}\n`);
    await rename(`${head}.lock`, head);
    moves += 1;
  };

  const things: readonly { weight: number; does: () => Promise<void> }[] = [
    {
      weight: 12,
      async does() {
        await move(desk, pick(others(desk)));
        await arrives(desk);
      },
    },
    {
      weight: 6,
      async does() {
        if (options.branches.some((name) => !known.has(name))) await newBranch(desk, pick(['main', 'left']));
      },
    },
    {
      // Quick ones, of which only the last counts.
      weight: 8,
      async does() {
        const fast = random() < 0.5;
        let before = performance.now();
        for (let count = 3 + Math.floor(random() * 5); count > 0; count--) {
          const branch = pick(others(desk));
          const began = performance.now();
          if (fast) await writeHead(branch);
          else await move(desk, branch, '--force');
          desk.branch = branch;
          const isNew = !bound.has(branch);
          const next = performance.now();
          if (next - before > TOO_SHORT_FOR_A_CLONE_MS && isNew) doubtful.add(branch);
          before = began;
        }
        await move(desk, pick(others(desk)), '--force');
        // A look at once, so that one of a branch in between is not taken for the last.
        await (await world.client()).call('checkoutOpen', { body: { folder: desk.folder } });
        await arrives(desk);
      },
    },
    {
      weight: 5,
      async does() {
        await run(desk, 'checkout', '--quiet', '--detach', pick(['HEAD', 'main~2', pick([...known])]));
        moves += 1;
        await leadsNowhere(desk);
        await move(desk, pick(others(desk)));
        await arrives(desk);
      },
    },
    {
      // A rebase that stops.
      weight: 4,
      async does() {
        if (isAway('left')) return;
        if (desk.branch !== 'left') await move(desk, 'left');
        await arrives(desk);
        const before = await git(desk.folder, 'rev-parse', 'HEAD');
        await stops(desk, 'rebase', 'right');
        moves += 1;
        await during(desk, 'rebase');
        if (random() < 0.5) {
          await run(desk, 'rebase', '--abort');
          await over(desk);
        } else {
          await writeFile(join(desk.folder, LINE), 'both\n');
          await run(desk, 'add', LINE);
          await run(desk, 'rebase', '--continue');
          await over(desk);
          await run(desk, 'reset', '--quiet', '--hard', before);
          await arrives(desk);
        }
        moves += 1;
      },
    },
    {
      // A rebase that goes through.
      weight: 3,
      async does() {
        await move(desk, 'main');
        const start = await git(desk.folder, 'rev-parse', 'main');
        await run(desk, 'rebase', '--quiet', '--force-rebase', 'main~3');
        moves += 1;
        await over(desk);
        await run(desk, 'reset', '--quiet', '--hard', start);
        await arrives(desk);
      },
    },
    {
      weight: 3,
      async does() {
        await arrives(desk);
        await run(desk, 'bisect', 'start', 'main', 'main~5');
        await during(desk, 'bisect');
        await run(desk, 'bisect', pick(['good', 'bad']));
        await during(desk, 'bisect');
        moves += 2;
        await run(desk, 'bisect', 'reset');
        moves += 1;
        await over(desk);
      },
    },
    {
      weight: 3,
      async does() {
        if (isAway('right')) return;
        if (desk.branch !== 'right') await move(desk, 'right');
        await arrives(desk);
        await stops(desk, 'merge', '--quiet', 'left');
        await during(desk, 'merge');
        await run(desk, 'merge', '--abort');
        await over(desk);
      },
    },
    {
      weight: 3,
      async does() {
        const before = desk.branch;
        if (['main', 'left', 'right'].includes(before)) return;
        await arrives(desk);
        const after = `${before.replace(/-renamed-\d+$/, '')}-renamed-${++names}`;
        await run(desk, 'branch', '--move', before, after);
        moves += 1;
        desk.branch = after;
        known.delete(before);
        known.add(after);
        const clone = bound.get(before);
        bound.delete(before);
        if (clone !== undefined) bound.set(after, clone);
        await arrives(desk);
      },
    },
    {
      weight: 3,
      async does() {
        const name = desk.branch;
        if (['main', 'left', 'right'].includes(name)) return;
        await move(desk, 'main');
        await run(desk, 'branch', '--quiet', '--delete', '--force', name);
        if (random() < 0.5) await arrives(desk);
        await run(desk, 'checkout', '--quiet', '-b', name);
        moves += 1;
        desk.branch = name;
        await arrives(desk);
      },
    },
    {
      // Branches that are moved by force, checked out or not.
      weight: 3,
      async does() {
        const movable = others(desk).filter((name) => !['main', 'left', 'right'].includes(name));
        if (movable.length < 2) return;
        await run(desk, 'branch', '--quiet', '--force', pick(movable), pick(['main~1', 'left']));
        await arrives(desk);
        const name = pick(movable);
        await run(desk, 'checkout', '--quiet', '-B', name, pick(['main', 'right']));
        moves += 1;
        desk.branch = name;
        await arrives(desk);
      },
    },
    {
      // Another working tree with ports of its own.
      weight: 3,
      async does() {
        const folder = `${desk.folder}-worktree-${++names}`;
        const branch = pick(others(desk));
        await run(desk, 'worktree', 'add', '--quiet', folder, branch);
        moves += 1;
        const checkout = await checkouts.open(folder);
        const other: Desk = { folder, checkout, branch, login: await checkouts.login(checkout) };
        away.set(branch, other);
        assert.notEqual(other.login.port, desk.login.port);
        assert.equal(other.login.password, desk.login.password);
        const leave = onWorktree(other);
        await arrives(other);
        for (let count = Math.floor(random() * 3); count > 0; count--) {
          const next = pick(others(desk).filter((name) => name !== other.branch));
          away.delete(other.branch);
          await move(other, next);
          away.set(next, other);
          await arrives(other);
        }
        // Meanwhile in the first one.
        await move(desk, pick(others(desk)));
        await arrives(desk);
        await leave();
        await run(desk, 'worktree', 'remove', '--force', folder);
        away.delete(other.branch);
        await reports.until(checkout.id, 'its end', ({ state }) => state === 'none');
        await (await world.client()).call('checkoutForget', { params: { checkout: checkout.id } });
      },
    },
  ];
  const weights = things.reduce((sum, { weight }) => sum + weight, 0);

  return {
    ...{ bound, doubtful, done },
    moves: () => moves,
    async step() {
      let rest = random() * weights;
      const thing = things.find(({ weight }) => (rest -= weight) < 0);
      await thing?.does();
    },
  };
}
