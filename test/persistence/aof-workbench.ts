// What tests of the append only log share: a folder, a log that is kept, a clock that is set, commands in RESP, and a
// loader that reads a whole directory as a server would.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AofSettings, AppendOnlyLog } from '../../src/persistence/aof.ts';
import { AofFiles, AofFound } from '../../src/persistence/aof-files.ts';
import { AofRead, AofReader, beginsAsRdb } from '../../src/persistence/aof-reader.ts';
import { type FilePath, type Files, systemFiles } from '../../src/persistence/files.ts';

export class KeptLog {
  readonly lines: string[] = [];
  debug(message: string): void {
    this.lines.push(`. ${message}`);
  }
  verbose(message: string): void {
    this.lines.push(`- ${message}`);
  }
  notice(message: string): void {
    this.lines.push(`* ${message}`);
  }
  warning(message: string): void {
    this.lines.push(`# ${message}`);
  }
  /** Lines of level notice and above. */
  get told(): string[] {
    return this.lines.filter((line) => line[0] === '*' || line[0] === '#');
  }
}

/** A folder that is removed when the test's function ends. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'sabre-aof-'));
  join(...names: string[]): string {
    return join(this.path, ...names);
  }
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function command(...words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word, 'latin1')}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`, 'latin1');
}

export const SETTINGS: AofSettings = {
  fsync: 'everysec',
  timestamps: false,
  noFsyncOnRewrite: false,
  rewritePercentage: 100,
  rewriteMinSize: 64 * 1024 * 1024,
  disableAutoGc: false,
};

export const FILE_NAME = 'appendonly.aof';
export const DIR_NAME = 'appendonlydir';

export class Bench {
  readonly log = new KeptLog();
  readonly events: string[] = [];
  time = 1_700_000_000_000;
  readonly files: Files;
  readonly directory: string;

  constructor(directory: string, files: Files = systemFiles) {
    this.directory = directory;
    this.files = files;
  }

  get options() {
    return {
      files: this.files,
      log: this.log,
      latency: (event: string) => void this.events.push(event),
      now: () => this.time,
      directory: this.directory,
      dirName: DIR_NAME,
      fileName: FILE_NAME,
    };
  }

  appendOnly(settings: Partial<AofSettings> = {}): AppendOnlyLog {
    const log = new AppendOnlyLog(this.options);
    log.configure({ ...SETTINGS, ...settings });
    return log;
  }

  reader(path: FilePath, name = FILE_NAME, offset = 0): AofReader {
    return new AofReader(this.files, this.log, path, name, offset);
  }
}

/** Words of all commands that a reader gives, and how it ends. */
export function readCommands(reader: AofReader): { commands: string[][]; end: AofRead } {
  const commands: string[][] = [];
  for (;;) {
    const end = reader.next();
    if (end !== AofRead.Batch) return { commands, end };
    for (let i = 0; i < reader.count; i++) commands.push(wordsOf(reader, i));
  }
}

function wordsOf(reader: AofReader, index: number): string[] {
  const words: string[] = [];
  const first = reader.argFirst[index]!;
  for (let arg = first; arg < first + reader.argCount[index]!; arg++) {
    const off = reader.argOff[arg]!;
    words.push(reader.bytes.toString('latin1', off, off + reader.argLen[arg]!));
  }
  const whole = command(...words);
  const [start, end] = [reader.starts[index]!, reader.ends[index]!];
  // Lines that end in LF alone are shorter.
  if (end - start > whole.length) throw new Error('a command is longer than its words');
  return words;
}

/** All commands of a directory, or null if it does not load. Cuts back a truncated tail, as a start does. */
export function loadAll(directory: string): { commands: string[][] | null; log: KeptLog } {
  const bench = new Bench(directory);
  const files = new AofFiles(bench.options);
  const refused = { commands: null, log: bench.log };
  if (!files.load()) return refused;
  const plan = files.plan();
  if (plan.found === AofFound.Failed) return refused;
  const commands: string[][] = [];
  for (const file of plan.files) {
    // What is in an RDB file is not the log's business.
    if (file.size > 0 && beginsAsRdb(bench.files, file.path)) continue;
    const reader = bench.reader(file.path, file.name);
    if (!reader.open()) return refused;
    const read = readCommands(reader);
    commands.push(...read.commands);
    const settled =
      read.end === AofRead.End || (read.end === AofRead.Truncated && reader.settleTail(file.isLast, true));
    reader.close();
    if (!settled) return refused;
  }
  return { commands, log: bench.log };
}
