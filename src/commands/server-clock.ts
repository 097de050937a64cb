// Unix time in microseconds, for TIME and INFO. Node's wall clock has milliseconds; the rest comes from the monotonic
// clock, which is set right again whenever the two have drifted apart (the wall clock may be adjusted).

const DRIFT_MS_MAX = 1;

let originMs = performance.timeOrigin;

/** @returns whole microseconds since 1970 */
export function unixMicroseconds(): number {
  const wall = Date.now();
  const fine = originMs + performance.now();
  if (fine >= wall && fine < wall + DRIFT_MS_MAX + 1) return Math.floor(fine * 1000);
  originMs = wall - performance.now();
  return wall * 1000;
}
