import assert from 'node:assert/strict';
import { isAbsolute, resolve } from 'node:path';
import { homePaths } from '../../../engine/protocol/node/home.ts';

const pathsOf = (home: string) =>
  homePaths({ platform: 'linux', uid: 1000, variables: { THIN_CLONES_HOME: home } });

describe('the paths of a home', () => {
  it('are absolute, so that client and engine mean the same folder wherever they stand', () => {
    const paths = pathsOf('relative/home');
    assert.equal(paths.home, resolve('relative/home'));
    assert.ok(isAbsolute(paths.socket));
  });

  it('leave room for the names of unix sockets, however long the home is', () => {
    const { socket, socketRoot } = pathsOf(`/home/${'long'.repeat(40)}`);
    assert.ok(socket.length <= 103, socket);
    assert.ok(`${socketRoot}/abcdefghijklmnop/.s.PGSQL.65535.lock`.length <= 103, socketRoot);
  });
});
