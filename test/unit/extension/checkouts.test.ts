import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headText, patternFor, repositoryName } from '../../../src/checkouts/checkoutText.ts';
import { namesInEnvFile, withVariables } from '../../../src/checkouts/debugVariables.ts';
import { surveyFolder } from '../../../src/checkouts/declaration.ts';
import { findingsOf } from '../../../src/checkouts/migrationFindings.ts';
import { summaryOf } from '../../../src/checkouts/migrationSummary.ts';
import { leftAlone, proposalText } from '../../../src/checkouts/proposals.ts';
import { checkoutHover, checkoutStatus, type CurrentCheckout } from '../../../src/views/checkoutStatus.ts';
import { fakeCheckout, fakeProposal, fakeReport } from '../../support/fakeEngine/fakeCheckout.ts';
import { fakeClone, fakeJob, ids } from '../cli/fakeEngine.ts';

const now = Date.parse('2026-11-21T12:30:00.000Z');
const commit = '1a2b3c4d5e'.repeat(4);

describe('what the status bar says of a checkout', () => {
  const status = (
    changes: object,
    more: Partial<CurrentCheckout> = {},
    engineStopped = false,
    jobs: object[] = [],
  ) =>
    checkoutStatus(
      {
        checkout: fakeCheckout(changes),
        clone: undefined,
        folder: undefined,
        migrations: undefined,
        sourceFiles: [],
        ...more,
      },
      { engineStopped, jobs: jobs.map(fakeJob) },
    );

  it('is the branch and words on its database, which Git does not show, and an alarm where somebody is needed', () => {
    const drawn = (['ready', 'switching', 'asking', 'none', 'failed'] as const).map((state) => {
      const { text, alarm } = status({ state });
      return `${text} ${alarm}`;
    });
    assert.deepEqual(drawn, [
      '$(database) feature/a: ready none',
      '$(loading~spin) feature/a: switching… none',
      '$(database) feature/a: no database warning',
      '$(database) feature/a: no database none',
      '$(database) feature/a: no database warning',
    ]);
  });

  it('is the commit on a detached HEAD, with the operation that is under way', () => {
    const head = { kind: 'detached', commit, operation: 'bisect', branch: null };
    assert.equal(
      status({ head, key: null, state: 'none' }).text,
      '$(database) 1a2b3c4 (bisect): no database',
    );
    assert.equal(
      headText(fakeCheckout({ head: { ...head, branch: 'feature/a' }, key: null })),
      'feature/a (bisect)',
    );
  });

  it('names the reason to a screen reader', () => {
    const { tooltip } = status({ state: 'none', reason: 'HEAD is detached' });
    assert.equal(tooltip, 'Database of branch feature/a, no database: HEAD is detached');
  });

  it('tells apart the job of the switch and others', () => {
    assert.equal(
      status({ state: 'switching', job: ids.job }, {}, false, [{}]).text,
      '$(loading~spin) feature/a: switching…',
    );
    assert.equal(
      status({ state: 'ready' }, {}, false, [{}]).text,
      '$(database) feature/a: ready $(sync~spin)',
    );
  });

  it('says that a stopped engine leads nowhere, and warns of a port that is taken', () => {
    assert.equal(status({ state: 'ready' }, {}, true).text, '$(database) feature/a: engine stopped');
    const [endpoint] = fakeCheckout().endpoints;
    const taken = status({ state: 'ready', endpoints: [{ ...endpoint, state: 'taken' }] });
    assert.equal(taken.text, '$(database) feature/a: port taken');
    assert.equal(taken.alarm, 'warning');
    assert.match(taken.tooltip, /another program has its port/);
  });

  it('counts migrations that need somebody, and the folder in a window of several', () => {
    const migrations = summaryOf([fakeReport({ state: 'behind', pending: [{ name: 'b', file: 'b.sql' }] })]);
    assert.equal(
      status({ state: 'ready' }, { migrations, folder: 'shop' }).text,
      '$(database) feature/a in shop: ready · 1 pending',
    );
  });

  it('has a hover with clone, port, switch and links, in which names are never Markdown', () => {
    const checkout = fakeCheckout({
      state: 'ready',
      clone: ids.clone,
      key: 'a*b*[x](command:evil)',
      switchedAt: '2026-11-21T12:25:00.000Z',
      switchMs: 183.4,
    });
    const text = checkoutHover(
      {
        checkout,
        clone: fakeClone({ name: 'feature/a' }),
        folder: undefined,
        migrations: undefined,
        sourceFiles: [],
      },
      { now, jobs: [] },
    );
    assert.match(text, /`127\.0\.0\.1:55432\/shop`, the same on every branch/);
    assert.match(text, /5 min ago, in 183 ms/);
    assert.match(text, /\[Reset\]\(command:thinClones\.branch\.reset\)/);
    assert.ok(!text.includes('[x](command:evil)'), text);
  });

  it('offers to start the clone that somebody stopped, and to make none beside it', () => {
    const hover = (state: 'stopped' | 'failed'): string =>
      checkoutHover(
        {
          checkout: fakeCheckout({ state: 'none', reason: 'Clone a was stopped by anna.' }),
          clone: fakeClone({ state, stoppedBy: state === 'stopped' ? 'anna' : null }),
          folder: undefined,
          migrations: undefined,
          sourceFiles: [],
        },
        { now, jobs: [] },
      );
    assert.match(hover('stopped'), /\[Start Clone\]\(command:thinClones\.branch\.use\)/);
    assert.match(hover('stopped'), /no database: Clone a was stopped by anna/);
    assert.doesNotMatch(hover('stopped'), /Create Clone/);
    assert.match(hover('failed'), /Create Clone/);
  });

  it('says on which host the clone is, and why it is out of reach', () => {
    const members = fakeClone().members.map((member) => ({ ...member, host: 'big' }));
    const text = checkoutHover(
      {
        checkout: fakeCheckout({
          ...{ environment: 'big/shop', clone: ids.clone, state: 'none' },
          ...{ reason: "Host big can't be reached: the cable was cut", next: 'Plug it in.' },
        }),
        clone: fakeClone({ environment: 'big/shop', members }),
        folder: undefined,
        migrations: undefined,
        sourceFiles: [],
      },
      { now, jobs: [] },
    );
    assert.match(text, /\*\*Clone:\*\* big\/feature\/a/);
    assert.match(text, /Host big can't be reached: the cable was cut/);
    assert.match(text, /\[Try Again\]\(command:thinClones\.branch\.use\)/);
    assert.doesNotMatch(text, /Create Clone/);
  });

  it('offers a clone instead of making one where HEAD is on no branch, and no command of the command line', () => {
    const head = { kind: 'detached', commit, operation: null, branch: null };
    const hover = (changes: object): string =>
      checkoutHover(
        {
          checkout: fakeCheckout(changes),
          clone: undefined,
          folder: undefined,
          migrations: undefined,
          sourceFiles: [],
        },
        { now, jobs: [] },
      );
    const detached = hover({
      head,
      key: null,
      next: 'Check out a branch, or name a clone: thin-clones use CLONE',
    });
    assert.match(detached, /Use a Clone…/);
    assert.doesNotMatch(detached, /Create Clone|thin-clones use/);
    assert.match(hover({}), /Create Clone/);
  });
});

describe('what is known about migrations', () => {
  const pending = { name: '3_c', file: 'm/3_c.sql' };
  const edited = { name: '1_a', file: 'm/1_a.sql' };

  it('is summed up over all tools', () => {
    assert.equal(summaryOf([fakeReport()]).line, 'Prisma: in step');
    assert.equal(summaryOf([fakeReport({ tool: null, state: 'unknown' })]).line, undefined);
    const summary = summaryOf([
      fakeReport({ state: 'diverged', pending: [pending], edited: [edited], missing: [{ name: 'x' }] }),
    ]);
    assert.equal(summary.trouble, '1 pending, 1 not in this branch, 1 edited after applied');
  });

  it('becomes findings on the files, graver ones first', () => {
    const report = fakeReport({
      pending: [pending, { name: '0_z', file: 'm/0_z.sql' }],
      outOfOrder: [{ name: '0_z', file: 'm/0_z.sql' }],
      edited: [edited],
      failed: [{ name: '2_b', file: 'm/2_b.sql', problem: 'syntax error' }],
      missing: [{ name: 'x' }],
    });
    assert.deepEqual(
      findingsOf(fakeCheckout(), [report]).map(({ file, kind, severity }) => `${file} ${kind} ${severity}`),
      [
        'm/2_b.sql failed warning',
        'm/1_a.sql edited warning',
        'm/3_c.sql pending information',
        'm/0_z.sql outOfOrder warning',
      ],
    );
  });
});

describe('variables for a debug session', () => {
  const variables = { DATABASE_URL: 'postgresql://x', PGPORT: '5' };
  const add = (configuration: object, taken: string[] = [], platform: NodeJS.Platform = 'linux') =>
    withVariables(configuration, variables, { taken: new Set(taken), platform });

  it('are added to its environment, and never replace what it sets itself', () => {
    assert.deepEqual(add({ type: 'node', env: { PGPORT: '6', HOME: null } }), {
      type: 'node',
      env: { DATABASE_URL: 'postgresql://x', PGPORT: '6', HOME: null },
    });
  });
  it('leave alone what its own file sets', () => {
    assert.deepEqual(add({ type: 'python' }, ['DATABASE_URL']), { type: 'python', env: { PGPORT: '5' } });
    assert.deepEqual(namesInEnvFile('# A=1\nexport B=2\n  C = 3\nD\n'), ['B', 'C']);
  });
  it('take the form that each debugger has', () => {
    assert.deepEqual(add({ type: 'cppdbg', environment: [{ name: 'PGPORT', value: '6' }] }), {
      type: 'cppdbg',
      environment: [
        { name: 'PGPORT', value: '6' },
        { name: 'DATABASE_URL', value: 'postgresql://x' },
      ],
    });
    assert.deepEqual(add({ type: 'lldb-dap', env: ['PGPORT=6'] }), {
      type: 'lldb-dap',
      env: ['PGPORT=6', 'DATABASE_URL=postgresql://x'],
    });
  });
  it('know no difference of case on Windows', () => {
    const { env } = add({ type: 'node', env: { pgport: '6' } }, [], 'win32') as { env?: unknown };
    assert.deepEqual(env, { DATABASE_URL: 'postgresql://x', pgport: '6' });
  });
  it('go into no process that already runs, and into no browser', () => {
    for (const configuration of [
      { type: 'node', request: 'attach' },
      { type: 'pwa-chrome', request: 'launch' },
    ])
      assert.equal(add(configuration), configuration);
  });
});

describe('the file that speaks for a folder', () => {
  let root = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'tc-declared-'));
    await mkdir(join(root, 'repo', '.git'), { recursive: true });
    await mkdir(join(root, 'repo', 'packages', 'api'), { recursive: true });
    await writeFile(join(root, 'thin-clones.yaml'), 'workspace:\n');
  });
  after(() => rm(root, { recursive: true }));

  it('is that of the folder or of one above it in the repository, and not one outside', async () => {
    const folder = join(root, 'repo', 'packages', 'api');
    assert.deepEqual(await surveyFolder(folder), { isCheckout: true, isDeclared: false });
    await writeFile(join(root, 'repo', 'thin-clones.yaml'), 'version: 1\n# workspace:\nenvironments: {}\n');
    assert.deepEqual(await surveyFolder(folder), { isCheckout: true, isDeclared: false });
    await writeFile(
      join(root, 'repo', 'thin-clones.yaml'),
      'version: 1\n"workspace" : { environment: shop }\n',
    );
    assert.deepEqual(await surveyFolder(folder), { isCheckout: true, isDeclared: true });
    assert.deepEqual(await surveyFolder(join(root, 'repo')), { isCheckout: true, isDeclared: true });
    assert.deepEqual(await surveyFolder(root), { isCheckout: false, isDeclared: false });
  });
});

describe('clones of finished branches', () => {
  it('are offered only when they are this person’s and not protected', () => {
    assert.equal(leftAlone(fakeProposal(), 'anna'), undefined);
    assert.equal(leftAlone(fakeProposal({ isProtected: true }), 'anna'), 'protected');
    assert.equal(leftAlone(fakeProposal(), 'ben'), 'of anna');
  });
  it('are described with reason, age, owner and bytes', () => {
    assert.equal(
      proposalText(fakeProposal({ destroyAt: '2026-11-22T13:00:00.000Z' }), now),
      'branch merged 3 days ago · made 12 days ago by anna · frees 12 MB · shop · destroyed in 24 h',
    );
  });
});

describe('names', () => {
  it('of a pattern stand for the branches of one folder', () => {
    assert.deepEqual(['feature/x', 'a/b/c', 'main'].map(patternFor), ['feature/**', 'a/b/**', 'main']);
  });
  it('of a repository are those of its folder', () => {
    assert.deepEqual(['/src/shop/.git', '/srv/shop.git', 'C:\\src\\shop\\.git'].map(repositoryName), [
      'shop',
      'shop.git',
      'shop',
    ]);
  });
});
