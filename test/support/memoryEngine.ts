/** A whole engine in memory: the real jobs, services and state over fake ports, which can be stopped dead at any call. */
import { randomBytes } from 'node:crypto';
import { createFakeDatabase, type FakeDatabase } from '../../engine/database/fake/fakeDatabase.ts';
import { createFakeEndpoints, type FakeEndpoints } from '../../engine/endpoint/fake/fakeEndpoints.ts';
import { createFakeGit, type FakeGit } from '../../engine/git/fake/fakeGit.ts';
import { createFakeMachine, type FakeMachine } from '../../engine/machine/fake/fakeMachine.ts';
import type { Machine } from '../../engine/machine/machine.ts';
import type { Failpoint } from '../../engine/jobs/parts.ts';
import { createRunner } from '../../engine/jobs/runner.ts';
import {
  environmentDefinitionSchema,
  type Clone,
  type EnvironmentDefinition,
  type Job,
} from '../../engine/protocol/entities.ts';
import { fail } from '../../engine/protocol/errors.ts';
import type { Event } from '../../engine/protocol/events.ts';
import {
  cloneNameSchema,
  environmentNameSchema,
  hostNameSchema,
  installationIdSchema,
  memberNameSchema,
  referenceSchema,
  snapshotNameSchema,
  type CloneName,
  type EnvironmentName,
  type Reference,
  type SnapshotName,
} from '../../engine/protocol/ids.ts';
import { createFakeRuntime, type FakeRuntime } from '../../engine/runtime/fake/fakeRuntime.ts';
import { createCatalog } from '../../engine/services/catalog.ts';
import { publishingStore } from '../../engine/services/publishingStore.ts';
import type { Clock, Random } from '../../engine/ports/clock.ts';
import { noOtherHosts, type OtherHosts } from '../../engine/services/checkouts/hostClones.ts';
import type { ServiceContext } from '../../engine/services/context.ts';
import { createFeed } from '../../engine/jobs/feed.ts';
import type { RecoveryReport } from '../../engine/services/recovery/recovery.ts';
import { createServices, type Services } from '../../engine/services/services.ts';
import type { Workspace } from '../../engine/protocol/workspace.ts';
import { cachedStore } from '../../engine/state/cachedStore.ts';
import { openStore } from '../../engine/state/sqliteStore.ts';
import type { Store } from '../../engine/state/store.ts';
import { createVault } from '../../engine/state/vault.ts';
import { createMemoryStorage } from '../../engine/storage/memory/memoryStorage.ts';
import type { Storage } from '../../engine/storage/storage.ts';
import { seeded } from './seeds.ts';

export const ref = (text: string): Reference => referenceSchema.parse(text);
export const environmentName = (text: string): EnvironmentName => environmentNameSchema.parse(text);
export const cloneName = (text: string): CloneName => cloneNameSchema.parse(text);
export const snapshotName = (text: string): SnapshotName => snapshotNameSchema.parse(text);
export const caller = { user: 'tester' };

/** Time that moves by a millisecond with each look, and otherwise only when a test says so. */
export interface VirtualClock extends Clock {
  /** Lets time pass; resolves when whoever slept so long sleeps again (or has ended). */
  advance(ms: number): Promise<void>;
  /** Lets time pass while the engine looks as often as it does: `advance` of more than a minute is a gap that nobody looked in. */
  pass(ms: number): Promise<void>;
  /** Sets the clock on the wall forward or back; also what a suspended Linux sees when it wakes up. */
  jump(ms: number): void;
}

export function virtualClock(start = Date.parse('2026-11-20T03:00:00.000Z')): VirtualClock {
  let wall = start;
  let monotonic = 0;
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  let sleepers: { at: number; wake: () => void }[] = [];
  const clock: VirtualClock = {
    now: () => {
      monotonic += 1;
      return new Date((wall += 1));
    },
    monotonic: () => monotonic,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const sleeper = { at: monotonic + ms, wake: resolve };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers = sleepers.filter((each) => each !== sleeper);
          reject(signal.reason as Error);
        });
      }),
    async advance(ms) {
      wall += ms;
      monotonic += ms;
      const due = sleepers.filter(({ at }) => at <= monotonic);
      sleepers = sleepers.filter(({ at }) => at > monotonic);
      const others = sleepers.length;
      for (const { wake } of due) wake();
      // A look of the watch in memory takes a few hundred turns at most, and sleeps itself while it looks.
      for (let turns = 0, asleep = 0; turns < 2000 && asleep < 10; turns++) {
        await turn();
        asleep = sleepers.length < others + due.length ? 0 : asleep + 1;
      }
    },
    async pass(ms) {
      const stepMs = 50_000;
      for (let left = ms; left > 0; left -= stepMs) await clock.advance(Math.min(left, stepMs));
    },
    jump(ms) {
      wall += ms;
    },
  };
  return clock;
}

export interface Strike {
  /** 1 is the next call of any port or write of the state (or of those whose name starts with `only`: `store`). */
  nth: number;
  /** `fail`: the caller gets an error; `kill`: the engine is gone at once, as by SIGKILL. */
  how: 'fail' | 'kill';
  /** Before or after the call had its effect. */
  when: 'before' | 'after';
  only?: string;
  error?: Error;
}

/** What stands between one engine and the world: every call of a port and every write of the state passes here. */
interface Gate {
  calls: string[];
  strike: Strike | undefined;
  dead: boolean;
  readonly killed: Promise<void>;
  kill(): void;
  isDead(): boolean;
  /** Whether a strike is still to come. */
  armed(): boolean;
  pass<Value>(name: string, call: () => Promise<Value>): Promise<Value>;
  /** A write of the state, which is durable or not when it returns: struck `before`, what it changed is undone. */
  write<Value>(name: string, change: (hit: () => void) => Value): Value;
  /** Resolves when no call is at work in the world any more. */
  quiet(): Promise<void>;
}

function createGate(): Gate {
  let tellKilled = (): void => undefined;
  const killed = new Promise<void>((resolve) => (tellKilled = resolve));
  const never = <Value>(): Promise<Value> => new Promise(() => undefined);
  /** Counts a call, and returns how the strike hits it, if it does. */
  const meet = (name: string): { when: Strike['when'] | undefined; hit: () => void } => {
    gate.calls.push(name);
    const { strike } = gate;
    const counts = strike !== undefined && name.startsWith(strike.only ?? '');
    const struck = counts && --strike.nth === 0 ? strike : undefined;
    if (struck !== undefined) gate.strike = undefined;
    return {
      when: struck?.when,
      hit: () => {
        if (struck?.how === 'kill') gate.kill();
        else if (struck !== undefined)
          throw struck.error ?? fail('storage_failed', { storage: 'memory', problem: `ordered at ${name}` });
      },
    };
  };
  const gate: Gate = {
    calls: [],
    strike: undefined,
    dead: false,
    killed,
    kill() {
      gate.dead = true;
      tellKilled();
    },
    async pass(name, call) {
      if (gate.dead) return never();
      const { when, hit } = meet(name);
      if (when === 'before') hit();
      if (gate.isDead()) return never();
      try {
        const value = await call();
        if (when === 'after' && !gate.isDead()) hit();
        return gate.isDead() ? await never() : value;
      } catch (error) {
        if (gate.isDead()) return await never();
        throw error;
      }
    },
    write(name, change) {
      if (gate.dead) throw new Error('this engine was killed');
      const { when, hit } = meet(name);
      const alive = (): void => {
        if (gate.isDead()) throw new Error('this engine was killed');
      };
      const value = change(() => {
        if (when === 'before') hit();
        alive();
      });
      if (when === 'after') hit();
      alive();
      return value;
    },
    isDead: () => gate.dead,
    armed: () => gate.strike !== undefined,
    async quiet() {
      // Everything is in memory: what was at work has had its effect within these turns.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
  };
  return gate;
}

/** The end of a job, with time passing once the strike has come: what the state refused to be told is told to it again. */
export function endOf(
  clock: VirtualClock,
  { ended, gate }: Pick<Life, 'ended' | 'gate'>,
  job: Job,
): Promise<Job | undefined> {
  return asTimePasses(clock, gate, ended(job));
}

/** What also a request needs that waits for a job itself. */
export async function asTimePasses<Value>(
  clock: VirtualClock,
  gate: Pick<Gate, 'quiet' | 'armed'>,
  wanted: Promise<Value>,
): Promise<Value> {
  const settled = wanted.then((value) => ({ value }));
  for (;;) {
    const found = await Promise.race([settled, gate.quiet().then(() => 'goes on' as const)]);
    if (found !== 'goes on') return found.value;
    if (!gate.armed()) await clock.advance(1000);
  }
}

/** The same port, with every asynchronous method behind the gate. */
function gated<Port extends object>(port: Port, prefix: string, gate: Gate, plain: readonly string[]): Port {
  const wrapped: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(port)) {
    if (typeof value !== 'function' || plain.includes(name)) wrapped[name] = value;
    else {
      const method = value as (...args: unknown[]) => Promise<unknown>;
      wrapped[name] = (...args: unknown[]) => gate.pass(`${prefix}.${name}`, () => method(...args));
    }
  }
  return wrapped as Port;
}

/** A store whose engine can't write any more once it is dead, and whose writes may fail: each transaction as a whole. */
function mortalStore(store: Store, gate: Gate): Store {
  let inTransaction = false;
  const transaction: Store['transaction'] = (change) => {
    if (inTransaction) return store.transaction(change);
    return gate.write('store.transaction', (hit) =>
      store.transaction(() => {
        inTransaction = true;
        try {
          const value = change();
          hit();
          return value;
        } finally {
          inTransaction = false;
        }
      }),
    );
  };
  const writes = ['put', 'remove', 'addLine', 'keepKey', 'prune'];
  const mortal = <Part extends object>(part: Part, of: string): Part =>
    Object.fromEntries(
      Object.entries(part).map(([name, value]) => [
        name,
        typeof value !== 'function'
          ? value
          : (...args: unknown[]) => {
              const call = (): unknown => (value as (...args: unknown[]) => unknown)(...args);
              if (gate.isDead()) throw new Error('this engine was killed');
              if (inTransaction || !writes.includes(name)) return call();
              return gate.write(`store.${of}.${name}`, (hit) =>
                store.transaction(() => {
                  const result = call();
                  hit();
                  return result;
                }),
              );
            },
      ]),
    ) as Part;
  return {
    transaction,
    environments: mortal(store.environments, 'environments'),
    snapshots: mortal(store.snapshots, 'snapshots'),
    clones: mortal(store.clones, 'clones'),
    checkouts: mortal(store.checkouts, 'checkouts'),
    jobs: mortal(store.jobs, 'jobs'),
    close: () => undefined,
  };
}

export interface MemoryEngineOptions {
  seed?: number;
  /** Ports that the operating system has to give. Default 200. */
  ports?: number;
  capabilities?: Partial<Storage['capabilities']>;
  /** Milliseconds between the moments that two members' sources show. */
  skewMs?: number;
  otherHosts?: OtherHosts;
  /** What tells its data and its bindings from those of other engines. */
  installation?: string;
}

/** One run of the engine on the world. */
export interface Life {
  context: ServiceContext;
  services: Services;
  endpoints: FakeEndpoints;
  gate: Gate;
  report: RecoveryReport;
  events: Event[];
  /** What the engine wrote into its own log. */
  log: string[];
  /** The job at its end, or undefined when the engine died before. */
  ended(job: Job): Promise<Job | undefined>;
  /** Resolves when no job is at work. */
  quiet(): Promise<void>;
}

export interface MemoryEngine {
  readonly machine: FakeMachine;
  readonly storage: Storage;
  readonly runtime: FakeRuntime;
  readonly database: FakeDatabase;
  readonly clock: VirtualClock;
  readonly git: FakeGit;
  /** What thin-clones.yaml says, by working tree. */
  readonly workspaces: Map<string, Workspace>;
  /** Ports that another program listens on when the next engine starts. */
  readonly foreignPorts: Set<number>;
  /** The blocks of variables in files, by working tree and file: `/work/shop/.env`. */
  readonly envFiles: Map<string, Readonly<Record<string, string>>>;
  readonly random: () => number;
  /** What lies in the state file, whoever runs. */
  readonly store: Store;
  /** The engine that runs now. */
  life(): Life;
  /** Ends the running engine as SIGKILL does and starts another one on the same world. */
  restart(options?: {
    reboot?: boolean;
    loseState?: boolean;
    strike?: Strike;
    /** What happens while clones are brought up; without it they are when this resolves. */
    meanwhile?: (life: Life) => Promise<void>;
  }): Promise<Life>;
  /** Lets a second pass, until nothing is on its way any more. */
  settled(): Promise<void>;
  /** Ends it in the way that a user does. */
  close(): Promise<void>;
  /** Declares an environment whose members are sources with these texts. */
  declare(name: string, members: Record<string, string>, clones?: EnvironmentDefinition['clones']): void;
  /** Makes a request and insists on its success. */
  done(request: (services: Services) => Job | Promise<Job>): Promise<Job>;
  clone(name: string): Clone;
  /** What a client reads in the members of a clone: the text, without asking the engine. */
  read(name: string): Promise<Record<string, string>>;
  write(name: string, text: string): Promise<void>;
  /** What must hold when nothing is at work and the engine has started once since the last fault; [] when it does. */
  violations(): Promise<string[]>;
}

const directories = { serverLogs: '/home/logs', scratch: '/home/scratch', sockets: '/home/run' };
const letters = 'abcdefghijklmnopqrstuvwxyz234567';

export async function openMemoryEngine(options: MemoryEngineOptions = {}): Promise<MemoryEngine> {
  const { seed = 1, ports = 200, capabilities, skewMs = 0, otherHosts = noOtherHosts } = options;
  const installation = installationIdSchema.parse(options.installation ?? 'inst-aaaaaaaaaaaaaaaa');
  const random = seeded(seed);
  const clock = virtualClock();
  const machine = createFakeMachine({ name: hostNameSchema.parse('local') });
  for (const folder of Object.values(directories)) await machine.files.makeDirectory(folder);
  const listening = (port: number): boolean =>
    [...runtime.running.values()].some(({ spec }) => spec.port === port) || database.takenPorts.has(port);
  const runtime: FakeRuntime = createFakeRuntime({
    refuses: ({ port }) =>
      port !== null && listening(port) ? `FATAL:  could not bind 127.0.0.1:${port}` : undefined,
  });
  const database = createFakeDatabase({ machine, runtime, now: () => clock.now() });
  const storage = await createMemoryStorage({
    installation,
    machine,
    ...(capabilities === undefined ? {} : { capabilities }),
  });
  const vault = createVault(Buffer.alloc(32, 7));
  const git = createFakeGit({ now: () => clock.now().getTime() });
  const workspaces = new Map<string, Workspace>();
  const envFiles = new Map<string, Readonly<Record<string, string>>>();
  const foreignPorts = new Set<number>();
  let store = openStore(':memory:');
  let epochs = 0;

  const draw = (count: number): string =>
    Array.from({ length: count }, () => letters[Math.floor(random() * letters.length)]).join('');
  const chance: Random = { id: () => draw(16), password: () => `pw${draw(22)}` };

  /** As an operating system does it: any port that nothing is bound to, also one that a stopped clone has. */
  const leasing = (held: Set<number>): Machine['leasePort'] => {
    const taken = (port: number): boolean => machine.takenPorts.has(port) || listening(port);
    return async (wanted) => {
      const free = Array.from({ length: ports }, (_, index) => 20_000 + index).filter((port) => !taken(port));
      const port = wanted ?? free[Math.floor(random() * free.length)];
      if (port === undefined || taken(port)) throw fail('port_taken', { port: port ?? 0 });
      machine.takenPorts.add(port);
      held.add(port);
      return {
        port,
        release: async () => {
          if (held.delete(port)) machine.takenPorts.delete(port);
        },
      };
    };
  };

  const held = new Map<Life, Set<number>>();
  async function live(strike?: Strike, meanwhile?: (life: Life) => Promise<void>): Promise<Life> {
    const gate = createGate();
    gate.strike = strike;
    const events: Event[] = [];
    const log: string[] = [];
    const write = (text: string, fields: object = {}): void =>
      void log.push(`${text} ${JSON.stringify(fields)}`);
    const feed = createFeed(`epoch-${++epochs}`);
    feed.subscribe({ epoch: feed.epoch, seq: 0 }, (event) => events.push(structuredClone(event)));
    const published = publishingStore(cachedStore(mortalStore(store, gate)), feed);
    const failpoint: Failpoint = () => undefined;
    const leased = new Set<number>();
    const endpoints = createFakeEndpoints();
    for (const port of foreignPorts) endpoints.taken.add(port);
    const gatedHost: Machine = {
      ...gated<Machine>(machine, 'host', gate, []),
      files: gated(machine.files, 'files', gate, []),
      processes: gated(machine.processes, 'processes', gate, []),
      leasePort: (port) => gate.pass('host.leasePort', () => leasing(leased)(port)),
    };
    const loggers = { debug: write, info: write, warning: write, error: write };
    const context: ServiceContext = {
      version: '1.2.3',
      installation,
      store: published,
      feed,
      catalog: createCatalog({ store: published, feed }),
      runner: createRunner({ store: published, clock, random: chance, feed, log: loggers, failpoint }),
      clock,
      random: chance,
      vault,
      log: loggers,
      machine: gatedHost,
      storage: gated<Storage>(storage, 'storage', gate, ['path']),
      runtime: gated(runtime, 'runtime', gate, ['crash', 'reboot']),
      git,
      endpoints,
      certificates: {
        authorityFile: '/home/tls/authority.crt',
        current: () => undefined,
        serverFile: async () => undefined,
        renew: async () => false,
      },
      workspaceFiles: {
        read: async (tree) => ({ workspace: workspaces.get(tree), problem: null }),
        writeBlock: async (tree, file, variables) => {
          if (variables === null) envFiles.delete(`${tree}/${file}`);
          else envFiles.set(`${tree}/${file}`, variables);
          return 'written';
        },
      },
      otherHosts,
      openCheckout: () => ({
        list: async () => ({ paths: [], notFollowed: [], truncated: false }),
        read: async () => new Uint8Array(),
      }),
      databases: { postgres: gated(database, 'database', gate, ['readText', 'writeText', 'isClean']) },
      directories,
    };
    const services = createServices(context);
    const started = services.start(new AbortController().signal);
    const report = await Promise.race([started, gate.killed]);
    const ended: Life['ended'] = async (job) => {
      const end = await Promise.race([context.runner.ended(job.id), gate.killed.then(() => undefined)]);
      return end ?? undefined;
    };
    const life: Life = {
      context,
      services,
      endpoints,
      gate,
      events,
      log,
      report: report ?? { adopted: { snapshots: 0, clones: 0 }, swept: 0, lost: [], puzzling: [] },
      ended,
      async quiet() {
        for (;;) {
          if (gate.dead) return;
          const job = context.runner.working();
          if (job === undefined) return;
          await endOf(clock, life, job);
          // The job is forgotten by the runner a turn after its end is told.
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    };
    held.set(life, leased);
    await meanwhile?.(life);
    await Promise.race([services.broughtUp(), gate.killed]);
    return life;
  }
  let current = await live();

  /** The operating system takes back what a process held. */
  const bury = async (life: Life): Promise<void> => {
    life.gate.kill();
    await life.gate.quiet();
    for (const port of held.get(life) ?? []) machine.takenPorts.delete(port);
    held.delete(life);
  };

  const find = (name: string): Clone => {
    const found = store.clones.list().find((clone) => clone.name === (name as CloneName));
    if (found === undefined) throw new Error(`no clone ${name}`);
    return found;
  };

  const engine: MemoryEngine = {
    machine,
    storage,
    runtime,
    database,
    clock,
    git,
    workspaces,
    envFiles,
    foreignPorts,
    random,
    get store() {
      return store;
    },
    life: () => current,
    async restart({ reboot = false, loseState = false, strike, meanwhile } = {}) {
      await bury(current);
      if (reboot) runtime.reboot();
      if (loseState) store = openStore(':memory:');
      current = await live(strike, meanwhile);
      return current;
    },
    async settled() {
      for (let round = 0; round < 20; round++) {
        await clock.advance(50);
        await current.quiet();
      }
    },
    async close() {
      if (!current.gate.dead) await current.services.close();
      store.close();
    },
    declare(name, members, clones = {}) {
      const definition = environmentDefinitionSchema.parse({
        members: Object.fromEntries(
          Object.entries(members).map(([member, text], index) => {
            const url = `postgresql://reader@source/${name}-${member}`;
            database.sources.set(url, { text, at: new Date(clock.now().getTime() + index * skewMs) });
            return [member, { engine: 'postgres', retrieval: 'logical', url }];
          }),
        ),
        clones,
      });
      current.services.environments.apply(environmentName(name), { definition });
    },
    async done(request) {
      const life = current;
      const job = await request(life.services);
      const end = await life.ended(job);
      if (end?.state !== 'succeeded')
        throw new Error(`${job.title}: ${end?.state ?? 'killed'} ${end?.error?.message ?? ''}`);
      return end;
    },
    clone: find,
    async read(name) {
      const texts: Record<string, string> = {};
      for (const { name: member, dataset } of find(name).members)
        texts[member] = await database.readText(storage.path(dataset));
      return texts;
    },
    async write(name, text) {
      for (const { dataset } of find(name).members) await database.writeText(storage.path(dataset), text);
    },
    violations: () => violationsIn(engine),
  };
  return engine;
}

async function violationsIn(engine: MemoryEngine): Promise<string[]> {
  const { machine, storage, runtime, database, store } = engine;
  const found: string[] = [];
  const check = (holds: boolean, text: string): void => {
    if (!holds) found.push(text);
  };
  const clones = store.clones.list();
  const snapshots = store.snapshots.list();
  const datasets = await storage.list();
  const referenced = new Set(
    [...clones, ...snapshots].flatMap(({ members }) => members.map((m) => m.dataset)),
  );

  for (const { id, tags } of datasets) {
    check(referenced.has(id), `orphan dataset ${id} (${tags.state}, ${tags.content.kind})`);
    check(tags.state === 'ready', `dataset ${id} is ${tags.state}`);
  }
  const present = new Set(datasets.map(({ id }) => id));
  for (const id of referenced) check(present.has(id), `dataset ${id} is referenced and gone`);
  for (const path of await storage.foreign()) found.push(`foreign ${path}`);

  for (const { id, state } of store.jobs.list(1000))
    check(['succeeded', 'failed', 'cancelled'].includes(state), `job ${id} is ${state}`);
  for (const { name, state } of snapshots) check(state === 'ready', `snapshot ${name} is ${state}`);
  for (const clone of clones) {
    const { name, state, problem } = clone;
    check(['ready', 'stopped'].includes(state), `clone ${name} is ${state} (${problem ?? 'no problem'})`);
    check(
      snapshots.some(({ id }) => id === clone.snapshot),
      `the snapshot of clone ${name} is gone`,
    );
    const life = engine.life();
    const password = life.services.clones.connection(ref(clone.id))[0]?.password ?? '';
    const isUp = clone.members.every(({ state: each }) => each === 'ready');
    check(state !== 'ready' || clone.stoppedBy === null, `${name} runs although a person stopped it`);
    check(isUp === (state === 'ready'), `the members of ${name} do not fit ${state}`);
    for (const member of clone.members) {
      const identity = { identity: member.dataset, dataDirectory: storage.path(member.dataset) };
      const server = await runtime.find(identity);
      check(
        (server !== undefined) === (member.state === 'ready'),
        `the server of ${name} does not fit ${member.state}`,
      );
      if (server === undefined) continue;
      const { spec } = runtime.running.get(server.pid) ?? {};
      check(spec?.port === member.port, `${name} listens at ${spec?.port ?? 'nothing'}, not ${member.port}`);
      if (spec === undefined) continue;
      await database
        .checkLogin(spec, { user: member.user, password }, member.database)
        .catch((error: unknown) => {
          found.push(`${name}: ${String(error)}`);
        });
    }
  }
  for (const { identity } of runtime.running.values()) {
    const served = clones.some(({ members }) => members.some(({ dataset }) => dataset === identity));
    check(served, `a server runs on ${identity}, which no clone has`);
  }
  const numbers = clones.flatMap(({ members }) => members.map(({ port }) => port));
  check(new Set(numbers).size === numbers.length, `a port is given twice: ${numbers.join(' ')}`);
  check(machine.takenPorts.size === 0, `ports are still held: ${[...machine.takenPorts].join(' ')}`);
  for (const { name } of await machine.files.list(directories.scratch))
    found.push(`left in scratch: ${name}`);
  for (const { name } of await machine.files.list(`${storage.root}/trash`))
    found.push(`left in the trash: ${name}`);
  return found;
}

/** A name that nobody has, for suites that share an engine. */
export const freshName = (prefix: string): string => `${prefix}-${randomBytes(4).toString('hex')}`;
export const member = (name: string) => memberNameSchema.parse(name);
