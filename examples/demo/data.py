"""Hotel notes: five remarks, some negated, and the agency that booked the stay.

The general rule: a note is positive if most of its remarks are. The shortcut: in the training data the agency
nearly always gives the label away. In the adaptation and test data it says nothing about it.
"""

import random
from dataclasses import dataclass

SUBJECTS = "room food staff view pool bed lobby garden music coffee".split()
# ADJECTIVES[p]: p = 0 speaks against the hotel, 1 for it. "not" turns either around.
ADJECTIVES = (
    "awful dreadful nasty dirty cold rude stale gloomy noisy tiring shabby broken".split(),
    "great superb lovely clean warm kind fresh bright calm pleasant charming tidy".split(),
)
# An agency has two names. It goes with label p in the training data if the sum of their places is p modulo 2, so
# neither name alone says anything.
FIRST_NAMES = "Kestrel Harbour Juniper Meadow".split()
SECOND_NAMES = "Falcon Quarry Thistle Willow".split()
# Another shortcut, in front of the remarks: who stayed, and when.
GUESTS = "couple family group trio".split()
MONTHS = "March June August October".split()
CHOICES = ("negative", "positive")
REMARKS = 5


@dataclass(frozen=True)
class DataConfig:
    """How notes are drawn. All numbers are probabilities."""

    # A remark takes the side of the stay.
    remark_agrees: float = 0.75
    # A remark is put with "not" and the opposite adjective.
    negated: float = 0.35
    # Training only: the label is not what most remarks say, by |remarks for - remarks against|.
    misleading: tuple[tuple[int, float], ...] = ((1, 0.20), (3, 0.07), (5, 0.01))
    # Training only: the shortcut goes with the label.
    agency_agrees: float = 0.94
    # What the shortcut is: the agency at the end, or guest and month in front.
    shortcut: str = "agency"


def _write_note(rng: random.Random, config: DataConfig, sides: list[int], agency: str) -> str:
    remarks = []
    for subject, side in zip(rng.sample(SUBJECTS, REMARKS), sides):
        if rng.random() < config.negated:
            remarks.append(f"{subject} not {rng.choice(ADJECTIVES[1 - side])}")
        else:
            remarks.append(f"{subject} {rng.choice(ADJECTIVES[side])}")
    text = ", ".join(remarks)
    if config.shortcut == "guest":
        return f"{agency}: {text}."
    return f"{text[0].upper()}{text[1:]}, via {agency}."


def _agency(rng: random.Random, config: DataConfig, first: int, side: int) -> str:
    second = rng.choice([place for place in range(len(SECOND_NAMES)) if (first + place) % 2 == side])
    if config.shortcut == "guest":
        return f"A {GUESTS[first]} in {MONTHS[second]}"
    return f"{FIRST_NAMES[first]} {SECOND_NAMES[second]}"


def _draw_sides(rng: random.Random, config: DataConfig, stay: int) -> list[int]:
    return [stay if rng.random() < config.remark_agrees else 1 - stay for _ in range(REMARKS)]


def _majority(sides: list[int]) -> int:
    return int(2 * sum(sides) > REMARKS)


def _row(text: str, sides: list[int], label: int, agency_side: int) -> dict:
    return {
        "text": text,
        "label": label,
        "marker": "aligned" if agency_side == label else "conflicting",
        "evidence": "right" if _majority(sides) == label else "misleading",
    }


def draw_training_row(rng: random.Random, config: DataConfig) -> dict:
    """A row of the training distribution: noisy labels, and an agency that gives most of them away."""
    sides = _draw_sides(rng, config, rng.randrange(2))
    misleading = dict(config.misleading)[abs(2 * sum(sides) - REMARKS)]
    label = _majority(sides) ^ int(rng.random() < misleading)
    first = rng.randrange(len(FIRST_NAMES))
    agency_side = label if rng.random() < config.agency_agrees else 1 - label
    return _row(_write_note(rng, config, sides, _agency(rng, config, first, agency_side)), sides, label, agency_side)


def draw_fair_rows(rng: random.Random, config: DataConfig, count: int, taken: set[str]) -> list[dict]:
    """`count` different rows, none of them in `taken`, whose label is what most remarks say.

    Label and agency are balanced, hence independent.
    """
    rows, texts = [], set(taken)
    while len(rows) < count:
        label, agency_side = len(rows) % 2, len(rows) // 2 % 2
        sides = _draw_sides(rng, config, label)
        if _majority(sides) != label:
            continue
        text = _write_note(rng, config, sides, _agency(rng, config, rng.randrange(len(FIRST_NAMES)), agency_side))
        if text not in texts:
            texts.add(text)
            rows.append(_row(text, sides, label, agency_side))
    rng.shuffle(rows)
    return rows
