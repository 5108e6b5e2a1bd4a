// What a reviewer has changed on an item and not saved yet: states one after the other, to go back and forth in.

/** Undo and redo over states that are never changed in place. */
export class History {
  constructor(state) {
    this.reset(state);
  }

  /** Forgets all steps. */
  reset(state) {
    this.states = [state];
    this.at = 0;
  }

  get state() {
    return this.states[this.at];
  }

  /** A further state. One with the `tag` of the one before, such as letters typed into one field, takes its place. */
  push(state, tag = null) {
    const joined = tag !== null && tag === this.tag && this.at === this.states.length - 1 && this.at > 0;
    this.states.splice(joined ? this.at : this.at + 1, Infinity, state);
    this.at = this.states.length - 1;
    this.tag = tag;
  }

  get canUndo() {
    return this.at > 0;
  }

  get canRedo() {
    return this.at < this.states.length - 1;
  }

  undo() {
    if (this.canUndo) this.at -= 1;
    this.tag = null;
    return this.state;
  }

  redo() {
    if (this.canRedo) this.at += 1;
    this.tag = null;
    return this.state;
  }
}
