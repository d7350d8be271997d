"""Calls between phones of others behind a proxy of others, against a running gateway.

Usage: run.py SCENARIO --iq ADDRESS --admin ADDRESS --ng ADDRESS --ports FIRST --directory DIRECTORY
    --proxy-access HOST --proxy-core HOST --agwctl PROGRAM

FIRST is the first of 38 free ports, DIRECTORY a directory for everything that is written, the hosts
are where the proxy listens. Ends with 0 if all is as it should be.
"""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(HERE, "../telephony")]

from scene import Scene, baresip, pjsua  # noqa: E402

SECURED, PLAIN = True, False


def secured_calls_plain(options):
    """baresip with SDES calls baresip without; the caller hangs up."""
    scene = Scene(options, {"a": (baresip, SECURED, {}), "b": (baresip, PLAIN, {})})
    call = scene.call("a", "b")
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("a", "b")
    scene.end({"a": "b"})


def plain_calls_secured(options):
    """The other way; the callee hangs up."""
    scene = Scene(options, {"a": (baresip, SECURED, {}), "b": (baresip, PLAIN, {})})
    call = scene.call("b", "a")
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("a", "b")
    scene.end({"a": "b"})


def long_keys(options):
    """PJSIP with keys of 256 bits calls baresip."""
    suite = "AES_256_CM_HMAC_SHA1_80"
    cast = {"a": (pjsua, SECURED, {"suites": [suite]}), "b": (baresip, PLAIN, {})}
    scene = Scene(options, cast)
    call = scene.call("a", "b")
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("b", "a")
    scene.end({"a": "b"})


SCENARIOS = {
    work.__name__: work for work in (secured_calls_plain, plain_calls_secured, long_keys)
}


def main():
    """Plays a scenario."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=SCENARIOS)
    for name in ("iq", "admin", "ng", "directory", "proxy-access", "proxy-core", "agwctl"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ports", required=True, type=int)
    options = parser.parse_args()
    SCENARIOS[options.scenario](options)


if __name__ == "__main__":
    main()
