/** The port to the files of a checkout. */

export interface FileListing {
  /** Relative to the checkout, with `/`, in no order. Folders of dependencies and build results are left out. */
  readonly paths: readonly string[];
  /** Links that lead out of the checkout, and folders that can't be read: nothing behind them is listed. */
  readonly notFollowed: readonly { path: string; problem: string }[];
  /** The checkout holds more than is looked at. */
  readonly truncated: boolean;
}

export interface WorkingFiles {
  /** `also`: folders that are listed although they would be left out. */
  list(options?: { also?: readonly string[] }): Promise<FileListing>;
  /** Rejects when the file can't be read, leads out of the checkout, or is larger than any migration. */
  read(path: string): Promise<Uint8Array>;
}
