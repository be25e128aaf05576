"""siaga.toml, read once at the edge into frozen data; every mistake is named with its remedy."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from asterisk_conf.plan import Outside, PauseReason, Phone, Trunk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLACES = (Path("siaga.toml"), Path("/etc/siaga/siaga.toml"))
_BLOCKS = {
    "trunks": {"name", "addresses", "numbers", "codecs", "dead_air_s"},
    "call_takers": {"id", "name", "pin", "password", "networks"},
    "outside": {"name", "number", "address"},
}
"""The words of each block that may stand several times."""
_T = TypeVar("_T")


class SettingsError(ValueError):
    """siaga.toml cannot be used; each line of the message is one mistake and what to do."""


@dataclass(frozen=True, slots=True)
class CallTaker:
    """A person who answers, and the phone he answers on. `pin` opens the star codes."""

    id: str
    name: str
    pin: str
    password: str
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of one centre, checked."""

    centre_id: str
    name: str
    time_zone: ZoneInfo
    language: str
    data_dir: Path
    database_url: str
    asterisk_use: str
    sip_host: str
    sip_port: int
    rtp_first: int
    rtp_last: int
    external_address: str
    local_networks: tuple[str, ...]
    max_calls: int
    agi_ports: tuple[int, int]
    ami_port: int
    agi_workers: int
    trunks: tuple[Trunk, ...]
    call_takers: tuple[CallTaker, ...]
    ring_all: tuple[str, ...]
    outside: tuple[Outside, ...]
    pauses: tuple[PauseReason, ...]
    agi_first_word_s: int
    lost_phone_s: int
    warn_below_gib: float
    stop_below_gib: float
    voice_engine: str
    piper_model: str
    flows_dir: Path
    policy_file: Path

    @property
    def phones(self) -> tuple[Phone, ...]:
        """The call-takers' phones, as Asterisk knows them."""
        return tuple(Phone(c.id, c.password, c.networks) for c in self.call_takers)

    def folder(self, name: str) -> Path:
        """A folder of this centre below `data_dir`."""
        return self.data_dir / name


def find(given: Path | None = None) -> Path:
    """Return the settings file: the one given, ./siaga.toml, or /etc/siaga/siaga.toml."""
    for place in (given,) if given else PLACES:
        if place.is_file():
            return place
    raise SettingsError(
        f"no settings file at {given or ' or '.join(map(str, PLACES))}: "
        "copy siaga.example.toml to siaga.toml and change what is yours"
    )


def load(path: Path) -> Settings:
    """Read and check `path`. Raises SettingsError with every mistake, one a line."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    return read(table, name=str(path))


def read(table: Mapping[str, Any], *, name: str = "siaga.toml") -> Settings:
    """Check a parsed settings table and return it as `Settings`."""
    reader = _Reader(table)
    house = Path(__file__).parent.parent
    data_dir = Path(reader.text("centre", "data_dir", "/var/lib/siaga"))
    zone = reader.text("centre", "time_zone", "Asia/Jakarta")
    if zone not in available_timezones():
        reader.mistake(
            f"[centre] time_zone {zone!r}: use Asia/Jakarta, Asia/Makassar or Asia/Jayapura"
        )
        zone = "Asia/Jakarta"
    sip_host, sip_port = reader.address("asterisk", "sip", "0.0.0.0:5060")
    rtp = reader.numbers("asterisk", "rtp", [10000, 10999])
    agi_ports = reader.numbers("programs", "agi_ports", [4573, 4574])
    call_takers = reader.blocks("call_takers", _call_taker)
    if len({c.id for c in call_takers}) != len(call_takers):
        reader.mistake("[[call_takers]]: an id stands twice; each person needs a phone of his own")
    if len({c.pin for c in call_takers}) != len(call_takers):
        reader.mistake("[[call_takers]]: two have the same pin; it says who signs in")
    settings = Settings(
        centre_id=reader.text("centre", "id", "siaga"),
        name=reader.text("centre", "name", "112"),
        time_zone=ZoneInfo(zone),
        language=reader.choice("centre", "language", ("id", "en")),
        data_dir=data_dir,
        database_url=reader.text("database", "url", "sqlite:///{data_dir}/siaga.db").replace(
            "{data_dir}", str(data_dir)
        ),
        asterisk_use=reader.choice("asterisk", "use", ("auto", "installed", "sandbox")),
        sip_host=sip_host,
        sip_port=sip_port,
        rtp_first=rtp[0],
        rtp_last=rtp[1],
        external_address=reader.text("asterisk", "external_address", ""),
        local_networks=reader.texts("asterisk", "local_networks"),
        max_calls=reader.number("asterisk", "max_calls", 400),
        agi_ports=(agi_ports[0], agi_ports[1]),
        ami_port=reader.number("programs", "ami_port", 5038),
        agi_workers=reader.number("programs", "agi_workers", 2),
        trunks=reader.blocks("trunks", _trunk),
        call_takers=call_takers,
        ring_all=reader.texts("ring_all", "phones"),
        outside=reader.blocks(
            "outside", lambda b: Outside(b["name"], str(b["number"]), b["address"])
        ),
        pauses=reader.pauses(),
        agi_first_word_s=reader.bounded("programs", "agi_first_word_s", 5, 1, 30),
        lost_phone_s=reader.bounded("asterisk", "lost_phone_s", 5, 2, 60),
        warn_below_gib=reader.real("recordings", "warn_below_gib", 20.0),
        stop_below_gib=reader.real("recordings", "stop_below_gib", 5.0),
        voice_engine=reader.choice("voice", "engine", ("espeak-ng", "piper")),
        piper_model=reader.text("voice", "piper_model", ""),
        flows_dir=Path(reader.text("flows", "folder", str(house / "ivr_flows"))),
        policy_file=Path(reader.text("flows", "policy", str(house / "call_router/policy.toml"))),
    )
    if not data_dir.is_absolute():
        reader.mistake(f"[centre] data_dir {str(data_dir)!r}: give an absolute path")
    reader.unknown_words()
    if reader.mistakes:
        raise SettingsError("\n".join(f"{name}: {mistake}" for mistake in reader.mistakes))
    return settings


def _call_taker(block: Mapping[str, Any]) -> CallTaker:
    return CallTaker(
        id=str(block["id"]),
        name=block["name"],
        pin=_secret(str(block["pin"])),
        password=_secret(str(block["password"])),
        networks=tuple(block["networks"]),
    )


def _trunk(block: Mapping[str, Any]) -> Trunk:
    return Trunk(
        name=block["name"],
        addresses=tuple(block["addresses"]),
        numbers=tuple((str(dialled), flow) for dialled, flow in block["numbers"].items()),
        codecs=tuple(block.get("codecs", ("alaw",))),
        dead_air_s=int(block.get("dead_air_s", 120)),
    )


def _secret(text: str) -> str:
    """A secret as written, or from the environment when it reads env:NAME."""
    if not text.startswith("env:"):
        return text
    name = text.removeprefix("env:")
    if name not in os.environ:
        raise KeyError(f"environment variable {name}")
    return os.environ[name]


class _Reader:
    """Takes values out of the table, notes what is wrong, and what nobody asked for."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.table = table
        self.mistakes: list[str] = []
        self.asked: set[tuple[str, str]] = set()

    def mistake(self, words: str) -> None:
        self.mistakes.append(words)

    def _take(self, section: str, key: str, default: Any, kinds: type | tuple[type, ...]) -> Any:
        self.asked.add((section, key))
        block = self.table.get(section, {})
        value = block.get(key, default) if isinstance(block, dict) else default
        if not isinstance(value, kinds) or isinstance(value, bool):
            self.mistake(f"[{section}] {key} = {value!r}: expected something like {default!r}")
            return default
        return value

    def text(self, section: str, key: str, default: str) -> str:
        return str(self._take(section, key, default, str))

    def number(self, section: str, key: str, default: int) -> int:
        return int(self._take(section, key, default, int))

    def real(self, section: str, key: str, default: float) -> float:
        return float(self._take(section, key, default, (int, float)))

    def texts(self, section: str, key: str) -> tuple[str, ...]:
        return tuple(str(item) for item in self._take(section, key, [], list))

    def numbers(self, section: str, key: str, default: list[int]) -> list[int]:
        value = self._take(section, key, default, list)
        if len(value) != len(default) or not all(isinstance(item, int) for item in value):
            self.mistake(f"[{section}] {key} = {value!r}: write two numbers, like {default!r}")
            return default
        return [int(item) for item in value]

    def choice(self, section: str, key: str, words: tuple[str, ...]) -> str:
        word = self.text(section, key, words[0])
        if word not in words:
            self.mistake(f"[{section}] {key} = {word!r}: one of {', '.join(words)}")
            return words[0]
        return word

    def address(self, section: str, key: str, default: str) -> tuple[str, int]:
        host, _, port = self.text(section, key, default).rpartition(":")
        if not host or not port.isdigit():
            self.mistake(f"[{section}] {key}: write it as {default}")
            return "0.0.0.0", 5060
        return host, int(port)

    def blocks(self, section: str, make: Callable[[Mapping[str, Any]], _T]) -> tuple[_T, ...]:
        made = []
        rows = self.table.get(section, [])
        if not isinstance(rows, list):
            self.mistake(f"{section}: write each one under a line [[{section}]]")
            rows = []
        for count, block in enumerate(rows, start=1):
            try:
                made.append(make(block))
            except KeyError as missing:
                self.mistake(f"[[{section}]] number {count}: {missing.args[0]} is missing")
            except (TypeError, ValueError, AttributeError) as error:
                self.mistake(f"[[{section}]] number {count}: {error}; compare siaga.example.toml")
        return tuple(made)

    def pauses(self) -> tuple[PauseReason, ...]:
        table = self.table.get("pauses", {"20": "istirahat"})
        for code in table:
            if not (len(code) == 2 and code.isdigit() and code[0] == "2"):
                self.mistake(f"[pauses] {code}: a pause's star code is 20 to 29")
        return tuple(PauseReason(code, str(word)) for code, word in table.items())

    def bounded(self, section: str, key: str, default: int, least: int, most: int) -> int:
        value = self.number(section, key, default)
        if not least <= value <= most:
            self.mistake(f"[{section}] {key} = {value}: between {least} and {most}")
        return value

    def unknown_words(self) -> None:
        """A word that nobody reads is a setting that somebody believes in."""
        free = {"pauses", *_BLOCKS}
        sections = {section for section, _ in self.asked} | free
        for section, known in _BLOCKS.items():
            rows = self.table.get(section, [])
            used = {key for row in rows if isinstance(row, dict) for key in row}
            for key in sorted(used - known):
                self.mistake(f"[[{section}]] {key} is unknown; see siaga.example.toml")
        for section, block in self.table.items():
            if section not in sections:
                self.mistake(
                    f"[{section}] is unknown; the sections are {', '.join(sorted(sections))}"
                )
            elif section not in free and isinstance(block, dict):
                for key in block:
                    if (section, key) not in self.asked:
                        self.mistake(f"[{section}] {key} is unknown; see siaga.example.toml")
