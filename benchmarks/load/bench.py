"""Rounds of measurements: A B C, A B C, so that a slow minute of the machine hits all alike."""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.load import configs
from benchmarks.load.machine import REST, raise_limits
from benchmarks.load.peer import DIRECT, PEERS, program
from benchmarks.load.process import DidNotStart, Process, free_port
from benchmarks.load.scenario import FILES, Effort, Figures, Scenario, added, settle
from benchmarks.load.tool import NotMeasured

Runs: TypeAlias = dict[str, list[Figures]]
Results: TypeAlias = dict[str, Runs]

_NICE: Final = 0o755
_LOOK: Final = 0.1
"""Seconds between two looks at who is still busy."""
_IDLE: Final = 0.1
"""Of a core: what is used below that is housekeeping."""
_PATIENCE: Final = 60.0


class Bench:
    """Measures scenarios, and keeps what there is to say about what could not be measured."""

    def __init__(self, effort: Effort, peers: Sequence[str]) -> None:
        self._effort = effort
        self._folder = Path()
        self.notes: list[str] = []
        self._peers = set(peers)
        for name in peers:
            if name in PEERS and (missing := PEERS[name].missing()):
                self._peers.discard(name)
                self._note(f"{PEERS[name].title} is left out: {missing} is missing")

    def run(self, scenarios: Sequence[Scenario]) -> Results:
        """All of them, one after the other."""
        results: Results = {}
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            self._folder = folder = Path(name)
            folder.chmod(_NICE)
            for file, size in FILES.items():
                (folder / file).write_bytes(b"x" * size)
            for scenario in scenarios:
                try:
                    with self._upstream(scenario) as upstream:
                        results[scenario.name] = self._scenario(scenario, upstream)
                except (DidNotStart, NotMeasured) as error:
                    self._note(f"{scenario.name} is left out: {error}")
        return results

    @contextmanager
    def _upstream(self, scenario: Scenario) -> Iterator[Process]:
        folder, port = self._folder, free_port()
        if scenario.upstream == "raw":
            module = "benchmarks.load.servers.upstream"
            command = [sys.executable, "-m", module, str(port)]
        else:
            nginx = program("nginx")
            if nginx is None:
                raise DidNotStart("nginx is missing: make bench-tools")
            config = configs.nginx_upstream(folder, port, raise_limits())
            command = [nginx, "-p", str(folder), "-c", str(config)]
        with Process(command, port, REST, folder / "log-of-upstream") as upstream:
            yield upstream

    def _scenario(self, scenario: Scenario, upstream: Process) -> Runs:
        names = scenario.peers(frozenset(self._peers))
        runs: Runs = {name: [] for name in names}
        rounds = min(self._effort.rounds, scenario.rounds or self._effort.rounds)
        with ExitStack() as running:
            kept = {} if scenario.fresh else self._warm(running, scenario, names, upstream)
            for number in range(rounds):
                for name in names:
                    if not scenario.fresh and name not in kept:
                        continue
                    _say(f"{scenario.name} {number + 1}/{rounds} {name}")
                    try:
                        if scenario.fresh:
                            figures = self._fresh(scenario, name, upstream)
                        else:
                            self._rest(kept)
                            figures = scenario.measure(kept[name], self._effort)
                    except (DidNotStart, NotMeasured, OSError) as error:
                        self._note(f"{scenario.name}: {name}: {error}")
                    else:
                        runs[name].append(figures)
        added(scenario, runs)
        return {name: found for name, found in runs.items() if found}

    def _warm(
        self, running: ExitStack, scenario: Scenario, names: Sequence[str], upstream: Process
    ) -> dict[str, Process]:
        """All of them, started for all rounds and used already; who failed is not there."""
        warm: dict[str, Process] = {}
        for name in names:
            try:
                target = upstream
                if name != DIRECT:
                    target = PEERS[name].process(self._folder, upstream.address)
                    running.enter_context(target)
                if self._effort.warm:
                    _say(f"{scenario.name} warm-up {name}")
                    settle(scenario, target)
            except (DidNotStart, NotMeasured, OSError) as error:
                self._note(f"{scenario.name}: {name}: {error}")
            else:
                warm[name] = target
        return warm

    def _rest(self, running: Mapping[str, Process]) -> None:
        """Wait until nobody works on what clients have left behind: all share one core."""
        given_up = time.monotonic() + _PATIENCE
        while busy := busy_of(running, _LOOK):
            if time.monotonic() > given_up:
                raise NotMeasured(f"still busy before it: {', '.join(busy)}")

    def _fresh(self, scenario: Scenario, name: str, upstream: Process) -> Figures:
        if name == DIRECT:
            figures = scenario.measure(upstream, self._effort)
            figures.pop("memory", None)  # the upstream's says nothing
            return figures
        with PEERS[name].process(self._folder, upstream.address) as target:
            return scenario.measure(target, self._effort)

    def _note(self, text: str) -> None:
        self.notes.append(text)
        _say(text)


def busy_of(running: Mapping[str, Process], seconds: float) -> list[str]:
    """Who of them uses more than a tenth of a core within these seconds."""
    before = {name: process.cpu() for name, process in running.items()}
    time.sleep(seconds)
    # Processor time is told in ticks of 10 ms: one of them may be the end of something earlier.
    allowed = max(_IDLE * seconds, 0.015)
    return [name for name, process in running.items() if process.cpu() - before[name] > allowed]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
