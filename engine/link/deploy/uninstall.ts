/** Takes away what was brought to a host, and the empty home of its engine: nothing that is not ours, and nothing that is in use. */
import { fail } from '../../protocol/errors.ts';
import { StreamEnded } from '../conversation.ts';
import { lastWords } from '../lastWords.ts';
import type { FarWork } from '../ssh/sshLink.ts';
import { homeThere } from './bootstrap.ts';

/** Of a home: what an engine makes there for itself. Whatever else is there stays, and the folders that it is in. */
const own = ['engine', 'tls', 'run', 'logs', 'programs', 'scratch'];

/**
 * Says `ready` and waits for a line; then `left PATH` for what is not ours and stays, and `done`. Or `failed WHAT`, and nothing was changed. An engine that runs from there
 * is ended by TERM first: its id is that of a process whose program lies there.
 */
const script = `LC_ALL=C; export LC_ALL
say() { printf '%s\\n' "$*"; }
${homeThere}
case $h in /|"$HOME"|"$HOME/") say failed home; exit 0 ;; esac
if [ ! -f "$b/newest" ] || [ ! -f "$e/installation.json" ]; then say failed marker; exit 0; fi
if [ ! -O "$h" ] || [ ! -O "$e" ]; then say failed owner; exit 0; fi
if [ -d "$h/pool" ]; then
  for folder in data tags; do
    if [ -n "$(ls -A "$h/pool/$folder" 2>/dev/null)" ]; then say failed data; exit 0; fi
  done
fi
say ready
read -r go || exit 0
running() { ls -l /proc/[0-9]*/exe 2>/dev/null | grep -qF " $h/"; }
p=$(cat "$e/engine.pid" 2>/dev/null)
case $p in
*[!0-9]*|'') ;;
*) case $(readlink "/proc/$p/exe" 2>/dev/null) in "$b"/*) kill -TERM "$p" 2>/dev/null ;; esac ;;
esac
tries=0
while running; do
  tries=$((tries + 1))
  if [ "$tries" -gt 60 ]; then say failed running; exit 0; fi
  say waiting
  sleep 1
done
for name in ${own.join(' ')}; do rm -rf "$h/$name"; done
if [ -f "$h/pool/thin-clones-pool.json" ]; then
  rmdir "$h/pool/data" "$h/pool/tags" "$h/pool/trash" 2>/dev/null
  if [ -z "$(ls -A "$h/pool" | grep -vxF -e thin-clones-pool.json -e thin-clones-pool.lock -e thin-clones-pool.holder)" ]; then
    rm -f "$h/pool/thin-clones-pool.json" "$h/pool/thin-clones-pool.lock" "$h/pool/thin-clones-pool.holder"
    rmdir "$h/pool" 2>/dev/null
  fi
fi
rmdir "$h" 2>/dev/null
if [ -d "$h" ]; then for left in "$h"/* "$h"/.[!.]*; do if [ -e "$left" ]; then say left "$left"; fi; done; fi
say done
`;

const problems: Readonly<Record<string, string>> = {
  home: 'its engine lives in a folder that is not of its own',
  marker: 'nothing says that what is there is ours',
  owner: 'it belongs to another user',
  running: 'something runs from there',
  data: 'there is data',
};

export interface UninstallWork {
  onBegin: () => Promise<void>;
  /** What is not ours stays. */
  onLeft: (path: string) => void;
}

/** Errors: `uninstall_refused`. */
export const uninstallWork = ({ onBegin, onLeft }: UninstallWork): FarWork => ({
  script,
  async converse(far, { host, onProgress, meanwhile }) {
    for (;;) {
      const line = await far.line();
      if (line === undefined) throw new StreamEnded();
      const [, word = '', rest = ''] = /^(\S+) ?(.*)$/.exec(line) ?? [];
      if (word === 'done') return;
      if (word === 'ready') {
        await meanwhile(onBegin());
        await far.write('go\n');
      } else if (word === 'waiting') onProgress('Waiting until its engine has ended');
      else if (word === 'left') onLeft(lastWords(rest));
      else throw fail('uninstall_refused', { host, problem: problems[rest] ?? lastWords(line) });
    }
  },
});
