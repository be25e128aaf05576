"""A flow drawn as SVG, in Bahasa Indonesia and English, readable without colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ivr_flows.layers import Size
from ivr_flows.layout import Arrow, Rect, Route, lay_out
from ivr_flows.steps import Ask, Connect, Goto, HangUp, Hours, Language, Say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ivr_flows.flow import Flow
    from ivr_flows.steps import Prompt, Step, Window

MARGIN = 32.0
BOX_WIDTH = 290.0
PAD = 14.0
FONT = "Inter, 'Noto Sans', 'Segoe UI', 'DejaVu Sans', sans-serif"

_DOCUMENT = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="0 0 {width} {height}" role="img" font-family="{font}">
<title>{title}</title>
<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" \
orient="auto"><path d="M0 0L10 5L0 10z" fill="{line}"/></marker></defs>
<rect width="{width}" height="{height}" fill="#ffffff"/>
{drawn}
</svg>
"""
_INK, _GREY, _LINE = "#14212b", "#52616b", "#5b6b76"
_START = ":start"
_LABELS: Mapping[str, tuple[str, str]] = {
    "key.other": ("tombol lain", "other key"),
    "voice": ("suara", "voice"),
    "silence": ("diam", "silence"),
    "failure": ("gangguan", "failure"),
    "inside": ("jam buka", "open hours"),
    "outside": ("di luar jam", "closed"),
    "holiday": ("hari libur", "holiday"),
    "then": ("setelah itu", "after that"),
    "goto": ("", ""),
}
_KINDS: Mapping[type, tuple[str, str, str, str]] = {  # Bahasa, English, fill, edge
    Say: ("Ucapkan", "Say", "#eef4fb", "#2f6ea8"),
    Ask: ("Tanya", "Ask", "#fff7e3", "#a8700b"),
    Connect: ("Sambungkan ke petugas", "Connect", "#e6f5ea", "#1f7a43"),
    Goto: ("Lanjut", "Go on", "#f2f4f6", "#5b6b76"),
    Hours: ("Jam layanan", "Hours", "#f3effb", "#6b4fa3"),
    Language: ("Bahasa", "Language", "#e8f6f7", "#1b7580"),
    HangUp: ("Tutup", "Hang up", "#fdecec", "#b3362f"),
}
_DAYS_ID = ("Sen", "Sel", "Rab", "Kam", "Jum", "Sab", "Min")
_DAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NARROW, _WIDE = frozenset("iljtfrI.,:;!|'()[] "), frozenset("mwMW@%→")


@dataclass(frozen=True, slots=True)
class _Text:
    """One line in a box: words, size in px, and how it looks."""

    words: str
    size: float = 13.0
    colour: str = _INK
    style: str = ""

    @property
    def height(self) -> float:
        return self.size * 1.42


def draw(flow: Flow) -> str:
    """Draw a checked flow as one SVG document, about 900 px wide for a small flow."""
    texts = {name: _texts(step, flow) for name, step in flow.steps.items()}
    sizes = {name: Size(BOX_WIDTH, _height(lines)) for name, lines in texts.items()}
    sizes = {_START: Size(210.0, 46.0), **sizes}
    labels = [("", ""), *(label for step in flow.steps.values() for _, label in _ways(step))]
    arrows = [
        Arrow(_START, flow.start, Size(10, 0)),
        *(
            Arrow(name, target, _label_size(label))
            for name, step in flow.steps.items()
            for target, label in _ways(step)
        ),
    ]
    placed = lay_out(sizes, arrows, _START)
    heading = _heading(flow)
    top = MARGIN + _height(heading) + 10
    width = max(placed.width, 420.0) + 2 * MARGIN
    height = placed.height + top + MARGIN
    shift = (width - placed.width) / 2
    parts = [
        *(_line(route) for route in placed.routes),
        *(_label(route.label, label) for route, label in zip(placed.routes, labels, strict=True)),
        _start(placed.boxes[_START]),
        *(_box(placed.boxes[name], step, texts[name]) for name, step in flow.steps.items()),
    ]
    drawn = "\n".join([_written(heading, MARGIN, MARGIN), _shifted(shift, top, parts)])
    return _DOCUMENT.format(
        width=round(width),
        height=round(height),
        font=FONT,
        title=escape(flow.title.get("id", flow.name)),
        line=_LINE,
        drawn=drawn,
    )


def _shifted(x: float, y: float, parts: Iterable[str]) -> str:
    return "\n".join([f'<g transform="translate({x:.1f} {y:.1f})">', *parts, "</g>"])


def _heading(flow: Flow) -> list[_Text]:
    return [
        _Text(flow.title.get("id", flow.name), 22, style="bold"),
        _Text(flow.title.get("en", ""), 14, _GREY),
    ]


def _ways(step: Step) -> list[tuple[str, tuple[str, str]]]:
    """Each target once, with all that leads there, in Bahasa and in English."""
    joined: dict[str, list[tuple[str, str]]] = {}
    for end in step.ends():
        label = _LABELS.get(end.label, (end.label, end.label))
        if isinstance(step, Goto) and step.at_most is not None and end.label == "goto":
            times = "once" if step.at_most == 1 else f"{step.at_most} times"
            label = (f"paling banyak {step.at_most} kali", f"at most {times}")
        joined.setdefault(end.target, []).append(label)
    return [
        (target, (" · ".join(i for i, _ in both if i), " · ".join(e for _, e in both if e)))
        for target, both in joined.items()
    ]


def _texts(step: Step, flow: Flow) -> list[_Text]:
    bahasa, english, _, edge = _KINDS[type(step)]
    lines = [
        _Text(f"{bahasa} · {english}", 11, edge, "bold"),
        _Text(step.name, 15, style="bold"),
    ]
    match step:
        case Say():
            lines += _prompts(step.prompts, flow)
        case Ask():
            wait = f"{step.wait_s:g}"
            lines += _prompts(step.prompts, flow)
            lines += _both(f"lalu menunggu {wait} detik", f"then waits {wait} s")
        case Connect():
            lane = (step.lane, step.lane) if step.lane else ("menurut kebijakan", "by policy")
            lines += _both(f"jalur {lane[0]}", f"lane {lane[1]}")
        case Hours():
            lines += [line for window in step.open for line in _window(window)]
        case Language():
            lines.append(_Text(step.language))
        case HangUp():
            lines += _both(f"akhir: {step.ending}", f"ending: {step.ending}")
    return lines


def _prompts(prompts: Iterable[Prompt], flow: Flow) -> list[_Text]:
    lines: list[_Text] = []
    for prompt in prompts:
        said = flow.words.get(prompt.name, {})
        if prompt.language:
            lines += _wrapped(f"“{said.get(prompt.language, '')}” ({prompt.language})", 13, _INK)
            continue
        lines += _wrapped(f"“{said.get('id', prompt.name)}”", 13, _INK)
        lines += _wrapped(f"“{said.get('en', prompt.name)}”", 12, _GREY, "italic")
    return lines


def _window(window: Window) -> list[_Text]:
    clock = f"{window.opens:%H:%M}-{window.closes:%H:%M}"  # closes 00:00 is midnight
    days = sorted(window.days)
    spoken = (", ".join(names[day] for day in days) for names in (_DAYS_ID, _DAYS_EN))
    bahasa, english = spoken
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):  # two are listed
        bahasa, english = (f"{names[days[0]]}-{names[days[-1]]}" for names in (_DAYS_ID, _DAYS_EN))
    return [
        *_wrapped(f"{bahasa} {clock}", 13, _INK),
        *_wrapped(f"{english} {clock}", 12, _GREY, "italic"),
    ]


def _both(bahasa: str, english: str) -> list[_Text]:
    return [_Text(bahasa, 12, _INK), _Text(english, 12, _GREY, "italic")]


def _wrapped(words: str, size: float, colour: str, style: str = "") -> list[_Text]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if _width(longer, size) <= BOX_WIDTH - 2 * PAD or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [_Text(line, size, colour, style) for line in lines]


def _width(words: str, size: float, style: str = "") -> float:
    """Pixels that words take at most in the fonts we name; the widest is DejaVu Sans."""
    units = sum(0.4 if sign in _NARROW else 0.98 if sign in _WIDE else 0.645 for sign in words)
    return units * size * (1.12 if style == "bold" else 1.0)


def _height(lines: Iterable[_Text]) -> float:
    return 2 * PAD + sum(line.height for line in lines) - 4


def _label_size(label: tuple[str, str]) -> Size:
    if not any(label):
        return Size(10, 0)
    return Size(max(_width(label[0], 13, "bold"), _width(label[1], 11)) + 18, 40)


def _box(at: Rect, step: Step, lines: Iterable[_Text]) -> str:
    _, _, fill, edge = _KINDS[type(step)]
    round_ = 22 if isinstance(step, Connect | HangUp) else 7
    return (
        f'<rect x="{at.x:.1f}" y="{at.y:.1f}" width="{at.width:.1f}" height="{at.height:.1f}" '
        f'rx="{round_}" fill="{fill}" stroke="{edge}" stroke-width="1.6"/>'
        + _written(lines, at.x + PAD + (round_ > 7) * 6, at.y + PAD - 2)  # clear of round corners
    )


def _start(at: Rect) -> str:
    lines = [_Text("Panggilan masuk", 13, style="bold"), _Text("A call comes in", 11, _GREY)]
    return (
        f'<rect x="{at.x:.1f}" y="{at.y:.1f}" width="{at.width:.1f}" height="{at.height:.1f}" '
        f'rx="23" fill="#ffffff" stroke="{_INK}" stroke-width="1.6"/>'
        + _written(lines, at.middle, at.y + 4, "middle")
    )


def _label(at: Rect, label: tuple[str, str]) -> str:
    if not any(label):
        return ""
    lines = [_Text(label[0], 13, style="bold"), _Text(label[1], 11, _GREY, "italic")]
    return (
        f'<rect x="{at.x:.1f}" y="{at.y:.1f}" width="{at.width:.1f}" height="{at.height:.1f}" '
        f'rx="9" fill="#ffffff" stroke="#b8c2c9"/>'
        + _written(lines, at.middle, at.y + 2, "middle")
    )


def _line(route: Route) -> str:
    """Straight through layers, bent between them."""
    (x, y), *rest = route.points
    path = [f"M{x:.1f} {y:.1f}"]
    for next_x, next_y in rest:
        if next_x == x:
            path.append(f"V{next_y:.1f}")
        else:
            half = (y + next_y) / 2
            path.append(f"C{x:.1f} {half:.1f} {next_x:.1f} {half:.1f} {next_x:.1f} {next_y:.1f}")
        x, y = next_x, next_y
    dashes = ' stroke-dasharray="6 4"' if route.is_back else ""
    return (
        f'<path d="{"".join(path)}" fill="none" stroke="{_LINE}" stroke-width="1.6"{dashes} '
        'marker-end="url(#head)"/>'
    )


def _written(lines: Iterable[_Text], x: float, y: float, anchor: str = "start") -> str:
    out = []
    for line in lines:
        y += line.height
        weight = ' font-weight="700"' if line.style == "bold" else ""
        slant = ' font-style="italic"' if line.style == "italic" else ""
        out.append(
            f'<text x="{x:.1f}" y="{y - line.height * 0.28:.1f}" font-size="{line.size:g}" '
            f'fill="{line.colour}" text-anchor="{anchor}"{weight}{slant}>'
            f"{escape(line.words)}</text>"
        )
    return "".join(out)
