/** How fast this tab may send: below what the server takes for abuse, also after an hour offline. Pure. */

// Frames a second, and how many at once; the server allows 5 and 100 before it closes the connection.
const RATE = 4;
const BURST = 80;
// What people do right now (a join, a question) must still pass when the backlog has taken its share.
const RESERVE = 20;

export class Pace {
  #left = BURST;
  #at = null;

  /** May something that can wait be sent now? `now` in milliseconds. */
  permits(now) {
    this.#refill(now);
    return this.#left > RESERVE;
  }

  /** Something is being sent now. */
  count(now) {
    this.#refill(now);
    this.#left = Math.max(0, this.#left - 1);
  }

  #refill(now) {
    this.#left = Math.min(BURST, this.#left + (RATE * (now - (this.#at ?? now))) / 1000);
    this.#at = now;
  }
}
