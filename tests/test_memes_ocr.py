"""Texts read back from pictures: kept, resumed, refused for other memes; errors by hand."""

import builtins
import json

import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFont

from lib import paths
from lib.memes import ocr
from lib.memes.ocr import OcrError, Settings, distance, error_rates, read_back, read_readings
from lib.schema import write_pairs

ALONE = Settings(workers=1)


@pytest.fixture
def pairs(tmp_path) -> pd.DataFrame:
    for number in range(3):
        Image.new("RGB", (32, 32), (number, 0, 0)).save(tmp_path / f"{number}.png")
    return pd.DataFrame({
        "id": ["test/0", "test/1", "test/2", "training/0"],
        "image": ["0.png", "1.png", "2.png", "0.png"], "text": ["all good", "b", "c", "all good"],
        "original": ["ALL GOOD", "B", "C", "ALL, GOOD"], "lang": "en",
        "split": ["test"] * 3 + ["train"], "date": "", "source": "s", "group": list("wxyz"),
    })  # fmt: skip


@pytest.fixture
def reader(monkeypatch, tmp_path):
    """A reader that counts what it reads, and fails on the files named in `broken`."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    read, broken = [], set()

    def read_picture(file, side, confidence):
        if file.name in broken:
            raise RuntimeError("killed")
        read.append(file.name)
        return {"0.png": "ALLGOOD"}.get(file.name, "X")

    monkeypatch.setattr(ocr, "read_picture", read_picture)
    return read, broken


def test_texts_are_kept_and_not_read_twice(pairs, reader, tmp_path):
    rows = pairs[:3]
    table = read_back(rows, tmp_path, tmp_path / "out", ALONE, ["all good"])
    assert table["raw"].tolist() == ["ALLGOOD", "X", "X"]
    assert table["read"].tolist() == ["all good", "x", "x"]
    assert table["transcription"].tolist() == ["ALL GOOD", "B", "C"]
    first = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    again = read_back(rows, tmp_path, tmp_path / "out", ALONE, ["all good"])
    assert reader[0] == ["0.png", "1.png", "2.png"]
    assert again.equals(table)
    assert first == {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert read_back(rows, tmp_path, tmp_path / "out", ALONE)["read"].tolist()[0] == "ALLGOOD"


def test_a_killed_run_goes_on_where_it_stopped(pairs, reader, tmp_path):
    read, broken = reader
    broken.add("2.png")
    with pytest.raises(RuntimeError):
        read_back(pairs[:3], tmp_path, tmp_path / "out", ALONE)
    assert not (tmp_path / "out" / ocr.MANIFEST).exists()
    broken.clear()
    assert read_back(pairs[:3], tmp_path, tmp_path / "out", ALONE)["raw"].tolist()[2] == "X"
    assert read == ["0.png", "1.png", "2.png"]
    assert not list((tmp_path / ".scratch" / "ocr").iterdir())


def test_another_picture_is_read_again(pairs, reader, tmp_path):
    read_back(pairs[:1], tmp_path, tmp_path / "out", ALONE)
    Image.new("RGB", (32, 32), "blue").save(tmp_path / "0.png")
    read_back(pairs[:1], tmp_path, tmp_path / "out", ALONE)
    assert reader[0] == ["0.png", "0.png"]


def test_readings_of_other_memes_are_refused(pairs, reader, tmp_path):
    with pytest.raises(OcrError, match=r"out: no readings"):
        read_readings(tmp_path / "out", pairs)
    table = read_back(pairs[:2], tmp_path, tmp_path / "out", ALONE)
    write_pairs(pairs, tmp_path / "pairs.parquet")
    assert read_readings(tmp_path / "out", tmp_path / "pairs.parquet").equals(table)
    with pytest.raises(OcrError, match=r"out: made of other memes"):
        read_readings(tmp_path / "out", pairs.assign(original="other"))
    with pytest.raises(OcrError, match=r"out: made of other memes"):
        read_readings(tmp_path / "out", pairs[1:])


def test_error_rates_by_hand():
    assert distance("kitten", "sitting") == 3
    assert distance([], [1, 2]) == 2
    table = pd.DataFrame({"transcription": ["ALL GOOD", "YES"], "raw": ["ALLGOOD", "NO"],
                          "read": ["all good", "yes"]})  # fmt: skip
    rates = error_rates(table).set_index(["text", "unit"])["value"]
    assert rates["raw", "characters"] == pytest.approx((1 + 3) / 11)
    assert rates["raw", "letters"] == pytest.approx(3 / 10)
    assert rates["raw", "words"] == pytest.approx((2 + 1) / 3)
    assert (rates["read"] == 0).all()


def test_the_draw_of_memes(pairs):
    assert ocr.choose(pairs, Settings(memes=2))["split"].eq("test").all()
    assert len(ocr.choose(pairs, Settings(memes=2))) == 2
    assert len(ocr.choose(pairs, Settings(memes=0))) == 3
    with pytest.raises(OcrError, match=r"^pairs: no test meme"):
        ocr.choose(pairs[3:], Settings())
    with pytest.raises(ValueError, match=r"^side: "):
        Settings(side=3).validate()


def test_a_missing_reader_is_one_line(pairs, tmp_path, monkeypatch):
    def refuse(name, *rest):
        if name == "rapidocr_onnxruntime":
            raise ImportError("no\nlibrary")
        return real(name, *rest)

    real = builtins.__import__
    ocr._engine.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(OcrError, match=r"^rapidocr-onnxruntime: cannot be loaded \(no library\)$"):
        ocr.read_picture(tmp_path / "0.png", 64, 0.5)


def test_a_picture_is_really_read_by_the_command_line(pairs, tmp_path, monkeypatch, capsys):
    picture = Image.new("RGB", (360, 120), "white")
    font = ImageFont.load_default(40)
    ImageDraw.Draw(picture).text((20, 30), "ALL GOOD", "black", font)
    picture.save(tmp_path / "0.png")
    write_pairs(pairs.iloc[[0, 3]], tmp_path / "pairs.parquet")
    config = tmp_path / "params.yaml"
    config.write_text("memes_ocr: {memes: 1, workers: 1, side: 128}\n")
    names = ["--config", config, "--pairs", tmp_path / "pairs.parquet", "--root", tmp_path]
    assert ocr.main([*map(str, names), "--out", str(tmp_path / "out")]) == 0
    assert "1 memes read" in capsys.readouterr().out
    made = read_readings(tmp_path / "out", tmp_path / "pairs.parquet")
    assert made["read"].tolist() == ["all good"]
    assert json.loads((tmp_path / "out" / ocr.MANIFEST).read_text())["settings"]["side"] == 128
    names[3] = tmp_path / "none.parquet"
    assert ocr.main([*map(str, names), "--out", str(tmp_path / "new")]) == 1
    assert "none.parquet: no such file" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
