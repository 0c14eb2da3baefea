import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asUnprivileged } from '../../support/unprivileged.ts';
import { readWorkspace } from '../../../engine/config/workspaceFile.ts';

describe("a working tree's thin-clones.yaml", () => {
  let folder: string;
  let tree: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thin-clones-workspace-'));
    tree = join(folder, 'tree');
    await mkdir(tree);
  });
  afterEach(() => rm(folder, { recursive: true }));
  const write = (text: string | Buffer, name = 'thin-clones.yaml') => writeFile(join(tree, name), text);
  const problem = async () => {
    const read = await readWorkspace(tree);
    assert.equal(read.workspace, undefined);
    return read.problem;
  };

  it('need not be there', async () => {
    assert.deepEqual(await readWorkspace(tree), { workspace: undefined, problem: null });
    assert.deepEqual(await readWorkspace(join(tree, 'gone')), { workspace: undefined, problem: null });
  });
  it('says which environment is used', async () => {
    await write('version: 1\nworkspace: { environment: shop }\n');
    assert.deepEqual(await readWorkspace(tree), { workspace: { environment: 'shop' }, problem: null });
  });
  it('may be called thin-clones.yml, and is that only where there is no other', async () => {
    await write('version: 1\nworkspace: { environment: second }\n', 'thin-clones.yml');
    assert.equal((await readWorkspace(tree)).workspace?.environment, 'second');
    await write('version: 1\nworkspace: { environment: first }\n');
    assert.equal((await readWorkspace(tree)).workspace?.environment, 'first');
  });
  it('may begin with a byte order mark and end its lines as Windows does', async () => {
    await write('\ufeffversion: 1\r\nworkspace:\r\n  environment: shop\r\n');
    assert.deepEqual(await readWorkspace(tree), { workspace: { environment: 'shop' }, problem: null });
  });
  it('need not have the section', async () => {
    await write(
      'version: 1\nenvironments: { a: { members: { b: { engine: postgres, retrieval: dump, dump: c } } } }\n',
    );
    assert.deepEqual(await readWorkspace(tree), { workspace: undefined, problem: null });
  });
  it('keeps its section when an environment asks for what another version has, or is wrong', async () => {
    await write(
      'version: 1\nenvironments: { a: { parent: b, members: { b: { engine: oracle } } }, "b b": 7 }\nworkspace: { environment: shop }\n',
    );
    assert.deepEqual(await readWorkspace(tree), { workspace: { environment: 'shop' }, problem: null });
  });
  it('has its problems told with their lines', async () => {
    await write('version: 1\nworkspace:\n  follow: maybe\n  envFile: /etc/passwd\n');
    assert.deepEqual((await problem())?.split('\n'), [
      'thin-clones.yaml:3:11: expected off, ask or automatic, found "maybe"',
      'thin-clones.yaml:4:12: expected a path inside the checkout to a file with .env in its name, found "/etc/passwd"',
    ]);
  });
  it('is told when it is no YAML', async () => {
    await write('version: 1\nworkspace: {\n');
    assert.match((await problem()) ?? '', /^thin-clones\.yaml:3:1: this is not YAML: /);
  });
  it('is told when a merge left its marks in it', async () => {
    await write('version: 1\n<<<<<<< HEAD\nworkspace: {}\n=======\n>>>>>>> feature\n');
    assert.match((await problem()) ?? '', /^thin-clones\.yaml:2:1: /);
  });
  it('must be UTF-8', async () => {
    await write(Buffer.from([0xff, 0xfe, 0x00, 0x80]));
    assert.equal(await problem(), 'thin-clones.yaml is no UTF-8 text');
  });
  it('must not be huge', async () => {
    await write('#'.repeat(100_001));
    assert.equal(await problem(), 'thin-clones.yaml has 100001 bytes: expected at most 100000');
  });
  it('must not be made of aliases, which take longer the more there are', async () => {
    await write(`version: 1\nworkspace: {}\n${'a: &a [*a]\n'.repeat(8000)}`);
    assert.match((await problem()) ?? '', /it has 8000 aliases: expected at most 100$/m);
  });
  it('must be a file', async () => {
    await mkdir(join(tree, 'thin-clones.yaml'));
    assert.equal(await problem(), 'thin-clones.yaml is no regular file');
  });
  it('is not waited for when it is a named pipe', async () => {
    execFileSync('mkfifo', [join(tree, 'thin-clones.yaml')]);
    assert.equal(await problem(), 'thin-clones.yaml is no regular file');
  });
  it('must be readable', async () => {
    await write('version: 1\nworkspace: {}\n');
    await chmod(join(tree, 'thin-clones.yaml'), 0);
    assert.equal(await asUnprivileged(folder, () => problem()), "thin-clones.yaml can't be read: EACCES");
  });
  it('may be a symbolic link within the tree, and not one that leads out', async () => {
    await mkdir(join(tree, 'config'));
    await write('version: 1\nworkspace: { environment: shop }\n', 'config/clones.yaml');
    await symlink('config/clones.yaml', join(tree, 'thin-clones.yaml'));
    assert.equal((await readWorkspace(tree)).workspace?.environment, 'shop');
    await rm(join(tree, 'thin-clones.yaml'));
    await writeFile(join(folder, 'outside.yaml'), 'version: 1\nworkspace: { environment: shop }\n');
    await symlink('../outside.yaml', join(tree, 'thin-clones.yaml'));
    assert.equal(await problem(), 'thin-clones.yaml is a symbolic link that leads out of the working tree');
  });
  it('is not there when it is a symbolic link to nothing, and is told when it leads to itself', async () => {
    await symlink('nowhere', join(tree, 'thin-clones.yaml'));
    assert.deepEqual(await readWorkspace(tree), { workspace: undefined, problem: null });
    await rm(join(tree, 'thin-clones.yaml'));
    await symlink('thin-clones.yaml', join(tree, 'thin-clones.yaml'));
    assert.equal(await problem(), "thin-clones.yaml can't be read: ELOOP");
  });
});
