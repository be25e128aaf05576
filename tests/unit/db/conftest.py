"""A real SQLite file and a real PostgreSQL for every test of the books."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from call_router import numbers
from db.store import open_store, upgrade

# A busy machine is no fault of the code: speed is measured in bench/, not here.
settings.register_profile("siaga", deadline=None)
settings.load_profile("siaga")

numbers.preload()


def postgresql_programs():
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found:
        folders.insert(0, Path(found).parent)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    return pytest.fail("PostgreSQL is not installed; on Debian: apt-get install -y postgresql")


@pytest.fixture(scope="session")
def postgresql():
    """A server of our own: a socket in a folder of its own, no port, no durability."""
    programs = postgresql_programs()
    folder = Path(tempfile.mkdtemp(prefix="siaga-pg-", dir="/tmp"))  # a socket's path is short
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)

    def run(program, *words):
        command = [programs / program, "-D", folder / "data", *words]
        done = subprocess.run(
            command, user=user, cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("initdb", "--no-sync", "-A", "trust", "-U", "siaga", "-E", "UTF8", "--locale=C")
    # fsync stays on: the tests kill clients, but what they promise is durability.
    run("pg_ctl", "-w", "-l", folder / "log", "-o", f"-c listen_addresses='' -k {folder}", "start")
    try:
        yield folder
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/siaga.db"
    folder = request.getfixturevalue("postgresql")
    name = f"siaga_{uuid.uuid4().hex}"
    with psycopg.connect(f"host={folder} user=siaga dbname=postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql://siaga@/{name}?host={folder}"


@pytest.fixture
def url(empty_url):
    """The URL of a database with the newest schema."""
    upgrade(empty_url)
    return empty_url


@pytest.fixture
def engine(url):
    opened = open_store(url)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite_url(tmp_path):
    made = f"sqlite:///{tmp_path}/siaga.db"
    upgrade(made)
    return made


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 400 KiB that a test can fill, or make read-only."""
    if os.geteuid() != 0:
        pytest.fail("this test mounts a small disk of its own: run it as root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "siaga-test", folder]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
