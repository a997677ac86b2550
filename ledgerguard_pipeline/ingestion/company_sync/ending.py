"""How a company's sync ended, for the records that health is judged by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ledgerguard_pipeline.bronze.read.company_counts import Held
from ledgerguard_pipeline.control.company_state.count_gaps import CountGap
from ledgerguard_pipeline.errors import LedgerGuardError, RightsInDoubt
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.ingestion.company_sync.entity_load import EntityLoad
from ledgerguard_pipeline.ingestion.readers.stopped import StoppedReader
from ledgerguard_pipeline.ingestion.recorder import Recorder
from ledgerguard_pipeline.ingestion.request import SyncRequest


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of the loads of one sync; ``failure`` says what an error means to its entity."""

    request: SyncRequest
    loads: Sequence[EntityLoad]
    failure: Callable[[LedgerGuardError], Failure]

    def doubts(self, again: Collection[str]) -> tuple[list[str], list[str]]:
        """Which types went silent, and which of those read ``again`` answer as they should."""
        silent, settled = [], []
        for load in self.loads:
            if isinstance(load.reader, StoppedReader):
                continue
            if isinstance(load.error, RightsInDoubt):
                silent.append(load.name)
            if load.name in again and load.completed:
                settled.append(load.name)
        return silent, settled

    def record(self, recorder: Recorder, held: Held | None) -> None:
        """Which entities failed, which are current without a commit, which to count anew."""
        failed: dict[str, Failure] = {}
        current, recount, compared = [], [], []
        for load in self.loads:
            if load.error is not None:
                failed[load.name] = self.failure(load.error)
            elif load.result is not None:
                # A type that the company's edition lacks is up to date without any row.
                if load.reader.plan.advances and not self.request.reconcile and load.unmoved:
                    current.append(load.name)
                if self.request.reconcile or load.walked:
                    recount.append(load.name)
                found = load.result
                if found.expected is not None and found.stored is not None:
                    compared.append(CountGap(load.name, found.expected, found.stored))
        recorder.ended(
            failed=failed, current=current, recount=recount, compared=compared, held=held
        )
