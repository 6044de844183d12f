"""Read back by TensorBoard's own reader, by pyarrow, and by FiftyOne's documented rules: docs/export.md."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gan_probe.cli.export import OPENED
from gan_probe.errors import InputError
from gan_probe.report.export import TARGETS, Exported, write_export
from gan_probe.scoring.table import ScoreTable, write_scores
from tests.cli.conftest import call, call_json


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, few_scores: ScoreTable, few_images: Path) -> Path:
    """What the command makes of the scores of a folder of images."""
    folder = tmp_path_factory.mktemp("export")
    write_scores(few_scores, folder / "s.parquet")
    done = call_json("export", folder / "s.parquet", "--data", few_images, "-o", folder / "out")
    assert (done["status"], done["warnings"]) == ("ok", []), done
    assert set(done["outputs"]) == set(TARGETS) == set(OPENED)
    return folder / "out"


@pytest.fixture
def expected(few_scores: ScoreTable) -> Exported:
    return Exported.of(few_scores, "critic", [])


def test_the_projector_reads_its_files(exported: Path, expected: Exported) -> None:
    reader = pytest.importorskip(
        "tensorboard.plugins.projector.projector_plugin", reason="needs the extra gan-probe[tensorboard]"
    )
    folder = exported / "projector"
    config = reader.ProjectorConfig()
    reader.text_format.Parse((folder / "projector_config.pbtxt").read_text(), config)
    (told,) = config.embeddings
    rows = reader._read_tensor_tsv_file(str(folder / told.tensor_path))
    assert rows == pytest.approx(expected.rows, rel=1e-6)
    header, *lines = (folder / told.metadata_path).read_text().splitlines()
    assert header.split("\t") == list(expected.table.columns)
    assert [line.split("\t")[header.split("\t").index("label")] for line in lines] == list(expected.table["label"])
    with Image.open(folder / told.sprite.image_path) as sheet:
        across = sheet.width // told.sprite.single_image_dim[0]
    assert across**2 >= len(rows)
    for path in (told.tensor_path, told.metadata_path, told.sprite.image_path):
        assert reader._rel_to_abs_asset_path(path, str(folder / "projector_config.pbtxt"))


def test_embedding_atlas_gets_vectors_and_pictures_in_one_table(exported: Path, expected: Exported) -> None:
    table = pq.read_table(exported / "embedding-atlas" / "data.parquet")
    assert np.array_equal(np.stack(table["embedding"].to_pylist()), expected.rows)
    assert table["critic_score"].to_numpy() == pytest.approx(expected.table["critic_score"].to_numpy())
    cell = table["image"][0].as_py()
    assert set(cell) == {"bytes", "path"}
    with Image.open(io.BytesIO(cell["bytes"])) as picture:
        assert picture.size == (32, 32)


def test_fiftyone_gets_pictures_labels_and_fields(exported: Path, expected: Exported) -> None:
    folder = exported / "fiftyone"
    labels = json.loads((folder / "labels.json").read_text())["labels"]
    pictures = {path.stem for path in (folder / "data").iterdir()}
    assert set(labels) == pictures
    told = json.loads((folder / "values.json").read_text())
    assert [labels[name] for name in told["names"]] == list(expected.table["label"])
    assert told["values"]["critic_score"] == pytest.approx(expected.table["critic_score"].to_list())
    assert all(name.isidentifier() for name in told["values"])
    assert np.load(folder / "embedding.npy", allow_pickle=False).shape == expected.rows.shape
    compile((folder / "open.py").read_text(), "open.py", "exec")


def test_what_is_missing_is_said(expected: Exported, few_scores: ScoreTable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FiftyOne shows files of pictures, and the images were not found"):
        write_export(expected, tmp_path / "a", ["fiftyone"])
    bare = Exported.of(ScoreTable(few_scores.without_embeddings(), few_scores.provenance), "critic", [])
    with pytest.raises(InputError, match="the table has none: score without --no-embeddings"):
        write_export(bare, tmp_path / "a", ["projector"])
    assert not (tmp_path / "a").exists()
    notes = write_export(bare, tmp_path / "a", ["embedding-atlas"])
    assert notes == ["embedding-atlas: there is no column embedding.", "embedding-atlas: there is no column image."]
    with pytest.raises(InputError, match="no embedding 'critc'. It has: critic, random_init.0"):
        Exported.of(few_scores, "critc", [])


def test_what_no_viewer_can_show_is_left_out_with_a_word(score_file: Path, tmp_path: Path) -> None:
    done = call_json("export", score_file, "--no-pictures", "-o", tmp_path / "out")
    assert set(done["outputs"]) == {"embedding-atlas"}
    assert [warning.split(" is left out")[0] for warning in done["warnings"][:2]] == ["projector", "fiftyone"]
    again = call_json("export", score_file, "--no-pictures", "--overwrite", "--to", "fiftyone", "-o", tmp_path / "out")
    assert "name them with --data" in again["metrics"]["error"]
    assert (tmp_path / "out" / "embedding-atlas").is_dir()


def test_wrong_words_are_said(score_file: Path, tmp_path: Path) -> None:
    wrong = call("export", score_file, "-o", tmp_path / "x", "--to", "projektor")
    assert (wrong.exit_code, "unknown viewer 'projektor'. Did you mean 'projector'?" in wrong.stderr) == (3, True)
    assert not (tmp_path / "x").exists()
