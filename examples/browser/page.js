/** The script of the example page: scores the demo model in the browser and shows the highest neurons. */
import { openHttpSource } from "../../core.ts";
import { scoreDemo } from "./score_demo.ts";

const status = document.querySelector("#status");
const button = document.querySelector("button");
const table = document.querySelector("table");

async function run() {
  button.disabled = true;
  try {
    const result = await scoreDemo((path) => openHttpSource(new URL(`demo/${path}`, location.href)), {
      engine: "webgpu",
      onProgress: ({ stage, done, total }) => {
        status.textContent = `${stage}: ${done} of ${total}`;
      },
    });
    const [layers, neurons] = result.shape;
    status.textContent = `${layers} layers of ${neurons} neurons on ${result.adapter} in ${
      result.seconds.toFixed(1)
    } s; worst completeness error ${result.worstCompletenessError.toExponential(1)}; accuracy on these rows ${
      result.accuracy.toFixed(2)
    }`;
    const highest = result.scores
      .map((score, index) => ({ score, layer: Math.floor(index / neurons), neuron: index % neurons }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 10);
    const body = table.tBodies[0];
    body.replaceChildren(...highest.map(({ layer, neuron, score }) => {
      const row = document.createElement("tr");
      for (const value of [layer, neuron, score.toPrecision(6)]) row.insertCell().textContent = String(value);
      return row;
    }));
    table.hidden = false;
    // For whoever wants all of them: the console, and the test.
    Object.assign(globalThis, { result });
  } catch (error) {
    status.textContent = `Error: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

button.addEventListener("click", run);
button.disabled = false;
