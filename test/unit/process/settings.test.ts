import assert from 'node:assert/strict';
import { readSettings } from '../../../engine/process/settings.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';

describe('settings from environment variables', () => {
  const read = (port: string) => readSettings('/nowhere/settings.json', { THIN_CLONES_TCP_PORT: port });

  for (const [text, port] of [
    ['0', 0],
    ['8080', 8080],
    ['65535', 65_535],
    ['', undefined],
  ] as const)
    it(`take "${text}" for a TCP port`, () => assert.equal(read(text).tcpPort, port));

  for (const text of ['abc', '-1', '65536', '80.5', '1e3', '0x50', ' 80'])
    it(`refuse "${text}" as a TCP port, and say what would be right`, () => {
      assert.throws(
        () => read(text),
        (error) =>
          isFailure(error, 'invalid_request') &&
          error.message.includes(`THIN_CLONES_TCP_PORT is "${text}"`) &&
          error.message.includes('1 to 65535'),
      );
    });
});
