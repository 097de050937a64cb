// CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: client-side caching. What remembers and tells: src/tracking.

import { argLong, argOneOf } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import type { Session } from './session.ts';
import { type FamilyHandlers, Place } from './table.ts';
import { Track, type Tracking } from './tracking-api.ts';

const OTHERWISE = 'before disabling tracking for this client, and then re-enabling it with a different mode.';
const SWITCH_BROADCAST = `ERR You can't switch BCAST mode on/off ${OTHERWISE}`;
const SWITCH_OPT = `ERR You can't switch OPTIN/OPTOUT mode ${OTHERWISE}`;
const NO_SUCH_CLIENT = 'ERR The client ID you want redirect to does not exist';
const ONE_REDIRECT = 'ERR A client can only redirect to a single other client';
const TOO_MANY = 'ERR too many different prefixes are tracked';
const { On, Broadcast, OptIn, OptOut, NoLoop, Broken, Caching } = Track;

interface TrackingRequest {
  /** Bits of Track. */
  readonly options: number;
  /** Id of a client, null for none; it comes before what is wrong. */
  readonly redirect: number | null;
  /** latin1 */
  readonly prefixes: readonly string[];
  /** 0: ON, 1: OFF, -1: neither. */
  readonly onOff: number;
  /** What is wrong with the options, null for nothing. */
  readonly error: string | null;
}

/** CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP] */
function clientTracking(cx: CommandContext): void {
  const request = readRequest(cx);
  const { tracking, session } = cx;
  const { redirect } = request;
  const home = redirect === null ? -1 : tracking.homeOf(redirect);
  if (redirect === null || home >= 0 || cx.server.facts.acceptors === 1) {
    const error = perform(tracking, session, request, home);
    if (error === null) cx.reply.ok();
    else cx.error(error);
    return;
  }
  cx.defer(
    cx.server.askAcceptors('client-home', redirect).then((homes) => {
      const error = perform(tracking, session, request, Math.max(...(homes as number[])));
      if (error !== null) throw new Error(error);
      return (reply) => reply.ok();
    }),
  );
}

/** Reads up to what is wrong. */
function readRequest(cx: CommandContext): TrackingRequest {
  let options = 0;
  let redirect: number | null = null;
  let error: string | null = null;
  const prefixes: string[] = [];
  for (let arg = 3; arg < cx.argc && error === null; arg++) {
    const more = arg + 1 < cx.argc;
    if (more && cx.argIs(arg, 'REDIRECT')) {
      arg++;
      const id = argLong(cx, arg);
      if (redirect !== null) error = ONE_REDIRECT;
      else if (id === null) error = ErrorText.NotInteger;
      else redirect = id;
    } else if (more && cx.argIs(arg, 'PREFIX')) prefixes.push(cx.argLatin1(++arg));
    else {
      const option = argOneOf(cx, arg, ['BCAST', 'OPTIN', 'OPTOUT', 'NOLOOP']);
      if (option < 0) error = ErrorText.Syntax;
      else options |= [Broadcast, OptIn, OptOut, NoLoop][option]!;
    }
  }
  return { options, redirect, prefixes, onOff: argOneOf(cx, 2, ['ON', 'OFF']), error };
}

/** @param home number of the acceptor of the client redirected to, -1: there is none @returns an error's text, or null */
function perform(
  tracking: Tracking,
  session: Session,
  { options, redirect, prefixes, onOff, error }: TrackingRequest,
  home: number,
): string | null {
  if (redirect !== null && home < 0) return NO_SUCH_CLIENT;
  if (error !== null) return error;
  if (onOff < 0) return ErrorText.Syntax;
  if (onOff === 1) {
    tracking.disable(session);
    return null;
  }
  const conflict = conflictOf(session.tracking, options, prefixes);
  if (conflict !== null) return conflict;
  if ((options & Broadcast) !== 0) {
    const overlap = overlapOf(session.prefixes ?? [], prefixes);
    if (overlap !== null) return overlap;
  }
  return tracking.enable(session, options, redirect ?? 0, home, prefixes) ? null : TOO_MANY;
}

/** @param before what is in force @param options what shall be @returns what speaks against it, or null */
function conflictOf(before: number, options: number, prefixes: readonly string[]): string | null {
  const broadcast = (options & Broadcast) !== 0;
  if (!broadcast && prefixes.length > 0) return 'ERR PREFIX option requires BCAST mode to be enabled';
  if ((before & On) !== 0 && ((before ^ options) & Broadcast) !== 0) return SWITCH_BROADCAST;
  const opt = options & (OptIn | OptOut);
  if (broadcast && opt !== 0) return 'ERR OPTIN and OPTOUT are not compatible with BCAST';
  if (opt === (OptIn | OptOut)) return "ERR You can't specify both OPTIN mode and OPTOUT mode";
  if (((opt & OptIn) !== 0 && (before & OptOut) !== 0) || ((opt & OptOut) !== 0 && (before & OptIn) !== 0))
    return SWITCH_OPT;
  return null;
}

/** Of prefixes that overlap a key would be told twice. @returns an error's text, or null */
function overlapOf(known: readonly string[], added: readonly string[]): string | null {
  const end = 'Prefixes for a single client must not overlap.';
  for (let i = 0; i < added.length; i++) {
    const prefix = added[i]!;
    const old = known.find((each) => overlap(each, prefix));
    if (old !== undefined)
      return `ERR Prefix '${cText(prefix)}' overlaps with an existing prefix '${cText(old)}'. ${end}`;
    const other = added.slice(i + 1).find((each) => overlap(each, prefix));
    if (other !== undefined)
      return `ERR Prefix '${cText(prefix)}' overlaps with another provided prefix '${cText(other)}'. ${end}`;
  }
  return null;
}

function overlap(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

/** As C prints it: up to the first NUL. */
function cText(text: string): string {
  const nul = text.indexOf('\0');
  return nul < 0 ? text : text.slice(0, nul);
}

/** CLIENT CACHING YES|NO */
function clientCaching(cx: CommandContext): void {
  const { session } = cx;
  const { tracking } = session;
  if ((tracking & On) === 0) {
    cx.error(
      'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
    );
    return;
  }
  const which = argOneOf(cx, 2, ['YES', 'NO']);
  if (which < 0) cx.syntaxError();
  else if (which === 0 && (tracking & OptIn) === 0)
    cx.error('ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.');
  else if (which === 1 && (tracking & OptOut) === 0)
    cx.error('ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.');
  else {
    session.tracking |= Caching;
    cx.reply.ok();
  }
}

/** CLIENT GETREDIR */
function clientGetRedir(cx: CommandContext): void {
  cx.reply.integer(redirectOf(cx.session));
}

/** -1: it does not track. */
function redirectOf(session: Session): number {
  return session.tracking === 0 ? -1 : session.redirect;
}

/** CLIENT TRACKINGINFO */
function clientTrackingInfo(cx: CommandContext): void {
  const { reply, session } = cx;
  const flags = flagNames(session.tracking);
  const prefixes = session.prefixes ?? [];
  reply.mapHeader(3);
  reply.bulkString('flags');
  reply.setHeader(flags.length);
  for (const flag of flags) reply.bulkString(flag);
  reply.bulkString('redirect');
  reply.integer(redirectOf(session));
  reply.bulkString('prefixes');
  reply.arrayHeader(prefixes.length);
  for (const prefix of prefixes) reply.bulkString(prefix);
}

/** @param tracking bits of Track */
function flagNames(tracking: number): string[] {
  const caching = (tracking & Caching) !== 0;
  const names = [(tracking & On) === 0 ? 'off' : 'on'];
  if ((tracking & Broadcast) !== 0) names.push('bcast');
  if ((tracking & OptIn) !== 0) names.push('optin', ...(caching ? ['caching-yes'] : []));
  if ((tracking & OptOut) !== 0) names.push('optout', ...(caching ? ['caching-no'] : []));
  if ((tracking & NoLoop) !== 0) names.push('noloop');
  if ((tracking & Broken) !== 0) names.push('broken_redirect');
  return names;
}

export const trackingCommands: FamilyHandlers = {
  'CLIENT|TRACKING': { run: clientTracking, place: Place.Connection },
  'CLIENT|CACHING': { run: clientCaching, place: Place.Connection },
  'CLIENT|GETREDIR': { run: clientGetRedir, place: Place.Connection },
  'CLIENT|TRACKINGINFO': { run: clientTrackingInfo, place: Place.Connection },
};
