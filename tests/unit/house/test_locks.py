"""pyproject.toml and the lock files say the same, every pin has its hashes, and nothing is locked that nobody needs."""

import functools
import importlib
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import floors
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[3]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROGRAMS = ROOT / ".venv-programs" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Pin:
    """One entry of a lock file."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> Version:
        (only,) = self.requirement.specifier
        return Version(only.version)

    @property
    def applies_here(self) -> bool:
        return self.requirement.marker is None or self.requirement.marker.evaluate()


def parse(text: str) -> list[Pin]:
    """The pins of a lock file; ValueError for a line that is no pin, such as an index address or a local path."""
    pins = []
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    for entry in " \n".join(lines).replace("\\ \n", " ").splitlines():
        requirement, *hashes = re.split(r"\s--hash=", entry.strip())
        pin = Pin(Requirement(requirement), tuple(found.strip() for found in hashes))
        if pin.requirement.url or [one.operator for one in pin.requirement.specifier] != ["=="]:
            raise ValueError(f"{requirement} is no pin")
        if not pin.hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in pin.hashes):
            raise ValueError(f"{requirement} has no usable hash")
        pins.append(pin)
    return pins


def group(name: str) -> list[str]:
    """A dependency group with the groups it includes."""
    found: list[str] = []
    for entry in PYPROJECT["dependency-groups"][name]:
        found += [entry] if isinstance(entry, str) else group(entry["include-group"])
    return found


RUNTIME: list[str] = PYPROJECT["project"]["dependencies"]
WANTED = {
    "requirements.txt": [*RUNTIME, *group("build"), *group("sandbox"), *PYPROJECT["build-system"]["requires"]],
    "requirements-dev.txt": [*RUNTIME, *group("dev"), *PYPROJECT["build-system"]["requires"]],
    "requirements-programs.txt": group("programs"),
}
LOCKS = {name: parse((ROOT / name).read_text(encoding="utf-8")) for name in WANTED}


def unmet(wanted: Iterable[str], pins: list[Pin]) -> Iterator[str]:
    for text in wanted:
        requirement = Requirement(text)
        found = [pin for pin in pins if pin.name == canonicalize_name(requirement.name)]
        if not found or not all(requirement.specifier.contains(pin.version, prereleases=True) for pin in found):
            yield text


def unreachable(wanted: Iterable[str], pins: list[Pin], path: list[str]) -> set[str]:
    """The pins for this machine that nothing wanted leads to, by the metadata of what is installed on `path`."""
    installed = {
        canonicalize_name(one.metadata["Name"]): one.requires or []
        for one in importlib.metadata.distributions(path=path)
    }
    here = {pin.name for pin in pins if pin.applies_here}
    missing = here - set(installed)
    if missing:
        pytest.skip(f"not installed, so what they need can't be known: {', '.join(sorted(missing))}; run script/test")
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [Requirement(text) for text in wanted]
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen or key[0] not in installed:
            continue
        seen.add(key)
        for text in installed[key[0]]:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": one}) for one in ("", *key[1])):
                todo.append(needed)
    return here - {name for name, _ in seen}


@pytest.mark.parametrize("name", LOCKS)
def test_every_dependency_is_pinned_to_a_version_that_meets_it(name: str) -> None:
    assert list(unmet(WANTED[name], LOCKS[name])) == []


@pytest.mark.parametrize("name", LOCKS)
def test_nothing_is_locked_that_nobody_needs(name: str) -> None:
    path = [str(PROGRAMS / "site-packages")] if "programs" in name else sys.path
    assert unreachable(WANTED[name], LOCKS[name], path) == set()


def test_the_tools_are_locked_around_the_versions_of_the_product() -> None:
    tools = {(str(pin.requirement), pin.hashes) for pin in LOCKS["requirements-dev.txt"]}
    assert {(str(pin.requirement), pin.hashes) for pin in LOCKS["requirements.txt"]} <= tools


@pytest.mark.parametrize("name", LOCKS)
def test_no_name_is_pinned_twice_for_one_machine(name: str) -> None:
    here = [pin.name for pin in LOCKS[name] if pin.applies_here]
    assert len(here) == len(set(here))


@functools.cache
def distributions() -> Mapping[str, list[str]]:
    """The packages that brought each module that can be imported."""
    return importlib.metadata.packages_distributions()


@pytest.mark.parametrize("text", RUNTIME)
def test_every_runtime_dependency_can_be_imported(text: str) -> None:
    name = canonicalize_name(Requirement(text).name)
    modules = [
        module
        for module, owners in distributions().items()
        if name in map(canonicalize_name, owners) and module.isidentifier() and not module.startswith("_")
    ]
    assert modules
    for module in modules:
        importlib.import_module(module)


def test_every_vendor_named_in_src_is_a_dependency_of_its_own() -> None:
    """A package that only comes along with another may leave with it."""
    declared = {canonicalize_name(Requirement(text).name) for text in (*RUNTIME, *group("sandbox"))}
    owners = distributions()
    used = {
        imported.target.partition(".")[0]
        for path in (ROOT / "src").rglob("*.py")
        for imported in floors.imports(path.read_text(encoding="utf-8"), "cluster_bot.x.y", False)
    }
    vendors = used & set(owners) - sys.stdlib_module_names - {"cluster_bot", "cluster_runner", "cluster_sandbox"}
    assert {name for name in vendors if not declared & set(map(canonicalize_name, owners[name]))} == set()


HASH = "--hash=sha256:" + "0" * 64
BAD = [
    f"-i https://index.invalid/simple\na==1 {HASH}",
    f"--find-links /somewhere\na==1 {HASH}",
    f"a @ file:///somewhere/a.whl {HASH}",
    f"a>=1 {HASH}",
    "a==1",
    "a==1 --hash=md5:00",
    "-e .",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_hashed_pin_is_seen(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_a_pin_that_meets_nothing_is_seen() -> None:
    pins = parse(f"a==1 \\\n    {HASH} \\\n    {HASH}\n    # via b\nb-c==2 ; python_full_version >= '3.11' {HASH}\n")
    assert [len(pin.hashes) for pin in pins] == [2, 1]
    assert list(unmet(["a>=1", "B_c<3"], pins)) == []
    assert list(unmet(["a>=2", "d"], pins)) == ["a>=2", "d"]


def test_a_pin_that_nobody_needs_is_seen() -> None:
    pins = parse(f"pytest==9 {HASH}\npluggy==1 {HASH}\niniconfig==1 {HASH}\nruff==1 {HASH}")
    assert unreachable(["pytest"], pins, sys.path) == {"ruff"}
