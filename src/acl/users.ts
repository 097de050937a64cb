// All users of a server, by name and by id.
//
// The supervisor has the ones that count: it checks rules and changes them. Every other thread has copies, which follow
// by changes (AclChange) that it is sent; a change alters the objects that sessions hold, so that it is in force at once.
// An id is given to a user once: one that is deleted and made again is another.

import type { RuleCommands } from './rule-commands.ts';
import { hasSpaces } from './rule-text.ts';
import { AclUser, type UserData } from './user.ts';

export const DEFAULT_USER = 'default';
const DEFAULT_RULES = ['+@all', '~*', '&*', 'on', 'nopass'];

/** What has changed, for the other threads. */
export interface AclChange {
  /** New users, and those that have changed. */
  readonly set: readonly UserData[];
  /** Ids of users that are gone. */
  readonly removed: readonly number[];
  /** Client who asked for it: it is answered before it is closed, if its own user is gone. */
  readonly by?: number;
}

export class Users {
  readonly commands: RuleCommands;
  /** acl-pubsub-default is allchannels. */
  allChannels = false;
  /** Always there, and always the same object. */
  readonly defaultUser: AclUser;
  readonly #byName = new Map<string, AclUser>();
  readonly #byId = new Map<number, AclUser>();
  #lastId = 0;

  /** With the user `default` alone, who may do everything without a password. */
  constructor(commands: RuleCommands) {
    this.commands = commands;
    this.defaultUser = this.#create(DEFAULT_USER);
    for (const rule of DEFAULT_RULES) this.defaultUser.set(rule, this);
  }

  get(name: string): AclUser | undefined {
    return this.#byName.get(name);
  }

  byId(id: number): AclUser | undefined {
    return this.#byId.get(id);
  }

  /** In the order of their names' bytes. */
  sorted(): AclUser[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  data(): UserData[] {
    return this.sorted().map((user) => user.data());
  }

  // ---- on the supervisor ----

  /** ACL SETUSER. @returns the error, without a code, or the user */
  setUser(name: string, rules: readonly string[]): AclUser | string {
    if (hasSpaces(name)) return "Usernames can't contain spaces or null characters";
    const known = this.#byName.get(name);
    const user = known ?? new AclUser(this.#lastId + 1, name, this);
    const error = user.setAll(rules, this);
    if (error !== null) return error;
    if (known === undefined) this.#add(user);
    return user;
  }

  /** ACL DELUSER. @returns ids of those that were there */
  deleteUsers(names: readonly string[]): number[] {
    const removed: number[] = [];
    for (const name of names) {
      const user = this.#byName.get(name);
      if (user === undefined || user === this.defaultUser) continue;
      this.#remove(user);
      removed.push(user.id);
    }
    return removed;
  }

  /** requirepass. @param password null for none: any is right then */
  setDefaultPassword(password: Buffer | null): void {
    this.defaultUser.set('resetpass', this);
    this.defaultUser.set(password === null ? 'nopass' : `>${password.toString('latin1')}`, this);
  }

  /**
   * Puts other users in the place of all there are (ACL LOAD). Those whose names stay keep their ids, and so their
   * clients. Without a `default` among them, it becomes what it was at first.
   * @returns the change
   */
  replaceAll(users: readonly AclUser[]): AclChange {
    const next = new Map(users.map((user) => [user.name, user]));
    const removed = this.deleteUsers([...this.#byName.keys()].filter((name) => !next.has(name)));
    if (!next.has(DEFAULT_USER)) next.set(DEFAULT_USER, new Users(this.commands).defaultUser);
    for (const user of next.values())
      (this.#byName.get(user.name) ?? this.#create(user.name)).assign(user.data(), this);
    return { set: this.data(), removed };
  }

  // ---- on the other threads ----

  apply({ set, removed }: AclChange): void {
    for (const id of removed) {
      const user = this.#byId.get(id);
      if (user !== undefined) this.#remove(user);
    }
    for (const data of set) {
      const known = this.#byId.get(data.id);
      if (known !== undefined) known.assign(data, this);
      else this.#add(AclUser.restore(data, this));
    }
  }

  // ---- private ----

  #create(name: string): AclUser {
    const user = new AclUser(this.#lastId + 1, name, this);
    this.#add(user);
    return user;
  }

  #add(user: AclUser): void {
    this.#lastId = Math.max(this.#lastId, user.id);
    this.#byName.set(user.name, user);
    this.#byId.set(user.id, user);
  }

  #remove(user: AclUser): void {
    this.#byName.delete(user.name);
    this.#byId.delete(user.id);
    // Whoever still has it may do nothing.
    user.assign({ ...NOTHING, selectors: [] }, this);
  }
}

const NOTHING = { enabled: false, noPassword: false, skipSanitize: false, passwords: [] } as const;
