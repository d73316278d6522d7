// The middle of the page: every array of the network as maps.

import { Maps } from "./maps.js";
import { count, show } from "./numbers.js";
import { colouring, cssOf, largest } from "./colours.js";
import { t } from "./strings.js";

const byId = (id) => document.getElementById(id);

/**
 * All arrays from the picture to the logits, in the elements of the page whose ids are `prefix` and -title, -hint,
 * -readout, -layers. `ask(name, cell)` is called where a cell is clicked, `preview(network, name, cell)` where one is
 * pointed at, and without a name where none is any more.
 */
export class Network {
  constructor(ask, preview, prefix = "network") {
    this.ask = ask;
    this.prefix = prefix;
    this.views = new Map();
    this.pointed = null; // the view and the cell whose number stands above the maps
    this.tell = (view, cell) => {
      this.#say(view, cell);
      preview(this, view.name, view.index(cell));
    };
    this.leave = () => preview(this);
    new ResizeObserver(() => this.#redraw()).observe(byId(`${this.prefix}-layers`));
  }

  /** Make the views for a network that the server described. */
  describe(network) {
    this.about = network;
    this.layers = new Map(network.layers.map((layer) => [layer.result, layer]));
    const shapes = new Map([["a0", network.input], ...network.layers.map((layer) => [layer.result, layer.shape])]);
    this.views = new Map();
    this.pointed = null;
    byId(`${this.prefix}-readout`).textContent = "";
    for (const [name, shape] of shapes) this.views.set(name, new Maps(name, shape, this));
    byId(`${this.prefix}-layers`).replaceChildren(...[...this.views.values()].map((view) => view.element));
    this.texts();
  }

  /** Put the texts of the chosen language. */
  texts() {
    const { name, note, parameters, multiply_adds: adds } = this.about;
    if (name) {
      const title = t("networkTitle", { name, parameters: count(parameters), adds: count(adds) });
      byId(`${this.prefix}-title`).textContent = title;
      byId(`${this.prefix}-hint`).textContent = `${t("networkHint")} ${note}`;
    }
    let previous = "";
    for (const [array, view] of this.views) {
      const layer = this.layers.get(array);
      const shape = view.shape.join("×");
      let says = layer ? `${layer.name} ${layer.says}`.trim() : "";
      if (layer?.name && layer.sources[0] !== previous) says = t("ofArray", { says, array: layer.sources[0] });
      const input = name ? "inputTitle" : "zTitle";
      view.title.textContent = t(layer ? "layerTitle" : input, { name: array, says, shape });
      view.canvas.setAttribute("aria-label", `${view.title.textContent}. ${t("mapsOf")}`);
      previous = array;
    }
  }

  /** Show what the server saw; `gradient`: dL/d of every array in place of its values. */
  update(arrays, gradient) {
    this.arrays = arrays;
    for (const [name, view] of this.views) {
      const array = arrays[gradient ? `dL/d${name}` : name];
      if (!array) continue;
      const kind = gradient ? "gradient" : name === "a0" && !view.vector ? "grey" : "activation";
      const most = kind === "grey" ? 1 : largest(array.values);
      view.update(array, kind, most);
      legend(view, kind, most, array);
    }
    if (this.pointed) this.#say(this.pointed.view, this.pointed.cell);
  }

  /** Outline the cells that a step read and computed: marks by the name of the array. */
  mark(marks) {
    for (const [name, view] of this.views) view.mark(marks[name] ?? []);
  }

  #say(view, cell) {
    this.pointed = { view, cell };
    byId(`${this.prefix}-readout`).textContent = view.says(cell);
  }

  #redraw() {
    for (const view of this.views.values()) if (view.array) view.draw();
  }
}

function legend(view, kind, most, array) {
  const colour = colouring(kind);
  const low = kind === "grey" ? 0 : -1;
  const stops = Array.from({ length: 9 }, (_, n) => low + ((1 - low) * n) / 8);
  const strip = document.createElement("span");
  strip.className = "strip";
  strip.style.background = `linear-gradient(to right, ${stops.map((v) => cssOf(colour(v)).background).join(",")})`;
  const parts = [show(low * most, 3), strip, show(most, 3)];
  if (array.channels > array.shape[0]) parts.push(`(${t("shownOf", { shown: array.shape[0], all: array.channels })})`);
  view.legend.replaceChildren(...parts);
}
