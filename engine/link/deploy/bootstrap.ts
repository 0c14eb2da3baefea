/** The script that a POSIX shell of the host runs after the login: says what the host is, takes an engine, starts it. */

export interface BootstrapOptions {
  /** The build that is started at once where it is the newest that is there. */
  wanted: string;
  /** What is started of a build: a module and its arguments. */
  run: readonly string[];
  /** Variables that the engine there is started with. */
  variables?: Readonly<Record<string, string>>;
  /** Says everything of the host first, also where nothing has to be brought. */
  examine?: boolean;
}

/** Of a build, as a folder there: "0.1.0_73116783f59ce6be". */
export const buildPattern = /^[0-9A-Za-z][0-9A-Za-z.+_-]{0,100}$/;

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** Of the engine there: its home, its own folder, what was brought. */
export const homeThere = `if [ -n "$THIN_CLONES_HOME" ]; then h=$THIN_CLONES_HOME
elif [ "$(id -u)" = 0 ]; then h=/var/lib/thin-clones
else h=\${XDG_DATA_HOME:-$HOME/.local/share}/thin-clones; fi
e=$h/engine; b=$e/builds
`;

/**
 * Spoken in lines. It says `KEY VALUE` for what it finds, then `ready`; or `started`, after which the stream is the engine's.
 * While it checks and unpacks what it was sent, which takes a slow host minutes, it says `working` now and then.
 * It is told `put BUILD BYTES SHA256`, `newest BUILD`, `drop BUILD`, `start BUILD`. Whatever is brought is
 * complete by one rename; what a lost connection leaves is taken up by the next one, or removed.
 */
export function bootstrapScript({ wanted, run, variables = {}, examine = false }: BootstrapOptions): string {
  const exports = Object.entries(variables).map(
    ([name, value]) => `  ${name}=${quoted(value)}; export ${name}\n`,
  );
  return `wanted=${quoted(wanted)}
if [ -n "$LC_ALL" ]; then locale=$LC_ALL; else locale=; fi
LC_ALL=C; export LC_ALL
mask=$(umask); umask 077
say() { printf '%s\\n' "$*"; }
${homeThere}start() {
  if [ -n "$locale" ]; then LC_ALL=$locale; else unset LC_ALL; fi
  umask "$mask"
  THIN_CLONES_HOME=$h; export THIN_CLONES_HOME
${exports.join('')}  cd "$h" || exit 1
  say started
  exec "$b/$1/node" "$b/$1/"${run.map(quoted).join(' ')}
}
${examine ? '' : startAtOnce}${describe}
${examine ? describeMore : ''}say ready
while read -r verb build size sum rest; do
  case $verb in
  put) put ;;
  newest) printf '%s\\n' "$build" > "$b/newest.$$" && mv -f "$b/newest.$$" "$b/newest" && say done ;;
  drop) drop; say done ;;
  start) start "$build" ;;
  *) exit 0 ;;
  esac
done
`;
}

const startAtOnce = `if [ -f "$b/$wanted/complete" ] && [ "$(cat "$b/newest" 2>/dev/null)" = "$wanted" ]; then start "$wanted"; fi
`;

/** What only a person wants to know. Commands that might ask, or be reported to somebody, are not run. */
const describeMore = `say groups "$(id -nG)"
if s=$(stat -f -c %T "$near" 2>/dev/null); then say filesystem "$s"; fi
try_in temp "\${TMPDIR:-/tmp}"
say mount "$(df -Pk "$near" 2>/dev/null | tail -n 1 | { read -r device all used left other point; printf '%s' "$point"; })"
say zfs "$(PATH=$PATH:/usr/sbin:/sbin; zfs version 2>/dev/null | head -n 1)"
say btrfs "$(PATH=$PATH:/usr/sbin:/sbin; btrfs --version 2>/dev/null | head -n 1)"
for p in apt-get dnf yum zypper pacman apk; do
  if command -v $p > /dev/null 2>&1; then say packager $p; break; fi
done
`;

const describe = `near=$h
while [ ! -d "$near" ]; do near=$(dirname "$near"); done
say system "$(uname -s)"
say processor "$(uname -m)"
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
if [ -z "$libc" ]; then case $(ldd --version 2>&1) in *musl*) libc=musl ;; esac; fi
say libc "$libc"
say uid "$(id -u)"
say clock "$(date +%s)"
say home "$h"
free() { df -Pk "$near" 2>/dev/null | tail -n 1 | { read -r device all used left other; printf '%s' "$left"; }; }
say free "$(free)"
try_in() {
  t=$2/.thin-clones-$$
  if (printf '#!/bin/sh\\nexit 0\\n' > "$t") 2>/dev/null; then
    chmod 700 "$t"
    if "$t" 2>/dev/null; then say "$1" good; else say "$1" noexec; fi
  else
    say "$1" closed
  fi
  rm -f "$t" 2>/dev/null
}
try_in folder "$near"
missing=
for tool in tar gzip sha256sum head wc; do command -v "$tool" > /dev/null 2>&1 || missing="$missing $tool"; done
say missing $missing
for complete in "$b"/*/complete; do
  if [ -f "$complete" ]; then c=\${complete%/complete}; say build "\${c##*/}"; fi
done
put() {
  (umask 022; mkdir -p "$h") && mkdir -p "$b/incoming" || { say failed folder; exit 1; }
  for u in "$b"/unpack.*; do [ -d "$u" ] && ! kill -0 "\${u##*.}" 2>/dev/null && rm -rf "$u"; done
  part=$b/incoming/$sum.$$
  for p in "$b/incoming/"*; do
    [ -f "$p" ] || continue
    kill -0 "\${p##*.}" 2>/dev/null && continue
    case $p in
    "$b/incoming/$sum."*) if [ ! -f "$part" ]; then mv "$p" "$part" 2>/dev/null; else rm -f "$p"; fi ;;
    *) rm -f "$p" ;;
    esac
  done
  : >> "$part" || { say failed folder; exit 1; }
  have=$(($(wc -c < "$part")))
  if [ "$have" -gt "$size" ]; then : > "$part"; have=0; fi
  say have "$have"
  if ! head -c $((size - have)) >> "$part" 2>/dev/null; then left=$(free); rm -f "$part"; say failed write "$left"; exit 1; fi
  [ $(($(wc -c < "$part"))) = "$size" ] || exit 1
  say received
  { while sleep 5 < /dev/null > /dev/null 2>&1; do say working; done; } & works=$!
  unpack
  kill "$works"; wait "$works" 2>/dev/null
  if [ -n "$failed" ]; then say failed $failed; exit 1; fi
  say done
}
unpack() {
  failed=
  found=$(sha256sum < "$part")
  if [ "\${found%% *}" != "$sum" ]; then rm -f "$part"; failed=torn; return; fi
  u=$b/unpack.$$
  rm -rf "$u"
  if ! mkdir "$u" || ! gzip -dc "$part" 2>/dev/null | tar -xof - -C "$u" 2>/dev/null; then
    left=$(free); rm -rf "$u" "$part"; failed="unpack $left"; return
  fi
  # Who packed it may know no run bits.
  chmod 755 "$u/node"
  if ! said=$("$u/node" -e 0 2>&1); then rm -rf "$u" "$part"; failed="node $said"; return; fi
  : > "$u/complete"
  sync -f "$u" 2>/dev/null || sync
  if [ -d "$b/$build" ]; then rm -rf "$u"; else mv "$u" "$b/$build"; fi
  rm -f "$part"
}
drop() {
  if ls -l /proc/[0-9]*/exe 2>/dev/null | grep -qF " $b/$build/"; then return; fi
  mv "$b/$build" "$b/unpack.$$" && rm -rf "$b/unpack.$$"
}`;
