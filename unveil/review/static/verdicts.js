// What can be decided: its name, its key, and what is said of it afterwards.

export const VERDICTS = {
  accept: ["Accept", "a"], reject: ["Reject", "r"], unsure: ["Unsure", "n"], skip: ["Skip", "Ctrl+Space"],
  phi: ["Names a person", "p"], "bad-image": ["Bad image", "d"],
};
const DECIDED = {
  accept: "Accepted", edit: "Corrected", reject: "Rejected", unsure: "Unsure", skip: "Skipped",
  phi: "Names a person", "bad-image": "Bad image", withdraw: "Taken back",
};

/** What a verdict is called once it is given. */
export const decided = (verdict) => DECIDED[verdict] ?? verdict;
