/** The messages between the job page and the extension. */
import assert from 'node:assert/strict';
import { fromPageSchema, pageStateSchema, toPageSchema } from '../../../webview-ui/jobs/messages.ts';
import { createInbox } from '../../../webview-ui/shared/inbox.ts';
import { jobOf, lineOf } from './jobs.ts';

describe('The messages of the job page', () => {
  it('let a complete job and its lines through', () => {
    assert.ok(toPageSchema.safeParse({ kind: 'job', job: jobOf() }).success);
    assert.ok(toPageSchema.safeParse({ kind: 'lines', lines: [lineOf(1), lineOf(2)] }).success);
  });

  it('carry nothing to the page that it does not show', () => {
    const error = {
      code: 'disk_full',
      message: 'Full.',
      next: 'Free some.',
      retryable: true,
      details: { path: '/x' },
    };
    const parsed = toPageSchema.parse({ kind: 'job', job: { ...jobOf({ error }), object: {} } });
    assert.ok(parsed.kind === 'job');
    assert.deepEqual(parsed.job.error, { message: 'Full.', next: 'Free some.' });
    assert.ok(!('object' in parsed.job));
  });

  for (const [what, message] of [
    ['nothing', undefined],
    ['a string', 'job'],
    ['an unknown kind', { kind: 'html', html: '<b>' }],
    ['a job without tasks', { kind: 'job', job: { ...jobOf(), tasks: undefined } }],
    ['a job of an unknown state', { kind: 'job', job: { ...jobOf(), state: 'exploded' } }],
    ['a job whose id is a path', { kind: 'job', job: { ...jobOf(), id: '../../etc' } }],
    ['progress above 1', { kind: 'job', job: { ...jobOf(), progress: 1.2 } }],
    ['no lines', { kind: 'lines', lines: [] }],
    ['a line without a number', { kind: 'lines', lines: [{ ...lineOf(1), line: undefined }] }],
    ['a line whose text is an object', { kind: 'lines', lines: [{ ...lineOf(1), text: {} }] }],
    ['more lines than one message may carry', { kind: 'lines', lines: new Array(5001).fill(lineOf(1)) }],
  ] as const) {
    it(`do not let ${what} in to the page`, () => {
      assert.ok(!toPageSchema.safeParse(message).success);
    });
  }

  for (const message of [
    null,
    { kind: 'run', command: 'workbench.action.quit' },
    { kind: 'ready' },
    { kind: 'took', through: -1 },
    { kind: 'copy', text: 7, lines: 1 },
    { kind: 'dropped', count: 0 },
  ]) {
    it(`do not let ${JSON.stringify(message)} in to the extension`, () => {
      assert.ok(!fromPageSchema.safeParse(message).success);
    });
  }

  it('are counted when they are dropped, and the good ones between them arrive', () => {
    const seen: string[] = [];
    const counts: number[] = [];
    const inbox = createInbox(
      fromPageSchema,
      (message) => seen.push(message.kind),
      (count) => counts.push(count),
    );
    for (const message of [{ kind: 'cancel' }, 7, { kind: 'ready', through: 0 }, {}]) inbox.receive(message);
    assert.deepEqual(seen, ['cancel', 'ready']);
    assert.deepEqual(counts, [1, 2]);
    assert.equal(inbox.dropped, 2);
  });

  it('include a page state that is refused when another version wrote it', () => {
    const state = {
      ...{ version: 1, job: jobOf().id, collapsed: [], level: 'info', search: '', follow: true, top: 0 },
      last: null,
    };
    assert.ok(pageStateSchema.safeParse(state).success);
    assert.ok(!pageStateSchema.safeParse({ ...state, version: 2 }).success);
    assert.ok(!pageStateSchema.safeParse({ ...state, job: 'clone-aaaaaaaaaaaaaaaa' }).success);
    assert.ok(!pageStateSchema.safeParse(undefined).success);
  });
});
