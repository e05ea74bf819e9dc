"""Addresses: those of files in a folder that is served lead there, and no other leads anywhere."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from danlu.apps.studio.data_files import data_files
from danlu.apps.studio.form import save
from danlu.apps.studio.served import Served
from danlu.refusal import Refusal

parts = st.sampled_from(
    ("..", ".", "", "data", "a.csv", "out", "out.csv", "round", "~", "%2e%2e", "..%2f", "\\", "\0", "C:", "/", "//")
) | st.sampled_from(
    ("secret.csv", "....", "data/..", "\u2025", "．．", "name\n", "\ud800", "x" * 300, "CON", "working:", "@")
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A folder with a file, links out of it and in a circle, beside what nobody may see."""
    top = tmp_path_factory.mktemp("served")
    working = top / "working"
    (working / "data").mkdir(parents=True)
    (working / "data" / "a.csv").write_text("text,label\nx,y\n")
    (top / "secret.csv").write_text("text,label\nsecret,y\n")
    (working / "out").symlink_to(top)
    (working / "out.csv").symlink_to(top / "secret.csv")
    (working / "round").symlink_to("round")
    (working / "alias.csv").symlink_to("data/a.csv")
    return Served({"working": working, "runs": working / "runs"})


@settings(max_examples=60)
@given(names=st.lists(parts, max_size=6), folder=st.sampled_from(["working:", "runs:", "", "other:", "working", ":"]))
@example(names=["..", "secret.csv"], folder="working:")
@example(names=["out", "secret.csv"], folder="working:")
def test_no_address_leads_out(served: Served, names: list[str], folder: str) -> None:
    inner = "/".join(names)
    for address in (folder + inner, folder + quote(inner, errors="surrogatepass"), inner):
        try:
            found = served.inside(address)
        except Refusal:
            continue
        assert found.resolve().is_relative_to(served.folders["working"].resolve())
        assert not found.is_symlink()


def test_a_file_is_found_by_its_address_also_through_a_link_that_stays_inside(served: Served) -> None:
    real = served.folders["working"].resolve() / "data" / "a.csv"
    assert served.address(real) == "working:data/a.csv"
    assert served.inside("working:data/a.csv") == real
    assert served.inside("working:alias.csv") == real
    assert served.address(real.parent.parent.parent / "secret.csv") is None
    listed = {each.address for each in data_files(served)[0]}
    assert listed == {"working:data/a.csv"}


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "a.b", "x" * 65, "a\0", "-a", "a\n"])
def test_a_recipe_is_saved_under_a_plain_name_in_its_folder_alone(served: Served, name: str) -> None:
    with pytest.raises(Refusal, match="no name for a recipe"):
        save(served.folders["working"], name, "name: x\n", None)


def test_a_recipe_is_not_written_over_another_nor_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "working"
    folder.mkdir()
    (folder / "linked.yaml").symlink_to(tmp_path / "elsewhere" / "there.yaml")
    with pytest.raises(Refusal, match="is a link"):
        save(folder, "linked", "name: x\n", None)
    assert not (tmp_path / "elsewhere" / "there.yaml").exists()
    from danlu.apps.studio.form import digest

    first = save(folder, "评论", "name: x\n", None)
    seen = digest(first)
    with pytest.raises(Refusal, match="is there already"):
        save(folder, "评论", "name: y\n", None)
    first.write_text("name: z\n")
    with pytest.raises(Refusal, match="has changed meanwhile"):
        save(folder, "评论", "name: y\n", seen)
    assert first.read_text() == "name: z\n"
    save(folder, "评论", "name: y\n", digest(first))
    assert first.read_text() == "name: y\n"
    assert sorted(path.name for path in folder.iterdir()) == ["linked.yaml", "评论.yaml"]
