// Access control on the supervisor: the users that count, and ACL LOG. Rules are checked and users changed here, one
// after the other; every thread is told before whoever asked is answered, so that a change is in force when its reply is
// read.

import { formatAclFile, parseAclFile } from '../acl/acl-file.ts';
import { AclLog, type DenialNote } from '../acl/acl-log.ts';
import { defineUsers } from '../acl/configured-users.ts';
import { RuleCommands } from '../acl/rule-commands.ts';
import { cString } from '../acl/rule-text.ts';
import type { UserData } from '../acl/user.ts';
import { type AclChange, Users } from '../acl/users.ts';
import { writeAtomically } from '../config/rewrite.ts';
import type { ConfigStore } from '../config/store.ts';
import { strerror } from '../config/system-error.ts';
import { toUtf8 } from '../config/tokenize.ts';
import { type Methods, RefusedError } from '../execution/control-port.ts';
import { readFileSync } from '../file-system.ts';
import type { Logger } from '../log/logger.ts';

const SAVE_FAILED =
  'ERR There was an error trying to save the ACLs. Please check the server logs for more information';
const TWO_SOURCES =
  'Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This setup is very likely to lead to configuration errors and security holes, please define either an ACL file or declare users directly in your redis.conf, but not both.';

/** A request of a client; what is changed by it is told of to all threads. */
interface ByClient {
  /** Id of the client, which hears the reply even if its own user is gone. */
  readonly by: number;
}

export class AccessControl {
  readonly users = new Users(RuleCommands.ofFacts());
  readonly #log: AclLog;
  readonly #config: ConfigStore;
  readonly #logger: Logger;

  constructor(config: ConfigStore, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#log = new AclLog(config.getInt('acllog-max-len'));
    const follow = (): void => {
      this.users.allChannels = config.getEnum('acl-pubsub-default') === 'allchannels';
    };
    follow();
    config.watch('acl-pubsub-default', follow);
    config.watch('acllog-max-len', () => this.#log.setMaxLength(config.getInt('acllog-max-len')));
  }

  /**
   * Makes the users of the configuration and of its aclfile.
   * @param lines name and rules of each `user` line
   * @returns false if the server must not start; the log says why
   */
  load(lines: readonly (readonly string[])[]): boolean {
    const warn = (message: string): false => {
      this.#logger.warning(toUtf8(message));
      return false;
    };
    if (this.#config.getText('requirepass') !== '') this.users.setDefaultPassword(this.#password());
    const path = this.#path;
    if (path !== '' && lines.length > 0) return warn(TWO_SOURCES);
    const refused = defineUsers(lines, this.users, (message) => this.#logger.notice(toUtf8(message)));
    if (refused !== null) {
      warn(refused);
      return warn('Critical error while loading ACLs. Exiting.');
    }
    if (path === '') return true;
    const change = this.#loadFile();
    if (typeof change !== 'string') return true;
    return warn(`Aborting Redis startup because of ACL errors: ${change}`);
  }

  /** For threads that start. */
  data(): readonly UserData[] {
    return this.users.data();
  }

  /** Name and rules of each user, for CONFIG REWRITE. */
  lines(): string[] {
    return this.users.sorted().map((user) => user.configLine());
  }

  /**
   * What threads may ask for.
   * @param spread tells all threads of a change
   */
  methods(spread: (change: AclChange) => Promise<unknown>): Methods {
    return {
      'acl-setuser': async ({ name, rules, by }: ByClient & { name: string; rules: readonly string[] }) => {
        const user = this.users.setUser(name, rules);
        if (typeof user === 'string') throw new RefusedError(`ERR ${user}`);
        await spread({ set: [user.data()], removed: [], by });
      },
      /** @returns how many there were */
      'acl-deluser': async ({ names, by }: ByClient & { names: readonly string[] }) => {
        const removed = this.users.deleteUsers(names);
        if (removed.length > 0) await spread({ set: [], removed, by });
        return removed.length;
      },
      'acl-load': async ({ by }: ByClient) => {
        const change = this.#loadFile();
        if (typeof change === 'string') throw new RefusedError(`ERR ${change}`);
        await spread({ ...change, by });
      },
      'acl-save': () => this.#saveFile(),
    };
  }

  /** What threads may ask of ACL LOG. */
  logMethods(): Methods {
    return {
      'acl-log': (count: number) => this.#log.get(count),
      'acl-log-reset': () => this.#log.reset(),
    };
  }

  /** A thread has refused something, for ACL LOG. */
  noteDenied(note: DenialNote): void {
    this.#log.add(note);
  }

  /** CONFIG SET requirepass: the password of the user `default`. */
  followPassword(): AclChange {
    const given = this.#config.getText('requirepass') !== '';
    this.users.setDefaultPassword(given ? this.#password() : null);
    return { set: [this.users.defaultUser.data()], removed: [] };
  }

  #password(): Buffer {
    return this.#config.getBytes('requirepass');
  }

  get #path(): string {
    return this.#config.getText('aclfile');
  }

  /** @returns what has changed, or what is wrong: nothing has changed then */
  #loadFile(): AclChange | string {
    const path = this.#path;
    let text: string;
    try {
      text = readFileSync(Buffer.from(path, 'latin1')).toString('latin1');
    } catch (error) {
      return `Error loading ACLs, opening file '${path}': ${strerror(error)}`;
    }
    const { users, errors } = parseAclFile(text, path, this.users);
    return errors === '' ? this.users.replaceAll(users) : cString(errors);
  }

  #saveFile(): void {
    try {
      writeAtomically(toUtf8(this.#path), formatAclFile(this.users));
    } catch (error) {
      this.#logger.warning(`Writing ACL file for ACL SAVE: ${strerror(error)}`);
      throw new RefusedError(SAVE_FAILED);
    }
  }
}
