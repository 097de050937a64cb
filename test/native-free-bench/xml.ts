/*
 * A strict check that a text is well-formed XML, for as much of XML as our SVG files use: a declaration, elements,
 * attributes in double quotes, text with the five named entities. No comments, CDATA, doctypes or processing
 * instructions, whose appearance fails the check.
 */

const TOKEN = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|[^<]+/y;

function checkText(text: string): void {
  if (/&(?!(amp|lt|gt|quot|apos);)/.test(text))
    throw new Error(`bare & in ${JSON.stringify(text.slice(0, 80))}`);
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f]/.test(text)) throw new Error('control character');
}

/**
 * @returns the names of all elements, in the order they open
 * @throws Error when the text is not well-formed
 */
export function checkXml(text: string): string[] {
  const body = text.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '');
  const open: string[] = [];
  const names: string[] = [];
  let at = 0;
  while (at < body.length) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(body);
    if (match === null) throw new Error(`not XML at ${JSON.stringify(body.slice(at, at + 80))}`);
    at = TOKEN.lastIndex;
    const [token, closing, name, attributes, empty] = match;
    checkText(name === undefined ? token : attributes!);
    if (name === undefined) {
      if (open.length === 0 && token.trim() !== '') throw new Error('text outside of the root');
      continue;
    }
    if (closing === '/') {
      if (open.pop() !== name) throw new Error(`</${name}> closes another element`);
      continue;
    }
    if (open.length === 0 && names.length > 0) throw new Error('a second root');
    const keys = [...attributes!.matchAll(/([\w:-]+)=/g)].map((one) => one[1]);
    if (new Set(keys).size !== keys.length) throw new Error(`an attribute twice in <${name}>`);
    names.push(name);
    if (empty === '') open.push(name);
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not closed`);
  return names;
}
