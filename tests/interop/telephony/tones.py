"""Tones: what each party says, and how what was heard is judged."""

import math
import wave

import numpy

RATE = 8000
AMPLITUDE = 0.25
# Samples in a window of a quarter of a second, in which there is one tone or not.
WINDOW = 2_000


def tone(hertz, seconds=1):
    """Samples of a tone; whole periods, so that it can be repeated."""
    steps = numpy.arange(RATE * seconds) * (2 * math.pi * hertz / RATE)
    return numpy.round(numpy.sin(steps) * AMPLITUDE * 32767).astype(int)


def write(path, samples):
    """A file of samples for a phone to play."""
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def _linear(octet):
    octet ^= 0x55
    exponent, mantissa = octet >> 4 & 7, octet & 15
    value = (mantissa << 4) + 8 if exponent == 0 else (mantissa << 4) + 264 << exponent - 1
    return value if octet & 0x80 else -value


# A-law (ITU-T G.711): the 16-bit sample of every octet.
LINEAR = numpy.array([_linear(octet) for octet in range(256)])


def to_alaw(samples):
    """The nearest octets."""
    octets = numpy.abs(LINEAR[None, :] - samples[:, None]).argmin(axis=1)
    return octets.astype(numpy.uint8).tobytes()


def from_alaw(octets):
    """The samples."""
    return LINEAR[numpy.frombuffer(octets, numpy.uint8)]


def heard(samples, candidates):
    """Which of the candidates were heard in turn, each with the number of its windows.

    A window that is no clean tone, as where a phone conceals or a tone ends, is of nobody.
    """
    found = []
    for start in range(0, len(samples) - WINDOW + 1, WINDOW):
        hertz = _of_window(samples[start : start + WINDOW], candidates)
        if hertz and found and found[-1][0] == hertz:
            found[-1][1] += 1
        elif hertz:
            found.append([hertz, 1])
    return found


def _of_window(window, candidates):
    """The one that has nearly all power; none in silence and at a change."""
    power = numpy.mean(window**2)
    steps = numpy.arange(len(window)) * (2j * numpy.pi / RATE)
    for hertz in candidates:
        amplitude = 2 * abs(numpy.mean(window * numpy.exp(steps * hertz)))
        if power > 1e4 and amplitude**2 / 2 > 0.95 * power:
            return hertz
    return 0
