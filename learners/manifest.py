# pyright: strict
"""The manifest of a folder: the size and digest of every file in it, by which the folder proves that it is whole."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

NAME = "manifest.json"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _Listed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    files: dict[str, _File] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder held when it was sealed: file (relative to the folder) → size and SHA-256."""

    folder: Path
    files: dict[str, _File]

    @classmethod
    def seal(cls, folder: Path) -> None:
        """Writes the manifest of `folder` when all that it lists is on disk. Nothing may be written there any more."""
        files: dict[str, dict[str, str | int]] = {}
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
        with (folder / NAME).open("w", encoding="utf-8") as file:
            file.write(json.dumps({"files": files}, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The manifest in `folder`, None if there is none; raises ValueError, which names it, if it is damaged."""
        path = folder / NAME
        try:
            return cls(folder, _Listed.model_validate_json(path.read_bytes()).files)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
        except ValidationError:
            raise ValueError(f"{path}: is damaged") from None

    def check(self) -> None:
        """Raises ValueError, which names the file, unless every file is there as it was; reads all of them."""
        for name, listed in self.files.items():
            path = self.folder / name
            try:
                # The size first: most damage shows in it, and it costs nothing.
                size = path.stat().st_size
                if size != listed.bytes:
                    raise ValueError(f"{path}: is damaged, it has {size} bytes and had {listed.bytes}")
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
            if digest != listed.sha256:
                raise ValueError(f"{path}: is damaged, its content is not what was saved")
