/** Small DOM helpers. User data only ever becomes text nodes and attributes, never markup. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** el("p.muted", {title}, ...children): strings become text nodes; null and false are left out. */
export function el(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElement(tag);
  if (classes.length > 0) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
  return node;
}

/** Absent (null, undefined, false) takes it away; only a change touches the DOM, which aria-live would read out. */
export function setAttribute(node, name, value) {
  if (name.startsWith("on")) return node.addEventListener(name.slice(2), value);
  if (value === null || value === undefined || value === false) return node.removeAttribute(name);
  const text = value === true ? "" : String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function icon(name, label = null) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A face made of the first letter and a colour which is always the same for the same name. */
export function avatar(name) {
  const node = el("span.avatar", { "aria-hidden": "true" }, [...name][0]?.toUpperCase() ?? "?");
  node.style.setProperty("--hue", String(hueOf(name)));
  return node;
}

export function hueOf(name) {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 9973;
  // Golden-angle steps: neighbouring hashes get colours far apart.
  return Math.round((hash * 137.508) % 360);
}

/** Make `parent` hold exactly `nodes`, moving none that is in place: focus, scroll and animations stay. */
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
  show(items, { key, make, update }) {
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

  clear() {
    this.#nodes = new Map();
    this.parent.replaceChildren();
  }
}
