// Reports of threads in the order of their numbers, whichever comes first.

import { expect, it } from 'vitest';
import { Reporter } from '../../src/execution/reports.ts';
import { GlobalWord } from '../../src/memory/layout.ts';
import { ReportOrder } from '../../src/server/report-order.ts';

function order() {
  const words = new Int32Array(GlobalWord.Reports + 1);
  // The counter wraps.
  words[GlobalWord.Reports] = 2 ** 31 - 2;
  const taken: string[] = [];
  const reports = new ReportOrder(words, {
    monitor: (_, lines) => taken.push(lines),
    slow: ({ args }) => taken.push(args.join(' ')),
    late: ({ event, ms }) => taken.push(`${event} ${ms}`),
    denied: () => taken.push('denied'),
  });
  return { reports, reporter: new Reporter(words, null as never, { getInt: () => 0, watch() {} }), taken };
}

it('takes reports by number, and lines with times that never go back', async () => {
  const { reports, reporter, taken } = order();
  const line = (usec: number) => ({ usec, text: ` [0 a:1] "PING"\r\n` });
  const numbers = Array.from({ length: 5 }, () => reporter.number());
  reports.add({ number: numbers[2]!, late: { event: 'command', ms: 5 } });
  reports.add({ number: numbers[4]!, lines: [line(1_000_002), line(1_000_003)] });
  expect(taken).toEqual([]);
  const seen = reports.when(numbers[2]!, () => taken.length);
  reports.add({ number: numbers[0]!, lines: [line(2_000_004)] });
  reports.add({ number: numbers[1]!, lines: [] });
  expect(taken).toEqual(['+2.000004 [0 a:1] "PING"\r\n', 'command 5']);
  reports.add({ number: numbers[3]!, lines: [line(2_000_005)] });
  expect(taken.slice(2)).toEqual([
    '+2.000005 [0 a:1] "PING"\r\n',
    '+2.000005 [0 a:1] "PING"\r\n+2.000005 [0 a:1] "PING"\r\n',
  ]);
  expect(await seen).toBe(2);
  expect(await reports.when(numbers[4]!, () => taken.length)).toBe(4);
});
