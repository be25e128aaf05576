"""SIPp's scenarios, written from the templates in `scenarios/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from xml.sax.saxutils import quoteattr

import jinja2


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "scenarios"),
        autoescape=False,  # noqa: S701 - SIP text; what stands in attributes is escaped by hand
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def render(name: str, folder: Path, **words: object) -> Path:
    """Write scenario `name` with `words` into `folder`; lone surrogates become raw bytes."""
    text = _templates().get_template(f"{name}.xml.j2").render(**words)
    path = folder / f"{name}.xml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def escaped(text: str) -> str:
    """`text` fit to stand between the double quotes of an XML attribute."""
    return quoteattr(text, {'"': "&quot;"})[1:-1]


def credentials(account: tuple[str, str] | None) -> str:
    """SIPp's keyword that answers a digest challenge for `account` (user, password)."""
    user, password = account or ("nobody", "none")
    return f"[authentication username={user} password={password}]"
