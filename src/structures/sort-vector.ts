// Strings with sort keys, and their order: the engine of SORT. No object and no JavaScript string per element.
//
//   index i   refs[i]: the element in `store`; ties[i]: what is compared where keys are equal (often the element itself)
//   place p   keys[p], order[p]: sort key and index of what stands at place p. Sorting moves these two.
//
// Keys are doubles: the score, or for texts the first six bytes as a number (48 bits, exact), so that nearly all
// comparisons are of two doubles that lie side by side. In descending order keys are stored negated, and the comparison
// of ties is turned round.
//
// Two ways to sort, as in Redis:
// - all: a merge sort, stable (the C library's qsort is one, too): runs of a few by insertion, then passes of merges;
// - a part: quicksort after Bentley and McIlroy ("Engineering a sort function") that leaves parts alone which the wanted range does
//   not touch. Redis's `pqsort` swaps the same way, so elements that compare as equal come out in the same order.
//
// Both call `breathe` every few thousand steps. Everything here belongs to the thread; nothing lies in shared memory.

import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { ByteStore } from './byte-store.ts';

/** How elements with equal keys are compared. */
export const Tie = {
  /** Not at all: equal keys are equal elements. */
  None: 0,
  /** As bytes (memcmp, then the length). */
  Bytes: 1,
  /** As C strings, which end at a NUL. */
  Text: 2,
} as const;
export type Tie = (typeof Tie)[keyof typeof Tie];

/** What long loops call now and then. */
export interface Breather {
  breathe(): void;
}

/** Key of an element without a value to compare: before all others. */
export const KEY_NONE = -1;

const INITIAL = 256;
/** Arrays for more elements than this are let go after use. */
const KEEP_ELEMENTS = 65536;
/** Runs that are sorted by insertion. */
const RUN = 12;
const STEPS_PER_BREATH = 4096;
/** Quicksort looks at nine elements to find a pivot above this many, at three above 7. */
const NINTHER_ABOVE = 40;
const INSERTION_BELOW = 7;

export class SortVector {
  readonly store = new ByteStore();
  count = 0;
  refs = new Uint32Array(INITIAL);
  keys = new Float64Array(INITIAL);
  order = new Int32Array(INITIAL);
  /** Refs compared where keys are equal: those of the elements, or of other strings. */
  ties: Uint32Array = this.refs;
  tie: Tie = Tie.None;
  descending = false;
  #otherRefs = new Uint32Array(0);
  #spareKeys = new Float64Array(0);
  #spareOrder = new Int32Array(0);
  #steps = 0;
  #breather: Breather | null = null;

  /** Forgets everything. */
  clear(): void {
    this.store.clear();
    this.count = 0;
    if (this.refs.length > KEEP_ELEMENTS) {
      this.refs = new Uint32Array(INITIAL);
      this.keys = new Float64Array(INITIAL);
      this.order = new Int32Array(INITIAL);
      this.#otherRefs = new Uint32Array(0);
      this.#spareKeys = new Float64Array(0);
      this.#spareOrder = new Int32Array(0);
    }
    this.ties = this.refs;
    this.tie = Tie.None;
    this.descending = false;
  }

  /** Makes room for `count` elements, and for sorting them. To be called before the first add(). @throws OutOfMemoryError */
  reserve(count: number): void {
    try {
      if (count > this.refs.length) this.refs = new Uint32Array(count);
      if (count > this.keys.length) {
        this.keys = new Float64Array(count);
        this.order = new Int32Array(count);
      }
      if (count > RUN && count > this.#spareKeys.length) {
        this.#spareKeys = new Float64Array(count);
        this.#spareOrder = new Int32Array(count);
      }
    } catch {
      throw noRoom(count);
    }
    this.ties = this.refs;
  }

  /** Adds an element at the end. There must be room. */
  add(source: Buffer, off: number, len: number): void {
    this.refs[this.count++] = this.store.add(source, off, len);
  }

  /** What is to be compared is not the elements, but strings that setOther() gives. @throws OutOfMemoryError */
  useOthers(): void {
    if (this.#otherRefs.length < this.count) {
      try {
        this.#otherRefs = new Uint32Array(this.refs.length);
      } catch {
        throw noRoom(this.count);
      }
    }
    this.ties = this.#otherRefs;
  }

  /** Sets the string that element `i` is compared by. */
  setOther(i: number, source: Buffer, off: number, len: number): void {
    this.ties[i] = this.store.add(source, off, len);
    this.setTextKey(i, source, off, len);
  }

  /** Element `i` has nothing to be compared by. */
  setNone(i: number): void {
    this.ties[i] = 0;
    this.setKey(i, KEY_NONE);
  }

  setKey(i: number, key: number): void {
    this.keys[i] = this.descending ? -key : key;
  }

  /** Sets the key of element `i` to what a text begins with. */
  setTextKey(i: number, source: Buffer, off: number, len: number): void {
    let key = 0;
    let ended = false;
    for (let at = 0; at < 6; at++) {
      const byte = at < len && !ended ? source[off + at]! : 0;
      // A C string ends here.
      if (byte === 0 && this.tie === Tie.Text) ended = true;
      key = key * 256 + byte;
    }
    this.setKey(i, key);
  }

  /** Keys from the elements themselves. */
  setTextKeys(breather: Breather): void {
    const { store, refs, count } = this;
    for (let i = 0; i < count; i++) {
      const ref = refs[i]!;
      this.setTextKey(i, store.bytesOf(ref), store.offsetOf(ref), store.lengthOf(ref));
      if ((i & (STEPS_PER_BREATH - 1)) === 0) breather.breathe();
    }
  }

  /** Puts the elements into the order in which they were added. */
  resetOrder(breather: Breather): void {
    const { order, count } = this;
    for (let i = 0; i < count; i++) {
      order[i] = i;
      if ((i & (STEPS_PER_BREATH - 1)) === 0) breather.breathe();
    }
  }

  /** Sorts all. Keys are set. */
  sort(breather: Breather): void {
    this.#breather = breather;
    this.#steps = 0;
    this.resetOrder(breather);
    this.#mergeSort(0, this.count);
    this.#breather = null;
  }

  /**
   * Sorts so that the places first..last hold what they would hold after sort(); the others hold the rest.
   * @param depth after how many partitions of partitions it merges instead: an order that makes quicksort degenerate
   */
  sortPart(first: number, last: number, breather: Breather, depth = 2 * (32 - Math.clz32(this.count))): void {
    this.#breather = breather;
    this.#steps = 0;
    this.resetOrder(breather);
    this.#quickSort(0, this.count, first, last, depth);
    this.#breather = null;
  }

  /** Compares the elements of two indices whose keys are equal. */
  #compareTies(a: number, b: number): number {
    if (this.tie === Tie.None) return 0;
    const x = this.ties[a]!;
    const y = this.ties[b]!;
    if (x === y || x === 0 || y === 0) return 0;
    const result = this.tie === Tie.Bytes ? this.store.compare(x, y) : this.store.compareText(x, y);
    return this.descending ? -result : result;
  }

  /** Counts work, and breathes when it was enough. */
  #step(steps: number): void {
    this.#steps += steps;
    if (this.#steps < STEPS_PER_BREATH) return;
    this.#steps = 0;
    this.#breather!.breathe();
  }

  // ---- merge sort ----

  #mergeSort(from: number, to: number): void {
    for (let start = from; start < to; start += RUN) {
      this.#insertionSort(start, Math.min(start + RUN, to));
      this.#step(RUN);
    }
    if (to - from <= RUN) return;
    let fromSpare = false;
    for (let width = RUN; width < to - from; width *= 2) {
      for (let start = from; start < to; start += width * 2) {
        const middle = Math.min(start + width, to);
        this.#merge(start, middle, Math.min(middle + width, to), fromSpare);
      }
      fromSpare = !fromSpare;
    }
    if (!fromSpare) return;
    if (to - from === this.count) {
      const { keys, order } = this;
      this.keys = this.#spareKeys;
      this.order = this.#spareOrder;
      this.#spareKeys = keys;
      this.#spareOrder = order;
      return;
    }
    this.keys.set(this.#spareKeys.subarray(from, to), from);
    this.order.set(this.#spareOrder.subarray(from, to), from);
  }

  #insertionSort(from: number, to: number): void {
    const { keys, order } = this;
    for (let p = from + 1; p < to; p++) {
      const key = keys[p]!;
      const index = order[p]!;
      let q = p;
      while (q > from) {
        const before = keys[q - 1]!;
        if (before < key || (before === key && this.#compareTies(order[q - 1]!, index) <= 0)) break;
        keys[q] = before;
        order[q] = order[q - 1]!;
        q--;
      }
      keys[q] = key;
      order[q] = index;
    }
  }

  /** Merges [start, middle) and [middle, end), of the spare arrays or into them. */
  #merge(start: number, middle: number, end: number, fromSpare: boolean): void {
    const keys = fromSpare ? this.#spareKeys : this.keys;
    const order = fromSpare ? this.#spareOrder : this.order;
    const toKeys = fromSpare ? this.keys : this.#spareKeys;
    const toOrder = fromSpare ? this.order : this.#spareOrder;
    let left = start;
    let right = middle;
    let to = start;
    while (left < middle && right < end) {
      // A stretch without a look at the clock, so that the loop inside is tight.
      const stretch = Math.min(STEPS_PER_BREATH, middle - left, end - right);
      for (const stop = to + stretch; to < stop; to++) {
        const a = keys[left]!;
        const b = keys[right]!;
        if (a < b || (a === b && this.#compareTies(order[left]!, order[right]!) <= 0)) {
          toKeys[to] = a;
          toOrder[to] = order[left++]!;
        } else {
          toKeys[to] = b;
          toOrder[to] = order[right++]!;
        }
      }
      this.#step(stretch);
    }
    const rest = left < middle ? left : right;
    const restEnd = left < middle ? middle : end;
    for (let p = rest; p < restEnd; p++, to++) {
      toKeys[to] = keys[p]!;
      toOrder[to] = order[p]!;
    }
    this.#step(restEnd - rest);
  }

  // ---- quicksort of a part ----

  /** Compares what stands at two places. */
  #compare(p: number, q: number): number {
    const a = this.keys[p]!;
    const b = this.keys[q]!;
    if (a !== b) return a < b ? -1 : 1;
    return this.#compareTies(this.order[p]!, this.order[q]!);
  }

  #swap(p: number, q: number): void {
    const { keys, order } = this;
    const key = keys[p]!;
    const index = order[p]!;
    keys[p] = keys[q]!;
    order[p] = order[q]!;
    keys[q] = key;
    order[q] = index;
  }

  #quickSort(from: number, count: number, first: number, last: number, depth: number): void {
    while (count >= INSERTION_BELOW) {
      if (depth-- <= 0) {
        this.#mergeSort(from, from + count);
        return;
      }
      this.#swap(from, this.#pivot(from, count));
      const end = from + count;
      // [from, a) equal to the pivot | [a, b) less | [b, c] not seen | (c, d] greater | (d, end) equal
      let a = from + 1;
      let b = a;
      let c = end - 1;
      let d = c;
      for (;;) {
        let result = 0;
        while (b <= c && (result = this.#compare(b, from)) <= 0) {
          if (result === 0) this.#swap(a++, b);
          b++;
          this.#step(1);
        }
        while (b <= c && (result = this.#compare(c, from)) >= 0) {
          if (result === 0) this.#swap(c, d--);
          c--;
          this.#step(1);
        }
        if (b > c) break;
        this.#swap(b++, c--);
      }
      this.#swapRanges(from, b, Math.min(a - from, b - a));
      this.#swapRanges(b, end, Math.min(d - c, end - 1 - d));
      const less = b - a;
      const greater = d - c;
      if (less > 1 && overlaps(from, less, first, last)) this.#quickSort(from, less, first, last, depth);
      if (greater <= 1 || !overlaps(end - greater, greater, first, last)) return;
      from = end - greater;
      count = greater;
    }
    for (let p = from + 1; p < from + count; p++) {
      for (let q = p; q > from && this.#compare(q - 1, q) > 0; q--) this.#swap(q, q - 1);
    }
  }

  /** Exchanges the `count` places from `p` on with those in front of `end`. */
  #swapRanges(p: number, end: number, count: number): void {
    for (let i = 0; i < count; i++) this.#swap(p + i, end - count + i);
    this.#step(count);
  }

  #pivot(from: number, count: number): number {
    let middle = from + (count >> 1);
    if (count <= INSERTION_BELOW) return middle;
    let low = from;
    let high = from + count - 1;
    if (count > NINTHER_ABOVE) {
      const d = count >> 3;
      low = this.#median(low, low + d, low + 2 * d);
      middle = this.#median(middle - d, middle, middle + d);
      high = this.#median(high - 2 * d, high - d, high);
    }
    return this.#median(low, middle, high);
  }

  #median(a: number, b: number, c: number): number {
    if (this.#compare(a, b) < 0) {
      if (this.#compare(b, c) < 0) return b;
      return this.#compare(a, c) < 0 ? c : a;
    }
    if (this.#compare(b, c) > 0) return b;
    return this.#compare(a, c) < 0 ? a : c;
  }
}

/** Whether places [from, from + count) and [first, last] have one in common. */
function overlaps(from: number, count: number, first: number, last: number): boolean {
  return first < from + count && last >= from;
}

function noRoom(count: number): OutOfMemoryError {
  return new OutOfMemoryError(`no room to sort ${count} elements`);
}
