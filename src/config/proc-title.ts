/**
 * proc-title-template: text with `{variables}`, `{{` for a brace (Redis's sdstemplate).
 */

/** What decides whether a variable is empty while a template is checked. */
export interface ProcTitleFacts {
  readonly unixSocket: string;
  readonly configFile: string;
  readonly clusterEnabled: boolean;
}

/**
 * Fills in a template.
 * @param variables values by name
 * @returns the text without spaces around it, or null when a brace is not closed or a variable is not known
 */
export function expandProcTitle(template: string, variables: ReadonlyMap<string, string>): string | null {
  let title = '';
  let at = 0;
  for (;;) {
    const open = template.indexOf('{', at);
    if (open < 0) return (title + template.slice(at)).replace(/^ +| +$/g, '');
    title += template.slice(at, open);
    if (template[open + 1] === '{') {
      title += '{';
      at = open + 2;
      continue;
    }
    const close = template.indexOf('}', open + 1);
    if (close < 0) return null;
    const value = variables.get(template.slice(open + 1, close));
    if (value === undefined) return null;
    title += value;
    at = close + 1;
  }
}

/** Whether a template may be set: its variables are known, and it does not come out empty. */
export function isProcTitleTemplate(template: string, facts: ProcTitleFacts): boolean {
  const variables = new Map([
    ['title', ''],
    ['listen-addr', '*:0'],
    ['server-mode', facts.clusterEnabled ? ' [cluster]' : ''],
    ['port', '0'],
    ['tls-port', '0'],
    ['unixsocket', facts.unixSocket],
    ['config-file', facts.configFile],
  ]);
  const title = expandProcTitle(template, variables);
  return title !== null && title !== '';
}
