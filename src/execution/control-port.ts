// Calls between threads off the hot path: each thread has one MessagePort to the supervisor.
//
//   { call: n, method, payload }  ->   { answer: n, result } or { answer: n, error: text }
//
// Both sides may call. A method that throws RefusedError answers the caller with its text (an error reply); any other
// error is a bug and ends the process. Payloads are structured clones.

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

/** A refusal whose message is the text of an error reply. */
export class RefusedError extends Error {}

// biome-ignore lint/suspicious/noExplicitAny: payloads are what the methods agree on
export type Methods = Record<string, (payload: any) => unknown | Promise<unknown>>;

interface Message {
  readonly call?: number;
  readonly method?: string;
  readonly payload?: unknown;
  readonly answer?: number;
  readonly result?: unknown;
  readonly error?: string;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class ControlPort {
  readonly #port: MessagePort;
  readonly #methods: Methods;
  readonly #pending = new Map<number, Pending>();
  readonly #fatal: (error: unknown) => void;
  /** Called after each message sent: to wake a thread that does not run an event loop. */
  readonly #sent: () => void;
  #last = 0;

  /** @param fatal ends the process for an error that is a bug */
  constructor(
    port: MessagePort,
    methods: Methods,
    fatal: (error: unknown) => void,
    sent: () => void = () => {},
  ) {
    this.#port = port;
    this.#methods = methods;
    this.#fatal = fatal;
    this.#sent = sent;
  }

  /** Takes messages as events. */
  listen(): void {
    this.#port.on('message', (message: Message) => this.#take(message));
  }

  /** Takes the messages that are there: for threads that sleep on their doorbell. */
  poll(): void {
    for (
      let next = receiveMessageOnPort(this.#port);
      next !== undefined;
      next = receiveMessageOnPort(this.#port)
    ) {
      this.#take(next.message as Message);
    }
  }

  /** @throws RefusedError with the other side's refusal */
  call(method: string, payload?: unknown): Promise<unknown> {
    const call = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
      this.#send({ call, method, payload });
    });
  }

  /** Calls without waiting for an answer. */
  tell(method: string, payload?: unknown): void {
    this.#send({ call: 0, method, payload });
  }

  close(): void {
    this.#port.close();
  }

  #send(message: Message): void {
    this.#port.postMessage(message);
    this.#sent();
  }

  #take(message: Message): void {
    if (message.answer !== undefined) {
      const pending = this.#pending.get(message.answer);
      this.#pending.delete(message.answer);
      if (message.error !== undefined) pending?.reject(new RefusedError(message.error));
      else pending?.resolve(message.result);
      return;
    }
    this.#run(message.call!, message.method!, message.payload);
  }

  /**
   * Runs a method and answers. What the method throws by mistake leaves here at once, out of any promise: a thread that
   * polls has no event loop that would report a rejection.
   */
  #run(call: number, name: string, payload: unknown): void {
    const answer = (result: unknown): void => {
      if (call !== 0) this.#send({ answer: call, result });
    };
    const refuse = (error: unknown): void => {
      if (!(error instanceof RefusedError)) this.#fatal(error);
      else if (call !== 0) this.#send({ answer: call, error: error.message });
    };
    const method = this.#methods[name];
    let value: unknown;
    try {
      if (method === undefined) throw new Error(`no control method '${name}'`);
      value = method(payload);
    } catch (error) {
      refuse(error);
      return;
    }
    if (value instanceof Promise) void value.then(answer, refuse);
    else answer(value);
  }
}
