"""The console commands that an installation brings, as `pyproject.toml` names them."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", ["lookback-score", "lookback-translate"])
def test_a_command_explains_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = EntryPoint(name, PROJECT["scripts"][name], "console_scripts").load()
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {name} ")


def test_no_command_is_left_untested() -> None:
    assert set(PROJECT["scripts"]) == {"lookback-score", "lookback-translate"}
