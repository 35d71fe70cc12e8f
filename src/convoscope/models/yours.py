"""Your own Python file as an architecture: path/to/file.py:factory, with its arguments as options.

A factory is called as factory(shape, n_classes, **options) and gives an nn.Module; a class of modules is one too. The
file is executed, so this is for files that whoever asks has named: nothing here is given what came with a run.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import hashlib
import importlib
import inspect
import re
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn

from convoscope.errors import ConvoscopeError, ModelError, RecipeError
from convoscope.models.described import USUAL
from convoscope.models.registry import Architecture, InputShape
from convoscope.shape import UNKNOWN, Trees, Words

SUFFIX = ".py"
_SPELLING = re.compile(r"(?P<path>.+\.py)(?::(?P<factory>[^:/\\]*))?$", re.IGNORECASE)
_OPTION_KINDS = (bool, int, float, str, tuple[int, ...])
_CALLED_WITH = ("shape", "n_classes")
_EXAMPLE = "A factory is def make(shape, n_classes): ... and gives an nn.Module."
_one_at_a_time = threading.RLock()  # sys.path and sys.modules are the process's own
_loaded: dict[tuple[Path, str], Loaded] = {}


@dataclass(frozen=True)
class Yours(Architecture):
    """An architecture whose code is a file of the user's.

    Attributes:
        path: The file, from the root of the disk.
        factory: The name in it.
        files: The bytes of the file and of those beside it that it imported, by their path from its folder.
    """

    path: Path = Path()
    factory: str = ""
    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each of `files`."""
        return {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}


@dataclass(frozen=True)
class Loaded:
    """A file that has been executed.

    Attributes:
        path: Where it lies.
        module: Its names.
        beside: The modules of its folder that it imported, by name.
        sources: The bytes of its own source and of theirs, by their path from the folder, as they were executed.
    """

    path: Path
    module: types.ModuleType
    beside: dict[str, types.ModuleType]
    sources: dict[str, bytes]

    @property
    def is_current(self) -> bool:
        """Whether the sources on the disk are still those that were executed."""
        try:
            return all((self.path.parent / name).read_bytes() == source for name, source in self.sources.items())
        except OSError:
            return False

    @contextlib.contextmanager
    def at_home(self) -> Iterator[None]:
        """Within it, imports find what lies beside the file; after it, no other file does."""
        folder = str(self.path.parent)
        with _one_at_a_time:
            before = dict(sys.modules)
            sys.modules.update(self.beside)
            sys.path.insert(0, folder)
            importlib.invalidate_caches()
            try:
                with contextlib.redirect_stdout(sys.stderr):  # stdout may be read by a machine
                    yield
            finally:
                with contextlib.suppress(ValueError):
                    sys.path.remove(folder)
                self._take_home(before)

    def _take_home(self, before: Mapping[str, types.ModuleType]) -> None:
        """Takes the folder's modules out of the process's list again, and keeps what they were made from."""
        for name, module in list(sys.modules.items()):
            if name in self.beside or (name not in before and _was_found_in(self.path.parent, name, module)):
                self.beside[name] = module
                sys.modules.pop(name)
                source = Path(getattr(module, "__file__", None) or "")
                if source.suffix == SUFFIX and source.is_file():
                    self.sources.setdefault(source.relative_to(self.path.parent).as_posix(), source.read_bytes())
        sys.modules.update({name: before[name] for name in self.beside if name in before})


def is_python(name: str) -> bool:
    """Whether a model's name is the path of a Python file: "net.py:make", or "net.py" with the factory forgotten."""
    return _SPELLING.match(name) is not None


def read_python(name: str) -> Yours:
    """Executes the file and gives the architecture whose factory it has.

    Raises:
        ModelError: no such file or factory, an error in the file, or a factory that cannot be called.
    """
    match = _SPELLING.match(name)
    assert match is not None
    path = Path(match["path"]).expanduser().resolve()
    content = _content(path, match["path"])
    if not match["factory"]:
        names = _names_in(content)
        hint = f"It has: {', '.join(names[:8])}." if names else _EXAMPLE
        raise ModelError(f"{name} names no factory; it is written {path.name}:NAME.", hint=hint)
    loaded = _load(path, content)
    factory = getattr(loaded.module, match["factory"], None)
    if factory is None:
        names = [key for key in vars(loaded.module) if key in _names_in(content)]
        near = difflib.get_close_matches(match["factory"], names, n=3, cutoff=0.5)
        guess = f"Did you mean {' or '.join(near)}?" if near else f"It has: {', '.join(names[:8])}." if names else ""
        raise ModelError(f"{path.name} has nothing called {match['factory']!r}.", hint=guess or _EXAMPLE)
    title = f"{path.name}:{match['factory']}"
    if not callable(factory) or isinstance(factory, nn.Module):
        kind = "a network that is built already" if isinstance(factory, nn.Module) else f"a {type(factory).__name__}"
        raise ModelError(f"{title} is {kind}, which cannot be called with a shape and classes.", hint=_EXAMPLE)
    with loaded.at_home():
        options = _options(factory, title)
    doc = inspect.getdoc(factory) or ""
    return Yours(
        make=partial(_make, loaded, factory, title),
        options=options,
        summary=doc.split("\n")[0].strip() or f"Made by {match['factory']} in {path.name}.",
        taught="",
        year=0,
        paper="",
        recipe=USUAL,
        takes=("images", "texts", "trees"),
        path=path,
        factory=match["factory"],
        files=loaded.sources,
    )


def _content(path: Path, spelt: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"There is no file {spelt}.", hint=f"It was looked for at {path}.") from None
    except OSError as error:
        raise ModelError(f"{spelt} cannot be read: {error.strerror}.") from None


def _names_in(content: bytes) -> list[str]:
    """The functions and classes at the top of a source, read and not executed."""
    try:
        body = ast.parse(content).body
    except (SyntaxError, ValueError):
        return []
    return [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_"]


def _load(path: Path, content: bytes) -> Loaded:
    """The file, executed; once, as long as neither it nor what it imported beside it has changed."""
    digest = hashlib.sha256(content).hexdigest()
    with _one_at_a_time:
        known = _loaded.get((path, digest))
        if known is not None and known.is_current:
            return known
        # A name of its own: two files called net.py are two modules.
        module = types.ModuleType(f"convoscope_yours_{path.stem}_{digest[:16]}")
        module.__file__ = str(path)
        loaded = Loaded(path, module, {}, {path.name: content})
        sys.modules[module.__name__] = module  # dataclasses and pickles look their module up there
        try:
            with loaded.at_home(), _told(path.parent, path.name):
                exec(compile(content, str(path), "exec"), module.__dict__)  # noqa: S102 - the user's own file, as asked
        except BaseException:
            del sys.modules[module.__name__]
            raise
        _loaded[path, digest] = loaded
        return loaded


@contextlib.contextmanager
def _told(folder: Path, title: str) -> Iterator[None]:
    """Turns an error of the user's code into one sentence: which, where, and what it says."""
    try:
        yield
    except ConvoscopeError:
        raise
    except SyntaxError as error:
        place = f"{Path(error.filename or title).name}:{error.lineno}"
        raise ModelError(f"{title} is no Python: {place}: {error.msg}.", hint=(error.text or "").strip()) from error
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        last = next((frame for frame in reversed(frames) if _is_users(Path(frame.filename), folder)), None)
        said = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        place = f" at {Path(last.filename).name}:{last.lineno}" if last else ""
        raise ModelError(
            f"{title} raised {type(error).__name__}{place}{': ' + said if said else ''}.",
            hint=f"The line: {last.line}" if last and last.line else "",
        ) from error


def _is_users(file: Path, folder: Path) -> bool:
    """Whether a file below the folder is the user's own, not an installed package or this one."""
    house = Path(__file__).parents[1]
    installed = {"site-packages", "dist-packages"} & set(file.parts)
    return file.is_relative_to(folder) and not installed and not file.is_relative_to(house)


def _make(
    loaded: Loaded, factory: Callable[..., Any], title: str, shape: InputShape, n_classes: int, options: object
) -> nn.Module:
    """The network that the factory gives, tried on two examples of zeros."""
    fields = dataclasses.fields(options)  # type: ignore[arg-type]  # a dataclass made here
    given = {item.name: getattr(options, item.name) for item in fields}
    for item in fields:
        choices = item.metadata.get("choices", ())
        if choices and given[item.name] not in choices:
            raise RecipeError(
                f"The option {item.name} of {title} was given {given[item.name]!r}; it is one of "
                f"{', '.join(map(str, choices))}."
            )
    folder = loaded.path.parent
    with loaded.at_home(), _told(folder, title):
        model = factory(shape, n_classes, **given)
    if not isinstance(model, nn.Module):
        raise ModelError(f"{title} gave a {type(model).__name__}; it has to give an nn.Module.", hint=_EXAMPLE)
    x = _zeros(shape)
    # Not at home: an import in forward would find nothing in training either.
    with _told(folder, f"The network of {title}, given zeros of {_shaped(x.shape)},"):
        output = _tried(model, x)
    _check(model, output, n_classes, title)
    vars(model)["source_digest"] = _digest(loaded.sources)  # networks that print alike may differ in their code
    return model


def _digest(sources: Mapping[str, bytes]) -> str:
    return hashlib.sha256(b"".join(name.encode() + b"\0" + sources[name] for name in sorted(sources))).hexdigest()


def _tried(model: nn.Module, x: Tensor) -> object:
    """What the network puts out in eval mode; its modes and the state of the random numbers stay as they were."""
    modes = {module: module.training for module in model.modules()}
    device = next((parameter.device for parameter in model.parameters()), x.device)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            return model.eval()(x.to(device))
    finally:
        for module, training in modes.items():
            module.training = training


def _check(model: nn.Module, output: object, n_classes: int, title: str) -> None:
    if not isinstance(output, Tensor):
        raise ModelError(
            f"The network of {title} puts out a {type(output).__name__}; it has to be one tensor of logits "
            f"(N, {n_classes}).",
        )
    if tuple(output.shape) != (2, n_classes):
        raise ModelError(
            f"The network of {title} puts out {_shaped(output.shape)} for a batch of 2; a classifier of {n_classes} "
            f"classes has to put out {_shaped((2, n_classes))}.",
            hint="Let its last layer have n_classes outputs, and flatten what is before it.",
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError(f"The network of {title} has no parameters that can be trained.", hint=_EXAMPLE)
    for name, value in (*model.named_parameters(), ("its output", output)):
        if value.dtype != torch.float32:
            dtype = str(value.dtype).removeprefix("torch.")
            raise ModelError(f"In the network of {title} {name} is {dtype}; training keeps float32.",
                             hint="Leave the number format to --precision.")  # fmt: skip


def _zeros(shape: InputShape) -> Tensor:
    """Two examples: images of zeros, or texts of one unknown word."""
    if isinstance(shape, Words):
        return torch.full((2, shape.length), UNKNOWN)
    if isinstance(shape, Trees):
        trees = torch.zeros(2, shape.n_levels, shape.width, 3, dtype=torch.int64)
        trees[:, -1, 0, 0] = UNKNOWN
        return trees
    return torch.zeros(2, *shape)


def _options(factory: Callable[..., Any], title: str) -> type:
    """The dataclass of the factory's arguments behind (shape, n_classes), typed as they are annotated.

    Raises:
        ModelError: it does not take the two, or takes another that has no default.
    """
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):
        raise ModelError(f"{title} does not tell its arguments.", hint=_EXAMPLE) from None
    several = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    placed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(placed) < 2 and not several:
        raise ModelError(
            f"{title} takes {len(placed)} of the two arguments that it is called with: ({', '.join(_CALLED_WITH)}).",
            hint=_EXAMPLE,
        )
    hints = _hints(factory)
    fields: list[tuple[str, Any, Any]] = []
    for parameter in [p for p in parameters if p not in several and p.kind is not p.VAR_KEYWORD]:
        if parameter in placed[:2]:
            continue
        if parameter.default is parameter.empty:
            raise ModelError(
                f"The argument {parameter.name} of {title} has no default, so nothing gives it a value.",
                hint=f"Give it one, like {parameter.name}: int = 16.",
            )
        kind, choices = _kind(hints.get(parameter.name, type(parameter.default)))
        if kind is None or parameter.kind is parameter.POSITIONAL_ONLY:
            continue  # the factory's own business: it keeps its default
        told = _told_of(factory, parameter.name) or f"the argument {parameter.name} of {title}"
        metadata = {"help": told, "choices": choices} if choices else {"help": told}
        default = tuple(parameter.default) if isinstance(parameter.default, list) else parameter.default
        fields.append((parameter.name, kind, dataclasses.field(default=default, metadata=metadata)))
    return dataclasses.make_dataclass("YourOptions", fields, frozen=True)


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    annotated = factory.__init__ if isinstance(factory, type) else factory  # type: ignore[misc]
    try:
        return get_type_hints(annotated)
    except (NameError, TypeError, AttributeError):
        return {}


def _kind(annotation: object) -> tuple[Any, tuple[Any, ...]]:
    """The type that an option has, and its choices; None for one that cannot be typed on a command line."""
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return _kind(parts[0]) if len(parts) == 1 else (None, ())
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
        return (type(choices[0]), choices) if len({type(choice) for choice in choices}) == 1 else (None, ())
    if annotation in (list[int], tuple[int, int]):
        return tuple[int, ...], ()
    return (annotation, ()) if annotation in _OPTION_KINDS else (None, ())


def _told_of(factory: Callable[..., Any], name: str) -> str:
    """What the docstring's Args say of an argument, in one line; "" for nothing."""
    doc = "\n".join(filter(None, (inspect.getdoc(factory), inspect.getdoc(getattr(factory, "__init__", None)))))
    match = re.search(rf"^\s+{re.escape(name)}(?:\s*\([^)]*\))?:\s*(.+)$", doc, re.MULTILINE)
    return match[1].strip() if match else ""


def _was_found_in(folder: Path, name: str, module: types.ModuleType) -> bool:
    """Whether a module was imported from this folder, not from a package that happens to lie below it."""
    place = folder.joinpath(*name.split("."))
    file = getattr(module, "__file__", None)
    if file is None:  # a folder of modules without __init__.py
        return str(place) in map(str, getattr(module, "__path__", ()))
    return Path(file) in (place.with_name(place.name + SUFFIX), place / "__init__.py")


def _shaped(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
