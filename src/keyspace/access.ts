// The access word of a record: 24 bits that tell how recently (LRU) or how often (LFU) it was used.
//
//   LRU   seconds, modulo 2^24 (Redis's clock with its resolution of one second)
//   LFU   16 bits: minutes of the last decrement | 8 bits: logarithmic counter
//
// The algorithms are those of Redis's evict.c (LFULogIncr, LFUDecrAndReturn); lfu-log-factor and lfu-decay-time apply.

const CLOCK_MAX = 0xffffff;
const LFU_INIT = 5;

export class AccessClock {
  /** Whether maxmemory-policy is one of the LFU ones. */
  lfu = false;
  logFactor = 10;
  decayMinutes = 1;
  #seconds = 0;
  #minutes = 0;

  /** @param now unix time in ms */
  setTime(now: number): void {
    this.#seconds = Math.floor(now / 1000) & CLOCK_MAX;
    this.#minutes = Math.floor(now / 60000) & 0xffff;
  }

  /** Access word of a new record. */
  initial(): number {
    return this.lfu ? (this.#minutes << 8) | LFU_INIT : this.#seconds;
  }

  /** Access word of a record that was used just now. */
  touched(word: number): number {
    if (!this.lfu) return this.#seconds;
    return (this.#minutes << 8) | this.#increased(this.frequency(word));
  }

  /** Seconds since the last use (LRU only). */
  idleSeconds(word: number): number {
    return this.#seconds >= word ? this.#seconds - word : this.#seconds + CLOCK_MAX - word;
  }

  /** The LFU counter, after the decay that is due. */
  frequency(word: number): number {
    const counter = word & 0xff;
    if (this.decayMinutes === 0) return counter;
    const last = word >> 8;
    const elapsed = this.#minutes >= last ? this.#minutes - last : 0xffff - last + this.#minutes;
    return Math.max(0, counter - Math.floor(elapsed / this.decayMinutes));
  }

  /** Access word with a given idle time, as RESTORE IDLETIME and RDB files carry it. */
  fromIdle(seconds: number): number {
    return (this.#seconds - seconds) & CLOCK_MAX;
  }

  /** Access word with a given frequency. */
  fromFrequency(counter: number): number {
    return (this.#minutes << 8) | (counter & 0xff);
  }

  #increased(counter: number): number {
    if (counter === 255) return 255;
    const base = Math.max(0, counter - LFU_INIT);
    return Math.random() < 1 / (base * this.logFactor + 1) ? counter + 1 : counter;
  }
}
