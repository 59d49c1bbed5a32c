// Vercel's AI SDK, used as its documentation begins: node vercel.mjs ADDRESS FAULT/CLIENT ...
// `baseURL` says where the service is; nothing else is set. Each call ends in a line of JSON, as in peers.py.
import { inspect } from 'node:util';
import { createBlackForestLabs } from '@ai-sdk/black-forest-labs';
import { generateImage } from 'ai';

const [address, ...prompts] = process.argv.slice(2);
const provider = createBlackForestLabs({ baseURL: `${address}/v1`, apiKey: 'test' });

async function outcome(prompt) {
  try {
    const n = prompt.startsWith('n = 4') ? 4 : 1;
    const { images } = await generateImage({ model: provider.image('flux-pro-1.1'), prompt, n });
    return { prompt, images: images.length, error: null };
  } catch (error) {
    return { prompt, images: 0, error: inspect(error, { depth: 4 }) };
  }
}

for (const line of await Promise.all(prompts.map(outcome))) console.log(JSON.stringify(line));
