import assert from 'node:assert/strict';
import type { Host } from '../../../engine/protocol/entities.ts';
import { logPage } from '../../../src/hosts/logPage.ts';
import { attemptPage, noSteps, stepsShown, stepsWith, type Steps } from '../../../src/hosts/steps.ts';
import { fakeHost } from '../../support/fakeEngine/scriptedEngine.ts';

const host = (changes: object): Host =>
  fakeHost({ name: 'big', kind: 'ssh', state: 'connecting', ...changes });
const after = (...told: readonly (object | undefined)[]): Steps =>
  told.reduce<Steps>((steps, changes) => stepsWith(steps, changes && host(changes)), noSteps);
const drawn = (steps: Steps): string[] =>
  stepsShown(steps).map(({ state, name, text }) => `${state}: ${name}${text === '' ? '' : `, ${text}`}`);

describe('the steps of the way to a host', () => {
  it('tell what was done and what is being done, and are not more of them while it goes on', () => {
    const steps = after(
      { doing: 'Logging in' },
      { doing: null },
      { doing: 'Copying the engine there: 12 of 94 MB' },
      { doing: 'Copying the engine there: 13 of 94 MB' },
    );
    assert.deepEqual(drawn(steps), ['done: Logging in', 'doing: Copying the engine there: 13 of 94 MB']);
    assert.deepEqual(drawn({ ...steps, isOver: true }).at(-1), 'done: Copying the engine there: 13 of 94 MB');
  });

  it('tell what was found, also when the host is forgotten again because it could not be reached', () => {
    const check = { name: 'login', status: 'problem', message: 'refused', fix: 'ssh-copy-id big' };
    const steps = after(
      { doing: 'Logging in', checks: [{ ...check, name: 'reach', status: 'ok' }, check] },
      undefined,
    );
    assert.deepEqual(drawn(steps), ['done: reach, refused', 'problem: login, refused', 'doing: Logging in']);
  });

  it('are a page for people where nothing that a host says is a link or ends a block of ours', () => {
    const evil = '[x](command:evil)\n```\n# big';
    const checks = [{ name: 'login', status: 'problem', message: evil, fix: '```\n[y](command:evil)' }];
    const error = { code: 'host_login', message: evil, next: 'Check the user.' };
    const page = attemptPage('big', 'ssh://big', after({ checks, doing: evil }), error);
    assert.doesNotMatch(page.replace(/^```[^]*?^```/gm, ''), /\]\(command/);
    assert.equal(page.match(/^```/gm)?.length, 2, page);
    const log = logPage('big', [{ at: '2026-11-21T12:00:00.000Z', level: 'warning', text: evil }]);
    assert.equal(log.match(/^```/gm)?.length, 2, log);
  });
});
