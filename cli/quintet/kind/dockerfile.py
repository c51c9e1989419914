"""What an image is made from: the part of a Dockerfile that a target needs, and the files that it copies."""

import hashlib
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quintet.progress import UserError


@dataclass
class BuildStage:
    """One ``FROM … AS name`` of a Dockerfile with the instructions below it."""

    name: str
    base: str
    instructions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Dockerfile:
    """A parsed Dockerfile: the instructions before the first stage, and the stages in order."""

    path: Path
    preamble: list[str]
    stages: list[BuildStage]

    @classmethod
    def parse(cls, path: Path) -> "Dockerfile":
        """Read a Dockerfile; comments and line breaks inside an instruction do not count."""
        preamble: list[str] = []
        stages: list[BuildStage] = []
        for instruction in _instructions(path.read_text(encoding="utf-8")):
            words = instruction.split()
            if words[0].upper() == "FROM":
                operands = [word for word in words[1:] if not word.startswith("--")]
                name = operands[2] if len(operands) == 3 else str(len(stages))
                stages.append(BuildStage(name, operands[0], [instruction]))
            elif stages:
                stages[-1].instructions.append(instruction)
            else:
                preamble.append(instruction)
        return cls(path, preamble, stages)

    def needed(self, target: str | None) -> list[BuildStage]:
        """Return the stages that a target (by default the last one) is built from, itself included.

        Raises:
            UserError: when the Dockerfile has no such target.
        """
        by_name = {stage.name: stage for stage in self.stages}
        last = target or self.stages[-1].name
        if last not in by_name:
            raise UserError(f"{self.path} has no target {last}; it has {', '.join(by_name)}.")
        wanted, waiting = set[str](), [last]
        while waiting:
            name = waiting.pop()
            if name in by_name and name not in wanted:
                wanted.add(name)
                stage = by_name[name]
                waiting += [
                    stage.base,
                    *re.findall(r"(?:--from=|[,=]from=)([\w.-]+)", " ".join(stage.instructions)),
                ]
        return [stage for stage in self.stages if stage.name in wanted]

    def digest(
        self,
        target: str | None,
        context: Path,
        arguments: Mapping[str, str],
        only: Collection[Path] | None = None,
    ) -> str:
        """Return 12 hexadecimal digits of the sha256 over all that a target is made from.

        Args:
            target: name of the stage, or None for the last one.
            context: root of the build context, with its ``.dockerignore``.
            arguments: build arguments; the tag of the image below is one of them.
            only: of the files that are copied from the context, those that have a part in the image, where
                a stage picks them; by default all have.
        """
        hashed = hashlib.sha256()
        ignored = _IgnoreRules.read(context / ".dockerignore")
        stages = self.needed(target)
        for text in (*(f"{name}={value}" for name, value in sorted(arguments.items())), *self.preamble):
            hashed.update(text.encode() + b"\0")
        for instruction in (line for stage in stages for line in stage.instructions):
            hashed.update(instruction.encode() + b"\0")
            for source in _copied(instruction, arguments):
                for path in _files(context, source, ignored):
                    if only is not None and path not in only:
                        continue
                    executable = path.stat().st_mode & 0o111 != 0
                    hashed.update(f"{path.relative_to(context)}\0{executable}\0".encode())
                    hashed.update(hashlib.sha256(path.read_bytes()).digest())
        return hashed.hexdigest()[:12]


def _instructions(text: str) -> Iterator[str]:
    pending = ""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        pending += stripped.removesuffix("\\")
        if not stripped.endswith("\\"):
            yield pending
            pending = ""


def _copied(instruction: str, arguments: Mapping[str, str]) -> list[str]:
    """Return the sources that a COPY or ADD takes from the context, with build arguments in place."""
    words = shlex.split(instruction)
    if words[0].upper() not in ("COPY", "ADD") or any(word.startswith("--from=") for word in words):
        return []
    sources = [word for word in words[1:-1] if not word.startswith("--")]
    return [re.sub(r"\$\{?(\w+)\}?", lambda name: arguments.get(name[1], name[0]), word) for word in sources]


def _files(context: Path, source: str, ignored: "_IgnoreRules") -> list[Path]:
    """Return the files below a source, which may be a pattern, in a stable order.

    Raises:
        UserError: when nothing matches.
    """
    found = sorted(context.glob(source.strip("/"))) if source.strip("/.") else [context]
    if not found:
        raise UserError(f"COPY {source}: there is no such file in {context}.")
    files = (path for root in found for path in ([root] if root.is_file() else sorted(root.rglob("*"))))
    return [
        path for path in files if path.is_file() and not ignored.match(path.relative_to(context).as_posix())
    ]


@dataclass(frozen=True)
class _IgnoreRules:
    """The rules of a ``.dockerignore``: the last one that matches a path or a folder above it decides."""

    rules: list[tuple[re.Pattern[str], bool]]

    @classmethod
    def read(cls, path: Path) -> "_IgnoreRules":
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        texts = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return cls(
            [(_pattern(text.removeprefix("!").strip("/")), not text.startswith("!")) for text in texts]
        )

    def match(self, path: str) -> bool:
        parts = path.split("/")
        prefixes = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        ignored = False
        for pattern, verdict in self.rules:
            if any(pattern.fullmatch(prefix) for prefix in prefixes):
                ignored = verdict
        return ignored


def _pattern(text: str) -> re.Pattern[str]:
    expression = ""
    for piece in re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]*])", text):
        match piece:
            case "**/":
                expression += "(?:.*/)?"
            case "**":
                expression += ".*"
            case "*":
                expression += "[^/]*"
            case "?":
                expression += "[^/]"
            case _ if piece.startswith("["):
                expression += piece
            case _:
                expression += re.escape(piece)
    return re.compile(expression)
