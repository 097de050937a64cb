// Lets other threads go on in the middle of a long value.

/** Who can: see CommandContext.breathe. */
export interface Pause {
  breathe(): void;
}

/** Elements between two calls of Pause.breathe, less one. */
const BREATH_MASK = 1023;

/** @param done elements so far @param pause null: there is nobody to let go on */
export function breathe(pause: Pause | null, done: number): void {
  if ((done & BREATH_MASK) === BREATH_MASK) pause?.breathe();
}
