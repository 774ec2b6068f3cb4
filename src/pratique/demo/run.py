"""Runs the demonstration: plays each scenario, prints what each API did, says whether it held."""

import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .gateway.play import can_play as has_addresses
from .gateway.play import play as gateway
from .orders.play import play as orders
from .payments.play import play as payments
from .preview.play import play as preview
from .processes import Processes
from .report import write_report
from .risk.play import play as risk
from .table import Scenario

SCENARIOS: tuple[Callable[[Processes], Scenario], ...] = (payments, preview, risk, orders, gateway)


def run_demo(*, keep_serving: bool) -> int:
    """Return 0 only if each guarded API stopped every attack and let everything honest through."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        played: list[Scenario] = []
        # Each has processes of its own, and much of it is waiting for deadlines.
        scenarios = playable()
        with ThreadPoolExecutor(len(scenarios)) as pool:
            for playing in [pool.submit(play, processes) for play in scenarios]:
                played.append(playing.result())
                played[-1].print_table()
                played[-1].print_totals()
        for scenario in played:
            scenario.review()
        page = write_report(played)
        print_end(played, time.monotonic() - begin)
        print(f"What its guarded APIs prove, and how: {page}")
        if keep_serving:
            _wait(played)
    return 0 if all(scenario.has_held for scenario in played) else 1


def playable() -> list[Callable[[Processes], Scenario]]:
    """Return the scenarios that this system can play; say what it would need for the others."""
    if has_addresses():
        return list(SCENARIOS)
    print(
        "The gateway's scenario isn't played: its clients have addresses of 127.0.0.0/8, and here "
        "loopback has one alone."
    )
    return [play for play in SCENARIOS if play is not gateway]


def print_end(played: Sequence[Scenario], seconds: float) -> None:
    """Print the totals again, a few lines a scenario."""
    print()
    for scenario in played:
        print(scenario.title)
        scenario.print_totals()
    print(f"\n{seconds:.0f} s. Nothing left the loopback interface.")


def _wait(played: Sequence[Scenario]) -> None:
    for scenario in played:
        for name, url in scenario.doors:
            print(f"{name:<12}{url}")
    print("Ctrl-C ends it.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()
