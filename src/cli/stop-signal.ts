// SIGINT and SIGTERM, which every command that serves heeds.

/** Resolves with the first of them. A second one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    const stop = (): void => {
      if (told) process.exit(130);
      told = true;
      resolve();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}

/** Milliseconds. */
const FAREWELL = 1000;

/** When all is done: sockets whose peers vanished without a word would keep the process for minutes. */
export function leaveSoon(): void {
  setTimeout(() => process.exit(), FAREWELL).unref();
}
