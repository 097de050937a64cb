// What the process does, by its arguments: serve, or print something and end.

import { flushCompileCache } from 'node:module';
import { resolve } from 'node:path';
import { checkUserLine } from '../acl/configured-users.ts';
import { RuleCommands } from '../acl/rule-commands.ts';
import { Users } from '../acl/users.ts';
import { CommandNames } from '../commands/command-names.ts';
import { ConfigError, ConfigErrorKind } from '../config/config-error.ts';
import { type ConfigSource, type LoadedConfig, loadConfig } from '../config/load.ts';
import { ConfigStore, type SerializedConfig } from '../config/store.ts';
import { Logger, type LogLevelName } from '../log/logger.ts';
import { AccessControl } from './access-control.ts';
import { checkConfig, parseCommandLine } from './command-line.ts';
import { Supervisor } from './supervisor.ts';
import { refuseUnbuilt } from './unbuilt.ts';

/** Carries the configuration to the process that stays when `daemonize` is on. */
const DAEMON_VARIABLE = 'SABRE_DAEMON_CONFIG';

interface DaemonConfig {
  readonly config: SerializedConfig;
  readonly renames: readonly { readonly from: string; readonly to: string }[];
  readonly users: readonly (readonly string[])[];
  readonly startDirectory: string;
}

/** Runs the program. @returns when it serves, or has nothing more to do */
export async function runProgram(): Promise<void> {
  const startDirectory = process.cwd();
  const handed = process.env[DAEMON_VARIABLE];
  if (handed !== undefined) {
    delete process.env[DAEMON_VARIABLE];
    const data = JSON.parse(handed) as DaemonConfig;
    await serve(ConfigStore.restore(data.config), data, true, data.startDirectory);
    return;
  }
  const line = parseCommandLine(process.argv.slice(2));
  switch (line.kind) {
    case 'version':
      process.stdout.write(line.text);
      return;
    case 'help':
    case 'refused':
      process.stderr.write(line.text);
      process.exit(1);
      break;
    case 'check-config': {
      const report = checkConfig(line.source);
      (report.good ? process.stdout : process.stderr).write(Buffer.from(report.text, 'latin1'));
      process.exitCode = report.exitCode;
      return;
    }
    case 'serve':
      await start(line.source, startDirectory);
  }
}

async function start(source: ConfigSource, startDirectory: string): Promise<void> {
  const loaded = load(source);
  const config = loaded.store;
  if (config.getBool('daemonize')) {
    const { renames, users } = loaded;
    await stayInBackground({ config: config.serialize(), renames, users, startDirectory });
    return;
  }
  await serve(config, loaded, source.options !== null || source.configFile !== null, startDirectory);
}

/** Reads the configuration; the first mistake ends the process, as it ends redis-server. */
function load(source: ConfigSource): LoadedConfig {
  const early = Logger.create('', 'notice', 'C');
  const names = new CommandNames();
  try {
    const loaded = loadConfig(source, {
      renameCommand: (from, to) => names.rename(from, to),
      defineUser: userLineChecker(),
      log: (level, message) => (level === '#' ? early.warning(message) : early.notice(message)),
    });
    const refused =
      loaded.modules.length > 0 || loaded.moduleSettings.size > 0
        ? 'Modules are not supported'
        : refuseUnbuilt(loaded.store);
    if (refused !== null) throw new ConfigError(ConfigErrorKind.Line, refused);
    return loaded;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (error.kind === ConfigErrorKind.File) early.warning(error.message);
    else process.stderr.write(Buffer.from(error.report(), 'latin1'));
    return process.exit(1);
  }
}

/** Checks `user` lines; what it needs for that is made when there is one. */
function userLineChecker(): (words: readonly string[]) => string | null {
  const earlier = new Set<string>();
  let users: Users | null = null;
  return (words) => {
    users ??= new Users(RuleCommands.ofFacts());
    return checkUserLine(words, users, earlier);
  };
}

async function serve(
  config: ConfigStore,
  { renames, users }: Pick<LoadedConfig, 'renames' | 'users'>,
  argumentsGiven: boolean,
  startDirectory: string,
): Promise<void> {
  const logFile = config.getString('logfile');
  const log = Logger.create(
    logFile === '' ? '' : resolve(startDirectory, logFile),
    config.getEnum('loglevel') as LogLevelName,
    'C',
  );
  process.chdir(config.getString('dir'));
  const access = new AccessControl(config, log);
  if (!access.load(users)) process.exit(1);
  const supervisor = new Supervisor({ config, renames, access, log, argumentsGiven, startDirectory });
  log.setRole('M');
  if (!(await supervisor.start())) process.exit(1);
  // What a first start has compiled is else kept only if it ends in peace.
  flushCompileCache();
}

/** Starts a process of its own session that serves, and lets this one end. */
async function stayInBackground(data: DaemonConfig): Promise<void> {
  const { spawn } = await import('node:child_process');
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, [DAEMON_VARIABLE]: JSON.stringify(data) },
  });
  child.unref();
}
