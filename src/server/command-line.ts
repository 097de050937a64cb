/**
 * The arguments of the process, read by redis-server's rules.
 *
 *     sabre-server [configuration file] [--directive value ...] [-]
 *
 * The first argument is a file unless it begins with '-'. A '-' that is first or last asks for standard input. Each
 * `--name` begins a line of configuration; what follows are its words, and the next argument is a word even if it
 * begins with '--', unless the name came with its value ("--port 6380"). All lines are read after the file and standard
 * input, so the last word is the arguments'.
 *
 * Beside Redis's own `--version` and `--help`, `--check-config` (first, or where a directive's name may stand) reads the
 * configuration and says whether the server would start with it.
 */

import { resolve } from 'node:path';
import { ConfigError, ConfigErrorKind } from '../config/config-error.ts';
import type { ConfigSource } from '../config/load.ts';
import { loadConfig } from '../config/load.ts';
import { fromUtf8, quote, splitArguments } from '../config/tokenize.ts';
import { versionLine } from '../config/version.ts';

export type CommandLine =
  /** Read the configuration and serve. */
  | { readonly kind: 'serve'; readonly source: ConfigSource }
  /** Read the configuration, say whether it is good (`checkConfig`), and exit. */
  | { readonly kind: 'check-config'; readonly source: ConfigSource }
  /** Print `text` on standard output and exit with 0. */
  | { readonly kind: 'version'; readonly text: string }
  /** Print `text` on standard error and exit with 1, as redis-server does for both. */
  | { readonly kind: 'help' | 'refused'; readonly text: string };

const USAGE = `Usage: ./sabre-server [/path/to/redis.conf] [options] [-]
       ./sabre-server - (read config from stdin)
       ./sabre-server -v or --version
       ./sabre-server -h or --help
       ./sabre-server --check-config [/path/to/redis.conf] [options] [-]

Examples:
       ./sabre-server (run the server with default conf)
       echo 'maxmemory 128mb' | ./sabre-server -
       ./sabre-server /etc/redis/6379.conf
       ./sabre-server --port 7777
       ./sabre-server --port 7777 --replicaof 127.0.0.1 8888
       ./sabre-server /etc/myredis.conf --loglevel verbose -
       ./sabre-server /etc/myredis.conf --loglevel verbose
       ./sabre-server --acceptors 2 --shard-workers 2

From a checkout: npm start -- [arguments]
`;

const CHECK_CONFIG = '--check-config';

/**
 * Reads the arguments.
 * @param argv those behind the script's name: process.argv.slice(2)
 * @param cwd what a relative path of the configuration file starts from
 */
export function parseCommandLine(argv: readonly string[], cwd = process.cwd()): CommandLine {
  const [first] = argv;
  if (first === '-v' || first === '--version') return { kind: 'version', text: `${versionLine()}\n` };
  if (first === '-h' || first === '--help') return { kind: 'help', text: USAGE };
  const refused = refuseMode(argv);
  if (refused !== null) return { kind: 'refused', text: refused };
  const check = first === CHECK_CONFIG;
  const { words, checkSeen, configFile, fromStdin } = readArguments(check ? argv.slice(1) : argv, cwd);
  const source: ConfigSource = { configFile, fromStdin, options: argv.length === 0 ? null : words, cwd };
  return { kind: check || checkSeen ? 'check-config' : 'serve', source };
}

/** Modes of redis-server that Sabre does not have. */
function refuseMode(argv: readonly string[]): string | null {
  if (argv[0] === '--test-memory') {
    return 'Sabre has no memory test: use memtest86 or memtester on the host.\n';
  }
  if (argv[0] === '--check-system') {
    return 'Sabre has no system check: it does not fork, so overcommit and huge pages need no settings.\n';
  }
  if (argv.includes('--sentinel')) return 'Sabre has no Sentinel mode.\n';
  return null;
}

interface ReadArguments {
  configFile: string | null;
  fromStdin: boolean;
  checkSeen: boolean;
  /** Lines of configuration. */
  words: string;
}

/** A state machine over the arguments, as in redis-server's main(). */
function readArguments(argv: readonly string[], cwd: string): ReadArguments {
  const read: ReadArguments = { configFile: null, fromStdin: false, checkSeen: false, words: '' };
  let at = 0;
  if (argv.length > 0 && !argv[0]!.startsWith('-')) {
    read.configFile = resolve(cwd, argv[0]!);
    at = 1;
  }
  let nameMayFollow = true;
  for (; at < argv.length; at++) {
    const argument = fromUtf8(argv[at]!);
    const last = at === argv.length - 1;
    if (argument === '-' && (at === 0 || last)) {
      read.fromStdin = true;
    } else if (nameMayFollow && argument === CHECK_CONFIG) {
      read.checkSeen = true;
    } else if (nameMayFollow && argument.startsWith('--')) {
      if (read.words !== '') read.words += '\n';
      read.words += `${argument.slice(2)} `;
      nameMayFollow = splitArguments(argument)?.length !== 1;
      // An empty list from a script: `--save --port 1`, or `--save` at the end, is save "".
      const saveAlone = argument.toLowerCase() === '--save' && (last || argv[at + 1]!.startsWith('--'));
      if (saveAlone) {
        read.words += '""';
        nameMayFollow = true;
      }
    } else {
      read.words += `${quote(argument)} `;
      nameMayFollow = true;
    }
  }
  return read;
}

/** What `--check-config` prints, where, and with which code it ends. */
export interface CheckReport {
  readonly good: boolean;
  /** One character per byte. Of a good configuration for standard output, else for standard error. */
  readonly text: string;
  readonly exitCode: 0 | 1;
}

/** Reads a configuration as the start would, without the checks that need the server (users' rules, commands). */
export function checkConfig(source: ConfigSource): CheckReport {
  try {
    loadConfig(source);
    return { good: true, text: 'Configuration OK\n', exitCode: 0 };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const text = error.kind === ConfigErrorKind.Line ? error.report() : `${fromUtf8(error.message)}\n`;
    return { good: false, text, exitCode: 1 };
  }
}
