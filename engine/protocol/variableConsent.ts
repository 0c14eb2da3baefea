/** Which variables a repository's file may set by itself, which ones a person has to agree to, and which ones never. */

/** Variables that decide which code runs, and that no checkout needs: not even a person's word sets them. */
const decidesWhatRuns =
  /^(HOME|USERPROFILE|XDG_(CONFIG|DATA)_(HOME|DIRS)|PATH|PATHEXT|IFS|PS4|ENV|BASH_ENV|BASHOPTS|SHELLOPTS|PROMPT_COMMAND|SHELL|COMSPEC|EDITOR|VISUAL|(MAN)?PAGER|LESS(OPEN|CLOSE)|BROWSER|ZDOTDIR|CLASSPATH|(SSH|SUDO)_ASKPASS|GCONV_PATH|OPENSSL_(CONF|ENGINES|MODULES)|(LD|DYLD|GIT|NPM_CONFIG|VSCODE|ELECTRON|THIN_CLONES|COR(ECLR)?)_.*|DOTNET_STARTUP_HOOKS|NODE_(OPTIONS|PATH)|PYTHON(STARTUP|PATH|HOME|INSPECT|USERBASE|BREAKPOINT)|PERL5?(LIB|OPT|DB)|RUBY(LIB|OPT)|PHPRC|PHP_INI_SCAN_DIR|LUA_INIT.*|MAKEFLAGS|GOFLAGS|RUSTC(_WRAPPER)?|(JAVA_TOOL|_JAVA|JDK_JAVA|MAVEN)_OPTIONS|MAVEN_OPTS|GRADLE_OPTS|PSQLRC|PG(SYSCONFDIR|SERVICEFILE))$/i;

export const isNeverSet = (name: string): boolean => decidesWhatRuns.test(name);

/** Nothing but where a program connects, whatever their values. */
const ofConnections =
  /^(DATABASE_URL|PG(HOST|HOSTADDR|PORT|USER|PASSWORD|DATABASE|SSLMODE|APPNAME|CONNECT_TIMEOUT|CLIENTENCODING|TZ|DATESTYLE))$/;

/**
 * Words of names that say where programs find code, settings or others that they run: even a URL is a list of folders to
 * one that splits it at its colons, and the name of a database may be that of a file of the repository.
 */
const ofOthers = new Set(
  `AGENT AR ARG ARGS AS ASKPASS AUTOLOAD BASE BIN BINARY BROWSER BUILD CACHE CC CMD COMMAND COMPILER CONF CONFIG CONFIGS CXX DEBUGGER DIR
  DIRECTORY DIRS DRIVER EDITOR ENTRYPOINT ENV ENVIRON EXE EXEC EXECUTABLE EXTENSION EXTENSIONS FILE FILES FLAGS FOLDER FORMATTER GEMFILE GEMS
  HELPER HISTORY HISTFILE HOME HOOK HOOKS IMPORT INCLUDE INDEX INIT INSTALLER INTERPRETER JAVA KEY KUBECONFIG LAUNCHER LD LESS LIB
  LIBRARIES LIBRARY LIBS LINKER LOADER MAKE MAKEFILE MAKEFILES MIRROR MODULE MODULES MORE NODE OPTION OPTIONS OPTS PACKAGE PACKAGES PAGER
  PATHS PERL PLUGIN PLUGINS PREFIX PRELOAD PROFILE PROGRAM PROMPT PROXY PYTHON RC REGISTRY REPOSITORY REQUIRE ROOT RPROMPT RSH RUBY RUN
  RUNNER SCRIPT SCRIPTS SHELL SOURCE SSH STARTUP SUDO TEMPLATE TERM TERMCAP TERMINFO TOOL TOOLCHAIN TOOLS TMP TMPDIR TEMP WRAPPER XDG`
    .split(/\s+/)
    .filter((word) => word !== ''),
);
/** The same as ends of words: `CLASSPATH`, `INPUTRC`, `VIMINIT`, `KSHENV`. */
const endsLikeOthers =
  /(PATH|RC|FLAGS|OPTS?|OPTIONS|INIT|FILES?|HOME|ROOT|DIRS?|CONFIG|SHELL|COMMAND|PROG|TOOLCHAIN|EDIT|EDITOR|PAGER|PROXY|ENV|PS[0-9]|LESSKEY)$/;
const isOfOthers = (name: string): boolean =>
  name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toUpperCase()
    .split('_')
    .some((word) => ofOthers.has(word) || endsLikeOthers.test(word));

/** `{member.field}`; one that is not known is left out with its variable: variables.ts. */
const place = '\\{[^{}]+\\.[a-z]+\\}';
/** What may stand in a URL behind the place where it leads. */
const rest = `(?:${place}|[A-Za-z0-9_.:@/?&=%+-])*`;
/** `Host={a.host};Port={a.port};Pooling=true`, or the same with spaces between. */
const setting = `[A-Za-z][A-Za-z0-9_]*(?: [A-Za-z][A-Za-z0-9_]*)*=(?:${place}|[A-Za-z0-9_.]*)`;
const connections = [
  // A member's URL, with parameters.
  `\\{[^{}]+\\.(?:url|jdbc)\\}(?:[?&]${rest})?`,
  // One thing of a member, or several: {a.host}:{a.port}.
  `${place}(?:[:/@,]${place})*`,
  // A URL that leads to a member: its user or host is the first thing in it.
  `[a-z][a-z0-9+.-]*(?::[a-z][a-z0-9+.-]*)*://${place}${rest}`,
  `(?=.*${place})${setting}(?:(?:; ?| )${setting})*;?`,
].map((pattern) => new RegExp(`^(?:${pattern})$`));

/** A value for a person to agree to: in quotes, with every character that is not seen, or turns the text round, as an escape. */
export const shownValue = (value: string): string =>
  JSON.stringify(value).replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u00a0\u202f]|\p{Variation_Selector}/gu,
    (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`,
  );

/**
 * Whether a person has to agree before a variable of a repository's file is set: it does not plainly say how to connect to a
 * member. `template`: as the file has it, with `{member.field}` in it.
 */
export const needsConsent = (name: string, template: string): boolean =>
  !ofConnections.test(name) && (isOfOthers(name) || !connections.some((pattern) => pattern.test(template)));
