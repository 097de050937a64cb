// TLS listeners of an acceptor. What they are set up with comes from the supervisor as plain data (server/tls-settings.ts).
//
// node:tls is loaded when the first of them opens: it costs a thread some megabytes.

import type { Server, Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';

/** Certificates are texts in PEM. */
export interface TlsSettings {
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string;
  /** Whose certificates of clients are taken; empty: none are asked for. */
  readonly ca: readonly string[];
  /** tls-auth-clients. */
  readonly clients: 'yes' | 'no' | 'optional';
  /** In OpenSSL's syntax; '' for the defaults. */
  readonly ciphers: string;
  readonly preferOwnCiphers: boolean;
  readonly minVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** Bits of OpenSSL's SSL_OP. */
  readonly options: number;
  /** '' for none. */
  readonly dhParams: string;
  /** Seconds. */
  readonly sessionTimeout: number;
  /** The same for all acceptors, so that a session goes on with any of them. 48 bytes. */
  readonly ticketKeys: Uint8Array;
}

export interface TlsListenerOptions {
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelay: number;
}

/** What both the context of a server and its options say. */
function contextOf(settings: TlsSettings) {
  return {
    cert: settings.cert,
    key: settings.key,
    ...(settings.passphrase === '' ? {} : { passphrase: settings.passphrase }),
    ...(settings.ca.length === 0 ? {} : { ca: [...settings.ca] }),
    ...(settings.ciphers === '' ? {} : { ciphers: settings.ciphers }),
    ...(settings.dhParams === '' ? {} : { dhparam: settings.dhParams }),
    honorCipherOrder: settings.preferOwnCiphers,
    minVersion: settings.minVersion,
    maxVersion: settings.maxVersion,
    secureOptions: settings.options,
    sessionTimeout: settings.sessionTimeout,
    sessionIdContext: 'sabre',
  };
}

/**
 * Checks settings as a server would.
 * @throws what OpenSSL says of them
 */
export function checkTls(settings: TlsSettings): void {
  process.getBuiltinModule('node:tls').createSecureContext(contextOf(settings));
}

/**
 * Makes a server, which does not listen yet.
 * @param accept gets each client whose handshake is done and whose certificate, where one is asked for, is good
 * @param refused told why another was not taken
 */
export function createTlsServer(
  settings: TlsSettings,
  options: TlsListenerOptions,
  accept: (socket: Socket) => void,
  refused: (reason: string) => void,
): Server {
  const server = process.getBuiltinModule('node:tls').createServer({
    ...contextOf(settings),
    ...options,
    ticketKeys: Buffer.from(settings.ticketKeys),
    requestCert: settings.clients !== 'no',
    rejectUnauthorized: settings.clients === 'yes',
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    if (settings.clients === 'optional' && !socket.authorized && hasCertificate(socket)) {
      refused(String(socket.authorizationError));
      socket.destroy();
      return;
    }
    // Not before: who leaves in the middle of the handshake would be waited for.
    socket.allowHalfOpen = true;
    accept(socket);
  });
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    refused(error.message);
    socket.destroy();
  });
  return server;
}

/** New certificates, ciphers and protocols for the connections to come. */
export function renewTls(server: Server, settings: TlsSettings): void {
  const { ticketKeys } = settings;
  (server as TlsServer).setSecureContext({ ...contextOf(settings), ticketKeys: Buffer.from(ticketKeys) });
}

function hasCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate()).length > 0;
}
