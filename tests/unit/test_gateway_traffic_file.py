"""The file in which wanted weights are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from meshwright.gateway.traffic import TrafficError
from meshwright.gateway.traffic_file import TrafficFile
from meshwright.gateway.wanted import MAX_HISTORY

if TYPE_CHECKING:
    from pathlib import Path


def test_rolling_back_goes_back_step_by_step_to_the_beginning(tmp_path: Path) -> None:
    file = TrafficFile(tmp_path / "data")
    weights = (10, 50, 50, 100)
    for weight in weights:
        file.set(weight)
    assert [file.roll_back().wanted.canary_weight for _ in weights] == [50, 50, 10, 0]
    with pytest.raises(TrafficError, match="nothing to roll back to"):
        file.roll_back()
    assert file.read().canary_weight == 0


def test_a_refused_change_is_taken_back_with_its_history(tmp_path: Path) -> None:
    file = TrafficFile(tmp_path)
    file.set(10)
    refused = file.set(50)
    file.withdraw(refused)
    assert (file.read().canary_weight, file.read().history) == (10, (0,))
    assert file.read().revision > refused.wanted.revision


def test_a_refused_change_is_not_taken_back_when_another_one_came_after_it(tmp_path: Path) -> None:
    file = TrafficFile(tmp_path)
    refused = file.set(50)
    file.set(20)
    file.withdraw(refused)
    assert (file.read().canary_weight, file.read().history) == (20, (0, 50))


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(TrafficFile(tmp_path).set, range(1, 33)))
    wanted = TrafficFile(tmp_path).read()
    assert wanted.revision == 32
    assert sorted((*wanted.history, wanted.canary_weight)) == list(range(33))


def test_the_history_does_not_grow_for_ever(tmp_path: Path) -> None:
    file = TrafficFile(tmp_path)
    for number in range(MAX_HISTORY + 20):
        file.set(number % 101)
    assert len(file.read().history) == MAX_HISTORY


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrafficError, match="cannot be written"):
        TrafficFile(tmp_path / "file" / "data").set(10)
