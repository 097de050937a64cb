// Bytes that are no requests, or hardly: every kind of malformed RESP and inline command, and what other protocols send.
//
// Each entry says whether the server must close the connection by itself. What it must answer is not written here: a
// real redis-server is asked. (Where a line of RESP holds a NUL, Redis does not see the line's end, and waits.) Files in test/corpus are entries too; one ending in `.closes` means that it must close.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT_FOLDER } from './sabre-server.ts';

export type CorpusEntry = { name: string; bytes: Buffer; closes: boolean };

const TOO_LONG_LINE = 65_536 + 16;

const entry = (name: string, text: string, closes: boolean): CorpusEntry => ({
  name,
  bytes: Buffer.from(text, 'latin1'),
  closes,
});
const closes = (name: string, text: string) => entry(name, text, true);
const stays = (name: string, text: string) => entry(name, text, false);

const PING = '*1\r\n$4\r\nPING\r\n';

const COUNTS: readonly CorpusEntry[] = [
  closes('a count that is no number', '*abc\r\n'),
  closes('a count with a space before', '* 1\r\n$4\r\nPING\r\n'),
  closes('a count with a space after', '*1 \r\n$4\r\nPING\r\n'),
  closes('a count with a plus', '*+1\r\n$4\r\nPING\r\n'),
  closes('a count with a zero before', '*01\r\n$4\r\nPING\r\n'),
  closes('a count with a point', '*1.0\r\n$4\r\nPING\r\n'),
  closes('a count in hexadecimal', '*0x1\r\n$4\r\nPING\r\n'),
  stays('a count with a NUL', '*1\0\r\n$4\r\nPING\r\n'),
  closes('no count', '*\r\n$4\r\nPING\r\n'),
  closes('a count of minus zero', `*-0\r\n${PING}`),
  closes('a count past int32', '*2147483648\r\n'),
  closes('a count past int64', '*9223372036854775808\r\n'),
  closes('a count of twenty digits', '*99999999999999999999\r\n'),
  closes('a count that never ends', `*${'1'.repeat(TOO_LONG_LINE)}`),
  closes('a bad count after good commands', `${PING}${PING}*x\r\n${PING}`),
  stays('a count of 0', `*0\r\n${PING}`),
  stays('a count of -1', `*-1\r\n${PING}`),
  stays('a count of -2', `*-2\r\n${PING}`),
  stays('the smallest count', `*-9223372036854775808\r\n${PING}`),
  stays('the largest count', '*2147483647\r\n'),
  stays('many empty arrays', `${'*0\r\n'.repeat(5000)}${PING}`),
  stays('a count without its line feed', '*1\r'),
  closes('a line feed alone after a count', '*1\n$4\r\nPING\r\n'),
  stays('another byte in place of the line feed after a count', '*1\rx$4\r\nPING\r\n'),
];

const LENGTHS: readonly CorpusEntry[] = [
  closes('a length that is no number', '*1\r\n$abc\r\n'),
  closes('no length', '*1\r\n$\r\nPING\r\n'),
  closes('a length with a space', '*1\r\n$ 4\r\nPING\r\n'),
  closes('a length with a plus', '*1\r\n$+4\r\nPING\r\n'),
  closes('a length with a zero before', '*1\r\n$04\r\nPING\r\n'),
  stays('a length with a NUL', '*1\r\n$4\0\r\nPING\r\n'),
  closes('a length of -1', '*1\r\n$-1\r\nPING\r\n'),
  closes('a length of -1 as second argument', '*2\r\n$3\r\nGET\r\n$-1\r\n'),
  closes('a length past the limit', '*1\r\n$536870913\r\n'),
  closes('a length past int32', '*2\r\n$3\r\nGET\r\n$2147483648\r\n'),
  closes('a length past int64', '*2\r\n$3\r\nGET\r\n$9223372036854775808\r\n'),
  closes('a length that never ends', `*1\r\n$${'1'.repeat(TOO_LONG_LINE)}`),
  stays('a length at the limit', '*2\r\n$3\r\nGET\r\n$536870912\r\nabc'),
  stays('a length of 0 for the name', `*1\r\n$0\r\n\r\n${PING}`),
  stays('a length of 0 for an argument', '*2\r\n$4\r\nECHO\r\n$0\r\n\r\n'),
  stays('other bytes in place of CRLF after a bulk', `*1\r\n$4\r\nPINGxy${PING}`),
  stays('other bytes in place of CRLF between bulks', `*2\r\n$4\r\nECHOxy$3\r\nabcxy${PING}`),
  stays('another byte in place of the line feed after a length', `*1\r\n$4\rxPING\r\n${PING}`),
  closes('a bulk longer than it says', `*1\r\n$4\r\nPINGPING\r\n${PING}*x\r\n`),
  closes('a bulk shorter than it says', `*2\r\n$4\r\nECHO\r\n$9\r\nabc\r\n${PING}*x\r\n`),
  closes('a second bulk with a wrong length', '*2\r\n$4\r\nECHO\r\n$x\r\nabc\r\n'),
];

const TYPES: readonly CorpusEntry[] = [
  '+PING',
  '-PING',
  ':4',
  '*1',
  '_',
  '#t',
  ',1',
  '%1',
  '~1',
  '>1',
  '=4',
  '(1',
  '!3',
]
  .map((item) => closes(`an argument of type ${item[0]}`, `*1\r\n${item}\r\n`))
  .concat([
    closes('an argument without a type', '*1\r\nPING\r\n'),
    stays('an argument of type NUL', '*1\r\n\0\r\n'),
    closes('an argument of a type past ASCII', '*1\r\n\xff\r\n'),
    closes('an empty line in place of an argument', '*1\r\n\r\n$4\r\nPING\r\n'),
    closes('an array in an array', '*2\r\n$4\r\nECHO\r\n*1\r\n$1\r\na\r\n'),
  ]);

const INLINE: readonly CorpusEntry[] = [
  stays('an inline command', 'PING\r\n'),
  stays('an inline command with a line feed alone', 'PING\nECHO abc\n'),
  stays('an inline command in odd case with spaces', '   pInG   \r\n\tECHO\ta \r\n'),
  stays('empty lines', `\r\n\n\r\n   \r\n${PING}`),
  stays('a carriage return inside a line', 'ECHO a\rb\r\nPING\r\n'),
  stays('two carriage returns', 'ECHO a\r\r\nPING\r\n'),
  stays('quotes', `ECHO "a b\\x41\\n\\"c"\r\nECHO 'a b\\'c\\n'\r\nECHO ""\r\nECHO ''\r\n`),
  stays('an escape that is none', 'ECHO "a\\xZZ\\q\\a\\b\\t"\r\n'),
  stays('quotes inside a word', 'ECHO a"b"\r\nECHO a"b c"\r\nPING\r\n'),
  stays('a line without end', 'PING'),
  stays('an inline command between arrays', `${PING}PING\r\n${PING}`),
  stays('an unknown inline command', 'NOSUCH "a b" c\r\nPING\r\n'),
  stays('a bulk as inline command', '$4\r\nPING\r\n'),
  stays('a reply as inline command', '+OK\r\n-ERR x\r\n:1\r\n'),
  stays('bytes past ASCII', '\xff\xfe\x80\r\nPING\r\n'),
  stays('a NUL in a line', 'PI\0NG\r\nPING\r\n'),
  stays('a line of NULs', '\0\0\0\0\r\nPING\r\n'),
  closes('a quote that never closes', 'ECHO "abc\r\nPING\r\n'),
  closes('a single quote that never closes', `ECHO 'abc\r\nPING\r\n`),
  closes('a letter after a closing quote', 'ECHO "abc"d\r\nPING\r\n'),
  closes('a letter after a closing single quote', `ECHO 'abc'd\r\nPING\r\n`),
  closes('a backslash at the end of quotes', 'ECHO "abc\\"\r\n'),
  closes('a line that never ends', 'x'.repeat(TOO_LONG_LINE)),
  closes('a line of spaces that never ends', ' '.repeat(TOO_LONG_LINE)),
  closes('a line that never ends, after a good command', `PING\r\n${'x'.repeat(TOO_LONG_LINE)}`),
  stays('a long line', `ECHO ${'x'.repeat(60_000)}\r\n`),
];

const COMMANDS: readonly CorpusEntry[] = [
  stays('an unknown command', '*3\r\n$6\r\nNOSUCH\r\n$1\r\na\r\n$2\r\nb\n\r\n'),
  stays('an unknown command with a long name', `*1\r\n$300\r\n${'n'.repeat(300)}\r\n`),
  stays(
    'an unknown command with long arguments',
    `*3\r\n$1\r\nx\r\n$200\r\n${'a'.repeat(200)}\r\n$1\r\nb\r\n`,
  ),
  stays('an unknown command with many arguments', `*101\r\n${'$1\r\nx\r\n'.repeat(101)}`),
  stays('a command name with line ends', '*1\r\n$8\r\nPI\r\nNG\r\n\r\n'),
  stays('a command name with a NUL', '*1\r\n$5\r\nPING\0\r\n'),
  stays('a command name past ASCII', '*2\r\n$4\r\n\xff\x00\r\n\r\n$2\r\n\xc3\xa9\r\n'),
  stays('a command name with a space', '*1\r\n$5\r\nPING \r\n'),
  stays('an unknown subcommand', '*2\r\n$6\r\nCLIENT\r\n$6\r\nNOSUCH\r\n'),
  stays('a container without subcommand', '*1\r\n$6\r\nCONFIG\r\n'),
  stays('a container and subcommand in one word', '*1\r\n$10\r\nCONFIG|GET\r\n'),
  stays('too few arguments', '*1\r\n$3\r\nSET\r\n'),
  stays('too many arguments', '*3\r\n$3\r\nGET\r\n$1\r\na\r\n$1\r\nb\r\n'),
  stays(
    'HELLO with a version that is none',
    '*2\r\n$5\r\nHELLO\r\n$1\r\n4\r\n*2\r\n$5\r\nHELLO\r\n$1\r\nx\r\n',
  ),
  closes('QUIT, and more after it', `*1\r\n$4\r\nQUIT\r\n${PING}`),
];

const OTHER_PROTOCOLS: readonly CorpusEntry[] = [
  closes('an HTTP GET with a Host line', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  closes('an HTTP POST', 'POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nPING'),
  closes('a Host line', `host: x\r\n${PING}`),
  stays('a line that begins as POST does', 'POSTER\r\nPING\r\n'),
  stays('memcached', 'set k 0 0 1\r\na\r\nget k\r\n'),
  stays('a TLS greeting', '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\x0d\x0a'),
  stays('SSH', 'SSH-2.0-OpenSSH_9.9\r\n'),
  closes('a line of JSON', '{"cmd": "PING"}\r\n'),
];

/** All entries. */
export function protocolCorpus(): CorpusEntry[] {
  return [...COUNTS, ...LENGTHS, ...TYPES, ...INLINE, ...COMMANDS, ...OTHER_PROTOCOLS, ...filesOfCorpus()];
}

/** What a client that has not given the password yet may not send. */
export const UNAUTHENTICATED: readonly CorpusEntry[] = [
  stays('a command without password', `${PING}*2\r\n$3\r\nGET\r\n$1\r\na\r\n`),
  stays('ten arguments without password', `*10\r\n${'$1\r\nx\r\n'.repeat(10)}`),
  closes('eleven arguments without password', `*11\r\n${'$1\r\nx\r\n'.repeat(11)}`),
  stays(
    'an argument of 16384 bytes without password',
    `*2\r\n$4\r\nECHO\r\n$16384\r\n${'x'.repeat(16_384)}\r\n`,
  ),
  closes(
    'an argument of 16385 bytes without password',
    `*2\r\n$4\r\nECHO\r\n$16385\r\n${'x'.repeat(16_385)}\r\n`,
  ),
  stays('a wrong password', '*2\r\n$4\r\nAUTH\r\n$5\r\nwrong\r\n*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n'),
  stays('an unknown command without password', '*1\r\n$6\r\nNOSUCH\r\n*1\r\n$3\r\nGET\r\n'),
];

function filesOfCorpus(): CorpusEntry[] {
  const folder = join(PROJECT_FOLDER, 'test', 'corpus');
  return readdirSync(folder)
    .filter((name) => !name.endsWith('.md'))
    .sort()
    .map((name) => ({
      name: `file ${name}`,
      bytes: readFileSync(join(folder, name)),
      closes: name.endsWith('.closes'),
    }));
}

/** A pipeline of every form of valid request, with replies of every form. */
export const VALID_PIPELINE = Buffer.concat(
  [
    PING,
    '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nja\r\no\r\n', // No letter that damage could make HGET of.
    'GET a\r\n',
    '*2\r\n$3\r\nGET\r\n$0\r\n\r\n',
    '*0\r\n',
    '\r\n',
    '*5\r\n$4\r\nMSET\r\n$1\r\nb\r\n$2\r\n10\r\n$3\r\n\x00\xff\n\r\n$1\r\n\r\r\n',
    '*4\r\n$4\r\nMGET\r\n$1\r\nb\r\n$3\r\n\x00\xff\n\r\n$1\r\nz\r\n',
    'echo "quoted \\x0d\\x0a"\n',
    '*2\r\n$4\r\nINCR\r\n$1\r\na\r\n',
    '*2\r\n$4\r\niNcR\r\n$1\r\nb\r\n',
    '*1\r\n$6\r\nNOSUCH\r\n',
    '*2\r\n$6\r\nEXISTS\r\n$1\r\nb\r\n',
  ].map((text) => Buffer.from(text, 'latin1')),
);
