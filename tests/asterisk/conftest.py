"""Stories on a real centre: real Asterisk, real SIP, real audio, all on loopback.

One centre lives for all stories that do not disturb each other; each story brings its own people
and takes them home. `stage` holds what the stories share.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from stage import channels, members, unseat  # noqa: E402 - the path stands first

from centre.trial import Shape, TrialCentre, until  # noqa: E402

SHIPPED_FLOWS = HERE.parent.parent / "ivr_flows"
DEAD_AIR_S = 6
LOST_PHONE_S = 2
RING_ALL = ("103",)
PHONES_HERE = 31
ANY_DISK_GIB = 10_000_000  # more than any disk has


@pytest.fixture(scope="session")
def flows(tmp_path_factory):
    """The centre's own copy of the shipped flows, which a story may edit."""
    folder = tmp_path_factory.mktemp("flows")
    for file in SHIPPED_FLOWS.glob("*.toml"):
        shutil.copy(file, folder)
    shutil.copytree(SHIPPED_FLOWS / "prompts", folder / "prompts")
    return folder


@pytest.fixture(autouse=True)
def everybody_goes_home(centre):
    """The next story finds an empty line and no call."""
    yield
    unseat(centre, *members(centre))
    centre.asterisk("channel request hangup all")
    until("no call is left", lambda: not channels(centre), 40.0, 0.2)


@pytest.fixture(scope="session")
def centre(flows):
    shape = Shape(
        limits={"outside_s": 10, "queue_wait_s": 30},
        ring_all=RING_ALL,
        outside=True,
        phones=PHONES_HERE,
        changes={
            "asterisk": {"lost_phone_s": LOST_PHONE_S},
            "trunks": {"dead_air_s": DEAD_AIR_S},
            "flows": {"folder": str(flows)},
        },
    )
    with TrialCentre(shape) as open_centre:
        the_keeper_is_there(open_centre)
        yield open_centre
        if keep := os.environ.get("SIAGA_KEEP"):
            sockets = shutil.ignore_patterns("*.ctl")
            shutil.copytree(open_centre.folder, keep, symlinks=True, ignore=sockets)


@pytest.fixture(scope="session")
def full_centre():
    """A centre whose disk is at its floor, and whose callers wait 10 s before all phones ring."""
    floor = {"warn_below_gib": 2 * ANY_DISK_GIB, "stop_below_gib": ANY_DISK_GIB}
    shape = Shape(ring_all=RING_ALL, changes={"recordings": floor})
    with TrialCentre(shape) as open_centre:
        the_keeper_is_there(open_centre)
        yield open_centre


def the_keeper_is_there(centre):
    """A call that is held before the keeper has met Asterisk is recorded less well."""
    log = centre.house.run / "keeper.log"
    until("the keeper knows Asterisk", lambda: "asterisk connected" in log.read_text(), 30.0)
