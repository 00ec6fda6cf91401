"""Verdicts of many comparisons that are read together, and how many of them stay when their number is taken into account."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

from lnl_core.runs.comparison import DISCOVERY_RATE, FEWEST_RUNS, ordering, orderings
from tools.pages.rows import table_head

Key = TypeVar("Key", bound=Hashable)
Pairs = Mapping[Key, tuple[Sequence[float], Sequence[float]]]
"""By any name the runs of the one and of the other."""
Scores = Mapping[str, Mapping[float, Sequence[float]]]
"""By method and variance the scores of its runs."""
FEW = f"fewer than {FEWEST_RUNS} runs"
_TURNED = {"higher": "lower", "lower": "higher"}


def verdicts(pairs: Pairs[Key]) -> dict[Key, str]:
    """Whether the one lies "higher" or "lower" than the other, "cannot say", or that there are too few runs.

    A word in brackets, "(higher)", is that of the comparison by itself, and does not stay when all of them are read together.
    """
    together = orderings(pairs)
    found = {}
    for name, runs in pairs.items():
        alone = ordering(*runs)
        found[name] = FEW if min(map(len, runs)) < FEWEST_RUNS else alone if together[name] == alone else f"({alone})"
    return found


def every_two(scores: Scores) -> dict[tuple[str, str, float], tuple[Sequence[float], Sequence[float]]]:
    """Every two methods at each variance where both have runs, once."""
    return {
        (one, other, at): (values, scores[other][at])
        for one, other in combinations(scores, 2)
        for at, values in scores[one].items()
        if at in scores[other]
    }


def of_every_two(scores: Scores) -> dict[tuple[str, str, float], str]:
    """:func:`verdicts` of :func:`every_two`, each of them in both directions."""
    found = verdicts(every_two(scores))
    return found | {(other, one, at): turned(said) for (one, other, at), said in found.items()}


def turned(verdict: str) -> str:
    """The same verdict with the two sides exchanged."""
    word = verdict.strip("()")
    return verdict.replace(word, _TURNED.get(word, word))


def counted(pairs: Pairs[Key]) -> int:
    """How many of the comparisons have enough runs on both sides."""
    return sum(min(map(len, runs)) >= FEWEST_RUNS for runs in pairs.values())


def how(count: int, what: str = "of this table") -> str:
    """What the words say, in two sentences for below a table."""
    return (
        "*Higher* and *lower*: Welch's 95 % interval of the difference leaves out 0. In brackets is what does not stay when the "
        f"{count} comparisons {what} are read together, at a {{term}}`false discovery rate` of {100 * DISCOVERY_RATE:g} %."
    )


def comparisons_table(families: Mapping[str, Pairs[Key]]) -> str:
    """A row a family of comparisons: how many, how many differ one at a time, and how many of these stay together."""
    heads = ("comparisons of", "how many", "differ at 95 %, one at a time", "would by chance if nothing did, about")
    lines = table_head(*heads, f"stay at a false discovery rate of {100 * DISCOVERY_RATE:g} %", "stay under any dependence")
    for name, pairs in families.items():
        count, found = counted(pairs), verdicts(pairs).values()
        stay = sum(said in _TURNED for said in found)
        alone = stay + sum(said.startswith("(") for said in found)
        sure = sum(said in _TURNED for said in orderings(pairs, any_dependence=True).values())
        lines.append(f"| {name} | {count} | {alone} | {0.05 * count:.1f} | {stay} | {sure} |")
    return "\n".join(lines) + "\n"
