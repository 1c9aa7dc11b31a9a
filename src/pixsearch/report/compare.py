"""Crops side by side: every picture once, as a strip that needs no script and that the page turns into a slider."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from pixsearch.report import wording as w
from pixsearch.report.markup import Markup, element, join
from pixsearch.report.measured import BenchRecord, Crop

NEAREST = "input"
TRUTH = "truth"


def compare(bench: BenchRecord) -> Markup:
    """The viewer (shown by the page's script) and, under it, a strip of pictures for each crop."""
    labels = list(dict.fromkeys(label for crop in bench.crops for label in crop.pictures))
    strips = [_strip(bench, crop, number) for number, crop in enumerate(bench.crops)]
    return element("div", _viewer(bench, labels), *strips, class_="compare", id="compare")


def _strip(bench: BenchRecord, crop: Crop, number: int) -> Markup:
    tiles = [_tile(bench, crop, label) for label in crop.pictures]
    title = element("figcaption", crop.picture, element("span", _place(crop), class_="quiet"))
    return element("figure", title, element("div", *tiles, class_="tiles"), class_="strip", data_crop=number)


def _place(crop: Crop) -> str:
    left, top, right, bottom = crop.box
    return f", {right - left}×{bottom - top} at {left}, {top}"


def _tile(bench: BenchRecord, crop: Crop, label: str) -> Markup:
    data = base64.b64encode(crop.pictures[label].read_bytes()).decode("ascii")
    picture = element("img", src=f"data:image/png;base64,{data}", alt=f"{crop.picture}: {label}", decoding="async")
    caption = join([element("span", label, class_="label"), element("span", _score(bench, crop, label), class_="quiet")])
    return element("figure", picture, element("figcaption", caption), class_="tile", data_label=label)


def _score(bench: BenchRecord, crop: Crop, label: str) -> str:
    """The whole picture's score by this method; the enlarged input and the truth have none."""
    row = next((row for row in bench.rows if row.label == label), None)
    scores = row.pictures.get(crop.picture) if row else None
    return f"{w.decibel(scores.get('psnr_db'))} dB" if scores else "enlarged by nearest" if label == NEAREST else ""


def _viewer(bench: BenchRecord, labels: Sequence[str]) -> Markup:
    left, right = _first_choice(bench, labels)
    return element(
        "div",
        _crop_choice(bench),
        _controls(labels, left, right),
        element(
            "div",
            element("img", class_="under", alt="", draggable="false"),
            element("img", class_="over", alt="", draggable="false"),
            element("span", class_="divider"),
            element("span", class_="corner left"),
            element("span", class_="corner right"),
            class_="stage",
        ),
        element(
            "input", type="range", min=0, max=100, step=0.5, value=50, class_="slide", aria_label="Divider between left and right picture"
        ),
        element("p", "Drag over the picture or use the arrow keys on the slider. Scores are those of the whole picture.", class_="quiet"),
        class_="viewer",
        hidden=True,
    )


def _first_choice(bench: BenchRecord, labels: Sequence[str]) -> tuple[str, str]:
    """The baseline against the best model, as far as both were cropped."""
    base = bench.baseline.label if bench.baseline else NEAREST
    models = sorted((row for row in bench.models if row.label in labels), key=lambda row: row.psnr_db, reverse=True)
    return base if base in labels else NEAREST, models[0].label if models else TRUTH


def _crop_choice(bench: BenchRecord) -> Markup:
    choices = [
        element(
            "label",
            element("input", type="radio", name="crop", value=number, checked=number == 0),
            element("img", alt="", class_="thumb"),
            element("span", crop.picture),
        )
        for number, crop in enumerate(bench.crops)
    ]
    return element("div", *choices, class_="crop-choice", role="radiogroup", aria_label="Crop")


def _controls(labels: Sequence[str], left: str, right: str) -> Markup:
    return element(
        "div",
        element("label", "left ", _select("left", labels, left)),
        element("button", "⇄", type="button", class_="swap", aria_label="Swap left and right", title="Swap left and right"),
        element("label", "right ", _select("right", labels, right)),
        element("label", "zoom ", _zoom()),
        class_="controls",
    )


def _select(side: str, labels: Sequence[str], chosen: str) -> Markup:
    return element("select", *(element("option", label, value=label, selected=label == chosen) for label in labels), class_=f"pick-{side}")


def _zoom() -> Markup:
    steps = [element("option", "fit", value="fit", selected=True), *(element("option", f"{n}×", value=n) for n in (1, 2, 3, 4, 6, 8))]
    return element("select", *steps, class_="zoom")
