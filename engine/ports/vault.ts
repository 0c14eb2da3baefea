/** The port that seals secrets before they are stored. */
export interface Vault {
  seal(secret: string): string;
  /** Throws when the text was sealed with another key or changed. */
  open(sealed: string): string;
}
