// What can be decided: its name, its key, and what is said of it afterwards.

export const VERDICTS = {
  accept: ["Accept", "a"], reject: ["Reject", "r"], unsure: ["Unsure", "n"], skip: ["Skip", "Ctrl+Space"],
  phi: ["Flag: names a person", "p"], "bad-image": ["Flag: bad image", "d"],
};
const DECIDED = {
  accept: "Accepted", edit: "Corrected", reject: "Rejected", unsure: "Unsure", skip: "Skipped",
  phi: "Flagged: names a person", "bad-image": "Flagged: bad image", withdraw: "Taken back",
};

/** What a verdict is called once it is given. */
export const decided = (verdict) => DECIDED[verdict] ?? verdict;
