// The store: typed values, hooks and roll-back of CONFIG SET, copies for other threads, Sabre's own directives, rewriting.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DIRECTIVES } from '../../src/config/directives.ts';
import { configGet } from '../../src/config/get.ts';
import { loadConfig } from '../../src/config/load.ts';
import { NotifyFlag } from '../../src/config/multi-values.ts';
import { configRewrite, rewriteText } from '../../src/config/rewrite.ts';
import { configSet, type SetContext, sensitiveArguments } from '../../src/config/set.ts';
import { type ConfigChange, ConfigStore } from '../../src/config/store.ts';
import { settingsWithoutEffect } from '../../src/config/without-effect.ts';
import { makeTemporaryFolder } from '../support/process-guard.ts';

let folder: string;
let store: ConfigStore;
let warnings: string[];
let context: SetContext;

beforeEach(() => {
  folder = makeTemporaryFolder('sabre-test-store-');
  store = new ConfigStore(null, folder);
  warnings = [];
  context = { loading: false, localClient: false, warn: (message) => warnings.push(message) };
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An apply hook that notes its name in a list. */
function noting(list: string[], name: string): () => null {
  return () => {
    list.push(name);
    return null;
  };
}

function load(text: string): ConfigStore {
  const configFile = join(folder, 'sabre.conf');
  writeFileSync(configFile, text, 'latin1');
  return loadConfig({ configFile, fromStdin: false, options: null, cwd: folder }).store;
}

describe('notify-keyspace-events', () => {
  test('its text says all of it, as other threads and files know it by that', () => {
    for (const [given, text] of [
      ['KEAn', 'AKEn'],
      ['nmAE', 'AEmn'],
      ['Kn$', '$nK'],
      ['g$lshzxetdnKEm', 'AKEmn'],
    ] as const) {
      const config = load(`notify-keyspace-events ${given}\n`);
      expect(config.getText('notify-keyspace-events')).toBe(text);
      const copy = ConfigStore.restore(config.serialize());
      expect(copy.getMulti('notify-keyspace-events')).toBe(config.getMulti('notify-keyspace-events'));
      expect(copy.getMulti('notify-keyspace-events') & NotifyFlag.New).toBe(NotifyFlag.New);
    }
  });
});

describe('typed values', () => {
  test('each getter gives its type', () => {
    const config = load(
      'appendonly yes\nhz 33\nmaxmemory 2gb\nmaxmemory-clients 5%\nmasterauth "\\xff\\xc3\\xa9"\nloglevel debug\n' +
        'save 60 5\nbind 127.0.0.1 -::1\nreplicaof somewhere 7000\nnotify-keyspace-events KA\n' +
        'client-output-buffer-limit replica 1gb 1mb 9\nclient-rate-limit 1000 2mb\nacceptors 3\nshard-workers 64\n' +
        'latency-tracking-info-percentiles 50 99.5\nshutdown-on-sigterm force nosave\nunixsocketperm 755\n',
    );
    expect(config.getBool('appendonly')).toBe(true);
    expect(config.getInt('hz')).toBe(33);
    expect(config.getMemory('maxmemory')).toBe(2 ** 31);
    expect(config.getMemory('maxmemory-clients')).toBe(-5);
    expect(config.getBytes('masterauth')).toEqual(Buffer.from([0xff, 0xc3, 0xa9]));
    expect(config.getString('masterauth')).toBe('\ufffd\u00e9');
    expect(config.getEnum('loglevel')).toBe('debug');
    expect(config.getMulti('save')).toEqual([{ seconds: 60, changes: 5 }]);
    expect(config.getMulti('bind')).toEqual(['127.0.0.1', '-::1']);
    expect(config.getMulti('replicaof')).toEqual({ host: 'somewhere', port: 7000 });
    expect(config.getMulti('notify-keyspace-events') & NotifyFlag.Keyspace).toBe(NotifyFlag.Keyspace);
    expect(config.getMulti('notify-keyspace-events') & NotifyFlag.KeyMiss).toBe(0);
    expect(config.getMulti('client-output-buffer-limit')).toEqual({
      normal: { hard: 0, soft: 0, seconds: 0 },
      replica: { hard: 2 ** 30, soft: 2 ** 20, seconds: 9 },
      pubsub: { hard: 32 * 2 ** 20, soft: 8 * 2 ** 20, seconds: 60 },
    });
    expect(config.getMulti('client-rate-limit')).toEqual({
      commandsPerSecond: 1000,
      bytesPerSecond: 2 ** 21,
    });
    expect([config.getInt('acceptors'), config.getInt('shard-workers')]).toEqual([3, 64]);
    expect(config.getMulti('latency-tracking-info-percentiles')).toEqual([50, 99.5]);
    expect(config.getEnum('shutdown-on-sigterm')).toBe('nosave force');
    expect(config.getInt('unixsocketperm')).toBe(0o755);
    expect(config.getText('unixsocketperm')).toBe('755');
  });

  test('a dir is followed through links and relative to the last, and must be a directory', async () => {
    mkdirSync(join(folder, 'one', 'two'), { recursive: true });
    expect(load('dir one\ndir two/../two\n').getString('dir')).toBe(join(folder, 'one', 'two'));
    const open = load('enable-protected-configs yes\n');
    expect(await configSet(open, ['dir', 'one'], context)).toBeNull();
    expect(open.getString('dir')).toBe(join(folder, 'one'));
    expect(await configSet(open, ['dir', '../sabre.conf'], context)).toContain('- Not a directory');
    expect(await configSet(open, ['dir', 'none'], context)).toContain('- No such file or directory');
  });
});

describe("Sabre's own directives", () => {
  test.each([
    ['acceptors 65', 'argument must be between 0 and 64 inclusive'],
    ['shard-workers -1', 'argument must be between 0 and 64 inclusive'],
    ['client-rate-limit 1', 'wrong number of arguments'],
    ['client-rate-limit -1 0', 'Invalid client-rate-limit parameters'],
    ['client-rate-limit 1 x', 'Invalid client-rate-limit parameters'],
  ])('%s', (line, reason) => {
    expect(() => load(line)).toThrow(reason);
  });

  test('are read and set', async () => {
    expect(configGet(store, ['acceptors', 'client-rate-limit', 'shard-workers'])).toEqual([
      ['acceptors', '0'],
      ['client-rate-limit', '0 0'],
      ['shard-workers', '0'],
    ]);
    expect(await configSet(store, ['client-rate-limit', '10 1kb'], context)).toBeNull();
    expect(store.getText('client-rate-limit')).toBe('10 1024');
    expect(await configSet(store, ['acceptors', '2'], context)).toContain("can't set immutable config");
  });
});

describe('CONFIG SET', () => {
  test('a hook may refuse a value before anything is applied', async () => {
    const applied: string[] = [];
    store.hook('hz', { apply: noting(applied, 'hz') });
    store.hook('maxmemory', { validate: (next) => ((next.value as number) > 100 ? 'too much' : null) });
    expect(await configSet(store, ['hz', '20', 'maxmemory', '101'], context)).toBe(
      "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - too much",
    );
    expect([store.getInt('hz'), store.getMemory('maxmemory'), applied]).toEqual([10, 0, []]);
    expect(await configSet(store, ['hz', '20', 'maxmemory', '99'], context)).toBeNull();
    expect([store.getInt('hz'), store.getMemory('maxmemory'), applied]).toEqual([20, 99, ['hz']]);
  });

  test('a failed apply puts all back and applies the old values', async () => {
    const applied: string[] = [];
    const listen = async (config: ConfigStore): Promise<string | null> => {
      await Promise.resolve();
      applied.push(`port ${config.getInt('port')} bind ${config.getText('bind')}`);
      return config.getInt('port') === 1 ? 'Unable to listen on this port. Check server logs.' : null;
    };
    store.hook('port', { apply: listen });
    store.hook('bind', { apply: listen });
    const commits: (readonly ConfigChange[])[] = [];
    store.onCommit((changes) => commits.push(changes));
    expect(await configSet(store, ['lfu-decay-time', '5', 'port', '1', 'bind', '::1'], context)).toBe(
      "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.",
    );
    expect(applied).toEqual(['port 1 bind ::1', 'port 6379 bind * -::*']);
    expect(warnings).toEqual([
      'Failed applying new configuration. Possibly related to new port setting. Restoring previous settings.',
    ]);
    expect([store.getInt('lfu-decay-time'), commits]).toEqual([1, []]);
    expect(await configSet(store, ['port', '2', 'bind', '::1'], context)).toBeNull();
    expect(applied).toHaveLength(3);
    expect(commits).toEqual([
      [
        { name: 'port', text: '2' },
        { name: 'bind', text: '::1' },
      ],
    ]);
  });

  test('applies what changed, and those that always do', async () => {
    const applied: string[] = [];
    for (const name of ['hz', 'bind', 'timeout'] as const) {
      store.hook(name, { apply: noting(applied, name) });
    }
    await configSet(store, ['hz', '10', 'bind', '* -::*', 'timeout', '0'], context);
    expect(applied).toEqual(['bind']);
  });

  test('a failure while restoring is told', async () => {
    store.hook('timeout', { apply: () => 'never' });
    expect(await configSet(store, ['timeout', '5'], context)).toContain('- never');
    expect(warnings[1]).toBe('Failed applying restored failed CONFIG SET command: never');
    expect(store.getInt('timeout')).toBe(0);
  });

  test('one at a time, also after one that threw', async () => {
    const order: string[] = [];
    store.hook('timeout', {
      apply: async (config) => {
        order.push(`in ${config.getInt('timeout')}`);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(`out ${config.getInt('timeout')}`);
        if (config.getInt('timeout') === 1) throw new Error('a bug');
        return null;
      },
    });
    const first = configSet(store, ['timeout', '1'], context);
    const second = configSet(store, ['timeout', '2'], context);
    await expect(first).rejects.toThrow('a bug');
    expect(await second).toBeNull();
    expect(order).toEqual(['in 1', 'out 1', 'in 2', 'out 2']);
  });

  test('while loading, and who may set protected ones', async () => {
    const loading = { ...context, loading: true };
    expect(await configSet(store, ['hz', '11', 'appendonly', 'yes'], loading)).toBe(
      'LOADING Redis is loading the dataset in memory',
    );
    expect(store.getInt('hz')).toBe(10);
    const local = load('enable-protected-configs local\n');
    expect(await configSet(local, ['dbfilename', 'a.rdb'], context)).toContain("can't set protected config");
    expect(await configSet(local, ['dbfilename', 'a.rdb'], { ...context, localClient: true })).toBeNull();
  });

  test('says which arguments to hide', () => {
    expect(sensitiveArguments(['hz', '1', 'REQUIREPASS', 'x', 'masterauth', 'y', 'no-such'])).toEqual([3, 5]);
  });
});

describe('copies for other threads', () => {
  test('hold the same, and follow changes', async () => {
    const original = load(
      'save ""\nreplicaof h 1\nmasterauth "\\xff"\nclient-output-buffer-limit normal 1 2 3\nmaxmemory-clients 3%\n',
    );
    const copy = ConfigStore.restore(structuredClone(original.serialize()));
    for (const { name } of DIRECTIVES) expect(copy.getSetting(name)).toEqual(original.getSetting(name));
    expect(copy.configFile).toBe(original.configFile);
    expect([copy.wasGiven('save'), copy.wasGiven('hz')]).toEqual([true, false]);
    const seen: number[] = [];
    copy.watch('hz', (config) => seen.push(config.getInt('hz')));
    original.onCommit((changes) => {
      for (const change of structuredClone(changes)) copy.applyChange(change);
    });
    expect(await configSet(original, ['hz', '99', 'save', '5 6'], context)).toBeNull();
    original.assign('replicaof', '');
    expect(seen).toEqual([99]);
    for (const { name } of DIRECTIVES) expect(copy.getSetting(name)).toEqual(original.getSetting(name));
    expect(copy.getMulti('replicaof')).toBeNull();
  });

  test('every default reads back to itself', () => {
    const copy = new ConfigStore(null, folder);
    for (const { name } of DIRECTIVES) {
      copy.applyChange({ name, text: store.getText(name) });
      expect(copy.getSetting(name)).toEqual(store.getSetting(name));
    }
  });
});

describe('CONFIG REWRITE', () => {
  test('without a file', () => {
    expect(configRewrite(store, { users: null })).toBe('ERR The server is running without a config file');
  });

  test('what it writes loads to the same configuration, and writing again changes nothing', async () => {
    const config = load(
      '# mine\nmaxmemory-clients 7%\nbind ""\ninclude extra*.conf\nrename-command FLUSHALL ""\nsave 1 2 3 4\n' +
        'lua-time-limit 77\nhash-max-ziplist-entries 9\nuser a on nopass\n',
    );
    await configSet(config, ['requirepass', ' \x00\xff"', 'client-rate-limit', '5 1mb', 'hz', '50'], context);
    expect(configRewrite(config, { users: null })).toBeNull();
    const written = readFileSync(config.configFile!, 'latin1');
    expect(written).toContain('\nbusy-reply-threshold 77\nhash-max-listpack-entries 9\nuser a on nopass\n');
    expect(written).toContain('\nclient-rate-limit 5 1048576\n');
    expect(written).not.toContain('ziplist');
    expect(written).toContain('include extra*.conf\nrename-command FLUSHALL ""\n');
    const again = loadConfig({
      configFile: config.configFile,
      fromStdin: false,
      options: null,
      cwd: folder,
    }).store;
    for (const { name } of DIRECTIVES) expect(again.getSetting(name)).toEqual(config.getSetting(name));
    expect(rewriteText(again, written, { users: null })).toBe(
      written.endsWith('\n') ? `${written}\n` : written,
    );
    expect(readdirSync(folder)).toEqual(['sabre.conf']);
    if (process.platform !== 'win32')
      expect(statSync(config.configFile!).mode & 0o777).toBe(0o644 & ~process.umask());
  });

  test('users: replaced, or removed where an aclfile has them', () => {
    const config = load('user old on\n# c\n');
    expect(rewriteText(config, 'user old on\n# c\n', { users: ['new on', 'other off'] })).toMatch(
      /^user new on\n# c\n\n# Generated by CONFIG REWRITE\n(.*\n)*user other off\n$/,
    );
    config.assign('aclfile', 'users.acl');
    expect(rewriteText(config, 'user old on\n# c\n', { users: ['new on'] })).not.toContain('user ');
  });

  test('a folder that cannot be written to: the error, and nothing left behind', () => {
    const config = load('hz 20\n');
    rmSync(config.configFile!);
    mkdirSync(config.configFile!);
    expect(configRewrite(config, { users: null })).toBe('ERR Rewriting config file: Is a directory');
    rmSync(config.configFile!, { recursive: true });
    expect(configRewrite(config, { users: null })).toBeNull();
    expect(existsSync(config.configFile!)).toBe(true);
    if (process.getuid?.() === 0) return; // Root may write anywhere.
    chmodSync(folder, 0o500);
    expect(configRewrite(config, { users: null })).toBe('ERR Rewriting config file: Permission denied');
    chmodSync(folder, 0o700);
    expect(readdirSync(folder)).toEqual(['sabre.conf']);
  });
});

test('settings without effect are told, but not those that are off or the default', () => {
  const config = load('syslog-enabled yes\nio-threads 1\ndisable-thp no\nsyslog-facility user\nhz 50\n');
  const lines = settingsWithoutEffect(config);
  expect(lines.some((line) => line.startsWith('WARNING: syslog-enabled has no effect: '))).toBe(true);
  for (const name of ['io-threads', 'disable-thp', 'hz ']) expect(lines.join('\n')).not.toContain(name);
});
