import assert from 'node:assert/strict';
import * as z from 'zod';
import { answerSchemas, understandAnswer as bySchema } from '../../../engine/protocol/answers.ts';
import {
  understandAnswer,
  understandEvent,
  understandFailure,
} from '../../../engine/protocol/compact/answers.ts';
import { conform, mismatch } from '../../../engine/protocol/compact/conform.ts';
import { contract } from '../../../engine/protocol/compact/contract.ts';
import type { RouteName } from '../../../engine/protocol/routes.ts';
import {
  fakeCheckout,
  fakeClone,
  fakeConnection,
  fakeEnvironment,
  fakeInfo,
  fakeJob,
  fakeLine,
  fakeSnapshot,
} from '../cli/fakeEngine.ts';

const examples: Partial<Record<RouteName, object>> = {
  engineInfo: fakeInfo,
  cloneShow: fakeClone({ bytes: { unshared: null, logical: null }, protectedUntil: 'forever' }),
  cloneList: { items: [fakeClone(), fakeClone({ branch: 'main', repository: '/repo/.git' })] },
  cloneConnection: { items: [fakeConnection()] },
  cloneCreate: { job: fakeJob() },
  environmentList: { items: [fakeEnvironment()] },
  snapshotList: { items: [fakeSnapshot()] },
  checkoutShow: fakeCheckout({ head: { kind: 'detached', commit: 'a', operation: 'rebase', branch: null } }),
  checkoutUse: { checkout: fakeCheckout(), job: null },
  jobLines: { items: [fakeLine(1, 'one')] },
  checkoutForget: { forgotten: true },
};
const names = Object.keys(examples) as RouteName[];

/** Every document that differs from this one in one place. */
function* broken(document: unknown): Generator {
  if (typeof document !== 'object' || document === null) return;
  const copy = (): Record<string, unknown> => structuredClone(document) as Record<string, unknown>;
  for (const key of Object.keys(document)) {
    const without = copy();
    Reflect.deleteProperty(without, key);
    yield Array.isArray(document) ? Object.values(without) : without;
    for (const other of [null, 'x', '', -1, 0.5, 99_999, true, [], {}, { [key]: 1 }]) {
      const changed = copy();
      changed[key] = other;
      yield changed;
    }
    for (const inner of broken(copy()[key])) {
      const changed = copy();
      changed[key] = inner;
      yield changed;
    }
  }
}

describe('the contract as a bundle has it', () => {
  it('takes what the schemas take, with the same defaults and without what they leave out', async () => {
    for (const name of names) {
      const document = { ...examples[name], ofALaterVersion: 1 };
      assert.deepEqual(await understandAnswer(name, document), await bySchema(name, document), name);
      const taken = conform(contract.answers[name] ?? {}, document, contract.$defs);
      assert.notEqual(taken, mismatch, `${name} is asked the schemas about`);
    }
  });
  it('gives a clone of an older engine its missing repository', async () => {
    const { repository: _, ...older } = fakeClone();
    assert.deepEqual(await understandAnswer('cloneShow', older), { ok: true, value: fakeClone() });
  });
  it('refuses whatever the schemas refuse', async () => {
    let refused = 0;
    for (const name of names) {
      const schema = answerSchemas.answers[name];
      for (const document of broken(examples[name])) {
        const parsed = schema?.safeParse(document);
        const taken = conform(contract.answers[name] ?? {}, document, contract.$defs);
        const told = `${name}: ${JSON.stringify(document)}`;
        // The schemas are asked what to make of a value that is not known here.
        const isOther = JSON.stringify(parsed?.data ?? null).includes('"other"');
        if (parsed?.success === true && !isOther) assert.deepEqual(taken, parsed.data, told);
        else assert.equal(taken, mismatch, told);
        if (taken === mismatch) refused += 1;
      }
    }
    assert.ok(refused > 500, `only ${refused} documents were refused`);
  });
  it('tells what is wrong in the words of the schemas', async () => {
    const document = { ...fakeClone(), state: 'sleeping' };
    const answer = await understandAnswer('cloneShow', document);
    assert.deepEqual(answer, await bySchema('cloneShow', document));
    assert.ok(!answer.ok && answer.problem.includes('state'), JSON.stringify(answer));
  });
  it('understands events and failures', async () => {
    const event = { seq: 3, kind: 'clone', entity: fakeClone() };
    assert.deepEqual(await understandEvent(event), { ok: true, value: event });
    assert.equal((await understandEvent({ seq: 4, kind: 'comet' })).ok, false);
    const error = { code: 'busy', message: 'm', next: 'n', retryable: true, details: { kind: 'clone' } };
    assert.deepEqual(await understandFailure({ error }), { ok: true, value: { error } });
    assert.equal((await understandFailure({ error: 'no' })).ok, false);
  });
  it('knows every check of the schemas: one that can not be written down is made known by hand', () => {
    const custom: string[] = [];
    const seen = new Set<z.core.$ZodType>();
    const look = (type: z.core.$ZodType, path: string): void => {
      if (seen.has(type)) return;
      seen.add(type);
      const { def } = type._zod;
      for (const check of def.checks ?? []) if (check._zod.def.check === 'custom') custom.push(path);
      for (const [key, part] of Object.entries(def)) {
        if (key === 'checks') continue;
        const parts: unknown[] = Array.isArray(part)
          ? part
          : key === 'shape'
            ? Object.values(part as object)
            : [part];
        for (const each of parts)
          if (typeof each === 'object' && each !== null && '_zod' in each)
            look(each as z.core.$ZodType, `${path}/${key}`);
      }
    };
    look(z.object({ ...answerSchemas, answers: z.object(answerSchemas.answers) }), '');
    // The members of an environment, of which there is at least one: `minProperties`.
    assert.equal(custom.length, 1, custom.join('\n'));
  });
});
