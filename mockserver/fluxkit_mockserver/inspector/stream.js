// What happens, as it happens. A stream that broke is opened again, and goes on where it was.

import { address } from "./api.js";

const KINDS = ["exchange", "task", "bill", "webhook", "fault", "clock", "balance", "limits", "progression", "switches", "reset", "gap"];
const SLOWEST = 10;

/** Watches the mock: `heard(kind, told)` for each event, `opened(resumed)`, `lost(seconds)` until the next try. */
export function watch({ heard, opened, lost }) {
  let source = null;
  let last = null;
  let wait = 1;
  let timer = 0;

  function open() {
    clearTimeout(timer);
    source?.close();
    const resumed = last !== null;
    source = new EventSource(address("events", resumed ? { last } : {}));
    source.onopen = () => {
      wait = 1;
      opened(resumed);
    };
    source.onerror = () => {
      source.close();
      lost(wait);
      timer = setTimeout(open, wait * 1000);
      wait = Math.min(wait * 2, SLOWEST);
    };
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        last = event.lastEventId || last;
        heard(kind, JSON.parse(event.data));
      });
    }
  }

  open();
  return {
    retry() {
      wait = 1;
      open();
    },
    stop() {
      clearTimeout(timer);
      source?.close();
    },
  };
}
