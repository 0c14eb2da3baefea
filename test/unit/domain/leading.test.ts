import assert from 'node:assert/strict';
import { leadTo, type Lead } from '../../../engine/domain/leading.ts';
import type { Clone } from '../../../engine/protocol/entities.ts';
import { cloneIdSchema, cloneNameSchema, jobIdSchema } from '../../../engine/protocol/ids.ts';

const id = cloneIdSchema.parse('clone-aaaaaaaaaaaaaaaa');
const name = cloneNameSchema.parse('main');
const job = jobIdSchema.parse('job-aaaaaaaaaaaaaaaa');

const lead = (
  state: Clone['state'],
  rest: { problem?: string; failure?: Lead['situation']; stoppedBy?: string; isWanted?: boolean } = {},
): Lead =>
  leadTo(
    { id, name, state, problem: rest.problem ?? null, stoppedBy: rest.stoppedBy ?? null },
    {
      ...{ key: 'main', job, isWanted: rest.isWanted ?? false },
      failure: rest.failure && { reason: rest.failure.reason ?? '', next: rest.failure.next ?? '' },
    },
  );

describe('where the ports of a checkout lead', () => {
  it('leads to a clone that is ready, and tells of no job', () => {
    const { situation, to } = lead('ready');
    assert.deepEqual(to, { kind: 'clone' });
    assert.deepEqual(
      [situation.state, situation.key, situation.clone, situation.job, situation.reason],
      ['ready', 'main', id, null, null],
    );
  });

  for (const state of ['committing', 'creating', 'resetting', 'stopped'] as const)
    it(`lets connections wait while a clone is ${state}, and names the job`, () => {
      const { situation, to } = lead(state);
      assert.equal(to.kind, 'waiting');
      assert.deepEqual([situation.state, situation.clone, situation.job], ['switching', id, job]);
      assert.match(situation.reason ?? '', /^(Clone main|The clone of main) is being /);
    });

  it('leads nowhere while a clone goes, and says how to get another one', () => {
    const { situation, to } = lead('destroying');
    assert.deepEqual(to, {
      kind: 'none',
      reason: 'Clone main is being destroyed.',
      next: 'Make another one: thin-clones use',
    });
    assert.deepEqual([situation.state, situation.clone, situation.key], ['none', null, 'main']);
  });

  it('leads nowhere from one that a person stopped, and says who and how to start it', () => {
    const next = 'Start it: thin-clones clone start main';
    const stopping = lead('stopping');
    assert.deepEqual(stopping.to, { kind: 'none', reason: 'Clone main is being stopped.', next });
    assert.deepEqual([stopping.situation.state, stopping.situation.job], ['none', job]);
    const { situation, to } = lead('stopped', { stoppedBy: 'alice' });
    assert.deepEqual(to, { kind: 'none', reason: 'Clone main was stopped by alice.', next });
    assert.deepEqual([situation.state, situation.clone, situation.key], ['none', id, 'main']);
    assert.equal(lead('stopped', { stoppedBy: 'alice', isWanted: true }).to.kind, 'waiting');
  });

  it('tells why a stopped clone could not be started', () => {
    const failure = { ...lead('stopped').situation, reason: 'No port is free.', next: 'End a server.' };
    const { situation, to } = lead('stopped', { failure });
    assert.deepEqual(to, { kind: 'none', reason: 'No port is free.', next: 'End a server.' });
    assert.deepEqual([situation.state, situation.clone], ['failed', id]);
  });

  it('tells the problem of a clone that failed', () => {
    const { situation, to } = lead('failed', { problem: 'Its data is gone.' });
    assert.deepEqual(
      [situation.state, situation.clone, situation.reason],
      ['failed', id, 'Its data is gone.'],
    );
    assert.deepEqual(to.kind === 'none' && to.next, 'Reset it: thin-clones clone reset main');
  });
});
