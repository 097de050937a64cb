/**
 * Which program this is: its name, its version, and the line that `--version` prints.
 *
 * The version is package.json's. There is no compiler run to stamp, so `build` is a digest of the version and of the
 * Node that runs it: equal for equal programs, as Redis's is.
 */

import packageFacts from '../../package.json' with { type: 'json' };

export const SERVER_NAME = 'Sabre';
export const SERVER_VERSION: string = packageFacts.version;

/** Sixteen hexadecimal digits that name this build. */
export function buildId(): string {
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha256').update(`${SERVER_VERSION} ${process.version}`).digest('hex').slice(0, 16);
}

/** The line of `--version`, in the form of `redis-server --version`, without line end. */
export function versionLine(): string {
  return `${SERVER_NAME} server v=${SERVER_VERSION} sha=00000000:0 malloc=shared-array-buffer bits=64 build=${buildId()}`;
}
