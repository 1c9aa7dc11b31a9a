"""The page as it is written: whole, self-contained, escaped, the same for the same record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects
import pytest

from pixsearch.errors import DataError
from pixsearch.report.html import assemble, render, write_report
from pixsearch.report.markup import Markup, element, script_json, table, text
from pixsearch.report.plots.search import front_plot, growth_plot, hypervolume_plot
from pixsearch.report.plots.train import policy_plot
from pixsearch.report.records import read_run
from pixsearch.report.searched import steady_seconds

Write = Callable[..., Path]
LATENCY = "latency@local/1280x720/float/1t"


class Reader(HTMLParser):
    """The elements of a page with their attributes, the text of each table, and the data for the script."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.data = ""
        self._open: list[str] = []
        self._is_data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._is_data = dict(attrs).get("id") == "data"

    def handle_data(self, data: str) -> None:
        if self._is_data:
            self.data += data
        else:
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._is_data = False

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def sections(page: str) -> list[str | None]:
    return [attributes["id"] for attributes in read(page).of("section")]


def test_the_ladder_counts_from_its_first_rung_and_wants_a_chain(write_run: Write) -> None:
    run = write_run()
    path = run / "bench" / "bench.json"
    page = assemble(read_run(run))
    shown = str(page.sections[[anchor for anchor, _ in page.contents].index("ladder")])
    for said in ("2.2 ×", "1.6 ×", "2.9 ×", "−0.19"):  # latency, multiply-adds and size of int8, and its PSNR, against the first
        assert said in shown
    assert page.figures["ladder"]["data"][0]["x"] == [78.0, 49.1, 36.0]
    assert page.figures["ladder"]["data"][0]["text"] == ["float", "pruned", "pruned int8"]
    record = json.loads(path.read_text())
    record["rows"] = [record["rows"][place] for place in (0, 2, 1, 3)]  # a trained model behind a pruned one: no way down
    path.write_text(json.dumps(record))
    assert "ladder" not in [anchor for anchor, _ in assemble(read_run(run)).contents]


def test_the_whole_run_is_on_the_page(write_run: Write) -> None:
    run = write_run()
    path = write_report(run)
    assert path == run / "report.html"
    page = path.read_text(encoding="utf-8")
    stages = ["train", "prune", "qat", "export"]
    everything = ["summary", "ladder", "crops", "bench", "front", "growth", *stages, "failures", "photos", "warnings", "record"]
    assert sections(page) == everything
    words = " ".join(read(page).words)
    for said in (
        "+2.05",
        "[+1.84, +2.29]",
        "78.0",
        "knee",
        "62.4 % of the multiply-adds kept",
        "out of memory",
        "HEIC is not read",
        "nearly a photo",
    ):
        assert said in words
    assert [name for name in run.iterdir() if name.is_file()] == [path]


@pytest.mark.parametrize("stage", ["search", "train", "prune", "export", "bench"])
def test_any_stage_alone_makes_a_page(write_run: Write, stage: str) -> None:
    run = read_run(write_run(stage))
    assert sections(render(run))[-1] == "record"
    assert {anchor for anchor, _ in assemble(run).contents} >= {"record"}


def test_the_fastest_session_options_stand_in_a_table(write_run: Write) -> None:
    page = write_report(write_run("bench")).read_text()
    assert "enable_mem_pattern=0" in page
    assert "5.0% (+3.0% … +7.0%)" in page
    assert "nothing is faster than the default" in page


def test_a_killed_search_makes_a_page(killed_search: Path) -> None:
    page = render(read_run(killed_search))
    assert "search (unfinished)" in page
    assert {"front", "growth", "failures"} <= set(sections(page))


def test_a_damaged_record_leaves_the_older_page_alone(write_run: Write) -> None:
    run = write_run("search")
    before = write_report(run).read_bytes()
    (run / "search" / "front.json").write_text("{")
    with pytest.raises(DataError, match=r"front\.json"):
        write_report(run)
    assert (run / "report.html").read_bytes() == before


def test_the_same_record_gives_the_same_page(write_run: Write) -> None:
    run = write_run()
    assert write_report(run).read_bytes() == write_report(run).read_bytes()


def test_the_page_asks_nobody_for_anything(write_run: Write) -> None:
    page = read(write_report(write_run()).read_text(encoding="utf-8"))
    policy = next(a["content"] for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    sources = [
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href", "srcset", "action")
    ]
    assert [value for value in sources if value and not value.startswith(("data:", "#"))] == []
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert len(page.of("script")) == 3


def test_plotly_is_on_the_page_once_and_is_most_of_it(write_run: Write) -> None:
    page = write_report(write_run("train")).read_text(encoding="utf-8")
    assert len(re.findall(r"plotly\.js v\d", page)) == 1
    assert len(page) < 5_500_000


def test_hostile_names_are_text(write_run: Write) -> None:
    page = read(write_report(write_run()).read_text(encoding="utf-8"))
    assert [a for a in page.of("img") if a.get("src") == "x"] == []
    assert "<script>window.hacked=1</script>" in "".join(page.words)
    assert json.loads(page.data)["figures"]


def test_names_that_are_no_unicode_can_be_written(write_run: Write) -> None:
    path = write_run("search") / "search" / "events.jsonl"
    path.write_text(path.read_text().replace("a.heic", "a\\udcff.heic"))
    assert "a\\udcff.heic" in write_report(path.parents[1]).read_text(encoding="utf-8")


def test_every_figure_is_one_that_plotly_knows(write_run: Write) -> None:
    """plotly's own classes refuse properties and values that plotly.js has not; colours of the theme are put in first."""
    figures = assemble(read_run(write_run())).figures
    assert len(figures) == 19
    for figure in figures.values():
        text = re.sub(r"var\(--[a-z0-9-]+\)", "#123456", json.dumps(figure))
        assert plotly.graph_objects.Figure(json.loads(text)).data


def test_every_colour_of_a_figure_is_in_the_style_sheet(write_run: Write) -> None:
    page = render(read_run(write_run()))
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", read(page).data))
    light = page[page.index(":root {") : page.index("@media")]
    dark = page[page.index(':root[data-theme="dark"]') : page.index("* { box-sizing")]
    assert used
    for name in used:
        assert f"{name}:" in light
        assert f"{name}:" in dark


def test_names_are_text_to_plotly_too(write_run: Write) -> None:
    path = write_run("bench") / "bench" / "bench.json"
    path.write_text(path.read_text().replace("3fa9c2d1 float", "<b>3fa9</b> & co"))
    figures = json.dumps(assemble(read_run(path.parents[1])).figures)
    assert "&lt;b&gt;3fa9&lt;/b&gt; &amp; co" in figures
    assert "<b>3fa9</b>" not in figures


def test_policies_are_drawn_from_first_to_last_and_told(write_run: Write) -> None:
    run = read_run(write_run("train"))
    assert run.train
    figure = policy_plot(run.train)
    assert figure
    chances = traces(figure)["cutblur"]
    assert chances["x"] == list(range(200, 2001, 200))
    assert (chances["y"][0], chances["y"][-1]) == (pytest.approx(0.26), pytest.approx(0.8))
    assert "amount 0.30" in chances["hovertext"][-1]
    text = " ".join(read(render(run)).words)
    assert "26.0 %" in text
    assert "80.0 %" in text
    assert "+8.0 % harder than clean ones" in text


def test_a_training_without_policies_shows_none(write_run: Write) -> None:
    run = read_run(write_run("qat"))
    assert run.qat
    assert policy_plot(run.qat) is None
    assert "Operations of the policies" not in render(run)


def traces(figure: Any) -> dict[str, Any]:
    return {trace["name"]: trace for trace in figure["data"]}


def test_the_front_is_drawn_against_each_cost_with_bounds_baseline_and_knee(write_run: Write) -> None:
    search = read_run(write_run("search")).search
    assert search
    assert [cost.name for cost in search.costs] == ["macs_720p", LATENCY]
    for cost, bound in zip(search.costs, (2.5e9, 90.0), strict=True):
        figure = front_plot(search, cost)
        drawn = traces(figure)
        assert drawn["knee"]["customdata"] == [search.knee]
        assert set(drawn["front"]["customdata"]) == {member.id for member in search.front}
        assert drawn["front"]["x"] == sorted(drawn["front"]["x"])
        levels = [shape["y0"] for shape in figure["layout"]["shapes"] if shape["y0"] == shape["y1"]]
        walls = [shape["x0"] for shape in figure["layout"]["shapes"] if shape["x0"] == shape["x1"]]
        assert (levels, walls) == ([31.07], [bound])


def test_growth_goes_over_time_and_from_pale_to_dark(write_run: Write) -> None:
    search = read_run(write_run("search")).search
    assert search
    volume = hypervolume_plot(search)
    assert volume
    assert volume["data"][0]["x"] == pytest.approx([56 * number / 60 for number in range(1, 7)])
    assert volume["layout"]["xaxis"]["title"]["text"] == "time of the search, minutes"
    fronts = growth_plot(search, search.costs[0])
    assert fronts
    assert [trace["name"] for trace in fronts["data"]] == [f"after {count}" for count in (8, 16, 24, 32, 40, 48)]
    opacities = [trace["opacity"] for trace in fronts["data"]]
    assert opacities == sorted(opacities)
    assert opacities[-1] == 1.0


def test_time_goes_on_when_a_resumed_search_counts_from_zero(write_run: Write) -> None:
    path = write_run("search") / "search" / "events.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        if event["kind"] == "generation" and event["number"] >= 3:
            event["elapsed_s"] -= 168.0
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    search = read_run(path.parents[1]).search
    assert search
    assert list(steady_seconds(search.generations)) == pytest.approx([56.0, 112.0, 168.0, 224.0, 280.0, 336.0])


def test_text_is_escaped_wherever_it_enters() -> None:
    hostile = '"><script>alert(1)</script>'
    made = element("p", hostile, element("b", "bold"), title=hostile)
    assert made == (
        '<p title="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;">&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;<b>bold</b></p>'
    )
    assert text(Markup("<b>")) == "<b>"
    assert "<script" not in table([hostile], [[hostile]], caption=hostile)
    assert script_json({"a": "</script><!--&"}) == '{"a":"\\u003c/script\\u003e\\u003c!--\\u0026"}'
