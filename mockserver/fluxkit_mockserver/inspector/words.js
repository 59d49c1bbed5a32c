// How times, sizes and amounts are written.

const pad = (number, digits = 2) => String(number).padStart(digits, "0");

/** The time of day of seconds since the epoch. */
export function clockTime(at, { fine = false } = {}) {
  const date = new Date(at * 1000);
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return fine ? `${time}.${pad(date.getMilliseconds(), 3)}` : time;
}

export const dayTime = (at) => {
  const date = new Date(at * 1000);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${clockTime(at)}`;
};

/** A span of seconds. */
export function span(seconds) {
  const size = Math.abs(seconds);
  if (size < 1) return `${Number((seconds * 1000).toPrecision(2))} ms`;
  if (size < 120) return `${Number(seconds.toFixed(size < 10 ? 1 : 0))} s`;
  if (size < 7200) return `${Math.round(seconds / 60)} min`;
  if (size < 172800) return `${Number((seconds / 3600).toFixed(1))} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export const many = (count, noun, nouns = `${noun}s`) => `${count.toLocaleString("en")} ${count === 1 ? noun : nouns}`;

/** The sum of decimal numbers that come as text, exactly; null where one of them is unknown and none is known. */
export function sum(amounts) {
  const known = amounts.filter((amount) => amount !== null);
  if (!known.length) return null;
  const digits = Math.max(...known.map((amount) => (amount.split(".")[1] ?? "").length));
  const total = known.reduce((so_far, amount) => {
    const [whole, part = ""] = amount.split(".");
    return so_far + BigInt(whole + part.padEnd(digits, "0"));
  }, 0n);
  const text = total.toString().padStart(digits + 1, "0");
  return digits ? `${text.slice(0, -digits)}.${text.slice(-digits)}` : text;
}

export const statusWord = (status) => (status === 0 ? "dropped" : String(status));
export const statusKind = (status) =>
  status === 0 ? "dropped" : status < 300 ? "good" : status < 400 ? "else" : status < 500 ? "theirs" : "ours";
