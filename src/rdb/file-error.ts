// What can be wrong with an RDB file. The texts are those of Redis's log where it has one, with the offset behind it.

/** Kinds of errors. */
export const RdbFault = {
  /** No RDB file, or of a version that is not known. */
  Header: 'header',
  /** The file ends too early. */
  Truncated: 'truncated',
  /** Bytes that mean nothing. */
  Corrupt: 'corrupt',
  Checksum: 'checksum',
  /** A database beyond `databases`. */
  Database: 'database',
  /** A key that is there already. */
  Duplicate: 'duplicate',
  /** What modules have written, or release candidates of Redis 7. */
  Unsupported: 'unsupported',
} as const;
export type RdbFaultKind = (typeof RdbFault)[keyof typeof RdbFault];

/** Longest part of a key in a message. */
const KEY_TEXT_BYTES = 64;

export class RdbFileError extends Error {
  readonly kind: RdbFaultKind;
  /** Where in the file, in bytes. */
  readonly offset: number;

  constructor(kind: RdbFaultKind, text: string, offset: number) {
    super(`${text} (at offset ${offset})`);
    this.name = 'RdbFileError';
    this.kind = kind;
    this.offset = offset;
  }
}

/** A file that ends in the middle of something. */
export function shortRead(offset: number): RdbFileError {
  return new RdbFileError(RdbFault.Truncated, 'Short read: the RDB file ends too early', offset);
}

export function corrupt(what: string, offset: number): RdbFileError {
  return new RdbFileError(RdbFault.Corrupt, `Internal error in RDB reading: ${what}`, offset);
}

export function unknownType(type: number, offset: number): RdbFileError {
  return corrupt(`Unknown RDB encoding type ${type}`, offset);
}

/** @param databases how many there are */
export function databaseOutOfRange(databases: number, offset: number): RdbFileError {
  const text = `FATAL: Data file was created with a Redis server configured to handle more than ${databases} databases.`;
  return new RdbFileError(RdbFault.Database, text, offset);
}

export function duplicateKey(key: string, db: number, offset: number): RdbFileError {
  return new RdbFileError(RdbFault.Duplicate, `RDB has duplicated key '${key}' in DB ${db}`, offset);
}

/** @param low, high words of the module's ID */
export function moduleData(what: string, low: number, high: number, offset: number): RdbFileError {
  const text = `The RDB file contains ${what} '${moduleName(low, high)}'`;
  return new RdbFileError(RdbFault.Unsupported, text, offset);
}

/** A key as text for messages: bytes that do not print as \xHH, a long one's beginning. */
export function keyText(bytes: Buffer, off: number, len: number): string {
  let text = '';
  for (let i = off; i < off + Math.min(len, KEY_TEXT_BYTES); i++) {
    const byte = bytes[i]!;
    text +=
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return len > KEY_TEXT_BYTES ? `${text}...` : text;
}

/** A module's ID holds its name, nine letters of 6 bits, above 10 bits of version. */
function moduleName(low: number, high: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const id = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  let name = '';
  for (let shift = 58n; shift >= 10n; shift -= 6n) name += letters[Number((id >> shift) & 63n)];
  return name;
}
