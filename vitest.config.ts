import { defineConfig } from 'vitest/config';

/** Where the results also go as JSON, for scripts. */
const json = process.env['SABRE_TEST_JSON'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Some 6,000 tests beside real processes, on a machine that others may use: CI asks one that fails a second time, and says so.
    retry: process.env['CI'] === 'true' ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is waited for comes soon, but nobody knows how late a loaded machine is.
    expect: { poll: { timeout: 20_000 } },
    reporters: json === undefined ? ['default'] : ['default', ['json', { outputFile: json }]],
  },
});
