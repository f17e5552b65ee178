"""Run: feeds of blocks to one state, in threads; NumPy releases the interpreter lock inside its loops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from threading import Lock
from typing import Any, Protocol, Self, TypeVar

from lossctl.core.block import Block, Pending
from lossctl.core.grouped import GroupTotals
from lossctl.core.resample import Replicates
from lossctl.core.state import NEVER
from lossctl.engine.plan import Plan
from lossctl.engine.reduce import RunState, reduce_block
from lossctl.errors import DataError
from lossctl.numerics.array import Array

AHEAD = 8  # blocks, or as many as threads, that may be done before an earlier one is, where the order counts
Progress = Callable[[int], None]
Watch = Callable[[str], AbstractContextManager[object]]
Task = TypeVar("Task")
Result = TypeVar("Result")


def unwatched(phase: str) -> AbstractContextManager[object]:
    """Take no time of a phase."""
    return nullcontext()


def reading(stream: Iterator[Task], watch: Watch) -> Iterator[Task]:
    """Yield what comes next, the time of which counts as reading."""
    while True:
        with watch("read"):
            task = next(stream, None)
        if task is None:
            return
        yield task


# in the order of the rows --------------------------------------------------------------------------------------------


def in_order(tasks: Iterator[Task], work: Callable[[Task], Result], threads: int, ahead: int) -> Generator[Result]:
    """Do tasks in threads, and give the results in the order of the tasks; at most so many are ahead of the others.

    The thread that asks is one of them: while the first result is not there it does what no other has begun. Tasks are
    read when they are soon begun with, a next one for each thread: what was just read is still in the caches.
    """
    if threads == 1:
        yield from map(work, tasks)
        return
    from concurrent.futures import Future, ThreadPoolExecutor  # here, so that a small evaluation starts without

    waiting: deque[tuple[Task, Future[Result]]] = deque()
    stopped: DataError | None = None

    def undone() -> int:
        return sum(not future.done() for _, future in waiting)

    with ThreadPoolExecutor(threads - 1, thread_name_prefix="lossctl") as pool:
        try:
            while True:
                try:
                    while not stopped and len(waiting) <= ahead and undone() < 2 * threads - 1:
                        if (task := next(tasks, None)) is None:
                            break
                        waiting.append((task, pool.submit(work, task)))
                except DataError as error:  # what was read before it comes first
                    stopped = error
                if not waiting:
                    break
                first = waiting[0][1]
                place = None if first.done() else next((i for i, (_, f) in enumerate(waiting) if f.cancel()), None)
                if place is None:
                    del waiting[0]
                    yield first.result()
                    continue
                task, future = waiting[place][0], Future[Result]()
                try:
                    future.set_result(work(task))
                except Exception as error:  # whose turn comes behind the results before it
                    future.set_exception(error)
                waiting[place] = task, future
        finally:
            for _, future in waiting:
                future.cancel()
    if stopped is not None:
        raise stopped


# in any order --------------------------------------------------------------------------------------------------------


class Mergeable(Protocol):
    """A state, of which that of the rows of two can be made."""

    def merge(self, later: Self, /) -> Self:
        """Return the state of the rows of two."""


State = TypeVar("State", bound=Mergeable)


class Feed:
    """A stream of blocks in row order: threads take turns to take one, and decode those side by side."""

    def __init__(self, blocks: Iterator[Pending[Block]], watch: Watch) -> None:
        self._blocks = reading(blocks, watch)
        self._lock = Lock()
        self.ended = False

    def take(self) -> Pending[Block] | None:
        """Return the next block, not decoded yet; None at the end."""
        with self._lock:
            block = None if self.ended else next(self._blocks, None)
            self.ended = block is None
            return block


def in_any_order(
    feeds: Sequence[Iterator[Pending[Block]]],
    reduce: Callable[[Block], State | None],
    threads: int,
    watch: Watch,
    progress: Progress | None = None,
) -> State | None:
    """Reduce all blocks of all feeds, and merge their states as they come; None if there are none.

    Each thread begins with a feed of its own, and then helps with the others. reduce: of a block behind which a feed
    need not be read it makes None.
    """
    streams, telling = [Feed(feed, watch) for feed in feeds], Lock()

    def work(place: int) -> State | None:
        merged: State | None = None
        try:
            for stream in (*streams[place:], *streams[:place]):
                while (pending := stream.take()) is not None:
                    with watch("decode"):
                        block = pending.make()
                    with watch("compute"):
                        state = reduce(block)
                    if state is None:
                        stream.ended = True
                        continue
                    if progress is not None:
                        with telling:
                            progress(block.read)
                    with watch("merge"):
                        merged = state if merged is None else merged.merge(state)
        except BaseException:
            for stream in streams:
                stream.ended = True
            raise
        return merged

    if threads == 1:
        return work(0)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads - 1, thread_name_prefix="lossctl") as pool:
        others = [pool.submit(work, place) for place in range(1, threads)]
        merged = work(0)
        for other in others:
            state = other.result()
            merged = state if merged is None else merged if state is None else merged.merge(state)
    return merged


# the states of a plan ------------------------------------------------------------------------------------------------


class RowSink(Protocol):
    """Takes the per-row losses of blocks, a line of each."""

    def packed(self, block: Block, lines: Sequence[Array]) -> Any:
        """Return what is to be written of a block; any thread may ask for it."""

    def write(self, packed: Any) -> None:
        """Write that of the next block in row order."""


def run(
    feeds: Sequence[Iterator[Pending[Block]]],
    plan: Plan,
    *,
    origins: Sequence[float] = (),
    threads: int = 1,
    sink: RowSink | None = None,
    progress: Progress | None = None,
    watch: Watch = unwatched,
    ordered: bool = False,
) -> RunState:
    """Reduce all blocks of all feeds; `ordered`, in the order of their rows, of which a sample then has the bytes.

    Sums by group and of replicates, and rows that are written out, are taken in the order of the rows, which asks for
    a single feed. `sink` takes each block's per-row losses in row order. `progress` takes the rows of each block
    as it is done. `watch` is told what is being done: read, decode, compute or merge.
    """
    limit = NEVER

    def reduced(block: Block) -> tuple[RunState, Any] | None:
        """Return the state of a block and what is to be written of it; None behind a row that could not be read."""
        nonlocal limit
        if block.start > limit:
            return None
        if block.stopped is not None:
            limit = min(limit, block.stop)
        state, rows = reduce_block(block, plan, origins)
        return state, None if sink is None else sink.packed(block, rows)

    if not (plan.in_order or ordered) and sink is None:
        states = in_any_order(feeds, lambda block: (pair := reduced(block)) and pair[0], threads, watch, progress)
        return states or RunState.empty(plan)

    def decoded_and_reduced(pending: Pending[Block]) -> tuple[RunState, Any] | None:
        with watch("decode"):
            block = pending.make()
        with watch("compute"):
            return reduced(block)

    [blocks] = feeds or [iter(())]  # a share may have no rows
    merged = RunState.empty(plan)
    grouped: dict[str, GroupTotals] = {}
    replicates: dict[str, Replicates] = {}
    tasks = reading(blocks, watch)
    with closing(in_order(tasks, decoded_and_reduced, threads, max(AHEAD, threads))) as reductions:
        for reduction in reductions:
            if reduction is None:
                break
            state, packed = reduction
            if progress is not None:
                progress(state.read)
            with watch("merge"):
                for name, groups in state.grouped.items():
                    grouped.setdefault(name, GroupTotals()).add(groups)
                for name, sums in state.replicates.items():
                    replicates.setdefault(name, Replicates(sums.lines, sums.resamples)).add(sums)
                merged = merged.merge(state._replace(grouped={}, replicates={}))
                if sink is not None:
                    sink.write(packed)
    return merged._replace(grouped={name: groups.state() for name, groups in grouped.items()}, replicates=replicates)
