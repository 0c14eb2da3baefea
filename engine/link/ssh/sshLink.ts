/** A link by the user's own ssh program: one process, one login, whatever has to be brought goes over the same connection. */
import { randomBytes } from 'node:crypto';
import { fail, isFailure, type ThinClonesError } from '../../protocol/errors.ts';
import type { DoctorCheck } from '../../protocol/entities.ts';
import { formatSshAddress, type SshAddress } from '../../protocol/sshAddress.ts';
import { startCarrier, type Carrier } from '../child/carrier.ts';
import { endedBecause, notStarted } from '../child/childLink.ts';
import { converse, StreamEnded, TooLong, type Conversation } from '../conversation.ts';
import { lastWords } from '../lastWords.ts';
import type { Link, LinkStream, OpenOptions } from '../link.ts';
import { refuseAborted, unlessAborted } from '../unlessAborted.ts';
import { openAskpass, type Askpass } from './askpass.ts';
import { loginFailure } from './failures.ts';
import { startPatience, type Patience } from './patience.ts';

/** What is to happen on the host after the login; it ends when the stream is the bridge's. */
export interface FarWork {
  /** For a POSIX shell there; its standard input and output are the stream. */
  script: string;
  /** In its place where everything is to be looked at; default: the same. */
  examiningScript?: string;
  converse(far: Conversation, options: FarWorkOptions): Promise<void>;
}

export interface FarWorkOptions {
  host: string;
  onProgress: (text: string) => void;
  /** For what is done here while the host says nothing, which is no fault of its. */
  meanwhile: <Value>(work: Promise<Value>) => Promise<Value>;
  onCheck?: ((check: DoctorCheck) => void) | undefined;
}

export interface SshLinkOptions {
  /** Of the host, as errors name it. */
  name: string;
  address: SshAddress;
  work: FarWork;
  environment: Readonly<Record<string, string | undefined>>;
  /** Default: "ssh", of the PATH. */
  program?: string;
  /** Instead of the user's own configuration. */
  configFile?: string;
  /** How long nothing may be heard while nobody is asked; default: 60 s. */
  patienceMs?: number;
}

const PATIENCE_MS = 60_000;
const CONNECT_TIMEOUT_SECONDS = 15;
/** What a login shell may say before our own first line. */
const longestNoise = 256 * 1024;

export function createSshLink(options: SshLinkOptions): Link {
  return {
    address: formatSshAddress(options.address),
    open: (openOptions) => open(options, openOptions),
  };
}

async function open(
  options: SshLinkOptions,
  { signal, ask, onCheck, onProgress = () => undefined, onLoggedIn = () => undefined }: OpenOptions,
): Promise<LinkStream> {
  refuseAborted(signal);
  const { name, environment, program = 'ssh' } = options;
  const patience = startPatience(options.patienceMs ?? PATIENCE_MS);
  const askpass =
    ask && (await openAskpass({ ask, environment, onNotice: onProgress, onAsking: patience.pause }));
  try {
    onProgress('Logging in');
    const mark = randomBytes(12).toString('hex');
    const { script: plain, examiningScript = plain } = options.work;
    const workScript = onCheck === undefined ? plain : examiningScript;
    const script = `printf '\\n%s\\n' 'thin-clones ${mark}'\n${workScript}`;
    let carrier: Carrier;
    try {
      carrier = await startCarrier({
        program,
        args: sshArguments(options, ask !== undefined, Buffer.byteLength(script)),
        environment: { ...environment, ...(askpass?.environment ?? { SSH_ASKPASS_REQUIRE: 'never' }) },
      });
    } catch (error) {
      throw fail('ssh_missing', { program, problem: notStarted(program, error) }, { cause: error });
    }
    const reaching = reach(options, {
      ...{ carrier, askpass, mark, script, patience, onProgress, onLoggedIn, onCheck },
    });
    const tooLate = patience.over.then((seconds) => {
      throw fail('host_timeout', { host: name, problem: `nothing was heard from it for ${seconds} s` });
    });
    try {
      await unlessAborted(Promise.race([reaching, tooLate]), signal);
    } catch (error) {
      carrier.close();
      throw error;
    }
    return {
      bytes: carrier.bytes,
      ended: carrier.ended.then((end) => endedBecause(name, program, end)),
      close: () => carrier.close(),
    };
  } finally {
    patience.stop();
    await askpass?.close();
  }
}

/**
 * -T no terminal; -x no X11; -a no agent: the host needs no key of ours, and whoever rules it could use one. What a
 * configuration does for people who log in is switched off: forwarded ports (a second ssh would collide), its own command,
 * becoming the master of a shared connection. One that is there already is used.
 */
export function sshArguments(
  { address, configFile }: Pick<SshLinkOptions, 'address' | 'configFile'>,
  asks: boolean,
  scriptBytes: number,
  isWindows = process.platform === 'win32',
): string[] {
  const settings = [
    `ConnectTimeout=${CONNECT_TIMEOUT_SECONDS}`,
    'ServerAliveInterval=3',
    'ServerAliveCountMax=3',
    'ClearAllForwardings=yes',
    'PermitLocalCommand=no',
    'RemoteCommand=none',
    'ControlMaster=no',
    'LogLevel=INFO',
    'VisualHostKey=no',
    'FingerprintHash=sha256',
    'StrictHostKeyChecking=ask',
    ...(asks ? ['BatchMode=no', 'NumberOfPasswordPrompts=3'] : ['BatchMode=yes']),
    // Its prompts are the host's own texts, and on Windows they would stand in a command line that cmd.exe reads.
    ...(isWindows ? ['KbdInteractiveAuthentication=no'] : []),
  ];
  return [
    ...(configFile === undefined ? [] : ['-F', configFile]),
    ...['-T', '-x', '-a'],
    ...settings.flatMap((setting) => ['-o', setting]),
    ...(address.user === undefined ? [] : ['-l', address.user]),
    ...(address.port === undefined ? [] : ['-p', String(address.port)]),
    '--',
    address.host,
    // What every login shell reads alike, csh and fish too: one quoted word without a newline, a backslash or "!". The script
    // itself comes over the stream, read byte by byte so that nothing behind it is swallowed.
    `exec sh -c 'eval "$(dd bs=1 count=${scriptBytes} 2>/dev/null)"'`,
  ];
}

interface Reach {
  carrier: Carrier;
  askpass: Askpass | undefined;
  mark: string;
  script: string;
  patience: Patience;
  onProgress: (text: string) => void;
  onLoggedIn: () => void;
  onCheck: OpenOptions['onCheck'];
}

/** From the login to the moment when the stream is the bridge's. */
async function reach(
  options: SshLinkOptions,
  { carrier, askpass, mark, script, patience, onProgress, onLoggedIn, onCheck }: Reach,
): Promise<void> {
  const { name, address, work } = options;
  const far = converse(carrier.bytes, patience.heard);
  let noise = '';
  const ended = async (): Promise<ThinClonesError> =>
    loginFailure({ host: name, address, noise, declined: askpass?.declined(), end: await carrier.ended });
  try {
    await far.write(script);
    for (;;) {
      const line = await far.line();
      if (line === undefined) throw await ended();
      if (line === `thin-clones ${mark}`) break;
      noise += `${line}\n`;
      if (noise.length > longestNoise) throw new TooLong();
    }
    onLoggedIn();
    const meanwhile = async <Value>(own: Promise<Value>): Promise<Value> => {
      patience.pause(true);
      try {
        return await own;
      } finally {
        patience.pause(false);
      }
    };
    await work.converse(far, { host: name, onProgress, onCheck, meanwhile });
    far.release();
  } catch (error) {
    if (isFailure(error)) throw error;
    if (error instanceof StreamEnded) throw endedBecause(name, options.program ?? 'ssh', await carrier.ended);
    const problem =
      error instanceof TooLong
        ? `it says without end: ${lastWords(noise)}`
        : `it could not be spoken to: ${String(error)}`;
    throw fail('host_shell', { host: name, problem }, { cause: error });
  }
}
