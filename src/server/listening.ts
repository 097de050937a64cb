// Where the server listens: TCP addresses of `bind` and the unix socket, on every acceptor.
//
// With one acceptor the kernel refuses a second server on the port. Several acceptors share the port (reusePort), and
// so would another server's: so the port is first bound alone, for a moment, to see that it is free.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { ConfigStore } from '../config/store.ts';
import type { ListenOn } from '../connection/acceptor-core.ts';
import type { TlsSettings } from '../connection/tls-server.ts';
import { existsSync, unlinkSync } from '../file-system.ts';
import type { Logger } from '../log/logger.ts';
import type { Threads } from './threads.ts';
import { readTlsSettings } from './tls-settings.ts';

export const TLS_FAILED = 'Unable to update TLS configuration. Check server logs.';

/** What the log says of a failed bind, by error code. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EACCES: 'Permission denied',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  ENOTFOUND: 'Name or service not known',
  EINVAL: 'Invalid argument',
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
};
/** Failures that an address with '-' in front, or the default, may have. */
const OPTIONAL_FAILURES = ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EINVAL'];

export class Listening {
  readonly #config: ConfigStore;
  readonly #threads: Threads;
  readonly #log: Logger;
  readonly #unixPath: string;
  /** For sessions of TLS: those of another life of the server begin anew. */
  readonly #ticketKeys = randomBytes(48);

  /** @param unixPath absolute path of the unix socket, '' for none */
  constructor(config: ConfigStore, threads: Threads, log: Logger, unixPath: string) {
    this.#config = config;
    this.#threads = threads;
    this.#log = log;
    this.#unixPath = unixPath;
  }

  /** Listens everywhere. @returns null, or what failed, already logged */
  async start(): Promise<string | null> {
    const tlsPort = this.#config.getInt('tls-port');
    const tls = tlsPort === 0 ? null : this.#readTls();
    if (typeof tls === 'string') return tls;
    for (const [port, settings] of [
      [this.#config.getInt('port'), null],
      [tlsPort, tls],
    ] as const) {
      if (port === 0) continue;
      const failed = await this.#tcp(port, settings);
      if (failed === null) continue;
      this.#log.warning(`Failed listening on port ${port} (${settings === null ? 'tcp' : 'tls'}), aborting.`);
      return failed;
    }
    if (this.#unixPath === '') return null;
    const failed = await this.#unix();
    if (failed !== null) this.#log.warning(`Failed opening Unix socket: bind: ${failed}`);
    return failed;
  }

  /** CONFIG SET port, tls-port, bind and tls-auth-clients. @returns null, or what failed */
  async restart(): Promise<string | null> {
    if (this.#config.getInt('tls-port') !== 0 && typeof this.#readTls() === 'string') return TLS_FAILED;
    await this.#threads.callAcceptors('stop-listening');
    return this.start();
  }

  /** Other certificates, ciphers and protocols, for connections to come. @returns null, or what failed */
  async renewTls(): Promise<string | null> {
    if (this.#config.getInt('tls-port') === 0) return null;
    const tls = this.#readTls();
    if (typeof tls === 'string') return tls;
    await this.#threads.callAcceptors('renew-tls', tls);
    return null;
  }

  #readTls(): TlsSettings | string {
    const tls = readTlsSettings(this.#config, this.#ticketKeys);
    if (typeof tls !== 'string') return tls;
    this.#log.warning(tls);
    return TLS_FAILED;
  }

  async stop(): Promise<void> {
    await this.#threads.callAcceptors('stop-listening');
  }

  async #tcp(port: number, tls: TlsSettings | null): Promise<string | null> {
    const shared = this.#threads.acceptors.length > 1;
    let bound = 0;
    for (const { host, optional } of bindAddresses(this.#config)) {
      const on = this.#listenOn(host, port, shared, optional, tls);
      let code = shared ? await probe(on) : null;
      if (code === null) code = firstFailure(await this.#threads.callAcceptors('listen', on));
      if (code === null) {
        bound++;
        continue;
      }
      const reason = REASONS[code] ?? code;
      this.#log.warning(
        `Warning: Could not create server TCP listening socket ${host}:${port}: bind: ${reason}`,
      );
      if (!optional || !OPTIONAL_FAILURES.includes(code)) return reason;
    }
    return bound === 0 ? 'Unable to bind' : null;
  }

  async #unix(): Promise<string | null> {
    const path = this.#unixPath;
    if (existsSync(path)) unlinkSync(path);
    const on: ListenOn = {
      host: null,
      port: 0,
      path,
      pathMode: this.#config.getInt('unixsocketperm'),
      backlog: this.#config.getInt('tcp-backlog'),
      reusePort: false,
      tls: null,
      optional: false,
    };
    // A path cannot be shared: the first acceptor takes it.
    let code = (await this.#threads.acceptors[0]!.control.call('listen', on)) as string | null;
    // Node reports a missing folder as EACCES, as Windows does.
    if (code === 'EACCES' && !existsSync(dirname(path))) code = 'ENOENT';
    return code === null ? null : (REASONS[code] ?? code);
  }

  #listenOn(
    host: string,
    port: number,
    reusePort: boolean,
    optional: boolean,
    tls: TlsSettings | null,
  ): ListenOn {
    return {
      host,
      port,
      path: null,
      pathMode: 0,
      backlog: this.#config.getInt('tcp-backlog'),
      reusePort,
      tls,
      optional,
    };
  }
}

/** Addresses of `bind`; all of IPv4 and IPv6 where it is empty. */
function bindAddresses(config: ConfigStore): { host: string; optional: boolean }[] {
  const given = config.getMulti('bind');
  const words = given.length === 0 ? ['*', '-::*'] : given;
  return words.map((word) => {
    const optional = word.startsWith('-');
    const address = optional ? word.slice(1) : word;
    return { host: address === '*' ? '0.0.0.0' : address === '::*' ? '::' : address, optional };
  });
}

function firstFailure(codes: readonly unknown[]): string | null {
  return (codes.find((code) => code !== null) as string | undefined) ?? null;
}

/** Binds an address alone for a moment. @returns null, or the error's code */
function probe(on: ListenOn): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: on.host!, port: on.port, exclusive: true, ipv6Only: on.host!.includes(':') }, () =>
      server.close(() => resolve(null)),
    );
  });
}
