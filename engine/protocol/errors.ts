/** The error table: for each code its HTTP status, what people read, what to do next, and whether a retry can help. */
import { wordsOf } from './engineWords.ts';
import type { ErrorDocument } from './entities.ts';
import { plainText } from './plainText.ts';
import { shownValue } from './variableConsent.ts';

interface ErrorDefinition<Details> {
  /** HTTP status. The command line's exit code follows from it and the code: engine/cli/exitCode.ts. */
  status: number;
  retryable: boolean;
  message: (details: Details) => string;
  next: (details: Details) => string;
}

const define = <Details extends object>(
  status: number,
  message: (details: Details) => string,
  next: (details: Details) => string,
  retryable = false,
): ErrorDefinition<Details> => ({ status, retryable, message, next });

/** A few of many: a message that names all of them is read by nobody. The details have them all. */
const some = (names: readonly string[]): string =>
  names.length <= namedAtMost ? list(names) : `e.g. ${list(names.slice(0, namedAtMost - 1))}`;
const namedAtMost = 4;

/** What was tried: none of it helps with the other kinds. */
function readingAdvice(user: string, objects: readonly string[]): string {
  const role = `"${user.replaceAll('"', '""')}"`;
  const large = objects.flatMap((object) => /^large object (\d+)$/.exec(object)?.[1] ?? []);
  if (large.length > 0)
    return `Let their owner or a superuser run: GRANT SELECT ON LARGE OBJECT ${large.join(', ')} TO ${role};`;
  if (objects.some((object) => object.includes('row-level security')))
    return `Let a superuser run: ALTER ROLE ${role} BYPASSRLS; or exclude the tables.`;
  return `Grant ${wordsOf().grant}, or exclude them.`;
}

/** Where a program is in a package of another name. */
const packageOf: Readonly<Record<string, string>> = {
  sha256sum: 'coreutils',
  head: 'coreutils',
  wc: 'coreutils',
};
const megabytes = (bytes: number): string => Math.ceil(bytes / 1e6).toFixed(0);
const list = (names: readonly string[]): string => names.join(', ');
/** A command that can be pasted into a shell. */
const shown = (...words: readonly string[]): string =>
  words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
const poolOf = (dataset: string): string => dataset.split(/[/@]/)[0] ?? dataset;
const kindList = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

export const errorTable = {
  // Requests
  /** The command line was typed wrong; never sent by the engine. */
  usage: define<{ problem: string; hint: string }>(
    400,
    (d) => d.problem,
    (d) => d.hint,
  ),
  invalid_request: define<{ problems: readonly string[] }>(
    400,
    (d) => `The request is not valid: ${d.problems.join('; ')}.`,
    () => 'Correct the named fields and try again.',
  ),
  invalid_file: define<{ file: string; problems: readonly string[] }>(
    400,
    (d) => `${d.file} is not valid:\n${d.problems.join('\n')}`,
    () => 'Correct the named lines and try again.',
  ),
  /** A file that was named at the command line; never sent by the engine. */
  file_unreadable: define<{ path: string; missing: boolean; problem: string }>(
    400,
    (d) => (d.missing ? `There is no file ${d.path}.` : `The file ${d.path} can't be read: ${d.problem}.`),
    (d) => (d.missing ? 'Name it with -f FILE.' : 'Correct that, or name another one with -f FILE.'),
  ),
  unauthorized: define<object>(
    401,
    () => 'The engine did not accept the token.',
    () => 'Use the token from the discovery file of this engine.',
  ),
  forbidden_origin: define<{ header: string }>(
    403,
    (d) => `The engine refuses requests with this ${d.header} header.`,
    () => 'Call the engine from the extension or the command line, not from a web page.',
  ),
  unknown_route: define<{ path: string }>(
    404,
    (d) => `The engine has no ${d.path}.`,
    () => 'Look at the list of routes in /v1/openapi.json, or update the older of extension and engine.',
  ),
  /** `host`: whose engine it is, where that is another one than this machine's. */
  protocol_mismatch: define<{ engine: number; client: number; host?: string }>(
    426,
    (d) =>
      d.host === undefined
        ? `The engine speaks protocol ${d.engine}, this client ${d.client}.`
        : `The engine of host ${d.host} speaks protocol ${d.engine}, this machine's ${d.client}: update Thin Clones ${d.engine > d.client ? 'on this machine' : `on ${d.host}`}.`,
    (d) =>
      d.host === undefined
        ? `Update ${d.engine > d.client ? 'this client' : 'the engine'}, which is the older of the two, then reload the window.`
        : 'Clones there go on, and whoever has the same version there works with them.',
  ),
  /** `where`: one line for each place of a file that asks for it. */
  not_supported: define<{ feature: string; instead?: string; where?: readonly string[] }>(
    422,
    (d) =>
      d.where === undefined
        ? `${d.feature} is not supported by this version.`
        : `${d.feature} asks for what this version does not support:\n${d.where.join('\n')}`,
    (d) => d.instead ?? 'Remove it, or update Thin Clones when it is there.',
  ),
  canceled: define<object>(
    409,
    () => 'The job was canceled.',
    () => 'Nothing was changed. Start it again when you want it.',
  ),
  idempotency_key_reused: define<{ key: string; doing: string }>(
    409,
    (d) => `The idempotency key ${d.key} was used for another request (${d.doing}).`,
    () => 'Use a new key for a new request, and the same one only to repeat a request as it was.',
  ),
  /** A second engine was asked to serve a home in the foreground. */
  engine_running: define<{ home: string; pid: number | null }>(
    409,
    (d) => `An engine serves ${d.home} already${d.pid === null ? '' : ` (process ${d.pid})`}.`,
    () => 'Use it, or stop it first: thin-clones engine stop',
  ),
  /** The command line no longer waits for a job; never sent by the engine. */
  job_left: define<{ job: string }>(
    409,
    (d) => `Job ${d.job} goes on without this command.`,
    (d) => `Follow it with "thin-clones job logs ${d.job} -f".`,
  ),
  interrupted: define<{ job: string }>(
    500,
    () => 'The engine ended while this ran.',
    () => 'What it had done was undone. Start it again.',
    true,
  ),
  internal: define<{ problem: string }>(
    500,
    (d) => `Something went wrong inside the engine: ${d.problem}`,
    () => 'Look at the log (Thin Clones: Show Engine Log) and report it with the log lines.',
  ),
  shutting_down: define<object>(
    503,
    () => 'The engine is stopping.',
    () => 'Try again: a new engine starts on demand.',
    true,
  ),

  // Objects
  not_found: define<{ kind: string; name: string; known?: readonly string[] }>(
    404,
    (d) => `There is no ${d.kind} "${d.name}".`,
    (d) =>
      d.known !== undefined && d.known.length > 0
        ? `Known: ${list(d.known.slice(0, 10))}.`
        : `List what there is with "thin-clones ${d.kind === 'environment' ? 'env' : d.kind} list".`,
  ),
  ambiguous: define<{ kind: string; name: string; matches: readonly string[] }>(
    409,
    (d) => `"${d.name}" names ${kindList(d.matches.length, d.kind)}: ${list(d.matches)}.`,
    () => 'Use the id.',
  ),
  name_taken: define<{ kind: string; name: string }>(
    409,
    (d) => `There is already a ${d.kind} "${d.name}".`,
    () => 'Choose another name, or destroy the existing one first.',
  ),
  busy: define<{ kind: string; name: string; job: string; doing: string; by: string }>(
    409,
    (d) => `The ${d.kind} "${d.name}" is busy: ${d.doing} (started by ${d.by}).`,
    (d) => `Wait until ${d.job} has ended, or cancel it, and try again.`,
    true,
  ),
  snapshot_in_use: define<{ snapshot: string; clones: readonly string[] }>(
    409,
    (d) => `Snapshot ${d.snapshot} is used by ${kindList(d.clones.length, 'clone')} (${some(d.clones)}).`,
    () => 'Destroy them, or reset them to another snapshot, first.',
  ),
  environment_in_use: define<{ environment: string; clones: readonly string[] }>(
    409,
    (d) =>
      `Environment ${d.environment} still has ${kindList(d.clones.length, 'clone')} (${some(d.clones)}).`,
    () => 'Destroy them first. Its snapshots are deleted together with the environment.',
  ),
  environment_locked: define<{ environment: string; fields: readonly string[] }>(
    409,
    (d) => `Environment ${d.environment} has snapshots, so ${list(d.fields)} can't change any more.`,
    () => 'Make a new environment under another name, or delete this one first.',
  ),
  clone_protected: define<{ clone: string; until: string }>(
    409,
    (d) =>
      d.until === 'forever'
        ? `Clone ${d.clone} is protected.`
        : `Clone ${d.clone} is protected until ${d.until}.`,
    (d) => `Switch the protection off first: thin-clones clone protect ${d.clone} --off`,
  ),
  clone_limit: define<{ environment: string; limit: number; clones: readonly string[] }>(
    409,
    (d) => `Environment ${d.environment} has its limit of ${kindList(d.limit, 'clone')} (${some(d.clones)}).`,
    () => 'Destroy one that is no longer needed, or raise clones.limit.',
  ),
  no_snapshot: define<{ environment: string }>(
    409,
    (d) => `Environment ${d.environment} has no snapshot yet.`,
    (d) => `Make one first: thin-clones env refresh ${d.environment}`,
  ),
  snapshot_not_ready: define<{ snapshot: string; state: string }>(
    409,
    (d) => `Snapshot ${d.snapshot} is not ready (${d.state}).`,
    () => 'Wait until it is ready, or choose another one.',
    true,
  ),
  clone_not_ready: define<{ clone: string; state: string }>(
    409,
    (d) => `Clone ${d.clone} is not ready (${d.state}).`,
    (d) => `Start it with "thin-clones clone start ${d.clone}", or reset it.`,
    true,
  ),
  binding_taken: define<{ branch: string; clone: string }>(
    409,
    (d) => `Branch ${d.branch} has a clone already: ${d.clone}.`,
    () => 'Unbind or destroy that one first.',
  ),
  clone_bound_elsewhere: define<{ clone: string; branch: string; repository: string; elsewhere?: true }>(
    409,
    (d) =>
      `Clone ${d.clone} belongs to branch ${d.branch} of ${d.repository}${d.elsewhere === true ? ' on another machine' : ''}.`,
    () => 'Unbind it there first, or make another one here.',
  ),
  clone_lent: define<{ clone: string; path: string }>(
    409,
    (d) => `Clone ${d.clone} is in use by the checkout ${d.path} of another repository.`,
    () => 'Take it off there first, or make another one here.',
  ),
  clone_foreign: define<{ clone: string; environment: string; wanted: string }>(
    409,
    (d) => `Clone ${d.clone} is of environment ${d.environment}, this checkout uses ${d.wanted}.`,
    (d) => `Choose a clone of ${d.wanted}, or another environment for the checkout.`,
  ),
  not_cancellable: define<{ job: string; reason: string }>(
    409,
    (d) => `Job ${d.job} can't be canceled: ${d.reason}.`,
    () => 'Wait until it has ended.',
  ),
  snapshot_foreign: define<{ snapshot: string; environment: string }>(
    409,
    (d) => `Snapshot ${d.snapshot} belongs to another environment than ${d.environment}.`,
    () => 'Choose a snapshot of the same environment.',
  ),

  // Checkouts
  not_a_checkout: define<{ folder: string }>(
    422,
    (d) => `${d.folder} is not in a working tree of a Git repository.`,
    () => 'Run it inside one, or make one with "git init" or "git worktree add".',
  ),
  git_failed: define<{ path: string; problem: string }>(
    500,
    (d) => `Git can't read ${d.path}: ${d.problem}`,
    () => 'Look whether "git status" works there.',
    true,
  ),
  environment_unchosen: define<{ path: string; known: readonly string[] }>(
    422,
    (d) => `Nothing says which environment ${d.path} uses.`,
    (d) =>
      d.known.length === 0
        ? 'Declare one first: thin-clones env apply -f thin-clones.yaml'
        : `Name one (${list(d.known.slice(0, 10))}): "workspace: { environment: NAME }" in its thin-clones.yaml, or thin-clones use --environment NAME`,
  ),
  no_branch: define<{ path: string; reason: string }>(
    409,
    (d) => `No clone belongs to ${d.path} now: ${d.reason}.`,
    () => 'Check out a branch, or name a clone: thin-clones use CLONE',
    true,
  ),
  no_clone_for_branch: define<{ path: string; branch: string; reason: string }>(
    409,
    (d) => `Branch ${d.branch} has no clone: ${d.reason}.`,
    () => 'Make one, with that branch checked out: thin-clones use',
    true,
  ),
  question_changed: define<{ path: string }>(
    409,
    (d) => `${d.path} has left the branch that this answers for.`,
    () => 'Look at what it asks now.',
  ),
  /** Asked of a folder by a command that changes nothing. */
  not_followed: define<{ folder: string }>(
    404,
    (d) => `${d.folder} is not in a working tree that is followed.`,
    () => 'Follow it: thin-clones use. Those that are: thin-clones checkout list',
  ),
  checkout_not_ready: define<{ path: string; reason: string; next: string }>(
    409,
    (d) => `${d.path} has no database now: ${d.reason}`,
    (d) => d.next,
    true,
  ),
  no_question: define<{ path: string }>(
    409,
    (d) => `${d.path} asks nothing now.`,
    () => 'See how it stands: thin-clones checkout show',
  ),
  /** A program that the command line was to run; never sent by the engine. */
  command_unusable: define<{ command: string; problem: string }>(
    422,
    (d) => `${d.command} can't be run: ${d.problem}.`,
    () => 'Check how it is spelled, and PATH.',
  ),
  /** Asked of variables that stand in its thin-clones.yaml and are not set yet. */
  variables_held: define<{ path: string; variables: readonly { name: string; value: string }[] }>(
    409,
    (d) =>
      `thin-clones.yaml of ${d.path} sets what is no plain connection: ${d.variables.map(({ name, value }) => `${name}=${shownValue(value)}`).join(', ')}.`,
    (d) => {
      const names = d.variables.map(({ name }) => name).join(' ');
      return `If you know what that does: thin-clones use --allow-variable ${names} (or without it: thin-clones use --refuse-variable ${names}).`;
    },
  ),
  variable_unasked: define<{ path: string; name: string }>(
    409,
    (d) =>
      `thin-clones.yaml of ${d.path} has no variable ${d.name} with this value that has to be agreed to.`,
    () => 'Look at what it has now: thin-clones checkout show',
  ),
  env_file_tracked: define<{ file: string }>(
    409,
    (d) => `${d.file} is tracked by Git, and the variables hold a password.`,
    () => 'Name a file that Git ignores, or agree to it: --allow-tracked',
  ),
  env_file_failed: define<{ file: string; problem: string }>(
    409,
    (d) => `${d.file} was left as it is: ${d.problem}.`,
    () => 'Correct that, or name another file.',
  ),

  // Sources
  source_dns: define<{ host: string }>(
    422,
    (d) => `The host name "${d.host}" can't be resolved.`,
    () => 'Check the spelling of the host in the URL, and the VPN if it is an internal name.',
    true,
  ),
  source_refused: define<{ host: string; port: number }>(
    422,
    (d) => `Nothing accepts connections at ${d.host}:${d.port}.`,
    () => 'Check host and port, that the server runs, and that it listens on this address.',
    true,
  ),
  source_timeout: define<{ host: string; port: number; seconds: number }>(
    422,
    (d) => `${d.host}:${d.port} did not answer within ${d.seconds} s.`,
    () => 'Check the network, VPN and firewall between here and the source.',
    true,
  ),
  source_tls: define<{ host: string; problem: string }>(
    422,
    (d) => `The TLS connection to ${d.host} failed: ${d.problem}.`,
    () => 'Add ?sslmode=require, or ?sslmode=verify-full&sslrootcert=FILE, or ?sslmode=disable to the URL.',
  ),
  source_password: define<{ user: string; host: string }>(
    422,
    (d) => `${d.host} refused the password of user "${d.user}".`,
    () => 'Check user and password.',
  ),
  source_password_missing: define<{ member: string; reference: string | null }>(
    422,
    (d) =>
      d.reference === null
        ? `Member ${d.member} needs a password and none is known.`
        : `The password of member ${d.member} should come from ${d.reference}, and that is empty or missing.`,
    (d) =>
      d.reference === null
        ? 'Give it when asked, or name it in the file: password: { env: NAME } or { file: PATH }.'
        : 'Set it and try again.',
  ),
  member_user: define<{ user: string; known?: readonly string[] }>(
    422,
    (d) => `The data has no role "${d.user}", which the member names as its user.`,
    (d) =>
      d.known !== undefined && d.known.length > 0
        ? `Name one of these as user, or none: ${list(d.known.slice(0, 10))}.`
        : 'Name a role of the source as user, or none.',
  ),
  source_role: define<{ user: string; host: string }>(
    422,
    (d) => `${d.host} does not let user "${d.user}" in.`,
    () =>
      `Check the user name, and the server's ${wordsOf().accessFile} for this address, user and database.`,
  ),
  source_database: define<{ database: string; host: string }>(
    422,
    (d) => `There is no database "${d.database}" at ${d.host}.`,
    () => 'Check the last part of the URL.',
  ),
  source_permission: define<{ user: string; objects: readonly string[] }>(
    422,
    (d) =>
      `User "${d.user}" may not read ${list(d.objects.slice(0, 5))}${d.objects.length > 5 ? ', …' : ''}.`,
    ({ user, objects }) => readingAdvice(user, objects),
  ),
  source_locked: define<{ locks: readonly string[]; seconds: number }>(
    409,
    (d) =>
      `A table of the source could not be read within ${d.seconds} s, since it is locked${d.locks.length === 0 ? '' : `: ${d.locks.join('; ')}`}.`,
    () =>
      'End that transaction or wait for it, then refresh again. The snapshots that there were are unchanged.',
    true,
  ),
  source_selection: define<{ pattern: string; kind: string }>(
    422,
    (d) => `The source has no ${d.kind} "${d.pattern}".`,
    () => 'Correct include and exclude.',
  ),
  source_too_new: define<{ source: string; tools: string }>(
    422,
    (d) => `The source is ${wordsOf().title} ${d.source}, newer than the client tools here (${d.tools}).`,
    (d) => `Install client tools of version ${d.source} or newer and name their folder in the settings.`,
  ),
  source_lost: define<{ host: string; problem: string }>(
    502,
    (d) => `The connection to ${d.host} was lost during the dump: ${d.problem}`,
    () => 'Check the source and refresh again. The snapshots that there were are unchanged.',
    true,
  ),
  source_failed: define<{ problem: string; job?: true }>(
    502,
    (d) => `The source answered with an error: ${d.problem}`,
    (d) =>
      d.job === true
        ? 'Look at the job log for the full text.'
        : 'Put right what it says, at the source or in the definition, and try again.',
    true,
  ),
  source_url: define<{ problem: string }>(
    422,
    (d) => `The connection URL is not usable: ${d.problem}.`,
    () => `Write it as ${wordsOf().urlShape}?sslmode=require`,
  ),
  dump_unreadable: define<{ file: string; problem: string }>(
    422,
    (d) => `The dump ${d.file} can't be used: ${d.problem}.`,
    () => `Give the path of a complete ${wordsOf().dumpProgram} file (${wordsOf().dumpFormats}).`,
  ),
  directory_unusable: define<{ directory: string; problem: string }>(
    422,
    (d) => `The data directory ${d.directory} can't be used: ${d.problem}.`,
    () => `Give the path of a complete ${wordsOf().title} data directory whose server is stopped.`,
  ),
  restore_failed: define<{ problem: string }>(
    500,
    (d) => `The data could not be restored: ${d.problem}`,
    () => 'Look at the job log. The snapshots that there were are unchanged.',
  ),
  verification_failed: define<{ problem: string }>(
    500,
    (d) => `The new snapshot did not pass its check: ${d.problem}`,
    () => 'Look at the job log. The snapshots that there were are unchanged.',
  ),

  // Machine
  engine_unreachable: define<{ problem: string }>(
    503,
    (d) => `The engine can't be reached: ${d.problem}`,
    () => 'Look at the engine log, then try again: it starts on demand.',
    true,
  ),
  engine_start_failed: define<{ problem: string; log: string }>(
    503,
    (d) => `The engine did not start: ${d.problem}`,
    (d) => `Look at ${d.log}.`,
  ),
  node_too_old: define<{ version: string }>(
    503,
    (d) => `The engine needs node:sqlite, which this Node (${d.version}) does not have.`,
    () => 'Use VS Code 1.103 or newer, or Node 22.13 or newer for the command line.',
  ),
  host_unreachable: define<{ host: string; problem: string }>(
    503,
    (d) => `Host ${d.host} can't be reached: ${d.problem}`,
    (d) => `Look at "thin-clones host doctor ${d.host}".`,
    true,
  ),
  host_address: define<{ address: string; problem: string }>(
    400,
    (d) => `"${d.address}" is no address of a host: ${d.problem}.`,
    () => 'Write it as ssh://USER@HOST:PORT, or as a name of your ssh configuration.',
  ),
  ssh_missing: define<{ program: string; problem: string }>(
    503,
    (d) => `Hosts are reached by ${d.program}, which can't be started: ${d.problem}`,
    () => "Install the OpenSSH client of your system, and see that it is in this program's PATH.",
  ),
  host_dns: define<{ host: string; name: string }>(
    503,
    (d) => `Host ${d.host} can't be reached: the name "${d.name}" can't be resolved.`,
    () =>
      'Check its spelling in the address or in your ssh configuration, and the VPN if it is an internal name.',
    true,
  ),
  host_refused: define<{ host: string; problem: string }>(
    503,
    (d) => `Host ${d.host} can't be reached: nothing accepts connections there (${d.problem}).`,
    () => 'Check host and port, that the machine runs, and that sshd listens on this address.',
    true,
  ),
  host_timeout: define<{ host: string; problem: string }>(
    503,
    (d) => `Host ${d.host} does not answer: ${d.problem}.`,
    () => 'Check the network, VPN and firewall between here and the host.',
    true,
  ),
  host_key_unknown: define<{ host: string; address: string; fingerprint?: string }>(
    403,
    (d) =>
      `Nobody has accepted the key of host ${d.host} yet${d.fingerprint === undefined ? '' : `: ${d.fingerprint}`}.`,
    (d) =>
      `Compare its fingerprint with what its administrator says, and accept it when you are asked, or by logging in once: ssh ${d.address}`,
  ),
  host_key_changed: define<{ host: string; problem: string }>(
    403,
    (d) =>
      `Host ${d.host} shows another key than the one that is known, so nothing was sent to it. ${d.problem}`,
    () =>
      'Somebody may be listening in, or the machine was set up anew. Ask its administrator; only if that explains it, remove the old key with "ssh-keygen -R HOST" and accept the new one.',
  ),
  host_login: define<{ host: string; address: string; problem: string }>(
    403,
    (d) => `Host ${d.host} did not accept the login: ${d.problem}.`,
    (d) =>
      `Check the user, and that this works: ssh ${d.address}. A password is asked for only at a terminal and in VS Code.`,
  ),
  /** `seconds`: how long it was waited for; not there: somebody gave it up. */
  host_unanswered: define<{ host: string; seconds?: number }>(
    403,
    (d) =>
      d.seconds === undefined
        ? `The login to host ${d.host} was given up, and what it asks is not answered.`
        : `Nobody answered within ${d.seconds} s what the login to host ${d.host} asks.`,
    (d) => `Connect it again when you can answer: thin-clones host reconnect ${d.host}`,
  ),
  /** Somebody else may have answered it. */
  host_question_over: define<{ host: string }>(
    409,
    (d) => `What the login to host ${d.host} asked is answered already, or no longer waited for.`,
    (d) => `Look at what it asks now: thin-clones host show ${d.host}`,
  ),
  host_shell: define<{ host: string; problem: string }>(
    503,
    (d) => `The login to host ${d.host} worked, but no command runs there: ${d.problem}`,
    () =>
      'The account needs a login shell that runs commands, such as /bin/sh, and start-up files of it that neither end it nor wait for input.',
  ),
  host_unsupported: define<{ host: string; problem: string }>(
    422,
    (d) => `The engine can't run on host ${d.host}: ${d.problem}.`,
    () =>
      'It runs on Linux with glibc 2.28 or newer (Debian 10, Ubuntu 20.04, RHEL 8 and what came after), on x86-64 and ARM64. Use another machine.',
  ),
  engine_parts: define<{ platform: string; problem: string }>(
    422,
    (d) => `The engine for a host of ${d.platform} can't be made here: ${d.problem}`,
    () =>
      'Mend that and try again: it is fetched once. Without npm and pip here, add the host from a Linux machine with its processor, for which everything comes along.',
  ),
  host_tools: define<{ host: string; tools: readonly string[] }>(
    422,
    (d) => `Host ${d.host} has no ${list(d.tools)}, by which the engine is unpacked there.`,
    (d) => `Install there: ${d.tools.map((tool) => packageOf[tool] ?? tool).join(' ')}`,
  ),
  host_folder: define<{ host: string; folder: string; problem: string }>(
    422,
    (d) => `The folder ${d.folder} of host ${d.host} can't hold the engine: ${d.problem}.`,
    () => 'Mend that, or name another folder there: THIN_CLONES_HOME in the environment of its logins.',
  ),
  host_full: define<{ host: string; folder: string; freeBytes: number; neededBytes: number }>(
    507,
    (d) =>
      `There is no room for the engine in ${d.folder} of host ${d.host}: it needs ${megabytes(d.neededBytes)} MB, and ${megabytes(d.freeBytes)} MB are free.`,
    () => 'Make room there, or name another folder: THIN_CLONES_HOME in the environment of its logins.',
    true,
  ),
  upload_failed: define<{ host: string; problem: string }>(
    503,
    (d) => `The engine could not be copied to host ${d.host}: ${d.problem}.`,
    () => 'Try again; nothing was changed there.',
    true,
  ),
  /** Nobody is there to agree to what a file names. `known`: the address that the host has here. */
  host_consent: define<{
    host: string;
    address: string;
    known?: string;
    path?: string | undefined;
    dataset?: string | undefined;
    question: string;
  }>(
    400,
    (d) => `${d.question} Without a terminal nobody can be asked.`,
    () => 'Add --yes if that is what you want.',
  ),
  /** Everything of a file lives on hosts that somebody said no to. */
  host_declined: define<{ host: string; address: string; file: string }>(
    409,
    (d) =>
      `${d.file} says that host ${d.host} is ${d.address}, and somebody said no to that: what would live there is left out, and nothing is left.`,
    (d) =>
      `If you agree now: thin-clones host add ${d.host} ${d.address} (or "Add Host…" in VS Code), or thin-clones env apply --yes.`,
  ),
  password_consent: define<{ host: string; address: string | null }>(
    400,
    (d) =>
      `Passwords of sources would go to host ${d.host}${d.address === null ? '' : ` (${d.address})`}: its engine reads the sources, and keeps them sealed there. Nobody has agreed to that yet, so none is sent.`,
    () => 'Agree where you are asked, at a terminal or in VS Code; or add --yes if that is what you want.',
  ),
  host_in_use: define<{ host: string; environments: readonly string[]; clones: readonly string[] }>(
    409,
    (d) =>
      `Host ${d.host} still holds ${kindList(d.environments.length, 'environment')} (${some(d.environments)}) and ${kindList(d.clones.length, 'clone')}${d.clones.length === 0 ? '' : ` (${some(d.clones)})`}.`,
    (d) => `Destroy and delete them first, or only forget the host: thin-clones host remove ${d.host}`,
  ),
  uninstall_refused: define<{ host: string; problem: string }>(
    409,
    (d) => `Nothing was removed on host ${d.host}: ${d.problem}.`,
    (d) => `Look what is there, or only forget the host: thin-clones host remove ${d.host}`,
  ),
  host_without_engine: define<{ host: string }>(
    503,
    (d) => `Host ${d.host} was reached, but it has no command thin-clones.`,
    () =>
      'Install the command there, on the PATH of a login without a terminal or as ~/.local/bin/thin-clones.',
  ),
  host_name_clash: define<{ host: string; environment: string }>(
    409,
    (d) => `A host can't be called ${d.host} here: this machine has an environment ${d.environment}.`,
    () => 'Choose another name for the host: what lives there is called HOST/NAME.',
  ),
  state_blocked: define<{ problem: string }>(
    503,
    (d) => `The engine's state can't be trusted (${d.problem}), so nothing is changed.`,
    () =>
      'Rebuild it from the data itself: thin-clones engine rebuild (or "Rebuild Engine State" in VS Code).',
  ),
  state_full: define<{ path: string }>(
    507,
    (d) => `The disk that the engine's state is on (${d.path}) is full, so nothing new is begun.`,
    () =>
      'Make room on it. What is there goes on, and destroying clones and deleting snapshots works; nothing was lost.',
    true,
  ),
  storage_full: define<{ storage: string; freeBytes: number | null }>(
    507,
    (d) => `The storage ${d.storage} is full.`,
    () => 'Delete snapshots or destroy clones that are no longer needed, then try again. Nothing was lost.',
    true,
  ),
  storage_failed: define<{ storage: string; problem: string }>(
    500,
    (d) => `The storage ${d.storage} failed: ${d.problem}`,
    () => 'Look at the job log and at "thin-clones host doctor".',
  ),
  // What a file system of datasets refuses, each with its own way out. `dataset`: its whole name, "tank/thin/data/ID".
  /** What the datasets may occupy together, by a person's limit: the disk may have room. */
  storage_quota: define<{ dataset: string }>(
    507,
    (d) => `${d.dataset} may not occupy more: its quota, or one above it, is used up.`,
    (d) =>
      `Delete snapshots or destroy clones that are no longer needed, or raise the limit; see it with: ${shown('zfs', 'get', '-r', 'quota,refquota,available', poolOf(d.dataset))}`,
    true,
  ),
  storage_busy: define<{ dataset: string; problem: string }>(
    409,
    (d) => `${d.dataset} is in use: ${d.problem}.`,
    (d) =>
      `End what has files open there or was started with it mounted, or release who holds it, then try again; fuser -vm with its mount point names processes, and this the holds: ${shown('zfs', 'holds', '-r', d.dataset)}`,
    true,
  ),
  storage_has_clones: define<{ dataset: string }>(
    409,
    (d) => `Something depends on ${d.dataset}: clones of its snapshots, or what lies below it.`,
    (d) =>
      `It is kept until that is gone; see it with: ${shown('zfs', 'list', '-r', '-t', 'all', '-o', 'name,origin,clones', poolOf(d.dataset))}`,
    true,
  ),
  storage_newer_snapshot: define<{ dataset: string }>(
    409,
    (d) => `${d.dataset} has a newer snapshot, which would be lost.`,
    (d) =>
      `Look whose it is, and destroy it if nobody needs it: ${shown('zfs', 'list', '-r', '-t', 'snapshot', '-o', 'name,creation', d.dataset)}`,
  ),
  storage_suspended: define<{ pool: string }>(
    503,
    (d) => `The pool ${d.pool} is suspended: a disk of it does not answer, and whoever writes there waits.`,
    (d) =>
      `Bring the disk back (${shown('zpool', 'status', '-v', d.pool)}), then run: ${shown('zpool', 'clear', d.pool)}`,
    true,
  ),
  storage_read_only: define<{ dataset: string }>(
    503,
    (d) => `Nothing can be changed in ${d.dataset}: it, or its pool, is read-only.`,
    (d) =>
      `Run: ${shown('zfs', 'set', 'readonly=off', d.dataset)}; where the pool was imported read-only: ${shown('zpool', 'export', poolOf(d.dataset))} and then ${shown('zpool', 'import', poolOf(d.dataset))}`,
  ),
  storage_missing: define<{ dataset: string }>(
    503,
    (d) => `There is no dataset ${d.dataset} on this machine now.`,
    (d) =>
      `Where its pool was exported, or its disks came late: ${shown('zpool', 'import', poolOf(d.dataset))}. Else name another one (storage.dataset in settings.json), or make it: ${shown('zfs', 'create', '-p', d.dataset)}`,
  ),
  storage_exists: define<{ dataset: string }>(
    409,
    (d) => `${d.dataset} exists already.`,
    (d) => `Look whose it is: ${shown('zfs', 'get', 'all', d.dataset)}`,
  ),
  storage_rights: define<{ dataset: string; problem: string }>(
    503,
    (d) => `The engine may not change ${d.dataset}: ${d.problem}.`,
    () =>
      'Run the engine as root, or let its user run exactly the commands that it needs through sudo: "thin-clones host doctor" shows the lines. What "zfs allow" delegates is not enough on Linux, where only root can mount.',
  ),
  /** A pool file that was set up for an ordinary user, who may not mount it. */
  storage_unmounted: define<{ image: string; mountPoint: string }>(
    503,
    (d) => `The pool file ${d.image} is not mounted at ${d.mountPoint}.`,
    () =>
      'Run "thin-clones storage setup": it mounts it again, and nothing is lost. "systemctl status" and "journalctl -b" say why it was not mounted at boot.',
    true,
  ),
  storage_set_up: define<{ problem: string }>(
    409,
    (d) => `Clones can't be made thin here: ${d.problem}.`,
    () => 'Look at "thin-clones host doctor". Full copies work as before.',
  ),
  storage_holds_data: define<{ path: string; holds: readonly string[] }>(
    409,
    (d) => `${d.path} holds ${some(d.holds)}.`,
    () =>
      'Destroy the clones and delete the snapshots first, and take what is not ours somewhere else. Then remove it.',
  ),
  /** A program that a person was asked to let run as root. */
  root_refused: define<{ program: string; problem: string; script: string }>(
    403,
    (d) => `${d.program} did not run the script to its end: ${d.problem}.`,
    (d) => `Run the same command again; what was done counts. Or as root: sh ${d.script}`,
  ),
  storage_elsewhere: define<{ asked: string; used: string }>(
    409,
    (d) =>
      `The settings name ${d.asked} for the storage, but the snapshots and clones of this home are in ${d.used}.`,
    (d) =>
      `Set it back to ${d.used} (thinClones.storage.path in VS Code, storage.path or storage.dataset in settings.json). To move on to ${d.asked}, destroy the clones and delete the snapshots before.`,
  ),
  storage_foreign: define<{ path: string; problem: string }>(
    409,
    (d) => `${d.path} is not ours to use: ${d.problem}.`,
    () => 'Choose an empty folder or dataset for the storage, or the THIN_CLONES_HOME that made it.',
  ),
  /** A disk, or the server that it is on, is gone, or a file system was frozen: who reads or writes there waits. */
  storage_unanswered: define<{ path: string }>(
    503,
    (d) => `The file system of ${d.path} does not answer.`,
    (d) =>
      `Bring the disk or the server that it is on back (where it was frozen: ${shown('fsfreeze', '-u', d.path)} with its mount point); the engine goes on by itself then. Nothing was changed.`,
    true,
  ),
  storage_in_use: define<{ path: string; holder: string; home: string | null }>(
    409,
    (d) => `${d.path} is in use: ${d.holder} works on it, and two would undo each other.`,
    (d) =>
      `Stop that engine there${d.home === null ? '' : ` (${shown(`THIN_CLONES_HOME=${d.home}`, 'thin-clones', 'engine', 'stop')})`}; its clones go on, and this one takes the storage by itself. Or give this one a storage of its own (storage.path in settings.json).`,
    true,
  ),
  programs_missing: define<{ what: string; searched: readonly string[]; install: string }>(
    503,
    (d) => `${d.what} was not found (looked in ${list(d.searched)}).`,
    (d) => d.install,
  ),
  programs_closed: define<{ program: string; user: string; folder: string }>(
    503,
    (d) => `${d.program} can't be run by the user ${d.user}: the folder ${d.folder} lets nobody else pass.`,
    (d) => `Let others pass through it (chmod o+x ${d.folder}), or keep the programs somewhere else.`,
  ),
  /** A file may name images; a person decides whether they are run. */
  image_consent: define<{ environment: string; images: readonly string[] }>(
    409,
    (d) =>
      `The environment ${d.environment} would run servers from ${list(d.images)}, and nobody has agreed to that yet.`,
    () => 'Look at what the file names, and declare it with thin-clones env apply, which asks.',
  ),
  docker_unavailable: define<{ problem: string; advice: string }>(
    503,
    (d) => `No Docker Engine can be used: ${d.problem}.`,
    (d) => d.advice,
    true,
  ),
  image_unusable: define<{ image: string; problem: string }>(
    422,
    (d) => `The image ${d.image} can't be used: ${d.problem}.`,
    () => 'Name another image for the member, or none.',
  ),
  image_pull_failed: define<{ image: string; problem: string }>(
    502,
    (d) => `The image ${d.image} is not here, and could not be got: ${d.problem}`,
    (d) => `Try it by hand: docker pull ${d.image}`,
    true,
  ),
  /** The data was made in exactly this image. */
  image_gone: define<{ image: string; id: string }>(
    409,
    (d) =>
      `The image ${d.image} that the data was made in (${d.id}) is not here any more, and can't be got again.`,
    () =>
      'Bring exactly this image back (docker load), or refresh the environment for data of the image of today.',
  ),
  server_start_failed: define<{ server: string; problem: string }>(
    500,
    (d) => `The database server of ${d.server} did not start: ${d.problem}`,
    () => 'Look at the job log: it ends with the lines of the server.',
    true,
  ),
  /** A question to a clone's database, such as which migrations it has, got no answer. */
  process_stuck: define<{ pid: number }>(
    500,
    (d) => `Process ${d.pid} did not end, though it was killed: it waits for a disk or a file system.`,
    (d) => `Find out what it waits for (ps -o stat,wchan -p ${d.pid}), and try again when it is gone.`,
    true,
  ),
  read_failed: define<{ server: string; database: string; problem: string }>(
    500,
    (d) => `The database ${d.database} of ${d.server} could not be read: ${d.problem}`,
    () => 'Try again when nothing changes its tables just now.',
    true,
  ),
  port_taken: define<{ port: number }>(
    409,
    (d) => `Port ${d.port} is taken by another program.`,
    () =>
      'End that program. Or take another port: create the clone anew; for a checkout, thin-clones checkout ports.',
    true,
  ),
  /** The port of an endpoint, for a reason other than being taken. */
  port_unusable: define<{ port: number; problem: string }>(
    422,
    (d) => `Port ${d.port} can't be used: ${d.problem}`,
    () => 'Choose another port, between 1024 and 65535.',
  ),
} as const satisfies Record<string, ErrorDefinition<never>>;

export type ErrorCode = keyof typeof errorTable;
export type ErrorDetails<Code extends ErrorCode> = Parameters<(typeof errorTable)[Code]['message']>[0];

/** The one error type that crosses a boundary: always from the table, with its cause. */
export class ThinClonesError extends Error {
  override readonly name = 'ThinClonesError';
  readonly code: ErrorCode | (string & {});
  readonly status: number;
  readonly document: ErrorDocument;

  constructor(document: ErrorDocument, status: number, options?: ErrorOptions) {
    super(document.message, options);
    this.code = document.code;
    this.status = status;
    this.document = document;
  }

  /** By what it says it is: the command line and the engine that it serves are two bundles, with this class in each. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'ThinClonesError' && 'document' in value;
  }
}

/** Makes the error of a code: `throw fail('no_snapshot', { environment })`. */
export function fail<Code extends ErrorCode>(
  code: Code,
  details: ErrorDetails<Code>,
  options?: ErrorOptions,
): ThinClonesError {
  const entry = errorTable[code] as unknown as ErrorDefinition<ErrorDetails<Code>>;
  return new ThinClonesError(
    {
      code,
      // What somebody typed may stand in them.
      message: plainText(entry.message(details)),
      next: plainText(entry.next(details)),
      retryable: entry.retryable,
      details: { ...details },
    },
    entry.status,
    options,
  );
}

/** True for errors of the table, of a given code if one is named. */
export function isFailure(error: unknown, code?: ErrorCode): error is ThinClonesError {
  return error instanceof ThinClonesError && (code === undefined || error.code === code);
}

/** Anything thrown, as an error of the table: unknown ones become `internal`, aborts become `canceled`. */
export function toFailure(error: unknown): ThinClonesError {
  if (error instanceof ThinClonesError) return error;
  if (error instanceof Error && error.name === 'AbortError') return fail('canceled', {}, { cause: error });
  const problem = error instanceof Error ? error.message : String(error);
  return fail('internal', { problem }, { cause: error });
}
