// client-rate-limit: how long a connection must not be read because it sent more than it may.
//
// Two token buckets, commands and bytes, each filled at its rate up to one second's worth. What a read brought is
// spent after it ran, so a bucket may go into debt; the delay is the time that pays the debt back.

export class RateLimit {
  #commands: number;
  #bytes: number;
  #at: number;

  /** @param now ms */
  constructor(commandsPerSecond: number, bytesPerSecond: number, now: number) {
    this.#commands = commandsPerSecond;
    this.#bytes = bytesPerSecond;
    this.#at = now;
  }

  /**
   * @param commandsPerSecond limits in force, 0 = none
   * @param now ms
   * @returns ms for which the connection must not be read
   */
  spend(
    commands: number,
    bytes: number,
    commandsPerSecond: number,
    bytesPerSecond: number,
    now: number,
  ): number {
    const seconds = Math.max(0, now - this.#at) / 1000;
    this.#at = now;
    this.#commands = Math.min(commandsPerSecond, this.#commands + seconds * commandsPerSecond) - commands;
    this.#bytes = Math.min(bytesPerSecond, this.#bytes + seconds * bytesPerSecond) - bytes;
    const forCommands = commandsPerSecond > 0 && this.#commands < 0 ? -this.#commands / commandsPerSecond : 0;
    const forBytes = bytesPerSecond > 0 && this.#bytes < 0 ? -this.#bytes / bytesPerSecond : 0;
    return Math.ceil(Math.max(forCommands, forBytes) * 1000);
  }
}
