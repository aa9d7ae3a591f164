"""The former name of `lrfind.integrations.huggingface`."""

from lrfind.integrations.huggingface import FindLR

__all__ = ["FindLR"]
