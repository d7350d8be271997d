"""Calls between phones of others behind a proxy of others, against a running gateway.

Usage: run.py SCENARIO --iq ADDRESS --admin ADDRESS --ng ADDRESS --ports FIRST --directory DIRECTORY
    --proxy-access HOST --proxy-core HOST --agwctl PROGRAM

FIRST is the first of 38 free ports, DIRECTORY a directory for everything that is written, the hosts
are where the proxy listens. Ends with 0 if all is as it should be.
"""

import argparse
import glob
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(HERE, "../telephony")]

import basic  # noqa: E402
from gateway import Agwctl  # noqa: E402
import holding  # noqa: E402
import rekeying  # noqa: E402
import routing  # noqa: E402
import service  # noqa: E402
import suites  # noqa: E402

PLAYS = (basic, holding, rekeying, routing, service, suites)
SCENARIOS = {work.__name__: work for play in PLAYS for work in play.SCENARIOS}


def main():
    """Plays a scenario."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=SCENARIOS)
    for name in ("iq", "admin", "ng", "directory", "proxy-access", "proxy-core", "agwctl"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ports", required=True, type=int)
    options = parser.parse_args()
    try:
        SCENARIOS[options.scenario](options)
    except BaseException:
        tell_why(options)
        raise


def tell_why(options):
    """What the gateway says of its calls, and phones and proxy of theirs."""
    agwctl = Agwctl(options.agwctl, options.iq)
    print(agwctl.run("contexts", "list"))
    for log in glob.glob(os.path.join(options.directory, "*", "*.log")):
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file if "inline:" not in line]
        print(log, *lines[-40:], sep="\n" if not lines else "")


if __name__ == "__main__":
    main()
