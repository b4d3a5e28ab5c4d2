"""Evaluation sets as people have them: what is a class, what is left out, what is read."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from queries.pixels.fingerprint import phash
from queries.pixels.picture import read_picture
from tests.trainer_fixtures import jpeg, picture, png, write_tar
from trainer.data.pixels import BadPictureError
from trainer.evaluation.sets import Choice, read_any_set, read_captioned_set, read_eval_set
from trainer.evaluation.sets.files import ENDINGS, is_junk, pictures_in, tars_in
from trainer.evaluation.sets.labels import read_vector
from trainer.settings import TrainerError

SEEN = picture("red circle", 0)


def put(root, *names: str, body: bytes = png(SEEN)) -> None:
    """Write the picture, or another body, under each name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body)


def labels(eval_set, split: str = "test") -> dict[str, int]:
    return {one.name: one.label for one in eval_set.pictures(split)}


# --- lists --------------------------------------------------------------------------------------


def test_an_empty_line_of_a_positional_list_is_a_class(tmp_path):
    (tmp_path / "classnames.txt").write_text("a\nb\nc\n\ne\nf\n")
    write_tar(tmp_path / "test" / "0.tar", {"x.png": png(SEEN), "x.cls": b"5"})
    eval_set = read_eval_set(tmp_path)
    assert eval_set.classes == ["a", "b", "c", "", "e", "f"]
    assert [eval_set.classes[one.label] for one in eval_set.pictures()] == ["f"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_and_windows_lines_do_not_enter_the_prompts(tmp_path, encoding, end):
    """PowerShell's `>` writes UTF-16, Notepad a mark: what clip_benchmark reads as one name."""

    def write(name: str, *lines: str) -> None:
        (tmp_path / name).write_bytes("".join(line + end for line in lines).encode(encoding))

    write("classnames.txt", "crème", "naïve art", "Mont\u2028Blanc")
    write("zeroshot_classification_templates.txt", "a {c}", "", "the {c}")
    write("templates.toml", "[templates]", 'other = ["{c}"]')
    files = {"x.png": png(SEEN), "x.txt": f"a fox{end}a red fox{end}".encode(encoding)}
    write_tar(tmp_path / "test" / "0.tar", files)
    eval_set = read_eval_set(tmp_path)
    assert eval_set.classes == ["crème", "naïve art", "Mont\u2028Blanc"]
    assert eval_set.prompts(0) == ["a crème", "the crème"]
    (captioned,) = read_captioned_set(tmp_path).pictures()
    assert captioned.captions == ("a fox", "a red fox")


# --- what file managers leave -------------------------------------------------------------------


def test_what_file_managers_leave_is_no_class_and_no_picture(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png", "dog/more/2.png")
    junk = (".ipynb_checkpoints/1.png", "@eaDir/1.png", "__MACOSX/cat/._1.png", "cat/._1.png")
    put(tmp_path, *junk, "dog/Thumbs.db", "dog/@eaDir/1.png/SYNOPHOTO_THUMB_M.png")
    put(tmp_path, "#recycle/9.png", ".git/9.png", "$RECYCLE.BIN/9.png", "lost+found/9.png")
    eval_set = read_eval_set(tmp_path)
    assert eval_set.classes == ["cat", "dog"]
    assert labels(eval_set) == {"cat/1.png": 0, "dog/1.png": 1, "dog/more/2.png": 1}
    assert eval_set.bad == {}


def test_junk_in_tars_and_between_them_is_left_out(tmp_path):
    """macOS's tar writes ._ files beside each member, its Finder a .DS_Store."""
    files = {"._x.png": b"mac", "__MACOSX/x.png": b"mac", "./x.png": png(SEEN), "./x.cls": b"1"}
    write_tar(tmp_path / "test" / "0.tar", {**files, ".DS_Store": b"mac"})
    put(tmp_path, "test/._0.tar", body=b"mac")
    (tmp_path / "classnames.txt").write_text("one\nother\n")
    eval_set = read_eval_set(tmp_path)
    assert list(labels(eval_set).values()) == [1]
    assert eval_set.bad == {}


def test_a_class_may_have_a_name_that_looks_like_a_systems():
    assert not any(map(is_junk, ("thumbs", "recycle", "macosx", "Tmp", "n01440764", "a.b", "#1")))


# --- pictures -----------------------------------------------------------------------------------


def encoded(kind: str) -> bytes:
    body = io.BytesIO()
    Image.fromarray(SEEN).save(body, kind)
    return body.getvalue()


def test_pictures_of_every_type_are_read_as_a_build_reads_them(tmp_path):
    kinds = {"gif": "GIF", "bmp": "BMP", "tif": "TIFF", "jfif": "JPEG", "webp": "WEBP"}
    kinds |= {"avif": "AVIF", "ico": "ICO", "jpe": "JPEG", "TIFF": "TIFF"}
    for end, kind in kinds.items():
        put(tmp_path, f"cat/1.{end}", f"dog/2.{end}", body=encoded(kind))
    put(tmp_path, "dog/3.ppm", body=encoded("PPM"))
    put(tmp_path, "dog/4.svg", body=b"<svg/>")
    eval_set = read_eval_set(tmp_path)
    seen = {one.name: one.pixels for one in eval_set.pictures()}
    assert len(seen) == 2 * len(kinds)
    for name, pixels in seen.items():
        built = read_picture((tmp_path / name).read_bytes(), 1 << 26)
        assert np.array_equal(pixels, built.pixels), name
    assert set(eval_set.bad) == {"dog/3.ppm", "dog/4.svg"}  # counted, with the build's reason
    assert eval_set.bad["dog/4.svg"].startswith("svg: the answer is a drawing")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_equal_bytes_have_equal_pixels_in_a_build_and_in_a_set(tmp_path, orientation):
    exif, body = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(SEEN[:64]).save(body, "JPEG", exif=exif, quality=95)
    put(tmp_path, "cat/1.jpg", "dog/1.jpg", body=body.getvalue())
    built = read_picture(body.getvalue(), 1 << 26, 48)
    first, _ = read_eval_set(tmp_path).pictures(size=48)
    assert phash(first.pixels) == phash(built.pixels)
    assert np.array_equal(first.pixels, built.pixels)
    stored, _ = read_eval_set(tmp_path, None, Choice(upright=False)).pictures()
    assert stored.pixels.shape == (64, 96, 3)


def test_a_picture_is_decoded_no_larger_than_asked(tmp_path):
    put(tmp_path, "cat/1.jpg", "dog/1.jpg", body=jpeg(np.repeat(np.repeat(SEEN, 6, 0), 9, 1)))
    shapes = {one.pixels.shape for one in read_eval_set(tmp_path).pictures(size=100)}
    assert shapes == {(100, 150, 3)}


def test_all_pictures_come_in_order_and_the_unreadable_are_counted(tmp_path):
    names = [f"{kind}/{i:03d}.png" for kind in ("cat", "dog") for i in range(60)]
    put(tmp_path, *names)
    put(tmp_path, *names[::7], body=b"no picture")
    eval_set = read_eval_set(tmp_path)
    assert list(labels(eval_set)) == [name for i, name in enumerate(names) if i % 7]
    assert list(eval_set.bad) == names[::7]


# --- folders ------------------------------------------------------------------------------------

WORDNET = ("n01440764", "n02012849", "n03126707")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LOC_synset_mapping.txt", "{0} tench, Tinca tinca\n{1} crane\n{2} crane\nn9 more\n"),
        ("words.txt", "{2}\tcrane\n{0}\ttench, Tinca tinca\n{1}\tcrane\n"),
        ("map_clsloc.txt", "{1} 134 crane\n{2} 517 crane\n{0} 0 tench\n"),
        ("classnames.txt", "tench\ncrane\ncrane\n"),
        (
            "imagenet_class_index.json",
            '{{"0": ["{0}", "tench"], "1": ["{1}", "crane"], "2": ["{2}", "crane"]}}',
        ),
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_wordnet_folders_get_their_names(tmp_path, name, text, beside):
    """ImageNet as Kaggle, torchvision, Caffe and Keras name it; two classes are called crane."""
    put(tmp_path, *(f"set/val/{folder}/1.JPEG" for folder in WORDNET))
    path = tmp_path / ("set" if beside else ".") / name
    path.write_text(text.format(*WORDNET))
    eval_set = read_eval_set(tmp_path / "set", None, Choice(None if beside else path))
    assert eval_set.classes == ["tench", "crane", "crane"]
    assert list(labels(eval_set).values()) == [0, 1, 2]


def test_wordnet_numbers_are_no_names(tmp_path):
    put(tmp_path, *(f"val/{folder}/1.JPEG" for folder in WORDNET))
    with pytest.raises(TrainerError, match="expected their names: --classnames FILE"):
        read_eval_set(tmp_path).need_text()


def test_a_list_that_fits_no_folder_is_refused(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    with pytest.raises(TrainerError, match=r"3 names for 2 folders \(cat, dog\)"):
        read_eval_set(tmp_path, None, Choice(tmp_path / "names.txt"))


def test_the_dogs_of_stanford_and_the_birds_of_caltech_lose_their_numbers(tmp_path):
    put(tmp_path, "dogs/n02085620-Chihuahua/1.jpg", "dogs/n02085782-Japanese_spaniel/1.jpg")
    put(tmp_path, "birds/001.Black_footed_Albatross/1.jpg", "birds/002.Laysan_Albatross/1.jpg")
    put(tmp_path, "years/1.5/1.jpg", "years/2.5/1.jpg")
    classes = [read_eval_set(tmp_path / name).classes for name in ("dogs", "birds", "years")]
    assert classes[0] == ["Chihuahua", "Japanese spaniel"]
    assert classes[1] == ["Black footed Albatross", "Laysan Albatross"]
    assert classes[2] == ["1.5", "2.5"]


def test_folders_in_a_class_belong_to_it_and_links_end(tmp_path):
    """As torchvision's ImageFolder; Tiny ImageNet has a folder `images` in each class."""
    put(tmp_path, "cat/images/1.png", "cat/2.png", "dog/a/b/3.png")
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat")
    (tmp_path / "eel").symlink_to(tmp_path / "dog")
    eval_set = read_eval_set(tmp_path)
    assert eval_set.classes == ["cat", "dog", "eel"]
    assert labels(eval_set) == {
        "cat/2.png": 0,
        "cat/images/1.png": 0,
        "dog/a/b/3.png": 1,
        "eel/a/b/3.png": 2,
    }
    assert len([*pictures_in(tmp_path)]) == 3  # each folder once


def test_an_empty_folder_and_a_listed_name_without_a_folder_are_classes(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "bee").mkdir()
    assert read_eval_set(tmp_path).classes == ["bee", "cat", "dog"]
    (tmp_path / "bee").rmdir()
    (tmp_path / "classnames.txt").write_text("dog\nbee\ncat\n")
    eval_set = read_eval_set(tmp_path)
    assert eval_set.classes == ["dog", "bee", "cat"]
    assert labels(eval_set) == {"cat/1.png": 2, "dog/1.png": 0}


# --- splits -------------------------------------------------------------------------------------


def test_where_there_is_no_test_val_is_evaluated_and_any_split_on_request(tmp_path):
    put(tmp_path, "train/cat/1.png", "train/dog/2.png", "val/cat/3.png", "val/dog/4.png")
    put(tmp_path, "rotated/cat/5.png", "rotated/dog/6.png")
    eval_set = read_eval_set(tmp_path)
    assert list(labels(eval_set)) == ["cat/3.png", "dog/4.png"]
    assert (eval_set.has("train"), eval_set.has("val")) == (True, False)
    train = read_eval_set(tmp_path, None, Choice(split="train"))
    assert list(labels(train)) == ["cat/1.png", "dog/2.png"]
    assert (train.has("train"), train.has("val")) == (False, True)
    assert train.name == f"{tmp_path.name}-train"
    other = read_eval_set(tmp_path, None, Choice(split="rotated"))
    assert list(labels(other)) == ["cat/5.png", "dog/6.png"]
    with pytest.raises(TrainerError, match="no split tset, expected one that is there: train, val"):
        read_eval_set(tmp_path, None, Choice(split="tset"))


def test_train_alone_is_evaluated_only_on_request(tmp_path):
    put(tmp_path, "train/cat/1.png", "train/dog/2.png")
    with pytest.raises(TrainerError, match="train alone, expected test or val"):
        read_eval_set(tmp_path)
    assert len(labels(read_eval_set(tmp_path, None, Choice(split="train")))) == 2


def test_the_tars_that_nshards_counts_are_read_by_number(tmp_path):
    for i in (0, 1, 2, 9, 10):
        write_tar(tmp_path / f"{i}.tar", {})
    assert [path.name for path in tars_in(tmp_path)] == [
        "0.tar",
        "1.tar",
        "2.tar",
        "9.tar",
        "10.tar",
    ]
    (tmp_path / "nshards.txt").write_text("3\n")
    assert [path.name for path in tars_in(tmp_path)] == ["0.tar", "1.tar", "2.tar"]
    (tmp_path / "nshards.txt").write_text("4\n")
    with pytest.raises(TrainerError, match=r"nshards\.txt says 4 tars, expected 3\.tar, too"):
        tars_in(tmp_path)


# --- captions, and pictures alone ---------------------------------------------------------------


def test_what_is_searched_for_overlap_may_have_classes_captions_or_nothing(tmp_path):
    put(tmp_path, "classes/cat/1.png", "classes/dog/1.png", "plain/a/1.png", "plain/2.gif")
    put(tmp_path, "captions/1.png", "captions/1.txt", "none/x.md")
    kinds = [read_any_set(tmp_path / name).kind for name in ("classes", "captions", "plain")]
    assert kinds == ["classes", "captions", "pictures"]
    assert list(labels(read_any_set(tmp_path / "plain"))) == ["2.gif", "a/1.png"]
    with pytest.raises(TrainerError, match="expected an evaluation set"):
        read_any_set(tmp_path / "none")


# --- several classes a picture ------------------------------------------------------------------


def npy(values, dtype: str = "<f4") -> bytes:
    body = io.BytesIO()
    np.save(body, np.array(values, dtype))
    return body.getvalue()


def test_a_multi_label_set_has_vectors(tmp_path):
    (tmp_path / "classnames.txt").write_text("cat\ndog\neel\n")
    (tmp_path / "dataset_type.txt").write_text("multilabel\n")
    files = {f"{i}.png": png(SEEN) for i in range(4)}
    files |= {"0.npy": npy([1, 0, 1]), "1.npy": npy([0, 0, 0], "<i8"), "2.npy": npy([1, 0])}
    write_tar(tmp_path / "test" / "0.tar", files)
    eval_set = read_eval_set(tmp_path)
    assert [one.labels for one in eval_set.pictures()] == [(0, 2), ()]
    assert eval_set.bad == {
        "0.tar/2.png": "label of (2,): expected 3 numbers, 0 or 1",
        "0.tar/3.png": "no label: expected a vector in a .npy",
    }


def test_a_label_that_promises_more_than_it_holds_is_refused():
    """NumPy's reader would ask for the 8 TiB first; and it would unpickle objects."""
    huge = npy([1, 0]).replace(b"(2,)", b"(1099511627776,)")[: 128 + 8]
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], object))
    for body in (huge, pickled.getvalue(), npy([[1]]), b"", b"\x93NUMPY\x01\x00", npy([1])[:-1]):
        with pytest.raises(BadPictureError, match="expected a vector in NumPy's format"):
            read_vector(body)


# --- prompts ------------------------------------------------------------------------------------


def test_a_class_may_have_prompts_of_its_own(tmp_path):
    """Prompts by a language model (CuPL), as CLIP_benchmark's custom_template_file has them."""
    put(tmp_path, "birds/crane/1.png", "birds/kite/1.png")
    by_class = {"crane": ["a crane, a bird"], "kite": ["a kite, a bird", "a bird of prey"]}
    (tmp_path / "p.json").write_text(json.dumps({"wds/birds": by_class, "default": ["{c}"]}))
    rows = "".join(f"{name} = {json.dumps(texts)}\n" for name, texts in by_class.items())
    (tmp_path / "p.toml").write_text(f"[templates.birds]\n{rows}")
    from trainer.evaluation.sets import read_templates

    for name in ("p.json", "p.toml"):
        eval_set = read_eval_set(tmp_path / "birds", read_templates(tmp_path / name))
        assert [eval_set.prompts(i) for i in (0, 1)] == list(by_class.values())
        eval_set.need_text()
    eval_set.by_class = {"crane": ["a crane"]}
    with pytest.raises(TrainerError, match="such as 'kite', have no prompts"):
        eval_set.need_text()


def test_every_ending_is_lower_case_and_once():
    assert len(set(ENDINGS)) == len(ENDINGS)
    assert [end.lower() for end in ENDINGS] == [*ENDINGS]
