/**
 * The first step of `npm start`, `npm test`, `npm run bench` and `npm run package`: installs the packages when they are
 * missing or of another lock file, then goes on with the Node that comes with them. Runs on Node 20 without any package.
 * Usage: node test/support/bootstrap.mjs start|test|bench|package [ARGUMENT...]
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 20;
const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const modules = join(checkout, 'node_modules');
const programs = {
  start: 'test/demo/start.ts',
  test: 'test/run.ts',
  bench: 'test/bench/bench.ts',
  package: 'test/support/package/package.ts',
};

// Only stderr: the standard output belongs to the command (`npm start -- --headless --json`).
const say = (text) => process.stderr.write(`${text}\n`);
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Ends with a sentence for people and no stack. */
class CannotGoOn extends Error {}

function checkNode() {
  const major = Number(process.versions.node.split('.', 1)[0]);
  if (major >= OLDEST_NODE) return;
  throw new CannotGoOn(
    `This needs Node ${OLDEST_NODE} or newer; this is ${process.version}. Install a newer one and try again.`,
  );
}

/** Why the packages have to be installed, or undefined. */
function whyInstall() {
  const lock = readPackages(join(checkout, 'package-lock.json'));
  if (lock === undefined) throw new CannotGoOn(`package-lock.json is missing in ${checkout}.`);
  // npm's own record of what lies in node_modules, whichever npm command put it there.
  const installed = readPackages(join(modules, '.package-lock.json'));
  if (installed === undefined) return 'they are not there yet';
  for (const [place, wanted] of Object.entries(lock)) {
    if (place === '') continue;
    const found = installed[place];
    if (found === undefined) {
      // Packages for other platforms are listed in the lock file and never installed here.
      if (wanted.optional === true || wanted.peer === true) continue;
      return `${place.replace(/^node_modules\//, '')} is missing`;
    }
    if (found.version !== wanted.version || found.integrity !== wanted.integrity) {
      return `package-lock.json changed (${place.replace(/^node_modules\//, '')})`;
    }
  }
  return undefined;
}

function readPackages(file) {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // A torn file counts as none: the installation makes it anew.
    return undefined;
  }
}

function newNode() {
  const file = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return existsSync(file) ? file : undefined;
}

/** npm by the file that runs us where there is one: `npm` is a shell script on Windows. */
function npmCommand() {
  const script = process.env.npm_execpath;
  if (script !== undefined && basename(script) === 'npm-cli.js') {
    return { program: process.execPath, args: [script] };
  }
  if (process.platform === 'win32') throw new CannotGoOn('On Windows, start this by npm: npm start');
  return { program: 'npm', args: [] };
}

let child;

/** The exit code. `stdout` is where the child's standard output goes. */
function run(program, args, { stdout = 'inherit', env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    child = spawn(program, args, { cwd: checkout, env, stdio: ['inherit', stdout, 'inherit'] });
    child.once('error', (error) => {
      reject(
        error.code === 'ENOENT'
          ? new CannotGoOn(`${program} was not found. Install it and try again.`)
          : error,
      );
    });
    child.once('exit', (code, signal) => {
      child = undefined;
      resolve(code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0));
    });
  });
}

/** Two commands at once must not install into one folder: the second waits for the first. */
async function withInstallLock(action) {
  const lock = join(checkout, '.cache', 'install.lock');
  mkdirSync(dirname(lock), { recursive: true });
  for (let told = false; ;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isAbandoned(lock)) {
      rmSync(lock, { force: true });
      continue;
    }
    if (!told) say('Another command is installing the packages; waiting for it.');
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    return await action();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isAbandoned(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    // Empty for the moment between its making and the writing of the number.
    if (!(pid > 0)) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

async function install() {
  if (whyInstall() === undefined && newNode() !== undefined) return;
  await withInstallLock(installPackages);
}

async function installPackages() {
  const reason = whyInstall();
  const npm = npmCommand();
  // npm's messages go to stderr (2) like ours.
  const options = { stdout: 2 };
  if (reason !== undefined) {
    const started = performance.now();
    say(`Installing the packages: ${reason}.`);
    const flags = ['--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
    // `npm ci` begins by removing everything, also under the feet of a window, a watcher or an engine that runs from
    // here: what is there is mended instead, by the same lock file.
    const verb = existsSync(modules) ? ['install', '--no-save'] : ['ci'];
    const code = await run(npm.program, [...npm.args, ...verb, ...flags], options);
    if (code !== 0) {
      throw new CannotGoOn(`npm ${verb[0]} failed with exit code ${code}: its messages are above.`);
    }
    const left = whyInstall();
    if (left !== undefined) {
      throw new CannotGoOn(`npm ${verb[0]} left the packages incomplete: ${left}. Try: rm -r node_modules`);
    }
    say(`Packages installed in ${seconds(started)}.`);
  }
  if (newNode() === undefined) {
    // Its install script was not run (npm's setting ignore-scripts).
    say('Setting up the Node that comes with the packages.');
    await run(npm.program, [...npm.args, 'rebuild', 'node', '--ignore-scripts=false'], options);
    if (newNode() === undefined)
      throw new CannotGoOn('The package `node` left no program: run npm ci again.');
  }
}

// A terminal sends Ctrl-C to the child as well, which ends in order; this process waits for it.
process.on('SIGINT', () => {
  if (!process.stdin.isTTY) child?.kill('SIGINT');
});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child?.kill(signal));
// npm hands a signal to its shell, which ends without handing it on.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) child?.kill('SIGTERM');
}, 1000).unref();

async function main() {
  const [command = '', ...args] = process.argv.slice(2);
  const program = Object.hasOwn(programs, command) ? programs[command] : undefined;
  if (program === undefined) {
    throw new CannotGoOn(`Usage: node test/support/bootstrap.mjs ${Object.keys(programs).join('|')} ...`);
  }
  checkNode();
  await install();
  const env = {
    ...process.env,
    PATH: [join(modules, '.bin'), process.env.PATH ?? ''].join(delimiter),
  };
  // node:sqlite still says that it is experimental at every start.
  return await run(newNode(), ['--disable-warning=ExperimentalWarning', join(checkout, program), ...args], {
    env,
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof CannotGoOn)) throw error;
  say(error.message);
  process.exitCode = 1;
}
