// The users as one thread knows them, and the checks it makes of requests. Commands see it as ServerApi.acl.
//
// What it denies is counted in the thread's statistics and reported to the supervisor, which keeps ACL LOG.

import { clientLine } from '../commands/client-line.ts';
import type { CommandContext } from '../commands/context.ts';
import { type AclApi, Denial, type Identity, type UserDescription } from '../commands/identity.ts';
import type { Session } from '../commands/session.ts';
import type { Command, CommandTable } from '../commands/table.ts';
import { Stat, type Stats } from '../metrics/stats.ts';
import { DenialContext, type DenialNote } from './acl-log.ts';
import { channelsLeft } from './channel-loss.ts';
import { passwordMatches } from './password.ts';
import { Permissions, type Request } from './permissions.ts';
import { RuleCommands } from './rule-commands.ts';
import { cString } from './rule-text.ts';
import type { ChannelPattern } from './selector.ts';
import { AclUser, type UserData } from './user.ts';
import { type AclChange, Users } from './users.ts';

const COUNTERS: Readonly<Record<number, number>> = {
  [Denial.Command]: Stat.AclDeniedCommand,
  [Denial.Key]: Stat.AclDeniedKey,
  [Denial.Auth]: Stat.AclDeniedAuth,
  [Denial.Channel]: Stat.AclDeniedChannel,
};
/** What is known of a client's buffers on another thread than its own. */
const NO_BUFFERS = { queryBufferBytes: 0, queryBufferMemory: 0, outputPendingBytes: 0 };

export class ThreadAcl implements AclApi {
  readonly users: Users;
  /** How ACL LOG shows a client; the acceptor, which knows more, sets another. */
  describeClient: (session: Session) => string = (session) => clientLine(session, NO_BUFFERS, Date.now());
  authRequired = false;
  /** In the place of a user that is not known to this thread: may do nothing. */
  readonly stranger: AclUser;
  readonly #permissions = new Permissions();
  readonly #report: (note: DenialNote) => void;
  readonly #stats: Stats;

  /**
   * @param data the users when the thread starts; null: `default` alone
   * @param report hands a denial to the supervisor
   */
  constructor(
    table: CommandTable,
    stats: Stats,
    data: readonly UserData[] | null,
    report: (note: DenialNote) => void,
  ) {
    this.users = new Users(new RuleCommands(table));
    this.stranger = new AclUser(0, '', this.users);
    this.#stats = stats;
    this.#report = report;
    this.apply({ set: data ?? [], removed: [] });
  }

  apply(change: AclChange): void {
    this.users.apply(change);
    const { defaultUser } = this.users;
    this.authRequired = !defaultUser.noPassword || !defaultUser.enabled;
  }

  /** Users who may hear less after a change: the channels that are left, by id. To be asked before it is applied. */
  narrowed({ set }: AclChange): Map<number, readonly ChannelPattern[]> {
    const narrowed = new Map<number, readonly ChannelPattern[]>();
    for (const data of set) {
      const user = this.users.byId(data.id);
      const left = user === undefined ? null : channelsLeft(user, data);
      if (left !== null) narrowed.set(data.id, left);
    }
    return narrowed;
  }

  // ---- for the executor ----

  /** Whether the client may run the command in `cx`; afterwards note() and refusal() know what was denied. */
  check(cx: CommandContext): Denial {
    return this.#permissions.check(cx.session.identity as AclUser, cx);
  }

  /** Notes what check() has denied. */
  note(cx: CommandContext, denial: Denial, context: DenialContext): void {
    const { argument } = this.#permissions;
    const object = denial === Denial.Command ? cx.command.name : cx.argLatin1(argument);
    this.#note(cx, denial, context, object, cx.session.identity.name);
  }

  /** The error that the client hears. It names no key or channel: they may be others' secrets. */
  refusal(cx: CommandContext, denial: Denial): string {
    if (denial === Denial.Key) return 'NOPERM No permissions to access a key';
    if (denial === Denial.Channel) return 'NOPERM No permissions to access a channel';
    return `NOPERM ${commandRefusal(cx.session.identity, cx.command)}`;
  }

  // ---- for commands ----

  get defaultUser(): Identity {
    return this.users.defaultUser;
  }

  get defaultNeedsNoPassword(): boolean {
    return this.users.defaultUser.noPassword;
  }

  has(name: string): boolean {
    return this.users.get(name) !== undefined;
  }

  names(): string[] {
    return this.users.sorted().map((user) => user.name);
  }

  lines(): string[] {
    return this.users.sorted().map((user) => user.line());
  }

  describe(name: string): UserDescription | null {
    return this.users.get(name)?.describe() ?? null;
  }

  authenticate(name: string, password: Uint8Array): Identity | null {
    const user = this.users.get(name);
    if (user !== undefined) return user.accepts(password) ? user : null;
    // Takes as long as with a user of this name.
    passwordMatches(password, NO_PASSWORD);
    return null;
  }

  mayReadAllKeys(cx: CommandContext): boolean {
    const { identity } = cx.session;
    return identity.unlimited || this.#permissions.checkReadingAll(identity as AclUser, cx);
  }

  dryRun(name: string, command: Command, cx: CommandContext, first: number): string | null {
    const user = this.users.get(name)!;
    const request = requestBehind(cx, first, command);
    const denial = this.#permissions.check(user, request);
    const object = cString(cx.argLatin1(first + this.#permissions.argument));
    switch (denial) {
      case Denial.None:
        return null;
      case Denial.Key:
        return `User ${name} has no permissions to access the '${object}' key`;
      case Denial.Channel:
        return `User ${name} has no permissions to access the '${object}' channel`;
      default:
        return commandRefusal(user, request.command);
    }
  }

  noteAuthFailure(cx: CommandContext, name: string): void {
    const context = cx.session.transaction === null ? DenialContext.TopLevel : DenialContext.Multi;
    this.#note(cx, Denial.Auth, context, cx.argLatin1(0), name);
  }

  // ---- private ----

  #note(cx: CommandContext, reason: Denial, context: DenialContext, object: string, user: string): void {
    this.#stats.add(COUNTERS[reason]!, 1);
    const { session } = cx;
    session.lastCommand = cx.command;
    this.#report({ reason, context, object, user, client: this.describeClient(session), time: cx.now });
  }
}

/** A hash that no password is known to have. */
const NO_PASSWORD = ['0'.repeat(64)];

function commandRefusal(user: Identity, command: Command): string {
  return `User ${user.name} has no permissions to run the '${command.name}' command`;
}

/** The request that stands in the arguments from `first` on. */
function requestBehind(
  { argc, argOff, argLen, input }: CommandContext,
  first: number,
  command: Command,
): Request {
  return {
    command,
    argc: argc - first,
    argOff: argOff.subarray(first, argc),
    argLen: argLen.subarray(first, argc),
    input,
  };
}
