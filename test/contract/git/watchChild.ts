/** Watches HEAD of one working tree, says so, and says so again when it was told of a move. Usage: node watchChild.ts FOLDER */
import { watch } from 'node:fs';
import { createLocalGit } from '../../../engine/git/local/localGit.ts';

const [folder = ''] = process.argv.slice(2);
const git = createLocalGit({ environment: process.env, lookAgainMs: 20 });
const tree = await git.locate(folder);
if (tree === undefined) throw new Error(`${folder} is no working tree`);
let refusal = 'none';
try {
  watch(folder, { persistent: false }).close();
} catch (error) {
  // converted: which limit it was is what the test asks for
  refusal = String((error as NodeJS.ErrnoException).code);
}
// Keeps the process, which no watch does.
const staying = setInterval(() => undefined, 1000);
const watcher = await git.watch(tree, () => {
  console.log('moved');
  clearInterval(staying);
  watcher.close();
});
console.log(`watching, refused: ${refusal}`);
