"""Which calls of DVC `pipeline.repro` makes, in place of which none is made here."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from lookback.errors import LookbackError
from pipeline import choose, repro

CHOSEN = {
    "experiments": {"demo": {"input": "src"}},
    "runs": {f"demo-{model}-{n}-s1": {"max_train_words": n} for n in (30, 60) for model in ("rnn", "transformer")},
}
PARTS = ("train", "translate", "probe", "evaluate")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, ...]]]:
    """The calls of DVC, if `dvc status` finds these stages stale, one set a time; the call that begins so fails."""

    def made(*found: set[str], jobs: int = 2, failing: str = "none") -> list[tuple[str, ...]]:
        seen, waiting = [], list(found)

        def dvc(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            arguments = tuple(command[command.index("--wait-for-lock") + 1 :])
            seen.append(arguments)
            if " ".join(arguments).startswith(failing):
                return subprocess.CompletedProcess(command, 1, "")
            output = json.dumps(dict.fromkeys(waiting.pop(0))) if "status" in arguments else ""
            return subprocess.CompletedProcess(command, 0, output)

        monkeypatch.setattr(subprocess, "run", dvc)
        monkeypatch.setattr(choose, "chosen", lambda: CHOSEN)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        monkeypatch.setattr(sys, "argv", ["repro", "--jobs", str(jobs)])
        repro.main()
        assert not waiting
        return seen

    return made


def alone(run: str) -> tuple[str, ...]:
    return ("repro", "-s", *(f"{part}@{run}" for part in PARTS))


STATUS, TESTSETS, REST = ("status", "--json"), ("repro", "testsets@demo"), ("repro",)


def test_with_nothing_stale_dvc_is_asked_once(calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert calls(set()) == [STATUS]
    assert capsys.readouterr().out == "Data and pipelines are up to date.\n"


def test_a_run_with_a_stale_stage_is_started_whole_and_no_other(calls) -> None:
    assert calls({"translate@demo-rnn-30-s1", "report@demo"}) == [STATUS, alone("demo-rnn-30-s1"), REST]


@pytest.mark.parametrize("part", ["download", "prepare", "tokenize", "testsets"])
def test_after_shared_stages_dvc_is_asked_again_since_runs_may_have_become_stale(calls, part: str) -> None:
    expected = [STATUS, TESTSETS, STATUS, alone("demo-rnn-60-s1"), REST]
    assert calls({f"{part}@demo"}, {"translate@demo-rnn-60-s1"}) == expected


def test_what_follows_all_runs_needs_none_of_them(calls) -> None:
    assert calls({"compare@demo", "report@demo"}) == [STATUS, REST]


def test_one_job_is_dvcs_own_order(calls) -> None:
    assert calls(jobs=1) == [REST]


@pytest.mark.parametrize("failing", ["status", "repro testsets", "repro -s"])
def test_a_failure_is_told_and_ends_it(calls, failing: str) -> None:
    with pytest.raises(LookbackError, match=f"^dvc {failing}.* failed; see the reason above$"):
        calls({"testsets@demo"}, {"train@demo-rnn-30-s1"}, failing=failing)
