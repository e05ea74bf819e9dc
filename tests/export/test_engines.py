"""What is exported answers as the original does: each task, each engine, alone, in company, by many threads."""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import started

import danlu
from danlu.bundle import golden
from danlu.bundle.bundle import load
from danlu.bundle.verify import verify
from danlu.export.export import Exported
from danlu.recipe.part import find, kinds
from danlu.task.task import Task

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

FORWARD = {
    "answer": "openvino", "choose": "openvino", "classify": "onnx", "embed": "openvino", "masked_lm": "onnx",
    "multilabel": "openvino", "rank": "openvino", "regress": "openvino", "relate": "openvino", "tag": "onnx",
}  # fmt: skip
"""Tasks that answer from one pass, and the engine by which each is tried; both compute the same graph."""

ENGINES = ("onnx", "openvino")
TOLERANCE = golden.TOLERANCES["float32"]

FRESH = """
import json, socket, sys
def refuse(*given, **settings):
    raise AssertionError("the network was asked for")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from danlu.bundle.bundle import load
answers = {}
for folder, records in json.load(sys.stdin):
    with load(folder, threads=2) as bundle:
        answers[folder] = [bundle.predict([record])[0] for record in records], bundle.predict(records)
print(json.dumps(answers))
"""

ENDED_OUT_OF_ORDER = """
import gc, os, signal, sys, danlu
first, second = (danlu.load(folder) for folder in sys.argv[1:])
first.close()
del first
gc.collect()
second.close()
del second
gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("answered")
"""


def test_no_task_that_answers_by_one_pass_is_left_out() -> None:
    found = {kind for kind in kinds(Task) if find(Task, kind)().answers_by == "forward"}
    assert found | {"masked_lm"} >= set(FORWARD)
    assert found - set(FORWARD) <= {
        "next_sentence", "prompted", "replaced_token", "sentence_order", "tag_words"
    }  # fmt: skip  # networks of classify, choose, masked_lm and tag


def test_in_a_fresh_process_answers_are_those_of_torch_alone_and_in_a_batch(
    exported: Callable[..., Exported], tiny_bundle: Callable[[str], Path]
) -> None:
    asked, right = [], {}
    for kind, engine in FORWARD.items():
        with danlu.load(tiny_bundle(kind)) as bundle:
            records = [bundle.task.tried(), *bundle.task.sample]  # of unlike lengths
            right[kind] = bundle.predict(records)
        asked.append((str(exported(kind, engine).path), records))
    done = started.run(
        [sys.executable, "-c", FRESH], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    answers = json.loads(done.stdout.splitlines()[-1])
    assert len(answers) == len(FORWARD)
    for folder, ways in answers.items():
        kind = Path(folder).name.split("-")[0]
        for found in ways:
            furthest, agreeing = golden.drift(right[kind], found, TOLERANCE)
            assert (agreeing, furthest <= TOLERANCE) == (len(found), True), f"{folder}: {furthest}"


@pytest.mark.parametrize("engine", ENGINES)
def test_eight_threads_at_once_get_their_own_answers(exported: Callable[..., Exported], engine: str) -> None:
    with load(exported("classify", engine).path, threads=2) as bundle:
        texts = [
            [f"{text}{number}" for number in range(thread % 3 + 1)] for thread, text in enumerate("这本书写得很好" * 4)
        ]
        alone = [bundle.predict(each) for each in texts]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(bundle.predict, texts))
    for one, other in zip(alone, together, strict=True):
        assert golden.drift(one, other, 1e-4)[1] == len(one)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_exported_bundle_is_verified_and_refused_once_a_file_has_changed(
    exported: Callable[..., Exported], engine: str, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(exported("classify", engine).path, folder)
    assert verify(folder) == []
    graph = next(path for path in folder.iterdir() if path.suffix in (".onnx", ".weights"))
    data = bytearray(graph.read_bytes())
    data[-8] ^= 1
    graph.write_bytes(data)
    with pytest.raises(danlu.Refusal, match="has changed since the bundle was saved"):
        danlu.load(folder)


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_is_answered_after_bundles_have_gone_in_the_order_they_came(
    exported: Callable[..., Exported], engine: str
) -> None:
    folders = [str(exported(kind, engine).path) for kind in ("classify", "embed")]
    command = [sys.executable, "-c", ENDED_OUT_OF_ORDER, *folders]
    done = started.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["answered"]), done.stderr
