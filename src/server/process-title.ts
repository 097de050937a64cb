// The title that `ps` shows: set-proc-title and proc-title-template.

import { expandProcTitle } from '../config/proc-title.ts';
import type { ConfigStore } from '../config/store.ts';

const TITLE = 'sabre-server';

/** Sets the title of this process, if the configuration wants one. */
export function setProcessTitle(config: ConfigStore): void {
  if (!config.getBool('set-proc-title')) return;
  const port = config.getInt('port');
  const listening = port || config.getInt('tls-port');
  const unixSocket = config.getString('unixsocket');
  const host = config.getMulti('bind')[0] ?? '*';
  const variables = new Map([
    ['title', TITLE],
    ['listen-addr', listening !== 0 ? `${host}:${listening}` : unixSocket],
    ['server-mode', ''],
    ['port', String(port)],
    ['tls-port', String(config.getInt('tls-port'))],
    ['unixsocket', unixSocket],
    ['config-file', config.configFile ?? ''],
  ]);
  const title = expandProcTitle(config.getString('proc-title-template'), variables);
  if (title !== null) process.title = title;
}
