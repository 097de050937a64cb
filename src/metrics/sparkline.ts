// Graphs of text, as LATENCY GRAPH draws them: a column per sample, rows of three steps each, labels written downwards.
//
//        #
//       _#
//     _o||
//     ||||
//
//     5431
//     ssss

/** One column. */
export interface SparkSample {
  readonly value: number;
  /** Written below its column, downwards. */
  readonly label: string;
}

/** Heights within one row, the lowest first; what is above is filled below. */
const STEPS = ['_', 'o', '#'];
const FILL = '|';

/**
 * Draws samples, `columns` per block.
 * @param rows height of the graph
 * @returns lines, each with its end; an empty line between blocks
 */
export function sparkline(samples: readonly SparkSample[], columns: number, rows: number): string {
  const values = samples.map((sample) => sample.value);
  const min = Math.min(...values);
  const range = Math.max(...values) - min;
  const blocks: string[] = [];
  for (let from = 0; from < samples.length; from += columns) {
    blocks.push(drawBlock(samples.slice(from, from + columns), rows, min, range === 0 ? 1 : range));
  }
  return blocks.join('\n');
}

function drawBlock(samples: readonly SparkSample[], rows: number, min: number, range: number): string {
  const steps = STEPS.length * rows;
  const heights = samples.map((sample) => {
    const step = Math.trunc(((sample.value - min) * steps) / range);
    return Math.min(Math.max(step, 0), steps - 1);
  });
  let text = '';
  for (let row = rows - 1; row >= 0; row--) {
    text += heights.map((height) => cell(height - row * STEPS.length)).join('') + '\n';
  }
  text += ' '.repeat(samples.length) + '\n';
  const labelRows = Math.max(...samples.map((sample) => sample.label.length));
  for (let row = 0; row < labelRows; row++) {
    text += samples.map((sample) => sample.label[row] ?? ' ').join('') + '\n';
  }
  return text;
}

/** @param step height above the row's foot, in steps */
function cell(step: number): string {
  if (step < 0) return ' ';
  return STEPS[step] ?? FILL;
}
