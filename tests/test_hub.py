"""The unmodified `download` stage, in a process of its own, against a Hub on localhost that fails in every way."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hub_server import CARD, COMMIT, Fault, HubServer, Repository, parquet_file, rows, wmt14

ROOT = Path(__file__).resolve().parent.parent
NAME = "wmt/wmt14"
EXPERIMENT = """
title: a test
source_language: {source}
target_language: {target}
corpus:
  kind: hub
  repository: wmt/wmt14
  configuration: {configuration}
  revision: {revision}
  max_train_pairs: {cap}
prepare: {{}}
tokenize: {{}}
grid: {{models: [bahdanau], max_train_words: [60]}}
models: {{bahdanau: {{}}}}
train: {{target_tokens: 1000, batch_target_tokens: 100}}
translate: {{}}
evaluate: {{}}
"""


@dataclass
class Outcome:
    folder: Path
    returncode: int
    stderr: str
    seconds: float

    @property
    def error(self) -> str:
        """The error line, the last; there is no traceback above it."""
        assert self.returncode == 1, self.stderr
        assert "Traceback" not in self.stderr
        last = self.stderr.strip().splitlines()[-1]
        assert last.startswith("error: ")
        return last

    def lines(self, name: str) -> list[str]:
        assert self.returncode == 0, self.stderr
        text = (self.folder / "data" / "trial" / "raw" / name).read_bytes().decode()
        assert text.endswith("\n")
        return text[:-1].split("\n")

    @property
    def manifest(self) -> dict:
        assert self.returncode == 0, self.stderr
        return json.loads((self.folder / "data" / "trial" / "raw" / "manifest.json").read_text(encoding="utf-8"))


def download(
    folder: Path,
    endpoint: str,
    cap: int | None = None,
    revision: str | None = None,
    languages: tuple[str, str] = ("en", "fr"),
    configuration: str = "fr-en",
    tries: int = 3,
    timeout: int = 2,
    pause: str = "0.01",
) -> Outcome:
    conf = EXPERIMENT.format(
        source=languages[0],
        target=languages[1],
        configuration=configuration,
        revision="null" if revision is None else f'"{revision}"',
        cap="null" if cap is None else cap,
    )
    (folder / "conf").mkdir(exist_ok=True)
    (folder / "conf" / "trial.yaml").write_text(conf, encoding="utf-8")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "LOOKBACK_"))}
    environment = {
        **inherited,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_DOWNLOAD_TIMEOUT": str(timeout),
        "HF_HUB_ETAG_TIMEOUT": str(timeout),
        "LOOKBACK_HUB_TRIES": str(tries),
        "LOOKBACK_HUB_PAUSE": pause,
        "NO_PROXY": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pipeline.download", "--experiment", "trial"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    return Outcome(folder, done.returncode, done.stderr, time.monotonic() - started)


def run(tmp_path: Path, repository: Repository, faults: Sequence[Fault] = (), **settings) -> tuple[Outcome, HubServer]:
    with HubServer({NAME: repository}, faults) as server:
        return download(tmp_path, server.endpoint, **settings), server


# --- what it brings ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_all_of_a_corpus(tmp_path):
    outcome, server = run(tmp_path, wmt14(CARD))
    train = rows("train", 600)
    assert outcome.lines("train.source") == [row["en"] for row in train if row]
    assert outcome.lines("train.target") == [row["fr"] for row in train if row]
    assert outcome.lines("valid.target") == [row["fr"] for row in rows("validation", 7) if row]
    assert outcome.lines("test.source") == [row["en"] for row in rows("test", 8) if row]
    manifest = outcome.manifest
    assert manifest["revision"] == COMMIT
    assert manifest["repository"] == NAME
    assert manifest["pairs"] == {"train": 600, "valid": 7, "test": 8}
    assert all(file["whole"] and file["path"].startswith("fr-en/") for file in manifest["files"])
    assert server.bytes_sent("/de-en/") == 0
    announced = next(line for line in outcome.stderr.splitlines() if "disk:" in line)
    assert "600 training, 7 validation, 8 test pairs" in announced
    assert "memory" in announced
    assert not list(tmp_path.rglob("*.partial"))


def test_a_cap_reads_no_more_than_it_needs(tmp_path):
    outcome, server = run(tmp_path, wmt14(CARD), cap=210)
    assert outcome.lines("train.source") == [row["en"] for row in rows("train", 210) if row]
    assert outcome.manifest["pairs"] == {"train": 210, "valid": 7, "test": 8}
    taken = [(file["path"], file["rows"], file["whole"]) for file in outcome.manifest["files"]]
    assert taken[0] == ("fr-en/train-00000-of-00003.parquet", 200, True)
    assert taken[1] == ("fr-en/train-00001-of-00003.parquet", 10, False)
    assert server.bytes_sent("train-00002") == 0


def test_of_the_file_in_which_the_cap_falls_only_row_groups_are_read(tmp_path):
    large = [{"en": random.randbytes(1000).hex(), "fr": f"{i}"} for i in range(2000)]
    repository = wmt14()
    repository.files["fr-en/train-00000-of-00003.parquet"] = content = parquet_file(large, row_group_size=100)
    outcome, server = run(tmp_path, repository, cap=150)
    assert outcome.lines("train.source") == [row["en"] for row in large[:150]]
    assert server.bytes_sent("train-00000") < len(content) / 4
    assert server.bytes_sent("train-00001") == server.bytes_sent("train-00002") == 0


def test_the_layout_suffices_without_a_card(tmp_path):
    outcome, _ = run(tmp_path, wmt14(card=None), cap=600)
    assert outcome.manifest["pairs"] == {"train": 600, "valid": 7, "test": 8}


def test_a_loading_script_in_the_repository_is_passed_by(tmp_path):
    repository = wmt14(CARD)
    repository.files["wmt14.py"] = b"raise SystemExit"
    outcome, _ = run(tmp_path, repository)
    assert outcome.manifest["pairs"]["train"] == 600


def test_the_hub_is_not_told_what_is_installed_here_and_xet_is_left_alone(tmp_path):
    outcome, server = run(tmp_path, wmt14(), cap=10)
    assert outcome.returncode == 0
    assert server.user_agents
    assert not any("torch/" in agent or "agent/" in agent for agent in server.user_agents)
    assert not server.requests("xet-read-token")


@pytest.mark.slow
def test_a_second_run_takes_the_files_from_the_cache(tmp_path):
    with HubServer({NAME: wmt14()}) as server:
        first = download(tmp_path, server.endpoint)
        before = server.bytes_sent(".parquet")
        second = download(tmp_path, server.endpoint, cap=450)
        assert first.returncode == 0
        assert len(second.lines("train.source")) == 450
        assert server.bytes_sent(".parquet") == before > 0


def test_line_breaks_within_a_text_do_not_shift_the_lines_below(tmp_path):
    broken = [{"en": "a\nb", "fr": "c\r\nd"}, None, {"en": "e\x00f", "fr": "g"}, {"en": "h", "fr": "i"}]
    repository = wmt14()
    repository.files["fr-en/train-00000-of-00003.parquet"] = parquet_file(broken)
    outcome, _ = run(tmp_path, repository, cap=4)
    assert outcome.lines("train.source") == ["a b", "", "e f", "h"]
    assert outcome.lines("train.target") == ["c d", "", "g", "i"]
    assert outcome.manifest["line_breaks_replaced"]["train"] == {"source": 2, "target": 1}


@pytest.mark.slow
def test_a_damaged_copy_in_the_cache_is_replaced(tmp_path):
    with HubServer({NAME: wmt14()}) as server:
        download(tmp_path, server.endpoint, cap=5)
        for damage in (slice(0, 40), slice(-40, None)):  # in the text, and in the index
            path = next((tmp_path / "hf").rglob("test-00000-of-00001.parquet"))
            content = bytearray(path.read_bytes())
            content[damage] = bytes(40)
            path.resolve().write_bytes(content)
            assert len(download(tmp_path, server.endpoint, cap=5).lines("test.source")) == 8


def test_a_split_without_pairs(tmp_path):
    repository = wmt14()
    repository.files["fr-en/test-00000-of-00001.parquet"] = parquet_file([], languages=("en", "fr"))
    outcome, _ = run(tmp_path, repository, cap=5)
    assert "split test of fr-en has no pairs" in outcome.error


# --- revisions and names ----------------------------------------------------------------------------------------------


def test_a_configured_revision_is_used(tmp_path):
    outcome, server = run(tmp_path, wmt14(), revision=COMMIT, cap=10)
    assert outcome.manifest["revision"] == COMMIT
    assert server.requests(f"/revision/{COMMIT}")


def test_a_revision_that_does_not_exist(tmp_path):
    outcome, _ = run(tmp_path, wmt14(), revision="0" * 40)
    assert "no such revision" in outcome.error
    assert "corpus.revision" in outcome.error


def test_a_branch_is_no_revision_that_could_be_enforced(tmp_path):
    outcome, _ = run(tmp_path, wmt14(), revision="main")
    assert COMMIT in outcome.error
    assert "corpus.revision" in outcome.error


@pytest.mark.parametrize(
    ("card", "settings", "expected"),
    [
        (CARD, {"configuration": "cs-en"}, ("configuration 'cs-en'", "de-en, fr-en")),
        (None, {"configuration": "cs-en"}, ("configuration 'cs-en'", "de-en, fr-en")),
        (None, {"languages": ("en", "de")}, ("has no 'de' but en, fr", "target_language")),
    ],
)
def test_wrong_names(tmp_path, card, settings, expected):
    outcome, _ = run(tmp_path, wmt14(card), **settings)
    assert all(part in outcome.error for part in expected)


def test_a_repository_that_does_not_exist(tmp_path):
    with HubServer({"someone/else": wmt14()}) as server:
        error = download(tmp_path, server.endpoint).error
    assert "no such repository" in error
    assert "wmt/wmt14" in error


# --- content that is wrong --------------------------------------------------------------------------------------------


def test_a_wrong_column_is_found_before_anything_is_downloaded(tmp_path):
    repository = wmt14()
    name = "fr-en/train-00001-of-00003.parquet"
    repository.files[name] = parquet_file(rows("train", 9), column="text")
    outcome, server = run(tmp_path, repository)
    assert "no column `translation` but text" in outcome.error
    assert name in outcome.error
    assert not list((tmp_path / "hf").rglob("*.parquet"))
    assert server.requests(name)


def test_an_empty_side_in_validation(tmp_path):
    repository = wmt14()
    pairs: list[dict | None] = [{"en": "one", "fr": "un"}, {"en": "two", "fr": " "}]
    repository.files["fr-en/validation-00000-of-00001.parquet"] = parquet_file(pairs)
    outcome, _ = run(tmp_path, repository, cap=5)
    assert "the fr text of pair 2 of valid is empty" in outcome.error


def test_text_that_is_not_utf8(tmp_path):
    repository = wmt14()
    content = parquet_file([{"en": "caf\u00e9 xyz", "fr": "un"}])
    assert content.count("\u00e9".encode())
    repository.files["fr-en/train-00000-of-00003.parquet"] = content.replace("\u00e9".encode(), b"\xff\xff")
    outcome, _ = run(tmp_path, repository, cap=1)
    assert "train-00000" in outcome.error
    assert "UTF8" in outcome.error


@pytest.mark.parametrize("damage", [slice(4, 24), slice(-200, -8)], ids=["page", "index"])
def test_bytes_that_are_damaged_in_a_file_read_in_part(tmp_path, damage):
    repository = wmt14()
    name = "fr-en/train-00000-of-00003.parquet"
    content = bytearray(repository.files[name])
    content[damage] = bytes([0xFF]) * len(content[damage])
    repository.files[name] = bytes(content)
    outcome, _ = run(tmp_path, repository, cap=10)
    assert name in outcome.error
    assert "not a readable parquet file" in outcome.error


def test_a_file_that_is_truncated_on_the_hub(tmp_path):
    repository = wmt14()
    name = "fr-en/train-00000-of-00003.parquet"
    repository.files[name] = repository.files[name][:-100]
    outcome, _ = run(tmp_path, repository)
    assert name in outcome.error
    assert "not a readable parquet file" in outcome.error


def test_a_file_that_is_shorter_than_the_hub_lists(tmp_path):
    repository = wmt14()
    name = "fr-en/validation-00000-of-00001.parquet"
    repository.listed[name] = repository.files[name]
    repository.files[name] = repository.files[name][:-100]
    outcome, _ = run(tmp_path, repository, tries=2)
    assert name in outcome.error
    assert "failed 2 times" in outcome.error


@pytest.mark.parametrize(("lfs", "fingerprint"), [(True, "SHA-256"), (False, "git blob id")])
def test_content_with_another_checksum_is_not_taken(tmp_path, lfs, fingerprint):
    repository = wmt14()
    repository.lfs = lfs
    name = "fr-en/test-00000-of-00001.parquet"
    repository.listed[name] = repository.files[name]
    other = bytearray(repository.files[name])
    other[10] ^= 1
    repository.files[name] = bytes(other)
    outcome, _ = run(tmp_path, repository, cap=5, tries=2)
    assert fingerprint in outcome.error
    assert not (tmp_path / "data" / "trial" / "raw" / "test.source").exists()


# --- networks that fail -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults",
    [
        [
            Fault("/revision/", times=2, status=503),
            Fault("/tree/", times=1, status=500),
            Fault("README.md", times=1, method="HEAD", status=503),
            Fault("train-00001", times=2, status=502),
            Fault("test-00000", times=2, method="HEAD", status=504),
        ],
        [Fault(name, times=1, method="GET", cut_after=20) for name in ("README.md", "train-00001", "validation-00000")],
        [
            Fault("/revision/", times=1, delay=2.5),
            Fault("train-00001", times=1, method="GET", delay=2.5),
            Fault("validation-00000", times=1, method="HEAD", delay=2.5),
        ],
    ],
    ids=["5xx", "cut", "slow"],
)
def test_passing_faults_are_overcome(tmp_path, faults):
    outcome, _ = run(tmp_path, wmt14(CARD), faults, timeout=1 if faults[0].delay else 5)
    assert outcome.manifest["pairs"] == {"train": 600, "valid": 7, "test": 8}
    assert outcome.lines("train.source") == [row["en"] for row in rows("train", 600) if row]
    assert all(fault.seen > (fault.times or 0) for fault in faults)


@pytest.mark.slow
def test_a_cut_download_goes_on_where_it_stopped(tmp_path):
    repository = wmt14()
    name = "fr-en/train-00000-of-00003.parquet"
    large = [{"en": random.randbytes(1000).hex(), "fr": f"{i}"} for i in range(24_000)]
    repository.files[name] = content = parquet_file(large, row_group_size=5000)
    # What has come is kept by pieces of 10 MB; the cut is in the middle, and later than the end of any other read.
    fault = Fault(name, times=2, method="GET", cut_after=len(content) // 2)
    outcome, server = run(tmp_path, repository, [fault])
    assert fault.seen > 2
    assert outcome.lines("train.source")[:24_000] == [row["en"] for row in large]
    assert server.bytes_sent(name) < 1.4 * len(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("/", status=503), "HTTP status 503"),
        (Fault("/", status=200), "JSONDecodeError"),  # the page of a captive portal
        (Fault("/revision/", delay=10), "Timeout"),
        (Fault("train-00001", status=500), "HTTP status 500"),
        (Fault("train-00001", method="GET", cut_after=5), "train-00001"),
        (Fault("train-00001", method="GET", delay=10), "Timeout"),
    ],
    ids=["all-503", "portal", "silent", "file-500", "file-cut", "file-silent"],
)
def test_a_lasting_fault_ends_in_one_line(tmp_path, fault, expected):
    outcome, server = run(tmp_path, wmt14(), [fault], tries=2, timeout=1)
    assert expected in outcome.error
    assert "failed 2 times" in outcome.error
    assert server.endpoint in outcome.error
    assert "HF_ENDPOINT" in outcome.error
    assert outcome.seconds < 60
    assert not (tmp_path / "data" / "trial" / "raw" / "train.source").exists()


@pytest.mark.parametrize("pause", ["soon", "-1", "inf"])
def test_a_pause_that_is_none(tmp_path, pause):
    outcome, _ = run(tmp_path, wmt14(), pause=pause)
    assert outcome.error == f"error: LOOKBACK_HUB_PAUSE={pause!r}: must be a number of seconds, 0 or more"


def test_pauses_are_told_and_twice_as_long_each_time(tmp_path):
    outcome, _ = run(tmp_path, wmt14(), [Fault("/revision/", status=500)], pause="0.1")
    assert "try 2 of 3 in 0.1 s" in outcome.stderr
    assert "try 3 of 3 in 0.2 s" in outcome.stderr
    assert "failed 3 times" in outcome.error


def test_nobody_there(tmp_path):
    with HubServer({}) as server:
        endpoint = server.endpoint
    error = download(tmp_path, endpoint, tries=2).error
    assert endpoint in error
    assert "failed 2 times" in error
