// Texts of error replies that several commands give, without the leading '-'. Redis's own, to the letter.

export const ErrorText = {
  WrongType: 'WRONGTYPE Operation against a key holding the wrong kind of value',
  Syntax: 'ERR syntax error',
  NoSuchKey: 'ERR no such key',
  NotInteger: 'ERR value is not an integer or out of range',
  NotFloat: 'ERR value is not a valid float',
  OutOfRange: 'ERR index out of range',
  NotPositive: 'ERR value is out of range, must be positive',
  StringTooLong: 'ERR string exceeds maximum allowed size (proto-max-bulk-len)',
  Overflow: 'ERR increment or decrement would overflow',
  NanOrInfinity: 'ERR increment would produce NaN or Infinity',
  DbIndex: 'ERR DB index is out of range',
  InvalidDbIndex: 'ERR invalid DB index',
  SameObject: 'ERR source and destination objects are the same',
  InvalidCursor: 'ERR invalid cursor',
  OutOfMemory: "OOM command not allowed when used memory > 'maxmemory'.",
  NoAuth: 'NOAUTH Authentication required.',
  WrongPass: 'WRONGPASS invalid username-password pair or user is disabled.',
  NoProto: 'NOPROTO unsupported protocol version',
  BusyKey: 'BUSYKEY Target key name already exists.',
  BadPayload: 'ERR DUMP payload version or checksum are wrong',
  BadDataFormat: 'ERR Bad data format',
  BadTtl: 'ERR Invalid TTL value, must be >= 0',
  BadIdleTime: 'ERR Invalid IDLETIME value, must be >= 0',
  BadFrequency: 'ERR Invalid FREQ value, must be >= 0 and <= 255',
  Loading: 'LOADING Redis is loading the dataset in memory',
} as const;

/** @param name of the command as the table has it */
export function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}

/** @param name of the command as the table has it */
export function invalidExpire(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}
