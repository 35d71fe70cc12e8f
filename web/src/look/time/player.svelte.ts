// The player: steps through the snapshots at a steady beat until the last one.

const BEAT_MS = 250;

interface Reel {
  isBusy(): boolean;
  isLast(): boolean;
  next(): void;
  rewind(): void;
}

export class Player {
  playing = $state(false);
  readonly #reel: Reel;

  constructor(reel: Reel) {
    this.#reel = reel;
    $effect(() => {
      if (!this.playing) return undefined;
      const timer = setInterval(() => this.#beat(), BEAT_MS);
      return () => clearInterval(timer);
    });
  }

  /** Plays from here, from the beginning if this is the end; or pauses. */
  toggle(): void {
    if (!this.playing && this.#reel.isLast()) this.#reel.rewind();
    this.playing = !this.playing;
  }

  #beat(): void {
    if (this.#reel.isBusy()) return;
    if (this.#reel.isLast()) this.playing = false;
    else this.#reel.next();
  }
}
