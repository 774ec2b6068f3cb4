"""Memory over time with its slope, drawn as SVG, and the page with the figures of a fault run."""

import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.soak import Run

WARM_UP = 0.2
"""Of the time: pools fill, modules are imported at their first use."""
WIDTH, HEIGHT, LEFT, TOP = 860, 360, 70, 20
COLOURS = ("#1b6ca8", "#c2571a", "#3a7d44", "#8a3b8f")
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


@dataclass
class Memory:
    """Resident memory of one process: (seconds, KiB), and of what it holds: (KiB, blocks)."""

    name: str
    samples: list[tuple[float, int]] = field(default_factory=list)
    heaps: list[tuple[int, int]] = field(default_factory=list)
    """What malloc has handed out, and the blocks of Python: one a sample."""

    def add(self, seconds: float, kib: int, handed_out_kib: int = 0, blocks: int = 0) -> None:
        """Keep a sample; none while the process isn't there."""
        if kib:
            self.samples.append((seconds, kib))
            self.heaps.append((handed_out_kib, blocks))

    @property
    def held(self) -> tuple[tuple[float, int], tuple[float, int]]:
        """Return the means of the first and of the last third of the warm samples: (MiB, blocks).

        Single samples have what is under way; a leak moves the mean.
        """
        warm = self.heaps[len(self.heaps) - len(self.warm) :]
        third = max(1, len(warm) // 3)
        return _mean(warm[:third]), _mean(warm[-third:])

    @property
    def warm(self) -> list[tuple[float, int]]:
        """Return the samples after the warm-up."""
        if not self.samples:
            return []
        begins = self.samples[-1][0] * WARM_UP
        return [sample for sample in self.samples if sample[0] >= begins]

    @property
    def slope(self) -> float:
        """Return KiB a minute, by least squares over the warm samples."""
        return slope(self.warm)

    def line(self) -> str:
        """Return it in one sentence."""
        if not self.warm:
            return f"{self.name}: no sample"
        kib = [sample[1] for sample in self.warm]
        begun, ended = self.held
        return (
            f"{self.name}: {kib[0] / 1024:.1f} MiB warm, {kib[-1] / 1024:.1f} at the end, "
            f"{max(kib) / 1024:.1f} at most, {self.slope:+.0f} KiB/min; "
            f"handed out {begun[0]:.1f}, then {ended[0]:.1f} MiB; "
            f"{begun[1]}, then {ended[1]} blocks of Python"
        )


def _mean(heaps: list[tuple[int, int]]) -> tuple[float, int]:
    """Return the mean of what is held, in MiB and blocks."""
    count = len(heaps) or 1
    return sum(kib for kib, _ in heaps) / count / 1024, sum(n for _, n in heaps) // count


def slope(samples: list[tuple[float, int]]) -> float:
    """Return KiB a minute by least squares; 0 of fewer than two samples."""
    if len(samples) < 2:
        return 0.0
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    if spread == 0:
        return 0.0
    return 60 * sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread


def svg(memories: list[Memory]) -> str:
    """Draw the memory of each process over time."""
    last = max((m.samples[-1][0] for m in memories if m.samples), default=1.0) or 1.0
    highest = max((kib for m in memories for _, kib in m.samples), default=1024) / 1024
    top = (int(highest / 20) + 1) * 20
    wide, high = WIDTH - LEFT - 130, HEIGHT - TOP - 50

    def x(seconds: float) -> float:
        return round(LEFT + wide * seconds / last, 1)

    def y(mib: float) -> float:
        return round(TOP + high * (1 - mib / top), 1)

    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12" role="img">'
        ),
        "<title>Resident memory of the processes that were not killed, MiB over seconds</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for mib in range(0, top + 1, 20):
        lines += [
            f'<path d="M{LEFT} {y(mib)}H{LEFT + wide}" stroke="#dddddd"/>',
            f'<text x="{LEFT - 8}" y="{y(mib) + 4}" text-anchor="end">{mib}</text>',
        ]
    for part in range(6):
        at = last * part / 5
        lines.append(
            f'<text x="{x(at)}" y="{TOP + high + 18}" text-anchor="middle">{at:.0f}</text>'
        )
    lines += [
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 10}" text-anchor="middle">seconds</text>',
        (
            f'<text x="14" y="{TOP + high / 2}" transform="rotate(-90 14 {TOP + high / 2})" '
            'text-anchor="middle">MiB</text>'
        ),
        (
            f'<path d="M{x(last * WARM_UP)} {TOP}V{TOP + high}" stroke="#999999" '
            'stroke-dasharray="4 4"/>'
        ),
    ]
    for place, memory in enumerate(memories):
        colour = COLOURS[place % len(COLOURS)]
        points = " ".join(f"{x(seconds)},{y(kib / 1024)}" for seconds, kib in memory.samples)
        lines += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
            (
                f'<text x="{LEFT + wide + 10}" y="{TOP + 14 + 18 * place}" fill="{colour}">'
                f"{memory.name}</text>"
            ),
        ]
    return "\n".join([*lines, "</svg>", ""])


def figures(made: "Run") -> str:
    """Return the figures of a run as Markdown."""
    tally = made.tally
    rows = "\n".join(f"| {what} | {times} |" for what, times in sorted(made.injected.items()))
    done = "\n".join(
        f"| {kind} | {len(tally.done[kind])} | {tally.sent[f'honest {kind}']} | "
        f"{tally.worst[kind]:.1f} s | {tally.sent[f'hostile {kind}']} |"
        for kind in tally.done
    )
    memory = "\n".join(f"| {_cells(one)} |" for one in made.memory)
    found = "\n".join(f"* {what}" for what in made.wrong) or "Nothing."
    python = ".".join(map(str, sys.version_info[:3]))
    return f"""{BEGIN}
`python -m tests.faults.soak --seconds {made.seconds:.0f} --seed {made.seed}`, {datetime.now(UTC):%Y-%m-%d}, CPython {python}, on a machine of two cores that
had other work to do.

| injected | times |
|---|---|
{rows}

{made.starts} starts of API processes, the first ten among them. {made.attacks} attacks.

| API | honest things done | attempts for them | slowest | hostile requests |
|---|---|---|---|---|
{done}

After the last fault the last honest sender had its 2xx within {made.quiet:.0f} s. What was lost, doubled, believed, or answered otherwise than it must be: {found}

| process | MiB after warm-up | at the end | at most | KiB a minute | handed out MiB, first and last third | blocks of Python, first and last third |
|---|---|---|---|---|---|---|
{memory}

"Handed out" is what the C library has given and not got back (`mallinfo2`), each the mean over a third of the time after the warm-up. A leak raises it, or the blocks; what is freed and kept by the allocator raises only the resident memory.

![Resident memory over time](fault-run.svg)

Answers to honest senders; "(clock)" stands where the clock jumped while the request was under way:

{_table(tally.honest)}

Answers to attackers:

{_table(tally.hostile)}
{END}"""


def _cells(one: Memory) -> str:
    kib = [sample[1] for sample in one.warm] or [0]
    mib = [f"{n / 1024:.1f}" for n in (kib[0], kib[-1], max(kib))]
    begun, ended = one.held
    held = [f"{begun[0]:.1f}, {ended[0]:.1f}", f"{begun[1]}, {ended[1]}"]
    return " | ".join([one.name, *mib, f"{one.slope:+.0f}", *held])


def _table(counted: dict[str, int]) -> str:
    rows = [f"| {' | '.join(_split(key))} | {n} |" for key, n in sorted(counted.items())]
    return "\n".join(["| API | answer | times |", "|---|---|---|", *rows])


def _split(key: str) -> tuple[str, str]:
    kind, _, answer = key.partition(" ")
    return kind, answer


def write_page(folder: Path, made: "Run") -> None:
    """Write the plot, and the figures into the page that is there."""
    (folder / "fault-run.svg").write_text(svg(made.memory), encoding="utf-8")
    page = folder / "fault-run.md"
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    new = figures(made)
    found = re.sub(f"{BEGIN}.*{END}", lambda _: new, text, flags=re.DOTALL)
    page.write_text(found, encoding="utf-8")
