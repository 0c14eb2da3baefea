/** What a database engine brings along: everything that differs between engines is in one folder, behind one of these. */
import type { Wire } from '../endpoint/wire.ts';
import type { Machine } from '../machine/machine.ts';
import type { DatabaseEngine, DoctorCheck } from '../protocol/entities.ts';
import type { Images } from '../runtime/images.ts';
import type { Runtime, ServerTraits } from '../runtime/runtime.ts';
import type { Database, SourceRules } from './database.ts';

/** Where programs may lie. */
export interface ProgramPlaces {
  machine: Pick<Machine, 'serverUser'>;
  settings: { readonly serverDirectory?: string | undefined; readonly clientDirectory?: string | undefined };
  /** Where copies for the server user go. */
  programsDirectory: string;
  /** The folder of the running engine: dist/ of the extension, or engine/ of a checkout. */
  engineDirectory: string;
  variables: Readonly<Record<string, string | undefined>>;
}

export interface EngineModule {
  readonly engine: DatabaseEngine;
  /** For stable ports; undefined: bytes are passed on, and nothing can be said. */
  readonly wire: Wire | undefined;
  /** How its servers show themselves on a machine, of each kind. */
  readonly traits: readonly [ServerTraits, ...ServerTraits[]];
  readonly source: SourceRules;
  /** Variables that its tools obey before their arguments: none is handed on from whoever started us. */
  isToolVariable(name: string): boolean;
  /** Of the folders of programs that come with us, those that are brought to another machine. */
  travelling(folders: readonly string[]): readonly string[];
  /** Gets those of another platform into a folder, with the machine's own package clients. Errors: `CannotFetch`. */
  fetchTravelling(options: {
    platform: string;
    into: string;
    onProgress: (message: string) => void;
  }): Promise<void>;
  create(options: {
    machine: Machine;
    runtime: Runtime;
    /** For members that name one. */
    images: Images;
    socketRoot: string;
    programs: ProgramPlaces;
    /** For TLS of a server that starts now: a file with certificate and key that it may read, or none. */
    certificate: () => Promise<string | undefined>;
  }): Promise<Database>;
  /** What the doctor says of its programs. */
  examine(programs: ProgramPlaces): Promise<readonly DoctorCheck[]>;
}
