"""`lrfind init`: a commented starter config that runs as it is, and the Python beside it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

import lrfind
from lrfind.commands.options import Quiet
from lrfind.errors import ConfigError, Fault, how_to_install
from lrfind.output.files import check_replaceable, check_writable, write_atomically
from lrfind.output.streams import print_result, tell

TEMPLATES = Path(lrfind.__file__).parent / "templates"
WAY_OUT = "make room there, or name a FILE in another folder"


Template = Literal["cnn", "mlp", "huggingface", "lightning", "finetune", "custom"]
"""The starter configs: `<name>.yaml` in the folder of the templates, and `<name>_model.py` beside it."""
NEEDS = {"huggingface": "transformers", "lightning": "lightning", "finetune": "torchvision"}
"""The package that a template needs and lrfind does not install by itself."""


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The config to write.")] = Path("lrfind.yaml"),
    template: Annotated[Template, typer.Option(metavar="NAME", help="One of the above.")] = "cnn",
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="For the template mlp: your table.", show_default=False),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of --csv to predict; default: the last.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write a commented config that runs as it is, and its Python.

    Comments in FILE say where your model, data, loss and optimizer go; code of your own goes to the module beside it,
    which is named after it: lrfind_model.py for lrfind.yaml. Nothing is downloaded. The templates:

    - `cnn`: a small CNN that classifies images
    - `mlp`: an MLP, written in YAML alone, on a table such as a CSV file
    - `huggingface`: a text classifier of transformers, its tokenizer and collator
    - `lightning`: a LightningModule with its own optimizer
    - `finetune`: torchvision's ResNet-18 with a new last layer, and less learning rate for the rest
    - `custom`: a loader, a training step and an optimizer function of your own

    Prints the paths of what was written, the config first.

    Exit codes: 0 written, 2 a file exists already or cannot be written.

    For example:

    - `lrfind init && lrfind run lrfind.yaml`
    - `lrfind init homes.yaml --template mlp --csv homes.csv --target price`
    - `lrfind init configs/reviews.yaml --template huggingface`
    """
    _check_name(file)
    texts = _texts(template, file)
    if table is not None or target is not None:
        texts[file], said = _of_table(texts[file], template, file, table, target)
        if not quiet:
            tell(said)
    check_writable(file.parent, WAY_OUT)
    _check_free(list(texts), force=force)
    for path in texts:
        check_replaceable(path, force=force)
    for path, text in reversed(texts.items()):  # the config last: once it is there, all that it names is
        write_atomically(path, text.encode(), WAY_OUT)
    print_result("\n".join(map(str, texts)))
    if not quiet:
        _tell_next(template, *texts)


def _check_name(file: Path) -> None:
    if os.path.lexists(file) and file.is_dir():
        fault = Fault("FILE", expected="a file", got="a folder", fix=f"name a file in it: {file / 'lrfind.yaml'}")
    elif file.suffix not in (".yaml", ".yml"):
        fix = f"name it {file.with_suffix('.yaml')}"
        fault = Fault("FILE", expected="a name that ends in .yaml", got=str(file), fix=fix)
    elif not str(file).isprintable():  # it is written into the config, and printed as one line
        fault = Fault("FILE", expected="a name that can be printed", got=repr(str(file)), fix="choose another name")
    else:
        return
    raise ConfigError("lrfind init", [fault])


def _texts(template: Template, file: Path) -> dict[Path, str]:
    """Return what to write at which path: the config, then its module."""
    shipped = f"{template}_model"
    config = (TEMPLATES / f"{template}.yaml").read_text(encoding="utf-8")
    config = config.replace(shipped, _module(file)).replace(f"{template}.yaml", shlex.quote(str(file)))
    code = (TEMPLATES / f"{shipped}.py").read_text(encoding="utf-8")
    return {file: config, file.with_name(f"{_module(file)}.py"): code}


def _of_table(config: str, template: Template, file: Path, table: Path | None, target: str | None) -> tuple[str, str]:
    """Return the config of the template mlp for a table, whose columns decide layers and loss, and what is said."""
    if template != "mlp" or table is None:
        expected = "--template mlp" if table is not None else "--csv FILE beside it"
        flag = "--csv" if table is not None else "--target"
        raise ConfigError("lrfind init", [Fault(flag, expected=expected, got="none", fix="add it")])
    spec = importlib.util.spec_from_file_location("mlp_model", TEMPLATES / "mlp_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)  # as data: its code is that of the user's module
    spec.loader.exec_module(module)
    try:
        features, wanted = module.table(str(table), target).tensors
    except (OSError, ValueError) as error:
        raise ConfigError("lrfind init", [Fault("--csv", problem=str(error))]) from error
    quantity = wanted.is_floating_point()
    place = json.dumps(os.path.relpath(table, file.parent))
    lines = {
        r"    # file: .*\n": f"    file: {place}\n",
        r"    # target: .*\n": "" if target is None else f"    target: {json.dumps(target)}\n",
        r"in_features: 64": f"in_features: {features.shape[1]}",
        r"out_features: 10": f"out_features: {1 if quantity else int(wanted.max()) + 1}",
        r"_target_: torch.nn.CrossEntropyLoss": f"_target_: torch.nn.{'MSELoss' if quantity else 'CrossEntropyLoss'}",
    }
    for old, new in lines.items():
        config = re.sub(old, new.replace("\\", r"\\"), config, count=1)
    kind = "a quantity" if quantity else f"one of {int(wanted.max()) + 1} classes"
    said = f"{table}: {len(wanted)} rows, {features.shape[1]} features; {target or 'the last column'} is {kind}"
    return config, said


def _module(file: Path) -> str:
    """Return the name of the module beside a config.

    It is not the bare name of the config: `lrfind.py` or `torch.py` would hide the package of that name.
    """
    name = re.sub(r"\W", "_", file.stem, flags=re.ASCII)
    return f"_{name}_model" if name[0].isdigit() else f"{name}_model"


def _check_free(paths: list[Path], *, force: bool) -> None:
    faults = []
    for path in filter(os.path.lexists, paths):
        if path.is_dir():
            faults.append(Fault(str(path), problem="is a folder", fix="name another FILE"))
        elif not force:
            fix = "name another FILE, or replace it with --force"
            faults.append(Fault(str(path), problem="exists already", fix=fix))
    if faults:
        raise ConfigError("lrfind init", faults)


def _tell_next(template: Template, config: Path, module: Path) -> None:
    tell(f"wrote the template {template}: your settings go to {config}, your code to {module}")
    package = NEEDS.get(template)
    if package and importlib.util.find_spec(package) is None:
        tell(f"{package} is not installed; first: {how_to_install(package)}")
    tell(f"Next: lrfind run {shlex.quote(str(config))}")
