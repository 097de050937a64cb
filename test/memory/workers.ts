// Real threads for tests: starts one per message and waits for what they return.

import { Worker } from 'node:worker_threads';

/**
 * Runs a worker file once per `data` and returns what each posted, in the order of `data`.
 * @param file of the worker, relative to `base`
 * @param base the caller's import.meta.url
 */
export function runWorkers<Data, Result>(
  file: string,
  base: string,
  data: readonly Data[],
): Promise<Result[]> {
  return Promise.all(data.map((workerData) => runWorker<Data, Result>(new URL(file, base), workerData)));
}

function runWorker<Data, Result>(file: URL, workerData: Data): Promise<Result> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData });
    let result: Result;
    worker.on('message', (message: Result) => {
      result = message;
    });
    worker.on('error', reject);
    worker.on('exit', (code) =>
      code === 0 ? resolve(result) : reject(new Error(`worker ended with ${code}`)),
    );
  });
}
