"""kernel-metadata.json: its closed set of keys, and how a kernel's title, slug and sources are derived."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from seti_utils.files import read_object

KEYS: dict[str, type] = {
    "id": str,
    "id_no": int,
    "title": str,
    "code_file": str,
    "language": str,
    "kernel_type": str,
    "is_private": bool,
    "enable_gpu": bool,
    "enable_tpu": bool,
    "enable_internet": bool,
    "machine_shape": str,
    "keywords": list,
    "dataset_sources": list,
    "kernel_sources": list,
    "competition_sources": list,
    "model_sources": list,
    "docker_image": str,
    "docker_image_pinning_type": str,
}
REQUIRED = ("id", "title", "code_file", "language", "kernel_type", "is_private", "enable_gpu", "enable_internet")
SOURCES = {
    "dataset_sources": ("owner/slug", r"[\w-]+/[\w-]+(/\d+)?"),
    "kernel_sources": ("owner/slug", r"[\w-]+/[\w-]+"),
    "competition_sources": ("slug", r"[\w-]+"),
    "model_sources": ("owner/model/framework/variation/version", r"[\w-]+/[\w-]+/[\w.-]+/[\w.-]+/\d+"),
}
"""How the site names each kind of input, and what matches that."""
PLACES = ("datasets", "code", "kernels", "notebooks", "competitions", "models")
"""First words of the site's addresses, which do not belong to a name: the site would drop such an input without an error."""
PLACEHOLDER = "your-username"
LONGEST_TITLE = 50
METADATA_FILE = "kernel-metadata.json"


def read_metadata(folder: str | Path) -> dict:
    """The metadata in ``folder`` as they are written. Raises ``InputError`` where they are missing or not a JSON object."""
    none = ("no kernel here", "make one with `python -m seti_utils kaggle build`")
    return read_object(Path(folder) / METADATA_FILE, "correct it or build the kernel again", none)


def source_problem(key: str, source: object) -> str | None:
    """What is wrong with one entry of a list of inputs, and how it is written; None where nothing is."""
    form, pattern = SOURCES[key]
    if not isinstance(source, str) or not re.fullmatch(pattern, source):
        return f"{key} holds {source!r}; write {form}"
    if key != "competition_sources" and source.split("/")[0] in PLACES:
        return f"{key} holds {source!r}; write {form} alone, without the first word of its address"
    return None


def slug_of(title: str) -> str:
    """The slug that the site makes of ``title``: lower case, every run of other characters one hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def title_of(stage: str, experiment: str, folds: Sequence[int], seeds: Sequence[int]) -> str:
    """A kernel's title, such as "seti train exp0011 fold0 seed2021".

    It holds lower-case words only, so that the slug is the words joined by hyphens and back again. Titles beyond the
    site's 50 characters keep their beginning and end in a hash of the whole.
    """
    words = ["seti", stage, *slug_of(experiment).split("-")]
    for name, numbers in (("fold", folds), ("seed", seeds)):
        first, *others = [str(number) for number in numbers]
        words += [name + first, *others]
    title = " ".join(words)
    if len(title) <= LONGEST_TITLE:
        return title
    mark = hashlib.sha256(title.encode()).hexdigest()[:8]
    return f"{title[: LONGEST_TITLE - 9].strip()} {mark}"


def kernel_of(owner: str, stage: str, experiment: str, folds: Sequence[int], seeds: Sequence[int]) -> str:
    """The "owner/slug" under which a stage of an experiment is pushed."""
    return f"{owner}/{slug_of(title_of(stage, experiment, folds, seeds))}"


def derive(
    base: dict,
    *,
    owner: str,
    title: str,
    code_file: str,
    kernel_sources: Sequence[str] = (),
    dataset_sources: Sequence[str] = (),
    model_sources: Sequence[str] = (),
    docker_image: str | None = None,
    machine: str | None = None,
) -> dict:
    """Metadata of one kernel: ``base`` with its name, owner and sources.

    The given sources join those of ``base``. ``docker_image`` pins the image. ``machine``, a machine_shape, replaces the
    accelerator; "" means none. Internet stays off whatever ``base`` says.
    """
    made = {**base, "id": f"{owner}/{slug_of(title)}", "title": title, "code_file": code_file, "enable_internet": False}
    for key, names in (
        ("kernel_sources", kernel_sources),
        ("dataset_sources", dataset_sources),
        ("model_sources", model_sources),
    ):
        made[key] = list(dict.fromkeys([*base.get(key, []), *names]))
    if docker_image:
        made |= {"docker_image": docker_image, "docker_image_pinning_type": "original"}
    if machine is not None:
        made |= {"enable_gpu": bool(machine), "enable_tpu": False, "machine_shape": machine}
        if not machine:
            del made["machine_shape"]
    return made
