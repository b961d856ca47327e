/** Small DOM helpers. Data only ever becomes text nodes and attributes, never markup. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** el("p.muted", {title}, ...children): strings become text nodes; null and false are left out. */
export function el(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElement(tag);
  if (classes.length > 0) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...present(children));
  return node;
}

const present = (nodes) => nodes.filter((node) => node !== null && node !== false && node !== undefined);

/** Absent (null, undefined, false) takes it away; only a change touches the DOM. */
export function setAttribute(node, name, value) {
  if (name.startsWith("on")) return node.addEventListener(name.slice(2), value);
  if (value === null || value === undefined || value === false) return node.removeAttribute(name);
  const text = value === true ? "" : String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

export function setText(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

export const replace = (node, ...children) => node.replaceChildren(...present(children));

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Make `parent` hold exactly `nodes`, moving none that is in place: focus, scroll and open details stay. */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
}

/** Nodes by key, made once and updated for ever after. */
export class Keyed {
  #nodes = new Map();

  constructor(parent) { this.parent = parent; }

  /** `make(item)` builds a node, `update(node, item)` brings it up to date. */
  show(items, { key, make, update = () => {} }) {
    const nodes = new Map();
    for (const item of items) {
      const name = key(item);
      const node = this.#nodes.get(name) ?? make(item);
      update(node, item);
      nodes.set(name, node);
    }
    this.#nodes = nodes;
    arrange(this.parent, [...nodes.values()]);
  }

  get(key) { return this.#nodes.get(key); }
}
