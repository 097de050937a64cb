// What the tls- directives ask for, made into what acceptors set their servers up with: files read, protocols and ciphers
// in OpenSSL's terms, all checked. Its words for what is wrong are Redis's.

import { constants } from 'node:crypto';
import type { ConfigStore } from '../config/store.ts';
import { strerror } from '../config/system-error.ts';
import { checkTls, type TlsSettings } from '../connection/tls-server.ts';
import { readdirSync, readFileSync } from '../file-system.ts';

/** By age; those between the oldest and the newest wanted that are not are switched off one by one. */
const PROTOCOLS = [
  { name: 'TLSv1', off: constants.SSL_OP_NO_TLSv1 },
  { name: 'TLSv1.1', off: constants.SSL_OP_NO_TLSv1_1 },
  { name: 'TLSv1.2', off: constants.SSL_OP_NO_TLSv1_2 },
  { name: 'TLSv1.3', off: constants.SSL_OP_NO_TLSv1_3 },
] as const;
const DEFAULT_PROTOCOLS = ['tlsv1.2', 'tlsv1.3'];
/** Of TLS 1.3, for who names only ciphers of the older ones; and the other way round. */
const DEFAULT_SUITES = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
const DEFAULT_CIPHERS = 'DEFAULT';

/** A setting that cannot be; its message is a line for the log. */
class TlsError extends Error {}

/**
 * Reads the settings of the configuration.
 * @param ticketKeys see TlsSettings
 * @returns them, or what is wrong
 */
export function readTlsSettings(config: ConfigStore, ticketKeys: Uint8Array): TlsSettings | string {
  try {
    const settings = settingsOf(config, ticketKeys);
    checkTls(settings);
    return settings;
  } catch (error) {
    if (error instanceof TlsError) return error.message;
    return `Failed to configure TLS: ${(error as Error).message}`;
  }
}

function settingsOf(config: ConfigStore, ticketKeys: Uint8Array): TlsSettings {
  const clients = config.getEnum('tls-auth-clients') as TlsSettings['clients'];
  if (config.getString('tls-cert-file') === '') throw new TlsError('No tls-cert-file configured!');
  if (config.getString('tls-key-file') === '') throw new TlsError('No tls-key-file configured!');
  const ca = clients === 'no' ? [] : authorities(config);
  return {
    cert: pem(config, 'tls-cert-file', 'certificate'),
    key: pem(config, 'tls-key-file', 'private key'),
    passphrase: config.getString('tls-key-file-pass'),
    ca,
    clients,
    ciphers: ciphers(config),
    preferOwnCiphers: config.getBool('tls-prefer-server-ciphers'),
    ...protocols(config),
    dhParams: config.getString('tls-dh-params-file') === '' ? '' : dhParams(config),
    sessionTimeout: config.getInt('tls-session-cache-timeout'),
    ticketKeys,
  };
}

type FileName = 'tls-cert-file' | 'tls-key-file' | 'tls-dh-params-file' | 'tls-ca-cert-file';

function pem(config: ConfigStore, name: FileName, what: string): string {
  const path = config.getString(name);
  try {
    return readFileSync(config.getBytes(name)).toString('latin1');
  } catch (error) {
    throw new TlsError(`Failed to load ${what}: ${path}: ${strerror(error)}`);
  }
}

/** Node passes over what holds no such parameters, and offers no ciphers with them. */
function dhParams(config: ConfigStore): string {
  const text = pem(config, 'tls-dh-params-file', 'DH params file');
  const [, base64] = /-----BEGIN DH PARAMETERS-----([^-]+)-----END DH PARAMETERS-----/.exec(text) ?? [];
  // A sequence of integers, as DER.
  const der = Buffer.from(base64 ?? '', 'base64');
  const lengthBytes = (der[1] ?? 0) > 0x80 ? der[1]! - 0x80 : 0;
  if (der[0] === 0x30 && der[2 + lengthBytes] === 0x02) return text;
  throw new TlsError(`${config.getString('tls-dh-params-file')}: failed to read DH params.`);
}

/** Certificates that those of clients must lead to. A folder's files are read all, whatever they are called. */
function authorities(config: ConfigStore): string[] {
  const folder = config.getString('tls-ca-cert-dir');
  const one =
    config.getString('tls-ca-cert-file') === ''
      ? []
      : [pem(config, 'tls-ca-cert-file', 'ca certificate(s) file')];
  if (folder === '') {
    if (one.length === 0) {
      throw new TlsError(
        'Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or tls-auth-clients are enabled!',
      );
    }
    return one;
  }
  try {
    const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => !entry.isDirectory());
    const texts = files.map(({ name }) => readFileSync(`${folder}/${name}`, 'latin1'));
    return [...one, ...texts.filter((text) => text.includes('-----BEGIN CERTIFICATE-----'))];
  } catch (error) {
    throw new TlsError(`Failed to configure ca certificate(s) directory: ${folder}: ${strerror(error)}`);
  }
}

function ciphers(config: ConfigStore): string {
  const older = config.getString('tls-ciphers');
  const suites = config.getString('tls-ciphersuites');
  if (older === '' && suites === '') return '';
  return `${suites || DEFAULT_SUITES}:${older || DEFAULT_CIPHERS}`;
}

function protocols(config: ConfigStore): Pick<TlsSettings, 'minVersion' | 'maxVersion' | 'options'> {
  const given = config
    .getString('tls-protocols')
    .toLowerCase()
    .split(' ')
    .filter((word) => word !== '');
  const wanted = given.length === 0 ? DEFAULT_PROTOCOLS : given;
  const known = PROTOCOLS.filter(({ name }) => wanted.includes(name.toLowerCase()));
  if (known.length !== new Set(wanted).size) {
    throw new TlsError(
      'Invalid tls-protocols specified. Use a combination of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3.',
    );
  }
  let options = config.getBool('tls-session-caching') ? 0 : constants.SSL_OP_NO_TICKET;
  for (const protocol of PROTOCOLS) if (!known.includes(protocol)) options |= protocol.off;
  return { minVersion: known[0]!.name, maxVersion: known.at(-1)!.name, options };
}
