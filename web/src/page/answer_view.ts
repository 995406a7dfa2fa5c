/** Shows the answer with its likeliest classes, what the page is doing, and what went wrong. */

import type { Ranked } from "../cloud/answer.js";
import { byId, element } from "./elements.js";

/** The section of the page. */
export class AnswerView {
  private readonly status = byId("status", HTMLElement);
  private readonly problem = byId("problem", HTMLElement);
  private readonly answer = byId("answer", HTMLElement);
  private readonly classes = byId("classes", HTMLElement);

  /** One line about what goes on. */
  tell(line: string): void {
    this.status.textContent = line;
  }

  /** No answer and no problem yet. */
  clear(): void {
    this.answer.textContent = "";
    this.classes.replaceChildren();
    this.problem.replaceChildren();
  }

  /** The likeliest classes, likeliest first. */
  show(ranked: readonly Ranked[]): void {
    const [first] = ranked;
    const text = first === undefined ? "" : `${first.label}, ${percent(first.score)}`;
    // A screen reader would read the same answer again and again.
    if (this.answer.textContent !== text) this.answer.textContent = text;
    this.classes.replaceChildren(
      ...ranked.map(({ label, score }) => {
        const item = element("li");
        const bar = element("span");
        bar.className = "bar";
        bar.style.width = `${100 * score}%`;
        item.append(bar, element("span", label), element("span", percent(score)));
        return item;
      }),
    );
  }

  /** A problem in a sentence, with a button that goes on. */
  complain(message: string, way: { readonly name: string; go(): void } | null): void {
    const parts: HTMLElement[] = [element("p", message)];
    if (way !== null) {
      const button = element("button", way.name);
      button.type = "button";
      button.onclick = (): void => way.go();
      parts.push(button);
    }
    this.problem.replaceChildren(...parts);
    this.problem.scrollIntoView({ block: "nearest" });
  }
}

function percent(score: number): string {
  return `${Math.round(100 * score)} %`;
}
