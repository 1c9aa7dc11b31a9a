"""Events in plain words: one line each, whatever kind they are of and whatever they lack."""

from __future__ import annotations

from collections.abc import Callable

from pixsearch.events import Event
from pixsearch.report import wording as w
from pixsearch.units import format_duration

LASTING = frozenset(
    {
        "warning",
        "stopped",
        "early_stop",
        "done",
        "start",
        "resume",
        "photos",
        "cache",
        "baseline",
        "pruned",
        "tuned",
        "exported",
        "measured",
        "sensitivity",
        "bits",
        "mixtures",
        "checked",
    }
)

NAMED = 3  # photos left out that a line names; the record names all
_ROLES = {"train": "train on", "val": "select by", "report": "report on", "calibrate": "calibrate with"}


def lasts(event: Event) -> bool:
    """Whether the line for `event` is worth keeping in sight when the screen is redrawn: results, warnings, failures."""
    if event.get("kind") == "measured" and "label" not in event:  # a latency among many of a search
        return False
    return str(event.get("kind")) in LASTING or bool(event.get("error"))


def narrate(event: Event) -> str:
    """The line for `event`; kinds that are not known are shown with their plain fields. One line, no control characters."""
    try:
        line = _WRITERS.get(event.get("kind", ""), _unknown)(event)
    except (KeyError, TypeError, ValueError, AttributeError):
        line = _unknown(event)
    return w.printable(line)


def objective_names(event: Event) -> list[str]:
    """The objectives of a search's start, as text, whether they were recorded as text or as fields."""
    return [str(item.get("name", item)) if isinstance(item, dict) else str(item) for item in event.get("objectives") or ()]


def _join(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _start(event: Event) -> str:
    if "strategy" in event:
        goal = f"{event['evaluations']} candidates" if event.get("evaluations") else _time("for {}", event.get("budget_s"))
        names = " · ".join(objective_names(event))
        workers = f"{w.plural(event['workers'], 'worker')} of {event.get('executor', '?')}" if event.get("workers") else None
        return _join(f"search by {event['strategy']} in space {event.get('space', '?')}", f"for {names}", goal, workers)
    if "name" in event:
        return _training(event)
    if "models" in event:
        target = event["target"]["label"]
        return _join(f"measuring {w.plural(len(event['models']), 'model')} on {target}", f"{event.get('size', '')} out")
    return _unknown(event)


def _training(event: Event) -> str:
    goal = f"{event['steps']} steps" if event.get("steps") else _time("for {}", event.get("budget_s"))
    costs = _join(f"{w.count(event.get('params'))} params", f"{w.count(event.get('macs_720p'))} MACs 720p")
    return _join(f"training {event['name']}: {event.get('description', '')}", costs, goal)


def _time(sentence: str, seconds: float | None) -> str | None:
    return None if seconds is None else sentence.format(format_duration(float(seconds)))


def _step(event: Event) -> str:
    of = f" of {event['steps']}" if event.get("steps") else ""
    share = f" ({event['progress'] * 100:.0f} %)" if event.get("progress") is not None else ""
    loss = f"loss {event['loss']:.4g}" if event.get("loss") is not None else None
    speed = f"{event['samples_per_s']:.0f} samples/s" if event.get("samples_per_s") is not None else None
    return _join(f"step {event['step']}{of}{share}", loss, speed, _time("{} left", event.get("eta_s")))


def _policy(event: Event) -> str:
    likely = sorted(event["operations"].items(), key=lambda item: -item[1])[:3]
    shown = ", ".join(f"{name} {chance * 100:.0f} %" for name, chance in likely)
    return f"policies at step {event['step']}: {shown} … {event['harder'] * 100:+.1f} % harder than clean patches"


def _validation(event: Event) -> str:
    base = event.get("baseline_psnr_db")
    over = f"{w.gain(event['psnr_db'] - base)} over the baseline" if base is not None else None
    flicker = f"flicker {w.flicker(event['flicker'])}" if event.get("flicker") is not None else None
    sharpness = f"sharpness {w.sharpness(event['sharpness'])}" if event.get("sharpness") is not None else None
    return f"validation at step {event['step']}: " + _join(
        f"{w.decibel(event['psnr_db'])} dB", over, f"SSIM {w.similarity(event.get('ssim'))}", flicker, sharpness
    )


def _candidate(event: Event) -> str:
    rung = f" at rung {event['rung']} of {event['rungs']}" if event.get("rungs") else ""
    head = f"candidate {event['number']} {event['id']}{rung}"
    if event.get("error"):
        return f"{head} failed: {event['error']}"
    figures = _join(*(f"{title} {figure}" for title, figure in w.figures(event["figures"])))
    if event.get("feasible") is False:
        return f"{head} is out of bounds ({_join(*map(str, event.get('broke') or ()))}): {figures}"
    return _join(f"{head}: {figures}", _time("{}", event.get("seconds")))


def _weights(event: Event) -> str:
    return f"shared weights: version {event['version']} after {event['step']} steps"


def _generation(event: Event) -> str:
    volume = event.get("hypervolume")
    front = w.plural(len(event.get("front") or ()), "member")
    return f"generation {event['number']}: " + _join(
        f"{event['evaluated']} evaluated", f"front of {front}", f"hypervolume {volume:.4g}" if volume is not None else None
    )


def _photos(event: Event) -> str:
    rejected = event.get("rejected") or []
    named = "; ".join(f"`{item['path']}` {item['reason']}" for item in rejected[:NAMED])
    more = f" and {len(rejected) - NAMED} more, in the record" if len(rejected) > NAMED else ""
    held = f"{event['held_out']} held out" if event.get("held_out") else None
    clips = f"{event['clips']} of them clips" if event.get("clips") else None
    by = [f"{count} by {factor}" for factor, count in (event.get("reduced") or {}).items() if factor != "1"]
    reduced = f"camera JPEGs reduced: {' and '.join(by)}" if by else None
    out = f"{len(rejected)} left out: {named}{more}" if rejected else None
    role = _ROLES.get(event.get("role", ""), event.get("role", "use"))
    return f"photos to {role}: " + _join(f"{event['used']} used", clips, held, reduced, out)


def _done(event: Event) -> str:
    quality = f"{w.decibel(event['psnr_db'])} dB" if event.get("psnr_db") is not None else None
    front = f"front of {event['front']}" if isinstance(event.get("front"), int) else None
    return "done: " + (_join(quality, front, _time("{}", event.get("elapsed_s"))) or "everything is recorded")


def _pruned(event: Event) -> str:
    before, after = event["before"], event["after"]
    sides = (f"{w.count(side.get('macs_720p'))} MACs 720p, {w.count(side.get('params'))} params" for side in (before, after))
    by = f" by {event['strategy']}" if event.get("strategy") else ""
    return f"pruned{by}: " + " → ".join(sides)


def _tuned(event: Event) -> str:
    return f"fine-tuned, {event['keep_macs']:g} of the multiply-adds kept: {w.decibel(event.get('psnr_db'))} dB, {event['model']}"


def _evolution(event: Event) -> str:
    shares = " and ".join(f"{share:g}" for share in event["shares"])
    return _join(f"evolution for {' · '.join(objective_names(event))}", f"at most {shares} of the multiply-adds kept", event["fidelity"])


def _exported(event: Event) -> str:
    error = f"largest error {event['max_abs_error']:.1e}" if event.get("max_abs_error") is not None else None
    loss = f"{event['loss_db']:.2f} dB lost" if event.get("loss_db") is not None else None
    return f"exported {event['label']}: " + _join(str(event["file"]), w.size(event.get("bytes")), error, loss)


def _sensitivity(event: Event) -> str:
    worst = max(event["layers"], key=lambda layer: layer["alone_db"])
    return f"{event['file']} loses {event['loss_db']:.3f} dB, most by {worst['layer']} ({worst['alone_db']:.3f} dB alone)"


def _bits(event: Event) -> str:
    int8 = event["int8"]
    bound = f"at most {w.milliseconds(event['bound_ms'])} ms ({event['extra_latency']:+.0%})"
    modelled = "modelled" if event["modelled"] else "measured"
    parts = (f"int8 loses {int8['loss_db']:.3f} dB in {w.milliseconds(int8['latency_ms'])} ms", bound, f"{modelled} on {event['target']}")
    return f"formats for {w.plural(len(event['layers']), 'layer')} of {event['label']}: " + _join(*parts, str(event.get("why") or ""))


def _mixture(event: Event) -> str:
    figures = event["figures"]
    cost = _join(f"{figures['loss_db']:.3f} dB lost", f"{w.milliseconds(figures['latency_ms'])} ms", w.size(figures["bytes"]))
    return f"mixture {event['number']}{'' if event['feasible'] else ' is out of bounds'}: {w.formats(event['formats'])}: {cost}"


def _mixtures(event: Event) -> str:
    chosen = w.formats(event["chosen"]) if event.get("chosen") else "none keeps the bound"
    front = f"front of {w.plural(len(event['front']), 'mixture')}"
    return _join(f"chose formats out of {event['tried']} mixtures: {chosen}", front, _time("{}", event.get("elapsed_s")))


def _checked(event: Event) -> str:
    taken = ", ".join(f"{name} {count}" for name, count in event["taken"].items())
    return f"checked {event['file']} for phones: {taken} of {event['nodes']} nodes"


def _measured(event: Event) -> str:
    if "label" not in event:
        return f"measured {event['id']}: {w.title(event['figure'])} {w.figure(event['figure'], event['value'])}"
    timings = event.get("latency") or [event]
    medians = " / ".join(w.milliseconds(timing["median_ms"]) for timing in timings if timing.get("median_ms") is not None)
    computed = " / ".join(w.milliseconds(timing["modelled_ms"]) for timing in timings if timing.get("modelled_ms") is not None)
    quality = f"{w.decibel(event['psnr_db'])} dB" if event.get("psnr_db") is not None else None
    times = (f"median {medians} ms" if medians else None, f"modelled {computed} ms" if computed else None)
    return _join(f"measured {event['label']}", quality, *times)


def _on_target(event: Event) -> str:
    found = event["on_target"]
    quality = f"{w.decibel(found['psnr_db'])} dB on the target"
    return _join(f"compared {event['label']}", quality, f"levels off: {w.levels(found['from_here'])}")


def _sustained(event: Event) -> str:
    found = event["sustained"]
    return _join(f"sustained {event['label']}", f"{found['seconds']:.0f} s", f"slowest stretch {found['slowdown']:+.0%}")


def _session_tuned(event: Event) -> str:
    found = event["tuned"]
    options = ", ".join(f"{name}={value}" for name, value in found["options"].items())
    faster = f"{found['gain']:.1%} faster ({found['interval'][0]:+.1%} … {found['interval'][1]:+.1%}) with {options}"
    return _join(f"tuned {event['label']}", f"{found['threads']}t", faster if options else "nothing is faster than the default")


def _preparing(event: Event) -> str:
    return _join(f"{event['what']}: {event['done']} of {event['total']}", _time("{} left", event.get("eta_s")))


def _cache(event: Event) -> str:
    size = w.size(event["bytes"]) if event.get("bytes") is not None else None
    pictures = w.plural(event["pictures"], "picture") if event.get("pictures") is not None else None
    return f"cache {event['action']}: " + _join(pictures, size, _time("{}", event.get("seconds")), event.get("reason"))


def _resume(event: Event) -> str:
    if event.get("text"):
        return f"resumed: {event['text']}"
    where = f"at step {event['step']}" if "step" in event else f"with {event['evaluated']} candidates on record"
    return f"resumed {where}"


def _unknown(event: Event) -> str:
    plain = {key: value for key, value in event.items() if key not in ("kind", "time") and isinstance(value, str | int | float)}
    words = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in plain.items())
    return f"{event.get('kind', 'event')}" + (f": {words}" if words else "")


_WRITERS: dict[str, Callable[[Event], str]] = {
    "start": _start,
    "step": _step,
    "validation": _validation,
    "policy": _policy,
    "candidate": _candidate,
    "weights": _weights,
    "generation": _generation,
    "photos": _photos,
    "baseline": lambda event: f"baseline {event.get('name', '')}: {w.decibel(event['psnr_db'])} dB, SSIM {w.similarity(event.get('ssim'))}",
    "checkpoint": lambda event: f"checkpoint at step {event['step']}",
    "resume": _resume,
    "preparing": _preparing,
    "cache": _cache,
    "begun": lambda event: f"trying {event['id']}",
    "warning": lambda event: f"warning: {event['text']}",
    "early_stop": lambda event: f"ended early at step {event['step']}: {event['text']}",
    "stopped": lambda event: f"stopped: {str(event['error']).partition(chr(10))[0]}",
    "pruned": _pruned,
    "tuned": _tuned,
    "evolution": _evolution,
    "picked": lambda event: "picked a network for each share: " + _join(*(f"{share:g}" for share in event["shares"])),
    "exported": _exported,
    "sensitivity": _sensitivity,
    "bits": _bits,
    "mixture": _mixture,
    "mixtures": _mixtures,
    "checked": _checked,
    "measured": _measured,
    "on-target": _on_target,
    "sustained": _sustained,
    "session-tuned": _session_tuned,
    "done": _done,
}
