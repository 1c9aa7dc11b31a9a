"""Choose one member of a search: its knee, the best under a bound, or one by id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixsearch.errors import InfeasibleError, UsageError
from pixsearch.events import read_events
from pixsearch.registry import closest
from pixsearch.rundir import read_json
from pixsearch.search.objectives import Objective, parse_objective

BEST_UNDER = "best-under:"

Member = dict[str, Any]


def pick_from_run(run: Path, choice: str) -> Member:
    """The chosen candidate of RUN/search: `id`, `genotype` (JSON with its space), `description`, `figures`.

    `DataError` when the search has left no front.
    """
    front = read_json(run / "search" / "front.json")
    tried = [event for event in read_events(run / "search" / "events.jsonl") if event["kind"] == "candidate"]
    return pick(front, tried, choice)


def pick(front: dict[str, Any], candidates: Sequence[dict[str, Any]], choice: str) -> Member:
    """The member that `choice` names: `knee`, `best-under:FIGURE<=BOUND`, or an id or its unique beginning.

    `front` is what front.json holds, `candidates` the `candidate` events. A bound is looked up among all feasible
    candidates of the front's fidelity, an id among all that have a genotype. `UsageError` for a choice that names
    nothing or several, `InfeasibleError` with the nearest miss when no candidate keeps the bound.
    """
    members: list[Member] = front["members"]
    if choice == "knee":
        return next(member for member in members if member["id"] == front["knee"])
    if choice.startswith(BEST_UNDER):
        of_the_front = {member["id"] for member in members}
        others = [c for c in candidates if c["feasible"] and c["fidelity"] == front["fidelity"] and c["id"] not in of_the_front]
        return _best_under(parse_objective(choice.removeprefix(BEST_UNDER)), [*members, *map(_member, others)])
    return _by_id(choice, members, [_member(c) for c in candidates])


def _member(candidate: dict[str, Any]) -> Member:
    return {key: candidate[key] for key in ("id", "genotype", "description", "figures")}


def _best_under(bound: Objective, members: Sequence[Member]) -> Member:
    if bound.bound is None:
        raise UsageError(f"`{BEST_UNDER}{bound}` has no bound. Write one, as in `{BEST_UNDER}macs_720p<=2.5G`.")
    known = [member for member in members if bound.name in member["figures"] and "psnr" in member["figures"]]
    if not known:
        figures = sorted({name for member in members for name in member["figures"]})
        raise UsageError(
            f"The search has no figure `{bound.name}`.{closest(bound.name, figures)} It has: {', '.join(figures)}. "
            "Choose by one of them, or search with that objective."
        )
    within = [member for member in known if not bound.violation(member["figures"])]
    if not within:
        raise _nearest(bound, known)
    return max(within, key=lambda member: (member["figures"]["psnr"], member["id"]))


def _nearest(bound: Objective, members: Sequence[Member]) -> InfeasibleError:
    nearest = min(members, key=lambda member: (bound.violation(member["figures"]), member["id"]))
    value = bound.show(nearest["figures"][bound.name])
    return InfeasibleError(
        f"No member of the search keeps `{bound}`. The nearest miss is `{nearest['id']}` ({nearest['description']}) with {value}. "
        "Loosen the bound, or search again with it as an objective."
    )


def _by_id(choice: str, members: Sequence[Member], tried: Sequence[Member]) -> Member:
    everything = {member["id"]: member for member in [*tried, *members]}
    if choice in everything:
        return everything[choice]
    matches = [id for id in everything if choice and id.startswith(choice)]
    if len(matches) == 1:
        return everything[matches[0]]
    if matches:
        shown = ", ".join(matches[:5]) + (" …" if len(matches) > 5 else "")
        raise UsageError(f"`{choice}` is the beginning of {len(matches)} candidates ({shown}). Give more of the id.")
    known = ["knee", *everything]
    ids = ", ".join(member["id"] for member in members)
    raise UsageError(
        f"The search has no candidate `{choice}`.{closest(choice, known)} Choose `knee`, `{BEST_UNDER}macs_720p<=2.5G` (any figure "
        f"with a bound), or an id; on the front are: {ids}."
    )
