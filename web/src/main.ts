/** Starts the page. */

import { Automation } from "./automation.js";
import { Distiller } from "./client/distiller.js";
import { inWords, UserError } from "./errors.js";
import { AnswerView } from "./page/answer_view.js";
import { App } from "./page/app.js";
import { loadSettings } from "./settings.js";

async function start(): Promise<App> {
  const settings = await loadSettings();
  if (settings.problem !== null) throw new UserError(settings.problem);
  return await App.start(settings, await Distiller.load(settings));
}

const starting = start();
window.tsd = new Automation(starting);
starting.catch((error: unknown) => {
  console.error(error);
  document.body.dataset["state"] = "error";
  const answers = new AnswerView();
  answers.tell("");
  answers.complain(inWords(error), { name: "Reload the page", go: () => location.reload() });
});
