// What the searches are given, for all six commands in one: GEOSEARCH, GEOSEARCHSTORE, GEORADIUS, GEORADIUSBYMEMBER and the read-only
// forms of the last two. Which of several errors is replied, and that some arguments are not looked at when there is no
// source, is as in Redis (georadiusGeneric).

import { isCanonicalInt64, parseInteger64 } from '../protocol/numbers.ts';
import { type Position, SearchShape } from '../structures/geohash.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { shownArgument } from './generic-arguments.ts';
import { placeArgument, sizeArgument, unitArgument } from './geo-arguments.ts';

/** Which command: where its centre comes from, and what it may store. */
export const Form = {
  /** GEORADIUS key longitude latitude radius unit ... */
  Radius: 0,
  /** GEORADIUSBYMEMBER key member radius unit ... */
  ByMember: 1,
  /** GEOSEARCH key ... */
  Search: 2,
  /** GEOSEARCHSTORE destination key ... */
  SearchStore: 3,
} as const;
export type Form = (typeof Form)[keyof typeof Form];

export const Order = { None: 0, Ascending: 1, Descending: 2 } as const;

const BAD_MEMBER = 'ERR could not decode requested zset member';
/** Arguments before the options, by Form. */
const FIRST_OPTION = [6, 5, 2, 3];

/** Looks a member of the source up. @returns whether it is there; `out` is its place then */
export type FindPlace = (cx: CommandContext, arg: number, out: Position) => boolean;

/** One per thread, filled by each command. */
export class GeoSearchOptions {
  readonly shape = new SearchShape();
  order: number = Order.None;
  /** Most members to find, 0 for no limit. */
  count = 0;
  /** Whether any `count` members will do. */
  any = false;
  withDistance = false;
  withHash = false;
  withPlace = false;
  /** Argument index of the key to store to, 0 for none. */
  store = 0;
  /** Whether distances are stored in place of the scores. */
  storesDistance = false;
  #hasMember = false;
  #hasPlace = false;
  #hasShape = false;
  #found = false;
  #find!: FindPlace;

  /** Fields that are replied beside the member. */
  get extras(): number {
    return (this.withDistance ? 1 : 0) + (this.withHash ? 1 : 0) + (this.withPlace ? 1 : 0);
  }

  /**
   * Reads all arguments.
   * @param readOnly whether STORE is refused
   * @param found whether there is a source, in which `find` looks for members
   * @returns false after an error
   */
  parse(cx: CommandContext, form: Form, readOnly: boolean, found: boolean, find: FindPlace): boolean {
    this.order = Order.None;
    this.count = 0;
    this.any = this.withDistance = this.withHash = this.withPlace = this.storesDistance = false;
    this.#hasMember = this.#hasPlace = this.#hasShape = false;
    this.shape.isBox = false;
    this.store = form === Form.SearchStore ? 1 : 0;
    this.#found = found;
    this.#find = find;
    return this.#parseCenter(cx, form) && this.#parseOptions(cx, form, readOnly) && this.#check(cx, form);
  }

  /** What the older commands are given first. */
  #parseCenter(cx: CommandContext, form: Form): boolean {
    if (form === Form.Radius) return placeArgument(cx, 2, this.shape.center) && this.#parseRadius(cx, 4);
    if (form !== Form.ByMember || !this.#found) return true;
    if (this.#find(cx, 2, this.shape.center)) return this.#parseRadius(cx, 3);
    cx.error(BAD_MEMBER);
    return false;
  }

  #parseRadius(cx: CommandContext, arg: number): boolean {
    const { shape } = this;
    shape.radius = sizeArgument(cx, arg, 'radius');
    if (Number.isNaN(shape.radius)) return false;
    if (shape.radius < 0) {
      cx.error('ERR radius cannot be negative');
      return false;
    }
    shape.unit = unitArgument(cx, arg + 1);
    shape.isBox = false;
    return !Number.isNaN(shape.unit);
  }

  #parseBox(cx: CommandContext, arg: number): boolean {
    const { shape } = this;
    shape.width = sizeArgument(cx, arg, 'width');
    if (Number.isNaN(shape.width)) return false;
    shape.height = sizeArgument(cx, arg + 1, 'height');
    if (Number.isNaN(shape.height)) return false;
    if (shape.width < 0 || shape.height < 0) {
      cx.error('ERR height or width cannot be negative');
      return false;
    }
    shape.unit = unitArgument(cx, arg + 2);
    shape.isBox = true;
    return !Number.isNaN(shape.unit);
  }

  #parseOptions(cx: CommandContext, form: Form, readOnly: boolean): boolean {
    for (let arg = FIRST_OPTION[form]!; arg < cx.argc; ) {
      const taken = this.#parseWord(cx, arg) || this.#parseNewer(cx, arg, form, readOnly);
      if (taken < 0) return false;
      if (taken === 0) {
        cx.syntaxError();
        return false;
      }
      arg += taken;
    }
    return true;
  }

  /** Options of all commands. @returns how many arguments it is, 0 if it is none, -1 after an error */
  #parseWord(cx: CommandContext, arg: number): number {
    if (cx.argIs(arg, 'WITHDIST')) this.withDistance = true;
    else if (cx.argIs(arg, 'WITHHASH')) this.withHash = true;
    else if (cx.argIs(arg, 'WITHCOORD')) this.withPlace = true;
    else if (cx.argIs(arg, 'ANY')) this.any = true;
    else if (cx.argIs(arg, 'ASC')) this.order = Order.Ascending;
    else if (cx.argIs(arg, 'DESC')) this.order = Order.Descending;
    else if (cx.argIs(arg, 'COUNT') && arg + 1 < cx.argc) return this.#parseCount(cx, arg + 1) ? 2 : -1;
    else return 0;
    return 1;
  }

  #parseCount(cx: CommandContext, arg: number): boolean {
    if (!isCanonicalInt64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!)) {
      cx.error(ErrorText.NotInteger);
      return false;
    }
    this.count = Number(parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!));
    if (this.count > 0) return true;
    cx.error('ERR COUNT must be > 0');
    return false;
  }

  /** Options of some commands. @returns as #parseWord */
  #parseNewer(cx: CommandContext, arg: number, form: Form, readOnly: boolean): number {
    if (form === Form.SearchStore && cx.argIs(arg, 'STOREDIST')) {
      this.storesDistance = true;
      return 1;
    }
    if (form === Form.Radius || form === Form.ByMember) return readOnly ? 0 : this.#parseStore(cx, arg);
    const left = cx.argc - arg - 1;
    if (left >= 1 && !this.#hasPlace && cx.argIs(arg, 'FROMMEMBER'))
      return this.#parseFromMember(cx, arg + 1);
    if (left >= 2 && !this.#hasMember && cx.argIs(arg, 'FROMLONLAT')) {
      this.#hasPlace = true;
      return placeArgument(cx, arg + 1, this.shape.center) ? 3 : -1;
    }
    const { isBox } = this.shape;
    if (left >= 2 && !isBox && cx.argIs(arg, 'BYRADIUS')) {
      this.#hasShape = true;
      return this.#parseRadius(cx, arg + 1) ? 3 : -1;
    }
    if (left >= 3 && (isBox || !this.#hasShape) && cx.argIs(arg, 'BYBOX')) {
      this.#hasShape = true;
      return this.#parseBox(cx, arg + 1) ? 4 : -1;
    }
    return 0;
  }

  #parseStore(cx: CommandContext, arg: number): number {
    if (arg + 1 >= cx.argc) return 0;
    const byDistance = cx.argIs(arg, 'STOREDIST');
    if (!byDistance && !cx.argIs(arg, 'STORE')) return 0;
    this.store = arg + 1;
    this.storesDistance = byDistance;
    return 2;
  }

  #parseFromMember(cx: CommandContext, arg: number): number {
    if (this.#found && !this.#find(cx, arg, this.shape.center)) {
      cx.error(BAD_MEMBER);
      return -1;
    }
    this.#hasMember = true;
    return 2;
  }

  #check(cx: CommandContext, form: Form): boolean {
    const error = this.#conflict(cx, form);
    if (error !== null) cx.error(error);
    return error === null;
  }

  #conflict(cx: CommandContext, form: Form): string | null {
    if (this.store > 0 && this.extras > 0) {
      const name = form === Form.SearchStore ? 'GEOSEARCHSTORE' : 'STORE option in GEORADIUS';
      return `ERR ${name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`;
    }
    if (form === Form.Search || form === Form.SearchStore) {
      if (!this.#hasMember && !this.#hasPlace)
        return `ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ${shownArgument(cx, 0)}`;
      if (!this.#hasShape)
        return `ERR exactly one of BYRADIUS and BYBOX can be specified for ${shownArgument(cx, 0)}`;
    }
    return this.any && this.count === 0 ? 'ERR the ANY argument requires COUNT argument' : null;
  }
}
