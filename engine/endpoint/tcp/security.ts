/** TLS on both sides of an endpoint: with clients that ask for it, and for each of those with the server that it is led to. */
import type { Socket } from 'node:net';
import { connect, createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import type { HomeCertificate } from '../../ports/certificates.ts';
import type { WireSecurity } from '../wire.ts';

export interface Security {
  /**
   * Goes over to TLS with a client, who has sent these bytes of it already. The raw socket must not be read any more. `named`: one that does
   * not name the protocol is dropped.
   */
  withClient(client: Socket, received: Buffer, wire: WireSecurity, named: boolean): Socket;
  /**
   * Goes over to TLS with a server; `ready` is told once, with what to talk to it through: the socket itself where that server has no TLS. The
   * socket is destroyed when it is no server of this home.
   */
  withServer(server: Socket, wire: WireSecurity, ready: (socket: Socket) => void): void;
}

/** Any of the names in our certificates. */
const SERVER_NAME = 'localhost';

/**
 * A port shows the certificate of the servers, so that it stands for them: a client's proof of knowing the password (SCRAM) may be bound
 * to the certificate that the client has seen, and its server compares that with its own (RFC 5929, tls-server-end-point).
 */
export function createSecurity(current: () => HomeCertificate | undefined): () => Security | undefined {
  let made: { certificate: HomeCertificate; security: Security } | undefined;
  return () => {
    const certificate = current();
    if (certificate === undefined) return undefined;
    if (made?.certificate !== certificate) made = { certificate, security: securityOf(certificate) };
    return made.security;
  };
}

function securityOf({ server: pem, authority }: HomeCertificate): Security {
  /** Reading a certificate takes a millisecond: once for all, when the first one comes. */
  let ours: SecureContext | undefined;
  let theirs: SecureContext | undefined;
  return {
    withClient(client, received, wire, named) {
      ours ??= createSecureContext({ cert: pem, key: pem });
      if (received.length > 0) client.unshift(received);
      const secured = new TLSSocket(client, {
        ...{ isServer: true, secureContext: ours, ALPNProtocols: [wire.protocol] },
      });
      if (named) {
        secured.once('secure', () => {
          if (secured.alpnProtocol !== wire.protocol) secured.destroy();
        });
      }
      return secured;
    },
    withServer(server, wire, ready) {
      server.once('data', (answer: Buffer) => {
        server.pause();
        const agreed = wire.agreed(answer);
        if (agreed === undefined) {
          server.destroy();
        } else if (agreed) {
          theirs ??= createSecureContext({ ca: authority });
          const secured = connect({ socket: server, secureContext: theirs, servername: SERVER_NAME });
          secured.once('secureConnect', () => ready(secured));
          secured.on('error', () => undefined); // best effort: both are closed, which is what is told
        } else {
          ready(server);
          server.resume();
        }
      });
      server.write(wire.request);
    },
  };
}
