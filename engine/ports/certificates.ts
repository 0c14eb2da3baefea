/** The port to the certificate by which the servers and the stable ports of a home show over TLS whose they are. */

export interface HomeCertificate {
  /** The certificate of all servers and ports, and its private key, PEM. */
  readonly server: string;
  /** The certificate of the authority that signed it, PEM: what clients trust. */
  readonly authority: string;
  /** When the authority's certificate ends. */
  readonly validUntil: Date;
}

export interface Certificates {
  /** undefined: there is none, and connections go on without TLS. The log says why. */
  current(): HomeCertificate | undefined;
  /** Where clients find the authority's certificate. */
  readonly authorityFile: string;
  /** For a server that starts now: a file with certificate and key that only the server user may read. */
  serverFile(): Promise<string | undefined>;
  /** Makes what is missing, damaged, or ends soon. True when servers that run have another one to read. */
  renew(): Promise<boolean>;
}
