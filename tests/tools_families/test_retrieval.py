import json
import os
import pickle
from itertools import pairwise

import pytest
from agentlanes_tools import FolderIndex, WordLlamaEmbedder, read_file, search_folder
from agentlanes_tools._chunks import cut
from langchain_core.tools import ToolException

from agentlanes.errors import ConfigError
from agentlanes.speculation.effects import effect_of

np = pytest.importorskip("numpy")


class Letters:
    """A real, if simple, embedder: how often each letter occurs."""

    name = "letters"

    def embed(self, texts):
        return [[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "docs"
    (root / "deep").mkdir(parents=True)
    (root / "pets.md").write_text("Cats and dogs are common pets.\n")
    (root / "deep" / "money.txt").write_text("Interest rates and bank loans.\n")
    (root / "code.py").write_text("print('not indexed')\n")
    (root / ".hidden.md").write_text("hidden\n")
    (root / "binary.txt").write_bytes(b"a\0b")
    (root / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    (root / "link.md").symlink_to(root / "pets.md")
    return root


def test_search_gives_the_nearest_passage_first(folder):
    index = FolderIndex.build(folder, Letters())
    assert {chunk.file for chunk in index.chunks} == {"pets.md", "deep/money.txt"}
    best, other = index.search("bank loans interest", k=5)
    assert (best.file, best.line, best.text) == (
        "deep/money.txt",
        1,
        "Interest rates and bank loans.",
    )
    assert 1.0 >= best.score > other.score
    assert len(index.search("x", k=1)) == 1
    assert index.search("x", k=0) == []


def test_scores_are_cosines(folder):
    index = FolderIndex.build(folder, Letters())
    query = "bank loans interest"
    for hit in index.search(query):
        a, b = np.array(Letters().embed([query, hit.text]), float)
        assert hit.score == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-4)


def test_only_what_changed_is_embedded_again(folder):
    assert FolderIndex.build(folder, Letters()).embedded == 2
    assert FolderIndex.build(folder, Letters()).embedded == 0
    (folder / "new.md").write_text("Zebras.")
    assert FolderIndex.build(folder, Letters()).embedded == 1
    (folder / "pets.md").write_text("Parrots are pets as well.\n")
    (folder / "deep" / "money.txt").unlink()
    changed = FolderIndex.build(folder, Letters())
    assert changed.embedded == 1
    whole = FolderIndex.build(folder, Letters(), store=folder.parent / "other")
    assert whole.embedded == 2
    assert changed.chunks == whole.chunks
    for query in ("parrots", "zebra", "bank"):
        assert changed.search(query) == whole.search(query)


def test_a_touched_file_with_the_same_content_gives_the_same_index(folder):
    first = FolderIndex.build(folder, Letters())
    os.utime(folder / "pets.md", ns=(1, 1))
    again = FolderIndex.build(folder, Letters())
    assert again.embedded == 1
    assert again.search("dogs") == first.search("dogs")


@pytest.mark.parametrize("name", ["chunks.jsonl", "vectors.npz"])
@pytest.mark.parametrize("damage", [b"", b"[]", b"\x80garbage", pickle.dumps({"a": 1}), None])
def test_a_damaged_store_is_made_anew(folder, name, damage):
    first = FolderIndex.build(folder, Letters())
    path = folder / ".agentlanes-index" / name
    path.unlink() if damage is None else path.write_bytes(damage)
    again = FolderIndex.build(folder, Letters())
    assert again.embedded == 2
    assert again.search("dogs") == first.search("dogs")
    assert FolderIndex.build(folder, Letters()).embedded == 0


def test_halves_that_do_not_belong_together_are_made_anew(folder):
    FolderIndex.build(folder, Letters())
    path = folder / ".agentlanes-index" / "chunks.jsonl"
    path.write_text(path.read_text().replace("Cats and dogs", "Lies and lies"))
    again = FolderIndex.build(folder, Letters())
    assert again.embedded == 2
    assert "Cats" in again.search("cats")[0].text


def test_other_settings_make_another_index(folder):
    FolderIndex.build(folder, Letters())
    assert FolderIndex.build(folder, Letters(), chunk_chars=20, overlap_chars=4).embedded > 2

    class Other(Letters):
        name = "other"

    assert FolderIndex.build(folder, Other()).embedded > 0


def test_an_embedder_that_breaks_its_promise_is_named(folder):
    class Broken(Letters):
        def embed(self, texts):
            return [[float("nan")] * 3 for _ in texts]

    with pytest.raises(ConfigError, match="letters"):
        FolderIndex.build(folder, Broken())

    class Shrunk(Letters):
        def embed(self, texts):
            return [[1.0, 2.0] for _ in texts]

    FolderIndex.build(folder, Letters())
    (folder / "new.md").write_text("Zebras.")
    with pytest.raises(ConfigError, match="dimensions"):
        FolderIndex.build(folder, Shrunk())


def test_wrong_settings_are_refused(folder):
    with pytest.raises(ConfigError, match="not a folder"):
        FolderIndex.build(folder / "absent", Letters())
    with pytest.raises(ConfigError, match="overlap"):
        FolderIndex.build(folder, Letters(), chunk_chars=100, overlap_chars=50)


def test_an_empty_folder_has_nothing_to_find(tmp_path):
    assert FolderIndex.build(tmp_path, Letters()).search("anything") == []


def test_cutting_loses_nothing_and_counts_lines():
    text = "\n\n".join(f"Paragraph {n} says {'something ' * (n % 7)}and ends." for n in range(60))
    chunks = list(cut("f", text, 200, 40))
    assert all(0 < len(chunk.text) <= 200 for chunk in chunks)
    assert all(f"Paragraph {n} " in " ".join(c.text for c in chunks) for n in range(60))
    lines = text.splitlines()
    for chunk in chunks:
        assert chunk.text.splitlines()[0] in lines[chunk.line - 1]
    overlaps = [a for a, b in pairwise(chunks) if b.text[:10] in a.text]
    assert len(overlaps) > len(chunks) // 2
    assert next(cut("f", "x" * 1000, 200, 40)).text == "x" * 200


async def test_wordllama_finds_by_meaning(folder):
    pytest.importorskip("wordllama")
    index = FolderIndex.build(folder, WordLlamaEmbedder())
    assert index.search("kittens and puppies")[0].file == "pets.md"
    tool = search_folder(index)
    assert (effect_of(tool).effect_class, effect_of(tool).run_ahead) == ("read", True)
    [found] = await tool.ainvoke({"query": "mortgage credit", "k": 1})
    assert found["file"] == "deep/money.txt"
    assert json.loads(json.dumps(found)) == found


async def test_reading_lines(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "f.txt").write_text("".join(f"line {n}\n" for n in range(1, 11)))
    tool = read_file(tmp_path)
    assert effect_of(tool).run_ahead
    assert await tool.ainvoke({"path": "sub/f.txt", "start_line": 9}) == "line 9\nline 10\n"
    part = tool.invoke({"path": "./sub//f.txt", "start_line": 2, "max_lines": 1})
    assert part == "line 2\n\n[8 more lines]"


def test_nothing_outside_the_folder_is_read(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "link.txt").symlink_to(secret)
    (root / "up").symlink_to(tmp_path)
    (root / "sub" / "in.txt").symlink_to(root / "sub" / "real.txt")
    (root / "sub" / "real.txt").write_text("real")
    (root / "bin").write_bytes(b"a\0b")
    os.mkfifo(root / "pipe")
    tool = read_file(root)
    for path in (
        "../secret.txt",
        "sub/../../secret.txt",
        str(secret),
        "//etc/passwd",
        "link.txt",
        "up/secret.txt",
        "sub/in.txt",
        "sub/real.txt\0",
        "sub/real.txt/more",
        "sub",
        "pipe",
        "bin",
        "absent",
        "\ud800",
        "x" * 5000,
        ".",
        "",
        "~/x",
    ):
        with pytest.raises(ToolException):
            tool.func(path)
        said = tool.invoke({"path": path}) if path != "\ud800" else ""
        assert "secret" not in said.replace("secret.txt", "")
    assert tool.invoke({"path": "sub/real.txt"}) == "real"


def test_a_long_file_is_cut_and_says_so(tmp_path):
    (tmp_path / "long.txt").write_text("word\n" * 400_000)
    said = read_file(tmp_path).invoke({"path": "long.txt", "max_lines": 1})
    assert said.startswith("word\n\n[the file has 2,000,000 bytes")


def test_reading_leaks_no_descriptors(tmp_path):
    (tmp_path / "f").write_text("x")
    tool = read_file(tmp_path)
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 - descriptors, not paths
    for _ in range(20):
        tool.invoke({"path": "f"})
        tool.invoke({"path": "absent/f"})
        tool.invoke({"path": "f/g"})
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208
