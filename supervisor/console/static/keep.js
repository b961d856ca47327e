/** What the browser keeps for us: for ever, or as long as the tab; where that is forbidden, nothing. */

export const local = keeper(() => localStorage);

export const tab = keeper(() => sessionStorage);

function keeper(storage) {
  return {
    get(name) {
      try {
        return storage().getItem(`trouper.console.${name}`);
      } catch {
        return null;
      }
    },
    set(name, value) {
      try {
        storage().setItem(`trouper.console.${name}`, value);
      } catch {
        // Then it holds as long as the page.
      }
    },
  };
}
