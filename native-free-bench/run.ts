/*
 * Runs the chosen scenarios: servers of each group up, data in, rounds A B A B, servers down.
 *
 * Only one server has load at a time; the other is up and idle. A scenario that can't be done (an error reply) is
 * recorded as failed and the others go on; a server that dies ends the run.
 */

import { serverInfo } from './control.ts';
import { findHalfRate, preload, type ScenarioState, sampleStart, takeSample, warmUp } from './measure.ts';
import { type Sample, type Settings, sized } from './measure-parts.ts';
import { configure } from './measure-persistence.ts';
import { watchForeignCpu } from './process-stats.ts';
import type { Group, Scenario } from './scenario-types.ts';
import { commandLine, Server, ServerFailure, type ServerSpec } from './servers.ts';

/** A sample with where it belongs. */
export interface RoundSample {
  round: number;
  /** Label of the server. */
  server: string;
  values: Sample;
}

export interface ScenarioOutcome {
  group: string;
  scenario: Scenario;
  samples: RoundSample[];
  /** Why it could not be measured. */
  error?: string;
}

/** What is being compared, as far as it told of itself. */
export interface ServerDescription {
  label: string;
  command: string;
  version: string;
}

export interface RunPlan {
  groups: readonly Group[];
  servers: readonly ServerSpec[];
  sabreArgs: readonly string[];
  rounds: number;
  settings: Settings;
  /** Is told of each step. */
  say: (line: string) => void;
}

export interface RunOutcome {
  outcomes: ScenarioOutcome[];
  servers: ServerDescription[];
}

function extraArgs(plan: RunPlan, group: Group, spec: ServerSpec): string[] {
  return spec.sabre ? [...plan.sabreArgs, ...group.sabreArgs] : [];
}

/** The servers of a group: one of each kind that is compared, and, in some groups, its twin. */
interface GroupServers {
  servers: Server[];
  twins: Server[];
}

/** Takes a scenario's rounds. `sample` takes one sample on server number `side`; `running` are the servers that are up. */
async function takeRounds(
  plan: RunPlan,
  outcome: ScenarioOutcome,
  running: readonly Server[],
  sample: (side: number) => Promise<Sample>,
): Promise<void> {
  const { scenario } = outcome;
  const rounds = Math.min(plan.rounds, scenario.roundsMax ?? plan.rounds);
  const metric = scenario.metrics[0]!;
  for (let round = 1; round <= rounds; round++) {
    const figures: string[] = [];
    for (let side = 0; side < plan.servers.length; side++) {
      const endWatch = watchForeignCpu(running.map((server) => server.pid));
      const values = await sample(side);
      const foreignCpuPercent = endWatch();
      if (foreignCpuPercent !== undefined) values['foreignCpuPercent'] = foreignCpuPercent;
      const server = plan.servers[side]!.label;
      outcome.samples.push({ round, server, values });
      const value = values[metric.key];
      figures.push(`${server} ${value === undefined ? 'n/a' : formatFigure(value)} ${metric.unit}`);
    }
    plan.say(`  ${scenario.name.padEnd(18)} ${round}/${rounds}  ${figures.join('   ')}`);
  }
}

/** A figure with three significant digits or all digits before the point. */
export function formatFigure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** Runs a step of a scenario; its failure is the scenario's, but a dead server's is the run's. */
async function attempt(plan: RunPlan, outcome: ScenarioOutcome, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    if (error instanceof ServerFailure) throw error;
    outcome.error = (error as Error).message;
    plan.say(`  ${outcome.scenario.name.padEnd(18)} failed: ${outcome.error}`);
  }
}

async function runScenario(
  plan: RunPlan,
  outcome: ScenarioOutcome,
  { servers, twins }: GroupServers,
): Promise<void> {
  const { scenario } = outcome;
  const state: ScenarioState = {};
  await attempt(plan, outcome, async () => {
    for (const server of servers) await warmUp(scenario, server, plan.settings);
    if (scenario.work.kind === 'half-rate' || scenario.work.kind === 'half-rate-save') {
      const base = servers.at(-1)!;
      state.rate = await findHalfRate(scenario.work, base, plan.settings);
      plan.say(
        `  ${scenario.name.padEnd(18)} rate ${formatFigure(state.rate)} req/s, half of ${base.spec.label}'s top`,
      );
    }
    await takeRounds(plan, outcome, [...servers, ...twins], (side) =>
      takeSample(scenario, servers[side]!, plan.settings, state, twins[side]),
    );
  });
}

async function describe(server: Server): Promise<ServerDescription> {
  const info = await server.guard(serverInfo(server.port, 'server'));
  const own = info.get('sabre_version') ?? info.get('valkey_version') ?? info.get('redis_version');
  return { label: server.spec.label, command: commandLine(server.spec), version: own ?? 'unknown' };
}

async function loadServers(plan: RunPlan, group: Group, { servers, twins }: GroupServers): Promise<void> {
  if (group.preload !== undefined) {
    const keys = sized(group.preload.keys, plan.settings.quick);
    plan.say(`  loading ${keys.toLocaleString('en-US')} keys`);
    for (const server of [...servers, ...twins])
      await preload(server, keys, group.preload.valueBytes, plan.settings.threads);
  }
  if (group.config === undefined) return;
  for (const server of servers) await configure(server, group.config);
}

/**
 * Loads a group's data and sets its directives. Where a server refuses that, all scenarios of the group have failed and
 * false is returned.
 */
async function loadGroup(
  plan: RunPlan,
  group: Group,
  running: GroupServers,
  outcomes: readonly ScenarioOutcome[],
): Promise<boolean> {
  try {
    await loadServers(plan, group, running);
    return true;
  } catch (error) {
    if (error instanceof ServerFailure) throw error;
    const reason = `loading failed: ${(error as Error).message}`;
    for (const outcome of outcomes) outcome.error = reason;
    plan.say(`  ${reason}`);
    return false;
  }
}

/** A group whose scenarios share running servers. */
async function runServedGroup(plan: RunPlan, group: Group, outcomes: ScenarioOutcome[]): Promise<void> {
  const running: GroupServers = { servers: [], twins: [] };
  const { servers, twins } = running;
  try {
    for (const spec of plan.servers) servers.push(await Server.start(spec, extraArgs(plan, group, spec)));
    if (group.twin === true) {
      for (const spec of plan.servers) twins.push(await Server.start(spec, extraArgs(plan, group, spec)));
    }
    if (!(await loadGroup(plan, group, running, outcomes))) return;
    for (const outcome of outcomes) await runScenario(plan, outcome, running);
  } finally {
    await Promise.all([...servers, ...twins].map((server) => server.stop()));
  }
}

/** A group whose scenarios start servers themselves. */
async function runStartGroup(plan: RunPlan, group: Group, outcomes: ScenarioOutcome[]): Promise<void> {
  for (const outcome of outcomes) {
    await attempt(plan, outcome, () =>
      takeRounds(plan, outcome, [], (side) => {
        const spec = plan.servers[side]!;
        return sampleStart(spec, extraArgs(plan, group, spec));
      }),
    );
  }
}

/**
 * Runs everything planned.
 * @throws ServerFailure when a server dies or can't be started
 */
export async function runAll(plan: RunPlan): Promise<RunOutcome> {
  const outcomes: ScenarioOutcome[] = [];
  const servers: ServerDescription[] = [];
  for (const spec of plan.servers) {
    const server = await Server.start(spec, spec.sabre ? plan.sabreArgs : []);
    try {
      servers.push(await describe(server));
    } finally {
      await server.stop();
    }
  }
  for (const group of plan.groups) {
    plan.say(`${group.name}: ${group.title}`);
    const mine = group.scenarios.map(
      (scenario): ScenarioOutcome => ({ group: group.name, scenario, samples: [] }),
    );
    outcomes.push(...mine);
    if (group.servers) await runServedGroup(plan, group, mine);
    else await runStartGroup(plan, group, mine);
  }
  return { outcomes, servers };
}
