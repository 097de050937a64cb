// The frame of DUMP and RESTORE:
//
//   type (1 byte) | value | version of the format (16 bits, little endian) | CRC-64 of all before it (8 bytes)

import { Crc64 } from './crc64.ts';
import { RDB_VERSION_MAX } from './rdb-format.ts';
import type { RdbWriter } from './rdb-writer.ts';

export const FOOTER_BYTES = 10;

const crc = new Crc64();

/** Ends the payload that `writer` holds. @param version an RdbVersion */
export function writeFooter(writer: RdbWriter, version: number): void {
  writer.byte(version);
  writer.byte(version >> 8);
  crc.reset();
  crc.update(writer.bytes, 0, writer.length);
  writer.words(crc.low, crc.high);
}

/**
 * Whether the footer of a payload is right: its version one that is known, its checksum that of the bytes.
 * @param checked false: the checksum is not looked at
 */
export function isPayload(bytes: Buffer, off: number, len: number, checked: boolean): boolean {
  if (len < FOOTER_BYTES) return false;
  const footer = off + len - FOOTER_BYTES;
  if ((bytes[footer]! | (bytes[footer + 1]! << 8)) > RDB_VERSION_MAX) return false;
  if (!checked) return true;
  crc.reset();
  crc.update(bytes, off, len - 8);
  return crc.matches(bytes, footer + 2);
}
