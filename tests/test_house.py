"""The rules of the house (ARCHITECTURE.md) hold: who imports whom, how long a file is, what must not be in the tree."""

from __future__ import annotations

import ast
import json
import re
import statistics
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 600  # lines of a file
JUPYTER = {"IPython", "anywidget", "bokeh", "clew_widgets", "ipykernel", "ipywidgets", "jupyterlab", "traitlets"}

# Rooms of kit/clew from left to right: a module imports at its head only from its own room and those to the left.
ROOMS = [
    {"", "errors", "ops", "units", "cells", "_native"},
    {"lens", "native", "store"},
    {"case"},
    {"symbols"},
    {"recipes"},
    {"capture"},
    {"ingest"},
    {"protocols"},
    {"causal"},
    {"questions"},
    {"export", "watch", "collect"},
    {"commands", "demo"},
    {"__main__"},
]
# What is imported inside a function although it stands to the right: the two ways in, used when called.
WAYS_IN = {
    ("case", "ingest"): "opening a case reads what is new",
    ("case", "causal"): "case.trace()",
    ("case", "clew_widgets"): "case.explore()",
    ("", "case"): "clew.open()",
    ("ingest", "causal"): "clocks of other machines are put right when they are read",
    ("", "clew_widgets"): "%load_ext clew",
    ("commands", "clew_widgets"): "clew report",
    ("recipes", "capture"): "recipes.run()",
}


def tracked(*patterns: str) -> list[Path]:
    """Files that git tracks, or would if added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def room(module: str) -> str:
    """'clew.questions.counts' -> 'questions'; 'clew' -> ''."""
    return [*module.split("."), ""][1]


def rank(name: str) -> int:
    return next(number for number, names in enumerate(ROOMS) if name in names)


def module_of(path: Path) -> str:
    folder = "kit" if (ROOT / "kit") in path.parents else "widgets"
    parts = path.relative_to(ROOT / folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    """Whether the second part of 'clew.x' is a module, not a name in clew/__init__.py."""
    path = ROOT / "kit/clew" / room(name)
    return path.is_dir() or path.with_suffix(".py").exists()


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, at the head of the file) of each import that runs; those under TYPE_CHECKING do not."""
    found = []

    def walk(node: ast.AST, head: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, head) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            found.extend((f"{base}.{alias.name}" if base == "clew" else base, head) for alias in node.names)
        inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            walk(child, head and not inside)

    walk(ast.parse(path.read_text()), True)
    return found


def test_kit_imports_point_left() -> None:
    wrong = []
    for path in tracked("kit/**.py"):
        here = room(module_of(path))
        for module, head in imports(path):
            top = module.split(".")[0]
            if top == "clew_widgets" and ((here, "clew_widgets") not in WAYS_IN or head):
                wrong.append(f"{path.relative_to(ROOT)}: {module}")
            if top != "clew" or not is_module(module):
                continue
            there = room(module)
            if rank(there) > rank(here) and ((here, there) not in WAYS_IN or head):
                wrong.append(f"{path.relative_to(ROOT)}: {module}")
    assert not wrong, "imports that point to the right:\n" + "\n".join(wrong)


def test_native_code_is_called_in_one_module() -> None:
    files = tracked("kit/**.py", "widgets/**.py")
    users = {room(module_of(path)) for path in files for name, _ in imports(path) if name.split(".")[0] == "ctypes"}
    assert users == {"native"}


def test_clew_imports_no_jupyter() -> None:
    """Every module of the kit can be imported without a Jupyter package coming along."""
    modules = sorted(module_of(path) for path in tracked("kit/**.py"))
    code = (
        "import importlib, json, sys\n"
        f"[importlib.import_module(name) for name in {[m for m in modules if not m.endswith('__main__')]!r}]\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    loaded = set(json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout))
    assert "clew" in loaded and not loaded & JUPYTER


def test_widgets_hold_no_sql_and_no_native_code() -> None:
    sql = re.compile(r"\bSELECT\b[^\"']*\bFROM\b")
    wrong = [str(path) for path in tracked("widgets/**.py") if sql.search(path.read_text())]
    assert not wrong


def test_files_are_short() -> None:
    files = tracked("*.py", "*.c", "*.h", "*.S", "*.js", "*.css", "*.sql", "*.sh")
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    long = {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > LONGEST}
    assert not long
    assert statistics.median(lengths.values()) <= 120


def test_c_files_say_what_they_are() -> None:
    files = tracked("native/**.c", "native/**.h")
    assert files
    heads = {path: path.read_text()[:600] for path in files}
    unnamed = [
        str(p) for p, head in heads.items() if "SPDX-License-Identifier: Apache-2.0" not in head or "@brief" not in head
    ]
    assert not unnamed, unnamed


def test_python_modules_say_their_idea_in_one_line() -> None:
    silent = []
    for path in tracked(
        "kit/**.py", "widgets/**.py", "tests/**.py", "benchmarks/**.py", "datasets/**.py", "scripts/**.py"
    ):
        said = ast.get_docstring(ast.parse(path.read_text()))
        if not said:
            silent.append(str(path.relative_to(ROOT)))
    assert not silent


def test_notebooks_are_committed_without_outputs() -> None:
    notebooks = tracked("notebooks/*.ipynb")
    assert notebooks
    for path in notebooks:
        notebook = json.loads(path.read_text())
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells), path
        assert "widgets" not in notebook["metadata"], path


def test_no_machine_paths_in_the_tree() -> None:
    """Neither where this clone lies nor whose home it is; looked for by what they are here, named nowhere."""
    secrets = [bytes(f"{path}/", "utf-8") for path in (ROOT.parent, Path.home()) if len(path.parts) > 1]
    generic = {b"/tmp/", b"/home/", b"/usr/", b"/opt/", b"/srv/", b"/var/"}
    wrong = [
        str(path.relative_to(ROOT))
        for path in tracked()
        for secret in secrets
        if secret not in generic and secret in path.read_bytes()
    ]
    assert not wrong


def test_every_test_folder_is_run() -> None:
    """A folder of tests without a test file, or a test file that pytest would not find, is a check nobody makes."""
    for folder in sorted({path.parent for path in tracked("tests/**.py")}):
        names = [path.name for path in folder.glob("*.py")]
        stray = [name for name in names if re.search(r"^def test_", (folder / name).read_text(), re.MULTILINE)]
        assert all(name.startswith("test_") for name in stray), (folder, stray)


def test_nothing_is_skipped_but_for_want_of_root() -> None:
    skip = re.compile(r"mark\.(skip|skipif|xfail)\b|pytest\.(skip|importorskip)\(")
    lines = [
        line for path in tracked("tests/**.py") if path != Path(__file__) for line in path.read_text().splitlines()
    ]
    assert not [line for line in lines if skip.search(line) and "skipif(os.geteuid() != 0," not in line]


def test_library_is_installed_and_exports_wrappers() -> None:
    library = resources.files("clew._native") / "libclew.so"
    assert library.is_file(), "libclew.so was not built: make native"
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], check=True, capture_output=True, text=True
    ).stdout
    exported = {line.split()[-1].split("@")[0] for line in listing.splitlines()}
    wanted = """
        read write readv writev pread pread64 pwrite pwrite64 preadv preadv64 pwritev pwritev64 preadv2
        preadv64v2 pwritev2 pwritev64v2 __read_chk __pread_chk __pread64_chk recv recvfrom recvmsg recvmmsg
        __recv_chk __recvfrom_chk send sendto sendmsg sendmmsg sendfile sendfile64 splice copy_file_range
        open open64 openat openat64 __open_2 __open64_2 __openat_2 __openat64_2 creat creat64 close dup dup2
        dup3 fcntl fcntl64 pipe pipe2 socket socketpair bind listen accept accept4 connect shutdown eventfd
        poll __poll_chk ppoll __ppoll_chk select pselect epoll_wait epoll_pwait epoll_pwait2 fork vfork
        clone execve execveat fexecve execl execle execlp execv execvp execvpe posix_spawn posix_spawnp
        _exit _Exit exit abort pthread_create pthread_join fopen fopen64 fclose fread fwrite fflush
        __fread_chk fsync fdatasync malloc calloc realloc reallocarray posix_memalign aligned_alloc memalign
        valloc pvalloc free
    """.split()
    missing = sorted(set(wanted) - exported)
    assert not missing
    strange = sorted(
        name for name in exported if name not in wanted and re.match(r"(ring|conn|thread|call|slot|arena)_?", name)
    )
    assert not strange, "internal names that a program could collide with"


def binder_dockerfile() -> str:
    command = [str(Path(sys.executable).with_name("jupyter-repo2docker")), "--no-build", "--debug", "."]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def test_binder_will_use_our_environment() -> None:
    dockerfile = binder_dockerfile()
    assert re.search(r"env update -p \$\{NB_PYTHON_PREFIX\} --file \"?environment.yml", dockerfile)
    assert "RUN ./postBuild" in dockerfile
    copied, built = dockerfile.index("COPY --chown=0:0 src/environment.yml"), dockerfile.index("RUN ./postBuild")
    assert copied < dockerfile.index("env update") < built, "dependencies come in a layer of their own"


def test_binder_has_every_dependency() -> None:
    """environment.yml repeats what pyproject.toml names: they must not drift apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {*project["dependencies"], *extras["demo"], *extras["lab"]} - {"ipykernel>=6"}  # comes with JupyterLab
    listed = set(re.findall(r"^ {6}- (.+)$", (ROOT / "environment.yml").read_text(), re.MULTILINE))
    assert wanted <= listed, wanted - listed


@pytest.mark.parametrize("target", ["demo", "test", "lab", "bench", "lint"])
def test_make_help_names_the_target(target: str) -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert re.search(rf"^  make {target} +\S", shown, re.MULTILINE)
