/** `thin-clones clone`: make, find, reset and give up writable copies. */
import type { Command } from 'commander';
import { addCommit } from './clone/commit.ts';
import { addCreate } from './clone/create.ts';
import { addDestroy } from './clone/destroy.ts';
import { addList, addShow, addUrl } from './clone/look.ts';
import { addProtect } from './clone/protect.ts';
import { addRename } from './clone/rename.ts';
import { addReset } from './clone/reset.ts';
import { addStart, addStop } from './clone/startAndStop.ts';
import type { Session } from './session.ts';

/** In the order of the help. */
const commands = [
  ...[addCreate, addList, addShow, addUrl, addReset, addStart, addStop],
  ...[addDestroy, addProtect, addRename, addCommit],
];

export function addCloneCommands(program: Command, session: Session): void {
  const clone = program
    .command('clone')
    .description('clones: writable copies, made and reset in a moment')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  $ thin-clones clone create shop --name feature/a',
        '  $ thin-clones clone create --from-clone feature/a --name feature/b',
        '  $ psql "$(thin-clones clone url feature/a)"',
        '  $ thin-clones clone url feature/a --format env >> .env',
        '  $ thin-clones clone reset feature/a --yes',
      ].join('\n'),
    );
  for (const add of commands) add(clone, session);
}
