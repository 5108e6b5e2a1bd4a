"""What ``unveil check-model`` has found, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unveil.core import console

Found = Mapping[str, Any]
#: What a row of a recipe is.
ROWS = {"sft": "questions", "dpo": "pairs", "grpo": "questions, {} answers to each"}


def told(found: Found) -> None:
    """Says all of it, the verdict last."""
    known = "" if found["known"] else ", a family that is not known here"
    console.say(f"{found['model']}: {found['family']}{known}\n")
    _agreement(found)
    console.say(f"The chat as it sees it:\n{found['chat']}\n")
    costs = [(f"{one['size'][0]} x {one['size'][1]}", *_cost(one)) for one in found["image_tokens"]]
    console.table("What an image costs", ("pixels", "tokens", "pixels that the tower sees"), costs)
    _boxes(found["boxes"])
    _parts(found)
    _memory(found)
    if found["not_supported"]:
        rows = [(one["what"], one["why"]) for one in found["not_supported"]]
        console.table("Not supported with this model", ("what", "why"), rows)
    console.say(verdict(found))


def verdict(found: Found) -> str:
    """Whether the engine agrees, in a sentence."""
    wrong = [one for one in found["agreement"] if one["agrees"] is False]
    if not wrong:
        return "the engine agrees with the model's own forward pass"
    parts = ", ".join(f"{one['what']} in {one['precision']} {_apart(one)}" for one in wrong)
    return f"the engine does not agree with the model's own forward pass: {parts}"


def _apart(one: Found) -> str:
    if one["apart"] is None:
        return f"({one['why']})"
    return f"({one['apart']:.1%} apart, {one['within']:.1%} at the most)"


def _agreement(found: Found) -> None:
    rows, notes = [], dict[str, str]()
    for one in found["agreement"]:
        agrees = {True: "agrees", False: "differs", None: "not used"}[one["agrees"]]
        far = "" if one["apart"] is None else f"{one['apart']:.1e}"
        rows.append((one["what"], one["precision"], far, f"{one['within']:.0e}", agrees))
        if one["why"]:
            notes[one["what"]] = one["why"]
    title = "The engine beside the model's own forward pass"
    console.table(title, ("", "computed in", "apart", "at the most", ""), rows)
    for what, why in notes.items():
        console.say(f"{what}: {why}")
    if notes:
        console.say("")


def _cost(one: Found) -> tuple[str, str]:
    return ("refused", one["refused"]) if "refused" in one else (f"{one['tokens']:,}", f"{one['pixels']:,}")


def _boxes(found: Found) -> None:
    if found["undeclared"]:
        console.say(found["undeclared"])
    else:
        console.say(f"It declares {found['declared']} (by {found['by']}).")
    rows, left_out = [], []
    for one in found["asked"]:
        if "left_out" in one:
            left_out.append(f"not asked in {one['box_format']}: {one['left_out']}")
            continue
        counts = [str(one[what]) for what in ("readable", "out_of_range", "malformed", "silent", "cut")]
        rows.append((one["box_format"], f"{one['iou']:.2f} {_interval(one['interval'])}", *counts))
    if not rows:
        console.say("")
        return
    n = next(one["n"] for one in found["asked"] if "n" in one)
    title = f"Asked for the box of one abnormality on each of {n} synthetic images"
    heads = ("told of", "IoU [95 %]", "with a box", "out of range", "malformed", "without one", "cut")
    console.table(title, heads, rows)
    for why in left_out:
        console.say(why)
    console.say(f"{answers_in(found)}\n")


def _interval(found: Any) -> str:
    return f"({found})" if isinstance(found, str) else f"[{found[0]:.2f}, {found[1]:.2f}]"


def answers_in(found: Found) -> str:
    """In which dialect it answers best, in a sentence, and whether that is beyond the one that is declared."""
    best, declared = found.get("best"), found["declared"]
    if best is None:
        return "It gives no box that touches the abnormality in any dialect, so none can be told by its answers."
    if best == declared:
        return f"It answers best in {best}, as it declares."
    if declared is None or "beyond_declared" not in found:
        return f"It answers best in {best}: --box-format {best} says so."
    gap = found["beyond_declared"]
    beyond = f"{gap['iou']:+.2f} {_interval(gap['interval'])} of IoU beyond {declared}"
    if gap["sure"]:
        return f"It answers best in {best}, not in {declared} as it declares ({beyond}): try --box-format {best}."
    return f"It answers best in {best} ({beyond}), which so few images do not tell from {declared}, as it declares."


def _parts(found: Found) -> None:
    rows = [(part, f"{weights:,}") for part, weights in found["parts"].items()]
    console.table("Parts", ("", "weights"), rows)
    layers = ", ".join(f"{count} {name}" for name, count in found["lora"].items())
    console.say(f"LoRA is put on these layers of the language model: {layers}\n")


def _memory(found: Found) -> None:
    rows = []
    for one in found["memory"]:
        rows.append(
            (
                one["recipe"],
                f"{one['bytes'] / 1e9:,.1f} GB",
                f"{one['free'] / 1e9:,.1f} GB",
                f"{one['batch_size']} {ROWS[one['recipe']].format(one['answers'])}",
                f"{'all weights' if one['method'] == 'full' else 'adapters'}, {one['precision']}",
            )
        )
    if rows:
        (width, height), tokens = found["memory"][0]["image_size"], found["memory"][0]["image_tokens"]
        title = f"Memory of an update, foretold, with images of {width} x {height} ({tokens:,} tokens)"
        console.table(title, ("recipe", "needs", "free here", "rows", "trained"), rows)
