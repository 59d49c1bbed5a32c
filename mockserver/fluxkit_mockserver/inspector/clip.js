// What is copied: a text of the mock's, onto the clipboard, or to be copied by hand where no page may do that.

import { text } from "./api.js";
import { $, toast } from "./dom.js";

export async function copyText(content, what) {
  try {
    await navigator.clipboard.writeText(content);
    toast(`Copied ${what}`);
  } catch {
    const area = $("text-area");
    area.value = content;
    $("text-title").textContent = `Copy ${what}`;
    $("text").showModal();
    area.select();
  }
}

/** Copies what the mock tells at *path*. */
export async function copyFrom(path, what) {
  let content;
  try {
    content = await text(path);
  } catch (problem) {
    toast(problem.message, { bad: true });
    return;
  }
  await copyText(content, what);
}
