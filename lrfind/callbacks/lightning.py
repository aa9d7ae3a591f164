"""The former name of `lrfind.integrations.lightning`."""

from lrfind.integrations.lightning import FindLR

__all__ = ["FindLR"]
