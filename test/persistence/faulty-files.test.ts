// Faults on demand: the language of the rules, and a file of rules that changes under a running server.

import { rmSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  FaultyFiles,
  faultRule,
  filesOfEnvironment,
  parseFaults,
} from '../../src/persistence/faulty-files.ts';
import { OpenMode, pathIn, systemFiles, writeAll } from '../../src/persistence/files.ts';
import { Folder } from './aof-workbench.ts';

it('reads rules', () => {
  const text = '# nothing\n\nwrite ENOSPC .incr.aof # full\n* EROFS\nwrite short:3\nfdatasync delay:2500 a\n';
  expect(parseFaults(text)).toEqual([
    faultRule({ call: 'write', error: 'ENOSPC', part: '.incr.aof' }),
    faultRule({ call: '*', error: 'EROFS' }),
    faultRule({ call: 'write', short: 3 }),
    faultRule({ call: 'fdatasync', delay: 2500, part: 'a' }),
  ]);
});

it.each(['write', 'write NOSUCH', 'wrote EIO', 'write EIO a b', 'write short:x'])('refuses %j', (line) => {
  expect(() => parseFaults(line)).toThrow(`not a fault: '${line}'`);
});

it('follows the file that the environment names', () => {
  using folder = new Folder();
  const rules = folder.join('faults');
  const files = filesOfEnvironment({ SABRE_FAULTS: rules });
  const fd = files.open(folder.join('a.aof'), OpenMode.WriteEmpty);
  const bytes = Buffer.from('0123456789');
  expect(files.write(fd, bytes, 0, 10, 0)).toBe(10);
  writeFileSync(rules, 'write ENOSPC a.aof\n');
  expect(() => files.write(fd, bytes, 0, 10, 0)).toThrow(
    expect.objectContaining({ code: 'ENOSPC', syscall: 'write', errno: -28 }),
  );
  writeFileSync(rules, 'write short:4\nfdatasync EIO\n');
  expect(files.write(fd, bytes, 0, 10, 0)).toBe(4);
  expect(() => files.fdatasync(fd)).toThrow('EIO');
  rmSync(rules);
  files.fdatasync(fd);
  files.close(fd);
  expect(filesOfEnvironment({})).toBe(systemFiles);
});

it('fails syncs and removals in the background too', async () => {
  using folder = new Folder();
  const files = new FaultyFiles(systemFiles);
  const path = folder.join('a');
  const fd = files.open(path, OpenMode.Write);
  const sync = (): Promise<Error | null> => new Promise((resolve) => files.fdatasyncLater(fd, resolve));
  files.setRules([faultRule({ call: 'fdatasync', error: 'EIO', skip: 1, times: 1 })]);
  expect(await sync()).toBeNull();
  expect(await sync()).toMatchObject({ code: 'EIO' });
  expect(await sync()).toBeNull();
  files.close(fd);
  const unlink = (): Promise<Error | null> => new Promise((resolve) => files.unlinkLater(path, resolve));
  files.setRules([faultRule({ call: 'unlink', error: 'EROFS', times: 1 })]);
  expect(await unlink()).toMatchObject({ code: 'EROFS' });
  expect(await unlink()).toBeNull();
  expect(await unlink()).toMatchObject({ code: 'ENOENT' });
});

it('fails the n-th call, of a kind and a path', () => {
  using folder = new Folder();
  const files = new FaultyFiles(systemFiles);
  files.setRules([faultRule({ call: 'stat', error: 'EACCES', part: 'wanted', skip: 1, times: 1 })]);
  const stat = (name: string): unknown => files.stat(folder.join(name));
  // A name that the folder's own, a random one, does not have in it.
  expect(stat('wanted')).toBeNull();
  expect(stat('other')).toBeNull();
  expect(() => stat('wanted')).toThrow('EACCES');
  expect(stat('wanted')).toBeNull();
  expect(files.calls).toBe(4);
});

it('has names that are not UTF-8', () => {
  using folder = new Folder();
  const path = pathIn(folder.path, 'caf\xe9');
  expect(path).toBeInstanceOf(Buffer);
  expect(pathIn('', 'caf\xc3\xa9')).toBe('café');
  const fd = systemFiles.open(path, OpenMode.Write);
  writeAll(systemFiles, fd, Buffer.from('12345'), 0);
  systemFiles.close(fd);
  systemFiles.truncate(path, 3);
  systemFiles.rename(path, pathIn(folder.path, 'x\xff'));
  expect(systemFiles.stat(pathIn(folder.path, 'x\xff'))).toEqual({ kind: 0, size: 3 });
  expect(systemFiles.readdir(folder.path)).toEqual(['x\xff']);
  systemFiles.unlink(pathIn(folder.path, 'x\xff'));
});
