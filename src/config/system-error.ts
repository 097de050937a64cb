/**
 * The texts of the C library's `strerror` for the errors that opening, reading and writing files can give.
 *
 * Redis prints these in its messages and log lines, and Node's own texts differ in case and wording. What is not in
 * the table gets Node's text, for which node:util is loaded then: importing it costs a thread 0.7 MB.
 */

const TEXTS: Readonly<Record<string, string>> = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  EIO: 'Input/output error',
  EBADF: 'Bad file descriptor',
  EAGAIN: 'Resource temporarily unavailable',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  EXDEV: 'Invalid cross-device link',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EINVAL: 'Invalid argument',
  ENFILE: 'Too many open files in system',
  EMFILE: 'Too many open files',
  ETXTBSY: 'Text file busy',
  EFBIG: 'File too large',
  ENOSPC: 'No space left on device',
  EROFS: 'Read-only file system',
  EPIPE: 'Broken pipe',
  ENAMETOOLONG: 'File name too long',
  ELOOP: 'Too many levels of symbolic links',
  ENOTEMPTY: 'Directory not empty',
  EDQUOT: 'Disk quota exceeded',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENOTSUP: 'Operation not supported',
  ENXIO: 'No such device or address',
  ENODEV: 'No such device',
};

/**
 * The text of a system error, as `strerror(errno)` gives it.
 * @param error what a call of node:fs, node:net and so on threw
 */
export function strerror(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, errno } = error as NodeJS.ErrnoException;
  const text = code === undefined ? undefined : TEXTS[code];
  if (text !== undefined) return text;
  return typeof errno === 'number'
    ? process.getBuiltinModule('node:util').getSystemErrorMessage(errno)
    : error.message;
}

/** As strerror(), of an error's number alone. @param errno as Node gives it: negative */
export function errnoText(errno: number): string {
  const util = process.getBuiltinModule('node:util');
  return TEXTS[util.getSystemErrorName(errno)] ?? util.getSystemErrorMessage(errno);
}
