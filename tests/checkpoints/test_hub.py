from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rasd_nnu.checkpoints.file import checkpoint_content, load_checkpoint
from rasd_nnu.checkpoints.hub import check_destination, is_remote, local_path, parse_remote, push_checkpoint
from rasd_nnu.checkpoints.model_card import model_card
from rasd_nnu.errors import CheckpointError, SetupError
from rasd_nnu.networks.build import build_network
from tests.checkpoints.hub_server import COMMIT, HubServer, running
from tests.pretrain.loop_parts import start, tiny_recipe, tiny_target


@pytest.fixture
def server() -> Iterator[HubServer]:
    with running() as hub:
        yield hub


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    start(tmp_path / "a.pth", recipe=tiny_recipe(iterations=1))
    return tmp_path / "a.pth"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hf://owner/name", ("owner/name", None, None)),
        ("hf://owner/na.me-2@v1", ("owner/na.me-2", "v1", None)),
        ("hf://owner/name/3d/b.pth", ("owner/name", None, "3d/b.pth")),
        ("hf://owner/name@main/b.pth", ("owner/name", "main", "b.pth")),
    ],
)
def test_hub_addresses(text: str, parts: tuple[str | None, ...]) -> None:
    remote = parse_remote(f"{text}#sha256={'A' * 64}")
    assert (remote.repo, remote.revision, remote.file) == parts
    assert remote.sha256 == "a" * 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hf://name", "is not of the form hf://owner/name"),
        ("hf://owner/name/readme.md", "is not of the form"),
        ("hf://owner/../a.pth", "is not of the form"),
        ("hf://owner/name#md5=12", r"ends in #md5=12, expected #sha256="),
        ("http://example.org/a.pth", "is not encrypted, expected https://"),
    ],
)
def test_bad_addresses(text: str, message: str) -> None:
    assert is_remote(text)
    with pytest.raises(CheckpointError, match=message):
        local_path(text)


def test_a_path_stays_a_path() -> None:
    assert local_path("a/b.pth") == Path("a/b.pth")
    assert local_path("~/b.pth") == Path.home() / "b.pth"


def test_web_file_is_downloaded_once_and_checked(server: HubServer, tmp_path: Path) -> None:
    body = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, body)
    weights = body.getvalue()
    url = f"{server.url}/web/a/rasd.pth?download=1"
    server.repositories["web"]["a/rasd.pth?download=1"] = weights
    path = local_path(url, tmp_path)
    assert path.read_bytes() == weights
    assert path.name.endswith("-rasd.pth")
    right, wrong = hashlib.sha256(weights).hexdigest(), "0" * 64
    assert local_path(f"{url}#sha256={right}", tmp_path) == path
    assert len(server.requests) == 1
    with pytest.raises(CheckpointError, match=f"has the SHA-256 {right}, expected the one"):
        local_path(f"{url}#sha256={wrong}", tmp_path)
    with pytest.raises(CheckpointError, match="cannot download .*404"):
        local_path(f"{server.url}/web/b.pth", tmp_path)


def hub_script(server: HubServer, home: Path, *calls: str, token: str = "") -> list[str]:
    """Evaluate calls in a process of its own, as huggingface_hub reads its environment when it is imported.

    Returns:
        A line a call: its result, or its error.
    """
    pytest.importorskip("huggingface_hub")
    environment = {
        **os.environ,
        "HF_ENDPOINT": server.url,
        "HF_HOME": str(home),
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "RASD_CHECKPOINTS": str(home / "checkpoints"),
    }
    head = "from pathlib import Path\nfrom rasd_nnu.errors import UserError\nfrom rasd_nnu.checkpoints.hub import *\n"
    each = "try:\n    print({})\nexcept UserError as error:\n    print(f'{{type(error).__name__}}: {{error}}')\n"
    done = subprocess.run(
        [sys.executable, "-c", head + "".join(each.format(call) for call in calls)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def read(text: str) -> str:
    return f"local_path({text!r}).read_bytes()"


def test_hub_file_is_fetched_cached_and_checked(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repositories["me/rasd"] = {"rasd.pth": b"one", "big/b.pth": b"two"}
    digest = hashlib.sha256(b"one").hexdigest()
    good = ["hf://me/rasd", "hf://me/rasd@v1/big/b.pth", f"hf://me/rasd#sha256={digest}"]
    bad = {
        "hf://me/rasd/no.pth": "EntryNotFoundError",
        "hf://me/rasd@v2": "RevisionNotFoundError",
        "hf://me/nothing": "RepositoryNotFoundError",
        f"hf://me/rasd#sha256={'0' * 64}": "has the SHA-256",
    }
    lines = hub_script(server, tmp_path, *map(read, [*good, *bad]))
    assert lines[:3] == ["b'one'", "b'two'", "b'one'"]
    for line, (text, message) in zip(lines[3:], bad.items(), strict=True):
        assert line.startswith(f"CheckpointError: {text}")
        assert message in line
    downloads = [text for text in server.requests if text.startswith("GET") and text.endswith("rasd.pth")]
    assert len(downloads) == 1

    server.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # no network: the cache serves
    lines = hub_script(server, tmp_path, read("hf://me/rasd"), read("hf://me/other"))
    assert lines[0] == "b'one'"
    assert lines[1].startswith("CheckpointError: hf://me/other: ")
    assert server.requests == []


def test_published_with_a_card_and_nothing_else(server: HubServer, weights: Path, tmp_path: Path) -> None:
    call = f"push_checkpoint(Path({str(weights)!r}), 'hf://me/rasd', private=True)"
    assert hub_script(server, tmp_path, call, token="hf_test") == [f"{server.url}/me/rasd/commit/{COMMIT}"]
    files = server.repositories["me/rasd"]
    assert sorted(files) == ["README.md", "rasd.pth"]
    assert files["rasd.pth"] == weights.read_bytes()
    assert server.private == {"me/rasd": True}
    card = files["README.md"].decode()
    assert card == model_card(load_checkpoint(weights)["rasd"], "me/rasd")
    assert str(tmp_path) not in card
    (refused,) = hub_script(server, tmp_path, call, token="hf_wrong")
    assert refused.startswith("CheckpointError: hf://me/rasd: ")
    assert "log in with `hf auth login` or set HF_TOKEN" in refused


def test_card_says_how_it_was_made(weights: Path) -> None:
    card = model_card(load_checkpoint(weights)["rasd"], "me/rasd")
    assert card.startswith("---\nlibrary_name: rasd-nnu\n")
    assert "RASD_CHECKPOINT=hf://me/rasd nnUNetv2_train" in card
    for line in (
        "| network | PlainConvUNet |",
        "| planned for | no data set (standard network) |",
        "| patch | 8 x 8 x 8 |",
        "| synthesis | preset default, 4 classes |",
        "| iterations | 1 of batch 2, finished |",
        "| samples | 2 seen, 2 different |",
    ):
        assert line in card


def test_card_of_weights_without_a_run() -> None:
    meta = checkpoint_content(build_network(tiny_target()), tiny_target(), {})["rasd"]
    assert "| input channels | 1 |" in model_card(meta, "me/rasd")


@pytest.mark.parametrize("text", ["me/rasd", "hf://me/rasd@v1", "hf://me/rasd/a.pth", "https://example.org/a"])
def test_destinations_that_are_none(text: str) -> None:
    with pytest.raises(CheckpointError, match="expected hf://owner/name"):
        check_destination(text)


def test_only_ours_are_published(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="expected a checkpoint of `rasd_nnu pretrain`"):
        push_checkpoint(tmp_path / "a.pth", "hf://me/rasd")


def test_library_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(SetupError, match=r"pip install 'rasd-nnu\[hub\]'"):
        local_path("hf://me/rasd")


def test_trainer_starts_from_an_address(
    server: HubServer, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rasd_nnu.checkpoints.read import open_source
    from rasd_nnu.checkpoints.registry import Choice, checkpoint_for

    server.repositories["web"]["a.pth"] = weights.read_bytes()
    url = f"{server.url}/web/a.pth"
    monkeypatch.setenv("RASD_CHECKPOINTS", str(tmp_path / "folder"))
    monkeypatch.setenv("RASD_CHECKPOINT", url)
    choice = checkpoint_for(tiny_target(), {})
    assert choice.named_by == f"RASD_CHECKPOINT {url}"
    assert open_source(choice.path).sha256 == open_source(weights).sha256
    monkeypatch.delenv("RASD_CHECKPOINT")
    assert checkpoint_for(tiny_target(), {"pretrain_info": {"checkpoint_path": url}}) == Choice(
        choice.path, f"pretrain_info {url}"
    )
