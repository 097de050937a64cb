/*
 * The command line of `npm run bench`.
 */

import { parseArgs } from 'node:util';

export interface Options {
  quick: boolean;
  rounds: number;
  only: string[];
  servers: string[];
  /** False: `servers` is the default, from which Redis is dropped where it isn't installed. */
  serversGiven: boolean;
  sabreArgs: string;
  requests: number | undefined;
  threads: number | undefined;
  benchmarkThreads: number;
  json: string | undefined;
  svg: string | undefined;
  markdown: string | undefined;
  strict: boolean;
  list: boolean;
  help: boolean;
}

export const HELP = `Usage: npm run bench -- [options]

Runs the same work against Sabre and redis-server in turn, several rounds A B A B, and prints medians and ratios.

  --quick              about a minute: smaller sizes, 2 rounds
  --rounds N           rounds of each scenario (5; with --quick 2)
  --only NAME,...      only these scenarios or groups (see --list); also runs those that are not run by default
  --servers A,B        what to compare: sabre, redis, or name=command with {port} and {dir} in it (sabre,redis).
                       The first is compared with the second; one alone is measured without ratios
  --sabre-args "..."   more arguments for Sabre, in all scenarios
  --requests N         requests of each redis-benchmark run, instead of each scenario's own number
  --threads N          threads of our own load generator (half of the cores)
  --benchmark-threads N  threads of redis-benchmark (1)
  --json FILE          write all samples and the machine as JSON
  --svg FILE           draw the ratios as an SVG chart
  --markdown FILE      write the table as Markdown; in a file that exists, between its lines
                       <!-- bench:begin --> and <!-- bench:end -->
  --strict             exit with 2 when a target is missed
  --list               list scenarios and their targets
  --help               this text
`;

export const ROUNDS_FULL = 5;
export const ROUNDS_QUICK = 2;

/** A whole number of at least 1 out of an option, or its default. */
function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,9}$/.test(text))
    throw new Error(`--${name} must be a whole number above 0, not ${JSON.stringify(text)}`);
  return Number(text);
}

function commaList(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/**
 * Reads the command line.
 * @param args without the program's name
 * @throws Error with a text for the user
 */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: false,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string' },
      servers: { type: 'string' },
      'sabre-args': { type: 'string', default: '' },
      requests: { type: 'string' },
      threads: { type: 'string' },
      'benchmark-threads': { type: 'string' },
      json: { type: 'string' },
      svg: { type: 'string' },
      markdown: { type: 'string' },
      strict: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const servers = commaList(values.servers ?? 'sabre,redis');
  if (servers.length < 1 || servers.length > 2) throw new Error('--servers takes one or two servers');
  return {
    quick: values.quick,
    rounds: positive('rounds', values.rounds) ?? (values.quick ? ROUNDS_QUICK : ROUNDS_FULL),
    only: commaList(values.only),
    servers,
    serversGiven: values.servers !== undefined,
    sabreArgs: values['sabre-args'],
    requests: positive('requests', values.requests),
    threads: positive('threads', values.threads),
    benchmarkThreads: positive('benchmark-threads', values['benchmark-threads']) ?? 1,
    json: values.json,
    svg: values.svg,
    markdown: values.markdown,
    strict: values.strict,
    list: values.list,
    help: values.help,
  };
}
