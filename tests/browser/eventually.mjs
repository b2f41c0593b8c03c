import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, inspect } from 'node:util';

const patienceMs = 30_000;

/** Asks until `wanted` says yes to the answer, or the answer is equal to it. Fails after 30 s, with the last answer. */
export async function eventually(what, ask, wanted) {
  const isWanted = typeof wanted === 'function' ? wanted : (answer) => isDeepStrictEqual(answer, wanted);
  const end = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    if (performance.now() > end) throw new Error(`waited ${patienceMs / 1000} s until ${what}; it is ${inspect(answer)}`);
    await sleep(20);
  }
}
