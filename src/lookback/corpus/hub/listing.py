"""Finds the files of a dataset repository that make up the splits of a corpus, at one commit."""

import re
from dataclasses import dataclass

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.hf_api import RepoFile

from lookback.config import HubCorpus
from lookback.corpus.hub.transfer import RemoteFile, with_retries
from lookback.errors import LookbackError


@dataclass(frozen=True)
class Listing:
    revision: str
    """The commit hash."""
    endpoint: str
    licence: str
    """The licence that the dataset card states; empty if none."""
    files: dict[str, list[RemoteFile]]
    """train, valid, test, each in order."""


def list_files(settings: HubCorpus) -> Listing:
    """Resolves the revision and finds the files.

    `datasets` reads the dataset card, which may list the files of a configuration. Without a usable card (there is
    none, or the repository still has a loading script, which `datasets` refuses), the layout that `datasets` writes is
    assumed: `<configuration>/<split>-00000-of-00030.parquet`.

    Raises:
        LookbackError: no such repository, revision, configuration or split, or the Hub cannot be reached.
    """
    repository = settings.repository
    info = with_retries(
        f"asking for dataset {repository}",
        lambda: huggingface_hub.dataset_info(
            repository, revision=settings.revision or "main", timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
        ),
    )
    revision = _enforced(settings, info.sha)
    tree = with_retries(f"listing the files of {repository}", lambda: _tree(repository, revision))
    files = _by_card(settings, revision, tree) or _by_layout(settings, tree)
    for split, found in files.items():
        if not found:
            name = getattr(settings, f"{split}_split")
            folders = sorted({path.split("/")[0] for path in tree if "/" in path and path.endswith(".parquet")})
            raise LookbackError(
                f"{repository} at {revision[:12]}: no parquet files of configuration {settings.configuration!r}, split "
                f"{name!r}; its folders with parquet files are {', '.join(folders) or 'none'}; correct "
                f"corpus.configuration or corpus.{split}_split in conf/<name>.yaml"
            )
    licence = getattr(info.card_data, "license", None) if info.card_data else None
    licence = ", ".join(licence) if isinstance(licence, list) else str(licence or "")
    return Listing(revision, constants.ENDPOINT, licence, files)


def _enforced(settings: HubCorpus, resolved: str | None) -> str:
    if resolved is None or not re.fullmatch("[0-9a-f]{40}", resolved):
        raise LookbackError(f"{settings.repository}: the Hub at {constants.ENDPOINT} names no commit, got {resolved!r}")
    if settings.revision is not None and settings.revision != resolved:
        raise LookbackError(
            f"{settings.repository}: corpus.revision is {settings.revision!r}, which the Hub resolves to {resolved}; a "
            f"revision is enforced, so write the full commit hash in conf/<name>.yaml"
        )
    return resolved


def _tree(repository: str, revision: str) -> dict[str, RemoteFile]:
    """Every file of the repository by its path."""
    entries = huggingface_hub.list_repo_tree(repository, recursive=True, revision=revision, repo_type="dataset")
    return {
        entry.path: RemoteFile(
            repository, revision, entry.path, entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None
        )
        for entry in entries
        if isinstance(entry, RepoFile)
    }


def _split_names(settings: HubCorpus) -> dict[str, str]:
    return {"train": settings.train_split, "valid": settings.valid_split, "test": settings.test_split}


def _by_card(settings: HubCorpus, revision: str, tree: dict[str, RemoteFile]) -> dict[str, list[RemoteFile]] | None:
    """The files by split, as `datasets` reads the repository's card; None if it cannot."""
    repository = settings.repository
    script = f"{repository.split('/')[-1]}.py"
    if "README.md" not in tree or script in tree:
        return None
    import datasets.config  # imported here: it takes seconds, which other kinds of corpus need not wait for
    from datasets.data_files import EmptyDatasetError
    from datasets.exceptions import DataFilesNotFoundError

    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # telemetry

    def ask() -> datasets.DatasetBuilder:
        # Fetch the card first: `datasets` treats an unreachable card as absent, and continues without it.
        huggingface_hub.hf_hub_download(repository, "README.md", revision=revision, repo_type="dataset")
        try:
            return datasets.load_dataset_builder(repository, settings.configuration, revision=revision)
        except FileNotFoundError as error:
            if isinstance(error, EmptyDatasetError | DataFilesNotFoundError):
                raise ValueError(str(error)) from None
            raise ConnectionError(str(error)) from None  # `datasets` has no other error for no answer

    try:
        builder = with_retries(f"asking for configuration {settings.configuration} of {repository}", ask)
    except ValueError:
        return None
    prefix = f"hf://datasets/{repository}@{revision}/"
    listed = builder.config.data_files or {}
    files = {}
    for split, name in _split_names(settings).items():
        paths = [str(url).removeprefix(prefix) for url in listed.get(name, [])]
        if not all(path in tree and path.endswith(".parquet") for path in paths):
            return None
        files[split] = [tree[path] for path in paths]
    return files


def _by_layout(settings: HubCorpus, tree: dict[str, RemoteFile]) -> dict[str, list[RemoteFile]]:
    """The files whose names follow the pattern of `datasets` uploads."""
    files = {}
    for split, name in _split_names(settings).items():
        pattern = re.compile(rf"{re.escape(f'{settings.configuration}/{name}')}-\d+-of-\d+\.parquet")
        files[split] = [tree[path] for path in sorted(tree) if pattern.fullmatch(path)]
    return files
