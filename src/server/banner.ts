// The lines a starting server logs, in redis-server's order, since scripts and tests wait for them.

import type { ServerFacts } from '../commands/server-api.ts';
import type { ConfigStore } from '../config/store.ts';
import { SERVER_NAME } from '../config/version.ts';
import { settingsWithoutEffect } from '../config/without-effect.ts';
import { type Logger, LogLevel } from '../log/logger.ts';

const LOGO = `
            .
           /|
          / |        {title}
         /  |
        /   |        Running in {mode} mode
       /    |        Port: {port}
      /     |        PID: {pid}
     /      |
    /_______|        {threads}
       |_|
       |_|

`;

/** Logged once the configuration is read. */
export function logStart(
  log: Logger,
  facts: ServerFacts,
  config: ConfigStore,
  argumentsGiven: boolean,
): void {
  log.notice(`oO0OoO0OoO0Oo ${SERVER_NAME} is starting oO0OoO0OoO0Oo`);
  log.notice(
    `${SERVER_NAME} version=${facts.version}, bits=64, compatible with Redis ${facts.redisVersion}, pid=${facts.pid}, just started`,
  );
  if (argumentsGiven) log.notice('Configuration loaded');
  else {
    log.warning(
      `Warning: no config file specified, using the default config. In order to specify a config file use ${facts.executable} /path/to/redis.conf`,
    );
  }
  for (const line of settingsWithoutEffect(config)) log.warning(line);
}

/** Logged when the memory is there and the threads run, before data is loaded. */
export function logInitialized(log: Logger, facts: ServerFacts, config: ConfigStore): void {
  const port = config.getInt('port');
  const threads = `${facts.acceptors} acceptor${facts.acceptors === 1 ? '' : 's'}, ${facts.shardWorkers} shard worker${facts.shardWorkers === 1 ? '' : 's'}`;
  const toTerminal = config.getString('logfile') === '' && process.stdout.isTTY;
  if (toTerminal || config.getBool('always-show-logo')) {
    const values: Record<string, string> = {
      title: `${SERVER_NAME} ${facts.version}`,
      mode: 'standalone',
      port: String(port),
      pid: String(facts.pid),
      threads,
    };
    if (log.isOn(LogLevel.Notice)) log.raw(LOGO.replace(/\{(\w+)\}/g, (_, name: string) => values[name]!));
  } else log.notice(`Running mode=standalone, port=${port}, PID: ${facts.pid}`);
  log.notice(`Threads: ${threads}`);
  log.notice('Server initialized');
}

/** Logged when clients are served. */
export function logReady(log: Logger, config: ConfigStore): void {
  if (config.getInt('port') !== 0) log.notice('Ready to accept connections tcp');
  if (config.getInt('tls-port') !== 0) log.notice('Ready to accept connections tls');
  if (config.getString('unixsocket') !== '') log.notice('Ready to accept connections unix');
}
