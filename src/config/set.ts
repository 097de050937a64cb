/**
 * CONFIG SET: several directives at once, all or nothing, as Redis 7 does it.
 *
 *     1. look up all names          unknown, immutable, protected, while loading, twice  ─▶ error, nothing changed
 *     2. set all values             bad value, or refused by a hook  ─▶ all back
 *     3. apply, each hook once      failed  ─▶ all back, and applied again with the old values
 *     4. tell the other threads
 *
 * One at a time: a second CONFIG SET waits until the first is through, since hooks may be asynchronous.
 */

import { type Directive, type DirectiveName, findDirective } from './directives.ts';
import type { ConfigStore, DirectiveHook } from './store.ts';
import { asciiLower, fromUtf8 } from './tokenize.ts';
import { type ReadContext, readSetting, type Setting, splitWords } from './values.ts';

/** Who sets, and in which state. */
export interface SetContext {
  /** The data set is being loaded. */
  readonly loading: boolean;
  /** The client sits on this host: what `local` means in enable-protected-configs. */
  readonly localClient: boolean;
  /** Where the warnings about failed changes go. */
  warn(message: string): void;
}

/** Null, or the error without its dash: code, space, text; one character per byte. */
export type SetOutcome = string | null;

interface Request {
  readonly directive: Directive;
  /** The name or alias that was given, in lower case. */
  readonly name: string;
  readonly value: string;
}

const LOADING = 'LOADING Redis is loading the dataset in memory';

/** Those whose apply runs even where the value stays what it was, as Redis's setters report it. */
const ALWAYS_CHANGED: ReadonlySet<DirectiveName> = new Set([
  'dir',
  'bind',
  'save',
  'client-output-buffer-limit',
  'notify-keyspace-events',
  'latency-tracking-info-percentiles',
  'client-rate-limit',
  // The file may be another one behind the same name.
  'tls-cert-file',
  'tls-key-file',
  'tls-ca-cert-file',
  'tls-ca-cert-dir',
  'tls-dh-params-file',
] as const);

const HZ_MIN = 1;
const HZ_MAX = 500;
const BACKLOG_BYTES_MIN = 16 * 1024;

/** Positions, in the arguments of CONFIG SET, of values that logs and MONITOR must not show. */
export function sensitiveArguments(pairs: readonly string[]): number[] {
  const positions: number[] = [];
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    if (findDirective(asciiLower(pairs[i]!))?.sensitive) positions.push(i + 1);
  }
  return positions;
}

const queues = new WeakMap<ConfigStore, Promise<unknown>>();

/**
 * Runs CONFIG SET.
 * @param pairs name, value, name, value...: the words behind SET, one character per byte
 */
export function configSet(
  store: ConfigStore,
  pairs: readonly string[],
  context: SetContext,
): Promise<SetOutcome> {
  const before = queues.get(store) ?? Promise.resolve();
  const outcome = before.then(() => setAll(store, pairs, context));
  // The next in line waits for this one's end, however it ends; who called sees the failure.
  queues.set(
    store,
    outcome.catch(() => null),
  );
  return outcome;
}

async function setAll(
  store: ConfigStore,
  pairs: readonly string[],
  context: SetContext,
): Promise<SetOutcome> {
  if (pairs.length % 2 !== 0) return 'ERR syntax error';
  const requests = lookUp(store, pairs, context);
  if (typeof requests === 'string') return requests;
  const previous = requests.map(({ directive }) => store.getSetting(directive.name));
  const setting = setValues(store, requests);
  if (typeof setting === 'string') {
    restore(store, requests, previous);
    return setting;
  }
  const failed = await applyHooks(store, setting.hooks);
  if (failed !== null) {
    context.warn(
      `Failed applying new configuration. Possibly related to new ${failed.name} setting. Restoring previous settings.`,
    );
    restore(store, requests, previous);
    await applyAgain(store, setting.hooks, context);
    return failure(failed.name, failed.reason);
  }
  store.commit([...new Set(requests.map(({ directive }) => directive.name))]);
  return null;
}

function failure(name: string, reason: string): string {
  return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
}

/** Step 1. The first fault counts. */
function lookUp(store: ConfigStore, pairs: readonly string[], context: SetContext): Request[] | string {
  const requests: Request[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const givenName = pairs[i]!;
    const directive = findDirective(asciiLower(givenName));
    if (directive === undefined) {
      return `ERR Unknown option or number of arguments for CONFIG SET - '${givenName}'`;
    }
    if (!directive.mutable) return failure(givenName, "can't set immutable config");
    if (directive.protected && !isAllowed(store, context)) {
      return failure(givenName, "can't set protected config");
    }
    if (context.loading && directive.denyLoading) return LOADING;
    // By name: a directive may come under its name and its alias, as in Redis; the later one holds.
    const name = asciiLower(givenName);
    if (requests.some((earlier) => earlier.name === name)) {
      return failure(givenName, 'duplicate parameter');
    }
    requests.push({ directive, name, value: pairs[i + 1]! });
  }
  return requests;
}

function isAllowed(store: ConfigStore, context: SetContext): boolean {
  const who = store.getEnum('enable-protected-configs');
  return who === 'yes' || (who === 'local' && context.localClient);
}

interface PendingHook {
  readonly name: string;
  readonly apply: NonNullable<DirectiveHook['apply']>;
}

/** Step 2. The hooks to apply, each function once, or the error. */
function setValues(store: ConfigStore, requests: readonly Request[]): { hooks: PendingHook[] } | string {
  const hooks: PendingHook[] = [];
  for (const { directive, name: shown, value } of requests) {
    const { name } = directive;
    const current = store.getSetting(name);
    const words = directive.multiArg ? splitWords(value) : [value];
    const read = readSetting(directive, words, current, readContext(store));
    if (typeof read === 'string') return failure(shown, read);
    const next = withinReach(name, read);
    const hook = store.hookOf(name);
    const refused = hook?.validate?.(next) ?? null;
    if (refused !== null) return failure(shown, refused);
    store.replace(name, next);
    const changed = next.text !== current.text || ALWAYS_CHANGED.has(name);
    const apply = hook?.apply;
    if (changed && apply !== undefined && !hooks.some((pending) => pending.apply === apply)) {
      hooks.push({ name: shown, apply });
    }
  }
  return { hooks };
}

function readContext(store: ConfigStore): ReadContext {
  return {
    cwd: store.getText('dir'),
    file: undefined,
    procTitle: {
      unixSocket: store.getText('unixsocket'),
      configFile: fromUtf8(store.configFile ?? ''),
      clusterEnabled: store.getBool('cluster-enabled'),
    },
  };
}

/** Two that take any number and keep it in bounds. */
function withinReach(name: DirectiveName, setting: Setting): Setting {
  if (name === 'hz') return clampHz(setting);
  if (name === 'repl-backlog-size' && (setting.value as number) < BACKLOG_BYTES_MIN) {
    return { value: BACKLOG_BYTES_MIN, text: String(BACKLOG_BYTES_MIN) };
  }
  return setting;
}

/** hz is a hint: out of range it becomes the nearest that is in range. */
export function clampHz(setting: Setting): Setting {
  const hz = Math.min(Math.max(setting.value as number, HZ_MIN), HZ_MAX);
  return { value: hz, text: String(hz) };
}

/** Step 3. Null, or which failed and why. */
async function applyHooks(
  store: ConfigStore,
  hooks: readonly PendingHook[],
): Promise<{ name: string; reason: string } | null> {
  for (const { name, apply } of hooks) {
    const reason = await apply(store);
    if (reason !== null) return { name, reason };
  }
  return null;
}

function restore(store: ConfigStore, requests: readonly Request[], previous: readonly Setting[]): void {
  for (let i = 0; i < requests.length; i++) store.replace(requests[i]!.directive.name, previous[i]!);
}

async function applyAgain(
  store: ConfigStore,
  hooks: readonly PendingHook[],
  context: SetContext,
): Promise<void> {
  for (const { apply } of hooks) {
    const reason = await apply(store);
    if (reason !== null) context.warn(`Failed applying restored failed CONFIG SET command: ${reason}`);
  }
}
