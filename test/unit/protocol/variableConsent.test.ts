import assert from 'node:assert/strict';
import { isNeverSet, needsConsent } from '../../../engine/protocol/variableConsent.ts';

/** Each makes some program run, load or trust something else, by its value or by a file that the value names. */
const dangerous = `
  LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES PATH BASH_ENV ENV PROMPT_COMMAND PS1 PS4 IFS CDPATH FPATH SHELL ZDOTDIR
  KSH_ENV INPUTRC FCEDIT EDITOR VISUAL SVN_EDITOR HGEDITOR CVSEDITOR PAGER MANPAGER SYSTEMD_PAGER GIT_PAGER LESS LESSOPEN LESSCLOSE LESSKEY
  MORE MANOPT BROWSER SSH_ASKPASS SUDO_ASKPASS SUDO_EDITOR GIT_SSH GIT_SSH_COMMAND GIT_EXTERNAL_DIFF GIT_CONFIG_GLOBAL GIT_EXEC_PATH GIT_DIR
  GIT_TEMPLATE_DIR RSYNC_RSH CVS_RSH SVN_SSH HGRCPATH BORG_RSH TAR_OPTIONS RSYNC_CONNECT_PROG GREP_OPTIONS MAKEFILES MAKEFLAGS GNUMAKEFLAGS
  MFLAGS MAKE MAKESHELL CC CXX LD AR AS CFLAGS CXXFLAGS LDFLAGS CMAKE_TOOLCHAIN_FILE CMAKE_PREFIX_PATH CMAKE_CXX_COMPILER_LAUNCHER
  PKG_CONFIG_PATH GCC_EXEC_PREFIX COMPILER_PATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH LIBRARY_PATH CCACHE_PREFIX CCACHE_CONFIGPATH
  NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS_FILE NODE_REPL_EXTERNAL_MODULE NPM_CONFIG_REGISTRY NPM_CONFIG_SCRIPT_SHELL npm_config_prefix
  YARN_RC_FILENAME_RC YARN_NPM_REGISTRY_SERVER_INDEX BUN_CONFIG_REGISTRY DENO_DIR COREPACK_NPM_REGISTRY TS_NODE_PROJECT_FILE ESLINT_USE_FLAT_CONFIG
  JEST_CONFIG VITE_CONFIG BABEL_CACHE_PATH PUPPETEER_EXECUTABLE_PATH CHROME_PATH PLAYWRIGHT_BROWSERS_PATH
  PYTHONPATH PYTHONSTARTUP PYTHONHOME PYTHONUSERBASE PYTHONINSPECT PYTHONBREAKPOINT PYTHON_CONFIG PIP_CONFIG_FILE PIP_INDEX_URL
  PIP_EXTRA_INDEX_URL UV_INDEX_URL UV_PYTHON POETRY_HOME PIPENV_PYPI_MIRROR CONDA_EXE VIRTUALENV_CONFIG_FILE IPYTHONDIR JUPYTER_PATH
  JUPYTER_CONFIG_DIR MPLCONFIGDIR PYTEST_PLUGINS PYTEST_ADDOPTS DJANGO_SETTINGS_MODULE FLASK_APP_MODULE
  PERL5LIB PERL5OPT PERL5DB PERLLIB PERL_MB_OPT PERL_MM_OPT RUBYLIB RUBYOPT RUBYSHELL GEM_HOME GEM_PATH BUNDLE_GEMFILE BUNDLE_PATH IRBRC PRYRC
  BUNDLER_ORIG_PATH RAKE_FILE PHPRC PHP_INI_SCAN_DIR COMPOSER_HOME LUA_PATH LUA_CPATH LUA_INIT LUA_INIT_5_3 JAVA_TOOL_OPTIONS _JAVA_OPTIONS
  JDK_JAVA_OPTIONS JAVA_HOME CLASSPATH MAVEN_OPTS MAVEN_ARGS MAVEN_OPTIONS GRADLE_OPTS GRADLE_USER_HOME ANT_OPTS SBT_OPTS KOTLIN_HOME SCALA_HOME GROOVY_HOME
  GROOVY_CONF SPRING_CONFIG_IMPORT SPRING_CONFIG_LOCATION_FILE LOGGING_CONFIG CATALINA_OPTS GOFLAGS GOPATH GOROOT GOENV_ROOT GOTOOLCHAIN
  GO_PROXY CGO_CFLAGS CARGO_HOME RUSTC RUSTC_WRAPPER RUSTDOC_RUNNER RUSTFLAGS CARGO_BUILD_RUSTC_WRAPPER CARGO_TARGET_RUNNER RUSTUP_HOME RUSTUP_TOOLCHAIN
  DOTNET_STARTUP_HOOKS DOTNET_ROOT COR_PROFILER CORECLR_PROFILER NUGET_PACKAGES MSBUILD_EXE_PATH ERL_FLAGS ERL_LIBS ELIXIR_ERL_OPTIONS MIX_HOME HEX_MIRROR
  R_PROFILE R_PROFILE_USER R_ENVIRON R_LIBS R_HOME JULIA_LOAD_PATH JULIA_DEPOT_PATH OCAMLPATH GHCRTS_OPTS STACK_ROOT CABAL_CONFIG
  VIMINIT GVIMINIT EXINIT VIMRUNTIME_PATH EMACSLOADPATH NANORC_RC FZF_DEFAULT_COMMAND FZF_DEFAULT_OPTS RIPGREP_CONFIG_PATH BAT_PAGER BAT_CONFIG_PATH
  AWKPATH AWKLIBPATH M4PATH TERMINFO TERMINFO_DIRS TERMCAP LOCPATH GCONV_PATH NLSPATH HOSTALIASES_FILE RESOLV_HOST_CONF
  OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES SSL_CERT_FILE SSL_CERT_DIR CURL_HOME CURL_CA_FILE WGETRC HTTP_PROXY https_proxy ALL_PROXY
  KUBECONFIG DOCKER_CONFIG AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE GNUPGHOME TF_CLI_CONFIG_FILE TF_PLUGIN_CACHE_DIR HELM_PLUGINS HELM_HOME ANSIBLE_CONFIG
  ANSIBLE_LIBRARY VAGRANT_HOME PSQLRC PGSYSCONFDIR PGSERVICEFILE PGPASSFILE PSQL_EDITOR PSQL_PAGER MYSQL_HOME SQLITE_INIT_FILE XDG_CONFIG_HOME XDG_DATA_DIRS
  HOME TMPDIR TERM GTK_MODULES GTK_PATH QT_PLUGIN_PATH GIO_EXTRA_MODULES GST_PLUGIN_PATH VK_LAYER_PATH LIBGL_DRIVERS_PATH
  VSCODE_EXTENSIONS ELECTRON_RUN_AS_NODE THIN_CLONES_HOME`
  .split(/\s+/)
  .filter((name) => name !== '');

const isSet = (name: string, template: string): boolean => !isNeverSet(name) && !needsConsent(name, template);

describe('a variable of a file of a repository', () => {
  it(`is not set by itself when it is one of ${dangerous.length} that make programs run something`, () => {
    for (const name of dangerous)
      for (const template of [
        'x',
        './evil',
        '{orders.url}',
        '{orders.database}',
        '{orders.user}',
        '-e {orders.port}',
      ])
        assert.equal(isSet(name, template), false, `${name}=${template}`);
  });
  it('is never set, whatever its value, when it decides which code runs', () => {
    for (const name of [
      'LD_PRELOAD',
      'Path',
      'NODE_OPTIONS',
      'GIT_SSH_COMMAND',
      'BASH_ENV',
      'npm_config_prefix',
    ])
      assert.equal(isNeverSet(name), true, name);
  });

  for (const [name, template] of [
    ['DATABASE_URL', '{orders.url}'],
    ['DATABASE_URL', 'postgresql://localhost/shop'],
    ['PGHOST', '{orders.host}'],
    ['PGPORT', '{orders.port}'],
    ['PGSSLMODE', 'disable'],
    ['ORDERS', '{orders.url}'],
    ['DB_NAME', '{orders.database}'],
    ['DB_ADDRESS', '{orders.host}:{orders.port}'],
    ['DATABASE_URL_TEST', '{orders.url}?schema=public&connection_limit=1'],
    ['SPRING_DATASOURCE_URL', '{orders.jdbc}&ssl=false'],
    [
      'USERS_URL',
      'postgresql+asyncpg://{users.user}:{users.password}@{users.host}:{users.port}/{users.database}?ssl=off',
    ],
    ['JDBC_URL', 'jdbc:postgresql://{orders.host}:{orders.port}/{orders.database}'],
    [
      'ConnectionStrings__Default',
      'Host={o.host};Port={o.port};Database={o.database};Username={o.user};Password={o.password}',
    ],
    ['CONNECTION', 'Server={o.host}; User Id={o.user}; Pooling=true;'],
    ['DSN', 'host={orders.host} port={orders.port} dbname={orders.database} sslmode=disable'],
    ['POSTGRES_PASSWORD', '{заказы.password}'],
  ] as const) {
    it(`is set when it is plainly a connection: ${name}=${template}`, () => {
      assert.equal(isSet(name, template), true);
    });
  }
  for (const [name, template] of [
    ['RAILS_ENV', 'test'],
    ['FOO', 'bar'],
    ['FOO', ''],
    ['FOO', '{{orders.url}}'],
    ['FOO', 'touch /tmp/x; {orders.url}'],
    ['FOO', '$(touch x){orders.url}'],
    ['FOO', '-e {orders.port}'],
    ['FOO', '--to-command=evil{orders.port}'],
    ['FOO', './evil/{orders.database}'],
    ['FOO', '/tmp/{orders.database}'],
    ['FOO', 'evil{orders.database}'],
    ['FOO', 'file://evil/{orders.database}'],
    ['FOO', 'https://evil.example/?{orders.password}'],
    ['FOO', '{orders.url}\n{orders.url}'],
    ['FOO', 'a=`id` b={orders.host}'],
    ['FOO', 'a=b'],
    ['SHOP_PATH', '{orders.url}'],
    ['ordersConfig', '{orders.url}'],
  ] as const) {
    it(`is asked about otherwise: ${name}=${JSON.stringify(template)}`, () => {
      assert.equal(isNeverSet(name), false);
      assert.equal(needsConsent(name, template), true);
    });
  }
  it('is told for texts of any length, too', () => {
    for (const text of ['a=', '{a.url}', 'a b ', 'a:', '{a.host}:', '{', 'x://{a.b}/', 'a=b; '])
      needsConsent('FOO', `${text.repeat(4000 / text.length)}!`);
  });
});
