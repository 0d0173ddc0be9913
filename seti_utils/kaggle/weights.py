"""Pretrained weights for kernels without internet: gathered in a folder, uploaded as one dataset."""

import shutil
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.files import replacing
from seti_utils.kaggle.datasets import dataset_metadata, upload_dataset

TITLE = "seti pretrained weights"


def gather_weights(backbones: list[str], folder: str | Path) -> list[Path]:
    """Put the pretrained file of every backbone into ``folder`` as "backbone.safetensors"; returns the paths.

    A file that is there already stays. The others come from this machine's Hugging Face cache or, with internet, from
    the hub. Raises ``InputError`` for a backbone whose weights cannot be had.
    """
    paths = [Path(folder) / f"{backbone}.safetensors" for backbone in backbones]
    for backbone, path in zip(backbones, paths, strict=True):
        if not path.is_file():
            gather(backbone, path)
    return paths


def gather(backbone: str, path: Path) -> None:
    """Copy the pretrained file of ``backbone`` to ``path``."""
    from seti_utils.nets.backbones import timm_name
    from seti_utils.nets.weights import cached_weights, hub_answers

    name = timm_name(backbone)
    source = cached_weights(name) or (download(name) if hub_answers() else None)
    if source is None:
        raise InputError(
            f"no weights of {name} on this machine, and the hub does not answer",
            where=path,
            remedy="run this where there is internet, or put the file there by hand",
        )
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)


def download(name: str) -> Path:
    """Fetch timm's ``name`` from the hub into the cache; raises ``InputError`` where there are no such weights."""
    import timm
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        config = timm.get_pretrained_cfg(name)
        if config is None or config.hf_hub_id is None:
            raise InputError("nobody published weights of this network", where=name, remedy="take another backbone")
        return Path(hf_hub_download(config.hf_hub_id, "model.safetensors"))
    except (HfHubHTTPError, OSError) as error:
        remedy = "try again later, or put the file into the folder by hand"
        raise InputError(f"the hub gave no weights ({type(error).__name__})", where=name, remedy=remedy) from error


def upload_weights(folder: str | Path, owner: str) -> str:
    """Upload every file in ``folder`` as the dataset owner/seti-pretrained-weights and return that name."""
    return upload_dataset(Path(folder), dataset_metadata(owner, TITLE))
