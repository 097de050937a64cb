// LOLWUT: a piece of computer art, a different one for each major version that had one, as redis-server shows them.
//
//   5   Georg Nees' "Schotter" (1968): rows of squares, the lower the more in disorder, in Braille characters
//   6   a skyline at night, after an 8-bit game, in the four greys of terminals
//
// Without a version, and for any other one, there is only the line with the server's version.

import { argLong } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';

/** Characters of a drawing; Redis has no limit of its own to what it takes to draw a few very tall squares. */
const CELLS_MAX = 4 * 1024 * 1024;

/** LOLWUT [VERSION version] [argument ...] */
export function lolwutCommand(cx: CommandContext): void {
  const tail = `Redis ver. ${cx.server.facts.redisVersion}\n`;
  if (cx.argc < 3 || !cx.argIs(1, 'VERSION')) {
    cx.reply.verbatim(tail);
    return;
  }
  const version = argLong(cx, 2);
  if (version === null) cx.error(ErrorText.NotInteger);
  else if (version === 5) {
    const sizes = readSizes(cx, [66, 8, 12], [1000, 200, 200]);
    if (sizes !== null) {
      const drawing = schotter(sizes[0]!, sizes[1]!, sizes[2]!);
      cx.reply.verbatim(`${drawing}\nGeorg Nees - schotter, plotter on paper, 1968. ${tail}`);
    }
  } else if (version === 6) {
    const sizes = readSizes(cx, [80, 20], [1000, 1000]);
    if (sizes !== null) {
      cx.reply.verbatim(
        `${skyline(sizes[0]!, sizes[1]!)}\nDedicated to the 8 bit game developers of past and present.\nOriginal 8 bit image from Plaguemon by hikikomori. ${tail}`,
      );
    }
  } else cx.reply.verbatim(tail);
}

/** Numbers from argument 3 on, brought into 1..max. @returns null when an error was replied */
function readSizes(cx: CommandContext, defaults: readonly number[], max: readonly number[]): number[] | null {
  const sizes = [...defaults];
  for (let i = 0; i < defaults.length && i + 3 < cx.argc; i++) {
    const given = argLong(cx, i + 3);
    if (given === null) {
      cx.error(ErrorText.NotInteger);
      return null;
    }
    sizes[i] = Math.min(Math.max(given, 1), max[i]!);
  }
  return sizes;
}

// ---- Schotter ----

/** A canvas of Braille characters, two dots wide and four high each. */
class BrailleCanvas {
  readonly #width: number;
  readonly #height: number;
  readonly #columns: number;
  readonly #cells: Uint8Array;

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
    this.#columns = Math.ceil(width / 2);
    this.#cells = new Uint8Array(this.#columns * Math.ceil(height / 4));
  }

  /** What lies outside is not drawn. */
  dot(x: number, y: number): void {
    if (x < 0 || x >= this.#width || y < 0 || y >= this.#height) return;
    this.#cells[(y >> 2) * this.#columns + (x >> 1)]! |= BRAILLE_BITS[(y & 3) * 2 + (x & 1)]!;
  }

  /** A straight line, by Bresenham's way. */
  line(x: number, y: number, toX: number, toY: number): void {
    const dx = Math.abs(toX - x);
    const dy = Math.abs(toY - y);
    const stepX = x < toX ? 1 : -1;
    const stepY = y < toY ? 1 : -1;
    let error = dx - dy;
    for (;;) {
      this.dot(x, y);
      if (x === toX && y === toY) return;
      const twice = error * 2;
      if (twice > -dy) {
        error -= dy;
        x += stepX;
      }
      if (twice < dx) {
        error += dx;
        y += stepY;
      }
    }
  }

  /** A line per row. As in Redis the last line has no end when it is one dot high. */
  toString(): string {
    let text = '';
    for (let from = 0; from < this.#cells.length; from += this.#columns) {
      const row = this.#cells.subarray(from, from + this.#columns);
      text += `${String.fromCharCode(...Array.from(row, (bits) => 0x2800 + bits))}\n`;
    }
    return (this.#height & 3) === 1 ? text.slice(0, -1) : text;
  }
}

/** Bit of each dot of a Braille character, row by row. */
const BRAILLE_BITS = [1, 8, 2, 16, 4, 32, 64, 128];

function schotter(columns: number, perRow: number, perColumn: number): string {
  const width = columns * 2;
  const padding = width > 4 ? 2 : 0;
  const side = Math.fround((width - padding * 2) / perRow);
  const heightMax = Math.floor(CELLS_MAX / columns) * 4;
  const height = Math.min(heightMax, Math.trunc(side * perColumn + padding * 2));
  const canvas = new BrailleCanvas(width, height);
  for (let row = 0; row < perColumn; row++) {
    for (let column = 0; column < perRow; column++) {
      // The first two rows are in order.
      const disorder = row > 1 ? row / perColumn : 0;
      const x = (column + 0.5) * side + padding + (disorder * either() * side) / 3;
      const y = (row + 0.5) * side + padding + (disorder * either() * side) / 3;
      drawSquare(canvas, Math.trunc(x), Math.trunc(y), side, disorder * either());
    }
  }
  return canvas.toString();
}

/** Between -1 and 1. */
function either(): number {
  return Math.random() * 2 - 1;
}

/** @param angle radians by which it is turned */
function drawSquare(canvas: BrailleCanvas, x: number, y: number, side: number, angle: number): void {
  const radius = Math.round(side / Math.SQRT2);
  const corners = [0, 1, 2, 3].map((corner) => {
    const at = Math.PI / 4 + angle + (corner * Math.PI) / 2;
    return [Math.round(Math.sin(at) * radius + x), Math.round(Math.cos(at) * radius + y)] as const;
  });
  for (const [i, [fromX, fromY]] of corners.entries()) {
    const [toX, toY] = corners[(i + 1) % 4]!;
    canvas.line(fromX, fromY, toX, toY);
  }
}

// ---- skyline ----

const Grey = { Black: 0, Dark: 1, Light: 2, White: 3 } as const;
/** Foreground and background are both set: terminals differ less so. */
const ESCAPES = ['0;30;40m', '0;90;100m', '0;37;47m', '0;97;107m'];

interface Building {
  readonly left: number;
  readonly width: number;
  readonly height: number;
  readonly grey: number;
  readonly windows: boolean;
}

function skyline(columns: number, rows: number): string {
  const pixels = Array.from({ length: rows }, () => new Uint8Array(columns).fill(Grey.White));
  // Two rows of houses far away, the lighter one behind, then the near ones with lit windows.
  buildRow(pixels, columns, (left) => ({
    left,
    width: 10 + random(9),
    height: half(rows) + half(random(rows)),
    grey: Grey.Light,
    windows: false,
  }));
  buildRow(pixels, columns, (left) => ({
    left,
    width: 10 + random(9),
    height: half(rows) + Math.floor(random(rows) / 3),
    grey: Grey.Dark,
    windows: false,
  }));
  buildRow(pixels, columns, (left) => {
    const width = 5 + random(14);
    return {
      left,
      width: width % 4 === 0 ? width : width + (width % 3),
      height: Math.floor(rows / 3) + half(random(rows)),
      grey: Grey.Black,
      windows: true,
    };
  });
  const lines = pixels.map((row) => Array.from(row, (grey) => `\x1b[${ESCAPES[grey]} \x1b[0m`).join(''));
  return lines.join('\n');
}

/** Space behind a house until the next may begin, by its grey. */
const GAPS: Readonly<Record<number, (width: number) => number>> = {
  [Grey.Light]: half,
  [Grey.Dark]: (width) => width + 1,
  [Grey.Black]: (width) => width + 5,
};

function buildRow(pixels: Uint8Array[], columns: number, design: (left: number) => Building): void {
  let left = -10;
  while (left < columns) {
    left += random(8);
    const house = design(left);
    build(pixels, house);
    left += GAPS[house.grey]!(house.width);
  }
}

function build(pixels: Uint8Array[], house: Building): void {
  const bottom = pixels.length - 1;
  const top = bottom - house.height + 1;
  for (let y = Math.max(top, 0); y <= bottom; y++) {
    // The roof is four pixels narrower.
    const inset = y === top ? 2 : 0;
    for (let x = inset; x < house.width - inset; x++) paint(pixels[y]!, house.left + x, house.grey);
  }
  if (house.windows) lightWindows(pixels, house, top, bottom);
}

/** Windows are two pixels wide and one high, one of the two greys, two pixels apart, and away from the walls. */
function lightWindows(pixels: Uint8Array[], house: Building, top: number, bottom: number): void {
  for (let y = top + 2; y < bottom - 1; y += 2) {
    for (let x = 3; x < house.width - 2; x += 4) {
      const grey = Grey.Dark + random(2);
      for (const at of [x, x + 1]) {
        if (y >= 0 && at < house.width - 2) paint(pixels[y]!, house.left + at, grey);
      }
    }
  }
}

function paint(row: Uint8Array, x: number, grey: number): void {
  if (x >= 0 && x < row.length) row[x] = grey;
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

function half(value: number): number {
  return Math.floor(value / 2);
}
