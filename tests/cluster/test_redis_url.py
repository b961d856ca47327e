"""Which URLs are understood, and that what is shown of them has no password."""

from __future__ import annotations

import pytest

from supervisor.cluster._redis import open_redis
from supervisor.cluster._redis_url import Credentials, EngineUrl, Place, read_url

GOOD = {
    "redis://localhost": ("redis://localhost:6379", EngineUrl("redis", None, (Place("localhost", 6379),))),
    "redis://10.0.0.1:7000/2": (
        "redis://10.0.0.1:7000/2",
        EngineUrl("redis", None, (Place("10.0.0.1", 7000),), database=2),
    ),
    "rediss://ann:pass@host:1": (
        "rediss://host:1",
        EngineUrl("rediss", Credentials("ann", "pass"), (Place("host", 1),)),
    ),
    "redis://:p%40%3As%2F@[::1]:6379/0": (
        "redis://[::1]:6379",
        EngineUrl("redis", Credentials("", "p@:s/"), (Place("::1", 6379),)),
    ),
    "unix:///run/redis.sock": ("unix:///run/redis.sock", EngineUrl("unix", None, path="/run/redis.sock")),
    "unix://:pass@/run/redis.sock": (
        "unix:///run/redis.sock",
        EngineUrl("unix", Credentials("", "pass"), path="/run/redis.sock"),
    ),
    "sentinel://a,b:1/main": (
        "sentinel://a:26379,b:1/main",
        EngineUrl("sentinel", None, (Place("a", 26379), Place("b", 1)), service="main"),
    ),
    "sentinel://ann:pass@a:5/main": (
        "sentinel://a:5/main",
        EngineUrl("sentinel", Credentials("ann", "pass"), (Place("a", 5),), service="main"),
    ),
}

BAD = {
    "localhost:6379": "does not begin with",
    "http://localhost": "does not begin with",
    "redis://": "a host or a port is missing",
    "redis://:secret@": "a host or a port is missing",
    "redis://host:": "a host or a port is missing",
    "redis://host:0": "a host or a port is missing",
    "redis://host:x": "port is no number",
    "redis://host:70000": "port is no number",
    "redis://[::1": "port is no number",
    "redis://a,b": "several hosts",
    "redis://host/x": "no number of a database",
    "redis://host/1/2": "no number of a database",
    "redis://host?db=1": "a ? or a #",
    "redis://secret@host": "no user:password",
    "redis://user:@host": "no user:password",
    "redis://user:secr/et@host": "where %2F",
    "redis://user:secr@et@host": "where %2F",
    "redis://user:secr#et@host": "a ? or a #",
    "unix://redis.sock": "the socket's path",
    "unix:///": "the socket's path",
    "sentinel://a,b": "the name of the service",
    "sentinel://a,b/": "the name of the service",
    "sentinel://a,b/x/y": "the name of the service",
    "sentinel://a,,b/x": "a host or a port is missing",
}


@pytest.mark.parametrize("url", GOOD)
def test_a_good_url_is_understood_and_shown_without_its_password(url: str) -> None:
    shown, meaning = GOOD[url]
    assert read_url(url) == meaning
    assert str(read_url(url)) == shown
    assert "pass" not in repr(read_url(url))


@pytest.mark.parametrize("url", BAD)
def test_a_bad_url_is_refused_before_anything_is_connected(url: str) -> None:
    with pytest.raises(ValueError, match="the engine's URL is wrong") as caught:
        open_redis(url)
    sentence = str(caught.value)
    assert BAD[url] in sentence
    assert "sentinel://[user:password@]host" in sentence
    assert "secr" not in sentence


def test_a_call_takes_some_time() -> None:
    with pytest.raises(ValueError, match="call_timeout must be more than 0 seconds, not 0"):
        open_redis("redis://localhost", call_timeout=0)
