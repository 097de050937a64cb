// TLS: certificates, protocols, ciphers, certificates of clients, other ones while the server runs; with redis-cli and ioredis.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectPlain, createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.ts';
import { redisExecutable } from '../support/redis-server.ts';
import { runSabreToExit, startSabre } from '../support/sabre-server.ts';
import { runToExit, type ServerProcess } from '../support/server-process.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
const read = (name: string): Buffer => readFileSync(at(name));

function openssl(...args: string[]): void {
  const { status, stderr, error } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`openssl (which these tests need) ${args.join(' ')}: ${error?.message ?? stderr}`);
}

const EC = ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];

/** A key and a certificate of `ca`; without one it signs itself. */
function certificate(name: string, ca: string | null, kind = EC): void {
  const key = ['-newkey', ...kind, '-nodes', '-keyout', `${name}.key`];
  const about = [
    '-subj',
    `/CN=${name}`,
    '-addext',
    'subjectAltName=IP:127.0.0.1,DNS:localhost',
    '-days',
    '2',
  ];
  const signer = ca === null ? [] : ['-CA', `${ca}.crt`, '-CAkey', `${ca}.key`];
  openssl('req', '-x509', ...key, ...about, ...signer, '-out', `${name}.crt`);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sabre-tls-'));
  certificate('ca', null);
  certificate('server', 'ca');
  certificate('renewed', 'ca');
  certificate('client', 'ca');
  certificate('other-ca', null);
  certificate('stranger', 'other-ca');
  openssl('ec', '-in', 'server.key', '-aes256', '-passout', 'pass:pass phrase', '-out', 'locked.key');
  mkdirSync(at('authorities'));
  writeFileSync(join(at('authorities'), 'some-name'), read('ca.crt'));
  writeFileSync(join(at('authorities'), 'README'), 'no certificate');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The name in the server's certificate, or what went wrong; the certificate is checked against the authority. */
function handshake(
  port: number,
  options: ConnectionOptions = {},
): Promise<{ name: string; socket: TLSSocket }> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: read('ca.crt'), ...options });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.once('data', (reply: Buffer) => {
      expect(reply.toString()).toMatch(/^[+-]/);
      resolve({ name: String(socket.getPeerCertificate().subject?.CN), socket });
    });
    socket.write('PING\r\n');
  });
}

const asClient = () => ({ cert: read('client.crt'), key: read('client.key') });
const asStranger = () => ({ cert: read('stranger.crt'), key: read('stranger.key') });

describe('TLS', () => {
  let server: ServerProcess;
  let admin: RawClient;
  let port: number;
  beforeAll(async () => {
    port = await freePort();
    const files = [
      '--tls-cert-file',
      at('server.crt'),
      '--tls-key-file',
      at('server.key'),
      '--tls-ca-cert-file',
      at('ca.crt'),
    ];
    server = await startSabre({ args: ['--acceptors', '2', '--tls-port', String(port), ...files] });
    admin = await server.connect();
  });
  afterAll(async () => {
    await admin.close();
    await server.stop();
  });

  it('is spoken with redis-cli', () => {
    const words = [
      '-p',
      String(port),
      '--tls',
      '--cacert',
      at('ca.crt'),
      '--cert',
      at('client.crt'),
      '--key',
      at('client.key'),
    ];
    const cli = (...args: string[]) =>
      spawnSync('redis-cli', [...words, ...args], { encoding: 'utf8', input: 'PING\nSET a 1\nGET a\n' });
    expect(cli().stdout).toBe('PONG\nOK\n1\n');
    expect(cli('CLIENT', 'INFO').stdout).toMatch(/^id=\d+ addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:/);
  });

  it('is spoken with ioredis, by many at once, with large values', async () => {
    const tls = { ca: read('ca.crt'), ...asClient() };
    const clients = Array.from({ length: 8 }, () => new Redis({ port, host: '127.0.0.1', tls }));
    const value = Buffer.alloc(5_000_000, 'x');
    await Promise.all(
      clients.map(async (client, i) => {
        const pipeline = client.pipeline();
        for (let n = 0; n < 500; n++) pipeline.set(`key:${i}:${n}`, n).get(`key:${i}:${n}`);
        const replies = (await pipeline.exec())!;
        expect(replies.filter(([, reply]) => reply === 'OK')).toHaveLength(500);
        await client.set(`large:${i}`, value);
        expect((await client.getBuffer(`large:${i}`))?.equals(value)).toBe(true);
        await client.quit();
      }),
    );
    await admin.call('FLUSHALL');
  });

  it('takes certificates of clients as tls-auth-clients says', async () => {
    await expect(handshake(port)).rejects.toThrow();
    await expect(handshake(port, asStranger())).rejects.toThrow();
    (await handshake(port, asClient())).socket.destroy();
    await admin.call('CONFIG', 'SET', 'tls-auth-clients', 'optional');
    (await handshake(port)).socket.destroy();
    (await handshake(port, asClient())).socket.destroy();
    await expect(handshake(port, asStranger())).rejects.toThrow();
    await admin.call('CONFIG', 'SET', 'tls-auth-clients', 'no');
    (await handshake(port, asStranger())).socket.destroy();
    await admin.call(
      'CONFIG',
      'SET',
      'tls-ca-cert-file',
      '',
      'tls-ca-cert-dir',
      at('authorities'),
      'tls-auth-clients',
      'yes',
    );
    await expect(handshake(port, asStranger())).rejects.toThrow();
    (await handshake(port, asClient())).socket.destroy();
    await admin.call('CONFIG', 'SET', 'tls-ca-cert-dir', '', 'tls-auth-clients', 'no');
  });

  it('has the protocols and ciphers that are wanted', async () => {
    await admin.call('CONFIG', 'SET', 'tls-protocols', 'TLSv1.3');
    await expect(handshake(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
    const { socket } = await handshake(port);
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
    await admin.call(
      'CONFIG',
      'SET',
      'tls-protocols',
      'tlsv1.2',
      'tls-ciphers',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
    );
    const older = await handshake(port);
    expect([older.socket.getProtocol(), older.socket.getCipher().name]).toEqual([
      'TLSv1.2',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
    ]);
    older.socket.destroy();
    await admin.call(
      'CONFIG',
      'SET',
      'tls-protocols',
      '',
      'tls-ciphers',
      '',
      'tls-ciphersuites',
      'TLS_CHACHA20_POLY1305_SHA256',
    );
    const newer = await handshake(port);
    expect(newer.socket.getCipher().name).toBe('TLS_CHACHA20_POLY1305_SHA256');
    newer.socket.destroy();
    (await handshake(port, { maxVersion: 'TLSv1.2' })).socket.destroy();
    await admin.call('CONFIG', 'SET', 'tls-ciphersuites', '');
  });

  it('goes on with another certificate, and with the old one when the new is no good', async () => {
    const before = await handshake(port);
    expect(before.name).toBe('server');
    await admin.call('CONFIG', 'SET', 'tls-cert-file', at('renewed.crt'), 'tls-key-file', at('renewed.key'));
    const after = await handshake(port);
    expect(after.name).toBe('renewed');
    before.socket.write('PING\r\n');
    await new Promise((resolve) => before.socket.once('data', resolve));
    for (const bad of [
      ['tls-cert-file', at('nowhere.crt')],
      ['tls-key-file', at('client.key')],
      ['tls-protocols', 'TLSv9'],
      ['tls-ciphers', 'NOSUCH'],
    ]) {
      const error = await admin.callError('CONFIG', 'SET', ...bad);
      expect(error).toMatch(
        /^ERR CONFIG SET failed \(possibly related to argument '.*'\) - Unable to update TLS configuration\. Check server logs\.$/,
      );
    }
    expect((await handshake(port)).name).toBe('renewed');
    // The same name, another file.
    writeFileSync(at('same.crt'), read('server.crt'));
    writeFileSync(at('same.key'), read('server.key'));
    await admin.call('CONFIG', 'SET', 'tls-cert-file', at('same.crt'), 'tls-key-file', at('same.key'));
    expect((await handshake(port)).name).toBe('server');
    writeFileSync(at('same.crt'), read('renewed.crt'));
    writeFileSync(at('same.key'), read('renewed.key'));
    await admin.call('CONFIG', 'SET', 'tls-cert-file', at('same.crt'));
    expect((await handshake(port)).name).toBe('renewed');
    await admin.call(
      'CONFIG',
      'SET',
      'tls-key-file-pass',
      'pass phrase',
      'tls-cert-file',
      at('server.crt'),
      'tls-key-file',
      at('locked.key'),
    );
    expect((await handshake(port)).name).toBe('server');
  });

  it('answers who has ended his side', async () => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: read('ca.crt') });
    socket.allowHalfOpen = true;
    let replies = '';
    socket.on('data', (bytes: Buffer) => (replies += bytes.toString()));
    socket.end(`${'ECHO something\r\n'.repeat(2000)}KEYS none\r\nPING\r\n`);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(replies).toBe(`${'$9\r\nsomething\r\n'.repeat(2000)}*0\r\n+PONG\r\n`);
  });

  it('does not mind what is no TLS, nor who leaves in the middle', async () => {
    for (const bytes of ['PING\r\n', '\x16\x03\x01\x02\x00\x01', '']) {
      const socket = connectPlain({ port, host: '127.0.0.1' });
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.end(bytes, 'latin1');
      await new Promise((resolve) => socket.resume().once('close', resolve));
    }
    expect(await admin.call('PING')).toBe('PONG');
  });

  it('goes on with sessions, with any acceptor, as tls-session-caching says', async () => {
    const tls12 = { maxVersion: 'TLSv1.2' as const };
    const reused = async (session: Buffer): Promise<boolean[]> => {
      const all = await Promise.all(Array.from({ length: 6 }, () => handshake(port, { ...tls12, session })));
      return all.map(({ socket }) => socket.isSessionReused());
    };
    const lifetime = (): string => {
      const words = ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_2'];
      const { stdout } = spawnSync('openssl', words, { cwd: folder, encoding: 'utf8', input: '' });
      return /ticket lifetime hint: (\d+)/.exec(stdout)?.[1] ?? 'none';
    };
    const session = (await handshake(port, tls12)).socket.getSession()!;
    expect(await reused(session)).toEqual(Array(6).fill(true));
    expect(lifetime()).toBe('300');
    await admin.call('CONFIG', 'SET', 'tls-session-cache-timeout', '1234');
    expect(lifetime()).toBe('1234');
    await admin.call('CONFIG', 'SET', 'tls-session-caching', 'no');
    expect(lifetime()).toBe('none');
    expect(await reused(session)).toEqual(Array(6).fill(false));
    await admin.call('CONFIG', 'SET', 'tls-session-caching', 'yes', 'tls-session-cache-timeout', '300');
  });

  it('has the parameters of tls-dh-params-file', async () => {
    openssl('genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe3072', '-out', 'dh.pem');
    certificate('rsa', 'ca', ['rsa:2048']);
    const dhe = { maxVersion: 'TLSv1.2' as const, ciphers: 'DHE-RSA-AES256-GCM-SHA384' };
    await admin.call(
      ...['CONFIG', 'SET', 'tls-cert-file', at('rsa.crt'), 'tls-key-file', at('rsa.key')],
      ...['tls-key-file-pass', '', 'tls-ciphers', dhe.ciphers],
    );
    await expect(handshake(port, dhe)).rejects.toThrow();
    expect(await admin.callError('CONFIG', 'SET', 'tls-dh-params-file', at('ca.crt'))).toMatch(
      /Unable to update TLS/,
    );
    expect(await admin.callError('CONFIG', 'SET', 'tls-dh-params-file', at('nowhere'))).toMatch(
      /Unable to update TLS/,
    );
    await admin.call('CONFIG', 'SET', 'tls-dh-params-file', at('dh.pem'));
    const { socket } = await handshake(port, dhe);
    expect(socket.getEphemeralKeyInfo()).toMatchObject({ type: 'DH', size: 3072 });
    await admin.call(
      ...['CONFIG', 'SET', 'tls-cert-file', at('server.crt'), 'tls-key-file', at('server.key')],
      ...['tls-ciphers', '', 'tls-dh-params-file', ''],
    );
    expect((await handshake(port)).name).toBe('server');
  });

  it('is spoken at every address of bind', async () => {
    const ipv6 = Object.values(networkInterfaces()).some((all) =>
      all!.some(({ address }) => address === '::1'),
    );
    const hosts = ['127.0.0.1', '127.0.0.2', ...(ipv6 ? ['::1'] : [])];
    await admin.call('CONFIG', 'SET', 'bind', hosts.join(' '));
    for (const host of hosts) {
      const { socket } = await handshake(port, { host, servername: 'localhost' });
      const own = host === '::1' ? '[::1]' : host;
      const list = String(await admin.call('CLIENT', 'LIST'));
      expect(list).toContain(` laddr=${own}:${port} `);
      socket.destroy();
    }
    await admin.call('CONFIG', 'SET', 'bind', '127.0.0.1');
    await expect(handshake(port, { host: '127.0.0.2', servername: 'localhost' })).rejects.toThrow();
  });

  it('moves to another port', async () => {
    const old = port;
    port = await freePort();
    await admin.call('CONFIG', 'SET', 'tls-port', String(port));
    expect((await handshake(port)).name).toBe('server');
    await expect(handshake(old)).rejects.toThrow();
    await server.waitForLog('Ready to accept connections tls');
  });
});

describe('a start with TLS', () => {
  it('needs no port for plain TCP', async () => {
    const path = at('socket');
    const words = [
      '--port',
      '0',
      '--unixsocket',
      path,
      '--tls-cert-file',
      at('server.crt'),
      '--tls-key-file',
      at('server.key'),
      '--tls-auth-clients',
      'no',
    ];
    const port = await freePort();
    // The later --port wins; who waits for the server looks at its log only.
    const server = await startSabre({ args: [...words, '--tls-port', String(port)] });
    expect((await handshake(port)).name).toBe('server');
    expect(server.log()).not.toContain('connections tcp');
    expect(existsSync(path)).toBe(true);
    await server.stop();
  });

  it('fails in the words of redis-server', async () => {
    const cert = ['--tls-cert-file', at('server.crt')];
    for (const words of [
      [],
      cert,
      ['--tls-cert-file', at('none')],
      [...cert, '--tls-key-file', at('server.key')],
    ]) {
      const args = ['--port', '0', '--tls-port', '1', ...words];
      const left = await runSabreToExit(args);
      const right = await runToExit([redisExecutable(), ...args]);
      const said = (output: string): string[] =>
        output
          .split('\n')
          .filter((line) => /tls|TLS/.test(line))
          .map((line) => line.replace(/^.*? # /, ''));
      expect([left.code, said(left.output)]).toEqual([right.code, said(right.output)]);
    }
  });
});
