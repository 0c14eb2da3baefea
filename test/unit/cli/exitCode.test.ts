import assert from 'node:assert/strict';
import { exitCodeOf } from '../../../engine/cli/exitCode.ts';
import { errorTable, ThinClonesError } from '../../../engine/protocol/errors.ts';

const codeFor = (code: string, status: number): number =>
  exitCodeOf(new ThinClonesError({ code, message: '', next: '', retryable: false, details: {} }, status));

describe('the exit code', () => {
  it('is the documented one for every error of the table', () => {
    const byExit = new Map<number, string[]>();
    for (const [code, { status }] of Object.entries(errorTable)) {
      const exit = codeFor(code, status);
      byExit.set(exit, [...(byExit.get(exit) ?? []), code]);
    }
    assert.deepEqual(byExit.get(2)?.sort(), [
      'file_unreadable',
      'host_address',
      'host_consent',
      'invalid_file',
      'invalid_request',
      'password_consent',
      'usage',
    ]);
    assert.deepEqual(byExit.get(4)?.sort(), [
      'engine_parts',
      'engine_start_failed',
      'engine_unreachable',
      'host_dns',
      'host_folder',
      'host_full',
      'host_refused',
      'host_shell',
      'host_timeout',
      'host_tools',
      'host_unreachable',
      'host_unsupported',
      'node_too_old',
      'protocol_mismatch',
      'shutting_down',
      'ssh_missing',
      'upload_failed',
    ]);
    const refused = byExit.get(3) ?? [];
    for (const code of ['not_found', 'ambiguous', 'name_taken', 'busy', 'snapshot_in_use', 'clone_protected'])
      assert.ok(refused.includes(code), code);
    const failed = byExit.get(1) ?? [];
    for (const code of ['canceled', 'source_password', 'storage_full', 'internal', 'restore_failed'])
      assert.ok(failed.includes(code), code);
    assert.deepEqual([...byExit.keys()].sort(), [1, 2, 3, 4]);
  });
  it('is 1 for what a newer engine calls by a name of its own', () => {
    assert.equal(codeFor('something_new', 500), 1);
    assert.equal(codeFor('something_new', 409), 3);
  });
});
