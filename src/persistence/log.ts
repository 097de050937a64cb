// What persistence needs of the log and of the latency monitor.

import type { Logger } from '../log/logger.ts';

export type PersistenceLog = Pick<Logger, 'debug' | 'verbose' | 'notice' | 'warning'>;

/** Takes a sample for LATENCY: the event as Redis names it, and how long it took in ms. */
export type LatencySink = (event: string, ms: number) => void;

/** How long something took, told to a sink. @param since what `performance.now()` said before */
export function tellLatency(sink: LatencySink, event: string, since: number): void {
  sink(event, performance.now() - since);
}
