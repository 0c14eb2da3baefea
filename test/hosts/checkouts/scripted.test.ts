import assert from 'node:assert/strict';
import type { Checkout } from '../../../engine/protocol/entities.ts';
import { openFilledCheckoutWorld, type CheckoutWorld } from '../../faults/checkoutWorld.ts';
import { thorough } from '../../support/long.ts';
import { chooseSeed, seeded } from '../../support/seeds.ts';
import { hammer, type Verdict } from './hammer.ts';
import { hearReports, type Reports } from './reports.ts';
import { createScript, prepareHistory, type Desk } from './script.ts';

const MOVES = thorough ? 3_000 : 500;
const BRANCHES = [
  ...[
    'feature/a',
    'feature-a',
    'feature/deep/c',
    'Feature/B',
    'fix_x',
    'fix_x2F_x',
    'release/1.0',
    'release/2.0',
  ],
  ...['пример/ветка', '分支', 'émile', 'a'.repeat(200), 'v1', 'v2', 'v3', 'v4', 'v5'],
];

describe('500 scripted checkouts over 20 branches, with clients at the ports all the time', () => {
  let checkouts: CheckoutWorld;
  let reports: Reports;
  before(async function () {
    this.timeout(120_000);
    checkouts = await openFilledCheckoutWorld({ megabytes: 2048 });
    reports = await hearReports(await checkouts.world.client());
  });
  after(async () => {
    await reports.close();
    await checkouts.dispose();
  });

  it("let no query be answered by another branch's database, and give each branch that settles one clone", async function () {
    this.timeout(thorough ? 1_800_000 : 400_000);
    const seed = chooseSeed();
    const { world, git } = checkouts;
    const folder = await checkouts.repository('shop', ['main']);
    await prepareHistory(git, folder);
    const checkout = await checkouts.open(folder);
    const desk: Desk = { folder, checkout, branch: 'main', login: await checkouts.login(checkout) };
    const load = hammer(checkout.id, desk.login);
    const verdicts: Verdict[] = [];
    const script = createScript({
      ...{ checkouts, reports, desk, random: seeded(seed) },
      branches: BRANCHES,
      onWorktree(other) {
        const its = hammer(other.checkout.id, other.login);
        return async () => {
          verdicts.push(await its.stop(reports));
        };
      },
    });
    try {
      while (script.moves() < MOVES) await script.step();
      verdicts.push(await load.stop(reports));
      const wrong = verdicts.flatMap((verdict) => verdict.wrong);
      assert.deepEqual(wrong, []);
      const answers = verdicts.reduce((sum, verdict) => sum + verdict.answers, 0);
      assert.ok(answers > MOVES, `${answers} answers`);

      const clones = await checkouts.clones();
      const keys = clones.map(({ branch }) => branch ?? '');
      assert.equal(new Set(keys).size, keys.length, `two clones of one branch: ${keys.join(', ')}`);
      const expected = new Set([...script.bound.keys(), ...keys.filter((key) => script.doubtful.has(key))]);
      assert.deepEqual(keys.toSorted(), [...expected].toSorted());
      for (const { id, branch } of clones)
        assert.equal(script.bound.get(branch ?? '') ?? id, id, `the clone of ${branch ?? ''}`);

      const portsAndNames = ({ endpoints }: Checkout): unknown =>
        endpoints.map(({ port, user, database, host }) => ({ port, user, database, host }));
      for (const report of reports.of(checkout.id))
        assert.deepEqual(portsAndNames(report.checkout), portsAndNames(checkout));
      assert.deepEqual(await checkouts.login(checkout), desk.login);
      await world.checkNothingLeft();
      await checkouts.clear();
      await world.checkNothingLeft();
    } catch (error) {
      await load.stop(reports);
      throw new Error(
        `with THIN_CLONES_SEED=${seed}, after ${script.moves()} moves, the last: ${script.done.slice(-8).join('; ')}: ${String(error)}`,
        { cause: error },
      );
    }
  });
});
