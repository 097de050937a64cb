/**
 * The one error that loading a configuration throws: the start must end, and this says why, in Redis's form.
 *
 * Two kinds, which Redis reports in two places:
 *   - a bad line goes to standard error, with file position, text and reason:
 *
 *         (empty line)
 *         *** FATAL CONFIG FILE ERROR (Sabre 0.1.0) ***
 *         Reading the configuration file, at line 3
 *         >>> 'port abc'
 *         argument couldn't be parsed into an integer
 *
 *   - a file that cannot be opened is a line of the log.
 */

import { SERVER_NAME, SERVER_VERSION } from './version.ts';

export const ConfigErrorKind = { Line: 'line', File: 'file' } as const;
export type ConfigErrorKind = (typeof ConfigErrorKind)[keyof typeof ConfigErrorKind];

/** Where in a text a bad line stands. */
export interface LinePosition {
  /** Counted from 1, over the file, standard input and the arguments together, as Redis counts. */
  readonly line: number;
  /** The line without the blanks around it, one character per byte. */
  readonly text: string;
}

export class ConfigError extends Error {
  /** `line`: print `report()` on standard error. `file`: log `message` as a warning. Exit with 1 either way. */
  readonly kind: ConfigErrorKind;
  /** Absent for what is wrong with the whole, such as directives that exclude one another. */
  readonly position: LinePosition | undefined;

  constructor(kind: ConfigErrorKind, message: string, position?: LinePosition) {
    super(message);
    this.name = 'ConfigError';
    this.kind = kind;
    this.position = position;
  }

  /** What goes to standard error (one character per byte), with its line ends. */
  report(): string {
    const where =
      this.position === undefined
        ? ''
        : `Reading the configuration file, at line ${this.position.line}\n>>> '${this.position.text}'\n`;
    return `\n*** FATAL CONFIG FILE ERROR (${SERVER_NAME} ${SERVER_VERSION}) ***\n${where}${this.message}\n`;
  }
}
