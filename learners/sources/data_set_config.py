"""Settings of a data set that an algorithm trains on: `learner.algorithm.data` in the YAML."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from rewards.settings.section import AtMost, Section, UserFile

if TYPE_CHECKING:  # settings are read without pyarrow
    from learners.sources.data_set import DataSet


class DataSetConfig(Section, ABC):
    """The data set of an offline run. `data: PATH` alone is short for `data: {path: PATH}`."""

    pictures: ClassVar[int] = 1
    """of a row"""

    path: UserFile
    """where it is"""
    batch: Annotated[int, Field(ge=1), AtMost(1_000_000, "no memory holds more pictures")] = 32
    """rows of one update, over all workers"""
    flip: bool = False
    """mirror a row's pictures left to right, half of the time; not for pictures with text, or captions with sides"""

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, values: Any) -> Any:
        return {"path": values} if isinstance(values, str) else values

    @abstractmethod
    def open(self) -> DataSet:
        """The data set; raises ValueError, a line for each problem, if it cannot be used."""

    def located(self) -> Self:
        """The same with an absolute path, for processes in other folders."""
        return self.model_copy(update={"path": self.path.absolute()})


class PairSetConfig(DataSetConfig):
    """Pairs of pictures, with the columns of Pick-a-Pic: parquet files, a folder of them, or a pattern such as
    `data/train-*.parquet`."""

    pictures: ClassVar[int] = 2

    def open(self) -> DataSet:
        from learners.sources.pair_set import PairSet

        return PairSet(self.path)


class ImageSetConfig(DataSetConfig):
    """Pictures with captions: a folder with a metadata.jsonl, or parquet files with the columns `image` and `text`."""

    def open(self) -> DataSet:
        from learners.sources.image_folder import METADATA, ImageFolder
        from learners.sources.image_table import ImageTable
        from learners.sources.parquet_table import parquet_files

        if self.path.is_dir() and (self.path / METADATA).exists():
            return ImageFolder(self.path)
        if files := parquet_files(self.path):
            return ImageTable(self.path, files)
        if self.path.is_dir():
            raise ValueError(f"{self.path}: there is neither a {METADATA} nor a parquet file in it")
        raise ValueError(f"{self.path}: there is no such folder or file")
