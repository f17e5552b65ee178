"""Run: feeds of blocks to one state, in threads; NumPy releases the interpreter lock inside its loops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Condition, Lock
from typing import Any, Protocol

from lossctl.core.block import Block, Pending
from lossctl.core.grouped import GroupTotals
from lossctl.core.resample import Replicates
from lossctl.core.state import NEVER
from lossctl.engine.plan import Plan
from lossctl.engine.reduce import RunState, reduce_block
from lossctl.numerics.array import Array

AHEAD = 8  # blocks, or as many as threads, that may be done before an earlier one is, where the order counts
PATIENCE = 0.5  # seconds until a thread that waits for another looks whether all is over
Progress = Callable[[int], None]
Watch = Callable[[str], AbstractContextManager[object]]


class RowSink(Protocol):
    """Takes the per-row losses of blocks, a line of each."""

    def packed(self, block: Block, lines: Sequence[Array]) -> Any:
        """Return what is to be written of a block; any thread may ask for it."""

    def write(self, packed: Any) -> None:
        """Write that of the next block in row order."""


def unwatched(phase: str) -> AbstractContextManager[object]:
    """Take no time of a phase."""
    return nullcontext()


class Feed:
    """A stream of blocks in row order: threads take turns to take one, and decode those side by side."""

    def __init__(self, blocks: Iterator[Pending[Block]]) -> None:
        self._blocks = blocks
        self._lock = Lock()
        self._count = 0
        self.ended = False

    def take(self, watch: Watch) -> tuple[int, Pending[Block]] | None:
        """Return the next block's number and the block, not decoded yet; None at the end."""
        with self._lock:
            if self.ended:
                return None
            with watch("read"):
                block = next(self._blocks, None)
            if block is None:
                self.ended = True
                return None
            self._count += 1
            return self._count - 1, block


class Run:
    """One pass over all feeds. Each thread has a feed of its own while there is one, and then helps with another's.

    Sums by group and of replicates, and rows that are written out, are taken in the order of the rows, which asks for
    a single feed.
    """

    def __init__(
        self,
        feeds: Sequence[Iterator[Pending[Block]]],
        plan: Plan,
        origins: Sequence[float],
        sink: RowSink | None,
        progress: Progress | None,
        watch: Watch,
        threads: int,
    ) -> None:
        self.plan, self.origins, self.sink, self.progress, self.watch = plan, origins, sink, progress, watch
        self.state: RunState | None = None  # of the blocks that are done
        self.ordered = plan.in_order or sink is not None
        self._feeds = [Feed(blocks) for blocks in feeds]
        self._unclaimed = deque(self._feeds)
        self._claiming, self._merging = Lock(), Condition()
        self._waiting: dict[int, tuple[RunState, Any]] = {}
        self._next = 0
        self._ahead = max(AHEAD, threads)
        self._delivering = False
        self._grouped: dict[str, GroupTotals] = {}
        self._replicates: dict[str, Replicates] = {}
        self._limit = NEVER
        self._over = False
        assert not (self.ordered and len(feeds) > 1)

    def _claim(self) -> Feed | None:
        with self._claiming:
            if self._unclaimed:
                return self._unclaimed.popleft()
            return next((feed for feed in self._feeds if not feed.ended), None)

    def work(self) -> None:
        """Reduce blocks until there are none left; if that fails, let the other threads end too."""
        try:
            feed = self._claim()
            while feed is not None and not self._over:
                numbered = feed.take(self.watch)
                if numbered is None:
                    feed = self._claim()
                    continue
                number, pending = numbered
                with self.watch("decode"):
                    block = pending.make()
                if block.start > self._limit:  # an earlier row could not be read: what comes after it does not count
                    feed.ended = True
                    continue
                with self.watch("compute"):
                    state, rows = reduce_block(block, self.plan, self.origins)
                    packed = None if self.sink is None else self.sink.packed(block, rows)
                with self._merging, self.watch("merge"):
                    self._accept(number, block, state, packed)
                if self.ordered:
                    self._deliver()
                    with self._merging:
                        # a thread that is held up must not let the others pile up what comes after its block
                        while number >= self._next + self._ahead and not self._over:
                            self._merging.wait(PATIENCE)
        except BaseException:
            self._over = True  # without the lock: a second Ctrl-C may come while it is waited for
            with self._merging:
                self._merging.notify_all()
            raise

    def result(self) -> RunState:
        """Return all that was found."""
        state = RunState.empty(self.plan) if self.state is None else self.state
        return state._replace(
            grouped={name: groups.state() for name, groups in self._grouped.items()},
            replicates=self._replicates,
        )

    def _accept(self, number: int, block: Block, state: RunState, packed: Any) -> None:
        """Merge a block that is done, or have it wait for those before it."""
        if block.stopped is not None:
            self._limit = min(self._limit, block.stop)
        if self.progress is not None:
            self.progress(block.read)
        if self.ordered:
            self._waiting[number] = state, packed
        else:
            self.state = state if self.state is None else self.state.merge(state)

    def _deliver(self) -> None:
        """Take the blocks that are next in order, one thread at a time; the others compute meanwhile."""
        while True:
            with self._merging:
                if self._delivering or self._next not in self._waiting:
                    return
                self._delivering = True
                state, packed = self._waiting.pop(self._next)
            with self.watch("merge"):
                self._take(state, packed)
            with self._merging:
                self._delivering = False
                self._next += 1
                self._merging.notify_all()

    def _take(self, state: RunState, packed: Any) -> None:
        for name, groups in state.grouped.items():
            self._grouped.setdefault(name, GroupTotals()).add(groups)
        for name, sums in state.replicates.items():
            self._replicates.setdefault(name, Replicates(sums.lines, sums.resamples)).add(sums)
        ungrouped = state._replace(grouped={}, replicates={})
        self.state = ungrouped if self.state is None else self.state.merge(ungrouped)
        if self.sink is not None:
            self.sink.write(packed)


def run(
    feeds: Sequence[Iterator[Pending[Block]]],
    plan: Plan,
    *,
    origins: Sequence[float] = (),
    threads: int = 1,
    sink: RowSink | None = None,
    progress: Progress | None = None,
    watch: Watch = unwatched,
) -> RunState:
    """Reduce all blocks of all feeds.

    `sink` takes each block's per-row losses in row order. `progress` takes the rows of each block
    as it is done. `watch` is told what is being done: read, decode, compute or merge.
    """
    one_pass = Run(feeds, plan, origins, sink, progress, watch, threads)
    if threads == 1:
        one_pass.work()
        return one_pass.result()
    from concurrent.futures import ThreadPoolExecutor  # here, so that a small evaluation starts without

    with ThreadPoolExecutor(threads - 1, thread_name_prefix="lossctl") as pool:
        futures = [pool.submit(one_pass.work) for _ in range(threads - 1)]
        one_pass.work()
        for future in futures:
            future.result()
    return one_pass.result()
