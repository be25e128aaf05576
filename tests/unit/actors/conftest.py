"""Addresses of this test run alone: an Ear hears whatever else is sent to its address and port."""

import secrets

import pytest


@pytest.fixture(scope="session")
def anis_ip():
    return f"127.{secrets.choice(range(16, 250))}.{secrets.choice(range(1, 250))}.2"


@pytest.fixture(scope="session")
def budis_ip(anis_ip):
    return anis_ip.removesuffix("2") + "3"
