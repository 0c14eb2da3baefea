/** Finds the thin-clones.yaml that speaks for a folder, and tells whether it says how the folder is followed. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const names = ['thin-clones.yaml', 'thin-clones.yml'];
/** The engine reads and checks the section; here only its being there counts. */
const section = /^(["']?)workspace\1[ \t]*:/m;

const exists = async (path: string): Promise<boolean> => {
  try {
    await stat(path);
    return true;
  } catch {
    // best effort: what can't be seen is not there
    return false;
  }
};

/** Looks in the folder and in those above it, up to the top of the working tree. */
export async function declaresWorkspace(folder: string): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    for (const name of names) {
      try {
        if (section.test(await readFile(join(path, name), 'utf8'))) return true;
      } catch {
        // best effort: without a file that can be read there is nothing that speaks for the folder
      }
    }
    if ((await exists(join(path, '.git'))) || dirname(path) === path) return false;
  }
}
