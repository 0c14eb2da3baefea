/** Looks at a folder before any engine does: is it in a working tree, and does a thin-clones.yaml say how that is followed? */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readRegularText } from '../../engine/protocol/node/regularFile.ts';

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

export interface Survey {
  /** It is in a working tree of Git. */
  readonly isCheckout: boolean;
  /** A thin-clones.yaml there has a `workspace:` section. */
  readonly isDeclared: boolean;
}

/** Looks in the folder and in those above it, up to the top of the working tree. */
export async function surveyFolder(folder: string): Promise<Survey> {
  let isDeclared = false;
  for (let path = folder; ; path = dirname(path)) {
    for (const name of names) {
      try {
        isDeclared ||= section.test(await readRegularText(join(path, name), { links: 'followed' }));
      } catch {
        // best effort: without a file that can be read there is nothing that speaks for the folder
      }
    }
    if (await exists(join(path, '.git'))) return { isCheckout: true, isDeclared };
    // A file outside of every working tree speaks for none.
    if (dirname(path) === path) return { isCheckout: false, isDeclared: false };
  }
}
