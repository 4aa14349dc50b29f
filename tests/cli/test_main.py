from __future__ import annotations

import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from rasd_nnu.cli.main import COMMANDS, app, main
from rasd_nnu.errors import UserError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rasd_nnu.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_lists_every_command_fast():
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        shown = run("--help")
        times.append(time.perf_counter() - begin)
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in COMMANDS)
    assert min(times) < 0.5


def test_help_imports_no_torch():
    code = "import sys; from rasd_nnu.cli.main import main; sys.argv = ['rasd_nnu', '--help']\n"
    code += "try:\n    main()\nexcept SystemExit:\n    print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name):
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0 and "Usage" in result.output


def test_a_user_error_is_one_line_and_exit_code_2():
    shown = run("preview", "-d", "4d")
    assert shown.returncode == 2
    assert shown.stderr == "error: unknown dimension '4d', expected 2d or 3d.\n"


def test_other_errors_are_not_hidden(monkeypatch):
    def broken(**_):
        raise ValueError("a bug")

    monkeypatch.setattr("rasd_nnu.cli.main.app", broken)
    with pytest.raises(ValueError, match="a bug"):
        main([])


def test_messages_become_one_line():
    assert str(UserError("one\n  two")) == "one two"
