// What the user asks the mock to do.

import { Problem } from "./api.js";
import { toast } from "./dom.js";

/** Carries out what the user asked for, and says so if it cannot be. */
export async function attempt(act, done) {
  try {
    await act();
    if (done) toast(done);
  } catch (problem) {
    toast(problem instanceof Problem ? problem.message : "The mock cannot be reached.", { bad: true });
  }
}
