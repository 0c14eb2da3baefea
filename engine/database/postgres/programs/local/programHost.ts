/** Lets `locatePrograms` look on the machine that the engine runs on. */
import { execFile } from 'node:child_process';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { isCode, isMissing, readTreeManifest, restoreTree } from './bundledTree.ts';
import type { ProgramHost, RunProgram } from '../locate.ts';

/** `environment` gives PATH; what is found is remembered for as long as the returned object lives. */
export function localProgramHost(environment: { readonly PATH?: string | undefined }): ProgramHost {
  return {
    platform: process.platform,
    // A relative entry would mean another folder for each caller.
    searchPath: (environment.PATH ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder)),
    run,
    readTree: readTreeManifest,
    restoreTree,
    fileState: async (file) => {
      try {
        const found = await stat(file);
        return found.isFile() ? `${found.size} ${found.mtimeMs}` : undefined;
      } catch (error) {
        if (isMissing(error) || isCode(error, 'EACCES', 'ELOOP')) return undefined;
        throw error;
      }
    },
    list: async (folder) => {
      try {
        return await readdir(folder);
      } catch (error) {
        if (isMissing(error) || isCode(error, 'EACCES')) return [];
        throw error;
      }
    },
    realPath: async (file) => {
      try {
        return await realpath(file);
      } catch (error) {
        if (isMissing(error) || isCode(error, 'EACCES', 'ELOOP')) return file;
        throw error;
      }
    },
  };
}

const run: RunProgram = (program, args, { signal, timeoutMs }) =>
  new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { timeout: timeoutMs, windowsHide: true, ...(signal === undefined ? {} : { signal }) },
      (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr });
        else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr });
        else if (error.killed === true) reject(new Error(`no answer in ${timeoutMs} ms`, { cause: error }));
        else reject(new Error(error.message, { cause: error }));
      },
    );
  });
