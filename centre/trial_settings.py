"""siaga.toml and policy.toml of a trial centre, written from the shape a story asks for."""

from __future__ import annotations

import json
import re
from socket import SOCK_DGRAM
from typing import TYPE_CHECKING, Any

from call_router.policy_file import SHIPPED
from centre.centre import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from centre.trial import Shape

TRUNK_IP = "127.0.0.2"
OUTSIDE_IP = "127.0.0.8"
TRUNK = "demo"
TEST_NUMBER = "1120"
PHONES = tuple(str(number) for number in range(101, 141) if number != 112)
"""Every phone a trial may have; 112 is no phone."""
PINS: Mapping[str, str] = {number: f"1{number}"[-4:] for number in PHONES}
NAMES: Mapping[str, str] = {"101": "Alice", "102": "Bambang", "103": "Citra"}
QUICK: Mapping[str, int] = {"queue_wait_s": 10, "ring_s": 5, "ring_all_s": 5, "outside_s": 15}
"""The shortest waits the policy's own bounds allow."""
RTP_PORTS = 2000


def write(folder: Path, shape: Shape, outside_port: int) -> Path:
    """Write both files into `folder` and return siaga.toml's path.

    Raises ValueError for a limit that the policy does not know.
    """
    tables = _usual(folder, shape, outside_port, _write_policy(folder, shape))
    for section, words in dict(shape.changes).items():
        rows = tables.setdefault(section, {})
        for row in rows if isinstance(rows, list) else [rows]:
            row.update(words)
    path = folder / "siaga.toml"
    path.write_text("".join(_section(*item) for item in tables.items()), encoding="utf-8")
    return path


def _write_policy(folder: Path, shape: Shape) -> Path:
    policy = SHIPPED.read_text(encoding="utf-8")
    for name, value in {**QUICK, **dict(shape.limits)}.items():
        policy, found = re.subn(rf"(?m)^{name} = \d+", f"{name} = {value}", policy)
        if not found:
            raise ValueError(f"the policy has no limit {name}")
    path = folder / "policy.toml"
    path.write_text(policy, encoding="utf-8")
    return path


def _usual(folder: Path, shape: Shape, outside_port: int, policy: Path) -> dict[str, Any]:
    """The tables of siaga.toml before a story's own changes."""
    rtp = free_port(SOCK_DGRAM) % 20_000 + 30_000
    tables: dict[str, Any] = {
        "centre": {"id": "demo", "name": "112 Demo", "data_dir": str(folder)},
        "asterisk": {
            "use": "auto",
            "sip": f"127.0.0.1:{free_port(SOCK_DGRAM)}",
            "rtp": [rtp, rtp + RTP_PORTS],
        },
        "programs": {"agi_ports": [free_port(), free_port()], "ami_port": free_port()},
        "trunks": [
            {
                "name": TRUNK,
                "addresses": [TRUNK_IP],
                "numbers": {"112": "112", TEST_NUMBER: "test"},
            }
        ],
        "flows": {"policy": str(policy)},
        "recordings": {"warn_below_gib": 0.5, "stop_below_gib": 0.1},
        "ring_all": {"phones": list(shape.ring_all)},
        "call_takers": [_call_taker(number) for number in PHONES[: shape.phones]],
    }
    if shape.outside:
        address = f"{OUTSIDE_IP}:{outside_port}"
        tables["outside"] = [{"name": "polisi", "number": "110", "address": address}]
    return tables


def _call_taker(number: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": NAMES.get(number, number),
        "pin": PINS[number],
        "password": f"pw-{number}",
        "networks": ["127.0.0.0/8"],
    }


def _section(name: str, rows: Any) -> str:
    if isinstance(rows, list):
        return "".join(f"[[{name}]]\n{_lines(row)}" for row in rows)
    return f"[{name}]\n{_lines(rows)}"


def _lines(row: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in row.items())


def _value(value: Any) -> str:
    """A value as TOML; JSON writes strings, numbers, true/false and lists the same way."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)
