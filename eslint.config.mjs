import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

const patternsOf = (patterns, message) => patterns.map((regex) => ({ regex, message }));
const forbid = (patterns, message) => ({
  'no-restricted-imports': ['error', { patterns: patternsOf(patterns, message) }],
});

/** Boundary: nothing in the engine knows VS Code. */
const outside = ['^vscode$', '^(\\.\\./)+(src|webview-ui|test)/'];
const outsideMessage = 'The engine never imports vscode, src, webview-ui or test.';

/** The folders of the engine, the lowest first: one imports only what stands before its own line. */
const layers = [
  ['protocol'],
  ['domain'],
  ['ports'],
  ['machine', 'packages'],
  ['git', 'endpoint', 'process', 'link'],
  ['runtime'],
  ['database', 'storage', 'state'],
  ['migrations', 'config'],
  ['jobs'],
  ['services'],
  ['hub'],
  ['http'],
  ['cli'],
];

/** They reach a machine and a database through ports: no files, processes or sockets, and nothing behind a port. */
const behindPorts = ['storage', 'migrations', 'jobs', 'services'];
const useCases = ['jobs', 'services'];

function layerOf(folder) {
  const at = layers.findIndex((folders) => folders.includes(folder));
  const above = layers
    .slice(at)
    .flat()
    .filter((other) => other !== folder);
  const machine = useCases.includes(folder) ? 'path$|timers|events$|assert' : 'path$|timers|crypto$|zlib$';
  return {
    files: [`engine/${folder}/**`],
    // Adapters of this machine.
    ignores: folder === 'protocol' ? ['engine/protocol/*.ts'] : ['engine/migrations/local/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            ...patternsOf(outside, outsideMessage),
            ...patternsOf(
              above.length === 0 ? [] : [`^(\\.\\./)+(${above.join('|')})/`],
              `No arrow runs upwards: engine/${folder} imports none of ${above.join(', ')}.`,
            ),
            ...patternsOf(
              behindPorts.includes(folder)
                ? [
                    `^node:(?!${machine})`,
                    '^(\\.\\./)+(machine|git|endpoint|runtime|storage|database|migrations)/(?!fake/|tools/)[a-z]+/',
                    '^(\\.\\./)+(config|process)/',
                  ]
                : [],
              `engine/${folder} reaches the outside only through the ports.`,
            ),
          ],
        },
      ],
    },
  };
}

/** For every file. */
const syntax = [
  { selector: 'ExportAllDeclaration', message: 'No barrel files: import from the module itself.' },
  { selector: 'ExportDefaultDeclaration', message: 'No default exports: one name everywhere.' },
  {
    selector: "ImportDeclaration[source.value='zod'] > ImportSpecifier",
    message: "Write import * as z from 'zod': only so do bundles carry 66 KB of it and not 443.",
  },
];

const readsFiles =
  'Read by engine/protocol/node/regularFile.ts: what others own may be a pipe, or without end.';
const noOtherReaders = [
  {
    selector:
      'ImportDeclaration[source.value=/^(node:)?fs(.promises)?$/] > ImportSpecifier[imported.name=/^(readFile|readFileSync|createReadStream|open|openSync|openAsBlob|promises)$/]',
    message: readsFiles,
  },
  {
    selector:
      'ImportDeclaration[source.value=/^(node:)?fs(.promises)?$/] > :matches(ImportDefaultSpecifier, ImportNamespaceSpecifier)',
    message: readsFiles,
  },
];

/** They read what nobody else can have put there, or write. */
const readersOfOwnFiles = [
  'engine/protocol/node/regularFile.ts',
  // Files of the home, which is 0700: read once, before anything answers.
  'engine/process/{compiledCode,installation,keptStorage,settings}.ts',
  'engine/state/{reserve,sqliteStore,vault}.ts',
  // Files that belong to the program itself, and of tools that developers run.
  'engine/main.ts',
  'engine/cli/engineProgram.ts',
  'engine/link/deploy/makeArchive.ts',
  'engine/packages/packages.ts',
  'engine/database/postgres/programs/{local,fetch}/*.ts',
  'src/engine/{findProgram,locate}.ts',
  // The kernel's: /proc, /etc/passwd.
  'engine/machine/local/{processes,serverUser}.ts',
  'engine/protocol/node/launch.ts',
  // The home's, read by every command before anything else is loaded.
  'engine/protocol/node/{discovery,holder}.ts',
  // They open for writing, without following links.
  'engine/machine/local/{copyDifferences,files,lock,ownership,replaceFile,treeFiles}.ts',
  'engine/config/envFile.ts',
  // A person may hand over a password by a pipe, and waits for it at the terminal.
  'engine/cli/passwords.ts',
];

/**
 * Functions that are longer than `longestFunction` lines, with what each is: state that all of its parts share, or a list.
 * A file leaves the list when it is split.
 */
const longFunctions = [
  // Doubles of ports: the contract of each is as long.
  'engine/{git,database,machine}/fake/*.ts',
  // What one window knows of its engine, its checkouts or its tree while it is open.
  'src/engine/session.ts',
  'src/checkouts/{folderFollower,migrationWatch,sourceFiles,windowCheckouts}.ts',
  'src/views/treeProvider.ts',
  // One page while it is open, and the lines of a job that it shows.
  'src/webviews/jobPage.ts',
  'webview-ui/jobs/{jobLog,lineStore,logView}.ts',
];
const longestFunction = 80;

/**
 * Functions of up to `longestPart` lines: one part of the program while it lives, whose functions share what it holds (what runs,
 * what is under way, who listens) and would each have to be handed all of it. What needs none of that stands outside. A file leaves
 * the list when its part is divided.
 */
const livingParts = [
  // One server, port, watch or page for as long as it is there.
  'engine/database/postgres/postgres.ts',
  'engine/git/local/watch.ts',
  'engine/hub/remoteHost.ts',
  'engine/process/certificates/homeCertificates.ts',
  'engine/runtime/container/{containerRuntime,dockerImages}.ts',
  'engine/storage/zfs/zfsTrash.ts',
  // What one engine does with its checkouts and servers.
  'engine/services/checkouts/{branchClones,checkouts,follower,ports,registry}.ts',
  'engine/services/clones/servers.ts',
  'engine/services/recovery/bringUp.ts',
  // What one window holds, and one box or page in it.
  'src/dialogs/askSource.ts',
  'src/engine/model.ts',
  'src/webviews/lineRelay.ts',
];
const longestPart = 100;

const functionsOfAtMost = (max) => ({
  'max-lines-per-function': ['error', { max, skipBlankLines: true, skipComments: true, IIFEs: true }],
});

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', '.cache/', 'out/', '**/*.mjs', '**/*.cjs', '**/*.js'] },
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './webview-ui/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      'no-restricted-syntax': ['error', ...syntax],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-console': 'error',
      'no-control-regex': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
    },
  },
  {
    files: ['engine/**', 'src/**'],
    ignores: readersOfOwnFiles,
    rules: { 'no-restricted-syntax': ['error', ...syntax, ...noOtherReaders] },
  },
  ...layers.flatMap((folders) => folders.map(layerOf)),
  {
    files: ['engine/**', 'src/**', 'webview-ui/**'],
    ignores: [...longFunctions, ...livingParts],
    rules: functionsOfAtMost(longestFunction),
  },
  { files: livingParts, rules: functionsOfAtMost(longestPart) },
  // What finds programs does so through a port; `local/` is its adapter, `fetch/` runs when a package is built, or an engine for a host of another platform.
  {
    files: ['engine/database/*/programs/*.ts'],
    rules: forbid(
      ['^node:(?!path$)', ...outside, '^(\\.\\./)+(jobs|services|http|cli|migrations|storage|state)/'],
      'Programs are found through a port: no files, no processes.',
    ),
  },
  // Boundary: the domain is pure decisions over the protocol's words.
  {
    files: ['engine/domain/**'],
    rules: {
      ...forbid(
        ['^node:', '^\\.\\./(?!protocol/|domain/)', '^(?!\\.|zod$)'],
        'engine/domain imports only engine/protocol: no I/O, no clock, no random.',
      ),
      'no-restricted-globals': ['error', 'process', 'setTimeout', 'fetch'],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random' },
        { object: 'Date', property: 'now' },
      ],
      // Times that are given may be reckoned with; the time of day is for who calls to look at.
      'no-restricted-syntax': [
        'error',
        ...syntax,
        {
          selector:
            ":matches(NewExpression[callee.name='Date'][arguments.length=0], CallExpression[callee.name='Date'])",
          message: 'The domain is given the time.',
        },
      ],
    },
  },
  {
    files: ['engine/*.ts'],
    rules: forbid(outside, outsideMessage),
  },
  {
    files: ['engine/protocol/*.ts'],
    rules: forbid(
      ['^(?!\\.{1,2}/|zod$)', '^\\.\\./'],
      'engine/protocol/ depends on zod only, so that webviews can use it.',
    ),
  },
  // Boundary: time, randomness, processes and files reach use cases only through ports.
  {
    files: ['engine/services/**', 'engine/jobs/**'],
    rules: {
      'no-restricted-globals': ['error', 'process', 'setTimeout', 'setInterval', 'fetch'],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random' },
        { object: 'Date', property: 'now' },
      ],
    },
  },
  {
    files: ['src/**', 'webview-ui/**'],
    rules: forbid(
      // `../engine/` is the engine from src/ itself, and src/engine/ from a folder in it.
      [
        '^\\.\\./\\.\\./(\\.\\./)*engine/(?!protocol/)',
        '^(pg|mongodb|dockerode|simple-git)$',
        '^(\\.\\./)+test/',
      ],
      'The extension is a thin client: from the engine it imports only engine/protocol.',
    ),
  },
  {
    files: ['src/*.ts'],
    rules: forbid(
      ['^\\.\\./engine/(?!protocol/)', '^(pg|mongodb|dockerode|simple-git)$', '^(\\.\\./)+test/'],
      'The extension is a thin client: from the engine it imports only engine/protocol.',
    ),
  },
  {
    files: ['webview-ui/**'],
    ignores: ['webview-ui/toolkit.ts'],
    rules: forbid(
      ['engine/(?!protocol/[^/]+$)', '^@vscode/webview-ui-toolkit', '^vscode$', '^node:'],
      'Webviews import the protocol and toolkit.ts only.',
    ),
  },
  // Boundary: our own commands are named through typed functions alone, so that a wrong argument does not compile.
  {
    files: ['src/**'],
    ignores: ['src/commands/runCommand.ts', 'src/commands/commandLink.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...syntax,
        {
          selector:
            "CallExpression[callee.property.name='executeCommand']:matches([arguments.0.value=/^thinClones/], [arguments.0.type=/^(Identifier|MemberExpression)$/])",
          message: 'Run our commands with runCommand, which checks their arguments.',
        },
        {
          selector: ':matches(Literal[value=/command:thinClones/], TemplateElement[value.raw=/command:/])',
          message: 'Write links to our commands with commandLink, which checks their arguments.',
        },
      ],
    },
  },
  {
    files: ['test/**', 'engine/cli/**', 'engine/database/postgres/programs/fetch/**'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: ['describe', 'it'], package: 'node:test' }] },
      ],
    },
  },
);
