/** Which view is shown: the hash of the address, so that a view can be linked to and gone back from. */

const VIEWS = new Set(["overview", "users", "user", "refusals", "events", "cluster"]);

/** {view, user}: "#/user/a%3Cb" is the view of the user "a<b". What is not understood is the overview. */
export function parseHash(hash) {
  const [, view = "overview", rest = ""] = /^#\/([a-z]+)(?:\/(.*))?$/s.exec(hash) ?? [];
  if (!VIEWS.has(view)) return { view: "overview", user: null };
  if (view !== "user") return { view, user: null };
  try {
    return { view, user: decodeURIComponent(rest) };
  } catch {
    return { view: "overview", user: null }; // it ends in the middle of a character
  }
}

export function watchRoute(onRoute) {
  const tell = () => onRoute(parseHash(location.hash));
  addEventListener("hashchange", tell);
  tell();
}
