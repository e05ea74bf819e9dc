"""Signatures: hashes tell damage, a key tells who made a bundle."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import danlu
from danlu.bundle.bundle import load
from danlu.bundle.manifest import sign
from danlu.bundle.signature import new_key
from danlu.bundle.verify import verify
from danlu.cli.main import main
from danlu.machine import files
from danlu.machine.door import content_digest
from danlu.refusal import Refusal

Made = Callable[[str, str], Path]


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made("bert", "classify"), tmp_path / "bundle"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    place = tmp_path_factory.mktemp("keys")
    return {name: new_key(str(place / name)) for name in ("mine", "theirs")}


def forge(folder: Path, **changes: object) -> None:
    """Change `danlu.json` as someone would who knows how it is made."""
    path = folder / "danlu.json"
    facts = json.loads(path.read_text("utf-8")) | changes
    for name, written in facts["files"].items():
        if (folder / name).is_file():
            written |= {"bytes": (folder / name).stat().st_size, "sha256": files.sha256(folder / name)}
    path.write_text(json.dumps(facts | {"digest": content_digest(facts)}), "utf-8")


def test_labels_that_were_swapped_are_refused_without_a_key(folder: Path) -> None:
    path = folder / "danlu.json"
    text = path.read_text("utf-8")
    path.write_text(text.replace('"negative"', '"x"').replace('"positive"', '"negative"').replace('"x"', '"positive"'))
    with pytest.raises(Refusal, match=r"danlu\.json: the file has changed since the bundle was saved"):
        load(folder)
    task = json.loads(text)["task"]
    forge(folder, task=task | {"labels": task["labels"][::-1]})
    with pytest.raises(Refusal, match=r"the labels of 'task' are not those of config\.json"):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [{"max_length": 7}, {"provenance": {}}, {"language": "zh"}, {"engine": {"kind": "torch", "precision": "bfloat16"}}],
)
def test_any_change_of_danlu_json_is_told(folder: Path, change: dict[str, object]) -> None:
    path = folder / "danlu.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(Refusal, match=r"danlu\.json: the file has changed .* \(its digest is another\)"):
        load(folder)


@pytest.mark.parametrize("format_", [1, 2])
def test_bundles_of_earlier_formats_are_still_read(folder: Path, format_: int) -> None:
    path = folder / "danlu.json"
    facts = json.loads(path.read_text("utf-8")) | {"format": format_, "precision": "float32"}
    for key in ("digest", "engine", "tolerances"):
        del facts[key]
    if format_ == 2:
        facts["digest"] = content_digest(facts)
    path.write_text(json.dumps(facts), "utf-8")
    assert verify(folder) == []
    assert load(folder).network.number_format == "float32"


def test_what_is_signed_is_known_by_its_key_and_the_card_may_be_edited(
    folder: Path, keys: dict[str, tuple[Path, Path]]
) -> None:
    private, public = keys["mine"]
    by = sign(folder, private)
    assert len(by) == 32
    (folder / "README.md").write_text("mine")
    assert danlu.load(folder, key=public).predict(["好"]) == danlu.load(folder).predict(["好"])
    assert verify(folder, key=public) == []
    raw = serialization.load_pem_public_key(public.read_bytes())
    told = json.loads((folder / "danlu.sig").read_text())
    import base64

    raw.verify(  # type: ignore[union-attr, call-arg]
        base64.b64decode(told["signature"]), b"danlu bundle 1\n" + (folder / "danlu.json").read_bytes()
    )


def test_a_forgery_that_passes_load_does_not_pass_the_key(folder: Path, keys: dict[str, tuple[Path, Path]]) -> None:
    sign(folder, keys["mine"][0])
    forge(folder, provenance={"recipe": "forged"})
    load(folder)
    with pytest.raises(Refusal, match="the signature does not fit the bundle, so someone has changed it"):
        load(folder, key=keys["mine"][1])


def test_other_keys_and_bundles_without_signature_are_refused(folder: Path, keys: dict[str, tuple[Path, Path]]) -> None:
    with pytest.raises(Refusal, match="the bundle is not signed"):
        load(folder, key=keys["mine"][1])
    sign(folder, keys["theirs"][0])
    with pytest.raises(Refusal, match=r"is signed by the key '[0-9a-f]{32}', not by [0-9a-f]{32} of"):
        load(folder, key=keys["mine"][1])
    told = json.loads((folder / "danlu.sig").read_text())
    sign(folder, keys["mine"][0])
    mine = json.loads((folder / "danlu.sig").read_text())
    (folder / "danlu.sig").write_text(json.dumps(told | {"key": mine["key"]}))
    with pytest.raises(Refusal, match="the signature does not fit"):
        load(folder, key=keys["mine"][1])


SIGNATURES = ["", "{", "[]", "{}", '{"key": "x"}', '{"algorithm": "none", "signature": ""}', '{"signature": 5}']


@pytest.mark.parametrize("text", SIGNATURES)
@pytest.mark.parametrize("named", [True, False])
def test_a_damaged_signature_is_one_sentence(
    folder: Path, keys: dict[str, tuple[Path, Path]], text: str, named: bool
) -> None:
    sign(folder, keys["mine"][0])
    if named and text.endswith("}"):
        text = json.dumps({"key": json.loads((folder / "danlu.sig").read_text())["key"]} | json.loads(text))
    (folder / "danlu.sig").write_text(text)
    with pytest.raises(Refusal) as told:
        load(folder, key=keys["mine"][1])
    assert "\n" not in str(told.value)


def test_files_that_hold_no_key_are_one_sentence(
    folder: Path, keys: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    private, _ = keys["mine"]
    other = rsa.generate_private_key(65537, 1024)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "rsa.pem").write_bytes(other.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    (tmp_path / "rsa.pub").write_bytes(
        other.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "locked.pem").write_bytes(
        other.private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"secret"))
    )
    (tmp_path / "rubbish").write_bytes(b"\x00\xff" * 50)
    for name in ("rsa.pem", "locked.pem", "rubbish", "missing", "."):
        with pytest.raises(Refusal):
            sign(folder, tmp_path / name)
    sign(folder, private)
    for path in (tmp_path / "rsa.pub", tmp_path / "rubbish", tmp_path / "missing", tmp_path, private):
        with pytest.raises(Refusal):
            load(folder, key=path)


def test_a_damaged_bundle_is_not_signed(folder: Path, keys: dict[str, tuple[Path, Path]]) -> None:
    (folder / "config.json").write_text("{}")
    with pytest.raises(Refusal, match=r"config\.json: the file has changed"):
        sign(folder, keys["mine"][0])
    assert not (folder / "danlu.sig").exists()


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*words])
    return int(ended.value.code or 0)


def test_the_commands_make_keys_sign_and_verify(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = tmp_path / "ours.private.pem", tmp_path / "ours.public.pem"
    assert run("sign", "--new-key", str(tmp_path / "ours")) == 0
    assert private.stat().st_mode & 0o077 == 0
    assert run("sign", "--new-key", str(tmp_path / "ours")) == 2
    assert "is there already" in capsys.readouterr().err
    assert run("verify", str(folder), "--key", str(public)) == 2
    assert run("sign", str(folder), "--key", str(private)) == 0
    assert run("verify", str(folder), "--key", str(public)) == 0
    assert "it is signed with the key of" in capsys.readouterr().out
    assert run("verify", str(folder)) == 0
    assert "who made it was not checked" in capsys.readouterr().out
    for words in ([], [str(folder)], ["--key", str(private)], [str(folder), "--new-key", "x", "--key", str(private)]):
        assert run("sign", *words) == 2
        assert "give a bundle and --key" in capsys.readouterr().err
